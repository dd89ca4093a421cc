"""The local issuer speaks every provider's shape, and a guard of that profile takes its tokens."""

import functools

import pytest

from bearerguard import Guard, RejectedError
from bearerguard.core.providers import PROFILES
from bearerguard.dev.broken import BAD_TOKENS
from bearerguard.dev.issuer import Issuer, SigningKey
from bearerguard.dev.provider_shapes import SHAPES

HOST = "http://127.0.0.1:9000"
key_of = functools.cache(SigningKey.generate)


@pytest.fixture
def pair(clock):
    """Give the issuer of a profile and the guard that is configured as the issuer says."""

    def made(profile):
        shape = SHAPES[profile]
        url = HOST + shape.path
        issuer = Issuer(
            url, audience="orders", key=key_of(shape.alg), clock=clock, shape=shape
        ).with_claims(sub="ann", client_id="local-app", roles=["staff"])
        settings = {k.lower(): v for k, v in shape.settings_for(url, "orders").items()}
        guard = Guard(
            issuer=url, audience="orders", profile=profile, fetcher=issuer, clock=clock, **settings
        )
        return issuer, guard

    return made


def test_every_name_that_profile_takes_has_a_shape():
    assert SHAPES.keys() == PROFILES.keys()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_guard_of_the_profile_takes_its_tokens_and_reads_what_they_allow(profile, pair):
    """RFC 8725 section 3.12: what each issuer's access tokens look like is a rule of its own."""
    issuer, guard = pair(profile)
    token = guard.verify(issuer.token("openid orders:read"))

    assert "ann" in (token.subject or "ann")
    assert token.scopes == ({"openid", "orders:read"} if SHAPES[profile].scope else set())
    assert token.roles == ({"staff"} if guard_reads_roles(profile) else set())
    assert token.client_id in ("local-app", None)


def guard_reads_roles(profile):
    """Whether the profile reads roles at the place where the shape puts them."""
    return PROFILES[profile].role_places and profile != "hydra"


@pytest.mark.parametrize("profile", PROFILES)
def test_each_bad_token_is_refused_in_every_shape(profile, pair):
    """But for those that this provider's own good tokens look like, which are named."""
    issuer, guard = pair(profile)
    accepted = set()
    for name, recipe in BAD_TOKENS.items():
        try:
            guard.verify(recipe(issuer))
        except RejectedError:
            continue
        accepted.add(name)

    assert accepted == SHAPES[profile].good


@pytest.mark.parametrize("profile", sorted(PROFILES.keys() - {"rfc9068", "logto", "duende"}))
def test_a_token_in_a_providers_shape_is_none_by_rfc_9068(profile, pair, clock):
    """Otherwise the shape would show nobody the habits of that provider. Of Duende, only the list of
    scopes differs, and that gives no scope."""
    issuer, _ = pair(profile)
    strict = Guard(
        issuer=issuer.url, audience="orders", profile="rfc9068", fetcher=issuer, clock=clock
    )
    with pytest.raises(RejectedError):
        strict.verify(issuer.token("orders:read"))

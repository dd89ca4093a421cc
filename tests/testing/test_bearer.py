"""Tokens are written in the shape that the guard takes, whatever its profile and settings say."""

import weakref
from unittest import SkipTest

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

import bearerguard.testing
from bearerguard import ConfigurationError, Guard, RejectedError, issuers
from bearerguard.core.providers import PROFILES
from bearerguard.starlette import BearerAuthMiddleware
from bearerguard.testing import BAD_TOKENS, Bearer, Clock, Issuer, trust
from bearerguard.testing.guards_of import guards_of

TEST = ("https://issuer.example", "https://api.example")
AUDIENCE = "https://api.example"
ISSUERS = {
    "auth0": "https://tenant.auth0.com/",
    "okta": "https://dev.okta.com/oauth2/default",
    "entra": "https://login.microsoftonline.com/5f0e1d2c-1111-4222-8333-0123456789ab/v2.0",
}
DEMANDED = {
    "cognito": {"clients": "shop"},
    "fusionauth": {"clients": "shop"},
    "clerk": {"clients": "https://shop.example"},
    "adfs": {"jwks_uri": "https://login.example/keys"},
    "kubernetes": {"match": "/kubernetes.io/namespace=shop"},
    "github-actions": {"match": "repository=OWNER/NAME"},
    "gitlab-ci": {"match": "project_path=GROUP/NAME"},
}
# Settings that say otherwise than any profile.
SETTINGS = {
    "another type": {"token_types": ["application/secret+jwt"]},
    "no type": {"token_types": ["none"], "profile": "jwt"},
    "more claims": {"required_claims": ["email", "auth_time", "acr"]},
    "scopes in a list": {"scope_claims": "/a~1b/permissions"},
    "scopes as keys": {"scope_claims": "/granted/{audience}/*"},
    "roles elsewhere": {"role_claims": "/realm/roles"},
    "a client": {"clients": ["b", "a"], "client_claims": "/app/id"},
    "a claim": {"match": ["tenant=acme", "/level=5"]},
    "one algorithm": {"algorithms": "Ed25519"},
    "a secret": {"secret": "a secret of more than thirty-two bytes"},
    "a long secret": {"secret": "x" * 64, "algorithms": "HS512"},
    "large tokens": {"max_token_bytes": 65536},
}
CASES = {
    **{name: {"profile": name, **DEMANDED.get(name, {})} for name in PROFILES},
    **SETTINGS,
}


@pytest.fixture
def trusted():
    with trust(Issuer(alg="ES256")) as issuer:
        yield issuer


@pytest.fixture
def guard_of():
    return lambda case: Guard(
        issuer=ISSUERS.get(case, "https://login.example"), audience=AUDIENCE, **CASES[case]
    )


def reads_scopes(guard):
    return bool(guard.issuers.all()[0].policy.scope_places)


@pytest.mark.parametrize("case", CASES)
def test_a_token_is_good_for_the_guard_and_says_what_was_asked(trusted, guard_of, case):
    guard = guard_of(case)
    bearer = Bearer(trusted).at(guard)
    scopes = ["orders:read", "orders:write"] if reads_scopes(guard) else []

    token = guard.verify(bearer.token(*scopes, roles=["staff"]))

    assert token.scopes == set(scopes)
    assert token.roles in ({"staff"}, set())
    if guard.issuers.all()[0].policy.role_places:
        assert token.roles == {"staff"}
    assert guard.verify(bearer.token())


@pytest.mark.parametrize("case", CASES)
def test_a_bad_token_is_bad_for_its_name_alone(trusted, guard_of, case):
    """Otherwise a guard that overlooks the defect would refuse it for something else."""
    guard = guard_of(case)
    bearer = Bearer(trusted).at(guard)
    guard.verify(bearer.token())

    for name in bearer.all_bad():
        raw = bearer.bad(name)["Authorization"].removeprefix("Bearer ")
        with pytest.raises(RejectedError):
            guard.verify(raw)
        report = guard.explain(raw)
        failed = {check.name for check in report.checks if check.passed is False}
        assert failed - ALSO.get(name, set()) == set(), name


# Where one defect is seen by several checks: tests/testing/test_broken.py says why.
ALSO = {
    "garbage": {"shape"},
    "unsigned": {"algorithm", "type", "signature"},
    "forged": {"signature"},
    "altered": {"signature", "match"},
    "signed_with_the_public_key": {"algorithm", "type", "signature"},
    "unknown_key": {"key"},
    "own_key_in_header": {"signature"},
    "expired": {"expiry"},
    "without_expiry": {"expiry", "required"},
    "expiry_as_text": {"expiry"},
    "not_yet_valid": {"not_before"},
    "issued_in_the_future": {"issued_at"},
    "wrong_issuer": {"issuer"},
    "issuer_with_slash": {"issuer"},
    "without_issuer": {"issuer", "required"},
    "wrong_audience": {"audience"},
    "without_audience": {"audience", "required"},
    "empty_audience": {"audience"},
    "without_subject": {"required", "match"},
    "id_token": {"type", "audience", "kind"},
    "id_token_for_this_api": {"type", "kind"},
    "logout_token": {"type"},
    "security_event": {"type"},
    "unknown_extension": {"header"},
    "bound_to_a_key": {"binding"},
    "padded": {"shape"},
    "four_parts": {"shape"},
    "oversized": {"size"},
}


def test_what_is_no_defect_is_left_out_and_skips_a_test_that_names_it(trusted, guard_of):
    """The tokens of Cognito name no audience."""
    bearer = Bearer(trusted).at(guard_of("cognito"))

    assert "without_audience" not in bearer.all_bad()
    assert len(bearer.all_bad()) == len(BAD_TOKENS) - 1
    with pytest.raises(SkipTest, match="no defect"):
        bearer.without_audience()


def test_scopes_that_no_claim_can_hold_are_told(trusted, guard_of):
    bearer = Bearer(trusted).at(guard_of("kubernetes"))

    with pytest.raises(ValueError, match="reads no scopes"):
        bearer("orders:read")
    assert bearer(scope="")


def test_claims_can_be_changed_added_and_left_out(trusted, guard_of):
    guard = guard_of("rfc9068")
    bearer = Bearer(trusted).at(guard)

    token = guard.verify(bearer.token("a", sub="ada", client_id="shop", tenant="acme"))
    assert (token.subject, token.client_id, token.claims["tenant"]) == ("ada", "shop", "acme")
    for changed in ({"without": ["jti"]}, {"header": {"typ": "JWT"}}, {"scope": 5}):
        with pytest.raises(RejectedError):
            guard.verify(bearer.token(**changed))


def test_what_a_test_asks_for_is_never_mended(trusted, guard_of):
    """Who wants a wrong subject, or another header, gets it."""
    for case, claim in (("kubernetes", "sub"), ("github-actions", "repository")):
        guard = guard_of(case)
        with pytest.raises(RejectedError, match="claim_mismatch"):
            guard.verify(Bearer(trusted).at(guard).token(**{claim: "ada"}))


@pytest.mark.parametrize("configured", [True, False])
def test_before_there_is_a_guard_the_environment_says_for_whom_tokens_are(
    monkeypatch, trusted, configured
):
    """Starlette builds its middleware at the first request."""
    monkeypatch.setattr(issuers, "LIVE_ISSUERS", weakref.WeakSet())
    if configured:
        monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example")
        monkeypatch.setenv("BEARERGUARD_AUDIENCE", "orders")
    bearer = Bearer(trusted)
    token = bearer.token("a")
    other = bearer.token("a", issuer="https://other.example", audience="others")

    name, audience = ("https://login.example", "orders") if configured else TEST
    assert Guard(issuer=name, audience=audience).verify(token)
    assert Guard(issuer="https://other.example", audience="others").verify(other)


def test_two_guards_of_one_issuer_take_the_same_token(monkeypatch, trusted):
    """It names both audiences; and scopes are not the matter of a guard that reads none."""
    monkeypatch.setattr(issuers, "LIVE_ISSUERS", weakref.WeakSet())
    guards = [
        Guard(issuer="https://login.example", audience=name, profile="supabase")
        for name in ("one", "two")
    ]
    token = Bearer(trusted).token()
    assert [guard.verify(token).audience for guard in guards] == [("one", "two")] * 2


def test_of_guards_of_one_issuer_that_take_different_tokens_the_newest_counts(monkeypatch, trusted):
    """An application made for one test comes after those that earlier tests have left."""
    monkeypatch.setattr(issuers, "LIVE_ISSUERS", weakref.WeakSet())
    settings = {"issuer": "https://login.example", "audience": AUDIENCE}
    older = Guard(profile="keycloak", **settings)
    newer = Guard(profile="rfc9068", **settings)
    raw = Bearer(trusted).token()
    assert newer.verify(raw)
    with pytest.raises(RejectedError):
        older.verify(raw)


def test_a_rotation_reaches_guards_of_another_algorithm(guard_of):
    guard = guard_of("one algorithm")
    with trust(Issuer(alg="ES256")) as issuer:
        bearer = Bearer(issuer).at(guard)
        old = bearer.token()
        guard.verify(old)
        assert issuer.rotate(keep=False).alg == "ES256"
        issuer.clock.tick(30)
        assert guard.verify(bearer.token())
        with pytest.raises(RejectedError, match="key_unknown"):
            guard.verify(old)


def test_any_issuer_in_memory_will_do(issuer, guard):
    with trust(issuer):
        assert guard.verify(Bearer(issuer).at(guard).token("a")).scopes == {"a"}


def test_time_of_guards_goes_on_with_that_of_the_issuer_and_is_theirs_again():
    guard = Guard(issuer="https://login.example", audience=AUDIENCE, clock=lambda: 5.0)
    with trust(Issuer(clock=(clock := Clock()))):
        clock.tick(1000)
        assert guard.clock() == pytest.approx(clock())
        meanwhile = Guard(issuer="https://login.example", audience=AUDIENCE, clock=lambda: 6.0)
    assert (guard.clock(), meanwhile.clock()) == (5.0, 6.0)


def test_a_guard_that_could_not_be_made_says_why():
    app = Starlette(middleware=[Middleware(BearerAuthMiddleware, leeway="nonsense")])
    with pytest.raises(ConfigurationError, match="leeway"):
        guards_of(app)


def test_a_name_that_is_not_exported_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Isuer'"):
        _ = bearerguard.testing.Isuer

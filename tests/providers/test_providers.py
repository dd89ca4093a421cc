"""Tokens of real providers, in the shape in which they were recorded, and what stands beside them.

Each profile takes the tokens of its own provider and of nobody else, and none of the provider's
other kinds of token. What it needs for that and cannot know refuses the start.
"""

import functools
import importlib.util
import json
from pathlib import Path

import jwt
import pytest

import bearerguard
from bearerguard import ConfigurationError, Guard, RejectedError, scope
from bearerguard.core.access import Access
from bearerguard.core.providers import PROFILES
from bearerguard.core.request import RequestView
from bearerguard.jwks.fetch import Fetched
from bearerguard.testing import Issuer, SigningKey

_spec = importlib.util.spec_from_file_location("rows", Path(__file__).with_name("rows.py"))
rows = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rows)
ROWS = rows.ROWS
NEIGHBOURS = [(name, other) for name, row in ROWS.items() for other in row.neighbours]
NEEDED = [(name, setting) for name, row in ROWS.items() for setting in row.needed]
ID_PROFILES = ("google-id", "firebase", "apple", "line", "slack")

key_of = functools.cache(SigningKey.generate)


class Provider:
    """The key server of a row, and a maker of its tokens. It never opens a socket."""

    def __init__(self, row, clock):
        self.row, self.clock = row, clock
        self.key = key_of(row.alg)

    def fetch(self, url, **_limits):
        keys_at = self.row.settings.get("jwks_uri", "https://keys.example/jwks")
        is_keys = url == keys_at
        metadata = {"issuer": self.row.issuer, "jwks_uri": keys_at}
        document = {"keys": [dict(self.key.jwk)]} if is_keys else metadata
        return Fetched(200, {"content-type": "application/json"}, json.dumps(document).encode())

    def guard(self, without=(), **settings):
        given = {"issuer": self.row.issuer, "audience": self.row.audience, **self.row.settings}
        given = {
            name: value for name, value in {**given, **settings}.items() if name not in without
        }
        return Guard(fetcher=self, clock=self.clock, **given)

    def token(self, claims=None, header=None):
        now = int(self.clock())
        whole = {
            "iss": self.row.issuer,
            "aud": self.row.audience,
            "iat": now,
            "exp": now + 60,
            **self.row.claims,
            **(claims or {}),
        }
        signer = Issuer(self.row.issuer, key=self.key, clock=self.clock)
        payload = json.dumps({k: v for k, v in whole.items() if v is not ...}).encode()
        return signer.sign(payload, header={"typ": None, **self.row.header, **(header or {})})


@pytest.fixture
def provider(clock):
    return lambda name: Provider(ROWS[name], clock)


def test_every_row_of_the_table_is_here():
    assert len(ROWS) + len(rows.REFUSED_AT_THE_START) == 35


@pytest.mark.parametrize("name", ROWS)
def test_a_providers_token_is_accepted_and_read(name, provider):
    """RFC 8725 section 3.12: what each issuer's access tokens look like is a rule of its own."""
    row, made = ROWS[name], provider(name)
    token = made.guard().verify(made.token())
    assert token.scopes == row.scopes
    assert token.roles == row.roles
    assert (token.client_id, token.tenant) == (row.client, row.tenant)


@pytest.mark.parametrize("name", ROWS)
def test_the_profile_is_the_one_that_the_host_or_the_operator_names(name, provider):
    assert provider(name).guard().issuers.all()[0].settings.profile_in_force() == ROWS[name].profile


@pytest.mark.parametrize(("name", "other"), NEIGHBOURS)
def test_what_is_no_access_token_for_this_api_is_refused(name, other, provider):
    """RFC 8725 section 3.12: ID, refresh and logout tokens, other tenants' and other clients'."""
    row, made = ROWS[name].neighbours[other], provider(name)
    guard = made.guard()
    guard.verify(made.token())
    with pytest.raises(RejectedError) as refusal:
        guard.verify(made.token(row.claims, row.header))
    assert refusal.value.reason == row.reason
    assert refusal.value.status == 401


@pytest.mark.parametrize("name", ROWS)
def test_an_opaque_token_is_no_jwt_of_a_provider(name, provider):
    with pytest.raises(RejectedError, match="token_malformed"):
        provider(name).guard().verify(rows.OPAQUE)


@pytest.mark.parametrize(("name", "setting"), NEEDED)
def test_without_what_a_profile_depends_on_the_token_is_not_accepted(name, setting, provider):
    """Either the start says what to set, or a stricter profile refuses the token."""
    made = provider(name)
    if setting == "profile":
        with pytest.raises((ConfigurationError, RejectedError)):
            made.guard(without=["profile", "clients", "scope_claims", "role_claims"]).verify(
                made.token()
            )
        return
    with pytest.raises(ConfigurationError) as refusal:
        made.guard(without=[setting])
    assert setting in str(refusal.value)


@pytest.mark.parametrize("name", rows.REFUSED_AT_THE_START)
def test_a_provider_whose_tokens_are_for_itself_refuses_the_start(name):
    issuer, told = rows.REFUSED_AT_THE_START[name]
    with pytest.raises(ConfigurationError, match=told):
        Guard(issuer=issuer, audience=rows.API)


@pytest.mark.parametrize("profile", sorted({*PROFILES} - {"jwt", *ID_PROFILES}))
def test_no_profile_but_those_for_id_tokens_takes_an_id_token(profile):
    """OpenID Connect Core section 2: nonce, at_hash and c_hash are what ID tokens have."""
    rules = PROFILES[profile]
    assert rules.token_types == {"at+jwt"} or {"nonce", "at_hash", "c_hash"} <= rules.foreign_claims


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row.profile in ID_PROFILES])
def test_an_id_token_allows_no_scope(name, provider):
    made = provider(name)
    raw = made.token({"scope": "orders:read", "scp": ["orders:read"], "roles": ["admin"]})
    view = RequestView("GET", "/", None, (("authorization", f"Bearer {raw}"),))
    with pytest.raises(RejectedError) as refusal:
        made.guard().admit(view, Access(need=scope("orders:read")))
    assert (refusal.value.status, refusal.value.error) == (403, "insufficient_scope")


# Secrets, which some of them sign with.


@pytest.mark.parametrize("name", ["Authentik", "FusionAuth", "Supabase", "LINE"])
def test_a_token_signed_with_the_shared_secret_is_accepted_where_it_is_set(name, provider, clock):
    """Authentik without a key, FusionAuth by default, old Supabase projects, LINE."""
    made, secret = provider(name), "s" * 32
    claims = json.loads(jwt.utils.base64url_decode(made.token().split(".")[1].encode()))
    raw = jwt.encode(claims, secret, "HS256")
    guard = made.guard(without=["jwks_uri"], secret=secret)
    assert guard.verify(raw).subject == claims["sub"]
    with pytest.raises(RejectedError, match="algorithm_not_allowed"):
        made.guard().verify(raw)


# Several issuers.


def test_a_relaxation_of_one_issuer_never_reaches_another(clock):
    """RFC 8725 section 3.8: what is taken from one provider is refused from its neighbour."""
    cognito = Provider(ROWS["AWS Cognito"], clock)
    strict = Issuer("https://strict.example", key=key_of("RS256"), clock=clock)

    class Both:
        def fetch(self, url, **limits):
            one = strict if url.startswith(strict.url) else cognito
            return one.fetch(url, **{"headers": {}, "timeout_s": 1, "max_bytes": 1, **limits})

    guard = Guard(
        fetcher=Both(),
        clock=clock,
        issuers=[
            bearerguard.Issuer(cognito.row.issuer, audience=rows.API, **cognito.row.settings),
            bearerguard.Issuer(strict.url, audience=rows.API),
        ],
    )
    assert guard.verify(cognito.token()).client_id == cognito.row.client
    assert guard.verify(strict.token("read")).scopes == {"read"}
    changes = {
        "type_mismatch": {"header": {"typ": "JWT"}},
        "audience_missing": {"without": ["aud"]},
    }
    for reason, change in changes.items():
        with pytest.raises(RejectedError, match=reason):
            guard.verify(strict.token("read", **change))
    raw = strict.token("read", token_use="access", client_id=cognito.row.client, without=["aud"])
    with pytest.raises(RejectedError, match="audience_missing"):
        guard.verify(raw)


@pytest.mark.parametrize("name", ["Entra ID v1 token", "Entra ID v2 token"])
def test_an_entra_key_of_another_tenant_verifies_nothing(name, provider, clock):
    """One set of keys may serve many tenants; a key then names the issuer whose tokens it is for."""
    row, made = ROWS[name], provider(name)
    accepted = (row.issuer, row.issuer.replace(rows.TID, "{tenantid}"), None)
    refused = (row.issuer.replace(rows.TID, rows.OTHER_TID), "https://other.example", 5)
    original = made.fetch

    def with_issuer(issuer):
        def fetch(url, **limits):
            answer = original(url, **limits)
            document = json.loads(answer.body)
            for key in document.get("keys", ()) if issuer is not None else ():
                key["issuer"] = issuer
            return Fetched(200, answer.headers, json.dumps(document).encode())

        made.fetch = fetch
        return made.guard()

    for issuer in accepted:
        assert with_issuer(issuer).verify(made.token()).tenant == rows.TID
    for issuer in refused:
        with pytest.raises(RejectedError, match="key_of_another_issuer"):
            with_issuer(issuer).verify(made.token())

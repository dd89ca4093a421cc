"""Another kind of JWT of the same issuer, sent as an access token.

Source: RFC 8725 sections 3.11 and 3.12, RFC 9068 section 5, RFC 9701 section 8.1, OpenID Connect
Back-Channel Logout section 2.6. All are signed by the issuer's own key.
"""

import pytest

from bearerguard.testing import SigningKey

AUD = "https://api.example"
OTHER_TYPES = [
    "dpop+jwt",
    "secevent+jwt",
    "logout+jwt",
    "statuslist+jwt",
    "token-introspection+jwt",
    "oauth-authz-req+jwt",
    "client-authentication+jwt",
    "entity-statement+jwt",
    "vc+sd-jwt",
    "application/logout+jwt",
    "LOGOUT+JWT",
]


@pytest.mark.requirement("8725-3.11-1", "9701-8.1-1", "BCL-2.6-2")
@pytest.mark.parametrize("typ", OTHER_TYPES)
@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
def test_a_token_of_another_type_is_refused_in_every_profile(issuer, reason, profile, typ):
    """RFC 8725 section 3.11: its claims are those of a good access token."""
    by = issuer.guard(profile=profile)
    assert reason(issuer.token(header={"typ": typ}), by=by) == "type_mismatch"


ID_TOKEN = {"nonce": "n-0S6_WzA2Mj", "aud": "client-1", "without": ["client_id", "jti"]}
LOGOUT = {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "sid": "s"}


@pytest.mark.requirement("8725-3.12-1", "9068-5-1")
def test_an_id_token_is_refused_by_its_type(issuer, reason):
    """RFC 9068 section 5."""
    assert reason(issuer.token(header={"typ": "JWT"}, **ID_TOKEN)) == "type_mismatch"
    assert reason(issuer.token(header={"typ": None}, **ID_TOKEN)) == "type_mismatch"


@pytest.mark.requirement("8725-3.12-1", "9068-5-1")
@pytest.mark.parametrize("typ", ["JWT", None])
@pytest.mark.parametrize("mark", ["nonce", "at_hash", "c_hash"])
def test_without_a_type_to_go_by_an_id_token_is_refused_by_its_claims(issuer, reason, typ, mark):
    """Even where its audience is this API, as with issuers that name the client in both."""
    by = issuer.guard(profile="jwt")
    assert reason(issuer.token(header={"typ": typ}, **ID_TOKEN), by=by) == "audience_mismatch"
    for value in ("x", None, ""):
        raw = issuer.token(header={"typ": typ}, **{mark: value})
        assert reason(raw, by=by) == "wrong_kind_of_token"


@pytest.mark.requirement("BCL-2.6-2", "8725-3.12-1")
@pytest.mark.parametrize("typ", ["JWT", None])
def test_a_logout_token_or_security_event_is_refused_by_its_events(issuer, reason, typ):
    """Back-Channel Logout section 2.6, RFC 8417 section 4."""
    raw = issuer.token(header={"typ": typ}, **LOGOUT)
    assert reason(raw, by=issuer.guard(profile="jwt")) == "wrong_kind_of_token"


@pytest.mark.requirement("8725-3.12-1")
@pytest.mark.parametrize(
    ("claim", "foreign", "own"),
    [
        ("token_use", ["id", "refresh", "Access", 5, None, ["access"], {}], "access"),
        ("typ", ["ID", "Refresh", "Offline", "bearer", 5, None, ["Bearer"]], "Bearer"),
        ("drn", ["DSR", "ds", 5, None], "DS"),
        ("purpose", ["id_token", "refresh_token", 5, None], "access_token"),
    ],
)
def test_a_claim_that_names_another_kind_refuses_the_token(issuer, reason, claim, foreign, own):
    """The marks of providers that send no type: Cognito, Keycloak, Descope, Curity."""
    by = issuer.guard(profile="jwt")
    assert by.verify(issuer.token(**{claim: own})).subject == "user-1"
    for value in foreign:
        assert reason(issuer.token(**{claim: value}), by=by) == "wrong_kind_of_token"


@pytest.mark.requirement("9701-8.1-1")
@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
def test_an_introspection_response_is_refused(issuer, reason, profile):
    """RFC 9701 section 8.1: the data of a token, signed by the issuer, for this very API."""
    raw = issuer.token(
        header={"typ": "token-introspection+jwt"},
        without=["sub", "exp"],
        token_introspection={"active": True, "sub": "user-1", "scope": "read"},
    )
    assert reason(raw, by=issuer.guard(profile=profile)) == "type_mismatch"


@pytest.mark.requirement("8725-3.11-1")
@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
def test_a_dpop_proof_is_refused(issuer, reason, keys, profile):
    """RFC 9449: signed by the client's own key, which its header brings along."""
    client = SigningKey.generate("ES256", kid="client")
    header = {"typ": "dpop+jwt", "jwk": dict(client.jwk), "kid": None}
    raw = issuer.token(key=client, header=header, htm="GET", htu=AUD)
    assert reason(raw, by=issuer.guard(profile=profile)) == "type_mismatch"

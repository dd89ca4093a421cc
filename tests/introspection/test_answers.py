"""What an issuer says of a token is judged by the rules for the claims of a JWT."""

import pytest

from bearerguard import RejectedError


@pytest.fixture
def judged(issuer, clock, outcome, client):
    """Let the issuer say this of a good token, and give what comes of it."""

    def of(settings=None, without=(), **members):
        guard = issuer.guard(**client, **(settings or {}))
        said = {"active": True, **issuer.claims()} | members
        issuer.introspect = lambda _: {n: v for n, v in said.items() if n not in without}
        return outcome(guard, "opaque")

    return of


@pytest.mark.requirement("7662-2.2-1", "7662-2.2-8", "7662-2.3-3")
@pytest.mark.parametrize("active", [False, "true", 1, None, [True], {}, "yes"])
def test_a_token_is_good_only_if_active_is_exactly_true(judged, active):
    """RFC 7662 section 2.2; nothing else of such an answer counts, sub included."""
    assert judged(active=active) == "token_inactive"
    assert judged(without=["active"]) == "token_inactive"
    assert judged() == "user-1"


@pytest.mark.requirement("7662-2.2-2")
def test_members_that_nobody_knows_are_ignored(judged):
    assert judged(extra={"deep": [1]}, username="jo", client_name=None) == "user-1"


@pytest.mark.requirement("7662-2.2-3")
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"exp": -60}, "expired"),
        ({"exp": "soon"}, "claim_malformed"),
        ({"nbf": 60}, "not_yet_valid"),
        ({"iat": 60}, "issued_in_the_future"),
        ({"aud": "https://other.example"}, "audience_mismatch"),
        ({"aud": 5}, "claim_malformed"),
        ({"iss": "https://other.example"}, "issuer_mismatch"),
        ({"iss": None}, "claim_malformed"),
        ({"sub": ""}, "claim_malformed"),
        ({"client_id": 5}, "claim_malformed"),
        ({"auth_time": "x"}, "claim_malformed"),
        ({"scope": 5}, "claim_malformed"),
    ],
)
def test_what_is_said_must_hold_here_too(judged, clock, members, reason):
    """RFC 7662 section 2.2: active only says that the issuer would take it."""
    times = {
        n: int(clock.now) + v
        for n, v in members.items()
        if n in ("exp", "nbf", "iat") and isinstance(v, int)
    }
    assert judged(**members | times) == reason


@pytest.mark.parametrize("name", ["iss", "sub", "client_id", "iat", "jti"])
def test_these_members_may_be_missing(judged, name):
    """RFC 7662 section 2.2; who was asked has answered, so that a missing iss is that issuer."""
    assert judged(without=[name]) == (None if name == "sub" else "user-1")


def test_a_missing_issuer_is_filled_in(issuer, asking):
    token = asking.verify(issuer.opaque_token(without=["iss"]))
    assert token.issuer == token.claims["iss"] == issuer.url


def test_an_answer_without_an_end_is_refused(judged):
    assert judged(without=["exp"]) == "claim_missing"


def test_a_greatest_age_needs_the_time_of_issue(judged):
    assert judged({"max_token_age": "5m"}, without=["iat"]) == "claim_missing"


@pytest.mark.requirement("7662-2.2-4")
def test_a_missing_audience_is_refused(judged):
    assert judged(without=["aud"]) == "audience_missing"


@pytest.mark.requirement("7662-2.2-5")
@pytest.mark.parametrize(
    ("scope", "scopes"),
    [("a b", {"a", "b"}), ("a\tb", {"a\tb"}), ("A", {"A"}), ("", set()), ("a  b", {"a", "b"})],
)
def test_scope_is_split_at_spaces_alone(issuer, asking, scope, scopes):
    """RFC 6749 section 3.3."""
    assert asking.verify(issuer.opaque_token(scope)).scopes == scopes


def test_a_scope_of_every_route_is_asked_of_an_opaque_token(issuer, client):
    guard = issuer.guard(**client, required_scopes="read")
    assert guard.verify(issuer.opaque_token("read")).subject == "user-1"
    with pytest.raises(RejectedError, match="scope_insufficient"):
        guard.verify(issuer.opaque_token("write"))


@pytest.mark.requirement("7662-2.2-6")
@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
@pytest.mark.parametrize(
    ("cnf", "reason"),
    [({"jkt": "x"}, "token_bound"), ({"x5t#S256": "x"}, "token_bound"), ("x", "claim_malformed")],
)
def test_a_bound_token_is_no_bearer_token(judged, profile, cnf, reason):
    """RFC 7662 with RFC 9449 section 6.2 and RFC 8705 section 3.2: as in a JWT."""
    assert judged({"profile": profile}, cnf=cnf) == reason


@pytest.mark.requirement("7662-2.2-7")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *[("Bearer", "user-1"), ("bearer", "user-1"), ("BEARER", "user-1")],
        *[("DPoP", "scheme_mismatch"), ("N_A", "scheme_mismatch"), ("", "scheme_mismatch")],
        *[(5, "claim_malformed"), (None, "claim_malformed")],
    ],
)
def test_the_type_of_the_token_must_be_the_scheme_by_which_it_came(judged, kind, expected):
    """RFC 7662 section 2.2, RFC 6749 section 5.1."""
    assert judged(token_type=kind) == expected


@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        *[({"token_use": "access_token"}, "user-1"), ({"token_use": "access"}, "user-1")],
        *[({"token_use": "refresh_token"}, "wrong_kind_of_token")],
        *[({"typ": "Bearer"}, "user-1"), ({"typ": "Refresh"}, "wrong_kind_of_token")],
    ],
)
def test_a_refresh_token_that_its_issuer_calls_active_is_no_access_token(
    judged, profile, mark, expected
):
    """RFC 7662 section 2.1: the hint is only a hint; there is no header with a typ to look at."""
    assert judged({"profile": profile}, **mark) == expected


@pytest.mark.requirement("9470-6.2-1")
def test_the_strength_of_the_authentication_stands_in_an_answer_as_in_a_jwt(issuer, asking):
    """RFC 9470 section 6.2."""
    strength = {"acr": "mfa", "auth_time": int(issuer.clock()) - 5, "amr": ["otp"]}
    tokens = [issuer.opaque_token(**strength), issuer.token(**strength)]
    found = [asking.verify(raw) for raw in tokens]
    assert {(token.acr, token.auth_time, token.amr) for token in found} == {
        ("mfa", strength["auth_time"], ("otp",))
    }


@pytest.mark.requirement("9396-9.2-1")
def test_authorization_details_stand_in_an_answer_as_in_a_jwt(issuer, asking):
    """RFC 9396 section 9.2."""
    details = [{"type": "payment", "actions": ["read"]}]
    tokens = [
        issuer.opaque_token(authorization_details=details),
        issuer.token(authorization_details=details),
    ]
    assert [asking.verify(raw).authorization_details for raw in tokens] == [(details[0],)] * 2


def test_what_a_handler_does_to_the_claims_changes_nothing(issuer, asking):
    raw = issuer.opaque_token(roles=["staff"])
    asking.verify(raw).claims["roles"].append("admin")
    assert asking.verify(raw).roles == {"staff"}


@pytest.mark.requirement("FAPI2-5.3.4-3")
def test_a_token_that_was_revoked_is_refused_once_its_answer_is_out_of_date(
    issuer, asking, clock, outcome
):
    raw = issuer.opaque_token()
    assert outcome(asking, raw) == "user-1"
    issuer.revoke(raw)
    clock.tick(61)
    assert outcome(asking, raw) == "token_inactive"

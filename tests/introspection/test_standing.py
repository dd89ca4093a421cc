"""What an issuer said of an opaque token is no longer believed when somebody knows better."""

import asyncio

import pytest

from bearerguard import RejectedError


def told(guard, raw):
    """Give the subject, or why the token is refused; sync and async must agree."""
    found = []
    for verify in (guard.verify, lambda token: asyncio.run(guard.averify(token))):
        try:
            found.append(verify(raw).subject)
        except RejectedError as refusal:
            found.append(refusal.reason)
    assert found[0] == found[1]
    return found[0]


def questions(issuer):
    return issuer.requests.count(issuer.introspection_uri)


@pytest.mark.parametrize(
    "names", [{"token_id": "t-1"}, {"subject": "user-1"}, {"session_id": "s-1"}]
)
def test_a_revocation_ends_an_opaque_token_at_once(asking, issuer, names):
    """Although what its issuer said of it is still kept."""
    raw = issuer.opaque_token(jti="t-1", sid="s-1")
    other = issuer.opaque_token(sub="user-2")
    assert told(asking, raw) == "user-1"
    asked = questions(issuer)

    asking.revoke(**names)

    assert told(asking, raw) == "revoked"
    assert told(asking, other) == "user-2"
    assert questions(issuer) == asked + 1


def test_everything_issued_before_a_moment_can_be_revoked(asking, issuer, clock):
    old = issuer.opaque_token()
    clock.tick(10)
    asking.revoke(issued_before=clock())
    assert told(asking, old) == "revoked"
    assert told(asking, issuer.opaque_token()) == "user-1"


def test_the_report_names_the_revocation(asking, issuer):
    raw = issuer.opaque_token()
    asking.verify(raw)
    assert asking.explain(raw).accepted
    asking.revoke(subject="user-1")
    assert asking.explain(raw).first_failure.name == "revocation"


def test_the_report_names_a_scope_that_is_missing(issuer, client):
    raw, guard = issuer.opaque_token(scope="read"), issuer.guard(**client, required_scopes="write")
    assert told(guard, raw) == "scope_insufficient"
    assert guard.explain(raw).first_failure.name == "authorization"


@pytest.mark.requirement("CAEP-2")
def test_a_change_of_a_subject_has_the_issuer_asked_anew(asking, issuer, clock):
    """CAEP 1.0 sections 3.2 to 3.4: what is kept is dropped."""
    raw = issuer.opaque_token()
    asking.verify(raw)
    asked = questions(issuer)
    clock.tick(1)

    asking.forget(subject="user-1")
    clock.tick(1)

    assert told(asking, raw) == "user-1"
    assert questions(issuer) == asked + 1


def test_an_answer_that_was_under_way_is_not_kept_after_that(asking, issuer, clock):
    """It may tell of the time before the change."""
    raw, introspect = issuer.opaque_token(), issuer.introspect

    def changes_meanwhile(token):
        asking.forget(subject="user-1")
        return introspect(token)

    issuer.introspect = changes_meanwhile
    assert asking.verify(raw).subject == "user-1"
    issuer.introspect = introspect
    clock.tick(1)
    asked = questions(issuer)
    asking.verify(raw)
    assert questions(issuer) == asked + 1


@pytest.mark.parametrize("missing", ["sub", "client_id", "iat", "jti", "iss"])
def test_a_providers_profile_asks_no_more_of_an_answer(issuer, client, missing):
    """What RFC 7662 does not ask for is not asked for by a profile either."""
    guard = issuer.guard(**client, profile="hydra")
    raw = issuer.opaque_token(without=[missing])
    assert guard.verify(raw).issuer == issuer.url


def test_what_the_operator_requires_is_required_of_an_answer_too(issuer, client):
    guard = issuer.guard(**client, required_claims="jti,aud")
    assert told(guard, issuer.opaque_token(without=["sub", "client_id"])) is None
    assert told(guard, issuer.opaque_token(without=["jti"])) == "claim_missing"


@pytest.mark.requirement("7662-2.2-4")
def test_the_list_of_clients_stands_in_for_the_audience_of_an_answer(issuer, client):
    """RFC 7662 section 2.2: aud is optional, and the operator says what takes its place."""
    guard = issuer.guard(**client, missing_audience="client", clients="client-1")
    assert told(guard, issuer.opaque_token(without=["aud"])) == "user-1"
    assert told(guard, issuer.opaque_token(without=["aud", "client_id"])) == "client_not_allowed"
    assert told(guard, issuer.opaque_token(aud="https://other.example")) == "audience_mismatch"
    strict = issuer.guard(**client)
    assert told(strict, issuer.opaque_token(without=["aud"])) == "audience_missing"


@pytest.mark.parametrize("typ", ["Refresh", "ID"])
def test_the_refresh_token_that_keycloak_calls_active_is_no_access_token(issuer, client, typ):
    guard = issuer.guard(**client, profile="keycloak")
    assert told(guard, issuer.opaque_token(typ="Bearer")) == "user-1"
    assert told(guard, issuer.opaque_token(typ=typ)) == "wrong_kind_of_token"


@pytest.mark.requirement("9470-6.2-1")
def test_an_answer_tells_how_its_user_logged_in(asking, issuer, clock):
    """RFC 9470 section 6.2: acr and auth_time are members at the top level."""
    token = asking.verify(issuer.opaque_token(acr="mfa", auth_time=int(clock()) - 5))
    assert (token.acr, token.auth_time) == ("mfa", int(clock()) - 5)

"""One request: a token, an anonymous caller who may pass, or a refusal."""

import pytest

from bearerguard import RejectedError, scope
from bearerguard.core.access import Access
from bearerguard.core.request import RequestView

PREFLIGHT = (("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET"))
NEED = Access(need=scope("read"))


def request(*headers, method="GET", path="/") -> RequestView:
    return RequestView(method, path, None, headers)


def bearer(raw: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {raw}"


@pytest.fixture
def refusal(guard):
    """Give the status and the reason with which a request is refused."""

    def of(view: RequestView, access: Access) -> tuple[int, str]:
        with pytest.raises(RejectedError) as refused:
            guard.admit(view, access)
        return refused.value.status, refused.value.reason

    return of


@pytest.mark.requirement("FAPI2-5.3.4-1", "FAPI2-5.3.4-4")
def test_a_token_in_the_header_is_taken_and_its_scope_enforced(issuer, guard, refusal):
    """RFC 6750 sections 2.1 and 3.1."""
    assert guard.admit(request(bearer(issuer.token("read"))), NEED).subject == "user-1"
    assert refusal(request(bearer(issuer.token("write"))), NEED) == (403, "scope_insufficient")
    assert guard.admit(request(bearer(issuer.token())), Access()).subject == "user-1"


@pytest.mark.requirement("FAPI2-5.3.4-2")
def test_a_token_in_the_query_is_no_credential(issuer, refusal):
    """RFC 9700 section 4.3.2; no setting enables it (see tests/not_offered.md)."""
    view = request(path=f"/?access_token={issuer.token('read')}")
    assert refusal(view, NEED) == (401, "no_credentials")


@pytest.mark.parametrize(
    ("access", "anonymous", "broken"),
    [
        (Access(), 401, 401),
        (Access(need=scope("read")), 401, 401),
        (Access(public=True), None, None),
        (Access(optional=True), None, 401),
        (Access(public=True, need=scope("read")), 401, 401),
        (Access(optional=True, need=scope("read")), 401, 401),
        (Access(unruled=True), 401, 401),
    ],
)
def test_what_a_route_is_decides_about_anonymous_callers(guard, refusal, access, anonymous, broken):
    """A need wins over public and optional; credentials that are there must be good."""
    for view, status in ((request(), anonymous), (request(bearer("garbage")), broken)):
        if status is None:
            assert guard.admit(view, access) is None
        else:
            assert status == refusal(view, access)[0]


def test_a_good_token_is_not_looked_at_on_a_public_path(issuer, guard):
    assert guard.admit(request(bearer(issuer.token())), Access(public=True)) is None
    assert issuer.requests == []


def test_a_good_token_names_the_caller_on_an_optional_path(issuer, guard):
    view = request(bearer(issuer.token()))
    assert guard.admit(view, Access(optional=True)).subject == "user-1"


def test_no_token_is_enough_where_no_rule_speaks_of_the_path(issuer, refusal):
    view = request(bearer(issuer.token("read")))
    assert refusal(view, Access(unruled=True)) == (403, "no_rule_for_path")


@pytest.mark.parametrize("access", [Access(), NEED, Access(unruled=True)])
def test_a_preflight_passes_to_the_cors_layer(guard, access):
    """The Fetch standard: it never carries credentials."""
    assert guard.admit(request(*PREFLIGHT, method="OPTIONS"), access) is None


@pytest.mark.parametrize(
    "view",
    [
        request(method="OPTIONS"),
        request(PREFLIGHT[0], method="OPTIONS"),
        request(PREFLIGHT[1], method="OPTIONS"),
        request(*PREFLIGHT),
        request(*PREFLIGHT, ("Authorization", "Basic dTpw"), method="OPTIONS"),
    ],
    ids=repr,
)
def test_what_is_no_preflight_is_guarded(refusal, view):
    assert refusal(view, Access()) == (401, "no_credentials")


def test_a_preflight_does_not_get_to_a_view_of_its_own_that_has_a_need(guard, refusal):
    view = request(*PREFLIGHT, method="OPTIONS")
    assert refusal(view, Access(need=scope("a"), answers_options=True)) == (401, "no_credentials")
    assert guard.admit(view, Access(answers_options=True)) is None


@pytest.mark.requirement("9700-2.3-1", "MCP-TOK-1")
def test_the_audience_is_checked_on_every_request(issuer, guard, refusal):
    """RFC 9700 section 2.3: a request that passed before vouches for nothing."""
    assert guard.admit(request(bearer(issuer.token())), Access()).subject == "user-1"
    foreign = request(bearer(issuer.token(aud="https://other.example")))
    assert refusal(foreign, Access()) == (401, "audience_mismatch")

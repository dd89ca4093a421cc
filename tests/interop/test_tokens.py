"""Tokens of a real authorization server at both example applications, over HTTP."""

import pytest

pytestmark = [pytest.mark.process, pytest.mark.untraced]

ORDER = {"item": "apples", "quantity": 3}


@pytest.fixture(params=["RS256", "ES256"])
def signed_with(authorization_server, request):
    """Both keys are published all the time, so that no API has to fetch for the change."""
    authorization_server.sign_with(request.param)
    yield request.param
    authorization_server.sign_with("RS256")


@pytest.mark.requirement("6750-2.1-1", "9068-4-10")
def test_a_token_by_client_credentials_is_accepted(api, authorization_server, signed_with):
    """RFC 9068 section 4: any of the published keys may have signed."""
    token = authorization_server.token("orders:read")

    answer = api.get("/orders", token)

    assert (answer.status_code, answer.json()) == (200, {"orders": []})


def test_a_token_by_code_and_pkce_is_accepted(api, authorization_server, signed_with):
    """RFC 9068 section 2.2: the subject of such a token is the user, not the client."""
    token = authorization_server.token_of_alice("orders:read reports:read")

    answer = api.get("/me", token)

    assert answer.json() == {
        "subject": "alice",
        "client": "shop",
        "scopes": ["orders:read", "reports:read"],
    }


@pytest.mark.requirement("9068-5-2")
def test_a_client_on_its_own_behalf_is_told_apart_by_its_subject(api, authorization_server):
    """RFC 9068 section 5: the subject of a client's own token is the client."""
    answer = api.get("/me", authorization_server.token("orders:read"))

    assert (answer.json()["subject"], answer.json()["client"]) == ("batch-job", "batch-job")


def test_a_user_may_order_and_finds_the_order_again(api, authorization_server):
    token = authorization_server.token_of_alice("orders:read orders:write")
    made = api.post("/orders", token, ORDER)

    assert made.status_code == 201
    assert made.json() in api.get("/orders", token).json()["orders"]


@pytest.mark.requirement("6750-3.1-1")
def test_without_a_token_the_challenge_names_no_error(api):
    """RFC 6750 section 3.1: no authentication information, no error code."""
    answer = api.get("/orders")

    assert (answer.status_code, answer.json()) == (401, {})
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="https://orders.example", scope="orders:read"'
    )


@pytest.mark.requirement("6750-3.1-5", "6750-3.1-6")
def test_a_token_short_of_scope_is_told_what_the_route_needs(api, authorization_server):
    """RFC 6750 section 3.1: 403 insufficient_scope, with the scope that is necessary."""
    answer = api.post("/orders", authorization_server.token("orders:read"), ORDER)

    assert answer.status_code == 403
    assert answer.json()["error"] == "insufficient_scope"
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="orders:read orders:write"' in challenge


def test_a_token_whose_signature_was_altered_is_refused(api, authorization_server):
    """RFC 7515 section 5.2."""
    head, _, signature = authorization_server.token("orders:read").rpartition(".")
    other = "A" if signature[0] != "A" else "B"

    answer = api.get("/orders", f"{head}.{other}{signature[1:]}")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


def test_a_public_path_needs_no_token(api):
    assert api.get("/healthz").status_code == 200


def test_the_metadata_stand_at_both_well_known_places(authorization_server):
    """RFC 8414 section 3, OpenID Connect Discovery section 4: what the APIs found their keys by."""
    places = ("oauth-authorization-server", "openid-configuration")
    one, other = (authorization_server.http.get(f"/.well-known/{name}").json() for name in places)

    assert one == other
    assert one["issuer"] == authorization_server.url


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "Basic dTpw")],
        [("Authorization", "Bearer garbage")],
        [("Authorization", "Bearer a b")],
    ],
)
def test_two_frameworks_on_two_servers_refuse_alike(apis, headers):
    """What a server does to an answer on its way must not make a difference either."""
    one, other = (api.http.get("/orders", headers=headers) for api in apis.by_name.values())

    assert one.status_code == other.status_code
    assert one.content == other.content
    for name in ("www-authenticate", "content-type", "cache-control"):
        assert one.headers.get_list(name) == other.headers.get_list(name)


@pytest.mark.requirement("6750-2.1-4")
@pytest.mark.parametrize("lines", [2, 1])
def test_two_credentials_in_one_request_are_malformed(api, authorization_server, lines):
    """RFC 6750 section 3.1: a repeated parameter, whether or not a server joins the two fields."""
    credentials = f"Bearer {authorization_server.token('orders:read')}"
    values = [credentials, credentials] if lines == 2 else [f"{credentials}, {credentials}"]

    answer = api.http.get("/orders", headers=[("Authorization", value) for value in values])

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

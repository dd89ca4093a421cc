"""A browser asks before it sends credentials, and is answered by the CORS layer, never by a view.

The Fetch standard: a preflight has Origin and Access-Control-Request-Method, and no credentials.
"""

import pytest

PREFLIGHT = (
    ("Origin", "https://app.example"),
    ("Access-Control-Request-Method", "GET"),
    ("Access-Control-Request-Headers", "authorization"),
)


@pytest.fixture
def outside(api, contract):
    """A CORS layer around the guard, where it belongs."""
    api.app = (contract.cors_asgi if api.is_asgi else contract.cors_wsgi)(api.app)
    return api


@pytest.fixture
def inside(make):
    """A CORS layer between the guard and the views."""
    return make(has_cors=True)


@pytest.mark.requirement("FETCH-CORS-1")
@pytest.mark.parametrize("path", ["/plain", "/read", "/write", "/no-such-path", "/healthz"])
@pytest.mark.parametrize("layer", ["outside", "inside"])
def test_a_preflight_is_answered_by_the_cors_layer(adapter, request, layer, path):
    """Wherever it stands; no view runs."""
    api = request.getfixturevalue(layer)
    answer = api.call("OPTIONS", path, *PREFLIGHT)
    assert (answer.status, api.ran) == (200, [])
    assert answer.only("access-control-allow-origin") == "https://app.example"


@pytest.mark.requirement("FETCH-CORS-2")
@pytest.mark.parametrize(
    ("raw", "status"), [(None, 401), ("garbage", 401), ("a b", 400), ("", 403)]
)
def test_a_browser_can_read_the_challenge(outside, issuer, raw, status):
    """The recipe: the CORS layer outermost, exposing WWW-Authenticate."""
    raw = issuer.token() if raw == "" else raw
    answer = outside.call("GET", "/read", PREFLIGHT[0], token=raw)
    assert answer.status == status
    assert "realm" in answer.challenge
    assert answer.only("access-control-allow-origin") == "https://app.example"
    assert "WWW-Authenticate" in answer.only("access-control-expose-headers")


@pytest.mark.requirement("FETCH-CORS-1")
@pytest.mark.parametrize(
    "fields",
    [
        (),
        PREFLIGHT[:1],
        PREFLIGHT[1:],
        (*PREFLIGHT, ("Authorization", "Basic dTpw")),
    ],
)
@pytest.mark.parametrize("path", ["/plain", "/read", "/no-such-path"])
def test_any_other_options_request_is_guarded(api, path, fields):
    assert (api.call("OPTIONS", path, *fields).status, api.ran) == (401, [])


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "options", "Options"])
def test_no_other_method_passes_for_a_preflight(api, method):
    assert api.call(method, "/read", *PREFLIGHT).status == 401
    assert api.ran == []


def test_a_bad_token_with_a_preflight_is_a_bad_token(api):
    answer = api.call("OPTIONS", "/plain", *PREFLIGHT, token="garbage")
    assert answer.outcome == (401, "invalid_token")


@pytest.mark.parametrize("needs", [("read",), ()])
def test_no_view_with_a_need_runs_for_a_preflight(make, contract, issuer, needs):
    """Also where the view itself answers OPTIONS and no CORS layer is there."""
    api = make(contract.Route("/x", needs=needs, methods=("GET", "OPTIONS")))
    assert (api.call("OPTIONS", "/x", *PREFLIGHT).outcome, api.ran) == ((401, None), [])
    assert api.call("OPTIONS", "/x", token=issuer.token("read")).status == 200


@pytest.mark.parametrize("adapter", ["starlette", "flask", "fastapi"])
def test_a_cors_layer_inside_answers_also_for_a_view_with_a_need_and_options(make, contract):
    route = contract.Route("/x", needs=("read",), methods=("GET", "OPTIONS"))
    api = make(route, has_cors=True)
    assert (api.call("OPTIONS", "/x", *PREFLIGHT).status, api.ran) == (200, [])


@pytest.mark.parametrize("adapter", ["asgi", "wsgi"])
@pytest.mark.parametrize("rule", ["* /x", "OPTIONS /x", "* /*"])
def test_a_rule_that_speaks_of_options_holds_for_a_preflight(make, contract, rule):
    """Many applications answer OPTIONS with the view itself; nobody here could tell."""
    api = make(contract.Route("/x", methods=("GET", "OPTIONS")), rules={rule: "read"})
    assert (api.call("OPTIONS", "/x", *PREFLIGHT).outcome, api.ran) == ((401, None), [])


def test_a_preflight_brings_no_user(make, contract):
    """What runs for it without a need sees an anonymous caller."""
    api = make(contract.Route("/x", methods=("GET", "OPTIONS")))
    assert api.call("OPTIONS", "/x", *PREFLIGHT).json["subject"] is None

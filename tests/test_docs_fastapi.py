"""What docs/fastapi.md prints is one module, and does what the text around it says."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bearerguard.testing import Issuer, bad_tokens, trust

PAGE = (Path(__file__).parents[1] / "docs/fastapi.md").read_text("utf-8")


@pytest.fixture(scope="module")
def issuer():
    return Issuer("https://login.example.com", audience="https://api.example.com")


@pytest.fixture(scope="module")
def printed(issuer):
    """Execute the blocks one after the other, with the two variables set."""
    namespace = {"__name__": "docs"}
    with pytest.MonkeyPatch.context() as environment, trust(issuer):
        environment.setenv("BEARERGUARD_ISSUER", issuer.url)
        environment.setenv("BEARERGUARD_AUDIENCE", issuer.audience)
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            exec(compile(block, "docs/fastapi.md", "exec"), namespace)
        yield namespace


@pytest.fixture
def call(printed, issuer):
    def called(path, scopes=None, method="GET", app="app", **claims):
        headers = {}
        if scopes is not None:
            headers["Authorization"] = f"Bearer {issuer.token(scopes, **claims)}"
        return TestClient(printed[app]).request(method, path, headers=headers)

    return called


@pytest.mark.parametrize(
    ("path", "method", "scopes"),
    [
        ("/orders", "GET", "orders:read"),
        ("/reports/", "GET", "reports:read daily"),
        ("/reports/1", "DELETE", "reports:read reports:write"),
        ("/reports/", "POST", "reports:read reports:write"),
        ("/me", "GET", "profile"),
    ],
)
def test_the_printed_routes_need_what_the_text_says(call, path, method, scopes):
    refused = call(path, method=method)

    assert (refused.status_code, refused.json()) == (401, {})
    assert {*re.search('scope="(.*)"', refused.headers["www-authenticate"])[1].split()} == {
        *scopes.split()
    }
    assert call(path, scopes, method).status_code == 200
    for one in scopes.split():
        fewer = " ".join(name for name in scopes.split() if name != one)
        assert call(path, fewer, method).status_code == 403


def test_the_printed_role_is_an_alternative_and_the_printed_check_is_enforced(call):
    assert call("/reports/", "reports:read", roles=["auditor"]).status_code == 200
    guest = {"client_id": "guest"}
    assert call("/reports/", "reports:read daily", **guest).status_code == 403


def test_the_printed_application_refuses_every_bad_token(printed, issuer):
    client = TestClient(printed["app"])
    answers = {
        name: client.get("/orders", headers={"Authorization": f"Bearer {bad}"}).status_code
        for name, bad in bad_tokens(issuer).items()
    }

    assert set(answers.values()) <= {400, 401}, answers


def test_the_printed_application_is_closed_but_for_what_is_open_by_name(call):
    open_paths = ("/healthz", "/greeting", "/docs", "/docs/oauth2-redirect", "/openapi.json")

    assert {call(path).status_code for path in open_paths} == {200}
    assert {call(path).status_code for path in ("/redoc", "/me", "/unknown")} == {401}
    assert call("/greeting").json() == {"hello": "stranger"}
    assert call("/greeting", "", sub="ann").json() == {"hello": "ann"}


def test_the_printed_socket_is_opened_with_its_scope_alone(printed, issuer):
    client = TestClient(printed["app"])
    field = {"Authorization": f"Bearer {issuer.token('prices', sub='ann')}"}

    with client.websocket_connect("/prices", headers=field) as socket:
        assert socket.receive_json() == {"for": "ann"}


def test_the_printed_urls_make_an_oauth_scheme(call):
    schemes = call("/openapi.json", app="documented").json()["components"]["securitySchemes"]

    assert schemes["bearerAuth"]["type"] == "oauth2"


def test_the_printed_test_passes(printed):
    printed["test_a_reader_gets_the_orders"]()


def test_the_printed_overrides_let_nobody_in(printed, call):
    app, guard = printed["app"], printed["guard"]
    app.dependency_overrides |= {guard.token: lambda: None, printed["customer"]: lambda: "bob"}
    try:
        assert call("/me").status_code == 401
        assert call("/me", "profile").json() == {"name": "bob"}
    finally:
        app.dependency_overrides.clear()

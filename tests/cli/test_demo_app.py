"""The application that the demo guards: the same orders as in the examples, asked in-process."""

import importlib.util

import pytest
from starlette.testclient import TestClient

from bearerguard.dev.demo import APP_FILE, AUDIENCE
from bearerguard.testing import Issuer, trust


@pytest.fixture
def call(monkeypatch, signing_key):
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://issuer.example")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", AUDIENCE)
    issuer = Issuer(audience=AUDIENCE, key=signing_key)
    spec = importlib.util.spec_from_file_location("demo_app_of_a_test", APP_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    client = TestClient(module.app)

    def send(method, path, scope=None, content=None):
        headers = {"Authorization": f"Bearer {issuer.token(scope)}"} if scope is not None else {}
        return client.request(method, path, headers=headers, content=content)

    with trust(issuer):
        yield send


def test_an_order_is_made_and_listed_for_its_owner(call):
    made = call("POST", "/orders", "orders:read orders:write", '{"item": "pears", "quantity": 2}')

    assert made.status_code == 201
    assert call("GET", "/orders", "orders:read").json()["orders"] == [made.json()]


@pytest.mark.parametrize(
    ("content", "status"),
    [("no JSON", 400), ("[]", 422), ('{"item": "pears", "quantity": true}', 422)],
)
def test_what_is_no_order_is_refused(call, content, status):
    assert call("POST", "/orders", "orders:read orders:write", content).status_code == status


@pytest.mark.parametrize(("scope", "status"), [("reports:read", 200), ("orders:read", 403)])
def test_a_report_needs_one_of_two_scopes(call, scope, status):
    assert call("GET", "/reports", scope).status_code == status


def test_a_caller_learns_who_it_is(call):
    assert call("GET", "/me", "orders:read").json() == {
        "subject": "user-1",
        "client": "client-1",
        "scopes": ["orders:read"],
    }


def test_the_health_check_needs_no_token(call):
    assert call("GET", "/healthz").json() == {"status": "ok"}

"""How to test a guarded API: real tokens of an issuer in memory, and no network.

The fixtures ``bearer``, ``assert_protected``, ... come with bearerguard. Where your app.py can be
imported by its name, write ``from app import app`` in place of ``run_path``.
"""

from collections.abc import Iterator
from pathlib import Path
from runpy import run_path

import pytest
from starlette.testclient import TestClient

APP = Path(__file__).with_name("app.py")
ORDER = {"item": "apples", "quantity": 3}


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = run_path(str(APP))["app"]  # made anew for each test, so that no orders are left over
    with TestClient(app) as client:
        yield client


def test_a_reader_may_read(client, bearer):
    answer = client.get("/orders", headers=bearer("orders:read"))

    assert (answer.status_code, answer.json()) == (200, {"orders": []})


def test_without_a_token_the_answer_says_how_to_authenticate(client):
    answer = client.get("/orders")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="https://api.example"')


def test_a_reader_may_not_write_and_is_told_what_is_missing(client, bearer):
    answer = client.post("/orders", json=ORDER, headers=bearer("orders:read"))

    assert answer.status_code == 403
    assert 'scope="orders:read orders:write"' in answer.headers["WWW-Authenticate"]


def test_writing_alone_is_not_enough(client, bearer):
    answer = client.post("/orders", json=ORDER, headers=bearer("orders:write"))

    assert answer.status_code == 403


def test_a_new_order_belongs_to_the_subject_of_the_token(client, bearer):
    alice, bob = (bearer("orders:read", "orders:write", sub=name) for name in ("alice", "bob"))
    made = client.post("/orders", json=ORDER, headers=alice)

    assert made.status_code == 201
    assert made.json() == {"number": 1, "owner": "alice", **ORDER}
    assert client.get("/orders", headers=alice).json() == {"orders": [made.json()]}
    assert client.get("/orders", headers=bob).json() == {"orders": []}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("apples", 400),
        ("\xff", 400),
        pytest.param("[" * 100_000, 400, id="too deep"),
        ("[]", 422),
        ('{"item": "apples"}', 422),
        ('{"item": "", "quantity": 1}', 422),
        ('{"item": "\\ud800", "quantity": 1}', 422),
        ('{"item": "apples", "quantity": 0}', 422),
        ('{"item": "apples", "quantity": 1001}', 422),
        ('{"item": "apples", "quantity": "3"}', 422),
        ('{"item": "apples", "quantity": true}', 422),
    ],
)
def test_a_body_that_is_no_order_makes_none(client, bearer, body, status):
    writer = bearer("orders:read", "orders:write")
    answer = client.post("/orders", content=body.encode("latin-1"), headers=writer)

    assert answer.status_code == status
    assert client.get("/orders", headers=writer).json() == {"orders": []}


@pytest.mark.parametrize(
    ("scope", "status"), [("reports:read", 200), ("orders:admin", 200), ("orders:read", 403)]
)
def test_one_of_two_scopes_opens_the_reports(client, bearer, scope, status):
    assert client.get("/reports", headers=bearer(scope)).status_code == status


def test_a_caller_learns_who_it_is(client, bearer):
    answer = client.get("/me", headers=bearer("b", "a", sub="alice", client_id="shop"))

    assert answer.json() == {"subject": "alice", "client": "shop", "scopes": ["a", "b"]}


def test_the_health_check_needs_no_token(client):
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/me", "/no-such-path"])
def test_what_nobody_opened_is_closed(client, path):
    assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "/orders", ["orders:read"]),
        ("POST", "/orders", ["orders:read", "orders:write"]),
        ("GET", "/reports", ["reports:read"]),
        ("GET", "/me", []),
    ],
)
def test_a_route_refuses_whom_it_should(client, assert_protected, method, path, scopes):
    """Nobody, every named bad token (expired, forged, for another API, ...), too few scopes."""
    assert_protected(client, method, path, scopes=scopes)


def test_nothing_else_is_open(client, assert_all_protected):
    assert_all_protected(client, public=["/healthz"])

"""How to test a guarded API: real tokens of an issuer in memory, and no network.

Copy the three fixtures. Where your app.py can be imported by its name, write
``from app import app`` in place of ``run_path``, after the two variables are set.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from runpy import run_path

import pytest
from starlette.testclient import TestClient

from bearerguard.testing import Issuer, bad_tokens, trust

APP = Path(__file__).with_name("app.py")
ORDER = {"item": "apples", "quantity": 3}

Headers = dict[str, str]


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer("https://issuer.example", audience="https://orders.example")


@pytest.fixture
def client(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("BEARERGUARD_ISSUER", issuer.url)
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", issuer.audience)
    app = run_path(str(APP))["app"]  # made anew for each test, so that no orders are left over
    with trust(issuer), TestClient(app) as client:
        yield client


@pytest.fixture
def bearer(issuer: Issuer) -> Callable[..., Headers]:
    """``bearer("orders:read", sub="alice")`` gives the headers of a request with such a token."""

    def headers(scope: str = "", **claims: object) -> Headers:
        return {"Authorization": f"Bearer {issuer.token(scope, **claims)}"}

    return headers


def test_a_reader_may_read(client, bearer):
    answer = client.get("/orders", headers=bearer("orders:read"))

    assert (answer.status_code, answer.json()) == (200, {"orders": []})


def test_without_a_token_the_answer_says_how_to_authenticate(client):
    answer = client.get("/orders")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="https://orders.example"')


def test_a_reader_may_not_write_and_is_told_what_is_missing(client, bearer):
    answer = client.post("/orders", json=ORDER, headers=bearer("orders:read"))

    assert answer.status_code == 403
    assert 'scope="orders:read orders:write"' in answer.headers["WWW-Authenticate"]


def test_writing_alone_is_not_enough(client, bearer):
    answer = client.post("/orders", json=ORDER, headers=bearer("orders:write"))

    assert answer.status_code == 403


def test_a_new_order_belongs_to_the_subject_of_the_token(client, bearer):
    alice, bob = (bearer("orders:read orders:write", sub=name) for name in ("alice", "bob"))
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
    writer = bearer("orders:read orders:write")
    answer = client.post("/orders", content=body.encode("latin-1"), headers=writer)

    assert answer.status_code == status
    assert client.get("/orders", headers=writer).json() == {"orders": []}


@pytest.mark.parametrize(
    ("scope", "status"), [("reports:read", 200), ("orders:admin", 200), ("orders:read", 403)]
)
def test_one_of_two_scopes_opens_the_reports(client, bearer, scope, status):
    assert client.get("/reports", headers=bearer(scope)).status_code == status


def test_a_caller_learns_who_it_is(client, bearer):
    answer = client.get("/me", headers=bearer("b a", sub="alice", client_id="shop"))

    assert answer.json() == {"subject": "alice", "client": "shop", "scopes": ["a", "b"]}


def test_the_health_check_needs_no_token(client):
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/me", "/no-such-path"])
def test_what_nobody_opened_is_closed(client, path):
    assert client.get(path).status_code == 401


def test_no_bad_token_is_accepted(client, issuer):
    """Expired, forged, for another API, ...: each name says what is wrong with its token."""
    answers = {
        name: client.get("/me", headers={"Authorization": f"Bearer {token}"}).status_code
        for name, token in bad_tokens(issuer).items()
    }

    assert {name: status for name, status in answers.items() if status not in (400, 401)} == {}

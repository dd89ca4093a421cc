"""What docs/metadata.md and docs/step-up.md print is executed, and does what they say."""

import json
import re
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from werkzeug.test import Client

from bearerguard import Guard
from bearerguard.testing import Issuer, trust

ROOT = Path(__file__).parents[1]
WELL_KNOWN = "/.well-known/oauth-protected-resource"
API = "https://api.example.com"


def blocks(page, language):
    text = (ROOT / "docs" / page).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def run(monkeypatch):
    """Execute a block of a page, as a reader would with the two variables set."""
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example.com")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", API)

    def execute(page, number):
        namespace = {"__name__": "docs"}
        source = blocks(page, "python")[number]
        exec(compile(source, f"docs/{page}: {number}", "exec"), namespace)
        return namespace

    return execute


@pytest.fixture
def issuer():
    trusted = Issuer("https://login.example.com", audience=API)
    with trust(trusted):
        yield trusted


def test_the_printed_document_and_challenge_are_those_of_the_printed_setting(issuer):
    guard = Guard(issuer=issuer.url, audience=API, resource=f"{API}/orders")
    guard.resource.note_scopes(["orders:read", "orders:write"])

    (printed,) = blocks("metadata.md", "json")
    (challenge,) = blocks("metadata.md", "http")

    assert json.loads(printed) == guard.resource.document()
    assert f'resource_metadata="{guard.resource.metadata_url}"' in challenge


def test_the_printed_members_are_published(run):
    document = run("metadata.md", 0)["guard"].resource.document()

    assert document["resource_name#it"] == "Ordini"
    assert document["scopes_supported"] == ["orders:read"]


@pytest.mark.requirement("MCP-SCOPE-4")
def test_the_printed_hierarchy_lets_the_broad_scope_in(run, issuer):
    token = run("metadata.md", 1)["guard"].verify(issuer.token("orders:admin"))

    assert token.scopes == {"orders:admin", "orders:write", "orders:read"}


@pytest.mark.requirement("9728-3-4", "9728-3.1-3")
def test_the_printed_mounts_have_a_document_and_a_challenge_each(run):
    client = TestClient(run("metadata.md", 2)["app"])

    for name in ("orders", "stock"):
        document = client.get(f"{WELL_KNOWN}/{name}").json()
        assert (document["resource"], document["scopes_supported"]) == (
            f"{API}/{name}",
            [f"{name}:read"],
        )
        challenge = client.get(f"/{name}/index").headers["www-authenticate"]
        assert f'resource_metadata="{API}{WELL_KNOWN}/{name}"' in challenge


@pytest.mark.requirement("9728-3.1-3")
def test_the_printed_dispatcher_serves_the_document_at_the_root_of_the_host(run):
    client = Client(run("metadata.md", 3)["app"])

    assert client.get(f"{WELL_KNOWN}/orders").json["resource"] == f"{API}/orders"
    assert client.get("/orders/x").status_code == 401


@pytest.mark.requirement("9470-3-5", "9470-3-8")
def test_the_printed_route_asks_for_the_printed_login(run, issuer):
    client = TestClient(run("step-up.md", 0)["app"])

    def call(*scopes, **login):
        token = issuer.token(*scopes, **login)
        return client.get("/pay", headers={"Authorization": f"Bearer {token}"})

    (printed,) = blocks("step-up.md", "http")
    refused = call(acr="pwd")
    written = re.sub(r"\s+", " ", printed.partition("WWW-Authenticate: ")[2]).strip()
    assert refused.headers["www-authenticate"] == written
    now = int(time.time())
    assert call("payments:write", acr="mfa", auth_time=now).status_code == 200
    assert call("x", acr="mfa", auth_time=now).status_code == 403
    assert call("payments:write", acr="mfa", auth_time=now - 400).status_code == 401

"""What docs/mcp.md prints is executed, and refuses whoever shows no token."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from bearerguard.testing import Issuer, trust

BLOCKS = re.findall(
    r"```python\n(.*?)```",
    Path(__file__).parents[1].joinpath("docs/mcp.md").read_text("utf-8"),
    re.DOTALL,
)


@pytest.fixture(params=range(len(BLOCKS)))
def app(request, monkeypatch):
    """The application of a block, with the two variables that the page speaks of."""
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example.com")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://api.example.com/mcp")
    names = {"__name__": "docs"}
    exec(compile(BLOCKS[request.param], "docs/mcp.md", "exec"), names)
    return names["app"]


def ask(app, token=None):
    async def send():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            fields = {} if token is None else {"authorization": f"Bearer {token}"}
            return await client.post("/mcp", json={}, headers=fields)

    return asyncio.run(send())


def test_the_page_has_two_ways():
    assert len(BLOCKS) == 2


def test_each_printed_server_asks_for_a_token_and_leads_to_its_metadata(app):
    refused = ask(app)
    assert refused.status_code == 401
    where = "https://api.example.com/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{where}"' in refused.headers["www-authenticate"]


def test_each_printed_server_tells_short_of_scope_from_bad(app):
    issuer = Issuer(
        "https://login.example.com", audience="https://api.example.com/mcp", alg="ES256"
    )
    with trust(issuer):
        assert ask(app, issuer.token("other")).status_code == 403
        assert ask(app, issuer.token("orders", aud="https://other.example")).status_code == 401

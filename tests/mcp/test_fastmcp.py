"""FastMCP, which stands on the SDK: with our middleware around it, and with our verifier in it."""

import asyncio
import logging
from importlib.metadata import version

import pytest

from bearerguard.mcp import BearerAuthMiddleware, UnavailableMiddleware, token_verifier
from bearerguard.testing import bad_tokens

if version("mcp").startswith("1."):
    pytest.skip("FastMCP wants a newer SDK than this one", allow_module_level=True)
pytest.importorskip("fastmcp", reason="FastMCP with our verifier in it: pip install fastmcp")
from fastmcp import Client, FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.dependencies import get_access_token

logging.getLogger("fastmcp").handlers.clear()  # they write to the terminal, past pytest


def server(**arguments):
    made = FastMCP("notes", **arguments)

    @made.tool
    def whoami() -> dict:
        """Tell who calls."""
        token = get_access_token()
        return {"subject": token.subject, "scopes": token.scopes, "issuer": token.claims["iss"]}

    return made


@pytest.fixture(params=["our middleware", "our verifier"])
def url(request, issuer, serve):
    """A server that asks for a scope."""

    def around(_):
        guard = issuer.guard(required_scopes="notes")
        return BearerAuthMiddleware(server().http_app(), guard=guard)

    def inside(base):
        auth = RemoteAuthProvider(
            token_verifier=token_verifier(issuer.guard()),
            authorization_servers=[issuer.url],
            base_url=base,
            required_scopes=["notes"],
        )
        app = server(auth=auth).http_app()
        app.add_middleware(UnavailableMiddleware)
        return app

    return serve(around if request.param == "our middleware" else inside) + "/mcp"


def test_its_client_calls_a_tool_that_reads_the_token(issuer, url):
    async def ask():
        async with asyncio.timeout(20), Client(url, auth=issuer.token("notes")) as client:
            return (await client.call_tool("whoami", {})).data

    told = asyncio.run(ask())

    assert told == {"subject": "user-1", "scopes": ["notes"], "issuer": issuer.url}


@pytest.mark.requirement("MCP-TOK-1", "MCP-ERR-1")
def test_each_kind_of_refusal_has_its_own_answer(issuer, url, knock):
    """RFC 6750 section 3.1, MCP authorization, "Token Handling"."""
    bad = {name: knock(url, token).status_code for name, token in bad_tokens(issuer).items()}
    narrow = knock(url, issuer.token("other"))

    assert set(bad.values()) == {401}, bad
    assert narrow.status_code == 403
    assert 'scope="notes"' in narrow.headers["www-authenticate"]


def test_without_a_token_the_challenge_names_the_scope_and_no_error(url, knock):
    """RFC 6750 section 3.1, MCP authorization, "Scope Selection Strategy"."""
    answer = knock(url)

    assert answer.status_code == 401
    assert 'scope="notes"' in answer.headers["www-authenticate"]
    assert "error=" not in answer.headers["www-authenticate"]


def test_an_outage_of_the_issuer_is_not_blamed_on_the_token(issuer, url, knock):
    """RFC 9110 section 15.6.4."""
    issuer.is_down = True

    assert knock(url, issuer.token("notes")).status_code == 503

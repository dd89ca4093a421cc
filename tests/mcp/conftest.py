"""Real MCP servers under uvicorn, in threads of this process, and the SDK's own client.

The SDK has two major versions at present. A server and a client are written alike in both but for
a few names, which are told apart here.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.shared._httpx_utils import create_mcp_http_client

from bearerguard.dev.server import LocalServer
from bearerguard.testing import Issuer

try:
    from mcp.server.mcpserver import Context, MCPServer
except ModuleNotFoundError:  # before version 2
    from mcp.server.fastmcp import Context
    from mcp.server.fastmcp import FastMCP as MCPServer

PATIENCE_S = 20.0  # this bound only ends what hangs
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def issuer() -> Issuer:
    """An issuer in the present time: the SDK looks at the clock itself."""
    return Issuer(alg="ES256")


@pytest.fixture
def mcp_server() -> Callable[..., Any]:
    """Make a server with tools that tell who calls."""

    def made(**arguments: Any) -> Any:
        server = MCPServer("notes", **arguments)

        @server.tool()
        def whoami() -> dict[str, Any]:
            """Tell who calls."""
            token = get_access_token()
            return token.model_dump(exclude={"token"})

        @server.tool()
        def scopes(context: Context) -> str:
            """Tell what the token of this very request allows."""
            return " ".join(context.request_context.request.user.access_token.scopes)

        return server

    return made


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str], Any]], str]]:
    """Serve what a function makes of the URL that it will have; give that URL."""
    with contextlib.ExitStack() as running:

        def served(make_app: Callable[[str], Any]) -> str:
            made = []

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await made[0](scope, receive, send)

            server = LocalServer(app)
            made.append(make_app(server.url))
            running.callback(server.stop)
            server.start()
            return server.url

        yield served


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    # On an open connection the second half of a short answer waits for the system's delayed ACK.
    closing = {"Connection": "close"}
    with httpx.Client(trust_env=False, timeout=PATIENCE_S, headers=closing) as client:
        yield client


@pytest.fixture
def knock(http: httpx.Client) -> Callable[..., httpx.Response]:
    """Send the first message of a session, or another one, by hand."""

    def knocked(
        url: str,
        token: str | None = None,
        *,
        headers: Any = (),
        message: dict[str, Any] = INITIALIZE,
    ) -> httpx.Response:
        fields = [*ACCEPT.items(), *headers]
        if token is not None:
            fields.append(("Authorization", f"Bearer {token}"))
        return http.post(url, json=message, headers=fields)

    return knocked


@pytest.fixture
def whoami() -> Callable[..., dict[str, Any]]:
    """Ask the server's tool who calls, as the SDK's client does it."""

    async def asked(url: str, headers: dict[str, str] | None, auth: httpx.Auth | None) -> Any:
        async with (
            asyncio.timeout(PATIENCE_S),
            create_mcp_http_client(headers=headers, auth=auth) as http_client,
            streamable_http_client(url, http_client=http_client) as streams,
            ClientSession(*streams[:2]) as session,
        ):
            await session.initialize()
            assert "whoami" in [tool.name for tool in (await session.list_tools()).tools]
            called = await session.call_tool("whoami", {})
            return called.model_dump(by_alias=True)["structuredContent"]

    def ask(url: str, token: str | None = None, *, auth: Any = None) -> Any:
        headers = None if token is None else {"Authorization": f"Bearer {token}"}
        return asyncio.run(asked(url, headers, auth))

    return ask


@pytest.fixture
def run() -> Callable[[Any], Any]:
    """Take a coroutine to its end."""
    return asyncio.run

"""A FastMCP server that asks our verifier, and one behind our middleware, over real HTTP."""

import asyncio

import httpx
import pytest

from bearerguard import Guard
from bearerguard.dev.server import LocalServer, issuer_app
from bearerguard.testing import Issuer, SigningKey

fastmcp = pytest.importorskip(
    "fastmcp", reason="what FastMCP makes of our verifier: pip install fastmcp"
)
from fastmcp.client.transports import StreamableHttpTransport  # noqa: E402
from fastmcp.server.auth import RemoteAuthProvider  # noqa: E402
from fastmcp.server.dependencies import get_access_token  # noqa: E402

from bearerguard.mcp import BearerAuthMiddleware, OutageMiddleware, token_verifier  # noqa: E402

ACCEPT = {"accept": "application/json, text/event-stream"}


class Late:
    """An application that is made when the server's address is known."""

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


def server_with_a_tool(**auth):
    server = fastmcp.FastMCP("orders", **auth)

    @server.tool
    def whoami() -> str:
        return str(get_access_token().subject)

    return server


def asks_our_verifier(issuer, url):
    verifier = token_verifier(issuer=issuer.url, audience=f"{url}/mcp")
    provider = RemoteAuthProvider(
        token_verifier=verifier,
        authorization_servers=[issuer.url],
        base_url=url,
        required_scopes=["orders"],
    )
    app = server_with_a_tool(auth=provider).http_app()
    app.add_middleware(OutageMiddleware, verifier=verifier)
    return app


def behind_our_middleware(issuer, url):
    resource = f"{url}/mcp"
    guard = Guard(issuer=issuer.url, audience=resource, resource=resource, required_scopes="orders")
    return BearerAuthMiddleware(server_with_a_tool().http_app(), guard=guard)


@pytest.fixture(params=[asks_our_verifier, behind_our_middleware])
def served(request):
    """The issuer and the URL of a server."""
    key, apps = SigningKey.generate("ES256"), [Late(), Late()]
    servers = [LocalServer(app) for app in apps]
    issuer = Issuer(servers[0].url, key=key)
    apps[0].app = issuer_app(issuer)
    apps[1].app = request.param(issuer, servers[1].url)
    for server in servers:
        server.start()
    yield issuer, f"{servers[1].url}/mcp"
    for server in servers:
        server.stop()


def test_the_right_token_gets_to_the_tool_and_the_others_get_their_challenges(served):
    """MCP authorization: 401 with the metadata, 403 with the scope, success."""
    issuer, url = served
    bare = httpx.post(url, json={}, headers=ACCEPT, trust_env=False)
    assert bare.status_code == 401
    assert "resource_metadata=" in bare.headers["www-authenticate"]

    short = {"authorization": f"Bearer {issuer.token('other', aud=url)}"}
    refused = httpx.post(url, json={}, headers=ACCEPT | short, trust_env=False)
    assert refused.status_code == 403
    assert 'scope="orders"' in refused.headers["www-authenticate"]

    async def call():
        fields = {"authorization": f"Bearer {issuer.token('orders', aud=url, sub='user-7')}"}
        async with fastmcp.Client(StreamableHttpTransport(url, headers=fields)) as client:
            return (await client.call_tool("whoami", {})).data

    assert asyncio.run(call()) == "user-7"


def test_an_outage_is_answered_503(served):
    issuer, url = served
    issuer.jwks = lambda: {"keys": "none"}
    fields = {"authorization": f"Bearer {issuer.token('orders', aud=url)}"}
    answer = httpx.post(url, json={}, headers=ACCEPT | fields, trust_env=False)
    assert answer.status_code == 503

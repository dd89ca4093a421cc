"""A real MCP server, called over HTTP by the SDK's own client."""

import asyncio
import json
import time
from base64 import b64decode
from functools import partial
from urllib.parse import parse_qs

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from starlette.responses import JSONResponse
from starlette.routing import Route

from bearerguard import ConfigurationError, Guard, UnavailableError
from bearerguard.dev.server import LocalServer, issuer_app
from bearerguard.mcp import BearerAuthMiddleware, OutageMiddleware, token_verifier
from bearerguard.testing import Issuer, SigningKey

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
ACCEPT = {"accept": "application/json, text/event-stream"}


class Late:
    """An application that is made when the server's address is known."""

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


class Storage:
    """What a client keeps: nothing beyond its own life."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


@pytest.fixture(scope="module")
def serve():
    """Serve what ``make`` makes of the server's own URL; give that URL."""
    servers = []

    def begin(make):
        late = Late()
        servers.append(LocalServer(late))
        late.app = make(servers[-1].url)
        servers[-1].start()
        return servers[-1].url

    yield begin
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def make_issuer(serve):
    """Start an authorization server with a token endpoint for the client "agent"."""
    key = SigningKey.generate("ES256")

    def application(issuer):
        async def token(request):
            assert b64decode(request.headers["authorization"].split()[1]) == b"agent:hush"
            form = {
                name: values[0]
                for name, values in parse_qs((await request.body()).decode()).items()
            }
            raw = issuer.token(form.get("scope", ""), aud=form["resource"], sub="agent-1")
            return JSONResponse({"access_token": raw, "token_type": "Bearer", "expires_in": 300})

        app = issuer_app(issuer)
        app.routes.append(Route("/token", token, methods=["POST"]))
        return app

    def start():
        issuers = []

        def make(url):
            issuers.append(Issuer(url, key=key))
            known = issuers[0].metadata()
            issuers[0].metadata = lambda: {**known, "authorization_endpoint": f"{url}/authorize"}
            return application(issuers[0])

        serve(make)
        return issuers[0]

    return start


@pytest.fixture(scope="module")
def as_issuer(make_issuer):
    return make_issuer()


def mcp_server(**auth):
    """A server with one tool, which tells who calls it."""
    server = MCPServer("orders", **auth)

    @server.tool()
    def whoami() -> str:
        token = get_access_token()
        return json.dumps([token.subject, token.scopes, token.resource, token.token])

    return server


def behind_our_middleware(issuer, url):
    resource = f"{url}/mcp"
    guard = Guard(issuer=issuer.url, audience=resource, resource=resource, required_scopes="orders")
    return BearerAuthMiddleware(mcp_server().streamable_http_app(), guard=guard)


def answered_by_the_sdk(issuer, url):
    resource = f"{url}/mcp"
    verifier = token_verifier(issuer=issuer.url, audience=resource)
    auth = AuthSettings(
        issuer_url=issuer.url,
        resource_server_url=resource,
        required_scopes=["orders"],
        validate_token_resource=True,
    )
    app = mcp_server(token_verifier=verifier, auth=auth).streamable_http_app()
    app.add_middleware(OutageMiddleware, verifier=verifier)
    return app


WAYS = {"ours": behind_our_middleware, "theirs": answered_by_the_sdk}


@pytest.fixture(scope="module")
def ours(serve, as_issuer):
    return f"{serve(partial(behind_our_middleware, as_issuer))}/mcp"


@pytest.fixture(scope="module")
def theirs(serve, as_issuer):
    return f"{serve(partial(answered_by_the_sdk, as_issuer))}/mcp"


@pytest.fixture(params=WAYS)
def url(request):
    return request.getfixturevalue(request.param)


def post(url, token=None):
    fields = ACCEPT if token is None else ACCEPT | {"authorization": f"Bearer {token}"}
    return httpx.post(url, json=INITIALIZE, headers=fields, trust_env=False, timeout=30)


async def call_whoami(url, **arguments):
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=30, **arguments) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        found = await client.call_tool("whoami", {})
        return json.loads(found.content[0].text)


@pytest.mark.requirement("MCP-PRM-1", "MCP-PRM-2", "MCP-SCOPE-1")
def test_a_client_finds_its_way_by_itself(ours, as_issuer):
    """MCP authorization: from the 401 to the metadata, to the issuer, to a token with the scope."""
    auth = ClientCredentialsOAuthProvider(ours, Storage(), "agent", "hush", issuer=as_issuer.url)
    assert asyncio.run(call_whoami(ours, auth=auth)) == ["agent-1", ["orders"], ours, "***"]


def test_a_client_finds_its_way_by_the_metadata_of_the_sdk(theirs, as_issuer):
    auth = ClientCredentialsOAuthProvider(theirs, Storage(), "agent", "hush", issuer=as_issuer.url)
    assert asyncio.run(call_whoami(theirs, auth=auth)) == ["agent-1", ["orders"], theirs, "***"]


@pytest.mark.requirement("MCP-PRM-3")
def test_the_metadata_stand_at_the_path_of_the_endpoint_and_at_the_root(ours, as_issuer):
    """MCP authorization: clients try the path of the endpoint, then the root."""
    root = ours.removesuffix("/mcp")
    for path in (
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
    ):
        document = httpx.get(root + path, trust_env=False).json()
        assert document["resource"] == ours
        assert document["authorization_servers"] == [as_issuer.url]
        assert document["scopes_supported"] == ["orders"]


@pytest.mark.requirement("MCP-ERR-1", "MCP-SCOPE-1")
def test_without_a_token_the_challenge_names_metadata_and_scope(ours):
    """MCP authorization, "Protected Resource Metadata Discovery Requirements"."""
    answer = post(ours)
    challenge = answer.headers["www-authenticate"]
    assert answer.status_code == 401
    root = ours.removesuffix("/mcp")
    assert f'resource_metadata="{root}/.well-known/oauth-protected-resource/mcp"' in challenge
    assert 'scope="orders"' in challenge
    assert "error=" not in challenge


@pytest.mark.requirement("MCP-SCOPE-2")
def test_a_token_without_the_scope_is_told_which_one(ours, as_issuer):
    """MCP authorization, "Scope Challenge Handling"."""
    answer = post(ours, as_issuer.token("other", aud=ours))
    challenge = answer.headers["www-authenticate"]
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="orders"' in challenge
    assert "resource_metadata=" in challenge


def test_the_sdk_answers_403_as_well(theirs, as_issuer):
    """Its challenge says less: what it lacks stands in docs/mcp.md."""
    answer = post(theirs, as_issuer.token("other", aud=theirs))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.requirement("MCP-TOK-1")
@pytest.mark.parametrize(
    "claims", [{"aud": "https://other.example"}, {"exp": 5}, {"iss": "https://x"}]
)
def test_a_token_for_somebody_else_is_refused(url, as_issuer, claims):
    """MCP authorization: a server accepts tokens that were issued for it, and no others."""
    answer = post(url, as_issuer.token("orders", **{"aud": url, **claims}))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_tool_sees_who_calls_and_never_the_token(url, as_issuer):
    raw = as_issuer.token("orders extra", aud=url, sub="user-7")
    seen = asyncio.run(call_whoami(url, headers={"authorization": f"Bearer {raw}"}))
    assert seen == ["user-7", ["extra", "orders"], url, "***"]


@pytest.mark.requirement("MCP-TOK-3")
def test_each_request_of_a_session_needs_a_token(url, as_issuer):
    """MCP authorization: authorization is in every request, also within one session."""
    answer = post(url, as_issuer.token("orders", aud=url))
    assert answer.status_code == 200
    session = {"mcp-session-id": answer.headers["mcp-session-id"]}
    follow = {"jsonrpc": "2.0", "method": "tools/list", "id": 2}
    refused = httpx.post(url, json=follow, headers=ACCEPT | session, trust_env=False)
    assert refused.status_code == 401


@pytest.mark.parametrize("way", WAYS)
def test_an_outage_of_the_issuer_is_not_the_clients_fault(way, make_issuer, serve):
    """503 with Retry-After, so that no client throws its token away."""
    issuer = make_issuer()
    url = f"{serve(partial(WAYS[way], issuer))}/mcp"
    issuer.jwks = lambda: {"keys": "none"}
    answer = post(url, issuer.token("orders", aud=url))
    assert answer.status_code == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "www-authenticate" not in answer.headers


# The verifier alone.


@pytest.mark.requirement("MCP-PRM-1")
def test_a_server_without_an_issuer_does_not_start(monkeypatch):
    """RFC 9728 and MCP: authorization_servers has one entry at least."""
    monkeypatch.delenv("BEARERGUARD_ISSUER", raising=False)
    with pytest.raises(ConfigurationError, match="BEARERGUARD_ISSUER is not set"):
        token_verifier()


def test_a_ready_guard_takes_no_other_settings(guard):
    with pytest.raises(ConfigurationError, match=r"give audience to Guard"):
        token_verifier(guard, audience="x")


def test_scopes_that_would_be_answered_401_are_named_to_the_sdk(issuer):
    with pytest.raises(ConfigurationError, match=r"AuthSettings\(required_scopes=\['orders'\]\)"):
        token_verifier(issuer.guard(required_scopes="orders"))


def test_a_refusal_is_logged_with_its_reason_and_without_the_token(issuer, caplog):
    caplog.set_level("INFO")
    raw = issuer.token(aud="https://other.example")
    assert asyncio.run(token_verifier(issuer.guard()).verify_token(raw)) is None
    assert "reason='audience_mismatch'" in caplog.text
    assert raw.split(".")[1] not in caplog.text


def test_an_outage_is_no_verdict(issuer):
    issuer.is_down = True
    with pytest.raises(UnavailableError):
        asyncio.run(token_verifier(issuer.guard()).verify_token(issuer.token()))


@pytest.mark.parametrize("without", [["client_id"], ["client_id", "sub"], []])
def test_the_sdk_gets_a_client_whatever_the_token_names(issuer, without):
    """The SDK ties a session to it."""
    guard = issuer.guard(required_claims="jti")
    found = asyncio.run(token_verifier(guard).verify_token(issuer.token(without=without)))
    expected = {0: "client-1", 1: "user-1", 2: ""}[len(without)]
    assert (found.client_id, found.claims["iss"]) == (expected, issuer.url)


def test_the_sdk_does_not_undo_the_leeway(signing_key):
    """It compares the expiry with its own clock once more."""
    issuer = Issuer(key=signing_key)
    raw = issuer.token(exp=int(time.time()) - 5, iat=int(time.time()) - 60)
    found = asyncio.run(token_verifier(issuer.guard()).verify_token(raw))
    assert found.expires_at > time.time()


def test_a_public_path_needs_no_token(issuer):
    """Beside the endpoint a server may have other routes."""
    server = mcp_server()

    @server.custom_route("/healthz", methods=["GET"])
    async def healthz(_request):
        return JSONResponse({"user": get_access_token()})

    app = BearerAuthMiddleware(
        server.streamable_http_app(), guard=issuer.guard(public=["/healthz"])
    )
    transport = httpx.ASGITransport(app)

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            return await client.get("/healthz")

    assert asyncio.run(ask()).json() == {"user": None}

"""The SDK's client, told nothing but the URL of a server, finds its way to a token by itself."""

import inspect
import re
from importlib.metadata import version

import pytest
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthToken
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from bearerguard.mcp import BearerAuthMiddleware
from bearerguard.testing import Issuer

SCOPES = "notes:read notes:write"


class AuthorizationServer:
    """Publishes an issuer, and gives its tokens to whoever asks: who may is not our subject."""

    def __init__(self, serve):
        self.asked = []
        self.url = serve(self._app)

    def _app(self, url):
        self.issuer = Issuer(url, alg="ES256")
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self.metadata),
                Route("/jwks.json", self.jwks),
                Route("/token", self.token, methods=["POST"]),
            ]
        )

    async def jwks(self, request):
        return JSONResponse(self.issuer.jwks())

    async def metadata(self, request):
        more = {
            "authorization_endpoint": f"{self.issuer.url}/authorize",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        return JSONResponse(self.issuer.metadata() | more)

    async def token(self, request):
        form = dict(await request.form())
        self.asked.append(form)
        scope = form.get("scope", "")
        token = self.issuer.token(scope, aud=form["resource"], sub="client-1")
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": scope}
        return JSONResponse(answer)


class Storage:
    """What a client remembers of earlier days."""

    def __init__(self, tokens=None):
        self.tokens = tokens

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return None

    async def set_client_info(self, client_info):
        pass


@pytest.fixture
def authorization_server(serve):
    return AuthorizationServer(serve)


@pytest.fixture
def url(authorization_server, mcp_server, serve):
    """A server with all that a client needs to know in its settings, and no key in its memory."""
    return serve(
        lambda base: BearerAuthMiddleware(
            mcp_server().streamable_http_app(),
            issuer=authorization_server.url,
            audience=f"{base}/mcp",
            resource=f"{base}/mcp",
            required_scopes=SCOPES.split(),
        )
    )


@pytest.fixture
def client(url, authorization_server):
    """The part of the SDK's client that gets tokens; since version 2 it wants the issuer's name."""

    def made(tokens=None):
        known = inspect.signature(ClientCredentialsOAuthProvider).parameters
        bound = {"issuer": authorization_server.url} if "issuer" in known else {}
        return ClientCredentialsOAuthProvider(
            f"{url}/mcp", Storage(tokens), "client-1", "secret", **bound
        )

    return made


def test_a_client_that_knows_only_the_url_gets_a_token_and_calls_a_tool(
    url, client, authorization_server, whoami
):
    """MCP authorization, "Authorization Flow Steps", from the first 401 to the answer of a tool."""
    told = whoami(f"{url}/mcp", auth=client())

    assert told["subject"] == "client-1"
    assert told["scopes"] == SCOPES.split()
    (asked,) = authorization_server.asked
    assert (asked["resource"], asked["scope"]) == (f"{url}/mcp", SCOPES)


@pytest.mark.skipif(
    version("mcp").startswith("1."), reason="this client looks for no metadata at a 403"
)
@pytest.mark.requirement("MCP-SCOPE-2")
def test_a_client_whose_token_lacks_a_scope_gets_a_broader_one(
    url, client, authorization_server, whoami
):
    """MCP authorization, "Step-Up Authorization Flow": 403 names all scopes of the operation."""
    narrow = authorization_server.issuer.token("notes:read", aud=f"{url}/mcp")
    tokens = OAuthToken(access_token=narrow, token_type="Bearer", scope="notes:read")

    told = whoami(f"{url}/mcp", auth=client(tokens))

    assert told["scopes"] == SCOPES.split()
    assert [asked["scope"] for asked in authorization_server.asked] == [SCOPES]


@pytest.mark.requirement("MCP-PRM-2", "MCP-SCOPE-1")
def test_without_a_token_the_challenge_names_the_metadata_and_the_scopes(url, knock):
    """RFC 9728 section 5.1, RFC 6750 section 3.1, MCP authorization."""
    answer = knock(f"{url}/mcp")

    assert answer.status_code == 401
    assert parameters_of(answer) == {
        "realm": f"{url}/mcp",
        "scope": SCOPES,
        "resource_metadata": f"{url}/.well-known/oauth-protected-resource/mcp",
    }


@pytest.mark.requirement("MCP-SCOPE-2")
def test_a_token_without_a_scope_is_told_error_scopes_and_metadata(
    url, authorization_server, knock
):
    """MCP authorization, "Runtime Insufficient Scope Errors"."""
    answer = knock(f"{url}/mcp", authorization_server.issuer.token("x", aud=f"{url}/mcp"))

    assert answer.status_code == 403
    told = parameters_of(answer)
    assert told["error"] == "insufficient_scope"
    assert told["scope"] == SCOPES
    assert told["resource_metadata"] == f"{url}/.well-known/oauth-protected-resource/mcp"


def test_a_token_for_another_server_of_the_same_issuer_is_refused(url, authorization_server, knock):
    """RFC 8707 section 2, MCP authorization, "Token Audience Binding and Validation"."""
    token = authorization_server.issuer.token(SCOPES, aud="https://other.example/mcp")

    assert knock(f"{url}/mcp", token).status_code == 401


@pytest.mark.requirement("MCP-PRM-1", "MCP-PRM-3")
@pytest.mark.parametrize("below", ["", "/mcp"])
def test_the_metadata_name_the_issuer_at_both_places(url, authorization_server, http, below):
    """RFC 9728 sections 2 and 3.1, MCP authorization: at the path of the endpoint, then the root."""
    answer = http.get(f"{url}/.well-known/oauth-protected-resource{below}")

    assert answer.status_code == 200
    document = answer.json()
    assert document["resource"] == f"{url}/mcp"
    assert document["authorization_servers"] == [authorization_server.url]
    assert document["scopes_supported"] == SCOPES.split()


def parameters_of(answer):
    (challenge,) = answer.headers.get_list("www-authenticate")
    scheme, _, rest = challenge.partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'([a-z_]+)="([^"]*)"', rest))

"""Guards an MCP server, written with the mcp SDK or with FastMCP.

    server = MCPServer("orders")
    app = BearerAuthMiddleware(
        server.streamable_http_app(), resource="https://api.example/mcp", required_scopes="orders"
    )

The middleware is the one for Starlette, around the SDK's whole application: it answers as
everywhere else, 503 in an outage and the scopes in every challenge, serves the metadata that MCP
clients look for, and tells the SDK who calls. :func:`token_verifier` is for whoever leaves the
answers to the SDK.

The token itself is not handed on: an MCP server must not pass it to other services (MCP
specification, "Token Passthrough"), and the SDK's object would show it in its repr.
"""

from typing import TYPE_CHECKING, Any

try:
    from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken as McpAccessToken
except ImportError as error:
    raise ImportError(f"{error}: pip install 'bearerguard[mcp]'") from error

from bearerguard import asgi, starlette
from bearerguard.asgi import refuse
from bearerguard.core.access import GUARDED, Access
from bearerguard.core.request import RequestView
from bearerguard.errors import ConfigurationError, RejectedError, UnavailableError

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken
    from bearerguard.core.marks import Mark
    from bearerguard.guard import Guard

__all__ = ["BearerAuthMiddleware", "OutageMiddleware", "TokenVerifier", "token_verifier"]

# The SDK wants the token; see above.
WITHHELD = "***"


class BearerAuthMiddleware(starlette.BearerAuthMiddleware):
    """Lets a request pass to an MCP server only with a token for it.

    The arguments are those of :class:`bearerguard.starlette.BearerAuthMiddleware`. With
    ``resource``, the server's own URL, clients find the metadata (RFC 9728). The tools see the
    caller by the SDK's ``get_access_token()``; the SDK's own ``auth=`` stays unset.
    """

    def __init__(self, app: asgi.ASGIApp, /, **arguments: Any) -> None:
        super().__init__(AuthContextMiddleware(app), **arguments)

    def attach(
        self,
        scope: asgi.Scope,
        request: RequestView,
        mark: "Mark",
        token: "AccessToken | None",
    ) -> None:
        """Hand the token to the application, and to the SDK as its own kind of user."""
        super().attach(scope, request, mark, token)
        if token is not None:
            scope["user"] = AuthenticatedUser(_mcp_token(token, self.gate.guard))


class TokenVerifier:
    """What the SDK calls ``TokenVerifier``. :func:`token_verifier` makes one.

    ``required_scopes`` and ``scopes_supported`` are what FastMCP asks a verifier for: that it needs
    none by itself.
    """

    def __init__(self, guard: "Guard") -> None:
        self.guard = guard
        self.required_scopes: list[str] = []
        self.scopes_supported: list[str] = []

    async def verify_token(self, token: str) -> McpAccessToken | None:
        """Verify a token; None for one that is not good for this server, whose reason is logged.

        Raises:
            UnavailableError: nobody can tell at the moment; :class:`OutageMiddleware` answers it.
        """
        fields = (("authorization", f"Bearer {token}"),)
        try:
            accepted = await self.guard.aadmit(RequestView("MCP", "", None, fields), Access())
        except RejectedError:
            return None
        return None if accepted is None else _mcp_token(accepted, self.guard)


class OutageMiddleware:
    """Answers 503 where a verifier could not tell, which the SDK would answer with 500.

    ``app.add_middleware(OutageMiddleware, verifier=verifier)``.
    """

    def __init__(self, app: asgi.ASGIApp, verifier: TokenVerifier) -> None:
        self.app = app
        self._guard = verifier.guard

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Serve one ASGI connection."""
        try:
            await self.app(scope, receive, send)
        except UnavailableError as refusal:  # before anything was sent: the SDK verifies first
            await refuse(self._guard.answer(refusal, GUARDED), scope, receive, send)


def token_verifier(guard: "Guard | None" = None, **settings: Any) -> TokenVerifier:
    """Make a verifier for ``MCPServer(token_verifier=..., auth=AuthSettings(...))``.

    The settings are read from the environment where they are not given; or give a ready ``guard``.
    A token must name one of the audiences. Required scopes are named in ``AuthSettings``: what a
    verifier refuses is answered 401, and a token that is short of scope must get 403.

    Raises:
        ConfigurationError: naming every problem of the settings.
    """
    from bearerguard.guard import Guard  # noqa: PLC0415  loads everything else

    if guard is not None and settings:
        names = ", ".join(sorted(settings))
        raise ConfigurationError(f"guard= is ready made: give {names} to Guard(...) instead")
    guard = guard or Guard.from_env(**settings)
    if guard.settings.required_scopes:
        scopes = list(guard.settings.required_scopes)
        how = f"write AuthSettings(required_scopes={scopes!r}), which answers 403"
        raise ConfigurationError(f"required_scopes is not for token_verifier: {how}")
    return TokenVerifier(guard)


def _mcp_token(token: "AccessToken", guard: "Guard") -> McpAccessToken:
    """Write a token in the SDK's terms.

    The SDK compares the expiry with the clock once more, and knows no leeway.
    """
    ours = guard.resource.url if guard.resource is not None else None
    return McpAccessToken(
        token=WITHHELD,
        client_id=token.client_id or token.subject or "",
        scopes=sorted(token.scopes),
        expires_at=int(token.expires_at + guard.settings.leeway) + 1,
        resource=ours if ours in token.audience else next(iter(token.audience), None),
        subject=token.subject,
        claims=token.claims,
    )

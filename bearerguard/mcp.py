"""Guards a server of the Model Context Protocol, made with the MCP SDK or with FastMCP.

    server = MCPServer("notes")
    app = BearerAuthMiddleware(server.streamable_http_app())

The middleware stands before the server and answers every refusal itself; the SDK gets to know the
caller as if it had verified the token. So ``get_access_token()`` works in tools, and a session
belongs to the caller who opened it.

Whoever rather lets the SDK read the header gives it a :func:`token_verifier`. The SDK knows but two
answers of a verifier, a token and none: its challenges name no scope, and "nobody can know" needs
the :class:`UnavailableMiddleware`. That is why the middleware is the first choice.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bearerguard import starlette
from bearerguard.asgi import ASGIApp, Receive, Scope, Send, refuse
from bearerguard.core.access import GUARDED
from bearerguard.core.access_token import AccessToken
from bearerguard.core.challenge import answer_to
from bearerguard.core.credentials import read_token
from bearerguard.core.marks import Mark
from bearerguard.core.needs import authenticated
from bearerguard.core.request import RequestView
from bearerguard.errors import ConfigurationError, RejectedError, UnavailableError
from bearerguard.gate import Gate
from bearerguard.guard import Guard
from bearerguard.settings import Settings
from bearerguard.starlette_user import FORGET

try:
    from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, auth_context_var
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken as AccessTokenOfSDK
    from pydantic import Field
except ImportError as error:
    raise ImportError("bearerguard.mcp: run pip install 'bearerguard[mcp]' first") from error

__all__ = [
    "BearerAuthMiddleware",
    "GuardVerifier",
    "SDKAccessToken",
    "SDKUser",
    "UnavailableMiddleware",
    "token_verifier",
]


class SDKAccessToken(AccessTokenOfSDK):
    """A verified token in the words of the SDK, as ``get_access_token()`` gives it to a tool.

    ``client_id`` is empty where the token names no client; ``resource`` is this API's name in the
    token's audience. ``token`` is the token itself: it is for this server, and MCP forbids to pass
    it on to another one.
    """

    token: str = Field(repr=False)


class SDKUser(AuthenticatedUser):
    """The caller as the SDK and as Starlette know one: ``token`` is what bearerguard verified."""

    def __init__(self, sdk_token: SDKAccessToken, token: AccessToken, name: str) -> None:
        super().__init__(sdk_token)
        self.token = token
        self._name = name

    @property
    def identity(self) -> str:
        """The subject of the token, after the issuer where there are several."""
        return self._name


class BearerAuthMiddleware(starlette.BearerAuthMiddleware):
    """Lets a request pass to an MCP server only with a token that is good for it.

    ``app`` is what ``streamable_http_app()`` of the SDK, or ``http_app()`` of FastMCP, returns for
    a server without ``auth``. The arguments are those of the middleware for Starlette. A CORS layer
    goes around this middleware.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        *,
        guard: Guard | None = None,
        optional: Sequence[str] = (),
        readiness: str | None = None,
        **settings: Any,
    ) -> None:
        app = AuthContextMiddleware(app)
        super().__init__(app, guard=guard, optional=optional, readiness=readiness, **settings)

    def mark_for(self, scope: Scope, request: RequestView) -> Mark:
        """Let no preflight without a token pass to the SDK: it would open a session for it."""
        mark = super().mark_for(scope, request)
        if request.method != "OPTIONS":
            return mark
        access = mark.on(self.gate.table.access(request))
        if access.public or access.optional:
            return mark
        return replace(mark, needs=(*mark.needs, authenticated), answers_options=True)

    def attach(
        self, scope: Scope, request: RequestView, mark: Mark, token: AccessToken | None
    ) -> None:
        """Hand the token to the SDK, and to views beside it as the middleware for Starlette does.

        Without the SDK's own kind of user any caller could go on in the session of any other.
        """
        super().attach(scope, request, mark, token)
        if token is not None:
            raw = read_token(request.field("authorization")) or ""
            sdk_token = _in_words_of_the_sdk(token, raw, self.gate.guard.settings)
            scope["user"] = SDKUser(sdk_token, token, self.gate.identity(token))
            # In report mode a view may turn out to run for nobody: then for the SDK, too.
            scope[FORGET] = partial(auth_context_var.set, None)


class GuardVerifier:
    """A TokenVerifier of the SDK that asks a guard. Made by :func:`token_verifier`."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        # What RemoteAuthProvider of FastMCP reads; its own arguments of these names win.
        self.required_scopes: list[str] = []
        self.scopes_supported: list[str] = []

    async def verify_token(self, token: str) -> SDKAccessToken | None:
        """Verify one token; None, after a line in the log, where it is not good for this server.

        Raises:
            UnavailableError: nobody can know; :class:`UnavailableMiddleware` answers 503.
        """
        # The SDK tells neither the method nor the path.
        request = RequestView("", "", None, [("authorization", f"Bearer {token}")])
        try:
            verified = await self.guard.aadmit(request, GUARDED)
        except RejectedError:
            return None
        # Where all is guarded nobody passes without a token.
        settings = self.guard.settings
        return None if verified is None else _in_words_of_the_sdk(verified, token, settings)


def token_verifier(guard: Guard | None = None, **settings: Any) -> GuardVerifier:
    """Make a ``token_verifier=`` for MCPServer, FastMCP of the SDK, and RemoteAuthProvider.

    Settings that are not given are read from the environment; or give a ready ``guard``.

    Raises:
        ConfigurationError: naming every problem of the settings; also where scopes are required,
            because the SDK would answer 401 to a good token that lacks one.
    """
    guard = Gate(guard=guard, settings=settings).guard
    if guard.mode != "enforce":
        raise ConfigurationError(
            f"mode: a verifier cannot let through what it refuses, as {guard.mode} asks; use "
            "bearerguard.mcp.BearerAuthMiddleware instead"
        )
    if guard.settings.required_scopes:
        raise ConfigurationError(
            "required_scopes: a verifier cannot answer 403; give them to the SDK's AuthSettings or "
            "to FastMCP's RemoteAuthProvider, or use bearerguard.mcp.BearerAuthMiddleware instead"
        )
    return GuardVerifier(guard)


class UnavailableMiddleware:
    """Answers 503 with Retry-After where a :func:`token_verifier` could not tell.

    It belongs inside the application: ``app.add_middleware(UnavailableMiddleware)``. Without it the
    answer is 500, because that is how Starlette answers an exception outside of its routes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        try:
            await self.app(scope, receive, send)
        except UnavailableError as unavailable:
            await refuse(answer_to(unavailable, ""), scope, receive, send)


def _in_words_of_the_sdk(token: AccessToken, raw: str, settings: Settings) -> SDKAccessToken:
    names = (settings.resource, *settings.audience)
    return SDKAccessToken(
        token=raw,
        client_id=token.client_id or "",
        scopes=sorted(token.scopes),
        expires_at=int(token.expires_at),
        resource=next((name for name in names if name in token.audience), None),
        subject=token.subject,
        claims=token.claims,
    )

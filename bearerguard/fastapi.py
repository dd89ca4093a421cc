"""Guards a FastAPI application.

    app = FastAPI()
    guard = BearerGuard(app, public=["/docs", "/docs/*", "/openapi.json"])

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, guard.requires("orders:read")]): ...

What authenticates is the middleware of :mod:`bearerguard.starlette`, whatever a view depends on. It
reads the needs of a route out of its dependencies and enforces them before the body is read, so
that a refusal is the same answer as everywhere else, and no exception handler gets to see it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, params
from starlette.applications import Starlette

from bearerguard.core.access_token import AccessToken
from bearerguard.core.marks import optional, public
from bearerguard.core.needs import (
    NeedLike,
    all_of,
    any_of,
    authenticated,
    claim,
    needs_of,
    role,
    scope,
    step_up,
)
from bearerguard.errors import ConfigurationError
from bearerguard.fastapi_decorator import requires
from bearerguard.fastapi_dependencies import Requirement, Token
from bearerguard.fastapi_middleware import GuardingMiddleware
from bearerguard.fastapi_openapi import describe, scheme_of

if TYPE_CHECKING:
    from bearerguard.guard import Guard

__all__ = [
    "AccessToken",
    "BearerGuard",
    "all_of",
    "any_of",
    "authenticated",
    "claim",
    "optional",
    "public",
    "requires",
    "role",
    "scope",
    "step_up",
]

# A public client, as the page with the documentation is one (RFC 9700 section 2.1.1).
PKCE = {"usePkceWithAuthorizationCodeGrant": True}


class BearerGuard:
    """Every request needs a valid token unless its path or its view is open.

    ``BearerGuard(app)``, or ``BearerGuard()`` and later ``init_app(app)``. ``optional`` is a list
    of paths, ``readiness`` the path of a probe, answered here; ``close_at_expiry`` closes an open
    WebSocket when its token expires (asyncio only). ``authorization_url`` and ``token_url`` are for
    the documentation alone: with them its button "Authorize" speaks OAuth 2.0, without them OpenID
    Connect. Everything else is a setting, read from the environment where it is not given; or give
    a ready ``guard``.

    ``token`` is the dependency that gives a view its AccessToken, None for an anonymous caller.

    Raises:
        ConfigurationError: naming every problem, as soon as there is an application.
    """

    def __init__(
        self,
        app: Starlette | None = None,
        *,
        guard: "Guard | None" = None,
        optional: Sequence[str] = (),
        readiness: str | None = None,
        close_at_expiry: bool = False,
        authorization_url: str | None = None,
        token_url: str | None = None,
        **settings: Any,
    ) -> None:
        paths = {"optional": optional, "readiness": readiness}
        self._arguments: dict[str, Any] = {"guard": guard, "settings": settings, **paths}
        self._close_at_expiry = close_at_expiry
        self._urls = (authorization_url, token_url)
        self.token = Token()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Starlette) -> None:
        """Guard an application; raises ConfigurationError naming every problem.

        A middleware that is added later stands outside and sees requests that nobody authenticated:
        the right place for CORS.
        """
        from bearerguard.gate import Gate  # noqa: PLC0415  see there

        gate = Gate(**self._arguments)
        scheme = scheme_of(gate, *self._urls)
        if any(added.cls is GuardingMiddleware for added in app.user_middleware):
            raise ConfigurationError("a BearerGuard guards this application already")
        app.add_middleware(
            GuardingMiddleware, gate=gate, scheme=scheme, close_at_expiry=self._close_at_expiry
        )
        describe(app, gate, scheme)
        if isinstance(app, FastAPI) and scheme["type"] != "http":
            app.swagger_ui_init_oauth = PKCE | (app.swagger_ui_init_oauth or {})

    def requires(self, *needs: NeedLike) -> Any:
        """Make a dependency: the token, if it has every one of the needs.

        A text is a scope; ``requires()`` asks for any valid token. It goes into ``Annotated``,
        after a parameter's ``=``, and into the ``dependencies`` of routes, routers and
        applications.

        Raises:
            ConfigurationError: a need that cannot be meant; and at the request, when no BearerGuard
                guards the application.
        """
        return params.Depends(Requirement(needs_of(needs), self.token))

"""Guards a Starlette application.

    @requires("orders:read")
    async def orders(request): ...

    app = Starlette(routes=[...], middleware=[Middleware(BearerAuthMiddleware)])

The middleware authenticates, and enforces what the decorators left on the endpoint that the router
is going to match. The wrapper that a decorator returns enforces it again where the middleware could
not look into the application, and raises where no middleware guards it.
"""

import functools
import inspect
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket, WebSocketState

from bearerguard import asgi
from bearerguard.asgi import close_code, refuse
from bearerguard.core.marks import (
    ATTRIBUTE,
    Mark,
    View,
    decorator,
    mark_of,
    mark_wrapper,
    optional,
    public,
)
from bearerguard.core.metadata import WELL_KNOWN
from bearerguard.core.needs import (
    Need,
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
from bearerguard.core.request import RequestView
from bearerguard.errors import ConfigurationError
from bearerguard.starlette_routing import endpoints, find_endpoint
from bearerguard.starlette_user import PASSED, BearerCredentials, BearerUser, make_anonymous

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken
    from bearerguard.core.challenge import Answer
    from bearerguard.gate import Passed
    from bearerguard.guard import Guard

__all__ = [
    "BearerAuthMiddleware",
    "BearerUser",
    "all_of",
    "any_of",
    "authenticated",
    "claim",
    "metadata_route",
    "optional",
    "public",
    "requires",
    "role",
    "scope",
    "step_up",
]


class BearerAuthMiddleware(asgi.BearerAuthMiddleware):
    """Lets a request pass only with a token that is good enough for the view it is going to.

    Every request needs a valid token, unless its path is ``public`` or its view is ``@public``. The
    arguments are those of :class:`bearerguard.asgi.BearerAuthMiddleware` without ``rules``.
    """

    def __init__(
        self,
        app: asgi.ASGIApp,
        /,
        *,
        guard: "Guard | None" = None,
        optional: Sequence[str] = (),
        readiness: str | None = None,
        close_at_expiry: bool = False,
        **settings: Any,
    ) -> None:
        self.app = app
        self.close_at_expiry = close_at_expiry
        self._build(guard=guard, settings=settings, optional=optional, readiness=readiness)

    def on_start(self, scope: asgi.Scope) -> None:
        """Say where a need wins over something that looks open."""
        self.gate.log_conflicts(endpoints(self.app, scope))

    def mark_for(self, scope: asgi.Scope, request: RequestView) -> Mark:
        """Tell what the view says that the router is going to match."""
        endpoint = find_endpoint(self.app, scope)
        found = mark_of(endpoint, request.method)
        if request.method != "OPTIONS" or endpoint is None or found.is_wrapper:
            return found
        return replace(found, answers_options=True)

    def attach(
        self, scope: asgi.Scope, request: RequestView, mark: Mark, token: "AccessToken | None"
    ) -> None:
        """Hand the token to the application, as ``request.user`` and ``request.auth``."""
        gate = self.gate
        scope["bearerguard.token"] = token
        scope["user"] = BearerUser(token, gate.identity(token) if token else "")
        scope["auth"] = BearerCredentials(token)
        scope[PASSED] = (gate, request, token, mark.needs if token else ())


def requires(*needs: NeedLike) -> Callable[[View], View]:
    """Let a view run only for a token that has every one of the needs.

    A text is a scope; ``requires()`` asks for any valid token. It goes on functions, sync and
    async, on methods and classes of views.

    Raises:
        ConfigurationError: a need that cannot be meant, or a target that is no view; and at the
            request, when no middleware guards the application.
    """
    return decorator(
        needs_of(needs),
        guard_class=_guard_class,
        guard_async=_guard_async,
        guard_sync=_guard_sync,
    )


def metadata_route(*guards: "Guard") -> Route:
    """Make a route for the metadata of these guards' resources (RFC 9728).

    It belongs to the outermost application and before its mounts: metadata stand at the root of the
    host, also those of an application that is guarded below a mount.

    Raises:
        ConfigurationError: a guard without the setting ``resource``.
    """
    path = WELL_KNOWN + "{rest:path}"
    return Route(path, asgi.ProtectedResourceMetadata(*guards), include_in_schema=False)


def _guard_async(view: Callable[..., Any]) -> Callable[..., Any]:
    _check_takes_request(view)

    @functools.wraps(view)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        connection = _connection(view, args, kwargs)
        refusal = _refusal(connection.scope, getattr(guarded, ATTRIBUTE))
        if refusal is None:
            return await view(*args, **kwargs)
        if isinstance(connection, WebSocket):
            return await _refuse_websocket(refusal, connection)
        return _response(refusal, connection)

    return guarded


def _guard_sync(view: Callable[..., Any]) -> Callable[..., Any]:
    _check_takes_request(view)

    @functools.wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        connection = _connection(view, args, kwargs)
        refusal = _refusal(connection.scope, getattr(guarded, ATTRIBUTE))
        return view(*args, **kwargs) if refusal is None else _response(refusal, connection)

    return guarded


def _guard_class(view: Any, need: Need) -> None:
    if not issubclass(view, HTTPEndpoint | WebSocketEndpoint):
        raise ConfigurationError(f"{view!r} is neither an HTTPEndpoint nor a WebSocketEndpoint")
    # What Starlette awaits; a subclass may well have a dispatch() of its own.
    serve = view.__await__

    @functools.wraps(serve)
    def guarded(self: Any) -> Generator[Any, None, None]:
        refusal = _refusal(self.scope, mark_of(type(self), self.scope.get("method", "GET")))
        if refusal is None:
            yield from serve(self)
        else:
            yield from refuse(refusal, self.scope, self.receive, self.send).__await__()

    view.__await__ = mark_wrapper(guarded, serve, need)


def _refusal(scope: asgi.Scope, found: Mark) -> "Answer | None":
    """Enforce what the middleware could not see; None when nothing is missing."""
    passed: Passed | None = scope.get(PASSED)
    if passed is None:
        raise ConfigurationError(
            "a view needs something of its callers, and no BearerAuthMiddleware guards it: "
            "add Middleware(BearerAuthMiddleware) to the application"
        )
    gate, request, _, enforced = passed
    if enforced is found.needs:
        return None
    refusal = gate.refusal(passed, found.needs)
    if request.is_reported:
        make_anonymous(scope)
    return refusal


def _check_takes_request(view: Callable[..., Any]) -> None:
    """An object is an application for Starlette, and no wrapper stands in for one."""
    while isinstance(view, functools.partial):
        view = view.func
    if not isinstance(view, type) and not inspect.isroutine(view):
        raise ConfigurationError(f"{view!r} is an application; requires() goes on views")


def _connection(view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> HTTPConnection:
    if args and type(args[0]) is Request:
        return args[0]  # as Starlette calls a function; isinstance() is slow with abstract classes
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, HTTPConnection):
            return argument
    raise ConfigurationError(f"{view!r} takes no request: requires() cannot guard it")


async def _refuse_websocket(refusal: "Answer", socket: WebSocket) -> None:
    if socket.application_state is WebSocketState.CONNECTED:  # a view that is reached only later
        await socket.close(close_code(refusal))
    else:
        await refuse(refusal, socket.scope, socket.receive, socket.send)


def _response(refusal: "Answer", connection: HTTPConnection) -> Response:
    body = b"" if connection.scope["method"] == "HEAD" else refusal.body
    return Response(body, refusal.status, dict(refusal.headers))

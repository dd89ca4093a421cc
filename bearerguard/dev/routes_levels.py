"""Walks down an application of Starlette or FastAPI: its routes, and the guards before each."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Host, Router

from bearerguard import asgi
from bearerguard.dev.routes_rules import layers_of
from bearerguard.starlette_routing import routes_behind, routes_of

Guarding = asgi.BearerAuthMiddleware


@dataclass(frozen=True)
class Level:
    """An application, or what is mounted in one: the guards before it, and how to get there."""

    app: Any
    guards: Sequence[Guarding]
    route: Any = None


@dataclass(frozen=True)
class Leaf:
    """A route to a view, or to an application that cannot be looked into."""

    route: Any
    path: str
    host: str | None
    levels: tuple[Level, ...]

    @property
    def endpoint(self) -> Any:
        """What answers: a view, a class of views, or an application."""
        return getattr(self.route, "endpoint", None) or getattr(self.route, "app", None)


def unwrapped(app: Any) -> tuple[list[Guarding], list[str], Any]:
    """Walk down the middleware to what has routes; give the guards and every middleware's name."""
    guards: list[Guarding] = []
    names: list[str] = []
    for layer in layers_of(app):
        app = layer
        if isinstance(app, Router):
            break
        if isinstance(app, Starlette):
            names += [getattr(one.cls, "__name__", str(one.cls)) for one in app.user_middleware]
            guards += _guards_of(app)
            break
        names.append(type(app).__name__)
        if isinstance(app, Guarding):
            guards.append(app)
    return guards, names, app


def _guards_of(app: Starlette) -> Iterator[Guarding]:
    """Give the guards that run, or, where nothing runs yet, make them as Starlette will."""
    running: Any = app.middleware_stack
    live = []
    while running is not None and not isinstance(running, Router):
        live += [running] if isinstance(running, Guarding) else []
        running = getattr(running, "app", None)
    if live:
        yield from live
        return
    for added in app.user_middleware:
        if isinstance(added.cls, type) and issubclass(added.cls, Guarding):
            make: Any = added.cls
            yield make(app.router, *added.args, **added.kwargs)


def leaves(levels: tuple[Level, ...], prefix: str, host: str | None) -> Iterator[Leaf]:
    """List what can be reached below the last level, in the order in which routes are tried."""
    for route in _routes(levels[-1].app):
        path = prefix + getattr(route, "path", "")
        below = routes_behind(route)
        guards, _, inner = unwrapped(getattr(route, "app", None))
        level = Level(inner, guards, route)
        if below is None:
            is_open_ended = hasattr(route, "routes")
            yield Leaf(route, f"{path}/*" if is_open_ended else path, host, (*levels, level))
        else:
            named = route.host if isinstance(route, Host) else host
            yield from leaves((*levels, replace(level, app=inner)), path, named)


def _routes(app: Any) -> Iterable[Any]:
    routes = routes_of(app) or ()
    if "fastapi" not in sys.modules:
        return routes
    from bearerguard.fastapi_routing import expanded  # noqa: PLC0415  see read_starlette

    return [one for several in routes for one in expanded(several)]

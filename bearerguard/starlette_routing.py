"""Finds the endpoint that Starlette's router is going to match, before it does.

The middleware has to know what a view needs before the application runs; so it asks the same routes
the same question, :meth:`BaseRoute.matches`, in the same order.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from starlette.routing import BaseRoute, Match

from bearerguard.asgi import ASGIApp, Scope


def find_endpoint(app: ASGIApp, scope: Scope) -> Any:
    """Give the endpoint that a connection will reach below ``app``, or None where none answers.

    None also stands for a method that the route does not serve, and for applications that cannot be
    looked into: then no view opens anything, and its own wrapper enforces what it needs.
    """
    routes = _routes(app, scope)
    return _match(routes, dict(scope)) if routes is not None else scope.get("endpoint")


def endpoints(app: ASGIApp, scope: Scope) -> Iterator[tuple[str, Any]]:
    """List the path and the endpoint of every route, those of mounts included."""
    yield from _listed(_routes(app, scope) or (), "")


def _routes(app: Any, scope: Scope) -> Sequence[BaseRoute] | None:
    """Walk down the stack of middleware to what has routes."""
    while app is not None:
        # A router with middleware of its own hands them its bound method.
        owner = getattr(app, "__self__", app)
        routes = getattr(owner, "routes", None)
        if isinstance(routes, Sequence):
            return routes
        app = getattr(app, "app", None)
    # Below a route the router has decided already; above all, Starlette tells who it is.
    return None if "endpoint" in scope else getattr(scope.get("app"), "routes", None)


def _match(routes: Sequence[BaseRoute], scope: Scope) -> Any:
    for route in routes:
        found, child_scope = route.matches(scope)
        if found is Match.FULL:
            below = getattr(route, "routes", None)
            inner = {**scope, **child_scope}
            return _match(below, inner) if below else inner.get("endpoint")
    return None


def _listed(routes: Sequence[BaseRoute], prefix: str) -> Iterator[tuple[str, Any]]:
    for route in routes:
        path = prefix + getattr(route, "path", "")
        below = getattr(route, "routes", None)
        if below:
            yield from _listed(below, path)
        else:
            yield path, getattr(route, "endpoint", None)

"""Finds the endpoint that Starlette's router is going to match, before it does.

The middleware has to know what a view needs before the application runs; so it asks the same routes
the same question, :meth:`BaseRoute.matches`, in the same order.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Match, Router

from bearerguard.asgi import ASGIApp, Scope

# What has nothing but routes among its routes.
ROUTED = (Router, Starlette)
# From a route that matched, the scope, and what the route said, to the route that stands behind it.
Unfold = Callable[[Any, Scope, Scope], tuple[Any, Scope]]


def find_endpoint(app: ASGIApp, scope: Scope, unfold: Unfold | None = None) -> Any:
    """Give the endpoint that a connection will reach below ``app``, or None where none answers.

    None also stands for a method that the route does not serve, and for applications that cannot be
    looked into: then no view opens anything, and its own wrapper enforces what it needs.
    ``unfold`` is for frameworks whose routes have others behind them.
    """
    endpoint = scope.get("endpoint")
    # Starlette itself puts this one around its router, and often there is nothing else.
    inner = app.app if type(app) is ExceptionMiddleware else app
    routes = inner.routes if type(inner) is Router else routes_of(app)
    if routes is None:
        routes = _routes_told(scope)
    ahead = dict(scope)  # a route that writes into it does so once more when it is its turn
    while routes is not None:
        for route in routes:
            try:
                found, child_scope = route.matches(ahead)
            except Exception:  # noqa: BLE001  a converter that a path breaks, as Starlette's for integers
                return None
            if found is Match.FULL:
                break
        else:
            return None
        if unfold is not None:
            route, child_scope = unfold(route, ahead, child_scope)
        endpoint = child_scope.get("endpoint", endpoint)
        if not hasattr(route, "routes"):
            break  # a view, as for most requests
        routes = routes_behind(route)
        ahead.update(child_scope)
    return endpoint


def endpoints(app: ASGIApp, scope: Scope) -> Iterator[tuple[str, Any]]:
    """List the path and the endpoint of every route, those of mounts included."""
    for path, route in routes_below(app, scope):
        yield path, getattr(route, "endpoint", None)


def routes_below(
    app: ASGIApp, scope: Scope, expand: Callable[[Any], Iterable[Any]] | None = None
) -> Iterator[tuple[str, Any]]:
    """List every route with its path, those of mounts included.

    ``expand`` gives the routes that stand for one, in frameworks where these are several.
    """
    routes = routes_of(app)
    if routes is None:
        routes = _routes_told(scope) or ()
    yield from _listed(routes, "", expand or (lambda route: (route,)))


def _routes_told(scope: Scope) -> Sequence[BaseRoute] | None:
    """Give the routes that Starlette itself tells of; a middleware may hide what it wraps.

    Below a route the router has decided already for an endpoint, which may be an application; above
    all routes Starlette names the application.
    """
    return routes_of(scope.get("endpoint", scope.get("app")))


def routes_of(app: Any) -> Sequence[BaseRoute] | None:
    """Walk down the stack of middleware to what has routes.

    At each request anew: what a middleware wraps may be exchanged, and the marks of an application
    that does not serve any more must open nothing.
    """
    while app is not None:
        # A router with middleware of its own hands them its bound method.
        bound_to = getattr(app, "__self__", None)
        owner = bound_to if isinstance(bound_to, Router) else app
        routes = getattr(owner, "routes", None)
        if routes is not None and (isinstance(owner, ROUTED) or _are_routes(routes)):
            found: Sequence[BaseRoute] = routes
            return found
        app = getattr(app, "app", None)
    return None


def _are_routes(routes: Any) -> bool:
    return isinstance(routes, Sequence) and all(isinstance(r, BaseRoute) for r in routes)


def routes_behind(route: Any) -> Sequence[BaseRoute] | None:
    """Give the routes of what is mounted; None for a route to a view, or to something opaque."""
    known = getattr(route, "routes", None)  # a Mount knows them also behind its own middleware
    return known or (None if known is None else routes_of(route.app))


def _listed(
    routes: Sequence[Any], prefix: str, expand: Callable[[Any], Iterable[Any]]
) -> Iterator[tuple[str, Any]]:
    for route in (one for several in routes for one in expand(several)):
        path = prefix + getattr(route, "path", "")
        below = routes_behind(route)
        if below is None:
            yield path, route
        else:
            yield from _listed(below, path, expand)

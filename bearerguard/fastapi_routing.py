"""Finds the view that FastAPI's routers are going to run, and what it depends on, before they do.

A router that another one includes stays a router of its own; since FastAPI 0.137 it stands among
the routes as one that tells nothing of what is behind it. What matches there is asked by the same
method as FastAPI itself uses, so that no view's mark can be taken for another's. Where that method
is not there any more, no view is found: then nothing is open, and dependencies enforce their needs.
"""

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from fastapi import routing

from bearerguard.asgi import ASGIApp, Scope
from bearerguard.core.marks import ATTRIBUTE, own_mark
from bearerguard.errors import ConfigurationError
from bearerguard.fastapi_dependencies import mark_of_dependant
from bearerguard.starlette_routing import find_endpoint, routes_below

RUNS_DEPENDENCIES = routing.APIRoute.get_route_handler
IncludedRouter: Any = getattr(routing, "_IncludedRouter", ())


def find_view(app: ASGIApp, scope: Scope) -> tuple[Any, Any, bool]:
    """Give the endpoint that a connection will reach, and what FastAPI knows of its dependencies.

    Both are None where no view answers, as for :func:`find_endpoint`. The third tells whether the
    route is of a class that runs its view by itself, and perhaps without the dependencies.
    """
    dependant: Any = None
    is_own = False

    def unfold(route: Any, ahead: Scope, child_scope: Scope) -> tuple[Any, Scope]:
        nonlocal dependant, is_own
        included = None
        while isinstance(route, IncludedRouter):
            _, child_scope, route, included = route._match(ahead)  # noqa: SLF001  see above
        dependant = getattr(included, "dependant", None) or getattr(route, "dependant", None)
        handler = getattr(type(route), "get_route_handler", RUNS_DEPENDENCIES)
        is_own = handler is not RUNS_DEPENDENCIES
        return route, child_scope

    endpoint = find_endpoint(app, scope, unfold)
    return endpoint, dependant, is_own


def expanded(route: Any) -> Iterable[Any]:
    """Give the routes of an included router, each as if it stood in the application itself."""
    if not isinstance(route, IncludedRouter):
        return (route,)
    return (one.starlette_route or one for one in route.effective_route_contexts())


def marked_endpoints(app: ASGIApp, scope: Scope) -> Iterator[tuple[str, Any]]:
    """List the path of every route with something that carries the marks of its view."""
    for path, route in routes_below(app, scope, expanded):
        endpoint = getattr(route, "endpoint", None)
        needed = mark_of_dependant(getattr(route, "dependant", None))
        if needed.needs:
            endpoint = SimpleNamespace(**{ATTRIBUTE: own_mark(endpoint).plus(needed)})
        yield path, endpoint


def problems_of_needs(app: ASGIApp, scope: Scope) -> Iterator[str]:
    """Say which routes depend on something that cannot be a need."""
    for path, route in routes_below(app, scope, expanded):
        try:
            mark_of_dependant(getattr(route, "dependant", None))
        except ConfigurationError as error:
            yield from (f"{path}: {problem}" for problem in error.problems)

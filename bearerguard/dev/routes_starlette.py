"""Reads what the routes of a Starlette or FastAPI application need.

For each route a request is made up, and the guards on its way are asked about it with the code that
serves requests. So a view that an earlier route hides, a mount, an included router, a method of a
class of views and a middleware below a mount are judged as callers meet them.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.routing import WebSocketRoute, compile_path

from bearerguard import asgi, starlette
from bearerguard.core.access import GUARDED, PUBLIC, Access
from bearerguard.core.marks import UNMARKED, Mark, mark_of
from bearerguard.core.needs import authenticated
from bearerguard.dev.routes import (
    EVERY_METHOD,
    SAMPLE,
    WEBSOCKET,
    GuardedApp,
    GuardedRoute,
    Verdict,
    first_of_each,
    judged,
    merged,
)
from bearerguard.dev.routes_levels import Guarding, Leaf, Level, leaves, unwrapped
from bearerguard.dev.routes_rules import differing, own_routes, read_table
from bearerguard.gate import METHODS
from bearerguard.starlette_routing import ROUTED, find_endpoint

# One of them fits every converter that Starlette knows. None is a path that somebody would open.
SAMPLES = (SAMPLE, "4711", "00000000-0000-4000-8000-000000000000")

# A server of MCP is one endpoint for everybody with a token: to take this middleware decides that.
FOR_MCP = "bearerguard.mcp"
ANY_TOKEN = Access(need=authenticated)


def read_starlette(app: Any) -> GuardedApp | None:
    """Read a Starlette or FastAPI application, also in ASGI middleware; None for any other."""
    guards, names, inner = unwrapped(app)
    if not isinstance(inner, ROUTED):
        return None
    found = list(leaves((Level(inner, guards),), "", None))
    # Those of the whole application first; there may be others below a mount.
    every = [*guards, *(one for leaf in found for level in leaf.levels for one in level.guards)]
    rows = [row for guard in guards for row in own_routes(guard.gate_now())]
    rows += [row for leaf in found for row in _rows(leaf)]
    rows += [row for leaf in found for row in _differing(leaf)]
    return GuardedApp(
        "FastAPI" if _is_fastapi(inner) else "Starlette",
        every[0].gate_now().guard if every else None,
        first_of_each(rows),
        names,
    )


def _is_fastapi(app: Any) -> bool:
    fastapi = sys.modules.get("fastapi")
    return fastapi is not None and isinstance(app, fastapi.FastAPI)


def _rows(leaf: Leaf) -> list[GuardedRoute]:
    if isinstance(leaf.route, WebSocketRoute):
        return [_row(leaf, WEBSOCKET)]
    inside = _inside(leaf)
    if inside is not None:
        return [_mounted(leaf, row) for row in inside.routes]
    return merged([_row(leaf, method) for method in _methods(leaf)], METHODS)


def _differing(leaf: Leaf) -> Iterator[GuardedRoute]:
    """List what the tables of the guards before the whole application say of single paths."""
    gates = [guard.gate_now() for guard in leaf.levels[0].guards]
    is_websocket = isinstance(leaf.route, WebSocketRoute)
    if leaf.host is not None or _inside(leaf) is not None:
        return
    by_path: dict[str, list[GuardedRoute]] = {}
    for method in [WEBSOCKET] if is_websocket else _methods(leaf):
        ask = partial(_at, leaf, method)
        for row in differing(_row(leaf, method), gates, ask):
            by_path.setdefault(row.path, []).append(row)
    for rows in by_path.values():
        yield from merged(rows, METHODS)


def _at(leaf: Leaf, method: str, path: str) -> GuardedRoute | None:
    takes = compile_path(_template(leaf.path))[0].match
    return _row(replace(leaf, path=path), method) if takes(path) else None


def _template(path: str) -> str:
    """Write what stands for everything below a mount as Starlette does."""
    return path.replace("/*", "/{rest:path}")


def _inside(leaf: Leaf) -> GuardedApp | None:
    """Read what is mounted here, where it is a Flask application or has a table of its own."""
    app = getattr(leaf.route, "app", None)
    if not leaf.path.endswith("/*"):
        return None
    if "flask" in sys.modules:
        from bearerguard.dev.routes_flask import read_flask  # noqa: PLC0415  see routes.look_at

        found = read_flask(app)
        if found is not None:
            return found
    has_table = any(one.gate_now().table.rules is not None for one in leaf.levels[-1].guards)
    return read_table(app) if has_table else None


def _mounted(leaf: Leaf, row: GuardedRoute) -> GuardedRoute:
    """Add what the guards before a mount ask for to what stands in it."""
    path = leaf.path.removesuffix("/*") + ("/*" if row.path == "*" else row.path)
    here = replace(leaf.levels[-1], guards=())
    outside = replace(leaf, path=path, levels=(*leaf.levels[:-1], here))
    method = "GET" if row.method == EVERY_METHOD else row.method
    verdicts: list[Verdict] = list(_verdicts(outside, method))
    verdicts += [(None, row.access())] if row.is_guarded else []
    found = judged(row.method, path, row.endpoint, verdicts, is_builtin=row.is_builtin)
    is_unenforced = not row.is_guarded and row.need is not None
    return replace(found, is_guarded=False) if is_unenforced else found


def _methods(leaf: Leaf) -> Sequence[str]:
    """Name the methods of a route; one without a list takes what its class of views defines."""
    named = getattr(leaf.route, "methods", None)
    endpoint = leaf.endpoint
    if not named and isinstance(endpoint, type) and issubclass(endpoint, HTTPEndpoint):
        named = [name for name in METHODS if hasattr(endpoint, name.lower())]
    known = [name for name in METHODS if not named or name in named]
    return [*known, *sorted(set(named or ()) - set(METHODS))]


def _row(leaf: Leaf, method: str) -> GuardedRoute:
    verdicts = list(_verdicts(leaf, method))
    endpoint = leaf.endpoint
    name = getattr(endpoint, "__qualname__", type(endpoint).__name__).rpartition("<locals>.")[2]
    is_builtin = inspect.isfunction(endpoint) and str(endpoint.__module__).startswith("fastapi.")
    path = leaf.path if leaf.host is None else f"//{leaf.host}{leaf.path}"
    row = judged(method, path, name, verdicts, is_builtin=is_builtin)
    guards = [guard for level in leaf.levels for guard in level.guards]
    reads_marks = any(isinstance(guard, starlette.BearerAuthMiddleware) for guard in guards)
    # Nothing tells the wrapper of such a view that anybody authenticated: it answers 500.
    return row if reads_marks else row.unless_unenforced(_mark_of_leaf(leaf, method))


def _verdicts(leaf: Leaf, method: str) -> Iterator[Verdict]:
    """Ask each guard on the way, in the state in which the connection gets to it."""
    scope = _scope(leaf, method)
    for level in leaf.levels:
        if level.route is not None:
            scope |= _below(level.route, scope)
        if isinstance(level.app, Starlette):
            scope["app"] = level.app
        for guard in level.guards:
            gate = guard.gate_now()
            request = asgi.view_of(scope)
            if gate.asks_if_ready(request) and method != WEBSOCKET:
                yield gate, PUBLIC
                continue
            mark = guard.mark_for(scope, request)
            if mark is UNMARKED and find_endpoint(guard.app, scope) is None:
                mark = _mark_for_unfound(guard, leaf, method)
            access = mark.on(gate.table.access(request))
            is_for_mcp = type(guard).__module__ == FOR_MCP and access == GUARDED
            yield gate, ANY_TOKEN if is_for_mcp else access


def _below(route: Any, scope: dict[str, Any]) -> Any:
    """Give what a route adds to a connection that goes there."""
    try:
        return route.matches(scope)[1]
    except Exception:  # noqa: BLE001  a converter that a made-up path breaks, see find_endpoint
        return {}


def _mark_for_unfound(guard: Guarding, leaf: Leaf, method: str) -> Mark:
    """A converter of the application's own, or a route that looks at more than the path."""
    reads_marks = isinstance(guard, starlette.BearerAuthMiddleware)
    return _mark_of_leaf(leaf, method) if reads_marks else UNMARKED


def _mark_of_leaf(leaf: Leaf, method: str) -> Mark:
    found = mark_of(getattr(leaf.route, "endpoint", None), method)
    dependant = getattr(leaf.route, "dependant", None)
    if dependant is None:
        return found
    from bearerguard.fastapi_dependencies import mark_of_dependant  # noqa: PLC0415  see _routes

    return found.plus(mark_of_dependant(dependant))


def _scope(leaf: Leaf, method: str) -> dict[str, Any]:
    """Make up a connection that goes to this route."""
    kind = {"type": "websocket"} if method == WEBSOCKET else {"type": "http", "method": method}
    host = [] if leaf.host is None else [(b"host", _filled(leaf.host).encode())]
    path = _filled(_template(leaf.path))
    return {**kind, "path": path, "root_path": "", "query_string": b"", "headers": host}


def _filled(template: str) -> str:
    """Write something that fits into each variable part."""
    _, written, converters = compile_path(template)
    fitting = {
        name: next((s for s in SAMPLES if _fits(converter, s)), SAMPLES[0])
        for name, converter in converters.items()
    }
    return written.format(**fitting)


def _fits(converter: Any, sample: str) -> bool:
    return re.fullmatch(converter.regex, sample) is not None

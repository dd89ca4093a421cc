"""What can be told of an application that nobody can look into: its guards, and their tables."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bearerguard import asgi, wsgi
from bearerguard.core.request import RequestView
from bearerguard.dev.routes import (
    EVERY_METHOD,
    SAMPLE,
    VARIABLE_PART,
    GuardedApp,
    GuardedRoute,
    first_of_each,
    judged,
    merged,
)
from bearerguard.gate import METHODS

if TYPE_CHECKING:
    from bearerguard.core.access_table import AccessTable
    from bearerguard.gate import Gate

# Under these names a middleware keeps what it wraps.
INNER = ("app", "wsgi_app", "application")
MOST_LAYERS = 100


def read_table(app: Any) -> GuardedApp:
    """Read the table of the guards before an application."""
    layers = list(layers_of(app))
    gates = [gate for gate in map(gate_of, layers) if gate is not None]
    *wrapping, inner = layers
    kind = (
        "WSGI" if any(isinstance(layer, wsgi.BearerAuthMiddleware) for layer in layers) else "ASGI"
    )
    name = getattr(inner, "__name__", type(inner).__name__)
    if not gates:
        nothing = judged(EVERY_METHOD, "*", name, [])
        return GuardedApp("unknown", None, [nothing], [type(one).__name__ for one in wrapping])
    return GuardedApp(
        kind,
        gates[0].guard,
        first_of_each([*(row for gate in gates for row in own_routes(gate)), *_rows(gates, name)]),
        [type(one).__name__ for one in wrapping],
    )


def layers_of(app: Any) -> Iterator[Any]:
    """Walk from the outside to what the last middleware wraps."""
    for _ in range(MOST_LAYERS):  # an object may have whatever attribute it is asked for
        if app is None:
            return
        yield app
        # An application may hand out its bound method, as Flask does.
        inside = (getattr(app, name, None) for name in INNER)
        app = next((one for one in inside if callable(one)), None)


def gate_of(layer: Any) -> "Gate | None":
    """Give the gate of a middleware of ours, None of any other; raises ConfigurationError."""
    if isinstance(layer, asgi.BearerAuthMiddleware):
        return layer.gate_now()
    return layer.gate if isinstance(layer, wsgi.BearerAuthMiddleware) else None


def own_routes(gate: "Gate") -> Iterator[GuardedRoute]:
    """List what the guard itself answers at: the readiness probe and the metadata."""
    told = {"readiness": gate.readiness}
    if gate.resource is not None:
        told["resource metadata"] = urlsplit(gate.resource.metadata_url).path
    for what, path in told.items():
        if path is not None:
            yield GuardedRoute("GET", path, f"bearerguard: {what}", "public", is_decided=True)


def differing(
    route: GuardedRoute, gates: Iterable["Gate"], ask: Callable[[str], GuardedRoute | None]
) -> Iterator[GuardedRoute]:
    """List the entries of tables that name some of a route's paths, and say something else of them.

    ``ask`` judges the route at one of its paths; None where another route takes it.
    """
    for written, sample in dict.fromkeys(pair for gate in gates for pair in _named(gate.table)):
        if written != route.path and route.takes(route.method, sample):
            there = ask(sample)
            if there is not None and (there.admits, there.need) != (route.admits, route.need):
                yield replace(there, path=written)


def _named(table: "AccessTable") -> Iterator[tuple[str, str]]:
    """Give each entry as it is written, with a path that it has."""
    for paths in (table.public, table.optional):
        yield from ((path, path) for path in sorted(paths.exact))
        yield from ((f"{folder}*", folder + SAMPLE) for folder in paths.folders)
    for rule in table.rules or ():
        here = (f"{rule.path}*", rule.path + SAMPLE)
        yield here if rule.is_folder else (rule.path, rule.path)


def _rows(gates: Sequence["Gate"], name: str) -> Iterator[GuardedRoute]:
    """List what the tables name, and last what they say of all other paths."""
    tables = [gate.table for gate in gates]
    rules = [rule for table in tables for rule in table.rules or ()]
    for rule in sorted(rules, key=lambda rule: (rule.path, rule.is_folder, rule.method)):
        path = rule.path + "*" if rule.is_folder else rule.path
        method = "GET" if rule.method == EVERY_METHOD else rule.method
        yield replace(_row(gates, method, path, name), method=rule.method)
    open_paths = [paths for table in tables for paths in (table.public, table.optional)]
    exact = {path for paths in open_paths for path in paths.exact}
    folders = {f"{folder}*" for paths in open_paths for folder in paths.folders}
    for path in (*sorted(exact), *sorted(folders)):
        yield from merged([_row(gates, method, path, name) for method in METHODS], METHODS)
    if any(rule.is_folder and rule.path == "/" for rule in rules):
        return  # there are no others
    has_rules = any(table.rules is not None for table in tables)
    for row in merged([_row(gates, method, "*", name) for method in METHODS], METHODS):
        yield replace(row, is_decided=row.is_decided or has_rules)


def _row(gates: Sequence["Gate"], method: str, path: str, name: str) -> GuardedRoute:
    """Ask the tables about one path, or one that a folder or "*" stands for."""
    sample = ("/" + path if path == "*" else path).replace("*", VARIABLE_PART)
    request = RequestView(method, sample, None, ())
    return judged(method, path, name, [(gate, gate.table.access(request)) for gate in gates])

"""Reads what the routes of a Flask application need, as the extension does for each request."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import flask

from bearerguard.core.access_table import VARIABLE
from bearerguard.core.marks import mark_of
from bearerguard.core.request import RequestView
from bearerguard.dev.routes import (
    VARIABLE_PART,
    GuardedApp,
    GuardedRoute,
    Verdict,
    first_of_each,
    judged,
    merged,
)
from bearerguard.dev.routes_rules import gate_of, layers_of, own_routes
from bearerguard.flask import EXTENSION, mark_of_view
from bearerguard.gate import METHODS

if TYPE_CHECKING:
    from bearerguard.gate import Gate


def read_flask(app: Any) -> GuardedApp | None:
    """Read a Flask application, also through WSGI middleware around it; None for any other."""
    layers = list(layers_of(app))
    # It hands out its bound method, which a middleware may have wrapped.
    candidates = (one for layer in layers for one in (layer, getattr(layer, "__self__", None)))
    found = next((one for one in candidates if isinstance(one, flask.Flask)), None)
    if found is None:
        return None
    outside = [layer for layer in layers if found not in (layer, getattr(layer, "__self__", None))]
    around = [gate for gate in map(gate_of, outside) if gate is not None]
    own: Gate | None = found.extensions.get(EXTENSION)
    gates = around if own is None else [*around, own]
    return GuardedApp(
        "Flask",
        gates[0].guard if gates else None,
        first_of_each(_routes(found, around, own)),
        [type(layer).__name__ for layer in outside] + ["BearerGuard"] * (own is not None),
    )


def _routes(
    app: flask.Flask, around: Sequence["Gate"], own: "Gate | None"
) -> Iterator[GuardedRoute]:
    for gate in (*around, *filter(None, [own])):
        yield from own_routes(gate)
    for rule in app.url_map.iter_rules():
        rows = [
            _row(app, rule, method, around, own)
            for method in sorted(rule.methods or METHODS, key=_order)
            if not _is_automatic(rule, method)
        ]
        yield from merged(rows, METHODS)


def _row(
    app: flask.Flask, rule: Any, method: str, around: Sequence["Gate"], own: "Gate | None"
) -> GuardedRoute:
    request = RequestView(method, VARIABLE.sub(VARIABLE_PART, rule.rule), None, ())
    verdicts: list[Verdict] = [(gate, gate.table.access(request)) for gate in around]
    if own is not None:
        verdicts.append((own, mark_of_view(app, rule, request).on(own.table.access(request))))
    view = app.view_functions.get(rule.endpoint)
    is_builtin = getattr(view, "__module__", "").partition(".")[0] == "flask"
    host = rule.host or rule.subdomain
    path = f"//{host}{rule.rule}" if host else rule.rule
    row = judged(method, path, rule.endpoint, verdicts, is_builtin=is_builtin)
    # Flask refuses to run a view that needs something where the extension is not there.
    return row if own is not None else row.unless_unenforced(mark_of(view, method))


def _is_automatic(rule: Any, method: str) -> bool:
    """Flask answers OPTIONS itself where no view does."""
    return method == "OPTIONS" and getattr(rule, "provide_automatic_options", False)


def _order(method: str) -> int:
    return METHODS.index(method) if method in METHODS else len(METHODS)

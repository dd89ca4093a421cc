"""Reads what the routes of a Flask application need, as the extension does for each request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import flask
from werkzeug.exceptions import HTTPException

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
from bearerguard.dev.routes_rules import differing, gate_of, layers_of, own_routes
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
    reader = Reader(found, around, found.extensions.get(EXTENSION))
    return GuardedApp(
        "Flask",
        reader.gates[0].guard if reader.gates else None,
        first_of_each(reader.routes()),
        [type(one).__name__ for one in outside] + ["BearerGuard"] * (reader.own is not None),
    )


@dataclass(frozen=True)
class Reader:
    """An application, the gates of the middleware around it, and the one of its extension."""

    app: flask.Flask
    around: Sequence["Gate"]
    own: "Gate | None"

    @property
    def gates(self) -> Sequence["Gate"]:
        """Every gate on the way, the outermost first."""
        return self.around if self.own is None else [*self.around, self.own]

    def routes(self) -> Iterator[GuardedRoute]:
        """List what the guards answer themselves, each route, and what tables say otherwise."""
        for gate in self.gates:
            yield from own_routes(gate)
        rules = [(rule, self._rows(rule)) for rule in self.app.url_map.iter_rules()]
        for _, rows in rules:
            yield from merged(rows, METHODS)
        for rule, rows in rules:
            for row in rows:
                ask = partial(self._at, rule, row.method)
                yield from differing(row, self.gates, ask)

    def _rows(self, rule: Any) -> list[GuardedRoute]:
        methods = sorted(rule.methods or METHODS, key=_order)
        path = VARIABLE.sub(VARIABLE_PART, rule.rule)
        return [self._row(rule, name, path) for name in methods if not _is_automatic(rule, name)]

    def _at(self, rule: Any, method: str, path: str) -> GuardedRoute | None:
        """Judge a rule at one path; None where Flask takes another one there."""
        bound = self.app.url_map.bind("localhost", subdomain=rule.subdomain)
        try:
            matched, _ = bound.match(path, method=method, return_rule=True)
        except HTTPException:
            return None
        return self._row(rule, method, path) if matched is rule else None

    def _row(self, rule: Any, method: str, path: str) -> GuardedRoute:
        request = RequestView(method, path, None, ())
        verdicts: list[Verdict] = [(gate, gate.table.access(request)) for gate in self.around]
        if self.own is not None:
            access = self.own.table.access(request)
            verdicts.append((self.own, mark_of_view(self.app, rule, request).on(access)))
        view = self.app.view_functions.get(rule.endpoint)
        is_builtin = str(getattr(view, "__module__", "")).startswith("flask.")
        host = rule.host or rule.subdomain
        written = f"//{host}{rule.rule}" if host else rule.rule
        row = judged(method, written, rule.endpoint, verdicts, is_builtin=is_builtin)
        # Flask refuses to run a view that needs something where the extension is not there.
        return row if self.own is not None else row.unless_unenforced(mark_of(view, method))


def _is_automatic(rule: Any, method: str) -> bool:
    """Flask answers OPTIONS itself where no view does."""
    return method == "OPTIONS" and getattr(rule, "provide_automatic_options", False)


def _order(method: str) -> int:
    return METHODS.index(method) if method in METHODS else len(METHODS)

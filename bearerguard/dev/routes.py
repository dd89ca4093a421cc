"""What an application's routes need, read from the application itself.

For ``bearerguard routes``, ``inspect`` and ``doctor``, and for tests that ask whether everything is
protected. Nothing is told twice: each route is decided by the code that decides about requests, on
a request made up for it, so that what is read here is what callers meet.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from bearerguard.core.access import Access
from bearerguard.core.needs import Need, all_of, authenticated, both
from bearerguard.gate import Gate

if TYPE_CHECKING:
    from bearerguard.core.marks import Mark
    from bearerguard.guard import Guard

# What a gate asks for; None stands for one that was asked already.
Verdict = tuple[Gate | None, Access]
# What a caller has to bring: "token" is any valid one, "nobody" a path that no rule names.
Admits = Literal["public", "optional", "token", "need", "nobody"]
# Stands for the variable parts of a path; no entry of a table can name it (access_table.VARIABLE).
VARIABLE_PART = "{x}"
# The same where it has to look like part of a path.
SAMPLE = "variable-part"
EVERY_METHOD = "*"
WEBSOCKET = "WEBSOCKET"
# How the frameworks write what may stand for several segments, one segment, and everything below.
PARTS = re.compile(r"(?P<several>\{\w+:path\}|<path:\w+>|\*$)|(?P<one>\{[^}]*\}|<[^>]*>)")


@dataclass(frozen=True)
class GuardedRoute:
    """One method of one path, as the framework writes it, and what it needs.

    ``method`` is ``"*"`` where all methods are alike, and ``"WEBSOCKET"`` for a handshake.
    ``need`` holds the scopes that the settings require of every token, too.
    ``is_decided``: somebody wrote down what the route is, by a need (``requires()`` included), by
    ``@public``, ``@optional``, a path list or a rule; without it any valid token is taken.
    ``is_guarded``: the middleware or extension stands before it, and enforces what its view needs.
    ``is_builtin``: the framework made it, as ``/static`` and ``/docs``; nobody wrote a view.
    """

    method: str
    path: str
    endpoint: str
    admits: Admits
    need: Need | None = None
    is_decided: bool = False
    is_guarded: bool = True
    is_builtin: bool = False

    def takes(self, method: str, path: str) -> bool:
        """Tell whether a request goes to this route, going by its path alone."""
        wanted = "GET" if method == "HEAD" and self.method != "HEAD" else method
        return self.method in (EVERY_METHOD, wanted) and bool(_pattern(self.path).fullmatch(path))

    def unless_unenforced(self, mark: "Mark") -> "GuardedRoute":
        """Call the route unguarded where its view needs something, and nobody reads that."""
        if not mark.needs:
            return self
        need = both(self.need, mark.alone.need)
        return replace(self, admits="need", need=need, is_guarded=False)

    def access(self) -> Access:
        """Give what a request to this route has to bring."""
        kinds = {"public": self.admits == "public", "optional": self.admits == "optional"}
        return Access(self.need, **kinds, unruled=self.admits == "nobody")


@dataclass(frozen=True)
class GuardedApp:
    """What could be read from an application. ``middleware`` names classes, the outermost first.

    ``guard`` is the outermost guard, where there is any.
    """

    framework: str
    guard: "Guard | None"
    routes: list[GuardedRoute] = field(default_factory=list)
    middleware: list[str] = field(default_factory=list)

    def route_for(self, method: str, path: str) -> GuardedRoute | None:
        """Give the route that a request goes to; the more letters of it are fixed the sooner."""
        taking = [route for route in self.routes if route.takes(method, path)]
        return max(taking, key=lambda route: len(PARTS.sub("", route.path)), default=None)


def look_at(app: Any) -> GuardedApp:
    """Read the routes of a Starlette, FastAPI or Flask application, or a table of rules.

    Of an application that is neither, only the guard before it and its table can be told.

    Raises:
        ConfigurationError: the guard of the application has problems with its settings.
        TypeError: this is no application.
    """
    if not callable(app):
        raise TypeError(f"{app!r} is no ASGI or WSGI application")
    for read in _readers():
        found = read(app)
        if found is not None:
            return found
    from bearerguard.dev.routes_rules import read_table  # noqa: PLC0415  it needs this module

    return read_table(app)


def _readers() -> Iterable[Callable[[Any], GuardedApp | None]]:
    """An application of a framework that nobody has loaded cannot be here."""
    if "starlette" in sys.modules:
        from bearerguard.dev.routes_starlette import read_starlette  # noqa: PLC0415

        yield read_starlette
    if "flask" in sys.modules:
        from bearerguard.dev.routes_flask import read_flask  # noqa: PLC0415

        yield read_flask


def judged(
    method: str,
    path: str,
    endpoint: str,
    verdicts: Sequence[Verdict],
    *,
    is_builtin: bool = False,
) -> GuardedRoute:
    """Say what a route needs where these guards stand before it, each with what it asks for."""
    if not verdicts:
        return GuardedRoute(
            method, path, endpoint, "public", is_guarded=False, is_builtin=is_builtin
        )
    asked = [access for _, access in verdicts]
    need: Need | None = None
    for gate, access in verdicts:
        need = both(need, access.need if gate is None else required_of(gate, access))
    is_decided = any(a.need is not None or a.public or a.optional for a in asked)
    admits = _admits(asked, need)
    return GuardedRoute(method, path, endpoint, admits, need, is_decided, is_builtin=is_builtin)


def merged(routes: Sequence[GuardedRoute], methods: Sequence[str]) -> list[GuardedRoute]:
    """Write rows of one path that differ in nothing but the method as one, where that is shorter.

    HEAD is GET without a body (RFC 9110 section 9.3.2), and ``methods`` stand for every method.
    """
    first, *others = [replace(route, method=EVERY_METHOD) for route in routes]
    if all(other == first for other in others) and {route.method for route in routes} >= {*methods}:
        return [first]
    named = {route.method: route for route in routes}
    head, get = named.get("HEAD"), named.get("GET")
    if head is not None and get is not None and head == replace(get, method="HEAD"):
        del named["HEAD"]
    return list(named.values())


def first_of_each(routes: Iterable[GuardedRoute]) -> list[GuardedRoute]:
    """Leave out routes that get no request, because an earlier one takes the very same."""
    found: dict[tuple[str, str], GuardedRoute] = {}
    for route in routes:
        found.setdefault((route.method, route.path), route)
    return list(found.values())


def required_of(gate: Gate, access: Access) -> Need | None:
    """Add the scopes that the settings require of every token to what a route needs."""
    scopes = gate.guard.settings.required_scopes
    if not scopes or (access.need is None and (access.public or access.optional)):
        return access.need
    return both(all_of(*scopes), access.need)


def _admits(asked: Sequence[Access], need: Need | None) -> Admits:
    if any(access.unruled for access in asked):
        return "nobody"
    if need is not None and need != authenticated:
        return "need"
    if need is not None or not all(access.public or access.optional for access in asked):
        return "token"
    return "public" if all(access.public for access in asked) else "optional"


def _pattern(path: str) -> re.Pattern[str]:
    """Write the path of a route as a pattern for paths of requests."""
    pieces, end = [], 0
    for part in PARTS.finditer(path):
        pieces += [re.escape(path[end : part.start()]), ".*" if part["several"] else "[^/]+"]
        end = part.end()
    return re.compile("".join([*pieces, re.escape(path[end:])]), re.DOTALL)

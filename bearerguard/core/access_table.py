"""Which paths are public, which are optional, and what a table of rules asks for.

Deny by default stands on one comparison: the very string that the application routes on, never
normalised, against an exact entry or the folder of a "/*" entry. A spelling that two programs could
read in two ways is never public and matches no rule.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bearerguard.core.access import GUARDED, OPTIONAL, PUBLIC, UNRULED, Access
from bearerguard.core.needs import Need, needs_of
from bearerguard.core.request import RequestView
from bearerguard.errors import ConfigurationError

# What could still become a separator, a dot or an end of string for whoever decodes once more.
# It stays so however often it was encoded ("%252e").
# "%u002e" and "%c0%ae" are the same for some servers behind a proxy.
STILL_ENCODED = re.compile(
    r"%(?:25)*(?:2f|5c|2e|00|u00(?:2f|5c|2e|00)|c0%(?:25)*a[ef])", re.IGNORECASE
)
# U+FFFD is what a server writes for octets that are not UTF-8, and others drop them.
AMBIGUOUS = ("\\", "\x00", "\ufffd")
# How Starlette and Flask write the variable part of a path: "/orders/{id}", "/orders/<int:id>".
VARIABLE = re.compile(r"\{[^}]*\}|<[^>]*>")
RULE = re.compile(r"(\*|[A-Z]+) (/\S*)")
# Most paths: no letter of theirs could mean anything else to anybody, and no segment is empty.
PLAIN = re.compile(r"(?:/[A-Za-z0-9_-]+)+/?|/")


@dataclass(frozen=True)
class PathSet:
    """Exact paths, and folders written with "/*" at the end."""

    exact: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> "PathSet":
        """Sort checked entries into exact paths and folders."""
        exact = frozenset(entry for entry in entries if not entry.endswith("/*"))
        return cls(exact, tuple(entry[:-1] for entry in entries if entry.endswith("/*")))

    def has(self, path: str) -> bool:
        """Tell whether a path is one of these, if it is in normal form."""
        return path in self.exact or path.startswith(self.folders)

    def samples(self) -> tuple[str, ...]:
        """Give one path for each entry."""
        return (*sorted(self.exact), *(f"{folder}x" for folder in self.folders))


@dataclass(frozen=True)
class Rule:
    """One row of a table: a method or "*", a path or a folder, and what it needs."""

    method: str
    path: str
    is_folder: bool
    need: Need

    def covers(self, method: str, path: str) -> bool:
        """Tell whether the row speaks of this request; HEAD is GET without a body."""
        named = self.method in ("*", "GET" if method == "HEAD" else method)
        return named and self.has(path)

    def has(self, path: str) -> bool:
        """Tell whether the row speaks of this path."""
        return path.startswith(self.path) if self.is_folder else path == self.path


@dataclass(frozen=True)
class AccessTable:
    """Everything that the operator said about paths.

    ``rules`` is None where the routes themselves say what they need (Starlette, Flask); then a path
    that nobody names needs a valid token. With a table, it is refused, unless ``otherwise`` is set.
    """

    public: PathSet = field(default_factory=PathSet)
    optional: PathSet = field(default_factory=PathSet)
    rules: tuple[Rule, ...] | None = None
    otherwise: Need | None = None
    _entries: PathSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        exact = self.public.exact | self.optional.exact
        entries = PathSet(exact, self.public.folders + self.optional.folders)
        object.__setattr__(self, "_entries", entries)

    @classmethod
    def of(
        cls, public: Sequence[str], optional: Sequence[str], rules: Mapping[str, Any] | None
    ) -> "AccessTable":
        """Read what an adapter was given; raises ConfigurationError naming every problem."""
        problems = _problems_of(public, "public") + _problems_of(optional, "optional")
        table: list[Rule] = []
        otherwise = None
        if not isinstance(rules, Mapping | None):
            raise ConfigurationError(*problems, "rules: write {'GET /orders': 'orders:read'}")
        for key, needed in (rules or {}).items():
            try:
                need = _need_of_rule(needed)
                if key == "*":
                    otherwise = need
                else:
                    table.append(_rule_of(key, need))
            except ConfigurationError as error:
                problems += [f"rule {key!r}: {problem}" for problem in error.problems]
        problems += _equal_rules(table)
        if problems:
            raise ConfigurationError(*problems)
        table.sort(key=lambda rule: (len(rule.path), not rule.is_folder), reverse=True)
        ruled = None if rules is None else tuple(table)
        return cls(PathSet.of(public), PathSet.of(optional), ruled, otherwise)

    def access(self, request: RequestView) -> Access:
        """Tell what a request has to bring; a rule wins over a public entry for the same path."""
        path = request.path
        if self.rules is None and not self._entries.has(path):
            return GUARDED  # as nearly always
        rule = self._rule_for(request) if self.rules else None
        is_public, is_optional = self.public.has(path), self.optional.has(path)
        if not is_normal(request):
            return GUARDED if self.rules is None else UNRULED
        if rule is not None:
            # A preflight that a rule speaks of gets to the application only with what it needs:
            # nobody here can tell a CORS layer from a view that does not look at the method.
            return Access(need=rule.need, answers_options=True)
        if is_public or is_optional:
            return PUBLIC if is_public else OPTIONAL
        # "*" speaks of paths that everybody reads alike; another spelling might belong to a rule.
        return UNRULED if self.otherwise is None else Access(need=self.otherwise)

    def needs(self) -> tuple[Need, ...]:
        """Give what the rules ask for."""
        ruled = tuple(rule.need for rule in self.rules or ())
        return ruled if self.otherwise is None else (*ruled, self.otherwise)

    def opens(self, route: str) -> bool:
        """Tell whether an entry calls a path of this route open; it may have variable parts."""
        pattern = re.compile(".*".join(map(re.escape, VARIABLE.split(route))))
        return self._overlaps(VARIABLE.sub("x", route), pattern.fullmatch)

    def conflicts(self) -> list[str]:
        """Name the rules that win over an entry that calls a path open."""
        rules = self.rules or ()
        return [f"{r.method} {r.path}" for r in rules if self._overlaps(r.path, r.has)]

    def _overlaps(self, path: str, has: Callable[[str], object]) -> bool:
        """Tell whether an entry has this path, or one of the paths that ``has`` knows."""
        open_paths = (self.public, self.optional)
        return any(paths.has(path) or any(map(has, paths.samples())) for paths in open_paths)

    def _rule_for(self, request: RequestView) -> Rule | None:
        covering = (r for r in self.rules or () if r.covers(request.method, request.path))
        return next(covering, None)


def is_normal(request: RequestView) -> bool:
    """Tell whether nobody could read this request's method and path in another way.

    Methods are case-sensitive (RFC 9110 section 9.1), but some frameworks write them in capitals.
    """
    path, raw_path = request.path, request.raw_path or ""
    if isinstance(raw_path, bytes):
        raw_path = raw_path.decode("latin-1")
    if request.method != request.method.upper():
        return False
    if "%" not in raw_path and PLAIN.fullmatch(path):
        return True
    if not path.startswith("/") or any(character in path for character in AMBIGUOUS):
        return False
    if STILL_ENCODED.search(path) or STILL_ENCODED.search(raw_path):
        return False
    *folders, last = path[1:].split("/")
    # Some servers cut a segment at ";" (RFC 3986 section 3.3 leaves its meaning open).
    segments = {segment.partition(";")[0] for segment in (*folders, last)}
    return "" not in folders and segments.isdisjoint({".", ".."})


def _problems_of(entries: object, name: str) -> list[str]:
    """Say what is wrong with a list of paths."""
    if not isinstance(entries, list | tuple):
        return [f"{name}: {entries!r} is no list; write ['/healthz', '/docs/*']"]
    return [problem for entry in entries if (problem := _problem_of(entry, name))]


def problem_of_path(path: object, name: str) -> str | None:
    """Say why this cannot be one exact path, if so."""
    if isinstance(path, str) and path.endswith("/*"):
        return f"{name}: {path!r} is a folder; write one path, as '/readyz'"
    return _problem_of(path, name)


def _problem_of(entry: object, name: str) -> str | None:
    """Say why an entry cannot be used, if so."""
    if not isinstance(entry, str) or not entry.startswith("/"):
        return f"{name}: {entry!r} is no path; write '/healthz' or '/docs/*'"
    if entry == "/*":
        return f"{name}: '/*' would open the whole application; name the paths"
    if VARIABLE.search(entry):
        return f"{name}: {entry!r} is a template, which paths are not matched with; write a folder"
    path = entry.removesuffix("*") if entry.endswith("/*") else entry
    if "*" in path or not is_normal(RequestView("GET", path, None, ())):
        return f"{name}: {entry!r} can never match; '*' stands only at the end, as in '/docs/*'"
    return None


def _need_of_rule(needed: Any) -> Need:
    if isinstance(needed, list | tuple):
        if not needed:
            raise ConfigurationError("an empty list says nothing; write authenticated")
        return needs_of(needed)
    return needs_of([needed])


def _rule_of(key: object, need: Need) -> Rule:
    match = RULE.fullmatch(key) if isinstance(key, str) else None
    if match is None:
        raise ConfigurationError("write a method or '*', a space and a path: 'GET /orders'")
    method, path = match.groups()
    if method == "HEAD":
        raise ConfigurationError("HEAD takes the rule of GET")
    if path != "/*" and (problem := _problem_of(path, "path")):
        raise ConfigurationError(problem)
    is_folder = path.endswith("/*")
    return Rule(method, path.removesuffix("*") if is_folder else path, is_folder, need)


def _equal_rules(rules: list[Rule]) -> list[str]:
    """Name the pairs that would both decide about one request."""
    return [
        f"rules {one.method} and {other.method} for {one.path!r} say two things about one request"
        for index, one in enumerate(rules)
        for other in rules[:index]
        if (one.path, one.is_folder) == (other.path, other.is_folder)
        and (one.method == other.method or "*" in (one.method, other.method))
    ]

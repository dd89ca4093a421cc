"""What every adapter holds: a guard, and what the operator said about paths.

An adapter only translates: it makes a RequestView, asks the gate what the request has to bring,
asks the guard, and writes the answer. It loads this module, and with it everything else, when an
application is guarded and not when it is imported itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bearerguard.core.access import Access
from bearerguard.core.access_table import AccessTable, problem_of_path
from bearerguard.core.access_token import AccessToken
from bearerguard.core.challenge import Answer, answer_if_ready
from bearerguard.core.marks import mark_of, missing
from bearerguard.core.needs import Need, check_need, needs_of
from bearerguard.core.request import RequestView
from bearerguard.errors import ConfigurationError, RejectedError
from bearerguard.guard import Guard
from bearerguard.log import logger
from bearerguard.settings import Source, from_app_config

# What was let through, left with the request for the wrappers of the views: the gate, the request,
# its token, and the needs of the view that were enforced on the way in. A plain tuple, because each
# request makes one, and a class with names for them costs two calls.
Passed = tuple["Gate", RequestView, AccessToken | None, tuple[Need, ...]]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
PROBES = ("GET", "HEAD")


class Gate:
    """A guard and a table of paths.

    Raises:
        ConfigurationError: naming every problem of the settings and of the paths.
    """

    def __init__(
        self,
        *,
        guard: Guard | None,
        settings: Mapping[str, Any],
        optional: Sequence[str] = (),
        rules: Mapping[str, Any] | None = None,
        readiness: str | None = None,
        app_config: Mapping[str, Any] | None = None,
    ) -> None:
        self.has_looked = False
        problems: list[str] = []
        public: Sequence[str] = ()
        try:
            config = None if app_config is None else from_app_config(app_config)
            self.guard = _guard_of(guard, settings, config)
            public = self.guard.settings.public
        except ConfigurationError as error:
            problems += error.problems
        try:
            self.table = AccessTable.of(public, optional, rules)
        except ConfigurationError as error:
            problems += error.problems
        if readiness is not None:
            problems += _problems_of_readiness(readiness, rules)
        if not problems:
            problems += _problems_beside_metadata(self.guard, readiness, rules)
        if problems:
            raise ConfigurationError(*problems)
        self.readiness = readiness
        self.resource = self.guard.resource
        self.note_needs(self.table.needs())
        self._has_one_issuer = self.guard.has_one_issuer
        for rule in self.table.conflicts():
            _log_conflict(rule)

    def asks_if_ready(self, request: RequestView) -> bool:
        """Tell whether this is a readiness probe, which needs no token."""
        return request.path == self.readiness and request.method in PROBES

    def answer_probe(self, *, is_ready: bool) -> Answer:
        """Build the answer to a readiness probe."""
        return answer_if_ready(is_ready=is_ready)

    def refusal(self, passed: Passed, needs: tuple[Need, ...]) -> Answer | None:
        """Enforce needs that nobody saw on the way in; give the answer where they are not met.

        Where ``request.is_reported`` afterwards, the view runs all the same, for nobody.
        """
        _, request, token, enforced = passed
        unseen = missing(needs, enforced)
        if not unseen or request.is_reported:
            return None
        try:
            if token is None:
                raise RejectedError("no_credentials")  # noqa: TRY301  one way out for both
            check_need(needs_of(unseen), token, self.guard.clock())
        except RejectedError as refusal:
            if self.guard.lets_through(refusal, request, token):
                return None
            return self.guard.answer(refusal, Access(need=needs_of(needs)))
        return None

    def note_needs(self, needs: Iterable[Need]) -> None:
        """Publish the scopes of what routes need, where metadata are published (RFC 9728).

        For an adapter that knows of needs which neither a table of rules nor a mark on a view says.
        """
        if self.resource is not None:
            self.resource.note_scopes(name for need in needs for name in need.scopes())

    def identity(self, token: AccessToken) -> str:
        """Name the caller for frameworks that want one string.

        That is the subject; among several issuers it means something only beside its issuer, and
        an issuer's name has no "#" in it (RFC 8414 section 2).
        """
        subject = token.subject or ""
        if self._has_one_issuer or not subject:
            return subject
        return f"{token.issuer}#{subject}"

    def log_conflicts(self, routes: Iterable[tuple[str, Any]]) -> None:
        """Look at the routes once, and say what may surprise.

        That is a need that wins over something that looks open, and an open view on several paths.
        ``has_looked`` tells that it was done, because some servers have no start to do it at.
        """
        self.has_looked = True
        open_at: dict[int, list[str]] = {}
        for path, endpoint in routes:
            if path == self.readiness:
                logger.warning("readiness answers GET %s: the view of this path does not", path)
            if self.resource is not None and self.resource.serves(path):
                logger.warning("the metadata answer at %s: the view of this path does not", path)
            is_open_path = self.table.opens(path)
            marks = [mark_of(endpoint, method) for method in METHODS]
            self.note_needs(need for mark in marks for need in mark.needs)
            if any(m.needs and (m.public or m.optional or is_open_path) for m in marks):
                _log_conflict(path)
            elif any(m.public or m.optional for m in marks):
                open_at.setdefault(id(endpoint), []).append(path)
        for paths in open_at.values():
            if len(set(paths)) > 1:
                logger.warning("one open view serves %s: all of them are open", ", ".join(paths))


def _problems_of_readiness(path: object, rules: object) -> list[str]:
    """Say why this cannot be the path of a readiness probe, if so."""
    problem = problem_of_path(path, "readiness")
    if problem is not None:
        return [problem]
    named = rules if isinstance(rules, Mapping) else {}
    return [
        f"readiness: a probe needs no token, and the rule {rule!r} asks for one; take one out"
        for rule in (f"GET {path}", f"* {path}")
        if rule in named
    ]


def _problems_beside_metadata(guard: Guard, readiness: object, rules: object) -> list[str]:
    """Say what stands at the path of the metadata, which are for everybody, if anything does."""
    if guard.resource is None:
        return []
    named = {f"readiness {readiness!r}": readiness}
    for rule in rules if isinstance(rules, Mapping) else ():
        named[f"the rule {rule!r}"] = rule.partition(" ")[2]
    return [
        f"{name} stands where the metadata of the resource do, which need no token; take it out"
        for name, path in named.items()
        if isinstance(path, str) and guard.resource.serves(path)
    ]


def _log_conflict(path: str) -> None:
    logger.warning("%s is called open and needs something: the need is enforced", path)


def _guard_of(guard: Guard | None, settings: Mapping[str, Any], config: Source | None) -> Guard:
    if guard is None:
        return Guard.from_env(app_config=config, **settings)
    configured = config.values if config is not None else ()
    if settings or configured:
        names = ", ".join(sorted([*settings, *configured]))
        raise ConfigurationError(f"guard= is ready made: give {names} to Guard(...) instead")
    return guard

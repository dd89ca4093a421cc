"""``assert_protected``: whether a route refuses whom it should, and lets the right ones in.

The requests are asked for by a generator, so that sync and async clients go the same way.
"""

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, overload

from bearerguard.testing.bearer import Bearer, Headers
from bearerguard.testing.requests_by import Answered, answered, is_async, send

UNAUTHORIZED, FORBIDDEN, UNAVAILABLE = 401, 403, 503
Examination = Generator[Headers, Answered, list[str]]


class AsyncClient(Protocol):
    """A client that answers to those who await, such as httpx.AsyncClient."""

    async def request(self, method: str, url: Any, /) -> Any:
        """Send a request."""
        ...


class AssertProtected:
    """Fails where a route admits somebody whom it should refuse, or refuses one it should admit.

    Sent are a request without a token, one with each bad token, one with a good token that lacks
    ``scopes``, one for each of them that is missing alone, and one with all. Only the last one may
    reach the view: give what it needs to run as arguments of the client (``json=...``). ``claims``
    are for what a route needs beside scopes. Await it where the client is asynchronous.

    Raises:
        AssertionError: naming everything that was wrong.
    """

    def __init__(self, bearer: Bearer) -> None:
        self._bearer = bearer
        self._unawaited: list[str] = []

    @overload
    def __call__(
        self,
        client: AsyncClient,
        method: str,
        path: str,
        *,
        scopes: Iterable[str] = (),
        claims: Mapping[str, Any] | None = None,
        **request: Any,
    ) -> Awaitable[None]: ...

    @overload
    def __call__(
        self,
        client: Any,
        method: str,
        path: str,
        *,
        scopes: Iterable[str] = (),
        claims: Mapping[str, Any] | None = None,
        **request: Any,
    ) -> None: ...

    def __call__(
        self,
        client: Any,
        method: str,
        path: str,
        *,
        scopes: Iterable[str] = (),
        claims: Mapping[str, Any] | None = None,
        **request: Any,
    ) -> Awaitable[None] | None:
        """Examine one route."""
        __tracebackhide__ = True
        route = f"{method} {path}"
        examination = _examine(self._bearer, list(scopes), claims or {})
        sent = partial(send, client, method, path)
        if is_async(client):
            self._unawaited.append(route)
            return self._asynchronously(route, examination, sent, request)
        _raise(route, _drive(examination, lambda headers: answered(sent(headers, request))))
        return None

    def check_awaited(self) -> None:
        """Fail where somebody forgot to await an answer: nothing was asserted then."""
        if self._unawaited:
            raise AssertionError(f"assert_protected was not awaited: {', '.join(self._unawaited)}")

    async def _asynchronously(
        self, route: str, examination: Examination, sent: Callable[..., Any], request: Any
    ) -> None:
        __tracebackhide__ = True
        self._unawaited.remove(route)
        try:
            headers = next(examination)
            while True:
                headers = examination.send(answered(await sent(headers, request)))
        except StopIteration as end:
            _raise(route, end.value)


def _examine(bearer: Bearer, scopes: Sequence[str], claims: Mapping[str, Any]) -> Examination:
    """Ask for each request, and say what was wrong with the answers."""
    problems = []
    answer = yield {}
    if answer.status != UNAUTHORIZED or not answer.challenge.startswith("Bearer"):
        problems.append(f"without a token: {answer}, and not 401 with a Bearer challenge")
    for name, headers in bearer.all_bad(*scopes, **claims).items():
        answer = yield headers
        if answer.status != UNAUTHORIZED:
            problems.append(f"with a token that is bad ({name}): {answer}, and not 401")
    for present in _too_few(scopes):
        answer = yield bearer(*present, **claims)
        lacking = f"with {_named(present)}, of {_named(scopes)}"
        if answer.status != FORBIDDEN:
            problems.append(f"{lacking}: {answer}, and not 403")
        elif unnamed := [name for name in scopes if name not in _scopes_in(answer.challenge)]:
            problems.append(f"{lacking}: the challenge does not name {_named(unnamed)}: {answer}")
    answer = yield bearer(*scopes, **claims)
    if answer.status in (UNAUTHORIZED, FORBIDDEN, UNAVAILABLE):
        problems.append(f"with {_named(scopes)}: {answer}, and not let in")
    return problems


def _too_few(scopes: Sequence[str]) -> list[list[str]]:
    """Give no scope at all, and each of several left out alone."""
    alone = [[one for one in scopes if one != left_out] for left_out in scopes]
    return [[], *(rest for rest in alone if rest)] if scopes else []


def _scopes_in(challenge: str) -> list[str]:
    """Read the parameter scope of our own challenge (RFC 6750 section 3)."""
    return challenge.partition('scope="')[2].partition('"')[0].split(" ")


def _named(scopes: Sequence[str]) -> str:
    return " ".join(scopes) or "no scope"


def _drive(examination: Examination, ask: Callable[[Headers], Answered]) -> list[str]:
    __tracebackhide__ = True
    try:
        headers = next(examination)
        while True:
            headers = examination.send(ask(headers))
    except StopIteration as end:
        problems: list[str] = end.value
        return problems


def _raise(route: str, problems: Sequence[str]) -> None:
    __tracebackhide__ = True
    if problems:
        raise AssertionError("\n  ".join([f"{route} is not protected as it should be:", *problems]))

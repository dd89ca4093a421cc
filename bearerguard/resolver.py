"""Issuers that no setting names one by one: ``Guard(resolve_issuer=f, issuers_allowed=[...])``.

``f(name)`` is asked only about a name that ``issuers_allowed`` admits, and says who that is, or
None. What strangers can cause by making up names is bounded: ten new issuers a minute, so as many
first fetches; ten questions at a time; a thousand issuers, and a thousand names that f did not
know. An issuer that verified a token within the hour is never put out for a new one. Whatever f
raises is 503, because then nobody knows.
"""

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from cachetools import TTLCache

from bearerguard.errors import UnavailableError
from bearerguard.issuer import Issuer
from bearerguard.issuers import Clock, KnownIssuer
from bearerguard.jwks.forks import start_over_after_fork
from bearerguard.jwks.waiting import wait_in_task, wait_in_thread

MOST_ISSUERS = 1000
MOST_UNKNOWN = 1000
UNKNOWN_FOR_S = 60.0
MOST_NEW = 10
NEW_WITHIN_S = 60.0
MOST_QUESTIONS = 10
# Whose token was good so recently is a customer, whoever else comes.
IN_USE_FOR_S = 3600.0
PATIENCE_S = 5.0

Resolve = Callable[[str], Issuer | None] | Callable[[str], Awaitable[Issuer | None]]

logger = logging.getLogger("bearerguard")


class Resolver:
    """Asks ``resolve`` about names, and keeps what came of it.

    ``take`` makes a KnownIssuer of an Issuer, ``clock`` gives the seconds of a monotonic clock.
    """

    def __init__(
        self, resolve: Resolve, take: Callable[[Issuer], KnownIssuer], clock: Clock
    ) -> None:
        self._resolve: Callable[[str], Any] = resolve
        self._take = take
        self._clock = clock
        self._issuers: dict[str, KnownIssuer] = {}
        self._unknown: TTLCache[str, bool] = TTLCache(MOST_UNKNOWN, UNKNOWN_FOR_S, clock)
        self._new_at: deque[float] = deque(maxlen=MOST_NEW)
        self.start_over()
        start_over_after_fork(self)

    def start_over(self) -> None:
        """Forget what runs elsewhere: after a fork the parent's threads and locks are not ours."""
        self._lock = threading.Lock()
        self._questions: dict[str, Future[KnownIssuer | None]] = {}

    def known(self) -> list[KnownIssuer]:
        """Give the issuers that are kept."""
        return list(self._issuers.values())

    def get(self, name: str) -> KnownIssuer:
        """Give an issuer that was found before; raises UnavailableError where there is none."""
        known = self._issuers.get(name)
        if known is None:
            raise UnavailableError("nobody has asked who this issuer is yet")
        return known

    def find(self, name: str) -> KnownIssuer | None:
        """Give an issuer, or None for one that ``resolve`` does not know.

        Raises:
            UnavailableError: nobody can tell at the moment.
            RuntimeError: waiting would stop the event loop that this thread runs.
        """
        known = self._issuers.get(name)
        if known is not None or self._is_unknown(name):
            return known
        question = self._ask(name)
        wait_in_thread(question, PATIENCE_S)
        return _outcome(question)

    async def afind(self, name: str) -> KnownIssuer | None:
        """Do the same from a task; an async ``resolve`` runs in the caller's own event loop."""
        known = self._issuers.get(name)
        if known is not None or self._is_unknown(name):
            return known
        if _is_async(self._resolve):
            try:
                return self._keep(name, await self._resolve(name))
            except Exception as error:  # noqa: BLE001  the application's code
                raise _unavailable(name, error) from None
        question = self._ask(name)
        await wait_in_task(question, PATIENCE_S)
        return _outcome(question)

    def verified(self, name: str) -> None:
        """Note that a token of this issuer was good."""
        known = self._issuers.get(name)
        if known is not None:
            known.verified_at = self._clock()

    def _is_unknown(self, name: str) -> bool:
        with self._lock:
            if name in self._unknown:
                return True
            self._check_room(self._clock())  # else the answer could not be used
        return False

    def _ask(self, name: str) -> "Future[KnownIssuer | None]":
        """Let a thread ask, one for all who want to know about this name."""
        with self._lock:
            question = self._questions.get(name)
            if question is not None:
                return question
            if len(self._questions) >= MOST_QUESTIONS:
                raise UnavailableError("resolve_issuer is busy with other issuers")
            question = self._questions[name] = Future()
            question.set_running_or_notify_cancel()
        thread = threading.Thread(
            target=self._answer, args=(name, question), name="bearerguard-resolve", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # the process has no thread left to give
            with self._lock:
                self._questions.pop(name, None)
            question.set_exception(UnavailableError(f"no thread could be started: {error}"))
        return question

    def _answer(self, name: str, question: "Future[KnownIssuer | None]") -> None:
        try:
            found = self._resolve(name)
            if inspect.isawaitable(found):
                found = asyncio.run(_awaited(found))
            known = self._keep(name, found)
        except BaseException as error:  # noqa: BLE001  those who wait must hear of it
            question.set_exception(_unavailable(name, error))
        else:
            question.set_result(known)
        finally:
            with self._lock:
                self._questions.pop(name, None)

    def _keep(self, name: str, found: Issuer | None) -> KnownIssuer | None:
        with self._lock:
            if name in self._issuers:  # two asked at the same time
                return self._issuers[name]
            if found is None:
                self._unknown[name] = True
                return None
            if found.issuer != name:
                raise ValueError("resolve_issuer gave another issuer than it was asked for")
            now = self._clock()
            spare = self._check_room(now)
            known = self._take(found)
            if spare is not None:
                del self._issuers[spare]
            self._new_at.append(now)
            self._issuers[name] = known
            return known

    def _check_room(self, now: float) -> str | None:
        """Name the issuer that a new one would replace, if any.

        Raises:
            UnavailableError: there were ten new ones within a minute, or all issuers are in use.
        """
        if len(self._new_at) == MOST_NEW and now < self._new_at[0] + NEW_WITHIN_S:
            wait_s = self._new_at[0] + NEW_WITHIN_S - now
            raise UnavailableError("too many new issuers within a minute", retry_after=wait_s)
        if len(self._issuers) < MOST_ISSUERS:
            return None
        spare = min(self._issuers, key=lambda name: self._issuers[name].verified_at or 0.0)
        used_at = self._issuers[spare].verified_at
        if used_at is not None and now < used_at + IN_USE_FOR_S:
            raise UnavailableError("too many issuers are in use", retry_after=60)
        return spare


def _is_async(resolve: Callable[[str], Any]) -> bool:
    call = getattr(resolve, "__call__", None)  # noqa: B004  an object may have an async one
    return inspect.iscoroutinefunction(resolve) or inspect.iscoroutinefunction(call)


async def _awaited(found: Awaitable[Any]) -> Any:
    return await found


def _unavailable(name: str, error: BaseException) -> UnavailableError:
    """Turn what the application's code raised into 503, and tell the operator."""
    if isinstance(error, UnavailableError):
        return error
    logger.error("resolve_issuer failed for %r", name, exc_info=error)
    return UnavailableError(f"resolve_issuer failed: {type(error).__name__}")


def _outcome(question: "Future[KnownIssuer | None]") -> KnownIssuer | None:
    if not question.done():
        raise UnavailableError(f"resolve_issuer gave no answer within {PATIENCE_S:g} s")
    error = question.exception()
    if isinstance(error, UnavailableError):
        # One of its own for each who waited: raising it writes into it.
        raise UnavailableError(error.detail, retry_after=error.retry_after)
    return question.result()

"""Issuers that no setting names one by one: ``Guard(resolve_issuer=f, issuers_allowed=[...])``.

``f(name)`` is asked only about a name that ``issuers_allowed`` admits, and says who that is, or
None. One question at a time is asked about a name, however many wait for its answer. A sync f runs
in a thread of its own, so that no event loop stands still. An async f runs in the event loop of
whoever asks first, where its connections belong; where that one hangs up, the next one asks. From a
thread without a loop it gets a loop of its own.

What strangers can cause by making up names is bounded (:mod:`bearerguard.resolved`), and so are the
questions: ten at a time, those included that never end. Whatever f raises is 503, because then
nobody knows.
"""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from bearerguard.errors import UnavailableError
from bearerguard.forks import start_over_after_fork
from bearerguard.issuer import Issuer
from bearerguard.issuers import Clock, KnownIssuer
from bearerguard.jwks.waiting import await_within, wait_in_task, wait_in_thread
from bearerguard.log import logger
from bearerguard.questions import HungUpError, Question, Step
from bearerguard.resolved import ResolvedIssuers

MOST_QUESTIONS = 10
PATIENCE_S = 5.0

Resolve = Callable[[str], Issuer | None] | Callable[[str], Awaitable[Issuer | None]]


class Resolver:
    """Asks ``resolve`` about names, and keeps what came of it.

    ``take`` makes a KnownIssuer of an Issuer, ``clock`` gives the seconds of a monotonic clock,
    ``patience_s`` is for how long anybody waits for an answer.
    """

    def __init__(
        self,
        resolve: Resolve,
        take: Callable[[Issuer], KnownIssuer],
        clock: Clock,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._resolve: Callable[[str], Any] = resolve
        self._is_async = _is_async(resolve)
        self._take = take
        self._clock = clock
        self._patience_s = patience_s
        self._issuers = ResolvedIssuers(clock)
        self.start_over()
        start_over_after_fork(self)

    def start_over(self) -> None:
        """Forget what runs elsewhere: after a fork the parent's threads and locks are not ours."""
        self._lock = threading.Lock()
        self._questions: dict[str, Question] = {}
        self._issuers.start_over()

    def known(self) -> list[KnownIssuer]:
        """Give the issuers that are kept."""
        return self._issuers.all()

    def present(self, name: str) -> KnownIssuer | None:
        """Do the same as :meth:`find` without any question.

        Raises:
            UnavailableError: nobody has asked yet.
        """
        known = self._issuers.get(name)
        if known is not None:
            return known
        with self._lock:
            if self._issuers.is_unknown(name):
                return None
        raise UnavailableError("nobody has asked who this issuer is yet")

    def find(self, name: str) -> KnownIssuer | None:
        """Give an issuer, or None for one that ``resolve`` does not know.

        Raises:
            UnavailableError: nobody can tell at the moment.
            RuntimeError: waiting would stop the event loop that this thread runs.
        """
        while True:
            step = self._step(name)
            question = step.question
            if question is None:
                return step.known
            if step.is_new:
                self._start(question)
            wait_in_thread(question.answered, question.left_s(self._clock()))
            if not question.is_dropped:
                return question.outcome()

    async def afind(self, name: str) -> KnownIssuer | None:
        """Do the same from a task; never raises RuntimeError."""
        while True:
            step = self._step(name)
            question = step.question
            if question is None:
                return step.known
            if step.is_new and self._is_async:
                await self._answer_in_task(question)
                return question.outcome()
            if step.is_new:
                self._start(question)
            await wait_in_task(question.answered, question.left_s(self._clock()))
            if not question.is_dropped:
                return question.outcome()

    def verified(self, name: str) -> None:
        """Note that a token of this issuer was good."""
        known = self._issuers.get(name)
        if known is not None:
            known.verified_at = self._clock()

    def _step(self, name: str) -> Step:
        """Say what is known, or join the question about this name, or make one.

        Raises:
            UnavailableError: no question is possible now, or its answer could not be used.
        """
        known = self._issuers.get(name)  # as for nearly every request: without the lock
        if known is not None:
            return Step(known)
        with self._lock:
            known = self._issuers.get(name)
            if known is not None or self._issuers.is_unknown(name):
                return Step(known)
            now = self._clock()
            question = self._questions.get(name)
            if question is not None:
                question.check_patience(now)
                return Step(question=question)
            self._issuers.check_room(now)
            if len(self._questions) >= MOST_QUESTIONS:
                raise UnavailableError("resolve_issuer is busy with other issuers")
            question = Question(name, now + self._patience_s)
            self._questions[name] = question
            return Step(question=question, is_new=True)

    def _start(self, question: Question) -> None:
        thread = threading.Thread(
            target=self._answer_in_thread, args=(question,), name="bearerguard-resolve", daemon=True
        )
        try:
            thread.start()
        except BaseException as error:  # Ctrl-C, or the process has no thread left to give
            self._close(question, UnavailableError(f"no thread could be started: {error}"))
            if not isinstance(error, Exception):
                raise

    def _answer_in_thread(self, question: Question) -> None:
        try:
            found = self._resolve(question.name)
            if inspect.isawaitable(found):
                found = asyncio.run(await_within(found, self._patience_s))
            known = self._kept(question.name, found)
        except BaseException as error:  # noqa: BLE001  those who wait must hear of it
            self._close(question, _unavailable(question.name, error))
        else:
            self._close(question, known)

    async def _answer_in_task(self, question: Question) -> None:
        try:
            found = await await_within(self._resolve(question.name), self._patience_s)
            known = self._kept(question.name, found)
        except Exception as error:  # noqa: BLE001  the application's code
            self._close(question, _unavailable(question.name, error))
        except BaseException:
            self._close(question, HungUpError())
            raise
        else:
            self._close(question, known)

    def _kept(self, name: str, found: object) -> KnownIssuer | None:
        """Keep an answer; what is made of it is made outside of the lock, and may take a while."""
        if found is None:
            with self._lock:
                self._issuers.add_unknown(name)
            return None
        if not isinstance(found, Issuer):
            raise TypeError(f"resolve_issuer gave a {type(found).__name__}; write Issuer(...)")
        if found.issuer != name:
            raise ValueError("resolve_issuer gave another issuer than it was asked for")
        known = self._take(found)
        with self._lock:
            self._issuers.add(name, known, self._clock())
        return known

    def _close(self, question: Question, outcome: KnownIssuer | Exception | None) -> None:
        """Answer a question; first of all let nobody join it who would wait for what is over."""
        with self._lock:
            if self._questions.get(question.name) is question:
                del self._questions[question.name]
        question.answer(outcome)


def _is_async(resolve: Callable[[str], Any]) -> bool:
    call = getattr(resolve, "__call__", None)  # noqa: B004  an object may have an async one
    return inspect.iscoroutinefunction(resolve) or inspect.iscoroutinefunction(call)


def _unavailable(name: str, error: BaseException) -> UnavailableError:
    """Turn what the application's code raised into 503, and tell the operator."""
    if isinstance(error, UnavailableError):
        return error
    with contextlib.suppress(Exception):  # a broken handler must not leave the question open
        logger.error("resolve_issuer failed for %r", name, exc_info=error)
    return UnavailableError(f"resolve_issuer failed: {type(error).__name__}")

"""Drives the key cache: threads and tasks ask, one short-lived thread at a time fetches.

The fetch belongs to the source, not to the request that needed it. It runs in a thread of its own
and lands in a Future, for which threads and tasks alike wait; so one source serves Flask and
Starlette, a client that hangs up stops nothing, and no event loop is ever blocked. A pool was not
taken: a hung fetch would hold a worker for good, and an idle pool is one more thing to fork.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from bearerguard.core.key_set import Key, KeySet
from bearerguard.errors import RejectedError, UnavailableError
from bearerguard.events import Event, OnEvent
from bearerguard.forks import start_over_after_fork
from bearerguard.jwks.cache import KeyCache
from bearerguard.jwks.keys import Load, LoadError, Tried
from bearerguard.jwks.states import Decision, Fetch, Unknown, Use, Wait
from bearerguard.jwks.waiting import wait_in_task, wait_in_thread


@dataclass(frozen=True)
class Pending:
    """A fetch to wait for: where it lands, for how many seconds, and its sequence number."""

    landed: Future[None]
    timeout_s: float
    sequence: int


class KeySource:
    """The keys of one issuer, fetched by ``load`` when the cache asks for it.

    ``clock`` gives the seconds of a monotonic clock; ``on_event`` is told what happens, outside of
    every lock, and must not raise.
    """

    def __init__(
        self,
        load: Load,
        cache: KeyCache,
        clock: Callable[[], float] = time.monotonic,
        on_event: OnEvent = lambda _: None,
    ) -> None:
        self._load = load
        self._cache = cache
        self._clock = clock
        self._on_event = on_event
        self._lock = threading.Lock()
        self._landed: Future[None] = Future()
        self._tells = False
        start_over_after_fork(self)
        self._publish()  # of keys that the cache was given to begin with

    def start_over(self) -> None:
        """Forget what runs elsewhere: after a fork the parent's threads and locks are not ours."""
        self._lock = threading.Lock()
        self._landed = Future()
        self._tells = False
        self._cache.forget_flight()

    def keys(self, kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Give the keys for a key id; see :class:`bearerguard.jwks.keys.Keys`."""
        there = () if tried else self.at_once(kid)
        step = there or self._step(kid, tried, 0)
        while isinstance(step, Pending):
            wait_in_thread(step.landed, step.timeout_s)
            step = self._step(kid, tried, step.sequence)
        return step

    async def akeys(self, kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Give the keys for a key id; see :class:`bearerguard.jwks.keys.Keys`."""
        there = () if tried else self.at_once(kid)
        step = there or self._step(kid, tried, 0)
        while isinstance(step, Pending):
            await wait_in_task(step.landed, step.timeout_s)
            step = self._step(kid, tried, step.sequence)
        return step

    def at_once(self, kid: str | None) -> tuple[Key, ...]:
        """Give fresh keys, without any lock; see :class:`bearerguard.jwks.keys.Keys`."""
        return self._cache.fresh(kid, self._clock())

    def present(self, kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Give the keys that are there; see :class:`bearerguard.jwks.keys.Keys`."""
        snapshot = self._cache.snapshot
        if snapshot is None or self._clock() >= snapshot.stale_until:
            raise UnavailableError(self._cache.error or "no keys have been fetched yet")
        keys = tuple(key for key in snapshot.keys.candidates(kid) if key not in tried)
        if not keys:
            raise self._unknown(kid)
        return keys

    def wake(self) -> Future[None] | None:
        """Begin a fetch where one is due; see :class:`bearerguard.jwks.keys.Keys`."""
        try:
            step = self._step(None, (), 0)
        except UnavailableError:
            return None
        return step.landed if isinstance(step, Pending) else None

    def status(self) -> dict[str, Any]:
        """Describe the keys for an operator or a readiness probe; ages are in seconds."""
        now = self._clock()
        with self._lock:
            described = self._describe(now)
        self._publish()  # states that passed while no request came
        return described

    def _describe(self, now: float) -> dict[str, Any]:
        cache, snapshot = self._cache, self._cache.snapshot
        known = snapshot.keys if snapshot else KeySet(())
        return {
            "state": cache.state(now).value,
            "key_ids": [key.kid for key in known.keys],
            "refused_keys": [f"{k.kid or k.index}: {k.reason}" for k in known.refused],
            "age_s": now - snapshot.fetched_at if snapshot else None,
            "next_refresh_s": max(0.0, snapshot.refresh_at - now) if snapshot else 0.0,
            "last_error": cache.error,
            "generation": snapshot.generation if snapshot else 0,
        }

    def _step(self, kid: str | None, tried: Tried, waited_for: int) -> tuple[Key, ...] | Pending:
        """Ask the machine once and do what it says: keys, or a fetch to wait for.

        The lock is held for the machine's few microseconds, never during a fetch.
        """
        try:
            with self._lock:
                now = self._clock()
                return self._follow(
                    self._cache.lookup(kid, now, tried=tried, waited_for=waited_for), kid, now
                )
        finally:
            self._publish()

    def _follow(self, decision: Decision, kid: str | None, now: float) -> tuple[Key, ...] | Pending:
        match decision:
            case Use(keys, refresh):
                if refresh:
                    self._start(now)
                return keys
            case Fetch(anew):
                self._start(now, anew=anew)
                return self._pending(now)
            case Wait():
                return self._pending(now)
            case Unknown():
                raise self._unknown(kid)
        # What is left is Unreachable; a decision that was forgotten above fails to type-check.
        raise UnavailableError(decision.detail, retry_after=decision.retry_after_s)

    def _pending(self, now: float) -> Pending:
        flight = self._cache.flight
        timeout_s = flight.overdue_at - now if flight else 0.0
        return Pending(self._landed, timeout_s, self._cache.begun)

    def _start(self, now: float, *, anew: bool = False) -> None:
        sequence = self._cache.begin(now)
        landed = self._landed = Future()
        landed.set_running_or_notify_cancel()  # from here on no waiter can cancel it
        name = f"bearerguard-fetch-{sequence}"
        thread = threading.Thread(
            target=partial(self._fetch, sequence, landed, anew=anew), name=name, daemon=True
        )
        try:
            thread.start()
        except BaseException as error:
            # Ctrl-C, or the process has no thread left to give. If it runs nevertheless, its answer
            # comes too late.
            self._cache.failed(sequence, f"no thread could be started: {error}", now)
            if not isinstance(error, Exception):
                raise

    def _fetch(self, sequence: int, landed: Future[None], *, anew: bool) -> None:
        try:
            loaded = self._load(anew=anew)
        except LoadError as error:
            with self._lock:
                self._cache.failed(sequence, str(error), self._clock(), error.retry_after_s)
        except BaseException as error:  # noqa: BLE001  whatever it was, those who wait must hear of it
            with self._lock:
                self._cache.failed(sequence, type(error).__name__, self._clock())
        else:
            with self._lock:
                self._cache.fetched(sequence, loaded, self._clock())
        landed.set_result(None)
        self._publish()

    def _publish(self) -> None:
        """Tell what happened, outside of the lock: a callback may ask this very source.

        One thread at a time tells, and goes on with what happens meanwhile: so events keep their
        order, and whoever follows them ends with the state in which the keys are.
        """
        if not self._cache.news:
            return
        with self._lock:
            if self._tells:
                return
            self._tells = True
        try:
            while news := self._take_news():
                for event in news:
                    self._on_event(event)
        except BaseException:  # Ctrl-C: the next one tells what is left
            self._tells = False
            raise

    def _take_news(self) -> list[Event]:
        with self._lock:
            news = [*self._cache.news]
            self._cache.news.clear()
            self._tells = bool(news)
            return news

    def _unknown(self, kid: str | None) -> RejectedError:
        snapshot = self._cache.snapshot
        expected = [key.kid for key in snapshot.keys.keys] if snapshot else []
        return RejectedError("key_unknown", expected=expected, found=kid)

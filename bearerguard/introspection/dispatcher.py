"""Begins requests in threads of their own, some at a time, and not from the caller's thread.

Whoever starts a thread waits until it runs, and where many are started the interpreter lets each of
them go on for some milliseconds first. In the thread of an event loop twenty starts in a row were a
stall of a tenth of a second. So one thread starts all others; it ends when there was nothing to do
for a second, and so is there only while tokens come that nobody has seen.
"""

import threading
from collections import deque
from typing import Protocol

from bearerguard.errors import UnavailableError
from bearerguard.introspection.flight import Flight

MOST_REQUESTS = 20
MOST_QUEUED = 1000
LINGER_S = 1.0


class Owner(Protocol):
    """Whose requests these are."""

    def admit(self, flight: Flight) -> bool:
        """Tell whether a request still makes sense; else tell those who wait for it."""
        ...

    def run(self, flight: Flight) -> None:
        """Make the request and tell those who wait, whatever happens."""
        ...

    def lose(self, flight: Flight, why: str) -> None:
        """Tell those who wait that the request could not be begun."""
        ...


class Dispatcher:
    """The requests of one owner: those that run, and the queue of the others."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._changed = threading.Condition()
        self._queue: deque[Flight] = deque()
        self._running = 0
        self._is_on = False

    @property
    def running(self) -> int:
        """How many requests run."""
        return self._running

    @property
    def queued(self) -> int:
        """How many wait for their turn."""
        return len(self._queue)

    def put(self, flight: Flight) -> None:
        """Begin a request as soon as there is room for it.

        Raises:
            UnavailableError: the queue is full, or the process has no thread left to give.
        """
        with self._changed:
            if len(self._queue) >= MOST_QUEUED:
                raise UnavailableError("too many opaque tokens wait to be introspected")
            if not self._is_on:
                self._switch_on()
            self._queue.append(flight)
            self._changed.notify()

    def _switch_on(self) -> None:
        name = "bearerguard-introspect-dispatcher"
        thread = threading.Thread(target=self._dispatch, name=name, daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            raise UnavailableError(f"no thread could be started: {error}") from None
        self._is_on = True

    def _dispatch(self) -> None:
        while flight := self._next():
            if self._owner.admit(flight):
                self._start(flight)
            else:
                self._ended()

    def _next(self) -> Flight | None:
        """Take the next one and its place; None when there was none for a while."""
        with self._changed:
            if not self._changed.wait_for(self._has_work, LINGER_S):
                self._is_on = False
                return None
            self._running += 1
            return self._queue.popleft()

    def _has_work(self) -> bool:
        return bool(self._queue) and self._running < MOST_REQUESTS

    def _start(self, flight: Flight) -> None:
        name = "bearerguard-introspect"
        thread = threading.Thread(target=self._run, args=(flight,), name=name, daemon=True)
        try:
            thread.start()
        except Exception as error:  # noqa: BLE001  whatever it was, those who wait must hear of it
            self._owner.lose(flight, f"no thread could be started: {error}")
            self._ended()

    def _run(self, flight: Flight) -> None:
        try:
            self._owner.run(flight)
        finally:
            self._ended()

    def _ended(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify()

"""Begins requests in threads of their own, some at a time, and not from the caller's thread.

Whoever starts a thread waits until it runs, and where many are started the interpreter lets each of
them go on for some milliseconds first. In the thread of an event loop twenty starts in a row were a
stall of a tenth of a second. So one thread starts all others; it ends when the queue was empty for
a second, and so is there only while tokens come that nobody has seen.

A request that does not end (a name that is never resolved, a client of HTTP that keeps no time-out)
is given up a second after its time, and its place is given to another; at most twenty are.
"""

import threading
from collections import deque
from typing import Protocol

from bearerguard.errors import UnavailableError
from bearerguard.introspection.flight import NO_ANSWER, Flight

MOST_REQUESTS = 20
MOST_ABANDONED = 20
MOST_QUEUED = 1000
LINGER_S = 1.0


class Owner(Protocol):
    """Whose requests these are."""

    def admit(self, flight: Flight) -> bool:
        """Tell whether a request still makes sense; else tell those who wait for it."""
        ...

    def is_overdue(self, flight: Flight) -> bool:
        """Tell whether a request should have ended by now; asks for no lock."""
        ...

    def run(self, flight: Flight) -> None:
        """Make the request and tell those who wait, whatever happens."""
        ...

    def lose(self, flight: Flight, why: str) -> None:
        """Tell those who wait that the request could not be begun, or does not end."""
        ...


class Dispatcher:
    """The requests of one owner: those that run, and the queue of the others."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._changed = threading.Condition()
        self._queue: deque[Flight] = deque()
        self._running: set[Flight] = set()
        self._abandoned: set[Flight] = set()
        self._is_on = False

    @property
    def running(self) -> int:
        """How many requests run."""
        return len(self._running) + len(self._abandoned)

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

    def take_overdue(self) -> list[Flight]:
        """Give up requests that should have ended; their owner has yet to hear of it."""
        with self._changed:
            overdue = [flight for flight in self._running if self._owner.is_overdue(flight)]
            lost = overdue[: MOST_ABANDONED - len(self._abandoned)]
            self._running.difference_update(lost)
            self._abandoned.update(lost)
            self._changed.notify()
            return lost

    def _switch_on(self) -> None:
        name = "bearerguard-introspect-dispatcher"
        thread = threading.Thread(target=self._dispatch, name=name, daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            raise UnavailableError(f"no thread could be started: {error}") from None
        self._is_on = True

    def _dispatch(self) -> None:
        while self._stays_on():
            flight = self._next()
            if flight is None:
                for lost in self.take_overdue():
                    self._owner.lose(lost, NO_ANSWER)
            elif self._owner.admit(flight):
                self._start(flight)
            else:
                self._ended(flight)

    def _stays_on(self) -> bool:
        """Wait for work; end when there was none for a while."""
        with self._changed:
            self._is_on = bool(self._changed.wait_for(lambda: self._queue, LINGER_S))
            return self._is_on

    def _next(self) -> Flight | None:
        """Take the next one and its place; None when there was no place for a while."""
        with self._changed:
            has_place = self._changed.wait_for(lambda: len(self._running) < MOST_REQUESTS, LINGER_S)
            if not has_place:
                return None
            flight = self._queue.popleft()
            self._running.add(flight)
            return flight

    def _start(self, flight: Flight) -> None:
        name = "bearerguard-introspect"
        thread = threading.Thread(target=self._run, args=(flight,), name=name, daemon=True)
        try:
            thread.start()
        except Exception as error:  # noqa: BLE001  whatever it was, those who wait must hear of it
            self._owner.lose(flight, f"no thread could be started: {error}")
            self._ended(flight)

    def _run(self, flight: Flight) -> None:
        try:
            self._owner.run(flight)
        finally:
            self._ended(flight)

    def _ended(self, flight: Flight) -> None:
        with self._changed:
            self._running.discard(flight)
            self._abandoned.discard(flight)
            self._changed.notify()

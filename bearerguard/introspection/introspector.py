"""Drives the questions to one issuer: threads and tasks ask, short-lived threads make the requests.

One request at a time about each token, whoever waits for it; twenty at a time about different ones,
the others in a queue. A request belongs to the introspector and not to the caller for whom it was
begun: it runs in a thread of its own and lands in a Future. So no event loop is ever blocked, and a
caller who hangs up stops nothing. A pool was not taken, for the reasons that the key source has.

Each request has its whole time, however long it was in the queue: else a crowd of made-up tokens
would make requests to a healthy issuer fail. Nobody waits for it for longer than the time-out, and
what comes later is kept for the next one.
"""

import contextlib
import logging
import math
import threading
from collections.abc import Callable
from typing import Any

from bearerguard.errors import UnavailableError
from bearerguard.forks import start_over_after_fork
from bearerguard.introspection.cache import KeptAnswers, digest_of, expires_in_s
from bearerguard.introspection.circuit import Circuit
from bearerguard.introspection.dispatcher import Dispatcher
from bearerguard.introspection.endpoint import Ask, Failure, ask_safely
from bearerguard.introspection.flight import NO_ANSWER, Flight
from bearerguard.jwks.waiting import wait_in_task, wait_in_thread

# For the end of a request to get here after its time.
GRACE_S = 1.0

logger = logging.getLogger("bearerguard.introspection")


class Introspector:
    """What one issuer says of opaque tokens.

    ``clock`` gives the seconds of a monotonic clock, ``wall_clock`` those since 1970; ``timeout_s``
    is for how long anybody waits.
    """

    def __init__(
        self,
        *,
        issuer: str,
        ask: Ask,
        answers: Callable[[], KeptAnswers],
        circuit: Circuit,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        timeout_s: float,
    ) -> None:
        self._issuer = issuer
        self._ask = ask
        self._make_answers = answers
        self._circuit = circuit
        self._clock = clock
        self._wall_clock = wall_clock
        self._timeout_s = timeout_s
        self._last_error: str | None = None
        self._forgotten_at = -math.inf
        self.start_over()
        start_over_after_fork(self)

    def start_over(self) -> None:
        """Forget what runs elsewhere: after a fork the parent's threads and locks are not ours."""
        self._lock = threading.Lock()
        self._answers = self._make_answers()  # a fork may have caught them half written
        self._flights: dict[bytes, Flight] = {}
        self._requests = Dispatcher(self)
        self._circuit.is_trying = False

    def answer(self, raw: str) -> bytes:
        """Give what the issuer says of a token.

        Raises:
            UnavailableError: it cannot be asked, or its answer cannot be used.
            RuntimeError: waiting would stop the event loop that this thread runs.
        """
        step = self._step(raw)
        if isinstance(step, bytes):
            return step
        wait_in_thread(step.landed, self._left_s(step))
        return step.outcome()

    async def aanswer(self, raw: str) -> bytes:
        """Do the same from a task; never raises RuntimeError."""
        step = self._step(raw)
        if isinstance(step, bytes):
            return step
        await wait_in_task(step.landed, self._left_s(step))
        return step.outcome()

    def at_once(self, raw: str) -> bytes | None:
        """Give what the issuer said of a token a short while ago, where that still counts."""
        with self._lock:
            return self._answers.find(digest_of(self._issuer, raw), self._clock())

    def present(self, raw: str) -> bytes:
        """Do the same.

        Raises:
            UnavailableError: nobody has asked about the token.
        """
        found = self.at_once(raw)
        if found is None:
            raise UnavailableError("nobody has asked about this token a short while ago")
        return found

    def forget(self) -> None:
        """Drop every answer, also those that are on their way: the issuer is asked anew."""
        with self._lock:
            self._answers = self._make_answers()
            self._flights.clear()
            self._forgotten_at = self._clock()

    def status(self) -> dict[str, Any]:
        """Describe the endpoint for an operator; times are in seconds."""
        with self._lock:
            now = self._clock()
            return {
                "state": self._circuit.state(now),
                "next_try_s": self._circuit.wait_s(now),
                "last_error": self._last_error,
                "requests": self._requests.running,
                "queued": self._requests.queued,
                "kept": len(self._answers),
            }

    def _left_s(self, flight: Flight) -> float:
        return max(0.0, flight.until - self._clock())

    def _step(self, raw: str) -> bytes | Flight:
        """Give what is known, or the question to wait for, which is begun where there is none.

        Raises:
            UnavailableError: nobody may ask now.
        """
        digest = digest_of(self._issuer, raw)
        with self._lock:
            now = self._clock()
            found = self._answers.find(digest, now)
            if found is not None:
                return found
            flight = self._flights.get(digest)
            if flight is None:
                flight = self._begin(digest, raw, now)
        return flight

    def _begin(self, digest: bytes, raw: str, now: float) -> Flight:
        """Begin a question. The caller holds the lock, as below where a method does not take it."""
        for lost in self._requests.take_overdue():
            self._note_failure(lost, Failure(NO_ANSWER))
        self._check_circuit(now)
        flight = Flight(digest, raw, now + self._timeout_s)
        self._requests.put(flight)
        self._flights[digest] = flight
        return flight

    def admit(self, flight: Flight) -> bool:
        """See :class:`.dispatcher.Owner`: whom nobody waits for any more is dropped."""
        with self._lock:
            now = self._clock()
            try:
                if now >= flight.until:
                    raise UnavailableError(NO_ANSWER)  # noqa: TRY301  one way out for both
                self._check_circuit(now)
            except UnavailableError as error:
                self._land(flight, error)
                return False
            flight.epoch = self._circuit.begin()
            flight.ends_at = now + self._timeout_s
            return True

    def is_overdue(self, flight: Flight) -> bool:
        """See :class:`.dispatcher.Owner`."""
        return self._clock() >= flight.ends_at + GRACE_S

    def run(self, flight: Flight) -> None:
        """See :class:`.dispatcher.Owner`."""
        found = ask_safely(self._ask, flight.raw, flight.ends_at)
        if isinstance(found, Failure):
            with contextlib.suppress(Exception):  # a broken handler must keep nobody waiting
                facts = {"issuer": self._issuer, "found": found.detail[:200]}
                told = {"bearerguard": facts}
                logger.warning("introspection at %s failed: %r", *facts.values(), extra=told)
            self._fail(flight, found)
            return
        life_s = expires_in_s(found, self._wall_clock())
        with self._lock:
            if flight.landed.done():
                return  # given up
            self._circuit.succeeded(flight.epoch)
            if flight.until - self._timeout_s > self._forgotten_at:
                self._answers.keep(flight.digest, found, self._clock(), life_s)
            self._land(flight, found)

    def lose(self, flight: Flight, why: str) -> None:
        """See :class:`.dispatcher.Owner`."""
        self._fail(flight, Failure(why))

    def _fail(self, flight: Flight, failure: Failure) -> None:
        with self._lock:
            if not flight.landed.done():
                self._note_failure(flight, failure)

    def _note_failure(self, flight: Flight, failure: Failure) -> None:
        now = self._clock()
        self._last_error = failure.detail
        if failure.is_of_this_request:
            self._circuit.succeeded(flight.epoch)
        else:
            self._circuit.failed(now, flight.epoch, failure.retry_after_s)
        wait_s = self._circuit.wait_s(now)
        self._land(flight, UnavailableError(failure.detail, retry_after=wait_s))

    def _check_circuit(self, now: float) -> None:
        wait_s = self._circuit.wait_s(now)
        if wait_s > 0:
            detail = f"introspection is held off: {self._last_error}"
            raise UnavailableError(detail, retry_after=wait_s)

    def _land(self, flight: Flight, outcome: bytes | UnavailableError) -> None:
        """Tell everybody who waits."""
        if self._flights.get(flight.digest) is flight:
            del self._flights[flight.digest]
        flight.land(outcome)

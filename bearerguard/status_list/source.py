"""The status lists of one issuer: kept while they are fresh, fetched when they are needed.

As with keys, a fetch belongs to this source and runs in a thread of its own, one at a time for a
list; threads and tasks wait for the same one, and no event loop stands still. From 80 % of its
lifetime on a list is renewed behind the requests. Unlike keys, a list that is past its lifetime
serves no longer, not even while its place cannot be reached: a key that is a little old was good,
but what an old list says of a token may be the contrary of what holds. Then the answer is 503.

What tokens can cause is bounded, and only tokens that the issuer has signed get here: a budget for
each list, at most so many lists, none put out that was in use within the minute, so many fetches at
once.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from random import SystemRandom

from bearerguard.core.status_list import SHORTEST_TTL_S, Statuses, StatusList
from bearerguard.errors import UnavailableError
from bearerguard.forks import start_over_after_fork
from bearerguard.jwks.budget import FetchBudget
from bearerguard.jwks.keys import LoadError
from bearerguard.jwks.lifetime import REFRESH_SHARE
from bearerguard.jwks.waiting import wait_in_task, wait_in_thread

# With a megabyte each, the most that an issuer can make us keep is 32 MiB.
MOST_LISTS = 32
IN_USE_FOR_S = 60.0
MOST_FETCHES = 8
NO_ANSWER = "the status list did not come in time"


@dataclass(frozen=True)
class Copy:
    """A list as it was fetched, with its times."""

    statuses: Statuses
    fetched_at: float
    refresh_at: float
    fresh_until: float


@dataclass(frozen=True, eq=False)
class Flight:
    """A fetch under way."""

    overdue_at: float
    timeout_s: float
    landed: "Future[None]" = field(default_factory=Future)


@dataclass(eq=False)
class Kept:
    """What is known of one list."""

    uri: str
    used_at: float
    budget: FetchBudget = field(default_factory=FetchBudget)
    copy: Copy | None = None
    flight: Flight | None = None
    problem: str = "the status list was not fetched yet"

    def is_due(self, now: float) -> bool:
        """Tell whether the time to live alone asks for a fetch, whatever the budget has left.

        An issuer that says a second wants to be asked each second, while it answers.
        """
        if self.copy is None or self.budget.failures:
            return False
        return now >= self.copy.fetched_at + SHORTEST_TTL_S * REFRESH_SHARE

    def unavailable(self, now: float) -> UnavailableError:
        """Say why there is no list, and when to try again."""
        return UnavailableError(self.problem, retry_after=self.budget.allowed_at(now) - now)


class StatusLists:
    """Finds lists by their URI. Safe to share between threads, tasks and event loops.

    ``check`` raises RejectedError for a URI that may not be fetched, ``load`` fetches one and
    raises LoadError; ``clock`` gives the seconds of a monotonic clock.
    """

    def __init__(
        self,
        check: Callable[[str], None],
        load: Callable[[str], StatusList],
        timeout_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._check = check
        self._load = load
        self._timeout_s = timeout_s
        self._clock = clock
        self._lists: dict[str, Kept] = {}
        self._jitter = SystemRandom().random
        self.start_over()
        start_over_after_fork(self)

    def start_over(self) -> None:
        """Forget what runs elsewhere: after a fork the parent's threads and locks are not ours."""
        self._lock = threading.Lock()
        self._running = 0
        for kept in list(self._lists.values()):
            kept.flight = None

    def present(self, uri: str) -> Statuses:
        """Give a list that is here, without any fetch.

        Raises:
            RejectedError: "status_uri_not_allowed".
            UnavailableError: it is not, or too old.
        """
        self._check(uri)
        kept, now = self._lists.get(uri), self._clock()
        if kept is None:
            raise UnavailableError(Kept.problem)
        if kept.copy is None or now >= kept.copy.fresh_until:
            raise kept.unavailable(now)
        return kept.copy.statuses

    def find(self, uri: str) -> Statuses:
        """Give a list, waiting for a fetch where one is needed.

        Raises:
            RejectedError: "status_uri_not_allowed".
            UnavailableError: nobody can tell the status at the moment.
            RuntimeError: waiting would stop the event loop that this thread runs.
        """
        step = self._step(uri)
        if isinstance(step, Flight):
            wait_in_thread(step.landed, step.timeout_s)
            step = self._after(step, uri)
        return step

    async def afind(self, uri: str) -> Statuses:
        """Do the same from a task; never raises RuntimeError."""
        step = self._step(uri)
        if isinstance(step, Flight):
            await wait_in_task(step.landed, step.timeout_s)
            step = self._after(step, uri)
        return step

    def _after(self, flight: Flight, uri: str) -> Statuses:
        """Give what a fetch brought, for which somebody waited as long as anybody does."""
        if not flight.landed.done():
            raise UnavailableError(NO_ANSWER)
        return self.present(uri)

    def _step(self, uri: str) -> Statuses | Flight:
        """Say what is known, or what to wait for; begin a fetch where one is due."""
        with self._lock:
            now = self._clock()
            kept = self._lists.get(uri) or self._new(uri, now)
            kept.used_at = now
            copy, flight = kept.copy, kept.flight
            if flight is not None and now >= flight.overdue_at:
                self._failed(kept, NO_ANSWER, now)
                flight = None
            if copy is not None and now < copy.fresh_until:
                if flight is None and now >= copy.refresh_at and self._may_fetch(kept, now):
                    self._start(kept, now)
                return copy.statuses
            if flight is not None:
                return flight
            if not self._may_fetch(kept, now):
                raise kept.unavailable(now)
            return self._start(kept, now)

    def _may_fetch(self, kept: Kept, now: float) -> bool:
        return self._running < MOST_FETCHES and (kept.is_due(now) or kept.budget.allows(now))

    def _new(self, uri: str, now: float) -> Kept:
        """Make room for a list that nobody asked for before.

        Raises:
            RejectedError: "status_uri_not_allowed".
            UnavailableError: too many lists are in use.
        """
        self._check(uri)
        if len(self._lists) >= MOST_LISTS:
            spare = min(self._lists.values(), key=lambda kept: kept.used_at)
            if now < spare.used_at + IN_USE_FOR_S:
                raise UnavailableError("too many status lists are in use", retry_after=60)
            del self._lists[spare.uri]
        kept = self._lists[uri] = Kept(uri, now)
        return kept

    def _start(self, kept: Kept, now: float) -> Flight:
        kept.budget.spend(now)
        flight = kept.flight = Flight(now + self._timeout_s, self._timeout_s)
        flight.landed.set_running_or_notify_cancel()  # from here on no waiter can cancel it
        fetch = partial(self._fetch, kept, flight)
        thread = threading.Thread(target=fetch, name="bearerguard-status-list", daemon=True)
        self._running += 1
        try:
            thread.start()
        except BaseException as error:  # Ctrl-C, or the process has no thread left to give
            self._running -= 1
            self._failed(kept, f"no thread could be started: {error}", now)
            flight.landed.set_result(None)
            if not isinstance(error, Exception):
                raise
        return flight

    def _fetch(self, kept: Kept, flight: Flight) -> None:
        found, problem, retry_after_s = None, "", None
        try:
            found = self._load(kept.uri)
        except LoadError as error:
            problem, retry_after_s = str(error), error.retry_after_s
        except BaseException as error:  # noqa: BLE001  whatever it was, those who wait must hear of it
            problem = type(error).__name__
        with self._lock:
            now = self._clock()
            self._running -= 1
            if kept.flight is flight:  # else it was given up, and comes too late
                if found is None:
                    self._failed(kept, problem, now, retry_after_s)
                else:
                    self._landed(kept, found, now)
        flight.landed.set_result(None)

    def _landed(self, kept: Kept, found: StatusList, now: float) -> None:
        refresh_at = now + found.lifetime_s * REFRESH_SHARE
        kept.copy = Copy(found.statuses, now, refresh_at, now + found.lifetime_s)
        kept.flight = None
        kept.budget.succeeded()

    def _failed(
        self, kept: Kept, problem: str, now: float, retry_after_s: float | None = None
    ) -> None:
        kept.flight = None
        kept.problem = problem
        kept.budget.failed(now, self._jitter(), retry_after_s or 0.0)

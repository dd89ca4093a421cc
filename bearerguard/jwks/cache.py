"""The key cache of one issuer, as a state machine. Pure: no clock, no lock, no thread.

    COLD         no keys yet
    FRESH        keys within their time to live
    REFRESH_DUE  the last fifth of it
    STALE_OK     past it: keys that serve while the issuer cannot be reached
    EXPIRED      past all that

How the states follow one another is a table, :data:`bearerguard.jwks.states.TRANSITIONS`: a new set
makes every state FRESH, time does the rest, and nothing else leads anywhere. What a request for a
key gets is this table:

    state        a key fits                                   no key fits
    COLD         (there is none)                              the next set, or 503
    FRESH        the key                                      the next set, else 401 or 503
    REFRESH_DUE  the key; a fetch begins behind the request   the next set, else 401 or 503
    STALE_OK     the next set; the key where that fails       the next set, else 401 or 503
    EXPIRED      the next set, or 503                         the next set, or 503

"The next set" is one fetch for which a request waits: the one under way, or a new one where the
budget allows it. A key is unknown (401) when a set says so that is new enough: fetched for this
request, or ten seconds ago at most for another one with this key id, or as new as the budget
allows. When the fetch failed it is 503, because then nobody knows.

:meth:`KeyCache.lookup` says what to do; the driver does it and reports :meth:`KeyCache.fetched` or
:meth:`KeyCache.failed`. What holds, whatever key ids arrive at whatever times:

* one fetch at a time, and no more than the budget or a short time to live allows;
* a request waits for one fetch and its time-out (again where a neighbour's set was too old);
* nothing that a token says removes, ages or delays a key that is there;
* stale keys serve while the issuer is down, for a bounded time, and without waiting;
* only the newest fetch may replace the set, and only by a set with a usable key in it;
* a set is as old as the question it answers: what is withdrawn meanwhile lives no longer for that.

Two clocks (refresh after, usable until) cost a second bound to explain, and buy that neither an
outage nor a removed key lives longer than the operator said.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bearerguard import events
from bearerguard.core.key_set import Key
from bearerguard.events import FetchEnded, FetchStarted, KeyRefused, KeyStateChanged
from bearerguard.jwks import lifetime
from bearerguard.jwks.budget import FetchBudget
from bearerguard.jwks.missing import MISSING_FOR_S, MissingIds
from bearerguard.jwks.states import (
    Decision,
    Fetch,
    Flight,
    LoadedKeys,
    Snapshot,
    State,
    Unknown,
    Unreachable,
    Use,
    Wait,
)

MOST_ABANDONED = 2
ASKED_TOO_OFTEN = "the issuer was asked too often just now"


@dataclass
class KeyCache:
    """The machine. ``ttl_s`` None means: from Cache-Control, within bounds. Times are seconds.

    ``deadline_s`` is how long a fetch may take, ``jitter`` gives random numbers from 0 to 1,
    ``begun`` counts the fetches, and ``news`` is what happened since the driver last took it away.
    """

    ttl_s: float | None
    stale_for_s: float
    deadline_s: float
    jitter: Callable[[], float]
    issuer: str = ""
    budget: FetchBudget = field(default_factory=FetchBudget)
    snapshot: Snapshot | None = None
    flight: Flight | None = None
    error: str | None = None
    failed_at: float = 0.0
    abandoned: set[int] = field(default_factory=set)
    begun: int = 0
    news: events.News = field(default_factory=events.no_news)
    _missing: MissingIds = field(default_factory=MissingIds)
    _noted: State = State.COLD

    def fresh(self, kid: str | None, now: float) -> tuple[Key, ...]:
        """Give the keys that fit where nothing else has to happen; safe without a lock."""
        snapshot = self.snapshot
        is_fresh = snapshot is not None and now < snapshot.refresh_at
        return snapshot.keys.candidates(kid) if snapshot and is_fresh else ()

    def lookup(
        self, kid: str | None, now: float, *, tried: tuple[Key, ...] = (), waited_for: int = 0
    ) -> Decision:
        """Say what to do for a token with this key id.

        ``tried`` are keys that turned out not to be the one, ``waited_for`` is the sequence number
        of the fetch that this request has waited for.
        """
        self._give_up_overdue(now)
        snapshot, state = self.snapshot, self.state(now)
        if snapshot is None or state is State.EXPIRED:
            return (None if waited_for else self._ask(now)) or self._unreachable(now)
        keys = tuple(key for key in snapshot.keys.candidates(kid) if key not in tried)
        if not keys:
            return self._with_unknown_key(kid or "", now, waited_for, snapshot)
        if state is State.STALE_OK and not waited_for and not self._is_down(now, snapshot):
            # With an empty budget no refresh can come; a good key is not delayed for that.
            return self._ask(now) or Use(keys)
        is_due = state is not State.FRESH
        return Use(keys, refresh=is_due and self.flight is None and self._may_fetch(now))

    def begin(self, now: float) -> int:
        """Note that a fetch begins, and give its sequence number."""
        self.budget.spend(now)
        self.begun += 1
        self.flight = Flight(self.begun, now, now + self.deadline_s)
        self.news.append(FetchStarted(self.issuer, self.begun))
        return self.begun

    def fetched(self, sequence: int, loaded: LoadedKeys, now: float) -> None:
        """Take a set over, unless a newer fetch has begun since."""
        problem = lifetime.problem_of(loaded, self.snapshot, now)
        if problem is not None:
            self.failed(sequence, problem, now)
            return
        flight = self._lands(sequence, now, is_shared=loaded.is_shared)
        if flight is None:
            return
        self.budget.succeeded(cost=0 if loaded.is_shared else 1)
        self.error = None
        self._missing.clear()
        # RFC 9111 section 4.2.3: a slow answer is old when it comes.
        fetched_at = now - loaded.age_s if loaded.is_shared else flight.began_at
        self._take(sequence, loaded, fetched_at, now)

    def restore(self, loaded: LoadedKeys, now: float) -> None:
        """Begin with a set that is older than this process."""
        self._take(0, loaded, now - loaded.age_s, now)

    def failed(
        self, sequence: int, detail: str, now: float, retry_after_s: float | None = None
    ) -> None:
        """Note that a fetch failed, unless given up before; the issuer may ask for some rest."""
        if self._lands(sequence, now, error=detail):
            self._note_failure(detail, now, retry_after_s or 0.0)

    def forget_flight(self) -> None:
        """Forget the fetches of another process: after a fork their threads do not exist here."""
        if self.flight is not None:
            self.budget.give_back()  # what it brings never comes here: this process has to ask
        self.flight = None
        self.abandoned.clear()
        self.news.clear()

    def state(self, now: float) -> State:
        """Tell where the cache stands, and note each state that it went through since."""
        snapshot, state = self.snapshot, self._noted
        while snapshot is not None and (after := snapshot.next_state(state, now)) is not None:
            state = self._note_state(after)
        return state

    def _with_unknown_key(
        self, kid: str, now: float, waited_for: int, snapshot: Snapshot
    ) -> Decision:
        if waited_for and snapshot.sequence >= waited_for:
            if snapshot.is_shared:  # perhaps from before the key was published
                return self._ask(now, anew=True) or self._unknown_unless_failed(now)
            self._missing.add(kid)
            return Unknown()
        if kid in self._missing and now < snapshot.fetched_at + MISSING_FOR_S:
            return Unknown()
        if waited_for:
            return self._unreachable(now)
        return self._ask(now) or self._unknown_unless_failed(now)

    def _unknown_unless_failed(self, now: float) -> Unknown | Unreachable:
        """With no fetch possible, the set there is is new enough unless the last fetch failed."""
        return Unknown() if self.error is None else self._unreachable(now)

    def _ask(self, now: float, *, anew: bool = False) -> Fetch | Wait | None:
        """Say how a request can get a new set, or None where no fetch is possible now."""
        if self.flight is not None:
            return Wait()
        return Fetch(anew) if self._may_fetch(now) else None

    def _is_down(self, now: float, snapshot: Snapshot) -> bool:
        return self.error is not None and lifetime.still_down(
            self.failed_at, snapshot.fresh_until, self.deadline_s, now
        )

    def _note_failure(self, detail: str, at: float, retry_after_s: float = 0.0) -> None:
        self.error = detail
        self.failed_at = at
        self.budget.failed(at, self.jitter(), retry_after_s)

    def _may_fetch(self, now: float) -> bool:
        is_allowed = self.budget.allows(now) or lifetime.is_due(self.snapshot, self.error, now)
        return is_allowed and len(self.abandoned) < MOST_ABANDONED

    def _unreachable(self, now: float) -> Unreachable:
        return Unreachable(self.budget.allowed_at(now) - now, self.error or ASKED_TOO_OFTEN)

    def _give_up_overdue(self, now: float) -> None:
        """A fetch that does not end is left alone; its answer would come too late to be true."""
        flight = self.flight
        if flight is not None and now >= flight.overdue_at:
            self.flight = None
            self.abandoned.add(flight.sequence)
            # It failed then, and not now that somebody asks: the back-off runs from then.
            detail = f"no answer within {self.deadline_s:g} s"
            self._note_failure(detail, flight.overdue_at)
            self.news.append(FetchEnded(self.issuer, flight.sequence, self.deadline_s, detail))

    def _lands(
        self, sequence: int, now: float, *, error: str | None = None, is_shared: bool = False
    ) -> Flight | None:
        self._give_up_overdue(now)
        self.abandoned.discard(sequence)
        flight = self.flight
        if flight is None or flight.sequence != sequence:
            return None
        self.flight = None
        took_s = now - flight.began_at
        self.news.append(FetchEnded(self.issuer, sequence, took_s, error, is_shared))
        return flight

    def _take(self, sequence: int, loaded: LoadedKeys, fetched_at: float, now: float) -> None:
        self.state(now)  # what time has made of the set before belongs in the news too
        before = self.snapshot
        ttl_s = lifetime.time_to_live(self.ttl_s, loaded.max_age_s) * (
            1 - lifetime.JITTER_SHARE * self.jitter()
        )
        times = lifetime.times_of(fetched_at, ttl_s, self.stale_for_s)
        generation = lifetime.generation_after(before, loaded.keys)
        self.snapshot = Snapshot(loaded.keys, sequence, generation, *times, loaded.is_shared)
        refused = loaded.keys.refused
        if before is None or before.keys.refused != refused:
            self.news += [KeyRefused(self.issuer, k.index, k.kid, k.reason) for k in refused]
        self._note_state(State.FRESH)
        self.state(now)  # it may be past that

    def _note_state(self, after: State) -> State:
        if after is not self._noted:
            self.news.append(KeyStateChanged(self.issuer, self._noted.value, after.value))
            self._noted = after
        return after

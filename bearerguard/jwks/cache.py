"""The key cache of one issuer, as a state machine. Pure: no clock, no lock, no thread.

    COLD         no keys yet, or none that may still be used
    FRESH        keys within their time to live
    REFRESH_DUE  the last fifth of it: keys serve, and a refresh runs behind the requests
    STALE_OK     past it, and the issuer could not be reached: keys serve for a bounded time
    EXPIRED      past all that

:meth:`KeyCache.lookup` answers a question about a key id with what to do; whoever drives the
machine does it and reports :meth:`KeyCache.fetched` or :meth:`KeyCache.failed`. What holds,
whatever key ids arrive at whatever times:

* one fetch at a time, and never more than the budget allows;
* nothing that a token says removes, ages or delays a key that is there;
* stale keys serve while the issuer is down, for a bounded time, and without waiting;
* only the newest fetch may replace the set, and only by a set with a usable key in it.

Two clocks instead of one (refresh after, usable until) is the choice that could have gone
otherwise: it costs a second bound to explain, and buys that neither an outage nor a removed key
lives longer than the operator said.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from bearerguard.core.jwk import Key, KeySet
from bearerguard.jwks.budget import FetchBudget

DEFAULT_TTL_S = 300.0
SHORTEST_TTL_S = 60.0
LONGEST_TTL_S = 3600.0
# From this share of the time to live on, a request starts a refresh behind itself.
REFRESH_SHARE = 0.8
# Jitter shortens the time to live by up to this share, so that workers do not ask all at once.
JITTER_SHARE = 0.1
MISSING_FOR_S = 10.0
MOST_MISSING = 1000
MOST_ABANDONED = 2


class State(Enum):
    """Where the cache stands; see the top of the module."""

    COLD = "cold"
    FRESH = "fresh"
    REFRESH_DUE = "refresh_due"
    STALE_OK = "stale_ok"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Use:
    """These keys fit. With ``refresh``, start a fetch and do not wait for it."""

    keys: tuple[Key, ...]
    refresh: bool = False


@dataclass(frozen=True)
class Fetch:
    """Start a fetch and wait for it."""


@dataclass(frozen=True)
class Wait:
    """Wait for the fetch that is under way."""


@dataclass(frozen=True)
class Unknown:
    """A set that is good enough to say so lacks the key: 401."""


@dataclass(frozen=True)
class Unreachable:
    """Nobody can know: 503, and when to try again."""

    retry_after_s: float
    detail: str


Decision = Use | Fetch | Wait | Unknown | Unreachable


@dataclass(frozen=True)
class Snapshot:
    """A key set that was fetched, with its times. Immutable, so readers need no lock."""

    keys: KeySet
    sequence: int
    generation: int
    fetched_at: float
    refresh_at: float
    fresh_until: float
    stale_until: float


@dataclass(frozen=True)
class Flight:
    """A fetch under way."""

    sequence: int
    overdue_at: float


@dataclass
class KeyCache:
    """The machine. ``ttl_s`` None means: from Cache-Control, within bounds. Times are seconds.

    ``deadline_s`` is how long a fetch may take, ``jitter`` gives random numbers from 0 to 1, and
    ``begun`` counts the fetches that were begun.
    """

    ttl_s: float | None
    stale_for_s: float
    deadline_s: float
    jitter: Callable[[], float]
    budget: FetchBudget = field(default_factory=FetchBudget)
    snapshot: Snapshot | None = None
    flight: Flight | None = None
    error: str | None = None
    abandoned: set[int] = field(default_factory=set)
    begun: int = 0
    _missing: dict[str, float] = field(default_factory=dict)

    def fresh(self, kid: str | None, now: float) -> tuple[Key, ...]:
        """Give the keys that fit where nothing else has to happen; safe without a lock."""
        snapshot = self.snapshot
        if snapshot is None or now >= snapshot.refresh_at:
            return ()
        return snapshot.keys.candidates(kid)

    def lookup(self, kid: str | None, now: float, *, waited_for: int = 0) -> Decision:
        """Say what to do for a token with this key id.

        ``waited_for`` is the sequence number of the fetch that this request has waited for: a key
        that even that set lacks is not asked for again.
        """
        self._give_up_overdue(now)
        snapshot = self.snapshot
        if snapshot is None or now >= snapshot.stale_until:
            return self._without_keys(now)
        keys = snapshot.keys.candidates(kid)
        if not keys:
            return self._with_unknown_key(kid or "", now, waited_for, snapshot)
        may_fetch = self.flight is None and self._may_fetch(now)
        if now < snapshot.refresh_at:
            return Use(keys)
        if now < snapshot.fresh_until or self.error is not None:
            return Use(keys, refresh=may_fetch)
        if self.flight is not None:
            return Wait()
        # With an empty budget no refresh can come; a good key is not delayed for that.
        return Fetch() if may_fetch else Use(keys)

    def begin(self, now: float) -> int:
        """Note that a fetch begins, and give its sequence number."""
        self.budget.spend(now)
        self.begun += 1
        self.flight = Flight(self.begun, now + self.deadline_s)
        return self.begun

    def fetched(self, sequence: int, keys: KeySet, max_age_s: float | None, now: float) -> None:
        """Take a set over, unless a newer fetch has begun since."""
        if not self._lands(sequence):
            return
        self.budget.succeeded()
        self.error = None
        self._missing.clear()
        lifetime = self._ttl(max_age_s) * (1 - JITTER_SHARE * self.jitter())
        self.snapshot = Snapshot(
            keys=keys,
            sequence=sequence,
            generation=self._generation_of(keys),
            fetched_at=now,
            refresh_at=now + lifetime * REFRESH_SHARE,
            fresh_until=now + lifetime,
            stale_until=now + lifetime + self.stale_for_s,
        )

    def failed(self, sequence: int, detail: str, now: float) -> None:
        """Note that a fetch failed, unless it had been given up before."""
        if self._lands(sequence):
            self.error = detail
            self.budget.failed(now, self.jitter())

    def forget_flight(self) -> None:
        """Forget the fetches of another process: after a fork their threads do not exist here."""
        self.flight = None
        self.abandoned.clear()

    def state(self, now: float) -> State:
        """Tell where the cache stands."""
        snapshot = self.snapshot
        if snapshot is None:
            return State.COLD
        if now < snapshot.refresh_at:
            return State.FRESH
        if now < snapshot.fresh_until:
            return State.REFRESH_DUE
        return State.STALE_OK if now < snapshot.stale_until else State.EXPIRED

    def _without_keys(self, now: float) -> Decision:
        if self.flight is not None:
            return Wait()
        return Fetch() if self._may_fetch(now) else self._unreachable(now)

    def _with_unknown_key(
        self, kid: str, now: float, waited_for: int, snapshot: Snapshot
    ) -> Decision:
        if waited_for and snapshot.sequence >= waited_for:
            self._remember_missing(kid, now)
        if self._missing.get(kid, 0) > now:
            return Unknown()
        if self.flight is not None:
            return Wait()
        if self._may_fetch(now):
            return Fetch()
        return Unknown() if self.error is None else self._unreachable(now)

    def _remember_missing(self, kid: str, now: float) -> None:
        while len(self._missing) >= MOST_MISSING:
            del self._missing[next(iter(self._missing))]
        self._missing[kid] = now + MISSING_FOR_S

    def _may_fetch(self, now: float) -> bool:
        return len(self.abandoned) < MOST_ABANDONED and self.budget.allows(now)

    def _unreachable(self, now: float) -> Unreachable:
        wait_s = self.budget.allowed_at(now) - now
        return Unreachable(wait_s, self.error or "the issuer was asked too often just now")

    def _give_up_overdue(self, now: float) -> None:
        """A fetch that does not end is left alone; its answer would come too late to be true."""
        flight = self.flight
        if flight is not None and now >= flight.overdue_at:
            self.failed(flight.sequence, f"no answer within {self.deadline_s:g} s", now)
            self.abandoned.add(flight.sequence)

    def _lands(self, sequence: int) -> bool:
        self.abandoned.discard(sequence)
        if self.flight is None or self.flight.sequence != sequence:
            return False
        self.flight = None
        return True

    def _ttl(self, max_age_s: float | None) -> float:
        if self.ttl_s is not None:
            return self.ttl_s
        if max_age_s is None:
            return DEFAULT_TTL_S
        return min(LONGEST_TTL_S, max(SHORTEST_TTL_S, max_age_s))

    def _generation_of(self, keys: KeySet) -> int:
        """Count up when what can be verified changes, so that derived caches forget."""
        if self.snapshot is None:
            return 1
        unchanged = set(keys.keys) == set(self.snapshot.keys.keys)
        return self.snapshot.generation + (0 if unchanged else 1)

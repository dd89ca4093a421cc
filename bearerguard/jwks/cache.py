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
* a request waits once, for one fetch, and never longer than that fetch may take;
* nothing that a token says removes, ages or delays a key that is there;
* stale keys serve while the issuer is down, for a bounded time, and without waiting;
* only the newest fetch may replace the set, and only by a set with a usable key in it.

Two clocks instead of one (refresh after, usable until) is the choice that could have gone
otherwise: it costs a second bound to explain, and buys that neither an outage nor a removed key
lives longer than the operator said.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from bearerguard.core.jwk import Key, KeySet
from bearerguard.jwks.budget import INTERVAL_S, LONGEST_BACK_OFF_S, FetchBudget
from bearerguard.jwks.states import (
    Decision,
    Fetch,
    Flight,
    Snapshot,
    State,
    Unknown,
    Unreachable,
    Use,
    Wait,
)

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
    failed_at: float = 0.0
    abandoned: set[int] = field(default_factory=set)
    begun: int = 0
    _missing: set[bytes] = field(default_factory=set)

    def fresh(self, kid: str | None, now: float) -> tuple[Key, ...]:
        """Give the keys that fit where nothing else has to happen; safe without a lock."""
        snapshot = self.snapshot
        if snapshot is None or now >= snapshot.refresh_at:
            return ()
        return snapshot.keys.candidates(kid)

    def lookup(self, kid: str | None, now: float, *, waited_for: int = 0) -> Decision:
        """Say what to do for a token with this key id.

        ``waited_for`` is the sequence number of the fetch that this request has waited for, where
        there is one: then the answer is neither Fetch nor Wait.
        """
        self._give_up_overdue(now)
        snapshot = self.snapshot
        if snapshot is None or now >= snapshot.stale_until:
            return self._without_keys(now, waited_for)
        keys = snapshot.keys.candidates(kid)
        if not keys:
            return self._with_unknown_key(kid or "", now, waited_for, snapshot)
        return self._with_keys(keys, now, waited_for, snapshot)

    def begin(self, now: float) -> int:
        """Note that a fetch begins, and give its sequence number."""
        self.budget.spend(now)
        self.begun += 1
        self.flight = Flight(self.begun, now + self.deadline_s)
        return self.begun

    def fetched(self, sequence: int, keys: KeySet, max_age_s: float | None, now: float) -> None:
        """Take a set over, unless a newer fetch has begun since."""
        if not keys.keys:
            self.failed(sequence, "no usable key", now)
            return
        if not self._lands(sequence, now):
            return
        self.budget.succeeded()
        self.error = None
        self._missing.clear()
        lifetime = time_to_live(self.ttl_s, max_age_s) * (1 - JITTER_SHARE * self.jitter())
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
        if self._lands(sequence, now):
            self._note_failure(detail, now)

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

    def _without_keys(self, now: float, waited_for: int) -> Decision:
        if waited_for:
            return self._unreachable(now)
        return self._ask(now) or self._unreachable(now)

    def _with_keys(
        self, keys: tuple[Key, ...], now: float, waited_for: int, snapshot: Snapshot
    ) -> Decision:
        if now < snapshot.refresh_at:
            return Use(keys)
        if waited_for or now < snapshot.fresh_until or self._is_down(now, snapshot):
            return Use(keys, refresh=self.flight is None and self._may_fetch(now))
        # With an empty budget no refresh can come; a good key is not delayed for that.
        return self._ask(now) or Use(keys)

    def _with_unknown_key(
        self, kid: str, now: float, waited_for: int, snapshot: Snapshot
    ) -> Decision:
        # A digest: a key id may be as long as a token, and many are remembered.
        digest = hashlib.sha256(kid.encode("utf-8", "surrogatepass")).digest()
        if waited_for and snapshot.sequence >= waited_for:
            self._remember_missing(digest)
            return Unknown()
        if digest in self._missing and now < snapshot.fetched_at + MISSING_FOR_S:
            return Unknown()
        if waited_for:
            return self._unreachable(now)
        asked = self._ask(now)
        if asked is not None:
            return asked
        return Unknown() if self.error is None else self._unreachable(now)

    def _remember_missing(self, digest: bytes) -> None:
        if len(self._missing) >= MOST_MISSING:
            self._missing.pop()
        self._missing.add(digest)

    def _ask(self, now: float) -> Fetch | Wait | None:
        """Say how a request can get a new set, or None where no fetch is possible now."""
        if self.flight is not None:
            return Wait()
        return Fetch() if self._may_fetch(now) else None

    def _is_down(self, now: float, snapshot: Snapshot) -> bool:
        """Tell whether a failure past the time to live shows that the issuer is down at present.

        An earlier failure says nothing about the refresh that is due since, and an old one nothing
        about today: on the word of either a withdrawn key would serve once more. Under an outage
        the next failure comes before the last one has grown old.
        """
        recent_s = LONGEST_BACK_OFF_S + INTERVAL_S + self.deadline_s
        failed_late = self.error is not None and self.failed_at >= snapshot.fresh_until
        return failed_late and now < self.failed_at + recent_s

    def _note_failure(self, detail: str, at: float) -> None:
        self.error = detail
        self.failed_at = at
        self.budget.failed(at, self.jitter())

    def _may_fetch(self, now: float) -> bool:
        return len(self.abandoned) < MOST_ABANDONED and self.budget.allows(now)

    def _unreachable(self, now: float) -> Unreachable:
        wait_s = self.budget.allowed_at(now) - now
        return Unreachable(wait_s, self.error or "the issuer was asked too often just now")

    def _give_up_overdue(self, now: float) -> None:
        """A fetch that does not end is left alone; its answer would come too late to be true."""
        flight = self.flight
        if flight is not None and now >= flight.overdue_at:
            self.flight = None
            self.abandoned.add(flight.sequence)
            # It failed then, and not now that somebody asks: the back-off runs from then.
            self._note_failure(f"no answer within {self.deadline_s:g} s", flight.overdue_at)

    def _lands(self, sequence: int, now: float) -> bool:
        self._give_up_overdue(now)
        self.abandoned.discard(sequence)
        if self.flight is None or self.flight.sequence != sequence:
            return False
        self.flight = None
        return True

    def _generation_of(self, keys: KeySet) -> int:
        """Count up when what can be verified changes, so that derived caches forget."""
        if self.snapshot is None:
            return 1
        unchanged = set(keys.keys) == set(self.snapshot.keys.keys)
        return self.snapshot.generation + (0 if unchanged else 1)


def time_to_live(ttl_s: float | None, max_age_s: float | None) -> float:
    """Give the seconds for which a set is fresh: as configured, else as the issuer says."""
    if ttl_s is not None:
        return ttl_s
    if max_age_s is None:
        return DEFAULT_TTL_S
    return min(LONGEST_TTL_S, max(SHORTEST_TTL_S, max_age_s))

"""The words of the key cache: its states, how they follow, what it remembers, what it decides.

Pure data; what is done with it stands in :mod:`bearerguard.jwks.cache`.
"""

from dataclasses import dataclass, field
from enum import Enum

from bearerguard.core.key_set import Key, KeySet


class State(Enum):
    """Where the cache stands."""

    COLD = "cold"
    FRESH = "fresh"
    REFRESH_DUE = "refresh_due"
    STALE_OK = "stale_ok"
    EXPIRED = "expired"


class Cause(Enum):
    """What leads from one state to another: a new set, or one of the times of the present one."""

    NEW_SET = "new_set"
    REFRESH_AT = "refresh_at"
    FRESH_UNTIL = "fresh_until"
    STALE_UNTIL = "stale_until"


# The whole of it: what is not in this table leads nowhere. No token and no failure is in it.
TRANSITIONS = {
    (State.COLD, Cause.NEW_SET): State.FRESH,
    (State.FRESH, Cause.NEW_SET): State.FRESH,
    (State.FRESH, Cause.REFRESH_AT): State.REFRESH_DUE,
    (State.REFRESH_DUE, Cause.NEW_SET): State.FRESH,
    (State.REFRESH_DUE, Cause.FRESH_UNTIL): State.STALE_OK,
    (State.STALE_OK, Cause.NEW_SET): State.FRESH,
    (State.STALE_OK, Cause.STALE_UNTIL): State.EXPIRED,
    (State.EXPIRED, Cause.NEW_SET): State.FRESH,
}


@dataclass(frozen=True)
class LoadedKeys:
    """What a fetch brought, and for how many seconds the issuer says that it may be kept.

    ``document`` is the JWK Set as it came from ``url``. ``age_s`` is how long ago that was, where
    another process of this host fetched it (``is_shared``).
    """

    keys: KeySet
    max_age_s: float | None
    document: bytes = field(default=b"", repr=False)
    url: str = ""
    age_s: float = 0.0
    is_shared: bool = False


@dataclass(frozen=True)
class Snapshot:
    """A key set that was fetched, with its times. Immutable, so readers need no lock.

    ``fetched_at`` is when the issuer was asked for it, by whichever process of this host;
    ``is_shared`` tells that it was another one, ``sequence`` which of our fetches brought it.
    """

    keys: KeySet
    sequence: int
    generation: int
    fetched_at: float
    refresh_at: float
    fresh_until: float
    stale_until: float
    is_shared: bool = False

    def next_state(self, state: State, now: float) -> State | None:
        """Give what time has made of a state, one step, or None where it stays."""
        for cause in (Cause.REFRESH_AT, Cause.FRESH_UNTIL, Cause.STALE_UNTIL):
            after = TRANSITIONS.get((state, cause))
            if after is not None:
                at: float = getattr(self, cause.value)
                return after if now >= at else None
        return None


@dataclass(frozen=True)
class Flight:
    """A fetch under way."""

    sequence: int
    began_at: float
    overdue_at: float


@dataclass(frozen=True)
class Use:
    """These keys fit. With ``refresh``, start a fetch and do not wait for it."""

    keys: tuple[Key, ...]
    refresh: bool = False


@dataclass(frozen=True)
class Fetch:
    """Start a fetch and wait for it; with ``anew`` from the issuer itself, not from a neighbour."""

    anew: bool = False


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

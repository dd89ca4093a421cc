"""The words of the key cache: its states, what it remembers, and its decisions. Pure data."""

from dataclasses import dataclass
from enum import Enum

from bearerguard.core.jwk import Key, KeySet


class State(Enum):
    """Where the cache stands; see the top of the module."""

    COLD = "cold"
    FRESH = "fresh"
    REFRESH_DUE = "refresh_due"
    STALE_OK = "stale_ok"
    EXPIRED = "expired"


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

"""How long keys live: fresh, then stale while the issuer is down. Pure, in seconds."""

from typing import NamedTuple

from bearerguard.core.key_set import KeySet
from bearerguard.jwks.budget import INTERVAL_S, LONGEST_BACK_OFF_S
from bearerguard.jwks.states import LoadedKeys, Snapshot

DEFAULT_TTL_S = 300.0
SHORTEST_TTL_S = 60.0
LONGEST_TTL_S = 3600.0
# From this share of the time to live on, a request starts a refresh behind itself.
REFRESH_SHARE = 0.8
# Jitter shortens the time to live by up to this share, so that workers do not ask all at once.
JITTER_SHARE = 0.1


def time_to_live(ttl_s: float | None, max_age_s: float | None) -> float:
    """Give the seconds for which a set is fresh: as configured, else as the issuer says.

    Cache-Control counts from a minute to an hour: less would let an issuer, more would let a proxy
    decide about our load and our revocations.
    """
    if ttl_s is not None:
        return ttl_s
    if max_age_s is None:
        return DEFAULT_TTL_S
    return min(LONGEST_TTL_S, max(SHORTEST_TTL_S, max_age_s))


class Times(NamedTuple):
    """When a set was fetched, and when its states end; in the order in which Snapshot has them."""

    fetched_at: float
    refresh_at: float
    fresh_until: float
    stale_until: float


def times_of(fetched_at: float, ttl_s: float, stale_for_s: float) -> Times:
    """Give the times of a set."""
    fresh_until = fetched_at + ttl_s
    return Times(
        fetched_at, fetched_at + ttl_s * REFRESH_SHARE, fresh_until, fresh_until + stale_for_s
    )


def generation_after(before: Snapshot | None, keys: KeySet) -> int:
    """Count up when what can be verified changes, so that derived caches forget."""
    if before is None:
        return 1
    return before.generation + (1 if set(keys.keys) != set(before.keys.keys) else 0)


def still_down(failed_at: float, fresh_until: float, deadline_s: float, now: float) -> bool:
    """Tell whether the last failure, if past the time to live, shows an outage at present.

    An earlier one says nothing about the refresh that is due since, and an old one nothing about
    today: on the word of either a withdrawn key would serve once more. Under an outage the next
    failure comes before the last one has grown old.
    """
    return fresh_until <= failed_at and now < (
        failed_at + LONGEST_BACK_OFF_S + INTERVAL_S + deadline_s
    )


def problem_of(loaded: LoadedKeys, present: Snapshot | None, now: float) -> str | None:
    """Say why a set that came is no better than a failed fetch, or None."""
    if not loaded.keys.keys:
        return "no usable key"
    is_older = present is not None and now - loaded.age_s < present.fetched_at
    return "another process gave keys older than ours" if loaded.is_shared and is_older else None


def is_due(present: Snapshot | None, error: str | None, now: float) -> bool:
    """Tell whether the time to live alone asks for a fetch, whatever the budget has left.

    An operator who sets a time to live of a few seconds wants a fetch each few seconds, and without
    it good keys would expire while the issuer answers. No token can make it more; after a failure
    the budget and the back-off count alone.
    """
    return present is not None and error is None and now >= present.refresh_at

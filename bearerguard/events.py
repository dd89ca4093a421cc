"""What happens, for whoever watches: ``Guard(..., on_event=callback)``.

A callback gets one of the values below, each after it happened. It is called in the thread that
noticed, which may be one that runs an event loop: it should hand the event on and return. Events
about the keys of one issuer come one at a time and in their order; the first may come while the
guard is being made, where keys were there before. What a callback raises is logged and changes
nothing. No event holds a token or key material.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class KeyStateChanged:
    """The keys of an issuer went from one state to another (see bearerguard.jwks.states.State)."""

    issuer: str
    before: str
    after: str


@dataclass(frozen=True)
class FetchStarted:
    """A fetch of the issuer's keys began; ``number`` counts them within this process, from 1."""

    issuer: str
    number: int


@dataclass(frozen=True)
class FetchEnded:
    """A fetch ended, after ``duration_s`` seconds, or was given up.

    ``error`` is None where it brought keys. ``is_shared``: another process of this host had fetched
    them, and no request was made.
    """

    issuer: str
    number: int
    duration_s: float
    error: str | None = None
    is_shared: bool = False


@dataclass(frozen=True)
class KeyRefused:
    """A key of a new set cannot be used: its place in the set, its kid if it has one, and why."""

    issuer: str
    index: int
    kid: str | None
    reason: str


@dataclass(frozen=True)
class RequestDecided:
    """A request was decided. Nothing in it names a person, and every value is of a bounded set.

    Told in the thread that decided, before the application runs; those of several requests may come
    at once. A view whose need only its own wrapper could see, because the way in could not look
    into the application, is decided once more: such a request is "admitted" first and then
    "refused", or "reported", where the need is not met.

    ``outcome`` is "admitted" (a good token), "anonymous" (nobody, where nobody is needed),
    "refused", "unavailable", or "reported" (would be refused, and passed because MODE says so).
    ``reason`` is a key of :data:`bearerguard.errors.REASONS`, "issuer_unavailable", or None where
    the request passes by right; ``status`` the answer's, None where the application answers.
    ``issuer`` is the configured issuer of a token that was verified, else None. ``duration_s`` is
    how long the decision took, waiting for the issuer included.
    """

    outcome: str
    reason: str | None
    status: int | None
    issuer: str | None
    duration_s: float


@dataclass(frozen=True)
class ShadowRefused:
    """A policy in the shadow would refuse a request that the live one admits.

    ``client_id`` comes from a verified token, so that there are as many as the issuer has clients.
    """

    reason: str
    issuer: str
    client_id: str | None


Event = KeyStateChanged | FetchStarted | FetchEnded | KeyRefused | RequestDecided | ShadowRefused
OnEvent = Callable[[Event], None]

# What was not told yet. While a callback hangs the oldest are forgotten.
News = deque[Event]
MOST_NEWS = 1000


def no_news() -> News:
    """Begin with nothing to tell."""
    return deque(maxlen=MOST_NEWS)

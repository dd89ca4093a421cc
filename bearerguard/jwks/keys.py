"""What a source of keys is: for a guard, which asks it, and for what loads the keys.

The names that the modules beside this one share; :mod:`bearerguard.jwks.source` is the real thing.
"""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from bearerguard.core.key_set import Key, KeySet
from bearerguard.errors import RejectedError
from bearerguard.jwks.states import LoadedKeys

Tried = tuple[Key, ...]


class LoadError(Exception):
    """The keys could not be fetched; the message is for the operator.

    ``retry_after_s`` is for how many seconds the issuer asks to be left alone, where it does.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Load(Protocol):
    """Loads the keys of one issuer."""

    def __call__(self, *, anew: bool = False) -> LoadedKeys:
        """Load the keys; with ``anew`` not those that another process fetched before.

        Raises:
            LoadError: saying what went wrong, for the operator.
        """
        ...


class Keys(Protocol):
    """Where a guard gets the keys for the tokens of one issuer."""

    def keys(self, kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Give the keys for a key id, waiting for a fetch where one is needed.

        ``tried`` are keys that turned out not to be the one: others are wanted.

        Raises:
            RejectedError: "key_unknown".
            UnavailableError: no keys to decide with.
            RuntimeError: waiting would stop the event loop that this thread runs.
        """
        ...

    async def akeys(self, kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Do the same from a task; never raises RuntimeError."""
        ...

    def at_once(self, kid: str | None) -> tuple[Key, ...]:
        """Give the keys that may be used without waiting or fetching; none where that is due."""
        ...

    def present(self, kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Do the same with the keys that are there, without any fetch."""
        ...

    def wake(self) -> Future[None] | None:
        """Begin a fetch where one is due, without waiting; give what ends when it has landed."""
        ...

    def status(self) -> dict[str, Any]:
        """Describe the keys for an operator."""
        ...


@dataclass(frozen=True)
class StaticKeys:
    """Keys that are configured and never fetched. Their key ids do not matter."""

    key_set: KeySet

    def keys(self, _kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Give every key; the algorithm decides which fit."""
        if tried:
            raise RejectedError("key_unknown", expected="the configured key")
        return self.key_set.keys

    async def akeys(self, kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Give every key."""
        return self.keys(kid, tried)

    present = keys

    def at_once(self, _kid: str | None) -> tuple[Key, ...]:
        """Give every key."""
        return self.key_set.keys

    def wake(self) -> None:
        """There is nothing to fetch."""

    def status(self) -> dict[str, Any]:
        """Describe the keys."""
        return {
            "state": "static",
            "key_ids": [key.kid for key in self.key_set.keys],
            "refused_keys": [],
            "age_s": None,
            "next_refresh_s": None,
            "last_error": None,
        }

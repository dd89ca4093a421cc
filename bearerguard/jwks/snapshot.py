"""The last good keys of an issuer in a file, for all processes of a host: one fetches, all have it.

Whoever needs new keys takes the lock of the host and looks into the file first: what a neighbour
has fetched meanwhile saves the request. After a restart the file stands in for an issuer that is
down, and the age of its keys counts from the fetch that brought them, however many restarts later.

The file is trusted as code is (:mod:`bearerguard.trusted_files`): the keys in it decide who gets
in. Whatever is wrong with it is passed over with a line in the log, and never costs anybody the
keys that a fetch brings. Age needs a clock that outlives a process, so it is that of the wall: a
clock that is set back makes stored keys younger, one that is set forward makes them too old.
"""

import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from bearerguard.core.urls import problem_of_found_url
from bearerguard.jwks.host_lock import HostLock
from bearerguard.jwks.keys import Load, LoadError
from bearerguard.jwks.lifetime import REFRESH_SHARE, time_to_live
from bearerguard.jwks.snapshot_format import (
    MOST_BYTES,
    SnapshotError,
    StoredKeys,
    read_snapshot,
    write_snapshot,
)
from bearerguard.jwks.states import LoadedKeys
from bearerguard.trusted_files import UntrustedFileError, open_trusted, replace_trusted

POLL_S = 0.02
IGNORED = "the key snapshot %s is ignored: %s"
NOT_WRITTEN = "the key snapshot %s cannot be written, the keys are used nevertheless: %s"
NOT_LOCKED = "fetching without the lock %s: %s"

logger = logging.getLogger("bearerguard.keys")


class Look(NamedTuple):
    """What was found in the file when it was in a certain state, as far as a ``stat`` can tell."""

    state: tuple[int, ...] = ()
    stored: StoredKeys | None = None


@dataclass(kw_only=True)
class SharedKeys:
    """A load of one issuer's keys that asks the snapshot ``file`` first, and keeps it up to date.

    ``load`` makes the requests. ``jwks_uri`` and ``ttl_s`` are those that the operator configured,
    where there are any. ``timeout_s`` is how long a caller waits, and how long a neighbour may take
    to fetch. ``wall_clock`` gives seconds since 1970, ``clock`` those of a monotonic clock.
    """

    load: Load
    file: str
    issuer: str
    timeout_s: float
    stale_for_s: float
    ttl_s: float | None = None
    jwks_uri: str | None = None
    http_allowed: bool = False
    wall_clock: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    # No thread holds a lock over these, so that a fork finds none held: each is replaced at once.
    _had_at: float = -math.inf
    _look: Look = field(default=Look(), repr=False)
    _warned: dict[str, object] = field(default_factory=dict)

    def restore(self) -> LoadedKeys | None:
        """Give the keys that the file has, for a process that begins, unless they are too old."""
        stored = self._stored()
        age_s = None if stored is None else self._age_s(stored)
        if stored is None or age_s is None:
            return None
        if age_s >= time_to_live(self.ttl_s, stored.max_age_s) + self.stale_for_s:
            self._ignore("is too old", stored.fetched_at)
            return None
        self._had_at = stored.fetched_at
        return stored.loaded(age_s)

    def __call__(self, *, anew: bool = False) -> LoadedKeys:
        """Load the keys; with ``anew`` not those that another process fetched before.

        Raises:
            LoadError: saying what went wrong, for the operator.
        """
        ends_at = self.clock() + self.timeout_s
        path = f"{self.file}.lock"
        with HostLock(path, self.timeout_s, wall_clock=self.wall_clock, clock=self.clock) as lock:
            shared = self._from_neighbour(lock, ends_at, anew=anew)
            if shared is not None:
                return shared
            if lock.problem is not None:
                self._warn(NOT_LOCKED, path, lock.problem)
            return self._from_issuer(ends_at, anew=anew)

    def _from_neighbour(self, lock: HostLock, ends_at: float, *, anew: bool) -> LoadedKeys | None:
        """Give newer keys out of the file, or None when it is on us to fetch."""
        while True:
            is_our_turn = lock.take()
            if anew:
                return None  # and no waiting: what a neighbour brings is not wanted
            shared = self._newer()
            if shared is not None or is_our_turn:
                return shared
            if self.clock() + POLL_S >= ends_at:  # in time for the caller to hear of it
                problem = f"another process of this host was to fetch the keys into {self.file}"
                raise LoadError(f"{problem}, and did not within {self.timeout_s:g} s")
            time.sleep(POLL_S)  # flock cannot wait for a bounded time

    def _newer(self) -> LoadedKeys | None:
        stored = self._stored()
        age_s = None if stored is None else self._age_s(stored)
        if stored is None or age_s is None or stored.fetched_at <= self._had_at:
            return None
        if age_s >= REFRESH_SHARE * time_to_live(self.ttl_s, stored.max_age_s):
            return None
        self._had_at = stored.fetched_at
        return stored.loaded(age_s)

    def _from_issuer(self, ends_at: float, *, anew: bool) -> LoadedKeys:
        # Age counts from the question: a slow answer is old when it comes.
        asked_at, late_at = self.wall_clock(), self.clock() + self.timeout_s
        loaded = self.load(anew=anew)
        now = self.clock()
        # An answer that took longer may have been true long ago only.
        if now < late_at:
            self._store(loaded, asked_at)
        # After that the caller has gone, without the keys: they may come out of the file next time.
        if now < ends_at:
            self._had_at = asked_at
        return loaded

    def _store(self, loaded: LoadedKeys, asked_at: float) -> None:
        stored = self._stored()
        if stored is not None and asked_at < stored.fetched_at <= self.wall_clock():
            return  # a neighbour without the lock asked after us, and has newer keys
        try:
            replace_trusted(self.file, write_snapshot(loaded, self.issuer, asked_at))
        except (OSError, UntrustedFileError) as error:
            self._warn(NOT_WRITTEN, self.file, _why(error))
        else:
            self._warned.pop(NOT_WRITTEN, None)

    def _stored(self) -> StoredKeys | None:
        """Give the keys that are in the file, however old, or None with a line in the log."""
        try:
            with open_trusted(self.file) as file:
                state = _state_of(file.fileno())
                if state == self._look.state:
                    return self._look.stored
                content = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except (OSError, UntrustedFileError) as error:
            self._ignore(_why(error))
            return None
        self._look = Look(state, self._usable(content, state))
        return self._look.stored

    def _usable(self, content: bytes, state: tuple[int, ...]) -> StoredKeys | None:
        try:
            stored = read_snapshot(content)
        except SnapshotError as error:
            self._ignore(str(error), state)
            return None
        problem = self._problem_of_origin(stored)
        if problem is not None:
            self._ignore(problem, state)
            return None
        self._warned.pop(IGNORED, None)
        return stored

    def _problem_of_origin(self, stored: StoredKeys) -> str | None:
        if stored.issuer != self.issuer:
            return "holds the keys of another issuer"
        if self.jwks_uri is not None:
            return None if stored.url == self.jwks_uri else "does not come from jwks_uri"
        problem = problem_of_found_url(stored.url, self.issuer, http_allowed=self.http_allowed)
        return None if problem is None else f"comes from a URL that {problem}"

    def _age_s(self, stored: StoredKeys) -> float | None:
        age_s = self.wall_clock() - stored.fetched_at
        if age_s < 0:
            self._ignore("is from the future", stored.fetched_at)
            return None
        return age_s

    def _ignore(self, problem: str, about: object = None) -> None:
        self._warn(IGNORED, self.file, problem, about)

    def _warn(self, message: str, path: str, problem: str, about: object = None) -> None:
        """Write one line a problem, and not again while nothing has changed."""
        if self._warned.get(message) != (problem, about):
            self._warned[message] = (problem, about)
            logger.warning(message, path, problem)


def _state_of(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _why(error: OSError | UntrustedFileError) -> str:
    return f"cannot be used: {error.strerror}" if isinstance(error, OSError) else str(error)

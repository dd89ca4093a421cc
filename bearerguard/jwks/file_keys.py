"""Keys in a file of this host, read again when the file changes.

A look-up looks at the file's status at most once a second, and also when no key fits, so that a
new key serves at once. Looking costs microseconds and reading is bounded, so that both happen in
place: nobody waits, and there is no thread and no time to live. Content that cannot be used never
takes the place of good keys. Links are followed, because Kubernetes publishes a new version of a
mounted file by exchanging a link.

Content is read once more a second after it changed: who writes in place could change it again
within one tick of the file system's clock, and the status would be the same before and after.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bearerguard.core.key_file import parse_key_file
from bearerguard.core.key_set import Key, KeySet, KeySetError
from bearerguard.errors import ConfigurationError, RejectedError
from bearerguard.events import KeyRefused, OnEvent
from bearerguard.file_parsers import LARGEST_KEY_FILE
from bearerguard.files import OddFileError, read_regular
from bearerguard.forks import start_over_after_fork
from bearerguard.jwks.keys import Tried
from bearerguard.sources import shown_file

LOOK_EVERY_S = 1.0

logger = logging.getLogger("bearerguard.keys")

# What changes with a file's content: its times of change, size, inode and device. The second time
# is there because rsync and tar set the first one back.
Mark = tuple[int, int, int, int, int]
# What the operator is told: a line for the log, or an event.
News = str | KeyRefused


@dataclass(frozen=True)
class Reading:
    """What the last look at the file left; ``keys`` are those of the last usable content.

    ``mark`` is that of the content which was read, None where it could not be read; at
    ``confirm_at`` it is read once more, whatever its mark. ``error`` says why it gave no keys.
    """

    keys: KeySet
    generation: int
    read_at: float
    mark: Mark | None
    confirm_at: float
    error: str | None = None


class FileKeys:
    """The keys of one issuer that stand in a file, as a JWK Set or PEM.

    ``clock`` gives the seconds of a monotonic clock. ``on_event`` is told of each key that cannot
    be used, when they are read first and when they have changed, and must not raise; ``issuer`` is
    whose keys these are.

    Raises:
        ConfigurationError: naming the setting ``jwks_file``: no keys can be had from the file.
    """

    def __init__(
        self,
        file: str,
        clock: Callable[[], float] = time.monotonic,
        on_event: OnEvent = lambda _: None,
        issuer: str = "",
    ) -> None:
        self._clock = clock
        self._on_event = on_event
        self._issuer = issuer
        try:
            # What the name means now it means after a change of the working directory too.
            self._file = Path(file).absolute()
            mark = _mark_of(self._file)
            keys = _read(self._file)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"jwks_file={shown_file(file)} {_why(error)}") from None
        now = clock()
        self._reading = Reading(keys, 1, now, mark, now + LOOK_EVERY_S)
        self._look_at = now + LOOK_EVERY_S
        self.start_over()
        start_over_after_fork(self)
        self._tell(self._refused_keys())

    def start_over(self) -> None:
        """Make a lock of our own: after a fork one that another thread held is never let go."""
        self._lock = threading.Lock()

    def keys(self, kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Give the keys for a key id that were not tried yet, without ever waiting.

        Raises:
            RejectedError: "key_unknown".
        """
        self._look_if_due()
        fit = self._fit(kid, tried)
        if not fit:
            with self._lock:
                news = self._look()
            self._tell(news)
            fit = self._fit(kid, tried)
        if not fit:
            expected = [key.kid for key in self._reading.keys.keys]
            raise RejectedError("key_unknown", expected=expected, found=kid)
        return fit

    async def akeys(self, kid: str | None, tried: Tried = ()) -> tuple[Key, ...]:
        """Do the same from a task."""
        return self.keys(kid, tried)

    present = keys

    def at_once(self, kid: str | None) -> tuple[Key, ...]:
        """Give the keys that stand in the file for a key id."""
        self._look_if_due()
        return self._fit(kid, ())

    def wake(self) -> None:
        """There is nothing to fetch; whoever asks looks at the file."""

    def status(self) -> dict[str, Any]:
        """Describe the keys for an operator or a readiness probe; the age is in seconds."""
        self._look_if_due()
        reading = self._reading
        return {
            "state": "file",
            "key_ids": [key.kid for key in reading.keys.keys],
            "refused_keys": [f"{k.kid or k.index}: {k.reason}" for k in reading.keys.refused],
            "generation": reading.generation,
            "age_s": self._clock() - reading.read_at,
            "next_refresh_s": None,
            "last_error": reading.error,
        }

    def _fit(self, kid: str | None, tried: Tried) -> tuple[Key, ...]:
        return tuple(key for key in self._reading.keys.candidates(kid) if key not in tried)

    def _look_if_due(self) -> None:
        """Look at the file once a second; whoever comes while another looks takes what is there."""
        if self._clock() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                news = self._look()
            finally:
                self._lock.release()
            self._tell(news)

    def _look(self) -> list[News]:
        """Read the file again where it has changed, and give what the operator must be told.

        The lock keeps two threads from doing the same; readers need none, because what they read
        is exchanged as a whole. Telling is for after the lock: who hears it may ask for keys.
        """
        now = self._clock()
        self._look_at = now + LOOK_EVERY_S
        before = self._reading
        # Taken before the content is read: if that changes in between, the next look reads it.
        mark = _mark_of(self._file)
        if mark == before.mark and now < before.confirm_at:
            return []
        confirm_at = math.inf if mark == before.mark else now + LOOK_EVERY_S
        try:
            keys = _read(self._file)
        except (OSError, KeySetError) as error:
            # A file that may not be read yet gets no new mark when it may.
            mark = mark if isinstance(error, KeySetError) else None
            return self._keep(replace(before, mark=mark, confirm_at=confirm_at, error=_why(error)))
        is_same = _identity(keys) == _identity(before.keys)
        generation = before.generation + (0 if is_same else 1)
        self._reading = Reading(keys, generation, now, mark, confirm_at)
        return [] if keys.refused == before.keys.refused else self._refused_keys()

    def _keep(self, reading: Reading) -> list[News]:
        """The good keys stay; the operator is told once for each change of the file."""
        before, self._reading = self._reading, reading
        if (reading.mark, reading.error) == (before.mark, before.error):
            return []
        return [f"jwks_file {self._file} {reading.error}; the keys read before stay in use"]

    def _refused_keys(self) -> list[News]:
        refused = self._reading.keys.refused
        return [KeyRefused(self._issuer, key.index, key.kid, key.reason) for key in refused]

    def _tell(self, news: list[News]) -> None:
        """Write a text to the log, and hand on an event."""
        for piece in news:
            if isinstance(piece, str):
                logger.warning("%s", piece)
            else:
                self._on_event(piece)


def _read(file: Path) -> KeySet:
    """Read the keys in a file; raises OSError where it cannot be read, else KeySetError."""
    try:
        return parse_key_file(read_regular(file, LARGEST_KEY_FILE))
    except OddFileError as error:
        raise KeySetError(str(error)) from None


def _mark_of(file: Path) -> Mark | None:
    """Give what marks the present content, None where there is no file."""
    try:
        status = file.stat()
    except OSError:
        return None
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (*times, status.st_size, status.st_ino, status.st_dev)


def _identity(keys: KeySet) -> tuple[object, ...]:
    """Give what decides which tokens the keys verify."""
    return frozenset(keys.keys), keys.ids_matter


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}; name a file with a JWK Set or public keys in PEM"
    return f"cannot be used: {error}" if isinstance(error, KeySetError) else "is no file's name"

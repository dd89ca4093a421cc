"""Keys in a file of this host, read again when the file changes.

A look-up looks at the file's status at most once a second, and also when no key fits, so that a new
key serves at once. Looking costs microseconds and reading is bounded, so that both happen in place:
nobody waits, and there is no thread and no time to live. Content that cannot be used never takes the
place of good keys. Links are followed, because Kubernetes publishes a new version of a mounted file
by exchanging a link.

A file is read once more a second after it changed: who writes in place could change it again within
one tick of the file system's clock, and the status would be the same before and after.
"""

import contextlib
import logging
import os
import stat
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bearerguard.core.jwk import Key, KeySet, KeySetError
from bearerguard.core.key_file import parse_key_file
from bearerguard.errors import ConfigurationError, RejectedError

# As much as a fetch may bring, for the same reason.
MAX_BYTES = 512 * 1024
LOOK_EVERY_S = 1.0
# A file name is shorter; keys that were pasted where a file's name belongs are longer.
LONGEST_SHOWN = 200
# Opening must never wait for the writer of a FIFO. Windows has neither flag and needs another one.
READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)

logger = logging.getLogger("bearerguard")

# What changes with a file's content: its times of change, size, inode and device. The second time
# is there because rsync and tar set the first one back.
Mark = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Reading:
    """What the last look at the file left; ``keys`` are those of the last usable content.

    ``mark`` is that of the content which was read, None where there was none to read; ``is_settled``
    that it was read again later and had not changed. ``error`` says why that content gave no keys.
    """

    keys: KeySet
    generation: int
    read_at: float
    mark: Mark | None
    is_settled: bool = False
    error: str | None = None


class FileKeys:
    """The keys of one issuer that stand in a file, as a JWK Set or PEM.

    ``clock`` gives the seconds of a monotonic clock. ``on_event`` is not called yet.

    Raises:
        ConfigurationError: naming the setting ``jwks_file``: no keys can be had from the file.
    """

    def __init__(
        self,
        file: str,
        clock: Callable[[], float] = time.monotonic,
        on_event: Callable[[Any], None] | None = None,
    ) -> None:
        _ = on_event
        self._clock = clock
        now = clock()
        try:
            # What the name means now it means after a change of the working directory too.
            self._file = Path(file).absolute()
            content, mark = _read(self._file)
            keys = parse_key_file(content)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"jwks_file={_shown(file)} {_why(error)}") from None
        self._reading = Reading(keys, 1, now, mark)
        self._look_at = now + LOOK_EVERY_S
        self.start_over()
        ALL_FILES.add(self)

    def start_over(self) -> None:
        """Make a lock of our own: after a fork one that another thread held is never let go."""
        self._lock = threading.Lock()

    @property
    def generation(self) -> int:
        """Count the changes of the usable keys, so that what was derived from them is forgotten.

        This looks at the file as a look-up does: who finds its tokens in a cache asks for no keys.
        """
        self._look_if_due()
        return self._reading.generation

    def keys(self, kid: str | None, tried: tuple[Key, ...] = ()) -> tuple[Key, ...]:
        """Give the keys for a key id that were not tried yet, without ever waiting.

        Raises:
            RejectedError: "key_unknown".
        """
        self._look_if_due()
        fit = self._fit(kid, tried)
        if not fit:
            with self._lock:
                self._look(self._clock())
            fit = self._fit(kid, tried)
        if not fit:
            expected = [key.kid for key in self._reading.keys.keys]
            raise RejectedError("key_unknown", expected=expected, found=kid)
        return fit

    async def akeys(self, kid: str | None, tried: tuple[Key, ...] = ()) -> tuple[Key, ...]:
        """Do the same from a task."""
        return self.keys(kid, tried)

    present = keys

    def status(self) -> dict[str, Any]:
        """Describe the keys for an operator or a readiness probe; the age is in seconds."""
        self._look_if_due()
        reading = self._reading
        return {
            "state": "file",
            "key_ids": [key.kid for key in reading.keys.keys],
            "refused_keys": [f"{k.kid or k.index}: {k.reason}" for k in reading.keys.refused],
            "age_s": self._clock() - reading.read_at,
            "last_error": reading.error,
        }

    def _fit(self, kid: str | None, tried: tuple[Key, ...]) -> tuple[Key, ...]:
        return tuple(key for key in self._reading.keys.candidates(kid) if key not in tried)

    def _look_if_due(self) -> None:
        """Look at the file once a second; whoever comes while another looks takes what is there."""
        if self._clock() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                now = self._clock()
                self._look(now, confirm=now >= self._look_at)
                self._look_at = now + LOOK_EVERY_S
            finally:
                self._lock.release()

    def _look(self, now: float, *, confirm: bool = False) -> None:
        """Read the file again if it has changed since, or to see that a change is complete.

        Only the caller's lock keeps two threads from doing the same; what readers use is exchanged
        as a whole.
        """
        before = self._reading
        if _mark_of(self._file) == before.mark and not (confirm and not before.is_settled):
            return
        mark = None
        try:
            content, mark = _read(self._file)
            keys = parse_key_file(content)
        except (OSError, KeySetError) as error:
            self._keep(before, mark, _why(error))
        else:
            self._take(before, mark, keys, now)

    def _keep(self, before: Reading, mark: Mark | None, error: str) -> None:
        """The good keys stay; the operator is told once for each change of the file."""
        if (mark, error) != (before.mark, before.error):
            logger.warning("jwks_file %s %s; the keys of before stay in use", self._file, error)
        self._reading = replace(before, mark=mark, is_settled=mark == before.mark, error=error)

    def _take(self, before: Reading, mark: Mark, keys: KeySet, now: float) -> None:
        is_same = set(keys.keys) == set(before.keys.keys) and (
            keys.ids_matter == before.keys.ids_matter
        )
        generation = before.generation if is_same else before.generation + 1
        self._reading = Reading(keys, generation, now, mark, is_settled=mark == before.mark)


def _read(file: Path) -> tuple[bytes, Mark]:
    """Read a file with what marks this content; raises OSError, or KeySetError for no file."""
    # Not Path.open, which would wait for the writer of a FIFO.
    with open(os.open(file, READ_FLAGS), "rb") as opened:  # noqa: PTH123
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeySetError("is not a regular file")
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise KeySetError(f"is larger than {MAX_BYTES} bytes; is it this file?")
    return content, _mark(status)


def _mark_of(file: Path) -> Mark | None:
    try:
        return _mark(file.stat())
    except OSError:
        return None


def _mark(status: os.stat_result) -> Mark:
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (*times, status.st_size, status.st_ino, status.st_dev)


ALL_FILES: "weakref.WeakSet[FileKeys]" = weakref.WeakSet()

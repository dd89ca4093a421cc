"""A lock among the processes of a host: who has it fetches, the others wait for what that brings.

It saves requests and nothing depends on it: a lock that cannot be had, or that its holder has had
for too long (stopped, swapped out, or a thread that hangs), is done without. The kernel takes it
back from a process that ends, however it ends. Not by ``lockf``: that lock belongs to a process,
so two threads of one would both have it.

POSIX only, like the trusted files that it stands beside.
"""

import contextlib
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bearerguard.jwks.fetch import LOADING
from bearerguard.trusted_files import PRIVATE_MODE, UntrustedFileError, open_trusted

# A holder takes the lock first and notes the time then. Only who has seen an old note for this
# share of the limit believes it: meanwhile a new holder has written its own.
GRACE_SHARE = 0.1

# The descriptors of all open locks of this process.
OPEN: set[int] = set()


class HostLock:
    """The lock on the file ``path``, to be used in a ``with`` block by one thread.

    The file is made where it is missing and never removed. Its modification time is when the lock
    was taken last, by ``wall_clock`` (seconds since 1970). A lock that was taken longer than
    ``limit_s`` ago is not respected. ``problem`` says why one goes on without the lock.
    """

    def __init__(
        self,
        path: str,
        limit_s: float,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem: str | None = None
        self._path = path
        self._limit_s = limit_s
        self._wall_clock = wall_clock
        self._clock = clock
        self._descriptor = -1
        self._overdue_since: float | None = None

    def __enter__(self) -> Self:
        try:
            self._descriptor = _opened(self._path)
        except UntrustedFileError as error:
            self.problem = str(error)
        except OSError as error:
            self.problem = f"cannot be opened: {error.strerror}"
        else:
            OPEN.add(self._descriptor)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        # In a process that was forked in the middle the lock is not ours to give back.
        if self._descriptor not in OPEN:
            return
        try:
            self._give_back()
        finally:
            # In this order: who forks in between must never close a number that is somebody else's.
            OPEN.discard(self._descriptor)
            os.close(self._descriptor)

    def take(self) -> bool:
        """Say, without waiting, whether to go on: the lock is ours, or one does without it."""
        if self._descriptor < 0:
            return True
        with LOADING:
            import fcntl  # noqa: PLC0415  Windows has none
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            now = self._wall_clock()
            os.utime(self._descriptor, (now, now))
        except BlockingIOError:
            return self._is_overdue()
        except OSError as error:
            self.problem = f"cannot be taken: {error.strerror}"
        return True

    def _is_overdue(self) -> bool:
        taken_at, now = os.fstat(self._descriptor).st_mtime, self._clock()
        # A time far in the future is no better: then the clock was set back since.
        if abs(self._wall_clock() - taken_at) <= self._limit_s:
            self._overdue_since = None
            return False
        if self._overdue_since is None:
            self._overdue_since = now
        if now - self._overdue_since < self._limit_s * GRACE_SHARE:
            return False
        self.problem = f"its holder has had it for longer than {self._limit_s:g} s"
        return True

    def _give_back(self) -> None:
        # Closing would not do: a process that was forked meanwhile has the same open file.
        with LOADING:
            import fcntl  # noqa: PLC0415  Windows has none
        with contextlib.suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _opened(path: str) -> int:
    try:
        file = open_trusted(path)
    except FileNotFoundError:
        flags = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileExistsError):  # a neighbour was faster
            os.close(os.open(path, flags, PRIVATE_MODE))
        file = open_trusted(path)
    with file:
        return os.dup(file.fileno())


def _close_all_after_fork() -> None:
    """The thread that has the lock is not in this process, and would never let go of it here."""
    for descriptor in OPEN:
        os.close(descriptor)
    OPEN.clear()


with contextlib.suppress(AttributeError):  # Windows has no fork, and so no hook for it
    os.register_at_fork(after_in_child=_close_all_after_fork)

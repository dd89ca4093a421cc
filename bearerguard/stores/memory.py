"""The store ``memory://``: what one process remembers, within limits.

Plain dicts and no cache of cachetools: a cache makes room by forgetting, which is the one thing
that must not happen here, and it can be caught half written by a fork. A dict changes in one step,
is read without a lock, and lives on in the child as it was.
"""

import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce

from bearerguard.core.revocation import AGED, EVERYBODY, Mark
from bearerguard.forks import start_over_after_fork
from bearerguard.stores.base import StoreFullError

# Some 20 MB. Names are short, see core/revocation.py.
MOST_MARKS = 50_000
MOST_USED = 50_000
WHOLE_GROUP = (EVERYBODY, AGED)

logger = logging.getLogger("bearerguard")
Key = tuple[str, str]


class MemoryStore:
    """Meets :class:`bearerguard.stores.base.Store`. Safe to share between threads.

    ``clock`` gives the seconds since 1970.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        most_marks: int = MOST_MARKS,
        most_used: int = MOST_USED,
    ) -> None:
        self.in_use = False
        self._clock = clock
        self._most_marks = most_marks
        self._most_used = most_used
        self._marks: dict[Key, Mark] = {}
        self._of_groups: dict[Key, Mark] = {}  # as few as the groups, so that they always have room
        self._used: dict[Key, float] = {}
        self._full_until = -math.inf
        self.start_over()
        start_over_after_fork(self)

    def start_over(self) -> None:
        """Take a new lock, which a fork may have caught held, and forget nothing."""
        self._lock = threading.Lock()

    def read_marks(self, group: str, names: Sequence[str]) -> tuple[Mark | None, ...]:
        """Give the mark of each name, or None."""
        # The mark of everybody is read last: another thread may be putting it in place of others.
        found = [self._home(name).get((group, name)) for name in reversed(names)]
        return tuple(reversed(found))

    async def aread_marks(self, group: str, names: Sequence[str]) -> tuple[Mark | None, ...]:
        """Do the same; nothing waits."""
        return self.read_marks(group, names)

    def raise_mark(self, group: str, name: str, mark: Mark) -> None:
        """Mark a name; there is always room."""
        with self._lock:
            if (group, name) not in self._marks and name not in WHOLE_GROUP:
                self._make_room()
            self._raise(group, name, mark)
            self.in_use = True

    async def araise_mark(self, group: str, name: str, mark: Mark) -> None:
        """Do the same; nothing waits."""
        self.raise_mark(group, name, mark)

    def use_once(self, group: str, name: str, until: float) -> bool:
        """Note a name; raises StoreFullError."""
        now = self._clock()
        with self._lock:
            known_until = self._used.get((group, name))
            if known_until is not None and now < known_until:
                return False
            if len(self._used) >= self._most_used:
                self._drop_used(now)
            self._used[group, name] = until
        return True

    async def ause_once(self, group: str, name: str, until: float) -> bool:
        """Do the same; nothing waits."""
        return self.use_once(group, name, until)

    def give_back(self, group: str, name: str) -> None:
        """Forget a name."""
        self._used.pop((group, name), None)

    async def agive_back(self, group: str, name: str) -> None:
        """Do the same; nothing waits."""
        self.give_back(group, name)

    def _raise(self, group: str, name: str, mark: Mark) -> None:
        home = self._home(name)
        before = home.get((group, name))
        home[group, name] = mark if before is None else before.raised(mark)

    def _home(self, name: str) -> dict[Key, Mark]:
        return self._of_groups if name in WHOLE_GROUP else self._marks

    def _make_room(self) -> None:
        """Drop what has ended; where that is not enough, take one mark for all of a group."""
        if len(self._marks) < self._most_marks:
            return
        now = self._clock()
        for key, mark in list(self._marks.items()):
            if mark.until <= now:
                if not mark.is_exact:
                    self._raise(key[0], AGED, Mark(mark.issued_before, math.inf, is_exact=True))
                del self._marks[key]
        if len(self._marks) >= self._most_marks:
            self._join_largest_group()

    def _join_largest_group(self) -> None:
        (group, size), *_ = Counter(group for group, _ in self._marks).most_common(1)
        keys = [key for key in self._marks if key[0] == group]
        # First raised, then dropped, so that who reads meanwhile finds one or the other.
        self._raise(group, EVERYBODY, reduce(Mark.raised, [self._marks[key] for key in keys]))
        for key in keys:
            del self._marks[key]
        logger.warning(
            "%d revocations of %s are too many to remember: every token that it issued before the "
            "last of them is refused instead; with MAX_TOKEN_AGE they are kept no longer than that",
            size,
            group,
        )

    def _drop_used(self, now: float) -> None:
        # Looked through once for each time at which that may help, however many come meanwhile.
        if now >= self._full_until:
            for key, until in list(self._used.items()):
                if until <= now:
                    del self._used[key]
            self._full_until = min(self._used.values(), default=-math.inf)
        if len(self._used) >= self._most_used:
            raise StoreFullError(f"{self._most_used} names are in use")

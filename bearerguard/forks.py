"""After a fork: threads and locks of the parent do not exist in the child, or are held for good."""

import contextlib
import os
import weakref
from typing import Protocol


class StartsOver(Protocol):
    """Whatever has locks or waits for threads."""

    def start_over(self) -> None:
        """Forget what runs elsewhere, and take new locks."""
        ...


_ALL: "weakref.WeakSet[StartsOver]" = weakref.WeakSet()


def start_over_after_fork(owner: StartsOver) -> None:
    """Call ``owner.start_over()`` in every child that is forked from now on."""
    _ALL.add(owner)


def _start_over() -> None:
    for owner in list(_ALL):
        owner.start_over()


with contextlib.suppress(AttributeError):  # Windows has no fork, and so no hook for it
    os.register_at_fork(after_in_child=_start_over)

"""Servers on one processor and the load on another, and what a server uses of its own (Linux).

gunicorn's threads otherwise hand Python's global lock from processor to processor some 20 times
a request. That costs more than the requests, and it depends on what else keeps the processors busy:
the same application was seen at 1,900 and at 3,500 requests a second.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def can_pin() -> bool:
    """Tell whether there are two processors, and a way to choose between them."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


@contextmanager
def for_servers() -> Iterator[None]:
    """Let processes that are started in this block run on the first processor."""
    with _on(0):
        yield


@contextmanager
def for_load() -> Iterator[None]:
    """Let processes that are started in this block run on the last processor."""
    with _on(-1):
        yield


def used_s(pid: int) -> float | None:
    """Give the processor time of a process and its children so far; None where nobody tells.

    Unlike the time on the clock it does not count what other processes do meanwhile.
    """
    try:
        own = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return None
    user, system = int(own[11]), int(own[12])
    below = (used_s(int(child)) or 0.0 for child in children)
    return (user + system) / os.sysconf("SC_CLK_TCK") + sum(below)


@contextmanager
def _on(index: int) -> Iterator[None]:
    """Move this thread, from which its children inherit the place, and move it back."""
    if not can_pin():
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[index]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)

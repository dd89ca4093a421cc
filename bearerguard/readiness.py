"""Whether there are keys to decide with: the answer to a readiness probe."""

import time

from bearerguard.directory import Directory
from bearerguard.jwks.waiting import wait_in_task, wait_in_thread

# Probes are given up soon, and the next one comes; most fetches are faster.
PROBE_PATIENCE_S = 0.5


def is_ready(issuers: Directory) -> bool:
    """Tell whether one issuer at least has keys; see :meth:`bearerguard.guard.Guard.ready`."""
    fetches = [known.keys.wake() for known in issuers.configured()]  # all are kept fresh
    until = time.monotonic() + PROBE_PATIENCE_S
    for landed in filter(None, fetches):
        if not _has_keys(issuers):
            wait_in_thread(landed, max(0.0, until - time.monotonic()))
    return _has_keys(issuers)


async def ais_ready(issuers: Directory) -> bool:
    """Tell the same without blocking the event loop."""
    fetches = [known.keys.wake() for known in issuers.configured()]
    until = time.monotonic() + PROBE_PATIENCE_S
    for landed in filter(None, fetches):
        if not _has_keys(issuers):
            await wait_in_task(landed, max(0.0, until - time.monotonic()))
    return _has_keys(issuers)


def _has_keys(issuers: Directory) -> bool:
    return issuers.may_grow or any(known.has_keys() for known in issuers.all())

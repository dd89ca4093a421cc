"""Waiting for a fetch from a thread, from asyncio and from trio, without owning it.

Whoever stops waiting (a caller who hung up, a cancelled task, a time-out) changes nothing for the
fetch and for the others who wait.
"""

import asyncio
import concurrent.futures
import contextlib
import sys
from concurrent.futures import Future


def wait_in_thread(landed: Future[None], timeout_s: float) -> None:
    """Block this thread until the fetch has landed, or for ``timeout_s``.

    Raises:
        RuntimeError: this thread runs an event loop, which would stand still.
    """
    if _runs_an_event_loop():
        raise RuntimeError(
            "the issuer's keys must be fetched first, and waiting here would stop the event loop: "
            "use 'await guard.averify(token)' instead of 'guard.verify(token)'"
        )
    concurrent.futures.wait([landed], timeout_s)


async def wait_in_task(landed: Future[None], timeout_s: float) -> None:
    """Let this task wait until the fetch has landed, or for ``timeout_s``."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        await _wait_in_trio(landed, timeout_s)
    else:
        await asyncio.wait([asyncio.wrap_future(landed)], timeout=timeout_s)


async def _wait_in_trio(landed: Future[None], timeout_s: float) -> None:
    import trio  # noqa: PLC0415  loaded already by whoever runs this

    event = trio.Event()
    loop = trio.lowlevel.current_trio_token()

    def wake(_: Future[None]) -> None:
        # The loop may have ended while the fetch went on: then nobody waits any more.
        with contextlib.suppress(trio.RunFinishedError):
            loop.run_sync_soon(event.set)

    landed.add_done_callback(wake)
    with trio.move_on_after(timeout_s):
        await event.wait()


def _runs_an_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        return trio is not None and bool(trio.lowlevel.in_trio_run())
    return True

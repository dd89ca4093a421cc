"""Waiting for what another thread fetches, from a thread, asyncio and trio, without owning it.

Whoever stops waiting (a caller who hung up, a cancelled task, a time-out, an event loop that ended)
changes nothing for the fetch and for the others who wait.
"""

import asyncio
import concurrent.futures
import contextlib
import sys
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Any


def wait_in_thread(landed: Future[Any], timeout_s: float) -> None:
    """Block this thread until the fetch has landed, or for ``timeout_s``.

    Raises:
        RuntimeError: this thread runs an event loop, which would stand still.
    """
    if in_event_loop():
        raise RuntimeError(
            "the issuer must be asked first, and waiting here would stop the event loop: use "
            "'await guard.averify(token)' for 'guard.verify(token)', and 'aready()' for 'ready()'"
        )
    concurrent.futures.wait([landed], timeout_s)


def in_event_loop() -> bool:
    """Tell whether this thread runs an event loop, which must not stand still."""
    return _in_trio() or _in_asyncio()


async def wait_in_task(landed: Future[Any], timeout_s: float) -> None:
    """Let this task wait until the fetch has landed, or for ``timeout_s``."""
    # In this order: trio's guest mode runs its tasks on top of an asyncio loop.
    if _in_trio():
        await _wait_in_trio(landed, timeout_s)
    else:
        await _wait_in_asyncio(landed, timeout_s)


async def await_within(found: Awaitable[Any], timeout_s: float) -> Any:
    """Await what runs in this very event loop, and stop it after ``timeout_s``.

    Raises:
        TimeoutError: it took longer; under trio its TooSlowError.
    """
    if _in_trio():
        import trio  # noqa: PLC0415  loaded already by whoever runs this

        with trio.fail_after(timeout_s):
            return await found
    async with asyncio.timeout(timeout_s):
        return await found


async def _wait_in_asyncio(landed: Future[Any], timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()

    def wake(_: Future[Any]) -> None:
        # The loop may have ended while the fetch went on: then nobody waits any more.
        # asyncio.wrap_future would write a traceback to the log in this case.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(woken.set)

    landed.add_done_callback(wake)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await woken.wait()


async def _wait_in_trio(landed: Future[Any], timeout_s: float) -> None:
    import trio  # noqa: PLC0415  loaded already by whoever runs this

    woken = trio.Event()
    loop = trio.lowlevel.current_trio_token()

    def wake(_: Future[Any]) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            loop.run_sync_soon(woken.set)

    landed.add_done_callback(wake)
    with trio.move_on_after(timeout_s):
        await woken.wait()


def _in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_trio() -> bool:
    # Asked of the loaded module alone: a thread in which trio runs has long finished loading it.
    in_trio_task = getattr(sys.modules.get("trio.lowlevel"), "in_trio_task", None)
    return in_trio_task is not None and bool(in_trio_task())

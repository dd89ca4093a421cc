"""Building a gate without stopping an event loop.

The guard, PyJWT and cryptography take a tenth of a second to load. An application that is guarded
while its module is imported pays that there. Starlette builds its middleware when the server runs
already, below a mount even at the first request, and then nobody else may have to wait for it.
"""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future

from bearerguard.jwks.waiting import in_event_loop, wait_in_task

PATIENCE_S = 60.0


def would_stop_a_loop() -> bool:
    """Tell whether building a gate here and now would stop an event loop for long."""
    return "bearerguard.gate" not in sys.modules and in_event_loop()


class Later:
    """Work that is done once, in a thread of its own, when somebody first waits for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._done: Future[None] | None = None

    async def __call__(self) -> None:
        """Wait until it is done; raises what it raised."""
        if self._done is None:
            done: Future[None] = Future()
            threading.Thread(target=self._run, args=(done,), daemon=True).start()
            self._done = done
        await wait_in_task(self._done, PATIENCE_S)
        self._done.result(timeout=0)

    def now(self) -> None:
        """Do it here, for a caller whom nobody waits for."""
        self._work()

    def _run(self, done: Future[None]) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  whoever waits must hear of it
            done.set_exception(error)
        else:
            done.set_result(None)

"""The end of a fetch, whatever its peer does.

An HTTP client renews its patience with each byte that comes, and takes any number of header fields
and interim answers: a peer that drips would keep the fetching thread for good, one that floods also
a processor, and two such threads are all that a key source begins. Looking at a clock between the
client's steps does not help, because there are none. So a timer shuts the connection down under it.
"""

import contextlib
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self


class Deadline:
    """Shuts down the connection of one request as soon as ``timeout_s`` have passed.

    To be used in a ``with`` block by one thread. ``extension`` is for the request, which it tells
    of its connection; ``is_over`` tells whether the time was up.
    """

    def __init__(self, timeout_s: float) -> None:
        self.is_over = False
        self.extension = {"trace": self._trace}
        self._connection: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(timeout_s, self._end)
        self._timer.name = "bearerguard-deadline"
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of the connection, as soon as there is one (httpx, request extensions)."""
        if not event.endswith("connect_tcp.complete"):
            return
        # A second handle on it: the client's own is closed, and taken over by TLS, as it likes.
        connection = info["return_value"].get_extra_info("socket").dup()
        with self._lock:
            self._connection = connection
            if self.is_over:
                self._shut_down()

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):  # the peer was faster
                self._connection.shutdown(socket.SHUT_RDWR)

"""A real HTTP server on 127.0.0.1 in a thread of its own, for the demo."""

import contextlib
import socket
import threading
import time
from typing import Any

import uvicorn


class LocalServer:
    """Serves an ASGI application from ``start`` to ``stop``. Port 0 takes a free one.

    Raises:
        OSError: the port is taken, or the application refused to start.
    """

    def __init__(self, app: Any, port: int = 0) -> None:
        # Bound here, so that a port that is taken is an error of whoever asked for it.
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        # No WebSockets: older releases load a part of the package websockets that warns of itself.
        config = uvicorn.Config(app, log_level="critical", access_log=False, ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, and come back when requests are answered."""
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise OSError(f"the application on port {self.port} did not start")
            time.sleep(0.01)

    def _serve(self) -> None:
        with contextlib.suppress(SystemExit):  # how uvicorn says that the application refused
            self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """Stop serving and close the port."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()
        self._listener.close()

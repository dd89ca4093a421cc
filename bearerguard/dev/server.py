"""A real HTTP server on 127.0.0.1 in a thread of its own, for the demo."""

import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bearerguard.dev.issuer import Issuer

START_WITHIN_S = 10.0


class LocalServer:
    """Serves an ASGI application from ``start`` to ``stop``. Port 0 takes a free one."""

    def __init__(self, app: Any, port: int = 0) -> None:
        self._app = app
        self.port = port or _free_port()

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, and come back when requests are answered."""
        config = uvicorn.Config(
            self._app, host="127.0.0.1", port=self.port, log_level="critical", access_log=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        ends_at = time.monotonic() + START_WITHIN_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > ends_at:
                raise OSError(f"the server on port {self.port} did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop serving and close the port."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()


def issuer_app(issuer: Issuer) -> Starlette:
    """Publish an issuer's metadata (RFC 8414 and OpenID places) and its keys."""

    async def metadata(_: Request) -> JSONResponse:
        return JSONResponse(issuer.metadata())

    async def jwks(_: Request) -> JSONResponse:
        return JSONResponse(issuer.jwks())

    return Starlette(
        routes=[
            Route("/.well-known/oauth-authorization-server", metadata),
            Route("/.well-known/openid-configuration", metadata),
            Route("/jwks.json", jwks),
        ]
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

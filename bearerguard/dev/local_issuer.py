"""The local issuer: an OAuth 2.0 server for development, with pages to log in and to control it.

It signs for real and is trusted by whoever configures it, and everybody may log in as anybody: it
answers on this machine only.
"""

import ipaddress
import socket
import threading
from typing import Self

import flask
from werkzeug.serving import WSGIRequestHandler, make_server

from bearerguard.dev.control import Control
from bearerguard.dev.endpoints import Endpoints
from bearerguard.dev.issuer import Issuer
from bearerguard.dev.local_state import LocalState
from bearerguard.dev.loopback_only import LoopbackOnly
from bearerguard.dev.oauth import Server
from bearerguard.dev.pages import Pages
from bearerguard.dev.provider_shapes import SHAPES
from bearerguard.errors import ConfigurationError

MOST_PORTS = 65535

AUDIENCE = "https://api.example"
LARGEST_BODY = 64 * 1024


def local_app(state: LocalState) -> flask.Flask:
    """Give the WSGI application; the issuer's URL has to be where it is served."""
    app = flask.Flask("bearerguard.dev", static_url_path="/static")
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, MAX_FORM_MEMORY_SIZE=LARGEST_BODY)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    server = Server(app, state.issuer, state.ledger)
    LoopbackOnly(app, state)
    Endpoints(app, state, server)
    Pages(app, state, server)
    Control(app, state)
    return app


class LocalIssuer:
    """The local issuer on a port of this machine, from ``start`` to ``stop``.

    ``profile`` is a name that PROFILE takes: the tokens are in that provider's shape. ``issuer`` is
    one that is there already; its URL becomes the one at which it is served. Port 0 takes a free
    one.

    Raises:
        ConfigurationError: the host is not this machine, or there is no such profile.
        OSError: the port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        profile: str = "rfc9068",
        audience: str = AUDIENCE,
        issuer: Issuer | None = None,
    ) -> None:
        problems = _problems(host, profile, port)
        if problems:
            raise ConfigurationError(*problems)
        shape = SHAPES[profile]
        self.issuer = issuer or Issuer(audience=audience, alg=shape.alg, shape=shape)
        # Bound here, so that a port that is taken is an error of whoever asked for it.
        host = "127.0.0.1" if host == "localhost" else host
        self._listener = socket.create_server((host, port), family=_family(host))
        self.port: int = self._listener.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.issuer.url = f"http://{name}:{self.port}{shape.path}"
        self.state = LocalState(self.issuer, profile)
        self._server = make_server(
            host,
            self.port,
            local_app(self.state),
            threaded=True,
            request_handler=_QuietHandler,
            fd=self._listener.fileno(),
        )
        # How often it looks whether it shall end: half a second otherwise, which a test waits for.
        how = {"poll_interval": 0.02}
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs=how, daemon=True)

    @property
    def url(self) -> str:
        """Where the control page is. The issuer's own name is ``issuer.url``."""
        return self.state.origin

    def start(self) -> None:
        """Serve; connections wait from here on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._listener.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _QuietHandler(WSGIRequestHandler):
    """The control page shows the requests; a terminal need not."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  the name is theirs
        """Write nothing."""


def _problems(host: str, profile: str, port: int) -> list[str]:
    problems = []
    if not 0 <= port <= MOST_PORTS:
        problems.append(f"there is no port {port}; write one from 1 to {MOST_PORTS}, or 0")
    if not _is_loopback(host):
        problems.append(
            "the local issuer lets everybody in, so that it answers on this machine only: "
            f"{host!r} is not loopback; write 127.0.0.1"
        )
    if profile not in SHAPES:
        names = ", ".join(sorted(SHAPES))
        problems.append(f"there is no profile {profile!r}; the names are {names}")
    return problems


def _is_loopback(host: str) -> bool:
    """Tell by the address: a name could be resolved to anything."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET

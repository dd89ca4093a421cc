"""An introspection endpoint that calls every token active, after a while."""

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from drills.issuer import make_certificate


class Handler(BaseHTTPRequestHandler):
    """Metadata at once, and a while later that any token is active."""

    server: "Server"

    def do_GET(self) -> None:
        """Give the metadata."""
        self._send({"issuer": self.url, "introspection_endpoint": self.url + "/introspect"})

    def do_POST(self) -> None:
        """Give an answer about a token."""
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.delay_s)
        exp = time.time() + 300
        self._send({"active": True, "sub": "someone", "aud": "api", "exp": exp})

    @property
    def url(self) -> str:
        """The name of this issuer."""
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        return f"{scheme}://127.0.0.1:{self.connection.getsockname()[1]}"

    def _send(self, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A connection for each of the 20 requests at a time, and some to spare."""

    request_queue_size = 256
    daemon_threads = True
    delay_s = 0.0


def started(delay_s: float, folder: Path | None) -> tuple[Server, Path | None]:
    """Start an endpoint, by https where there is a folder for its certificate, which it gives."""
    server, certificate = Server(("127.0.0.1", 0), Handler), None
    server.delay_s = delay_s
    if folder is not None:
        certificate = make_certificate(folder)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, certificate

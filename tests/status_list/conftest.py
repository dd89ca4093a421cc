"""An issuer on 127.0.0.1 that publishes keys and status lists, and does with them what a test says."""

import json
import os
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bearerguard import Guard
from bearerguard.core.encoding import base64url_encode
from bearerguard.testing import Issuer, SigningKey

PATIENCE_S = 20.0


class Publisher:
    """Serves an issuer. ``statuses`` are those of the list, ``change`` what is odd about its token.

    ``answer`` replaces the whole answer: (status, headers, body). ``asked`` are the requests for
    lists: path and header fields. ``gate`` holds them up.
    """

    def __init__(self, key: SigningKey, clock: Any) -> None:
        self.clock = clock
        self.statuses = bytearray(2)
        self.change: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.gate = threading.Event()
        self.gate.set()
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = publisher.respond(self.path, self.headers)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.issuer = Issuer(self.url, key=key, clock=clock)
        self.list_key = key
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def respond(self, path: str, headers: Any) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/lists/"):
            self.asked.append((path, {name.lower(): value for name, value in headers.items()}))
            assert self.gate.wait(PATIENCE_S)
            if self.answer is not None:
                return self.answer
            body = self.list_token(f"{self.url}{path}").encode()
            fields = {"Content-Type": "application/statuslist+jwt", "Cache-Control": "max-age=5"}
            return 200, fields, body
        document = self.issuer.jwks() if path == "/jwks.json" else self.issuer.metadata()
        return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()

    def list_token(self, uri: str) -> str:
        now = int(self.clock())
        lst = base64url_encode(zlib.compress(bytes(self.statuses))).decode()
        claims = {
            "iss": self.url,
            "sub": uri,
            "iat": now,
            "exp": now + 3600,
            "ttl": 100,
            "status_list": {"bits": 8, "lst": lst},
        } | self.change
        payload = json.dumps({n: v for n, v in claims.items() if v is not None}).encode()
        header = {"typ": "statuslist+jwt"} | self.header
        return self.issuer.sign(payload, header=header, key=self.list_key)

    def token(self, idx: Any = 0, uri: str | None = None, **claims: Any) -> str:
        reference = {"idx": idx, "uri": uri or f"{self.url}/lists/1"}
        return self.issuer.token(status={"status_list": reference}, **claims)

    def guard(self, **settings: Any) -> Guard:
        settings = {"issuer": self.url, "audience": self.issuer.audience, **settings}
        return Guard(clock=self.clock, **settings)

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.thread.join(PATIENCE_S)
        self.server.server_close()


@pytest.fixture
def publisher(signing_key, clock, monkeypatch) -> Iterator[Publisher]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    publisher = Publisher(signing_key, clock)
    yield publisher
    publisher.close()

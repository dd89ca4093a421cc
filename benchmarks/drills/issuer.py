"""The issuer of the drills: a real HTTP server on loopback that behaves as it is told.

It counts requests by what they ask for. Every answer closes its connection, so that an issuer that
goes down is down for everybody at once.
"""

import contextlib
import ipaddress
import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bearerguard.testing import Issuer, SigningKey

AUDIENCE = "https://api.example"
JWKS_PATH = "/jwks.json"
# Tokens outlive every drill: only the age of key sets matters.
TOKEN_LIFETIME_S = 7 * 24 * 3600


@dataclass(frozen=True)
class Reply:
    """What an endpoint answers: after ``delay_s``, and with a body that may come in pieces."""

    body: bytes | Callable[["DrillIssuer"], Iterable[bytes]] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    delay_s: float = 0.0

    def pieces(self, issuer: "DrillIssuer") -> Iterable[bytes]:
        """Give the body, piece by piece."""
        return [self.body] if isinstance(self.body, bytes) else self.body(issuer)


def never(issuer: "DrillIssuer") -> Iterator[bytes]:
    """Give no byte of a body, until the drill is over."""
    issuer.over.wait()
    yield b""


def drip(issuer: "DrillIssuer") -> Iterator[bytes]:
    """Give a byte a second, until the drill is over."""
    while not issuer.over.wait(1.0):
        yield b" "


DOWN = Reply(status=503)
HANGS = Reply(never)


class DrillIssuer:
    """An issuer with its own port; what it answers is in ``jwks`` and ``metadata``."""

    def __init__(self, key: SigningKey, certificate: Path | None = None) -> None:
        self.over = threading.Event()
        self.asked = threading.Condition()
        self.requests: Counter[str] = Counter()
        self._tls = _server_tls(certificate) if certificate else None
        # Bound and never listening: the port stays ours while the issuer refuses connections.
        self._holder = _bound(0)
        self.port = self._holder.getsockname()[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.tokens = Issuer(self.url, audience=AUDIENCE, key=key)
        self._listener: socket.socket | None = None
        self.publish(key)
        self.start()

    def publish(self, *keys: SigningKey) -> None:
        """Be up, with these keys."""
        self.jwks = Reply(json.dumps({"keys": [dict(key.jwk) for key in keys]}).encode())
        metadata = {
            "issuer": self.url,
            "jwks_uri": self.url + JWKS_PATH,
            "token_endpoint": self.url + "/token",
            "response_types_supported": ["code"],
        }
        self.metadata = Reply(json.dumps(metadata).encode())

    def fail(self, reply: Reply = DOWN) -> None:
        """Answer everything in this one way."""
        self.jwks = self.metadata = reply

    def start(self) -> None:
        """Accept connections."""
        self._listener = _bound(self.port)
        self._listener.listen(256)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """Refuse connections."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
            self._listener.close()
            self._listener = None

    def close(self) -> None:
        """End everything."""
        self.over.set()
        self.refuse()
        self._holder.close()

    def token(self, *, kid: str | None = "", key: SigningKey | None = None) -> str:
        """Sign an access token; with another ``kid`` in its header, or with none."""
        now = int(self.tokens.clock())
        header = {} if kid == "" else {"kid": kid}
        return self.tokens.token(
            header=header, key=key, iat=now - 10, exp=now + TOKEN_LIFETIME_S, scope="read"
        )

    def fetched(self) -> tuple[int, int]:
        """Give the number of requests for metadata and for keys, and start at 0 again."""
        counts = self.requests["metadata"], self.requests["jwks"]
        self.requests.clear()
        return counts

    def wait_for_request(self, timeout_s: float) -> bool:
        """Wait until anybody asks anything."""
        with self.asked:
            return self.asked.wait_for(lambda: self.requests.total() > 0, timeout_s)

    def reply_to(self, path: str) -> Reply:
        """Count a request and give its answer."""
        what = "jwks" if path == JWKS_PATH else "metadata"
        with self.asked:
            self.requests[what] += 1
            self.asked.notify_all()
        return self.jwks if what == "jwks" else self.metadata

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed: the issuer refuses connections now
            while True:
                connection, peer = listener.accept()
                threading.Thread(target=self._serve, args=(connection, peer), daemon=True).start()

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        with contextlib.suppress(OSError):  # whoever hangs up may
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            Handler(connection, peer, self)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


class Handler(BaseHTTPRequestHandler):
    """One request, HTTP/1.0: the end of the connection ends the body."""

    server: DrillIssuer

    def do_GET(self) -> None:
        """Answer as the issuer says."""
        reply = self.server.reply_to(self.path)
        self.server.over.wait(reply.delay_s)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if isinstance(reply.body, bytes):
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        for piece in reply.pieces(self.server):
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
        """Say nothing."""


def make_certificate(folder: Path) -> Path:
    """Write one PEM file: a certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer of the drills")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "issuer.pem"
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


def _server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _bound(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    return found

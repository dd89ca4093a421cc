"""A healthy issuer for the doctor to ask, by HTTP or by TLS, that a test may spoil in one way."""

import os
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bearerguard.dev.issuer import Issuer
from bearerguard.dev.provider_shapes import SHAPES

AUDIENCE = "https://api.example.com"
SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
ENVIRONMENT = re.compile(r".*_proxy|BEARERGUARD_.*|SSL_CERT_(FILE|DIR)", re.IGNORECASE)

Page = tuple[int, dict[str, str], bytes]


@dataclass
class Answers:
    """What every server answers: a page of ``pages`` by its path, else ``otherwise``."""

    otherwise: Callable[[str], Page]
    pages: dict[str, Page | Callable[[], Page]] = field(default_factory=dict)
    clock_ahead: timedelta = timedelta()
    bodies: list[str] = field(default_factory=list)

    def at(self, path: str) -> Page:
        page = self.pages.get(path)
        if page is None:
            return self.otherwise(path)
        return page() if callable(page) else page


@contextmanager
def serving(answers: Answers, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a port of 127.0.0.1, and give its number."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            answers.bodies.append(self.rfile.read(length).decode())
            status, headers, body = answers.at(self.path)
            self.send_response_only(status)
            sent = datetime.now(UTC) + answers.clock_ahead
            for name, value in ({"Date": format_datetime(sent, usegmt=True)} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that hangs up, or a handshake that fails, is what the tests are about."""

        def get_request(self) -> Any:
            connection, address = super().get_request()
            if tls is None:
                return connection, address
            connection.settimeout(5)
            return tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), 0

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Authority:
    """Signs certificates; ``file`` holds its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        own = self._builder(self._name, self._key, timedelta(days=1)).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        own = own.add_extension(identifier, critical=False).add_extension(SIGNS, critical=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))

    def tls(self, host: str, lasts: timedelta = timedelta(days=1)) -> ssl.SSLContext:
        """Make what a server needs to be ``host``, until ``lasts`` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        is_address = host[0].isdigit()
        named = x509.IPAddress(ip_address(host)) if is_address else x509.DNSName(host)
        builder = self._builder(name, key, lasts).add_extension(
            x509.SubjectAlternativeName([named]), critical=False
        )
        # Python 3.13 asks for these two.
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        both = self.folder / f"{host}-{lasts.days}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        both.write_bytes(secret + _pem(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        return context

    def _builder(self, name: x509.Name, key: Any, lasts: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + lasts)
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class World:
    """A healthy set-up, which a seed spoils in one way.

    ``url`` is the issuer by HTTP; ``tls(host)`` starts another server with a certificate of
    ``authority`` for this host.
    """

    def __init__(self, patch: pytest.MonkeyPatch, stack: ExitStack, key: Any, folder: Any) -> None:
        self.patch, self.folder, self._stack, self._key = patch, folder, stack, key
        self.answers = Answers(self._page)
        self.url = f"http://127.0.0.1:{stack.enter_context(serving(self.answers))}"
        self.issuer = Issuer(self.url, audience=AUDIENCE, key=key)
        self.values = {"url": self.url, "port": self.url.rpartition(":")[2]}
        self.token: str | None = None
        for name in [name for name in os.environ if ENVIRONMENT.fullmatch(name)]:
            patch.delenv(name)
        self.set(ISSUER=self.url, AUDIENCE=AUDIENCE)

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            self.patch.setenv(f"BEARERGUARD_{name}", value)

    def unset(self, *names: str) -> None:
        for name in names:
            self.patch.delenv(f"BEARERGUARD_{name}")

    def name_issuer(self, url: str, shape: str = "rfc9068") -> None:
        """Let the issuer call itself so from now on."""
        self.issuer = Issuer(url, audience=AUDIENCE, key=self._key, shape=SHAPES[shape])

    def serve(self, path: str, page: Any) -> None:
        self.answers.pages[path] = page

    def tls(self, host: str, lasts: timedelta = timedelta(days=1), *, trusted: bool = True) -> str:
        authority = Authority(self.folder)
        port = self._stack.enter_context(serving(self.answers, authority.tls(host, lasts)))
        self.values |= {"ca": str(authority.file), "port": str(port)}
        if trusted:
            self.set(CA_FILE=str(authority.file))
        return f"https://127.0.0.1:{port}"

    def use(self, url: str) -> None:
        self.name_issuer(url)
        self.set(ISSUER=url)

    def _page(self, path: str) -> Any:
        origin = "/".join(self.issuer.url.split("/")[:3])
        limits = {"timeout_s": 1.0, "max_bytes": 1}
        answer = self.issuer.fetch(f"{origin}{path}", headers={}, **limits)
        return answer.status, dict(answer.headers), answer.body

    def other_authority(self) -> str:
        """Give the certificate of an authority that signed nothing here."""
        folder = self.folder / "other"
        folder.mkdir()
        return str(Authority(folder).file)

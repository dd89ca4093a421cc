"""An authorization server on a real socket that answers what a test says, and guards that ask it."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import pytest

from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard.testing import Issuer

API = "https://api.example"
CLIENT = {"introspection_client_id": "api", "introspection_client_secret": "hush"}


def by_path(folder: str, name: str) -> ModuleType:
    """Load a module of another test folder, none of which is a package."""
    file = Path(__file__).parents[1] / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


JWKS = by_path("jwks", "conftest")
serve = JWKS.serve  # starts servers that answer without looking at the request
http_answer = JWKS.http_answer


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire."""

    method: str
    target: str
    fields: dict[str, str]
    form: dict[str, list[str]] = field(repr=False)

    def only(self, name: str) -> str:
        (value,) = self.form[name]
        return value


class AuthorizationServer(JWKS.Server):
    """Answers each POST with ``answer``, and everything else with its metadata or its keys.

    ``answer`` is a document, the bytes of a whole HTTP answer, or a function of the request that
    gives either. ``asked`` has the requests about tokens, ``fetched`` the targets of the others.
    """

    def __init__(self, write: Callable[..., bytes], key: Any, tls: Any = None) -> None:
        self.asked: list[Asked] = []
        self.fetched: list[str] = []
        self.answer: Any = {"active": False}
        self.metadata: dict[str, Any] = {}
        self._write = write
        super().__init__(None, tls)
        self.issuer = Issuer(self.url("").rstrip("/"), key=key)

    def good(self, **changes: Any) -> dict[str, Any]:
        """What is said of a good token."""
        return {"active": True, **self.issuer.claims(**changes)}

    def guard(self, **settings: Any) -> Guard:
        """Make a guard that asks here, over the socket."""
        return Guard(**{"issuer": self.issuer.url, "audience": API, **CLIENT, **settings})

    def _answer(self, connection: Any) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            received = connection.recv(65536)
            if not received:
                return
            request += received
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        while len(body) < int(fields.get("content-length", 0)):
            body += connection.recv(65536)
        method, target, _ = first.split(" ")
        if method == "GET":
            self.fetched.append(target)
            document = self.issuer.jwks() if target == "/jwks.json" else self._metadata()
            connection.sendall(self._write(json.dumps(document).encode()))
            return
        asked = Asked(method, target, fields, parse_qs(body.decode(), keep_blank_values=True))
        self.asked.append(asked)
        answer = self.answer(asked) if callable(self.answer) else self.answer
        if isinstance(answer, dict | list):
            answer = self._write(json.dumps(answer).encode())
        if callable(answer):
            answer(connection, self.stop)
        else:
            connection.sendall(answer)

    def _metadata(self) -> dict[str, Any]:
        return {**self.issuer.metadata(), **self.metadata}


@pytest.fixture
def as_server(
    serve: Any, http_answer: Callable[..., bytes], signing_key: Any
) -> Iterator[Callable[..., AuthorizationServer]]:
    """Start authorization servers that end with the test; proxies of the machine do not count."""
    servers: list[AuthorizationServer] = []

    def start(tls: Any = None) -> AuthorizationServer:
        servers.append(AuthorizationServer(http_answer, signing_key, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def server(as_server: Callable[..., AuthorizationServer]) -> AuthorizationServer:
    return as_server()


@pytest.fixture
def asking(issuer: Issuer) -> Guard:
    """A guard that asks the issuer in memory about opaque tokens."""
    return issuer.guard(**CLIENT)


@pytest.fixture
def outcome() -> Callable[..., Any]:
    """Give the subject of a token, or why it is refused, or 503."""

    def of(guard: Guard, raw: str) -> Any:
        try:
            return guard.verify(raw).subject
        except RejectedError as refusal:
            kind = (refusal.status, refusal.error)
            return refusal.reason if kind == (401, "invalid_token") else kind
        except UnavailableError as refusal:
            return 503 if 1 <= refusal.retry_after <= 60 else refusal

    return of


@pytest.fixture(scope="session")
def client() -> dict[str, str]:
    """The settings without which nobody is asked."""
    return CLIENT


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, and its private key, in one file."""
    return by_path("jwks", "test_figures").certificate.__wrapped__(tmp_path)

"""Loaders, fetchers and servers that do what a test tells them, and keys that cost nothing."""

import contextlib
import importlib.util
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bearerguard.core.key_set import Key, KeySet
from bearerguard.jwks.cache import KeyCache
from bearerguard.jwks.fetch import Fetched
from bearerguard.jwks.source import KeySource
from bearerguard.jwks.states import LoadedKeys

# Nothing waits as long as this unless the code under test is broken.
PATIENCE_S = 20.0


def some_key(kid: str | None, thumbprint: str | None = None) -> Key:
    """A key that no signature is ever checked with."""
    return Key(kid, frozenset({"RS256"}), thumbprint or f"thumbprint of {kid}", None)


@pytest.fixture(scope="session")
def key_set() -> Callable[..., KeySet]:
    return lambda *kids: KeySet(tuple(some_key(kid) for kid in kids))


@pytest.fixture(scope="session")
def make_cache() -> Callable[..., KeyCache]:
    """A cache of 300 s, an hour of grace, 5 s for a fetch, no jitter, unless the test says so."""

    def make(**changes: Any) -> KeyCache:
        settings = {"ttl_s": None, "stale_for_s": 3600.0, "deadline_s": 5.0, "jitter": lambda: 0.0}
        return KeyCache(**(settings | changes))

    return make


class Loader:
    """What a KeySource calls to load keys; it can be held up, fail, and change its keys."""

    def __init__(self) -> None:
        self.kids: list[str | None] = ["a"]
        self.error: BaseException | None = None
        self.max_age_s: float | None = None
        self.calls = 0
        self.at_once = 0
        self.most_at_once = 0
        self.begun = threading.Event()
        self._gate = threading.Event()
        self._gate.set()

    def hold(self) -> None:
        """Let no call return until released."""
        self.begun.clear()
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    def __call__(self, *, anew: bool = False) -> LoadedKeys:
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        gate = self._gate
        self.begun.set()
        try:
            assert gate.wait(PATIENCE_S), "nobody let this load go on"
        finally:
            self.at_once -= 1
        if self.error is not None:
            raise self.error
        return LoadedKeys(KeySet(tuple(some_key(kid) for kid in self.kids)), self.max_age_s)

    def give_up_on_running_calls(self) -> None:
        """Leave the calls that are held behind their gate for good; new ones run freely."""
        self._left = [*getattr(self, "_left", []), self._gate]
        self._gate = threading.Event()
        self._gate.set()

    def release_everything(self) -> None:
        for gate in [*getattr(self, "_left", []), self._gate]:
            gate.set()


@pytest.fixture
def loader() -> Iterator[Loader]:
    loader = Loader()
    yield loader
    loader.release_everything()
    for thread in threading.enumerate():
        if thread.name.startswith("bearerguard-fetch-"):
            thread.join(PATIENCE_S)


@pytest.fixture
def make_source(loader: Loader, make_cache: Callable[..., KeyCache]) -> Callable[..., KeySource]:
    """A source of the loader's keys; ``clock`` and what make_cache takes are arguments."""

    def make(**changes: Any) -> KeySource:
        clock = {"clock": changes.pop("clock")} if "clock" in changes else {}
        return KeySource(loader, make_cache(**changes), **clock)

    return make


def landed_future(source: KeySource) -> Future[None]:
    return source._landed


@pytest.fixture(scope="session")
def after_landing() -> Callable[[KeySource], None]:
    """Wait until the fetch that is under way has landed."""
    return lambda source: landed_future(source).result(PATIENCE_S)


class Script:
    """A Fetcher that gives each URL its answer and notes what was asked.

    An answer is a Fetched, an exception, or a function that gives one; other URLs are 404.
    """

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = dict(answers)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.timeouts: list[float] = []

    @property
    def urls(self) -> list[str]:
        return [url for url, _ in self.requests]

    def fetch(
        self, url: str, *, headers: Mapping[str, str], timeout_s: float, max_bytes: int
    ) -> Fetched:
        self.requests.append((url, dict(headers)))
        self.timeouts.append(timeout_s)
        answer = self.answers.get(url, Fetched(404))
        if callable(answer):
            answer = answer()
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture(scope="session")
def script() -> type[Script]:
    return Script


class Server:
    """A TCP server on loopback; ``handle(connection, stop)`` runs after a request's header."""

    def __init__(
        self,
        handle: Callable[[socket.socket, threading.Event], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self.stop = threading.Event()
        self._handle = handle
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._spawn(self._accept)

    def url(self, path: str = "/jwks") -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.stop.set()
        # Closing a listener does not wake who accepts; a last caller does.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S).close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._listener.close()

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self.stop.is_set():
                connection.close()
                return
            self.connections += 1
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        # Whatever the client does to the connection is the test's business, not ours.
        with connection, contextlib.suppress(OSError):
            if self._tls is not None:
                with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                    self._answer(wrapped)
            else:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            received = connection.recv(65536)
            if not received:
                return
            request += received
        self.requests.append(request.decode("latin-1"))
        self._handle(connection, self.stop)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test: serve(handle) or serve(bytes of the whole answer)."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    servers: list[Server] = []

    def start(handle: Any, tls: ssl.SSLContext | None = None) -> Server:
        if isinstance(handle, bytes):
            answer = handle

            def handle(connection: socket.socket, _stop: threading.Event) -> None:
                connection.sendall(answer)

        server = Server(handle, tls)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def http_answer() -> Callable[..., bytes]:
    """Write an HTTP/1.1 answer as it goes over the wire."""

    def write(body: bytes = b"", status: int = 200, **fields: str) -> bytes:
        fields = {"content_type": "application/json", "content_length": str(len(body))} | fields
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
        head = "\r\n".join([f"HTTP/1.1 {status} Status", *lines, "connection: close"])
        return head.encode("latin-1") + b"\r\n\r\n" + body

    return write


def by_path(name: str) -> ModuleType:
    """Load a module beside this one: test folders are no packages, so that it has no name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def machine() -> ModuleType:
    """The key cache under observation, and its promises."""
    return by_path("machine")


@pytest.fixture(scope="session")
def exploration() -> ModuleType:
    """How everything that can happen to a key cache is gone through."""
    return by_path("exploration")

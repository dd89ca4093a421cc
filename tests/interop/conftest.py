"""Starts real servers as processes of their own, waits until they answer, and stops them.

All of them listen on 127.0.0.1 at a port that the system chooses and that they print. Each is
stopped by its own process id at the end of the module that started it, and its output goes to a
file, so that a full pipe can stop nothing. No wait is without a deadline.
"""

import base64
import hashlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bearerguard.testing import Issuer, SigningKey

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
AUDIENCE = "https://orders.example"

STARLETTE = (EXAMPLES / "starlette_app", ["uvicorn", "--port", "0", "app:app"])
FLASK = (EXAMPLES / "flask_app", ["gunicorn", "--bind", "127.0.0.1:0", "app:app"])
COMMANDS = {
    "starlette under uvicorn": STARLETTE,
    "flask under gunicorn": FLASK,
    "starlette under hypercorn": (
        EXAMPLES / "starlette_app",
        # Without workers: hypercorn 0.18 forgets how its workers ended and exits with 0.
        ["hypercorn", "--workers", "0", "--bind", "127.0.0.1:0", "app:app"],
    ),
    "plain ASGI under uvicorn": (HERE, ["uvicorn", "--port", "0", "plain_asgi_app:app"]),
    "plain ASGI under hypercorn": (
        HERE,
        ["hypercorn", "--workers", "0", "--bind", "127.0.0.1:0", "plain_asgi_app:app"],
    ),
}

# A loaded machine takes its time. These bounds only end what hangs.
START_S = 30.0
STOP_S = 10.0
EVENTUALLY_S = 25.0

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+(?=\s)")  # the whole number, not the half of a line


class Server:
    """A process that serves HTTP, at the address that it prints."""

    def __init__(self, command: list[str], folder: Path, log: Path, settings: dict[str, str]):
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env=environment(log.parent, settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def wait_for_address(self) -> str:
        """Give the server's URL as soon as it answers."""

        def address() -> str | None:
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended:\n{self.output()}")
            found = ADDRESS.search(self.output())
            return found and found.group()

        try:
            url = wait_for(address, START_S)
            wait_for(lambda: _answers(url), START_S)
        except BaseException:
            self.stop()
            raise
        return url

    def wait_for_exit(self) -> int:
        """Give the exit code of a process that is expected to end by itself."""
        try:
            return self._process.wait(START_S)
        finally:
            self.stop()

    def pause(self) -> None:
        """Let the process hang: the system still takes connections, and nobody answers them."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process in the middle of whatever it does."""
        self._process.kill()
        self._process.wait(STOP_S)

    def begin_to_stop(self) -> None:
        self._process.terminate()
        self.resume()

    def stop(self) -> None:
        self.begin_to_stop()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)


def _answers(url: str) -> bool:
    """uvicorn says where it listens before its workers do."""
    try:
        httpx.get(url, timeout=START_S, trust_env=False)
    except httpx.ConnectError:
        return False
    return True


@dataclass(frozen=True)
class AuthorizationServer:
    """Authlib's authorization server in its process, and the clients that ask it for tokens."""

    server: Server
    url: str
    http: httpx.Client

    def token(self, scope: str) -> str:
        """Get a token by client credentials (RFC 6749 section 4.4)."""
        form = {"grant_type": "client_credentials", "scope": scope}
        return self._ask_for_token(form, auth=("batch-job", "batch-secret"))

    def token_of_alice(self, scope: str) -> str:
        """Get a token by authorization code with PKCE (RFC 6749 4.1, RFC 7636)."""
        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        callback = "https://shop.example/callback"
        question = {
            "response_type": "code",
            "client_id": "shop",
            "redirect_uri": callback,
            "scope": scope,
            "state": secrets.token_urlsafe(16),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        redirect = self.http.get("/authorize", params=question)
        assert redirect.status_code == 302, redirect.text
        answer = parse_qs(urlsplit(redirect.headers["location"]).query)
        assert answer["state"] == [question["state"]]
        form = {
            "grant_type": "authorization_code",
            "client_id": "shop",
            "redirect_uri": callback,
            "code": answer["code"][0],
            "code_verifier": verifier,
        }
        return self._ask_for_token(form)

    def rotate(self, *, keep_old: bool) -> None:
        """Sign with a new key from now on, and withdraw the old one unless told otherwise."""
        keep = "yes" if keep_old else "no"
        self.http.post("/test/rotate", params={"keep": keep}).raise_for_status()

    def sign_with(self, alg: str) -> None:
        """Sign with the key of another algorithm; what is published stays the same."""
        self.http.post(f"/test/algorithm/{alg}").raise_for_status()

    def _ask_for_token(self, form: dict[str, str], auth: tuple[str, str] | None = None) -> str:
        answer = self.http.post("/token", data=form, auth=auth or httpx.USE_CLIENT_DEFAULT)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]


@dataclass(frozen=True)
class Api:
    """An example application in its process."""

    server: Server
    http: httpx.Client

    def get(self, path: str, token: str | None = None) -> httpx.Response:
        return self.http.get(path, headers=bearer(token))

    def post(self, path: str, token: str, body: object) -> httpx.Response:
        return self.http.post(path, headers=bearer(token), json=body)


@dataclass(frozen=True)
class Apis:
    """Both example applications, which must give the same answers."""

    by_name: dict[str, Api]

    def get(self, path: str, token: str | None = None) -> list[httpx.Response]:
        return [api.get(path, token) for api in self.by_name.values()]

    def statuses(self, path: str, token: str | None = None) -> dict[str, int]:
        return {name: api.get(path, token).status_code for name, api in self.by_name.items()}


class KeyServer:
    """An issuer that is a process of its own and may be killed, while its keys and its port stay.

    ``tokens`` signs, in the test's own process.
    """

    def __init__(self, folder: Path, start: Callable[..., Server]) -> None:
        self._folder = folder
        self._start = start
        # Bound and never listening: nobody else gets the port while the server is dead.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port = self._holder.getsockname()[1]
        self.tokens = Issuer(
            f"http://127.0.0.1:{self.port}", audience=AUDIENCE, key=SigningKey.generate("ES256")
        )
        self.published_at: dict[str, float] = {}
        self.publish()
        self.start()

    def publish(self) -> None:
        """Put the keys that there are into the key set, at once and as a whole."""
        written = self._folder / "written"
        written.write_text(json.dumps(self.tokens.jwks()))
        written.replace(self._folder / "jwks.json")
        for key in self.tokens.keys:
            self.published_at.setdefault(key.kid, time.monotonic())

    def rotate(self) -> None:
        """Sign with a new key from now on; the old ones stay published."""
        self.tokens.rotate()
        self.publish()

    def start(self) -> None:
        self.server = self._start(HERE, ["key_server.py", str(self._folder), str(self.port)])
        self.server.wait_for_address()

    def kill(self) -> None:
        self.server.kill()

    def take_requests(self) -> list[str]:
        """Give the paths that were asked for since the last call, but for our own look."""
        log = self._folder / "requests"
        found = log.read_text().split()
        log.write_text("")
        return [path for path in found if path != "/"]

    def close(self) -> None:
        self._holder.close()


class Event(NamedTuple):
    """What happened to the keys of a worker, and when, on the monotonic clock."""

    worker: int
    at: float
    what: str
    duration_s: float


class Heard(NamedTuple):
    """An answer: when it was asked for and when it was there, on the monotonic clock."""

    asked_at: float
    heard_at: float
    kid: str
    worker: int
    status: int
    fields: dict[str, str]


class WatchedApi:
    """The applications of watched_apps.py on a real server with several workers."""

    def __init__(self, server: Server, events: Path) -> None:
        self.server = server
        self._events = events
        self._port = urlsplit(server.wait_for_address()).port

    def get(self, token: str, kid: str = "") -> Heard:
        """Ask by a connection of its own, so that any worker may get it."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=START_S)
        asked_at = time.monotonic()
        try:
            connection.request("GET", "/", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            worker = int(fields["x-worker"])
            return Heard(asked_at, time.monotonic(), kid, worker, answer.status, fields)
        finally:
            connection.close()

    def events(self) -> list[Event]:
        lines = self._events.read_text().splitlines() if self._events.exists() else []
        found = [line.split() for line in lines]
        return [Event(int(pid), float(at), what, float(took)) for pid, at, what, took in found]


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def both(status: int) -> dict[str, int]:
    return {"starlette": status, "flask": status}


def environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """Give a process our environment, but no settings other than these."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("BEARERGUARD_")}
    # gunicorn puts a control socket into the runtime folder: not into the user's own.
    private = {"PYTHONUNBUFFERED": "1", "XDG_RUNTIME_DIR": str(folder)}
    return {**inherited, **private, **settings}


def wait_for(condition, within_s: float = EVENTUALLY_S):
    """Give what the condition gives as soon as it is true, and fail when it never is."""
    ends_at = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < ends_at, f"still {value!r} after {within_s:g} s"
        time.sleep(0.02)
    return value


@pytest.fixture(name="wait_for", scope="session")
def wait_for_fixture() -> Callable[..., object]:
    return wait_for


@pytest.fixture(name="both", scope="session")
def both_fixture() -> Callable[[int], dict[str, int]]:
    return both


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """``start(folder, command, **settings)`` begins a server, which ends with the module."""
    servers: list[Server] = []

    def begin(folder: Path, command: list[str], **settings: str) -> Server:
        log = tmp_path_factory.mktemp("server") / "log"
        servers.append(Server(command, folder, log, settings))
        return servers[-1]

    yield begin
    for server in servers:
        server.begin_to_stop()
    for server in servers:
        server.stop()


@pytest.fixture
def key_server(start, tmp_path: Path) -> Iterator[KeyServer]:
    folder = tmp_path / "issuer"
    folder.mkdir()
    server = KeyServer(folder, start)
    yield server
    server.close()


@pytest.fixture
def start_watched(start, key_server, tmp_path: Path) -> Callable[..., WatchedApi]:
    """``start_watched(["gunicorn", ...], JWKS_TTL="1s")``, guarded for ``key_server``."""

    def begin(command: list[str], **settings: str) -> WatchedApi:
        settings = {"ISSUER": key_server.tokens.url, "AUDIENCE": AUDIENCE, **settings}
        named = {f"BEARERGUARD_{name}": value for name, value in settings.items()}
        events = tmp_path / f"events-{secrets.token_hex(4)}"
        server = start(HERE, ["-m", *command], WATCHED_EVENTS=str(events), **named)
        return WatchedApi(server, events)

    return begin


@pytest.fixture(scope="module")
def clients() -> Iterator[Callable[[str], httpx.Client]]:
    """``clients(url)`` gives an HTTP client for a server, which is closed with the module."""
    opened: list[httpx.Client] = []

    def client(url: str) -> httpx.Client:
        opened.append(httpx.Client(base_url=url, timeout=START_S, trust_env=False))
        return opened[-1]

    yield client
    for used in opened:
        used.close()


@pytest.fixture(scope="module")
def start_authorization_server(start, clients) -> Callable[..., AuthorizationServer]:
    def begin() -> AuthorizationServer:
        server = start(HERE, ["authorization_server.py", AUDIENCE])
        url = server.wait_for_address()
        return AuthorizationServer(server, url, clients(url))

    return begin


@pytest.fixture(scope="module")
def start_apis(start, clients) -> Callable[..., Apis]:
    """``start_apis(issuer, JWKS_TTL="1s")`` starts both example applications at once."""

    def begin(issuer: str, **settings: str) -> Apis:
        settings = {"ISSUER": issuer, "AUDIENCE": AUDIENCE, **settings}
        named = {f"BEARERGUARD_{name}": value for name, value in settings.items()}
        servers = {
            name: start(folder, ["-m", *command], **named)
            for name, (folder, command) in {"starlette": STARLETTE, "flask": FLASK}.items()
        }
        return Apis({n: Api(s, clients(s.wait_for_address())) for n, s in servers.items()})

    return begin


@pytest.fixture(scope="module")
def authorization_server(start_authorization_server) -> AuthorizationServer:
    return start_authorization_server()


@pytest.fixture(scope="module")
def apis(start_apis, authorization_server) -> Apis:
    return start_apis(authorization_server.url)


@pytest.fixture(params=["starlette", "flask"])
def api(apis: Apis, request: pytest.FixtureRequest) -> Api:
    return apis.by_name[request.param]


@pytest.fixture(params=COMMANDS)
def started_without_settings(start, request: pytest.FixtureRequest) -> Server:
    """A guarded application in an environment that says nothing of bearerguard."""
    folder, command = COMMANDS[request.param]
    return start(folder, ["-m", *command])

"""Applications on real servers, each a process of its own on a free port of 127.0.0.1."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Self

from . import processors

ROOT = Path(__file__).parents[2]
START_S = 60.0
STOP_S = 10.0
TICK_S = 0.02
ANSWER_S = 10.0
PATH = "/orders"
APPS = f"{__package__}.apps"
# Both servers say where they listen.
LISTENS = re.compile(r"http://127\.0\.0\.1:(\d+)")
THREADS = 4


class ServerError(Exception):
    """A server did not start; the message has its last words."""


def uvicorn(app: str) -> list[str]:
    """Serve an ASGI application: one worker, uvloop and httptools where they are installed."""
    server = ["-m", "uvicorn", f"{APPS}.{app}:app", "--no-access-log"]
    return [*server, "--host", "127.0.0.1", "--port", "0"]


def gunicorn(app: str) -> list[str]:
    """Serve a WSGI application: one worker with threads; it logs no access by itself."""
    server = ["-m", "gunicorn", f"{APPS}.{app}:app", "--bind", "127.0.0.1:0"]
    return [*server, "--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS)]


class Server:
    """One server process. Use it in a ``with`` block: it is ended at the end.

    Raises:
        ServerError: it does not start.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__
        # gunicorn puts a control socket into the runtime folder: not into the user's own.
        self._folder = tempfile.TemporaryDirectory()
        with processors.for_servers():
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                cwd=ROOT,
                env={**_clean_environment(), **environment, "XDG_RUNTIME_DIR": self._folder.name},
            )
        try:
            self.port = self._wait_for_port()
        except ServerError:
            self._end()
            raise

    @property
    def url(self) -> str:
        """The one resource that every application has."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, token: str | None) -> tuple[int, bytes]:
        """Send one request on a connection of its own; give status and body."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request("GET", PATH, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def words(self) -> str:
        """Give what the server has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _wait_for_port(self) -> int:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            found = LISTENS.search(self.words())
            if found and self._answers(int(found[1])):
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(TICK_S)
        raise ServerError(f"{' '.join(self.process.args[1:5])}: {self.words()[-2000:]}")

    def _answers(self, port: int) -> bool:
        """Gunicorn listens before its worker has loaded the application."""
        self.port = port
        try:
            return self.ask(None)[0] > 0
        except OSError:
            return False

    def _end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
        self._folder.cleanup()


def _clean_environment() -> dict[str, str]:
    """Leave out what the shell of the benchmark may say to the guards."""
    return {k: v for k, v in os.environ.items() if not k.startswith("BEARERGUARD_")}

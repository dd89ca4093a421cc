"""A contender in a process of its own, and the conversation with it."""

import json
import os
import select
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
# A caller that has no answer by then is said to hang. PyJWT's client gives up after 30 s.
DEADLINE_S = 35.0
START_S = 60.0
# The child itself ends what takes too long; a little later it is the child that is stuck.
GRACE_S = 10.0


class StuckError(Exception):
    """The process does not answer any more, or has ended; the message says which."""


@dataclass(frozen=True)
class Player:
    """A contender that can be started: its interpreter, its adapter, and what it told of itself."""

    adapter: Path
    python: Path
    about: dict[str, Any]

    @property
    def name(self) -> str:
        """The name that tables show."""
        return str(self.about["name"])

    @property
    def modes(self) -> list[str]:
        """How it can be asked, "tasks" and "threads"; the first is its usual way."""
        return list(self.about["modes"])


class Child:
    """One fresh process. Use it in a ``with`` block: it is killed at the end, whatever it does."""

    def __init__(
        self, python: Path, adapter: Path, setup: dict[str, Any], certificate: Path | None = None
    ) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__
        self._process = subprocess.Popen(
            [python, "-P", HERE / "child.py", adapter],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=_environment(certificate),
        )
        self._pending = b""
        self._send(setup)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._complaints.close()

    def ask(self, what: str, deadline_s: float = DEADLINE_S, **command: Any) -> dict[str, Any]:
        """Have one command done.

        Raises:
            StuckError: there is no answer, and there will be none.
        """
        self._send({"do": what, "deadline_s": deadline_s, **command})
        allowed_s = START_S if what == "hello" else deadline_s + GRACE_S
        answer: dict[str, Any] = json.loads(self._line(time.monotonic() + allowed_s))
        return answer

    def _send(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise StuckError(self._last_words()) from None

    def _line(self, ends_at: float) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._pending:
            left_s = ends_at - time.monotonic()
            if left_s <= 0 or not select.select([pipe], [], [], left_s)[0]:
                raise StuckError("no answer")
            got = os.read(pipe, 1 << 20)
            if not got:
                raise StuckError(self._last_words())
            self._pending += got
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _last_words(self) -> str:
        self._process.wait(GRACE_S)
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with {self._process.returncode}"


def _environment(certificate: Path | None) -> dict[str, str]:
    """Give what a contender may see of this environment: no proxies, and the drill's authority."""
    hidden = ("_proxy", "bearerguard_", "pythonpath")
    kept = {name: value for name, value in os.environ.items() if not _has(name.lower(), hidden)}
    if certificate is not None:
        kept |= {"SSL_CERT_FILE": str(certificate), "REQUESTS_CA_BUNDLE": str(certificate)}
    return kept


def _has(name: str, parts: tuple[str, ...]) -> bool:
    return any(part in name for part in parts)

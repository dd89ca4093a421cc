"""Load from a second process: wrk, or where there is none a process of Python's own.

Both keep a number of connections busy, one request at a time on each, walk a list of Authorization
values, and end with a line of JSON.
"""

import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import processors

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONNECTIONS = 16
# What starting and ending may take beyond the load itself.
GRACE_S = 30.0


class LoadError(Exception):
    """A turn that does not count; the message says why."""


@dataclass(frozen=True)
class Measured:
    """What one turn found: requests, how many in a second, and milliseconds for one."""

    requests: int
    throughput: float
    p50_ms: float
    p99_ms: float


@dataclass
class Walk:
    """A list of Authorization values in a file, and how many requests have gone down it so far.

    The next turn goes on where the last one ended. Were each to start at the top, it would begin
    with those tokens that a server saw last, and has in its cache.
    """

    path: Path
    length: int
    position: int = 0

    @classmethod
    def of(cls, path: Path, tokens: list[str]) -> "Walk":
        """Write the file."""
        path.write_text("".join(f"Bearer {token}\n" for token in tokens), encoding="ascii")
        return cls(path, len(tokens))


def has_wrk() -> bool:
    """Tell whether wrk can be used."""
    return shutil.which("wrk") is not None


def described() -> str:
    """Say who makes the load."""
    if not has_wrk():
        return "a Python process (asyncio), which competes harder for the processor than wrk does"
    answer = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    words = (answer.stdout + answer.stderr).split()
    return " ".join(words[:2])


def load(url: str, walk: Walk, seconds: float, *, with_wrk: bool) -> Measured:
    """Load a server and advance the walk.

    Raises:
        LoadError: an answer was not 200, or a connection broke.
    """
    started_at = walk.position
    command = _wrk(url, walk, seconds) if with_wrk else _python(url, walk, seconds)
    found = _run(command, seconds + GRACE_S)
    # Those that were on their way at the end are not counted, and were seen by the server.
    walk.position = (started_at + int(found["requests"]) + CONNECTIONS) % walk.length
    if found["refused"] or found["broken"] or not found["requests"]:
        raise LoadError(
            f"{url}: of {found['requests']} answers {found['refused']} were not 200, "
            f"and {found['broken']} failed"
        )
    return Measured(
        requests=found["requests"],
        throughput=found["requests"] / found["duration_us"] * 1e6,
        p50_ms=found["p50_us"] / 1000,
        p99_ms=found["p99_us"] / 1000,
    )


def _wrk(url: str, walk: Walk, seconds: float) -> list[str]:
    # It takes whole seconds only.
    options = ["-t", "1", "-c", str(CONNECTIONS), "-d", f"{math.ceil(seconds)}s"]
    script = ["-s", str(HERE / "walk.lua")]
    return ["wrk", *options, *script, url, "--", str(walk.path), str(walk.position)]


def _python(url: str, walk: Walk, seconds: float) -> list[str]:
    module = [sys.executable, "-m", f"{__package__}.python_load"]
    return [*module, url, str(walk.path), str(walk.position), str(CONNECTIONS), str(seconds)]


def _run(command: list[str], timeout_s: float) -> dict[str, Any]:
    with processors.for_load():
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT, check=False
        )
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode != 0 or not lines:
        raise LoadError(f"{command[0]} failed: {run.stderr.strip() or run.stdout.strip()}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found

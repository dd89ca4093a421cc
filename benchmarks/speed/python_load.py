"""The load where wrk is absent: ``python -m benchmarks.speed.python_load URL FILE SKIP N SECONDS``.

N connections, one request at a time on each, in one thread.
"""

import asyncio
import importlib
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

END_OF_HEAD = b"\r\n\r\n"


class Tally:
    """The answers of all connections."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests = requests
        self.times_ns: list[int] = []
        self.refused = 0
        self.broken = 0
        self.is_over = False


class Connection(asyncio.Protocol):
    """Sends a request as soon as the last one is answered."""

    transport: asyncio.Transport

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.received = b""
        self.sent_at = 0

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Wait for the whole answer, count it, and go on."""
        self.received += data
        head, end, body = self.received.partition(END_OF_HEAD)
        if not end or len(body) < _length_in(head):
            return
        if self.tally.is_over:
            return
        self.tally.times_ns.append(time.perf_counter_ns() - self.sent_at)
        self.tally.refused += not head.startswith(b"HTTP/1.1 200 ")
        self.received = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that the server closed; nothing opens it again."""
        _ = exc
        self.tally.broken += not self.tally.is_over

    def _send(self) -> None:
        self.sent_at = time.perf_counter_ns()
        self.transport.write(next(self.tally.requests))


def _length_in(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def run(url: str, requests: Iterator[bytes], connections: int, seconds: float) -> Any:
    """Load a server; give what wrk's script gives, in microseconds."""
    parts = urlsplit(url)
    tally = Tally(requests)
    loop = asyncio.get_running_loop()
    start = time.perf_counter_ns()
    opened = [
        await loop.create_connection(lambda: Connection(tally), parts.hostname, parts.port)
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    duration_ns = time.perf_counter_ns() - start
    tally.is_over = True
    for transport, _ in opened:
        transport.close()
    times = sorted(tally.times_ns) or [0]
    return {
        "requests": len(tally.times_ns),
        "duration_us": duration_ns // 1000,
        "p50_us": times[len(times) // 2] // 1000,
        "p99_us": times[len(times) * 99 // 100] // 1000,
        "refused": tally.refused,
        "broken": tally.broken,
    }


def walk(url: str, path: Path, skip: int) -> Iterator[bytes]:
    """Make a request of each line, and start over at the end."""
    parts = urlsplit(url)
    lines = path.read_bytes().splitlines()
    head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: ".encode()
    requests = [head + line + END_OF_HEAD for line in lines]
    return itertools.islice(itertools.cycle(requests), skip % len(requests), None)


def main() -> None:
    """Load, and print one line."""
    url, path, skip, connections, seconds = sys.argv[1:]
    requests = walk(url, Path(path), int(skip))
    try:
        loop_factory = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        print(json.dumps(runner.run(run(url, requests, int(connections), float(seconds)))))


if __name__ == "__main__":
    main()

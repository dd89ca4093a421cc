"""For how long does the event loop stand still while the first keys come from a slow issuer?

    python benchmarks/event_loop_stall.py [--runs N]

Each run is a process of its own in which nothing has been used before: its first token makes it
load the HTTP client, find the issuer's metadata and fetch the keys, which take two seconds to come.
Meanwhile a task that sleeps for a millisecond at a time measures the gaps. One kind of run by http,
one by https.

Prints JSON, in milliseconds, the median and the worst over all runs:

``stall``    the longest gap
``own``      the most that this process itself computed in one gap: on a machine that has other work
             the gaps are longer than that, because a process has to wait for its turn
``at_rest``  the longest gap in the same process while it has nothing to do: the machine's share
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

import bearerguard

DELAY_S = 2.0
TICK_S = 0.001
REST_S = 0.5
# What hangs is ended; nothing that works takes so long.
PATIENCE_S = 60.0


class Ticker:
    """Asks for a millisecond of sleep again and again, and notes the longest time between two.

    ``own_s`` is the most time on a processor that the process took between two.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.own_s = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        last, last_own = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(TICK_S)
            now, now_own = time.perf_counter(), time.process_time()
            self.longest_s = max(self.longest_s, now - last)
            self.own_s = max(self.own_s, now_own - last_own)
            last, last_own = now, now_own


async def ticker_during(work: Awaitable[object]) -> Ticker:
    """Measure while ``work`` goes on."""
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run())
    await asyncio.sleep(10 * TICK_S)  # the ticker has begun
    await work
    await asyncio.sleep(10 * TICK_S)  # and saw the end
    ticking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await ticking
    return ticker


async def first_use(guard: "bearerguard.Guard", token: str) -> dict[str, float]:
    """Measure the first token of a process, and the loop at rest."""
    at_rest = await ticker_during(asyncio.sleep(REST_S))
    began_at = time.perf_counter()
    in_use = await ticker_during(guard.averify(token))
    took_s = time.perf_counter() - began_at
    found_s = {
        "stall": in_use.longest_s,
        "own": in_use.own_s,
        "at_rest": at_rest.longest_s,
        "took": took_s,
    }
    return {what: 1000 * seconds for what, seconds in found_s.items()}


def child() -> None:
    """Be one run: settings from the environment, the token from standard input."""
    guard = bearerguard.Guard.from_env()
    print(json.dumps(asyncio.run(first_use(guard, sys.stdin.read()))))


def one_run(settings: dict[str, str], token: str) -> dict[str, float]:
    """Measure in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--child"],
        input=token,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    if found["took"] < 1000 * DELAY_S:
        raise SystemExit("the keys came sooner than they can: this measured nothing")
    return found


def measure(kind: str, runs: int, folder: Path) -> dict[str, object]:
    """Take the runs of one kind, http or https, against an issuer that is slow."""
    from drills.issuer import AUDIENCE, DrillIssuer, Reply, make_certificate  # noqa: PLC0415

    from bearerguard.testing import SigningKey  # noqa: PLC0415  heavy, and the runs need none of it

    certificate = make_certificate(folder) if kind == "https" else None
    issuer = DrillIssuer(SigningKey.generate(), certificate)
    issuer.jwks = Reply(issuer.jwks.body, delay_s=DELAY_S)
    settings = {"BEARERGUARD_ISSUER": issuer.url, "BEARERGUARD_AUDIENCE": AUDIENCE}
    if certificate is not None:
        settings["BEARERGUARD_CA_FILE"] = str(certificate)
    try:
        found = [one_run(settings, issuer.token()) for _ in range(runs)]
    finally:
        issuer.close()
    return {
        what: {
            "median_ms": round(statistics.median(run[what] for run in found), 1),
            "worst_ms": round(max(run[what] for run in found), 1),
        }
        for what in ("stall", "own", "at_rest")
    }


def main() -> None:
    """Measure both kinds and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10, help="processes of each kind (10)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child()
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {kind: measure(kind, options.runs, Path(folder)) for kind in ("http", "https")}
    print(json.dumps({"runs": options.runs, **found}, indent=2))


if __name__ == "__main__":
    main()

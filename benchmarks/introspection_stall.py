"""For how long does the event loop stand still while an introspection endpoint is slow?

    python benchmarks/introspection_stall.py [--runs N]

Each run is a process of its own in which nothing has been used before. Its first opaque token makes
it load the HTTP client, find the issuer's metadata and ask an endpoint that answers after half a
second; then 200 tasks come, one after another, with 200 other tokens, which are asked about twenty
at a time.
Meanwhile a task that sleeps for a millisecond at a time measures the gaps. One kind of run by http,
one by https.

Prints JSON, in milliseconds, the median and the worst over all runs, for the first token and for
the 200: ``stall`` is the longest gap, ``own`` the most that this process itself computed in one
gap, ``at_rest`` the longest gap while it has nothing to do: the machine's share.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from event_loop_stall import PATIENCE_S, REST_S, ticker_during

import bearerguard

DELAY_S = 0.5
MANY = 200


async def use(guard: "bearerguard.Guard") -> dict[str, float]:
    """Measure the loop at rest, the first token of a process, and many at once."""

    async def many() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(MANY):
                group.create_task(guard.averify(f"token-{number}"))
                await asyncio.sleep(0)

    found = {"at_rest": (await ticker_during(asyncio.sleep(REST_S))).longest_s}
    for name, work in (("first", guard.averify("first")), ("many", many())):
        began_at = time.perf_counter()
        ticker = await ticker_during(work)
        found[f"{name}_stall"], found[f"{name}_own"] = ticker.longest_s, ticker.own_s
        found[f"{name}_took"] = time.perf_counter() - began_at
    return {what: 1000 * seconds for what, seconds in found.items()}


def one_run(settings: dict[str, str]) -> dict[str, float]:
    """Measure in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--child"],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    if found["first_took"] < 1000 * DELAY_S:
        raise SystemExit("the answer came sooner than it can: this measured nothing")
    return found


def measure(kind: str, runs: int, folder: Path) -> dict[str, object]:
    """Take the runs of one kind, http or https, against an endpoint that is slow."""
    # Heavy, and the runs need none of it: a larger heap alone makes for longer pauses.
    from slow_endpoint import started  # noqa: PLC0415

    server, certificate = started(DELAY_S, folder if kind == "https" else None)
    settings = {
        "BEARERGUARD_ISSUER": f"{kind}://127.0.0.1:{server.server_address[1]}",
        "BEARERGUARD_AUDIENCE": "api",
        "BEARERGUARD_JWKS_TIMEOUT": "30s",
        "BEARERGUARD_INTROSPECTION_CLIENT_ID": "api",
        "BEARERGUARD_INTROSPECTION_CLIENT_SECRET": "secret",
    }
    if certificate is not None:
        settings["BEARERGUARD_CA_FILE"] = str(certificate)
    try:
        found = [one_run(settings) for _ in range(runs)]
    finally:
        server.shutdown()
        server.server_close()
    return {
        what: {
            "median_ms": round(statistics.median(run[what] for run in found), 1),
            "worst_ms": round(max(run[what] for run in found), 1),
        }
        for what in ("first_stall", "first_own", "many_stall", "many_own", "at_rest")
    }


def main() -> None:
    """Measure both kinds and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10, help="processes of each kind (10)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(asyncio.run(use(bearerguard.Guard.from_env()))))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {kind: measure(kind, options.runs, Path(folder)) for kind in ("http", "https")}
    print(json.dumps({"runs": options.runs, **found}, indent=2))


if __name__ == "__main__":
    main()

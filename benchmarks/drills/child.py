"""The half of the drills that runs in a contender's own environment: standard library only.

    python -P child.py path/to/contender.py

It reads one command a line and writes one answer a line, both JSON. The contender's clocks are
moved by an offset, so that minutes can pass at once; this is done before the contender is loaded,
and in the same way for each. ``perf_counter``, with which the drills measure, is left alone.
"""

import asyncio
import contextlib
import json
import os
import resource
import runpy
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
# A contender that works behind its requests gets this long to end it before time moves on.
SETTLE_S = 1.0
TICK_S = 0.001
# What a contender says of itself; ``lifetime_s`` is how old a key set gets before it fetches anew,
# and ``modes`` are the ways to ask it, the usual one first.
ABOUT = ("name", "version", "configuration", "lifetime_s", "modes")


class Clock:
    """How far the clocks of this process are ahead, in seconds."""

    offset_s = 0.0

    @classmethod
    def shift_all(cls) -> None:
        """Move time.time, time.monotonic and their nanoseconds by the offset."""
        for name in ("time", "monotonic"):
            setattr(time, name, cls._shifted(getattr(time, name), 1))
            setattr(time, f"{name}_ns", cls._shifted(getattr(time, f"{name}_ns"), 10**9))

    @classmethod
    def _shifted(cls, real: Callable[[], Any], unit: int) -> Callable[[], Any]:
        return lambda: real() + type(real())(cls.offset_s * unit)


class Bench:
    """One contender, an event loop in a thread of its own, and the commands."""

    def __init__(self, contender: Any) -> None:
        self.contender = contender
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def hello(self, _: Answer) -> Answer:
        """Say who this is."""
        kind = type(self.contender)
        about = {name: getattr(kind, name) for name in ABOUT}
        return about | {"python": sys.version.split()[0]}

    def storm(self, command: Answer) -> Answer:
        """Verify many tokens at once, and wait for all answers."""
        start = time.perf_counter()
        calls = [self._call(token, command["mode"], start) for token in command["tokens"]]
        done = wait(calls, timeout=command["deadline_s"]).done
        late = {"outcome": "no answer", "seconds": command["deadline_s"]}
        return {"answers": [call.result() if call in done else late for call in calls]}

    def begin(self, command: Answer) -> Answer:
        """Verify a token, and do not wait for the answer."""
        self._call(command["token"], command["mode"], time.perf_counter())
        return {}

    def sequence(self, command: Answer) -> Answer:
        """Verify tokens one after the other."""

        async def run() -> Answer:
            start = time.perf_counter()
            mode = command["mode"]
            outcomes = [await self._one(token, mode) for token in command["tokens"]]
            return {"outcomes": outcomes, "seconds": time.perf_counter() - start}

        return self._on_loop(run(), command["deadline_s"])

    def traffic(self, command: Answer) -> Answer:
        """Verify one token every ``step_s`` simulated seconds, ``most`` times or until an outcome.

        ``until`` names the outcomes that end it and ``unless`` is true where all others do.
        """

        async def run() -> Answer:
            outcomes: dict[str, int] = {}
            begun_at = Clock.offset_s
            for _ in range(command["most"]):
                await self._settle()
                Clock.offset_s += command["step_s"]
                outcome = await self._one(command["token"], command["mode"])
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
                if (outcome in command["until"]) != command["unless"]:
                    return {"simulated_s": Clock.offset_s - begun_at, "outcomes": outcomes}
            return {"simulated_s": None, "outcomes": outcomes}

        return self._on_loop(run(), command["deadline_s"])

    def advance(self, command: Answer) -> Answer:
        """Let simulated time pass, without a request."""

        async def run() -> Answer:
            await self._settle()
            Clock.offset_s += command["seconds"]
            return {}

        return self._on_loop(run(), command["deadline_s"])

    def stall(self, command: Answer) -> Answer:
        """Verify a token on the event loop beside a ticker, and give its longest pause."""

        async def run() -> Answer:
            longest = 0.0
            last = begun = time.perf_counter()
            task = asyncio.ensure_future(self._answer(command["token"], begun))
            while not task.done():
                await asyncio.sleep(TICK_S)
                now = time.perf_counter()
                longest, last = max(longest, now - last - TICK_S), now
            return {"longest_s": longest} | task.result()

        return self._on_loop(run(), command["deadline_s"])

    def memory(self, _: Answer) -> Answer:
        """Give the present and the highest use of memory in bytes, and start a new highest."""
        present, highest = _memory()
        return {"present": present, "highest": highest}

    def _on_loop(self, run: Coroutine[Any, Any, Answer], deadline_s: float) -> Answer:
        future = asyncio.run_coroutine_threadsafe(run, self.loop)
        try:
            return future.result(timeout=deadline_s)
        except TimeoutError:
            return {"hang": True}

    def _call(self, token: str, mode: str, start: float) -> "Future[Answer]":
        if mode == "tasks":
            return asyncio.run_coroutine_threadsafe(self._answer(token, start), self.loop)
        future: Future[Answer] = Future()

        def run() -> None:
            outcome = _plainly(self.contender.verify, token)
            future.set_result({"outcome": outcome, "seconds": time.perf_counter() - start})

        threading.Thread(target=run, daemon=True).start()
        return future

    async def _answer(self, token: str, start: float) -> Answer:
        outcome = await self._one(token, "tasks")
        return {"outcome": outcome, "seconds": time.perf_counter() - start}

    async def _one(self, token: str, mode: str) -> str:
        if mode == "threads":  # nothing else runs on this loop, so it may block
            return _plainly(self.contender.verify, token)
        try:
            return str(await self.contender.averify(token))
        except Exception as error:
            return type(error).__name__

    async def _settle(self) -> None:
        """Let work behind the requests end: simulated time is faster than any fetch."""
        ends_at = time.perf_counter() + SETTLE_S
        # Threads of somebody else's set no event of ours.
        while self._is_busy() and time.perf_counter() < ends_at:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
        self.idle_threads = threading.active_count()

    idle_threads = 2  # this one and the event loop's

    def _is_busy(self) -> bool:
        others = len(asyncio.all_tasks(self.loop)) - 1
        return others > 0 or threading.active_count() > self.idle_threads


def _plainly(verify: Callable[[str], str], token: str) -> str:
    try:
        return str(verify(token))
    except Exception as error:
        return type(error).__name__


def _memory() -> tuple[int, int]:
    """Read Linux's own figures where they are: getrusage counts what was there before exec, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return highest, highest
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    present, highest = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    with contextlib.suppress(OSError):  # a sandbox may forbid it: then the highest stays as it is
        Path("/proc/self/clear_refs").write_text("5")
    return present, highest


def main() -> None:
    """Answer commands until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a contender prints is no answer
    setup = json.loads(sys.stdin.readline())
    Clock.shift_all()
    bench = Bench(runpy.run_path(sys.argv[1])["Contender"](setup))
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(bench, command["do"])(command)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)  # threads that hang must not keep it


if __name__ == "__main__":
    main()

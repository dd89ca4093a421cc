"""What an import costs over what is there without it: CPU time and memory, in fresh processes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial

from .rounds import Goal, Spread, interleave
from .section import Section

ROUNDS, TRIES = 7, 3
QUICK = (2, 1)
# Written by the new process itself, before it ends: CPU seconds since its start, and memory in MiB.
PROBE = """
import time
cpu_s = time.process_time()
try:
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    import resource
    memory = pages * resource.getpagesize()
except OSError:
    import resource
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(cpu_s * 1000, memory / 2**20)
"""
ABOUT = """
CPU time and memory of a fresh Python that imports something, less those of one that imports only
what stands under "over". The first row is all that `import bearerguard` does, as its names are
loaded when they are used; the second is what an application pays before its first token. Each
figure is the least of three processes a turn.
"""


@dataclass(frozen=True)
class Case:
    """An import, and what is there without it; the limits are milliseconds and MiB."""

    name: str
    over: str
    limit_ms: float | None = None
    limit_mib: float | None = None


CASES = (
    Case("import bearerguard", "", 25, 3),
    Case("from bearerguard import Guard", ""),
    Case("import bearerguard.asgi", ""),
    Case("import bearerguard.wsgi", ""),
    Case("import bearerguard.starlette", "import starlette.applications", 20),
    Case("import bearerguard.flask", "import flask"),
    Case("import jwt.algorithms", ""),
)


def measure(quick: bool) -> list[Section]:  # noqa: FBT001  the same for all parts
    """Measure each import beside what it is compared with."""
    rounds, tries = QUICK if quick else (ROUNDS, TRIES)
    memory: dict[str, list[float]] = {}
    lines = dict.fromkeys(line for case in CASES for line in (case.over, _line(case)))
    turns = {line: partial(_turn, line, tries, memory.setdefault(line, [])) for line in lines}
    for line in lines:
        run(line)  # so that everything is compiled
    cpu = interleave(turns, rounds)
    section = Section("Imports", ABOUT, ("", "over", "CPU", "memory"))
    for case in CASES:
        cpu_ms = cpu[_line(case)].minus(cpu[case.over])
        mib = Spread(tuple(memory[_line(case)])).minus(Spread(tuple(memory[case.over])))
        over = f"`{case.over}`" if case.over else "bare Python"
        cells = (_cell(cpu_ms, "ms"), _cell(mib, "MiB"))
        section.rows.append((f"`{case.name}`", over, *cells))
        for limit, found, unit in ((case.limit_ms, cpu_ms, "ms"), (case.limit_mib, mib, "MiB")):
            if limit is not None:
                what = f"{case.name}, over {case.over.removeprefix('import ') or 'bare Python'}"
                section.goals.append(Goal(what, found, limit, unit=unit))
    return [section]


def run(line: str) -> tuple[float, float]:
    """Run a line in a fresh Python; give CPU milliseconds and MiB."""
    command = [sys.executable, "-c", line + PROBE]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COVERAGE"))}
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    cpu_ms, mib = map(float, answer.stdout.split())
    return cpu_ms, mib


def _turn(line: str, tries: int, memory: list[float]) -> float:
    found = [run(line) for _ in range(tries)]
    memory.append(min(mib for _, mib in found))
    return min(cpu_ms for cpu_ms, _ in found)


def _line(case: Case) -> str:
    return f"{case.over}; {case.name}".removeprefix("; ")


def _cell(spread: Spread, unit: str) -> str:
    low, high = spread.quartiles
    return f"{spread.median:.1f} {unit} ({low:.1f}-{high:.1f})"

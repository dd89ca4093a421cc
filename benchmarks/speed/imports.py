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
# The user's own settings, of Python and of the guard, would be measured too.
NOT_HANDED_OVER = ("PYTHON", "COVERAGE", "BEARERGUARD")
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
ABOUT = f"""
CPU time and memory of a fresh Python that imports or does something, less those of one that does
only what stands under "over". The first row is all that `import bearerguard` does, as its names are
loaded when they are used; the second is the guard with PyJWT and cryptography. An adapter loads
these where an application is guarded: that is the last two rows, where Starlette builds its
middleware and where `BearerGuard(app)` is called, after the import of the adapter and before the
first token. Each figure is the least of {TRIES} processes a turn.
"""
STARLETTE = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from bearerguard.starlette import BearerAuthMiddleware
"""
# The last lines raise where the guard would only come later.
GUARDING_STARLETTE = """
guarded = Middleware(BearerAuthMiddleware, issuer="https://a.example", audience="api")
Starlette(middleware=[guarded]).build_middleware_stack()
import sys; sys.modules["bearerguard.guard"]
"""
FLASK = """
from flask import Flask
from bearerguard.flask import BearerGuard
app = Flask("app")
"""
GUARDING_FLASK = """
BearerGuard(app, issuer="https://a.example", audience="api")
import sys; sys.modules["bearerguard.guard"]
"""


@dataclass(frozen=True)
class Case:
    """An import, and what is there without it; the limits are milliseconds and MiB.

    Where ``name`` and ``over`` are no lines of Python, ``does`` and ``after`` are.
    """

    name: str
    over: str
    limit_ms: float | None = None
    limit_mib: float | None = None
    does: str = ""
    after: str = ""

    @property
    def base(self) -> str:
        """What the process does that it is compared with."""
        return self.after or self.over

    @property
    def whole(self) -> str:
        """What the process does that is measured."""
        return f"{self.base}\n{self.does or self.name}"


CASES = (
    Case("import bearerguard", "", 25, 3),
    Case("from bearerguard import Guard", ""),
    Case("import bearerguard.asgi", ""),
    Case("import bearerguard.wsgi", ""),
    Case("import bearerguard.starlette", "import starlette.applications", 20),
    Case("import bearerguard.flask", "import flask"),
    Case("import jwt.algorithms", ""),
    Case(
        "guarding an application (Starlette)",
        "import bearerguard.starlette",
        does=GUARDING_STARLETTE,
        after=f"{STARLETTE}Starlette().build_middleware_stack()",
    ),
    Case(
        "guarding an application (Flask)",
        "import bearerguard.flask",
        does=GUARDING_FLASK,
        after=FLASK,
    ),
)
# A goal that leaves out what comes later says how much that is.
LATER = {"import bearerguard.starlette": "guarding an application (Starlette)"}


@dataclass(frozen=True)
class Cost:
    """What a case costs over what it is compared with."""

    cpu_ms: Spread
    mib: Spread


def measure(quick: bool) -> list[Section]:  # noqa: FBT001  the same for all parts
    """Measure each import beside what it is compared with."""
    costs = _costs(*(QUICK if quick else (ROUNDS, TRIES)))
    section = Section("Imports", ABOUT, ("", "over", "CPU", "memory"))
    for case in CASES:
        cost = costs[case.name]
        over = f"`{case.over}`" if case.over else "bare Python"
        name = case.name if case.does else f"`{case.name}`"
        section.rows.append((name, over, _cell(cost.cpu_ms, "ms"), _cell(cost.mib, "MiB")))
        what = f"{case.name}, over {case.over.removeprefix('import ') or 'bare Python'}"
        remark = _remark(costs[LATER[case.name]]) if case.name in LATER else ""
        for limit, found, unit in (
            (case.limit_ms, cost.cpu_ms, "ms"),
            (case.limit_mib, cost.mib, "MiB"),
        ):
            if limit is not None:
                section.goals.append(Goal(what, found, limit, remark=remark, unit=unit))
    return [section]


def _costs(rounds: int, tries: int) -> dict[str, Cost]:
    memory: dict[str, list[float]] = {}
    codes = dict.fromkeys(code for case in CASES for code in (case.base, case.whole))
    turns = {code: partial(_turn, code, tries, memory.setdefault(code, [])) for code in codes}
    for code in codes:
        run(code)  # so that everything is compiled
    cpu = interleave(turns, rounds)
    mib = {code: Spread(tuple(values)) for code, values in memory.items()}
    return {
        case.name: Cost(
            cpu[case.whole].minus(cpu[case.base]), mib[case.whole].minus(mib[case.base])
        )
        for case in CASES
    }


def _remark(later: Cost) -> str:
    return (
        f"the guard, PyJWT and cryptography are loaded where an application is guarded: "
        f"{later.cpu_ms.median:.0f} ms and {later.mib.median:.0f} MiB more"
    )


def run(code: str) -> tuple[float, float]:
    """Run some lines in a fresh Python; give CPU milliseconds and MiB."""
    command = [sys.executable, "-c", code + PROBE]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(NOT_HANDED_OVER)}
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    cpu_ms, mib = map(float, answer.stdout.split())
    return cpu_ms, mib


def _turn(code: str, tries: int, memory: list[float]) -> float:
    found = [run(code) for _ in range(tries)]
    memory.append(min(mib for _, mib in found))
    return min(cpu_ms for cpu_ms, _ in found)


def _cell(spread: Spread, unit: str) -> str:
    low, high = spread.quartiles
    return f"{spread.median:.1f} {unit} ({low:.1f}-{high:.1f})"

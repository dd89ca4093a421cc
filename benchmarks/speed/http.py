"""Over HTTP: what of an application's throughput is left behind a guard.

All servers of a framework are up at the same time and one is loaded at a time, so that nothing is
started between two turns that are compared.
"""

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from statistics import median

from bearerguard.settings import Settings

from .bearers import DISTINCT, SUBJECT, Bearers, bearers
from .load import CONNECTIONS, Measured, Walk, described, has_wrk, load
from .processors import can_pin, used_s
from .rounds import ROUNDS, Goal, Spread, interleave
from .section import Bar, Section
from .serving import THREADS, Server, ServerError, gunicorn, uvicorn

TURN_S, TURN_QUICK_S = 3, 0.3
ROUNDS_QUICK = 2
# Beyond this the unguarded runs say that the machine was busy with something else.
NOISY = 0.15
HEADER = (
    "",
    "requests/s",
    "share of unguarded",
    "quartiles",
    "CPU us",
    "p50 ms",
    "p99 ms",
)
EXPECTED = {"for": SUBJECT}
UNGUARDED, KNOWN, COLD = "unguarded", "bearerguard, known token", "bearerguard, distinct tokens"


class NotInstalledError(Exception):
    """A contestant's package is not here."""


class UnfitError(Exception):
    """An application that does not do its job is not measured; the message says what it did."""


@dataclass(frozen=True)
class Contestant:
    """One row: an application, whether its tokens are distinct, and the packages it needs."""

    name: str
    app: str
    is_distinct: bool = True
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arena:
    """One server and everybody on it; ``limits`` are the shares that were promised."""

    title: str
    kind: str
    contestants: tuple[Contestant, ...]
    limits: dict[str, float]
    packages: tuple[str, ...]


OURS = (
    Contestant(UNGUARDED, "unguarded"),
    Contestant(KNOWN, "bearerguard", is_distinct=False),
    Contestant(COLD, "bearerguard"),
    Contestant("PyJWT, distinct tokens", "pyjwt"),
)
ARENAS = (
    Arena(
        title="Starlette + uvicorn",
        kind="starlette",
        contestants=(
            *OURS,
            Contestant("fastmcp, distinct tokens", "fastmcp", needs=("fastmcp",)),
        ),
        limits={KNOWN: 0.85, COLD: 0.50},
        packages=("starlette", "uvicorn", "uvloop", "httptools"),
    ),
    Arena(
        title="Flask + gunicorn",
        kind="flask",
        contestants=(
            *OURS,
            Contestant("Authlib, distinct tokens", "authlib", needs=("authlib", "joserfc")),
        ),
        limits={KNOWN: 0.90, COLD: 0.60},
        packages=("flask", "gunicorn"),
    ),
)


@dataclass
class Lane:
    """One contestant with its server; it keeps what a turn found beside the throughput."""

    contestant: Contestant
    server: Server
    tokens: Bearers
    walk: Walk
    seconds: float
    measured: list[Measured] = field(default_factory=list)
    used_us: list[float] = field(default_factory=list)

    def turn(self) -> float:
        """See to it that the application does its job, and load it; give requests in a second."""
        examine(self.server, self.tokens, is_guarded=self.contestant.app != "unguarded")
        before_s = used_s(self.server.process.pid)
        found = load(self.server.url, self.walk, self.seconds, with_wrk=has_wrk())
        after_s = used_s(self.server.process.pid)
        self.measured.append(found)
        if before_s is not None and after_s is not None:
            self.used_us.append((after_s - before_s) / found.requests * 1e6)
        return found.throughput


def measure(quick: bool) -> list[Section]:  # noqa: FBT001  every part is called so
    """Measure both servers, one after the other."""
    with bearers(quick=quick) as tokens:
        return [measure_arena(arena, tokens, quick=quick) for arena in ARENAS]


def examine(server: Server, tokens: Bearers, *, is_guarded: bool) -> None:
    """Ask an application for the resource with a good token, with bad ones, and with none.

    Raises:
        UnfitError: it answers otherwise than it should.
    """
    status, body = server.ask(tokens.good)
    if status != 200 or json.loads(body) != EXPECTED:
        raise UnfitError(f"{server.url}: a good token got {status} {body!r}\n{server.words()}")
    for what, token in [*tokens.bad.items(), ("missing", None)] if is_guarded else []:
        status, _ = server.ask(token)
        if status not in (401, 403):
            raise UnfitError(f"{server.url}: a token that is {what} got {status}")


def measure_arena(arena: Arena, tokens: Bearers, *, quick: bool) -> Section:
    """Start everybody, give everyone a turn in each round, and end everybody."""
    seconds = TURN_QUICK_S if quick else TURN_S
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        lanes: dict[str, Lane] = {}
        absent: dict[str, str] = {}
        for one in arena.contestants:
            try:
                if one.app not in servers:
                    servers[one.app] = stack.enter_context(_started(arena, one, tokens))
            except (NotInstalledError, ServerError) as error:
                if one.name in (UNGUARDED, *arena.limits):
                    raise
                absent[one.name] = str(error).strip().splitlines()[-1]
                continue
            source = tokens.distinct if one.is_distinct else tokens.known
            walk = Walk(source.path, source.length)
            lanes[one.name] = Lane(one, servers[one.app], tokens, walk, seconds)
        turns = {name: lane.turn for name, lane in lanes.items()}
        found = interleave(turns, ROUNDS_QUICK if quick else ROUNDS)
    section = _section(arena, lanes, found)
    blank = [""] * (len(HEADER) - 2)
    section.rows += [(name, reason, *blank) for name, reason in absent.items()]
    return section


def _started(arena: Arena, one: Contestant, tokens: Bearers) -> Server:
    if not all(map(find_spec, one.needs)):
        raise NotInstalledError("not installed")
    serve = uvicorn if arena.kind == "starlette" else gunicorn
    return Server(serve(f"{arena.kind}_{one.app}"), tokens.environment)


def _section(arena: Arena, lanes: dict[str, Lane], found: dict[str, Spread]) -> Section:
    base = found[UNGUARDED]
    shares = {name: spread.over(base) for name, spread in found.items()}
    section = Section(
        title=f"Over HTTP: {arena.title}",
        about=_about(arena, lanes, len(base.values)),
        header=HEADER,
        unit="share of the unguarded throughput",
        rows=[_row(name, found[name], base, lanes[name]) for name in found],
        bars=[Bar(arena.title, name, shares[name]) for name in found if name != UNGUARDED],
    )
    remark = remark_on(base, lanes[UNGUARDED].walk.length)
    section.goals = [
        Goal(f"{arena.title}: {name}", shares[name], limit, at_most=False, remark=remark)
        for name, limit in arena.limits.items()
    ]
    return section


def _row(name: str, throughput: Spread, base: Spread, lane: Lane) -> tuple[str, ...]:
    share = throughput.over(base)
    low, high = share.quartiles
    return (
        name,
        f"{throughput.median:,.0f}",
        f"{share.median:.0%}",
        "" if name == UNGUARDED else f"{low:.0%} - {high:.0%}",
        f"{median(lane.used_us):.0f}" if lane.used_us else "",
        f"{median(one.p50_ms for one in lane.measured):.2f}",
        f"{median(one.p99_ms for one in lane.measured):.2f}",
    )


def remark_on(base: Spread, distinct: int) -> str:
    """Say what speaks against the figures: noise, or tokens that come again too soon."""
    remarks = []
    if base.width > NOISY:
        remarks.append(f"noisy: the unguarded runs spread over {base.width:.0%}")
    if distinct < DISTINCT:
        remarks.append(f"a smoke run: {distinct} tokens are remembered, not distinct")
    return "; ".join(remarks)


def _about(arena: Arena, lanes: dict[str, Lane], rounds: int) -> str:
    lane = lanes[UNGUARDED]
    fast = ", ".join(f"{name} {found}" for name in arena.packages if (found := _version(name)))
    threads = "" if arena.kind == "starlette" else f" with {THREADS} threads (gthread)"
    pinned = ", on a processor of its own" if can_pin() else ""
    if pinned and arena.kind == "flask":
        pinned += (
            " (on two, gunicorn's threads pass the interpreter's lock from one to the other, "
            "many times a request, and are slower and less steady)"
        )
    return (
        f"{fast}; one worker{threads}, no access log, at 127.0.0.1{pinned}. Load: {described()}, "
        f"{CONNECTIONS} connections, {lane.seconds} s for each turn, {rounds} rounds in both "
        f"orders. Shares are of the unguarded turn of the same round; all figures are medians. "
        f"CPU is what the server's processes used for one request, user and system. "
        f"Everyone gets the same requests, the unguarded application too. Distinct tokens: "
        f"{lane.walk.length:,} of RS256, 1.1 kB each, walked round and round; when a token comes "
        f"again, a guard that remembers {Settings.token_cache:,} has forgotten it. Before each "
        f"turn the application must refuse a forged token, an expired one, one for another API, "
        f"one of another issuer, one without the scope, and a request without any."
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""

"""What happens to the cost where there is more: issuers, keys, scopes, bytes, threads, tokens."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bearerguard.guard import Guard
from bearerguard.issuer import Issuer as Named
from bearerguard.jwks.fetch import Fetched, FetchError
from bearerguard.testing import Issuer, SigningKey

from .memory import WARM_UP
from .rounds import Goal, Spread, fastest, interleave
from .section import Section
from .tokens import AUDIENCE, in_batches, issuer_of, token, warm_guard

ROOT = Path(__file__).parents[2]
ROUNDS, BATCHES, BATCH = 8, 5, 40
QUICK = (2, 2, 10)
ISSUERS, KEYS, SCOPES = (1, 10, 100, 1000), (1, 10, 100), (1, 10, 50, 200)
BYTES = (512, 1024, 2048, 4096, 8192, 16384)
THREADS = (1, 4, 16, 64)
# Those of 14,000 are too long to be remembered; of 4,000, which are not, nothing was promised.
MEMORY_BYTES = (512, 1024, 4_000, 14_000)
MEMORY_PROMISED = (512, 1024, 14_000)
MEMORY_TOKENS, MEMORY_TOKENS_QUICK = 1_000_000, 5_000
FLAT, MEMORY_MIB = 1.10, 32
COLD, KNOWN = WAYS = ("new token", "known token")
ABOUT = """
Time for one token as a multiple of the smallest case, with RS256 tokens of about 1.1 kB from all
issuers or keys in turn. The tokens of growing size are ES256 (an RS256 token of 0.5 kB does not
exist), and have ever longer lists of groups. Threads verify the same number of tokens together:
that is the time of the whole divided by the number of tokens, where 1.0 is as fast as one thread.
"""
ABOUT_MEMORY = f"""
Growth of the memory (RSS) of a process whose guard verifies {MEMORY_TOKENS:,} distinct tokens, over
what it was after the first {WARM_UP}: at most, and at the end. They are HS256, which is signed
quickly, and long by their lists of groups, as in practice; each size has a process of its own. The
tokens of 4 kB are about the longest that are remembered: what they take is there to be known, and
no goal was set for it.
"""


@dataclass
class Case:
    """A guard, and how its tokens are made: ``makers`` are called in turn."""

    guard: Guard
    makers: Sequence[Callable[[], str]]
    made: int = 0
    fresh: list[list[tuple[str]]] = field(default_factory=list)
    seen: list[tuple[str]] = field(default_factory=list)

    def prepare(self, batches: int, size: int) -> None:
        """Make tokens that nobody has seen, and others to be known."""
        makers = islice(cycle(self.makers), self.made, None)
        made = [make() for make in islice(makers, (batches + 1) * size)]
        self.made += len(made)
        *self.fresh, self.seen = in_batches(made, size)

    def cold(self) -> float:
        """Give the seconds of a new token."""
        return fastest(self.guard.verify, self.fresh)

    def known(self) -> float:
        """Give the seconds of a token that was verified just now."""
        for (raw,) in self.seen:
            self.guard.verify(raw)
        return fastest(self.guard.verify, [self.seen] * len(self.fresh))


class Fleet:
    """Many issuers as one Fetcher."""

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        self._issuers = {issuer.jwks_uri: issuer for issuer in issuers}

    def fetch(self, url: str, **limits: Any) -> Fetched:
        """Ask the issuer whose key set this is."""
        if url not in self._issuers:
            raise FetchError(url)
        return self._issuers[url].fetch(url, **limits)


def measure(quick: bool) -> list[Section]:  # noqa: FBT001  the same for all parts
    """Measure each way to grow."""
    repeats = QUICK if quick else (ROUNDS, BATCHES, BATCH)
    section = Section("Growth", ABOUT, ("", "", COLD, KNOWN))
    for what, sizes, make, is_flat in (
        ("issuers", ISSUERS[: 2 if quick else None], _with_issuers, True),
        ("keys", KEYS, _with_keys, True),
        ("scopes", SCOPES, _with_scopes, False),
        ("bytes", BYTES, _with_bytes, False),
    ):
        found = _compare({size: make(size) for size in sizes}, *repeats)
        for size in sizes:
            cells = [_cell(found[size, way], found[sizes[0], way]) for way in WAYS]
            section.rows.append((what, f"{size:,}", *cells))
        if is_flat:
            section.goals += [_flat(what, sizes, found, way) for way in WAYS]
    section.rows += _threads(*repeats)
    return [section, _memory(MEMORY_TOKENS_QUICK if quick else MEMORY_TOKENS)]


def _compare(
    cases: Mapping[int, Case], rounds: int, batches: int, size: int
) -> dict[tuple[int, str], Spread]:
    turns: dict[str, Callable[[], float]] = {}
    for number, case in cases.items():
        turns[f"{number} {COLD}"] = case.cold
        turns[f"{number} {KNOWN}"] = case.known

    def prepare() -> None:
        for case in cases.values():
            case.prepare(batches, size)

    found = interleave(turns, rounds, prepare)
    return {(number, way): found[f"{number} {way}"] for number in cases for way in WAYS}


def _with_issuers(count: int) -> Case:
    """Many issuers; the same private key signs for all, each publishes it under its own id."""
    key = SigningKey.generate()
    issuers = []
    for number in range(count):
        own = SigningKey(key.alg, key.private_key, {**key.jwk, "kid": f"key-of-{number}"})
        url = f"https://login.example/tenants/{number:04d}"
        issuers.append(Issuer(url, audience=AUDIENCE, key=own))
    named = [Named(one.url, audience=AUDIENCE, jwks_uri=one.jwks_uri) for one in issuers]
    guard = Guard(issuers=named, fetcher=Fleet(issuers))
    for issuer in issuers:
        guard.verify(token(issuer))
    return Case(guard, [partial(token, issuer) for issuer in issuers])


def _with_keys(count: int) -> Case:
    """Many keys of one issuer, which differ in their ids; all sign in turn."""
    issuer = issuer_of()
    key = issuer.key
    issuer.keys = [
        SigningKey(key.alg, key.private_key, {**key.jwk, "kid": f"{key.kid}-{number:03d}"})
        for number in range(count)
    ]
    return Case(warm_guard(issuer), [partial(token, issuer, key=key) for key in issuer.keys])


def _with_scopes(count: int) -> Case:
    issuer = issuer_of()
    scope = " ".join(f"resource-{number:03d}:read" for number in range(count))
    return Case(warm_guard(issuer), [partial(token, issuer, scope=scope)])


def _with_bytes(size: int) -> Case:
    issuer = issuer_of("ES256")
    claims: dict[str, Any] = {"name": "", "roles": [], "client_id": "c", "scope": "read"}
    guard = warm_guard(issuer)
    groups: list[str] = []
    while len(token(issuer, groups=groups, **claims)) <= size - 60:
        groups.append(f"{len(groups):08x}-2c5f-4c8e-9f0a-6a1d0f6f3c22")
    return Case(guard, [partial(token, issuer, groups=groups, **claims)])


def _threads(rounds: int, batches: int, size: int) -> list[tuple[str, ...]]:
    issuer = issuer_of()
    guard = warm_guard(issuer)
    fresh: dict[tuple[int, str], list[str]] = {}

    def prepare() -> None:
        for turn in turns_of:
            fresh[turn] = [token(issuer) for _ in range(batches * size)]
            if turn[1] == KNOWN:
                for raw in fresh[turn]:
                    guard.verify(raw)

    turns_of = [(count, way) for count in THREADS for way in WAYS]
    turns: dict[str, Callable[[], float]] = {
        f"{count} {way}": lambda turn=(count, way): _together(guard.verify, fresh[turn], turn[0])
        for count, way in turns_of
    }
    found = interleave(turns, rounds, prepare)
    return [
        ("threads", str(n), *(_cell(found[f"{n} {way}"], found[f"1 {way}"]) for way in WAYS))
        for n in THREADS
    ]


def _together(verify: Callable[[str], object], tokens: list[str], count: int) -> float:
    """Give the seconds of a token where ``count`` threads share the tokens."""
    start = threading.Barrier(count + 1)

    def work(share: list[str]) -> None:
        start.wait()
        for raw in share:
            verify(raw)

    with ThreadPoolExecutor(count) as pool:
        done = [pool.submit(work, tokens[number::count]) for number in range(count)]
        start.wait()
        began = time.perf_counter()
        for one in done:
            one.result()
        return (time.perf_counter() - began) / len(tokens)


def _memory(count: int) -> Section:
    header = ("tokens of", "distinct tokens", "at most", "at the end")
    section = Section("Memory", ABOUT_MEMORY, header)
    for size in MEMORY_BYTES:
        command = [sys.executable, "-m", "benchmarks.speed.memory"]
        command += ["--bytes", str(size), "--tokens", str(count)]
        run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        found = json.loads(run.stdout)
        name = f"{found['bytes'] / 1000:.1f} kB"
        cells = (f"{found['most']:.1f} MiB", f"{found['grown']:.1f} MiB")
        section.rows.append((name, f"{count:,}", *cells))
        if size in MEMORY_PROMISED:
            what = f"growth of memory, {count:,} distinct tokens of {name}"
            section.goals.append(Goal(what, Spread((found["most"],)), MEMORY_MIB, unit="MiB"))
    return section


def _cell(spread: Spread, base: Spread) -> str:
    ratio = spread.over(base)
    low, high = ratio.quartiles
    return f"{ratio.median:.2f} ({low:.2f}-{high:.2f})"


def _flat(
    what: str, sizes: Sequence[int], found: Mapping[tuple[int, str], Spread], way: str
) -> Goal:
    """Promise that the dearest case costs what the smallest one does."""
    ratios = {size: found[size, way].over(found[sizes[0], way]) for size in sizes[1:]}
    dearest = max(ratios, key=lambda size: ratios[size].median)
    return Goal(f"{dearest:,} {what} against {sizes[0]}, {way}", ratios[dearest], FLAT)

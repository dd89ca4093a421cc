"""A guard that keeps verified tokens and one that keeps none decide alike, whatever happens.

Both are asked the same questions at the same times: tokens good and bad, while the clock runs, jumps
and goes back, keys are added, withdrawn, exchanged and narrowed, and the issuer is down. Each answer
must be the same, with the same facts in a refusal, the same claims, and the same fetches.

The threads that fetch are played by a list, so that the order of things is the test's.
"""

import asyncio
import functools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf, nextafter
from random import Random
from threading import Lock
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bearerguard import AccessToken, Guard, RejectedError, UnavailableError, scope
from bearerguard import guard as guard_module
from bearerguard.core.access import Access
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.request import RequestView
from bearerguard.core.signature import REGISTRY
from bearerguard.testing import Issuer, SigningKey

pytestmark = pytest.mark.untraced

NOW = 1_800_000_000
A, B = "https://a.example", "https://b.example"


class Fetches:
    """What starts as a thread waits here until somebody waits for it, or the turn is over."""

    Lock = staticmethod(Lock)

    def __init__(self) -> None:
        self.begun: list[Any] = []

    def Thread(self, *, target, name, daemon):  # noqa: N802  it stands for threading.Thread
        return SimpleNamespace(start=lambda: self.begun.append(target))

    def land(self, *_: Any) -> None:
        while self.begun:
            self.begun.pop(0)()

    async def aland(self, *_: Any) -> None:
        self.land()


@contextmanager
def fetches_in_turn() -> Iterator[Fetches]:
    fetches = Fetches()
    with ExitStack() as stack:
        for name, value in (
            ("source.threading", fetches),
            ("source.wait_in_thread", fetches.land),
            ("source.wait_in_task", fetches.aland),
        ):
            stack.enter_context(patch(f"bearerguard.jwks.{name}", value))
        no_jitter = SimpleNamespace(random=lambda: 0.0)
        stack.enter_context(patch("bearerguard.issuers.SystemRandom", lambda: no_jitter))
        yield fetches


@functools.cache
def variants() -> dict[str, SigningKey]:
    """Keys as they may be published: two share an id, one has several uses, one has no id."""
    rsa = SigningKey.generate("RS256", kid="r")
    one, two, three = (SigningKey.generate("ES256", kid=kid) for kid in ("a", "a", "b"))

    def changed(key: SigningKey, **members: Any) -> SigningKey:
        jwk = {n: v for n, v in ({**key.jwk} | members).items() if v is not None}
        return SigningKey(key.alg, key.private_key, jwk)

    return {
        "a": one,
        "a, another key": two,
        "b": three,
        "b, without an id": changed(three, kid=None),
        "b, called a": changed(three, kid="a"),
        "rsa": changed(rsa, alg=None),
        "rsa for RS256": rsa,
        "rsa for PS256": changed(rsa, alg="PS256"),
    }


@dataclass
class World:
    """Time, two issuers, and one guard of each kind; ``fetched`` is what each guard asked for."""

    fetches: Fetches
    options: dict[str, Any]
    now: float = NOW
    is_down: bool = False
    published: dict[str, list[str]] = field(default_factory=lambda: {A: ["a", "rsa"], B: ["a"]})
    fetched: dict[int, list[Any]] = field(default_factory=dict)
    checks: dict[int, int] = field(default_factory=dict)
    admitted: int = 0

    def __post_init__(self) -> None:
        self.guards = [self._guard(most) for most in (100, 0)]

    def _guard(self, most: int) -> Guard:
        self.fetched[most], self.checks[most] = [], 0
        return Guard(
            audience="https://api.example",
            fetcher=SimpleNamespace(fetch=functools.partial(self._fetch, most)),
            clock=lambda: self.now,
            token_cache=most,
            **self.options,
        )

    def _fetch(self, most: int, url: str, **limits: Any) -> Any:
        self.fetched[most].append((self.now, url))
        issuer = Issuer(A if url.startswith(A) else B, key=variants()["a"])
        issuer.keys = [variants()[name] for name in self.published[issuer.url]]
        issuer.is_down = self.is_down
        return issuer.fetch(url, **limits)

    def decide(self, raw: str, access: Access, *, in_task: bool) -> None:
        """Ask both, and compare."""
        request = RequestView("GET", "/", None, [("authorization", f"Bearer {raw}")])
        outcomes = []
        for guard in self.guards:
            with counted(self.checks, guard.settings.token_cache):
                outcomes.append(outcome(guard, request, access, in_task=in_task))
            self.fetches.land()  # what was begun behind the request
        assert outcomes[0] == outcomes[1]
        self.admitted += isinstance(outcomes[0][0], dict)
        assert self.fetched[100] == self.fetched[0]
        assert [g.status() for g in self.guards[:1]] == [g.status() for g in self.guards[1:]]


@contextmanager
def counted(checks: dict[int, int], most: int) -> Iterator[None]:
    """Count the signatures that are checked."""

    class Spy:
        def __init__(self, real: Any) -> None:
            self.real = real

        def verify(self, *arguments: Any) -> bool:
            checks[most] += 1
            return self.real.verify(*arguments)

    with patch.dict(REGISTRY, {alg: Spy(real) for alg, real in REGISTRY.items()}):
        yield


def outcome(guard: Guard, request: RequestView, access: Access, *, in_task: bool) -> Any:
    """Say everything about a decision that a caller or a log can see."""
    try:
        token = run(guard.aadmit(request, access)) if in_task else guard.admit(request, access)
    except RejectedError as refusal:
        return refusal.reason, refusal.status, repr(refusal.expected), repr(refusal.found)
    except UnavailableError as refusal:
        return refusal.reason, refusal.detail, refusal.retry_after
    assert isinstance(token, AccessToken)
    return vars(token), token.claims


def run(coroutine: Any) -> Any:
    """Run a coroutine that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


# Seconds from now, of the kinds that issuers write; the edges of leeways and ages among them.
OFFSETS = [-90, -60, -31, -30, -29.5, -1, 0, 0.25, 1, 30, 31, 60, 90, 300, 4000]
TICKS = [0.25, 0.75, 1, 5, 30, 50, 61, -1, -30]


def some_token(chance: Random) -> str:
    """A token of one of the issuers, mostly good, signed by one of its keys at some time."""
    key = variants()[chance.choice(["a"] * 4 + ["rsa"] * 2 + [*variants()])]
    alg = chance.choice(["RS256", "PS256"]) if key.alg == "RS256" else key.alg
    kid = chance.choice([key.jwk.get("kid")] * 4 + [None, "b"])
    header = {"typ": "at+jwt", "alg": alg} | ({} if kid is None else {"kid": kid})
    claims = {"iss": chance.choice([A, A, A, B]), "aud": "https://api.example", "sub": "user-1"}
    claims |= {"client_id": "c", "jti": chance.choice("xyz"), "iat": NOW, "exp": NOW + 300}
    claims |= {"scope": chance.choice(["r", "r", "r w", ""])}
    for name in ("exp", "nbf", "iat"):
        if chance.random() < 0.25:
            claims[name] = NOW + chance.choice(OFFSETS)
    claims |= chance.choice([{}] * 20 + [{"aud": "x"}, {"cnf": {}}, {"sub": 5}])
    parts = (json.dumps(part).encode() for part in (header, claims))
    signing_input = b".".join(map(base64url_encode, parts))
    signature = key.sign(signing_input, alg)
    if chance.random() < 0.05:
        signature = bytes([signature[0] ^ 1]) + signature[1:]
    return (signing_input + b"." + base64url_encode(signature)).decode()


def some_options(chance: Random) -> dict[str, Any]:
    return {
        "leeway": chance.choice([0, 1.5, 30]),
        "jwks_ttl": chance.choice([5, 60]),
        "jwks_stale_for": chance.choice([0, 100]),
        "issuer": chance.choice([[A], [A, B]]),
        "max_token_age": chance.choice([None, None, 1, 60, 90.5]),
        "required_scopes": chance.choice([(), "r"]),
    }


def some_event(chance: Random) -> tuple[Any, ...]:
    kind = chance.choice(["show"] * 12 + ["tick"] * 3 + ["jump", "publish", "down", "up", "up"])
    if kind == "show":
        needed = chance.choice([Access()] * 3 + [Access(need=scope("w"))])
        return kind, chance.randrange(6), needed, chance.random() < 0.5
    if kind == "tick":
        return kind, chance.choice(TICKS)
    if kind == "jump":
        return kind, NOW + chance.choice([*OFFSETS, chance.uniform(-50, 400)])
    if kind == "publish":
        names = chance.sample([*variants()], chance.randint(1, 3))
        return kind, chance.choice([A, A, B]), [*names, *chance.choice([[], ["a"]])]
    return (kind,)


def play(world: World, raws: list[str], events: list[Any]) -> None:
    for kind, *details in events:
        if kind == "show":
            number, access, in_task = details
            world.decide(raws[number % len(raws)], access, in_task=in_task)
        elif kind == "tick":
            world.now += details[0]
        elif kind == "jump":
            (world.now,) = details
        elif kind == "publish":
            world.published[details[0]] = details[1]
        else:
            world.is_down = kind == "down"


def test_a_warm_guard_decides_as_a_cold_one():
    """The cache changes what a decision costs, and nothing else."""
    checked, admitted = Counter(), 0
    for seed in range(100):
        chance = Random(seed)
        with fetches_in_turn() as fetches:
            world = World(fetches, some_options(chance))
            raws = [some_token(chance) for _ in range(6)]
            play(world, raws, [some_event(chance) for _ in range(250)])
        checked.update(world.checks)
        admitted += world.admitted
    # Else nothing was let in, or both were cold, and the comparison says little.
    assert admitted > 800
    assert 100 < checked[100] < 0.6 * checked[0]


INSTANTS = st.one_of(
    st.integers(0, 253402300799),
    st.floats(0, 253402300799),
    st.integers(NOW - 400, NOW + 400),
    st.floats(NOW - 400, NOW + 400),
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.fixed_dictionaries({"exp": INSTANTS, "iat": INSTANTS}, optional={"nbf": INSTANTS}),
    st.one_of(st.sampled_from([0.0, 0.1, 30.0, 299.9]), st.floats(0, 300)),
    st.none() | st.one_of(st.sampled_from([1.0, 0.1 + 59.9]), st.floats(1, 366 * 86400)),
    st.lists(INSTANTS, max_size=4),
)
def test_a_known_token_is_in_time_exactly_when_a_new_one_would_be(times, leeway, age, others):
    """At each edge of each rule, a hair before it and a hair after it, and at any other time."""
    issuer = Issuer(A, key=variants()["a"])
    raw = issuer.token(**times)
    clock = SimpleNamespace(now=NOW)
    rules = {} if age is None else {"max_token_age": age}
    guards = [
        issuer.guard(leeway=leeway, jwks_ttl="24h", token_cache=most, **rules) for most in (9, 0)
    ]
    for guard in guards:
        guard.clock = lambda: clock.now  # of tokens; keys have a clock of their own
        guard.verify(issuer.token(iat=NOW, exp=NOW + 600))  # the keys are there from here on
    edges = [times["exp"] + leeway, times["iat"] - leeway]
    edges += [times["nbf"] - leeway] if "nbf" in times else []
    edges += [] if age is None else [times["iat"] + age + leeway]
    instants = [i for edge in edges for i in (edge, nextafter(edge, -inf), nextafter(edge, inf))]
    for clock.now in [*instants, *others, *instants]:
        warm, cold = (verdict(guard, raw) for guard in guards)
        assert warm == cold


def verdict(guard: Guard, raw: str) -> str | None:
    try:
        guard.verify(raw)
    except RejectedError as refusal:
        return refusal.reason
    return None


@pytest.mark.parametrize("in_task", [False, True])
def test_the_comparison_finds_a_cache_that_forgets_to_ask_for_the_keys(in_task):
    """A check that cannot fail is none: a token of a withdrawn key would be let in."""

    def without_keys(raw, trust, now, at_once, known=None):
        return known or real(raw, trust, now, at_once)

    real = guard_module.decide
    raw = Issuer(A, key=variants()["a"], clock=lambda: NOW).token()
    show = ("show", 0, Access(), in_task)
    events = [show, ("publish", A, ["b"]), ("tick", 100), show]
    with fetches_in_turn() as fetches:
        play(World(fetches, {"issuer": [A], "jwks_ttl": 60}), [raw], events)
        with patch("bearerguard.guard.decide", without_keys), pytest.raises(AssertionError):
            play(World(fetches, {"issuer": [A], "jwks_ttl": 60}), [raw], events)


def test_a_loop_that_really_runs_decides_alike():
    """The rest of this module only plays one."""
    issuer = Issuer(A, key=variants()["a"])
    guards = [issuer.guard(token_cache=most) for most in (9, 0)]

    async def decide(raw):
        return [[await guard.averify(raw) for _ in range(3)] for guard in guards]

    raw = issuer.token("a b")
    warm, cold = asyncio.run(decide(raw))
    assert warm == cold == [guards[0].verify(raw)] * 3

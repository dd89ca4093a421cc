"""Where the time of one token goes, step by step."""

import base64
import json
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from bearerguard.core import flow
from bearerguard.core.access_token import copy_of
from bearerguard.core.claims import HEADER_RULES
from bearerguard.core.encoding import decode_checked, read_json_object
from bearerguard.core.key_set import Key
from bearerguard.core.known_token import KnownToken
from bearerguard.core.policy import Policy
from bearerguard.core.queries import KeyQuery
from bearerguard.core.signature import VerifiedToken, verify
from bearerguard.core.token import (
    TokenHeader,
    TokenParts,
    UnverifiedToken,
    check_size,
    read_claims,
    read_header,
    split,
)
from bearerguard.guard import Guard

from .adapters import FRAMEWORKS, Adapters, named
from .rounds import Spread, fastest, interleave
from .section import Section
from .tokens import issuer_of, token, warm_guard
from .verification import bare_arguments, bare_verification

ROUNDS, BATCHES, BATCH = 8, 10, 40
QUICK = (2, 2, 5)
WHOLE, UNKEPT, LEAST, KNOWN, BARE = (
    "**a new token, in all**",
    "**the same with TOKEN_CACHE=0**",
    "**the least that Python needs, without any check**",
    "**a known token, in all**",
    "*of which the bare verify*",
)
WHOLES = (WHOLE, UNKEPT, LEAST, KNOWN)
AMONG, NOTHING = "{}, among signatures", "nothing"
THROUGH = "**a known token through {}**"
ABOUT = """
What one new RS256 token of 1.1 kB costs, step by step, in microseconds and as a multiple of the
bare verification. Each step is measured with what the steps before it made of new tokens, in two
ways. Alone, over and over, it has the processor's caches and branch predictors to itself. Among
signatures, a bare verification is done after each call and subtracted: that is how a step runs
within a token, where the mathematics has just pushed it out of them, and many steps take up to half
as long again then. The whole is measured by itself. Steps in italics are part of the one above
them. "The least" is what nobody can leave out: the token split, its payload decoded and read by
`json.loads`, and the signature verified; no claim is looked at, nothing is strict and nothing is
kept. The last two rows are what a request with a known token takes through the adapter of a
framework, over one to the same application without a guard: called in this process, without a
server, and with the known token of the row above in it.
"""


class Made(NamedTuple):
    """A token that nobody has seen, and what each step makes of another one."""

    unseen: str
    raw: str
    parts: TokenParts
    header: TokenHeader
    unverified: UnverifiedToken
    policy: Policy
    query: KeyQuery
    keys: Sequence[Key]
    verified: VerifiedToken
    known: KnownToken
    digest: bytes | None
    now: float


class Step(NamedTuple):
    """A call, and how its arguments are found in what was made of a token."""

    call: Callable[..., object]
    arguments: Callable[[Made], tuple[Any, ...]]


class Steps:
    """New tokens, what each step makes of them, and a turn for each step."""

    def __init__(self, batches: int, size: int) -> None:
        self.issuer = issuer_of()
        self.guard = warm_guard(self.issuer)
        self.store = self.guard._verified  # noqa: SLF001  what is measured here is inside
        self.batches, self.size = batches, size
        self.steps = self._steps(warm_guard(self.issuer, token_cache=0))
        self.made: list[list[Made]] = []

    def prepare(self) -> None:
        """Sign new tokens and take them through the steps."""
        self.made = [[self._make() for _ in range(self.size)] for _ in range(self.batches)]

    def turns(self) -> dict[str, Callable[[], float]]:
        """Give a turn for each step, and for each that is part of a token one among signatures."""
        alone = {name: partial(self._turn, step) for name, step in self.steps.items()}
        parts = {name: step for name, step in self.steps.items() if name not in WHOLES}
        parts[NOTHING] = Step(_nothing, lambda _: ())
        among = {AMONG.format(name): partial(self._among, step) for name, step in parts.items()}
        return alone | among

    def _turn(self, step: Step) -> float:
        return fastest(step.call, [[*map(step.arguments, batch)] for batch in self.made])

    def _among(self, step: Step) -> float:
        call, (verify_bare, signed_with) = step.call, self.steps[BARE]

        def both(arguments: tuple[Any, ...], signed: tuple[Any, ...]) -> None:
            call(*arguments)
            verify_bare(*signed)

        pairs = [[(step.arguments(m), signed_with(m)) for m in batch] for batch in self.made]
        return fastest(both, pairs)

    def _make(self) -> Made:
        """Sign a token and do with it what the guard does."""
        policy = self.guard.trust.only
        if policy is None:
            raise AssertionError("the guard has one issuer")
        raw = token(self.issuer)
        parts = split(raw)
        header = read_header(parts)
        unverified = read_claims(header, parts)
        query = flow.key_query(unverified, policy)
        keys = self.guard.issuers.answer(query)
        verified = verify(unverified, keys)
        known = flow.authorize(verified, policy, query)
        digest = self.store.digest_of(raw)
        self.store.keep(digest, known)
        return Made(
            unseen=token(self.issuer),
            raw=raw,
            parts=parts,
            header=header,
            unverified=unverified,
            policy=policy,
            query=query,
            keys=keys,
            verified=verified,
            known=known,
            digest=digest,
            now=self.guard.clock(),
        )

    def _steps(self, unkept: Guard) -> dict[str, Step]:
        """Name the steps in their order; ``unkept`` is a guard that remembers nothing."""
        shape = partial(_shape, self.guard.trust.max_bytes)
        # As for most tokens, which have none of the claims that only one rule is about.
        before, after = (
            partial(_rules, tuple(rule for about, rule in rules if about is None))
            for rules in (flow.EARLY_RULES, flow.LATE_RULES)
        )
        bare = bare_verification(self.issuer.key)
        signed_with = partial(bare_arguments, self.issuer.key.alg)
        return {
            "size and shape": Step(shape, lambda made: (made.raw,)),
            "header, remembered": Step(read_header, lambda made: (made.parts,)),
            "typ and alg": Step(
                partial(_rules, HEADER_RULES), lambda made: (made.header, made.policy)
            ),
            "claims": Step(read_claims, lambda made: (made.header, made.parts)),
            "*base64url*": Step(decode_checked, lambda made: (made.parts.payload,)),
            "*JSON*": Step(read_json_object, lambda made: (made.unverified.payload,)),
            "times, iss, aud": Step(before, _claims),
            "key": Step(partial(_key, self.guard), lambda made: (made.unverified, made.policy)),
            "signature": Step(verify, lambda made: (made.unverified, made.keys)),
            BARE: Step(bare, lambda made: signed_with(made.raw)),
            "remaining claims": Step(after, _claims),
            "access token": Step(
                flow.authorize, lambda made: (made.verified, made.policy, made.query)
            ),
            "SHA-256": Step(self.store.digest_of, lambda made: (made.raw,)),
            "look-up": Step(self.store.find, lambda made: (made.digest,)),
            # Under a digest of its own: as for a new token, something is added.
            "keeping it": Step(self.store.keep, lambda made: (secrets.token_bytes(32), made.known)),
            "a copy for the handler": Step(copy_of, lambda made: (made.known.token,)),
            WHOLE: Step(self.guard.verify, lambda made: (made.unseen,)),
            UNKEPT: Step(unkept.verify, lambda made: (made.raw,)),
            LEAST: Step(partial(_least, bare, signed_with), lambda made: (made.raw,)),
            KNOWN: Step(self.guard.verify, lambda made: (made.raw,)),
        }


def measure(quick: bool) -> list[Section]:  # noqa: FBT001  the same for all parts
    """Measure every step, and the adapters beside the same applications without a guard."""
    rounds, batches, size = QUICK if quick else (ROUNDS, BATCHES, BATCH)
    steps = Steps(batches, size)
    adapters = Adapters(steps.guard, token(steps.issuer))

    def prepare() -> None:
        steps.prepare()
        adapters.tokens = [[made.raw for made in batch] for batch in steps.made]

    found = interleave(steps.turns() | adapters.turns(), rounds, prepare)
    header = ("step", "us", "of the bare verify", "us among signatures")
    section = Section("What each step costs", ABOUT, header)
    nothing = found[AMONG.format(NOTHING)]
    for name in steps.steps:
        among = found.get(AMONG.format(name))
        added = "" if among is None else f"{among.minus(nothing).median * 1e6:.2f}"
        section.rows.append((*_row(name, found[name], found[BARE]), added))
    for framework in FRAMEWORKS:
        guarded, unguarded = (found[named(framework, is_guarded=is_it)] for is_it in (True, False))
        added = guarded.minus(unguarded)
        section.rows.append((*_row(THROUGH.format(framework), added, found[BARE]), ""))
    return [section]


def _nothing() -> None:
    """What a call costs in itself."""


def _least(verify_bare: Callable[..., object], signed_with: Callable[[str], Any], raw: str) -> Any:
    _, payload, _ = raw.split(".")
    verify_bare(*signed_with(raw))
    return json.loads(base64.urlsafe_b64decode(payload + "=="))


def _shape(max_bytes: int, raw: str) -> TokenParts:
    check_size(raw, max_bytes)
    return split(raw)


def _rules(rules: tuple[Callable[..., None], ...], *arguments: object) -> None:
    for rule in rules:
        rule(*arguments)


def _claims(made: Made) -> tuple[Any, ...]:
    return made.unverified.claims, made.policy, made.now


def _key(guard: Guard, unverified: UnverifiedToken, policy: Policy) -> Sequence[Key]:
    return guard.issuers.answer(flow.key_query(unverified, policy))


def _row(name: str, spread: Spread, bare: Spread) -> tuple[str, ...]:
    low, high = (value * 1e6 for value in spread.quartiles)
    share = spread.over(bare).median
    return name, f"{spread.median * 1e6:.2f} ({low:.2f}-{high:.2f})", f"{share:.2f}"

"""Where the time of one token goes, step by step."""

from collections.abc import Callable
from typing import Any

from bearerguard.core import flow
from bearerguard.core.access_token import copy_of
from bearerguard.core.claims import HEADER_RULES, RULES_AFTER_SIGNATURE, RULES_BEFORE_SIGNATURE
from bearerguard.core.encoding import decode_checked, read_json_object
from bearerguard.core.signature import verify
from bearerguard.core.token import read_claims, read_header, split
from bearerguard.guard import Guard
from bearerguard.testing import Issuer

from .rounds import Spread, fastest, interleave
from .section import Section
from .tokens import in_batches, issuer_of, token, warm_guard
from .verification import bare_arguments, bare_verification

ROUNDS, BATCHES, BATCH = 8, 10, 40
QUICK = (2, 2, 5)
WHOLE, UNKEPT, KNOWN, BARE = (
    "**a new token, in all**",
    "**the same with TOKEN_CACHE=0**",
    "**a known token, in all**",
    "of which the bare verify",
)
ABOUT = """
What one new RS256 token of 1.1 kB costs, step by step, in microseconds and as a multiple of the
bare verification. Each step is measured alone, with what the steps before it made of new tokens;
the whole is more than the sum of them, because driving the flow costs something too, and because
OpenSSL and the interpreter take the processor's caches from each other. Steps in italics are part
of the one above them.
"""


class Steps:
    """New tokens, what each step makes of them, and a turn for each step."""

    def __init__(self, batches: int, size: int) -> None:
        self.issuer: Issuer = issuer_of()
        self.guard: Guard = warm_guard(self.issuer)
        self.unkept: Guard = warm_guard(self.issuer, token_cache=0)
        self.bare = bare_verification(self.issuer.key)
        self.count, self.size = batches * size, size
        self.arguments: dict[str, list[tuple[Any, ...]]] = {}

    def prepare(self) -> None:
        """Sign new tokens and take them through the steps."""
        self.arguments = {name: [] for name in CALLS}
        for _ in range(self.count):
            self._note(token(self.issuer))

    def _note(self, raw: str) -> None:
        guard, policy, now = self.guard, self.guard.trust.only, self.guard.clock()
        if policy is None:
            raise AssertionError("the guard has one issuer")
        parts = split(raw)
        header = read_header(parts)
        unverified = read_claims(header, parts)
        query = flow.key_query(unverified, policy)
        keys = guard.issuers.answer(query)
        verified = verify(unverified, keys)  # type: ignore[arg-type]
        known = flow.authorize(verified, policy, query)
        store = guard._verified  # noqa: SLF001  what is measured here is inside
        digest = store.digest_of(raw)
        store.keep(digest, known)
        found: dict[str, tuple[Any, ...]] = {
            "size and shape": (raw,),
            "header, remembered": (parts,),
            "typ and alg": (HEADER_RULES, (header, policy)),
            "claims": (header, parts),
            "*base64url*": (parts.payload,),
            "*JSON*": (unverified.payload,),
            "times, iss, aud": (RULES_BEFORE_SIGNATURE, (unverified.claims, policy, now)),
            "key": (guard, unverified, policy),
            "signature": (unverified, keys),
            "remaining claims": (RULES_AFTER_SIGNATURE, (unverified.claims, policy, now)),
            "access token": (verified, policy, query),
            "SHA-256": (store, raw),
            "look-up": (store, digest),
            "keeping it": (store, digest, known),
            "a copy for the handler": (known.token,),
            WHOLE: (guard, token(self.issuer)),
            UNKEPT: (self.unkept, raw),
            KNOWN: (guard, raw),
        }
        for name, arguments in found.items():
            self.arguments[name].append(arguments)
        self.arguments[BARE].append(bare_arguments(self.issuer.key.alg, raw))

    def turns(self) -> dict[str, Callable[[], float]]:
        """Give a turn for each step."""
        calls = CALLS | {BARE: self.bare}
        return {name: lambda name=name: self._turn(name, calls[name]) for name in calls}  # type: ignore[misc]

    def _turn(self, name: str, call: Callable[..., object]) -> float:
        batches = in_batches(self.arguments[name], self.size)
        return fastest(call, [[arguments for (arguments,) in batch] for batch in batches])


def _rules(rules: tuple[Callable[..., None], ...], arguments: tuple[Any, ...]) -> None:
    for rule in rules:
        rule(*arguments)


CALLS: dict[str, Callable[..., object]] = {
    "size and shape": split,
    "header, remembered": read_header,
    "typ and alg": _rules,
    "claims": read_claims,
    "*base64url*": decode_checked,
    "*JSON*": read_json_object,
    "times, iss, aud": _rules,
    "key": lambda guard, token, policy: guard.issuers.answer(flow.key_query(token, policy)),
    "signature": verify,
    BARE: lambda *_: None,
    "remaining claims": _rules,
    "access token": flow.authorize,
    "SHA-256": lambda store, raw: store.digest_of(raw),
    "look-up": lambda store, digest: store.find(digest),
    "keeping it": lambda store, digest, known: store.keep(digest, known),
    "a copy for the handler": copy_of,
    WHOLE: lambda guard, raw: guard.verify(raw),
    UNKEPT: lambda guard, raw: guard.verify(raw),
    KNOWN: lambda guard, raw: guard.verify(raw),
}


def measure(quick: bool) -> list[Section]:  # noqa: FBT001  the same for all parts
    """Measure every step."""
    rounds, batches, size = QUICK if quick else (ROUNDS, BATCHES, BATCH)
    steps = Steps(batches, size)
    found = interleave(steps.turns(), rounds, steps.prepare)
    section = Section("What each step costs", ABOUT, ("step", "us", "of the bare verify"))
    section.rows = [_row(name, spread, found[BARE]) for name, spread in found.items()]
    return [section]


def _row(name: str, spread: Spread, bare: Spread) -> tuple[str, ...]:
    shown = f"*{name}*" if name == BARE else name
    low, high = (value * 1e6 for value in spread.quartiles)
    share = spread.over(bare).median
    return shown, f"{spread.median * 1e6:.2f} ({low:.2f}-{high:.2f})", f"{share:.2f}"

"""A bad token: what it costs to refuse it, with the line that is logged about it."""

import logging
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bearerguard.core.access import Access
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.request import RequestView
from bearerguard.errors import RejectedError
from bearerguard.testing import Issuer, SigningKey

from .rounds import Goal, Spread, fastest, interleave
from .section import Bar, Section
from .tokens import in_batches, issuer_of, token, warm_guard
from .verification import bare_arguments, bare_verification

ROUNDS, BATCHES, BATCH = 12, 6, 30
QUICK = (2, 2, 5)
BARE, GOOD, FORGED = "bare", "good token", "forged signature"
BY_CLAIMS = ("expired", "wrong audience", "wrong issuer")
BY_SHAPE = (
    "unknown kid",
    "wrong alg",
    "wrong typ",
    "garbage",
    "16 kB of garbage",
    "16 kB of garbage as claims",
    "over 16 kB",
)
BY_CLAIMS_LIMIT, BY_SHAPE_LIMIT = 1.0, 0.5
# What a bad token of each kind is refused for. If one is refused for another reason, its figure is
# that of another kind.
REASONS = {
    FORGED: "signature_invalid",
    "expired": "expired",
    "wrong audience": "audience_mismatch",
    "wrong issuer": "issuer_mismatch",
    "unknown kid": "key_unknown",
    "wrong alg": "algorithm_not_allowed",
    "wrong typ": "type_mismatch",
    "garbage": "token_malformed",
    "16 kB of garbage": "header_malformed",
    "16 kB of garbage as claims": "claims_malformed",
    "over 16 kB": "token_too_large",
}
VERIFY, QUIET, WRITTEN = WAYS = ("guard.verify", "guard.admit, not logged", "guard.admit, logged")
ACCESS = Access()
LOG_LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"
ABOUT = """
Time for one bad token as a multiple of a bare RS256 verification and, behind the slash, of a good
new token that is asked about in the same way. `guard.verify` is the token alone. `guard.admit` is a
request, as an adapter has it: the header is read, and the refusal is explained and logged. "Not
logged" is how Python starts: the root logger at WARNING, so that refusals, which are INFO, are not
written. "Logged" is a file handler with a formatter at INFO, which writes a line for each. The
tokens are RS256 tokens of about 1.1 kB with a right signature, except for what is named, and nobody
has seen them before. "Garbage" is a random word without a dot; 16 kB of it are three random parts
of base64url, or one behind a good header. The keys are there, and the budget of fetches for unknown
key ids is spent, as it is after the first two of a flood.
"""


class UnfitError(Exception):
    """A bad token was refused for another reason than its own, or not at all."""


def measure(quick: bool) -> list[Section]:  # noqa: FBT001  the same for all parts
    """Measure each kind of bad token in three ways, beside a good one and the bare signature."""
    rounds, batches, size = QUICK if quick else (ROUNDS, BATCHES, BATCH)
    turns = Turns(batches, size)
    turns.check()
    found = interleave(turns.turns(), rounds, turns.prepare)
    unit = "multiples of a bare RS256 verify (less is better)"
    section = Section("Refusal of a bad token", ABOUT, ("", *WAYS), unit)
    for kind in KINDS:
        section.rows.append((kind, *(_cell(found, kind, way) for way in WAYS)))
        section.bars += [Bar(kind, way, _share(found, kind, way, BARE)) for way in WAYS]
    for kinds, limit in ((BY_CLAIMS, BY_CLAIMS_LIMIT), (BY_SHAPE, BY_SHAPE_LIMIT)):
        for kind in kinds:
            what = f"{kind}, {QUIET}, against a bare RS256 verify"
            section.goals.append(Goal(what, _share(found, kind, QUIET, BARE), limit))
    return [section]


class Turns:
    """What one round shares: bad tokens that nobody has seen, and three ways to ask about them."""

    def __init__(self, batches: int, size: int) -> None:
        self.issuer = issuer_of()
        self.size = size
        self.count = batches * size
        self.guard = warm_guard(self.issuer)
        self.bare = bare_verification(self.issuer.key)
        self.signatures: list[list[tuple[Any, ...]]] = []
        self.asked: dict[tuple[str, str], list[list[tuple[Any, ...]]]] = {}
        for _ in range(5):
            self.verify(KINDS["unknown kid"](self.issuer))

    def prepare(self) -> None:
        """Make new tokens of each kind."""
        for kind, make in KINDS.items():
            fresh = self._tokens(make)
            for way in WAYS:
                # A good one is remembered: it must be new to each way of asking.
                tokens = self._tokens(make) if kind == GOOD and way != VERIFY else fresh
                asked = tokens if way == VERIFY else [request(raw) for raw in tokens]
                self.asked[kind, way] = in_batches(asked, self.size)
        arguments = partial(bare_arguments, self.issuer.key.alg)
        self.signatures = [
            [arguments(raw) for (raw,) in batch] for batch in self.asked[GOOD, VERIFY]
        ]

    def _tokens(self, make: Callable[[Issuer], str]) -> list[str]:
        return [make(self.issuer) for _ in range(self.count)]

    def check(self) -> None:
        """Raise UnfitError where a token is refused for another reason than its own."""
        for kind, make in KINDS.items():
            found = self.verify(make(self.issuer))
            if found != REASONS.get(kind):
                raise UnfitError(f"{kind}: {found}")

    def turns(self) -> dict[str, Callable[[], float]]:
        """Give the turns, by kind and way."""
        turns: dict[str, Callable[[], float]] = {BARE: self.bare_turn}
        for kind in KINDS:
            turns[f"{kind}, {VERIFY}"] = partial(self.turn, self.verify, kind, VERIFY)
            turns[f"{kind}, {QUIET}"] = partial(self.turn, self.admit, kind, QUIET)
            turns[f"{kind}, {WRITTEN}"] = partial(self.logged_turn, kind)
        return turns

    def bare_turn(self) -> float:
        """Give the seconds of a bare verification."""
        return fastest(self.bare, self.signatures)

    def turn(self, ask: Callable[..., object], kind: str, way: str) -> float:
        """Give the seconds of one way to ask about one kind of token."""
        return fastest(ask, self.asked[kind, way])

    def logged_turn(self, kind: str) -> float:
        """Give the seconds of a request, with the line in the log file."""
        with log_file():
            return self.turn(self.admit, kind, WRITTEN)

    def verify(self, raw: str) -> str | None:
        """Ask about a token as an application does; give the reason of a refusal."""
        try:
            self.guard.verify(raw)
        except RejectedError as refusal:
            return refusal.reason
        return None

    def admit(self, request: RequestView) -> str | None:
        """Ask about a request as an adapter does; give the reason of a refusal."""
        try:
            self.guard.admit(request, ACCESS)
        except RejectedError as refusal:
            return refusal.reason
        return None


@contextmanager
def log_file() -> Iterator[Path]:
    """Log to a file at INFO, as ``logging.basicConfig(filename=..., level=INFO)`` would."""
    root = logging.getLogger()
    level = root.level
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "api.log"
        handler = logging.FileHandler(path)
        handler.setFormatter(logging.Formatter(LOG_LINE))
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield path
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
            handler.close()


def request(raw: str) -> RequestView:
    """Make a request with a token, as an adapter does: other fields it does not hand over."""
    fields = [("authorization", f"Bearer {raw}")]
    return RequestView("GET", "/orders/4711", "/orders/4711", fields)


def _forged(issuer: Issuer) -> str:
    signed, _, signature = token(issuer).rpartition(".")
    return f"{signed}.{_random(len(signature) * 3 // 4)}"


def _random(size: int) -> str:
    # Less than any modulus, so that no library sees without arithmetic that it is wrong.
    return base64url_encode(b"\0" + secrets.token_bytes(size - 1)).decode()


def _wrong_alg(issuer: Issuer) -> str:
    """Sign with the public key as an HMAC secret, the oldest trick."""
    trick = SigningKey("HS256", issuer.key.public_pem(), {"kid": issuer.key.kid})
    return token(issuer, key=trick)


def _garbage_as_claims(issuer: Issuer) -> str:
    header, _, signature = token(issuer).split(".")
    return f"{header}.{_random(11_400)}.{signature}"


KINDS: dict[str, Callable[[Issuer], str]] = {
    GOOD: token,
    FORGED: _forged,
    "expired": lambda issuer: token(issuer, exp=int(issuer.clock()) - 3600),
    "wrong audience": lambda issuer: token(issuer, aud="https://api.example/invoices"),
    "wrong issuer": lambda issuer: token(issuer, iss="https://login.example/tenants/0"),
    "unknown kid": lambda issuer: token(issuer, header={"kid": secrets.token_urlsafe(16)}),
    "wrong alg": _wrong_alg,
    "wrong typ": lambda issuer: token(issuer, header={"typ": "JWT"}),
    "garbage": lambda _: secrets.token_urlsafe(32),
    "16 kB of garbage": lambda _: ".".join(_random(4_000) for _ in range(3)),
    "16 kB of garbage as claims": _garbage_as_claims,
    "over 16 kB": lambda _: ".".join(_random(4_500) for _ in range(3)),
}


def _share(found: Mapping[str, Spread], kind: str, way: str, base: str) -> Spread:
    return found[f"{kind}, {way}"].over(found[base])


def _cell(found: Mapping[str, Spread], kind: str, way: str) -> str:
    share = _share(found, kind, way, BARE)
    low, high = share.quartiles
    of_good = _share(found, kind, way, f"{GOOD}, {way}").median
    return f"{share.median:.2f} ({low:.2f}-{high:.2f}) / {of_good:.2f}"

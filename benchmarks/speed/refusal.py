"""A bad token: what it costs to refuse it, with the line that is logged about it."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bearerguard.core.access import Access
from bearerguard.core.request import RequestView
from bearerguard.errors import RejectedError

from .bad_tokens import BY_CLAIMS, BY_SHAPE, GOOD, KINDS, REASONS
from .rounds import Goal, Spread, fastest, interleave
from .section import Bar, Section
from .tokens import in_batches, issuer_of, warm_guard
from .verification import bare_arguments, bare_verification

ROUNDS, BATCHES, BATCH = 12, 6, 30
QUICK = (2, 2, 5)
BARE = "bare"
BY_CLAIMS_LIMIT, BY_SHAPE_LIMIT = 1.0, 0.5
VERIFY, QUIET, WRITTEN = WAYS = ("guard.verify", "guard.admit, not logged", "guard.admit, logged")
JUDGED = (QUIET, WRITTEN)
# What the standard library takes for a line that is ready, whoever writes it.
LINE = "the line alone"
SHOWN = '`logging.getLogger("x").info("%s", text)`'
ACCESS = Access()
LOG_LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"
ABOUT = """
Time for one bad token as a multiple of a bare RS256 verification and, behind the slash, of a good
new token that is asked about in the same way. `guard.verify` is the token alone. `guard.admit` is a
request, as an adapter has it: the header is read, and the refusal is explained and logged. "Not
logged" is how Python starts: the root logger at WARNING, so that refusals, which are INFO, are not
written. "Logged" is a file handler with a formatter at INFO, which writes a line for each. The
goals are about `guard.admit`, both ways. The tokens are RS256 tokens of about 1.1 kB with a right
signature, except for what is named; nobody has seen them before, and each way of asking has its
own. "Garbage" is a random word without a dot; 16 kB of it are three random parts of base64url, or
one behind a good header. The keys are there, and the budget of fetches for unknown key ids is
spent, as it is after the first two of a flood. An unknown kid costs more than the others that are
refused by their header, because the order of the checks is fixed and the key comes after times, iss
and aud, so that the claims have to be read first.
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
    line = found[LINE].over(found[BARE])
    about = f"{ABOUT} {_about_line(line)}"
    section = Section("Refusal of a bad token", about, ("", *WAYS), unit)
    for kind in KINDS:
        section.rows.append((kind, *(_cell(found, kind, way) for way in WAYS)))
        section.bars += [Bar(kind, way, _share(found, kind, way, BARE)) for way in WAYS]
    section.rows.append((LINE, "-", "-", _ratio(line)))
    section.bars.append(Bar(LINE, WRITTEN, line))
    section.goals = [goal for way in JUDGED for goal in _goals(found, way, line)]
    return [section]


class Turns:
    """What one round shares: bad tokens that nobody has seen, and three ways to ask about them."""

    def __init__(self, batches: int, size: int) -> None:
        self.issuer = issuer_of()
        self.size = size
        self.count = batches * size
        self.guard = warm_guard(self.issuer)
        self.bare = bare_verification(self.issuer.key)
        self.line = self._line()
        self.signatures: list[list[tuple[Any, ...]]] = []
        self.asked: dict[tuple[str, str], list[list[tuple[Any, ...]]]] = {}

    def prepare(self) -> None:
        """Make new tokens of each kind for each way of asking.

        Good tokens are remembered, and so are the headers of bad ones.
        """
        for kind, make in KINDS.items():
            for way in WAYS:
                tokens = [make(self.issuer) for _ in range(self.count)]
                asked = tokens if way == VERIFY else [request(raw) for raw in tokens]
                self.asked[kind, way] = in_batches(asked, self.size)
        for _ in range(5):  # the budget of fetches grows again with time
            self.verify(KINDS["unknown kid"](self.issuer))
        arguments = partial(bare_arguments, self.issuer.key.alg)
        self.signatures = [
            [arguments(raw) for (raw,) in batch] for batch in self.asked[GOOD, VERIFY]
        ]

    def check(self) -> None:
        """Raise UnfitError where a token is refused for another reason than its own."""
        for kind, make in KINDS.items():
            found = self.verify(make(self.issuer))
            if found != REASONS.get(kind):
                raise UnfitError(f"{kind}: {found}")

    def turns(self) -> dict[str, Callable[[], float]]:
        """Give the turns, by kind and way."""
        turns: dict[str, Callable[[], float]] = {BARE: self.bare_turn, LINE: self.line_turn}
        for kind in KINDS:
            turns[f"{kind}, {VERIFY}"] = partial(self.turn, self.verify, kind, VERIFY)
            turns[f"{kind}, {QUIET}"] = partial(self.turn, self.admit, kind, QUIET)
            turns[f"{kind}, {WRITTEN}"] = partial(self.logged_turn, kind)
        return turns

    def bare_turn(self) -> float:
        """Give the seconds of a bare verification."""
        return fastest(self.bare, self.signatures)

    def line_turn(self) -> float:
        """Give the seconds of the standard library for a line that is ready."""
        logger = logging.getLogger("x")
        batches = in_batches([self.line] * self.count, self.size)
        with log_file():
            return fastest(partial(logger.info, "%s"), batches)

    def turn(self, ask: Callable[..., object], kind: str, way: str) -> float:
        """Give the seconds of one way to ask about one kind of token."""
        return fastest(ask, self.asked[kind, way])

    def logged_turn(self, kind: str) -> float:
        """Give the seconds of a request, with the line in the log file."""
        with log_file():
            return self.turn(self.admit, kind, WRITTEN)

    def _line(self) -> str:
        """Give what is written about an expired token."""
        with log_file() as path:
            self.admit(request(KINDS["expired"](self.issuer)))
            written = path.read_text(encoding="utf-8")
        return written[written.index("refused: ") :].rstrip()

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


def _share(found: Mapping[str, Spread], kind: str, way: str, base: str) -> Spread:
    return found[f"{kind}, {way}"].over(found[base])


def _goals(found: Mapping[str, Spread], way: str, line: Spread) -> Iterator[Goal]:
    remark = f"{LINE}: {line.median:.2f} x" if way == WRITTEN else ""
    for kinds, limit in ((BY_CLAIMS, BY_CLAIMS_LIMIT), (BY_SHAPE, BY_SHAPE_LIMIT)):
        for kind in kinds:
            what = f"{kind}: {way}, against a bare RS256 verify"
            yield Goal(what, _share(found, kind, way, BARE), limit, remark=remark)


def _about_line(line: Spread) -> str:
    """Say which part of a refusal that is logged is not ours."""
    takes = line.median
    left = BY_SHAPE_LIMIT - takes
    limit = f"the limit of {BY_SHAPE_LIMIT:.2f} for refusals by header or shape"
    says = (
        f"leaves {left:.2f} of {limit}"
        if left > 0
        else f"is beyond {limit} already, which nobody who logs them in this way can keep here"
    )
    return (
        f'The row "{LINE}" is what the standard library takes for one such line, where its text is '
        f"ready: {SHOWN} with the same file handler. That is {takes:.2f} bare verifications, and "
        f'{says}. What "logged" takes beyond this and "not logged" is ours: the facts, the hint, '
        f"and the text made of them."
    )


def _cell(found: Mapping[str, Spread], kind: str, way: str) -> str:
    of_good = _share(found, kind, way, f"{GOOD}, {way}").median
    return f"{_ratio(_share(found, kind, way, BARE))} / {of_good:.2f}"


def _ratio(spread: Spread) -> str:
    low, high = spread.quartiles
    return f"{spread.median:.2f} ({low:.2f}-{high:.2f})"

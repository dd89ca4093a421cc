"""Where a drill takes place: one fresh contender and one fresh issuer, and what a drill does."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bearerguard.testing import SigningKey

from .issuer import AUDIENCE, JWKS_PATH, DrillIssuer
from .process import DEADLINE_S, Child, Player

HANG = "no answer"


class UnfitError(Exception):
    """The contender refuses a good token of an issuer that is up: nothing can be drilled."""


class Keys:
    """The keys of a run, made once: an RSA key takes a tenth of a second."""

    @cached_property
    def first(self) -> SigningKey:
        """The key that signs good tokens."""
        return SigningKey.generate("RS256", kid="key-1")

    @cached_property
    def second(self) -> SigningKey:
        """The key to which an issuer rotates."""
        return SigningKey.generate("RS256", kid="key-2")


@dataclass(frozen=True)
class Arena:
    """A contender's process and its issuer; a caller waits for ``deadline_s`` at most."""

    child: Child
    issuer: DrillIssuer
    keys: Keys
    player: Player
    deadline_s: float = DEADLINE_S

    @property
    def mode(self) -> str:
        """How the contender is usually asked."""
        return self.player.modes[0]

    def ask(self, what: str, patience: int = 1, **command: Any) -> dict[str, Any]:
        """Have a command done, within the deadline or a multiple of it."""
        return self.child.ask(what, self.deadline_s * patience, **command)

    def verify(self, token: str, mode: str | None = None) -> tuple[str, float]:
        """Verify one token: what the caller sees, and after how many seconds."""
        (answer,) = self.storm([token], mode)
        return answer

    def storm(self, tokens: list[str], mode: str | None = None) -> list[tuple[str, float]]:
        """Verify tokens at once."""
        got = self.ask("storm", tokens=tokens, mode=mode or self.mode)["answers"]
        return [(answer["outcome"], answer["seconds"]) for answer in got]

    def sequence(self, tokens: list[str]) -> list[str]:
        """Verify tokens one after the other; where one hangs, all count as hanging."""
        got = self.ask("sequence", patience=2, tokens=tokens, mode=self.mode)
        return [HANG] * len(tokens) if "hang" in got else got["outcomes"]

    def warm(self) -> str:
        """Have a good token verified and give it; the issuer's counters start at 0 again.

        Raises:
            UnfitError: it was not accepted.
        """
        token = self.issuer.token()
        outcome, _ = self.verify(token)
        if outcome != "accepted":
            raise UnfitError(f"a good token of an issuer that is up: {outcome}")
        self.issuer.fetched()
        return token

    def advance(self, seconds: float) -> None:
        """Let simulated time pass, without a request."""
        self.ask("advance", seconds=seconds)

    def traffic(
        self,
        token: str,
        *,
        step_s: float,
        most: int,
        until: str | None = None,
        unless: str | None = None,
    ) -> dict[str, Any]:
        """Send a token every ``step_s`` simulated seconds, until an outcome, or unless it is one.

        Gives ``simulated_s`` (None where it did not end by itself) and ``outcomes``, a count each;
        or nothing but ``hang``.
        """
        wanted = [outcome for outcome in (until, unless) if outcome]
        return self.ask(
            "traffic",
            patience=4,
            token=token,
            mode=self.mode,
            step_s=step_s,
            most=most,
            until=wanted,
            unless=unless is not None,
        )


@contextlib.contextmanager
def arena(
    player: Player, keys: Keys, certificate: Path | None, deadline_s: float
) -> Iterator[Arena]:
    """Start an issuer and a contender beside it, and end both."""
    tls = certificate if player.about.get("tls") else None
    issuer = DrillIssuer(keys.first, tls)
    setup = {"issuer": issuer.url, "jwks_uri": issuer.url + JWKS_PATH, "audience": AUDIENCE}
    try:
        with Child(player.python, player.adapter, setup, tls) as child:
            child.ask("hello")
            yield Arena(child, issuer, keys, player, deadline_s)
    finally:
        issuer.close()


def counted(outcomes: list[str]) -> str:
    """Write how often each outcome was seen, "20 accepted, 3 refused"."""
    return ", ".join(f"{count} {outcome}" for outcome, count in Counter(outcomes).most_common())


def seconds(value: float) -> str:
    """Write a duration so that it can be compared at a glance."""
    return f"{value * 1000:.0f} ms" if value < 0.9995 else f"{value:.1f} s"

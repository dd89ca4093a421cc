"""Comparing things fairly on a noisy machine: interleaved rounds, ratios within a round, quartiles.

A machine that others use is fast in one minute and slow in the next. So nobody is measured alone:
in each round everyone has a turn, every other round in the opposite order, and what counts is the
ratio of two turns of one round.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ROUNDS = 7


@dataclass(frozen=True)
class Spread:
    """One quantity, once for each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The values between which the middle half lies."""
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    @property
    def width(self) -> float:
        """How far apart the greatest and the smallest value are, as a share of the median."""
        return (max(self.values) - min(self.values)) / self.median

    def over(self, base: "Spread") -> "Spread":
        """Divide round by round."""
        pairs = zip(self.values, base.values, strict=True)
        return Spread(tuple(value / other for value, other in pairs))


@dataclass(frozen=True)
class Goal:
    """A figure that was promised: a ratio, and the limit on one side of it."""

    what: str
    measured: Spread
    limit: float
    at_most: bool = True
    remark: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the median keeps the limit."""
        median = self.measured.median
        return median <= self.limit if self.at_most else median >= self.limit


def interleave(turns: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, Spread]:
    """Give everyone a turn in each round, in both orders; a turn gives one number."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    names = list(turns)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(turns[name]())
    return {name: Spread(tuple(values)) for name, values in found.items()}

"""Comparing things fairly on a noisy machine: interleaved rounds, ratios within a round, quartiles.

A machine that others use is fast in one minute and slow in the next. So nobody is measured alone:
in each round everyone has a turn, every other round in the opposite order, and what counts is the
ratio of two turns of one round.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
        """The values between which the middle half lies; of one value, that value twice."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
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

    def minus(self, base: "Spread") -> "Spread":
        """Subtract round by round."""
        pairs = zip(self.values, base.values, strict=True)
        return Spread(tuple(value - other for value, other in pairs))


@dataclass(frozen=True)
class Goal:
    """A figure that was promised: a ratio, or so many of a ``unit``, and its limit on one side."""

    what: str
    measured: Spread
    limit: float
    at_most: bool = True
    remark: str = ""
    unit: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the median keeps the limit."""
        median = self.measured.median
        return median <= self.limit if self.at_most else median >= self.limit


def interleave(
    turns: Mapping[str, Callable[[], float]],
    rounds: int = ROUNDS,
    prepare: Callable[[], None] = lambda: None,
) -> dict[str, Spread]:
    """Give everyone a turn in each round, in both orders; a turn gives one number.

    ``prepare`` is called before each round, for what all turns of a round share.
    """
    found: dict[str, list[float]] = {name: [] for name in turns}
    names = list(turns)
    for number in range(rounds):
        prepare()
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(turns[name]())
    return {name: Spread(tuple(values)) for name, values in found.items()}


def fastest(call: Callable[..., object], batches: Sequence[Sequence[tuple[Any, ...]]]) -> float:
    """Give the seconds of one call in the fastest of several batches of calls.

    Each item of a batch holds the arguments of one call. On a machine that others use, the fastest
    batch is the one that was disturbed least; batches are long enough to contain the collector's
    small rounds.
    """
    best = math.inf
    for batch in batches:
        began = time.perf_counter_ns()
        for arguments in batch:
            call(*arguments)
        best = min(best, (time.perf_counter_ns() - began) / len(batch))
    return best / 1e9

"""What a part of the benchmarks found: a table, the goals, and the bars of its chart."""

from dataclasses import dataclass, field

from .rounds import Goal, Spread


@dataclass(frozen=True)
class Bar:
    """One bar of a chart; ``group`` is the cluster in which it stands, ``series`` its colour."""

    group: str
    series: str
    measured: Spread


@dataclass
class Section:
    """One part of the page. ``rows`` are as many texts as ``header``."""

    title: str
    about: str
    header: tuple[str, ...]
    unit: str = ""
    rows: list[tuple[str, ...]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)

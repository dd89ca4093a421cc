"""The tables: for a terminal, and for docs/speed.md."""

import os
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .rounds import Goal
from .section import Section

PROSE = Path(__file__).with_name("prose.md")
CHART_SHOWS = "Verification, refusal and HTTP throughput as bars"
GOALS_HEADER = ("", "goal", "median", "quartiles", "", "remark")


@dataclass(frozen=True)
class Report:
    """What was measured, and where."""

    sections: Sequence[Section]
    machine: str
    versions: str


def as_text(section: Section) -> str:
    """Write a section for a terminal: its table, and its goals."""
    parts = [section.title, _columns([section.header, *section.rows])]
    if section.goals:
        parts.append(_columns([GOALS_HEADER, *map(goal_row, section.goals)]))
    return "\n\n".join(parts)


def as_markdown(report: Report, chart: str) -> str:
    """Write the page: the prose, with the tables in their places.

    ``chart`` is the link to it, empty where there is none.
    """
    page = PROSE.read_text(encoding="utf-8")
    goals = [goal for section in report.sections for goal in section.goals]
    for place, text in {
        "{when}": datetime.now(UTC).strftime("%Y-%m-%d"),
        "{machine}": _wrapped(f"Machine: {report.machine}. Versions: {report.versions}."),
        "{chart}": f"![{CHART_SHOWS}]({chart})\n\n" if chart else "",
        "{met}": f"{sum(goal.is_met for goal in goals)} of {len(goals)}",
        "{goals}": _table([GOALS_HEADER, *map(goal_row, goals)]),
        "{sections}": "\n\n".join(map(_section, report.sections)),
    }.items():
        page = page.replace(place, text)
    return page


def goal_row(goal: Goal) -> tuple[str, ...]:
    """Write a goal as a row of a table."""
    low, high = goal.measured.quartiles
    side = "at most" if goal.at_most else "at least"
    return (
        goal.what,
        f"{side} {_number(goal.limit, goal)}",
        _number(goal.measured.median, goal),
        f"{low:.2f}-{high:.2f}",
        "met" if goal.is_met else "**missed**",
        goal.remark,
    )


def link_to(chart: Path, page: Path) -> str:
    """Give the chart's address as the page has to write it."""
    return Path(os.path.relpath(chart, page.parent)).as_posix()


def _number(value: float, goal: Goal) -> str:
    return f"{value:.2f} {goal.unit or 'x'}"


def _section(section: Section) -> str:
    table = _table([section.header, *section.rows])
    return f"## {section.title}\n\n{_wrapped(section.about)}\n\n{table}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([lines[0], "-" * sum(widths, 2 * len(widths) - 2), *lines[1:]])


def _line(row: Iterable[str], widths: Iterable[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 100, break_long_words=False)

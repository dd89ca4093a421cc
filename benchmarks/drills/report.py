"""The tables: for a terminal, and for docs/drills.md."""

import os
import platform
import textwrap
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from .environments import REMARKS, Missing
from .process import DEADLINE_S, Player
from .stage import Drill, Rows

PROSE = Path(__file__).with_name("prose.md")
NARROW = 22


@dataclass
class Report:
    """What was measured: the cells of each drill by contender."""

    players: list[Player]
    missing: list[Missing]
    machine: str
    results: dict[str, dict[str, Rows]] = field(default_factory=dict)

    def table(self, drill: Drill) -> list[list[str]]:
        """Give a drill's table: a head, and a line for each row that any contender has."""
        found = self.results[drill.key]
        names = [player.name for player in self.players]
        labels = list(dict.fromkeys(label for name in names for label in found[name] if label))
        lines = [[label, *(_cell(found[name], label) for name in names)] for label in labels]
        return [["", *names], *lines]


def _cell(rows: Rows, label: str) -> str:
    return rows.get(label, rows.get("", "-"))


def as_text(table: list[list[str]]) -> str:
    """Write a table for a terminal."""
    lines = []
    for line in table:
        cells = [textwrap.wrap(cell, NARROW) or [""] for cell in line]
        for index in range(max(map(len, cells))):
            parts = [(cell[index] if index < len(cell) else "").ljust(NARROW) for cell in cells]
            lines.append("  ".join(parts).rstrip())
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:]])


def as_markdown(report: Report, drills: list[Drill]) -> str:
    """Write the page: the prose, with the tables in their places."""
    page = PROSE.read_text(encoding="utf-8")
    for place, text in {
        "{when}": datetime.now(UTC).strftime("%Y-%m-%d"),
        "{machine}": report.machine,
        "{contenders}": _contenders(report),
        "{deadline}": f"{DEADLINE_S:g}",
        "{drills}": "\n\n".join(_section(report, drill) for drill in drills),
    }.items():
        page = page.replace(place, text)
    return page


def machine() -> str:
    """Describe the machine in a few words."""
    system = f"{platform.system()} on {platform.machine()}"
    load = f"load average {os.getloadavg()[0]:.1f}"
    return f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}, {load}"


def _section(report: Report, drill: Drill) -> str:
    return f"## {drill.title}\n\n{_wrapped(drill.about)}\n\n{_rows(report.table(drill))}"


def _contenders(report: Report) -> str:
    head = ["contender", "version", "configuration", "what an option would change"]
    lines = [
        [p.name, p.about["version"], f"`{p.about['configuration']}`", REMARKS[p.adapter.stem]]
        for p in report.players
    ]
    lines += [[m.name, "not installed", m.reason.replace("|", " "), ""] for m in report.missing]
    return _rows([head, *lines])


def _rows(table: list[list[str]]) -> str:
    lines = ["| " + " | ".join(line) + " |" for line in table]
    lines.insert(1, "|" + "---|" * len(table[0]))
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 100)

"""Measure what guarding an API costs: ``python -m benchmarks.speed``, or ``make bench``."""

import argparse
import importlib
import time
from pathlib import Path

from .chart import draw
from .environment import machine, missing, versions
from .report import Report, as_markdown, as_text, link_to
from .section import Section

ROOT = Path(__file__).parents[2]
# Modules with ``measure(quick) -> list[Section]``.
PARTS = ("verification", "steps", "refusal", "http", "growth", "imports")


def main() -> None:
    """Run what was selected, print the tables, and write page and chart after a complete run."""
    options = _options()
    where = machine()
    print(f"{where}\n{versions()}", flush=True)
    if missing():
        print(f"not installed, and so without a figure: {', '.join(missing())}")
    sections: list[Section] = []
    for part in options.only or PARTS:
        began = time.monotonic()
        sections += _printed(
            importlib.import_module(f".{part}", __package__).measure(options.quick)
        )
        print(f"\n({part}: {time.monotonic() - began:.0f} s)", flush=True)
    goals = [goal for section in sections for goal in section.goals]
    print(f"\n{sum(goal.is_met for goal in goals)} of {len(goals)} goals are met")
    if options.only is None and not options.quick:
        draw(sections, options.chart)
        report = Report(sections, where, versions())
        text = as_markdown(report, link_to(options.chart, options.page))
        options.page.write_text(text, encoding="utf-8")
        print(f"written to {options.page} and {options.chart}")


def _printed(sections: list[Section]) -> list[Section]:
    for section in sections:
        print(f"\n{as_text(section)}", flush=True)
    return sections


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts only; writes nothing")
    parser.add_argument("--quick", action="store_true", help="few repetitions; writes nothing")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "speed.md")
    parser.add_argument("--chart", type=Path, default=ROOT / "docs" / "speed.svg")
    return parser.parse_args()


if __name__ == "__main__":
    main()

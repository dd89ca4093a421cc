"""Measure what guarding an API costs: ``python -m benchmarks.speed``, or ``make bench``."""

import argparse
import importlib
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from .chart import can_draw, draw
from .environment import machine, missing, versions
from .report import Report, as_markdown, as_text, link_to
from .section import Section

ROOT = Path(__file__).parents[2]
# Modules with ``measure(quick) -> list[Section]``.
PARTS = ("verification", "steps", "refusal", "http", "growth", "imports")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what was selected, print the tables, and write page and chart after a complete run.

    A part that fails stops no other; then nothing is written, and the run ends with its name.
    """
    options = _options(arguments)
    where = machine()
    print(f"{where}\n{versions()}", flush=True)
    if missing():
        print(f"not installed, and so without a figure: {', '.join(missing())}")
    sections: list[Section] = []
    failed: list[str] = []
    for part in options.only or PARTS:
        try:
            sections += _measured(part, quick=options.quick)
        except Exception:
            traceback.print_exc()
            failed.append(part)
    goals = [goal for section in sections for goal in section.goals]
    print(f"\n{sum(goal.is_met for goal in goals)} of {len(goals)} goals are met")
    if failed:
        raise SystemExit(f"failed, and so nothing is written: {', '.join(failed)}")
    if options.only is None and not options.quick:
        write(Report(sections, where, versions()), options.page, options.chart)


def write(report: Report, page: Path, chart: Path) -> None:
    """Write the page and then the chart, which the page goes without where nothing can draw."""
    link = link_to(chart, page) if can_draw() else ""
    page.write_text(as_markdown(report, link), encoding="utf-8")
    print(f"written to {page}")
    if link:
        draw(report.sections, chart)
        print(f"written to {chart}")
    else:
        print("no chart: matplotlib is not installed")


def _measured(part: str, *, quick: bool) -> list[Section]:
    began = time.monotonic()
    sections: list[Section] = importlib.import_module(f".{part}", __package__).measure(quick)
    for section in sections:
        print(f"\n{as_text(section)}", flush=True)
    print(f"\n({part}: {time.monotonic() - began:.0f} s)", flush=True)
    return sections


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts only; writes nothing")
    parser.add_argument("--quick", action="store_true", help="few repetitions; writes nothing")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "speed.md")
    parser.add_argument("--chart", type=Path, default=ROOT / "docs" / "speed.svg")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()

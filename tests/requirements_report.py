"""Which rows of requirements.csv have a test: ``python tests/requirements_report.py``.

The tests are collected and not run: that they pass is pytest's to say. Exit 1: a mark names an
unknown row, or a row of a finished tier has no test.
"""

import contextlib
import csv
import io
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROWS = HERE / "requirements.csv"
# The tiers whose features are there.
FINISHED = ("core", "metadata", "introspection", "stepup")


class Marks:
    """A pytest plugin that notes the rows of every collected test, before others look at them."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = {}
        self.collected = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.collected += len(items)
        for item in items:
            for mark in item.iter_markers("requirement"):
                for row in mark.args:
                    self.tests.setdefault(row, []).append(item.nodeid)


def read_rows(file: Path = ROWS) -> dict[str, str]:
    """Every row's ID and tier."""
    with file.open(encoding="utf-8", newline="") as opened:
        return {row["id"]: row["tier"] for row in csv.DictReader(opened)}


def collect(arguments: Iterable[str] = ()) -> dict[str, list[str]]:
    """The tests of each row that has a mark; raises RuntimeError where a test cannot be loaded."""
    marks, output = Marks(), io.StringIO()
    with contextlib.redirect_stdout(output):
        code = pytest.main(
            ["--collect-only", "-q", "-p", "no:cacheprovider", *arguments], plugins=[marks]
        )
    unknown = marks.tests.keys() - read_rows().keys()
    # An unknown row also stops pytest itself (conftest.py); that is reported as what it is.
    if not marks.collected or (code != pytest.ExitCode.OK and not unknown):
        raise RuntimeError(output.getvalue()[-4000:])
    return marks.tests


def table(title: str, groups: Mapping[str, str], marked: Collection[str]) -> str:
    """Rows covered and not covered, by the group of each row."""
    covered = Counter(group for row, group in groups.items() if row in marked)
    every = Counter(groups.values())
    lines = [f"{title:<14} {'covered':>8} {'not':>5} {'all':>5}"]
    for group in (*sorted(every), "all"):
        done = covered[group] if group in every else covered.total()
        count = every[group] if group in every else every.total()
        lines.append(f"{group:<14} {done:>8} {count - done:>5} {count:>5}")
    return "\n".join(lines)


def report(rows: Mapping[str, str], marked: Collection[str]) -> tuple[str, bool]:
    """The report, and whether it is good."""
    unknown = sorted({*marked} - rows.keys())
    uncovered = [row for row, tier in rows.items() if tier in FINISHED and row not in marked]
    parts = [
        table("tier", rows, marked),
        table("document", {row: row.partition("-")[0] for row in rows}, marked),
        f"rows of {', '.join(FINISHED)} without a test:",
        *(f"  {row}" for row in uncovered),
        *(f"unknown row: {row}" for row in unknown),
    ]
    return "\n".join(parts), not unknown and not uncovered


def main() -> int:
    """Print the report and give the exit code."""
    text, is_good = report(read_rows(), collect())
    print(text)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())

"""The list of requirements, the marks of the tests, and the report that compares them."""

import json
import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent
TIERS = {"core", "metadata", "introspection", "dpop", "mtls", "stepup", "later"}


@pytest.fixture(scope="module")
def requirements_report():
    """The script beside this file, which is no test module."""
    spec = spec_from_file_location("requirements_report", HERE / "requirements_report.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def marked(request, requirements_report):
    """The tests of every row: of this run where it is of the whole suite, else collected anew."""
    session = request.session
    folders = (ROOT / "tests", ROOT / "examples")
    there = {path for folder in folders for path in folder.rglob("test_*.py")}
    is_a_part = session.config.option.keyword or session.config.option.markexpr
    if not is_a_part and there <= {item.path for item in session.items}:
        marks = requirements_report.Marks()
        marks.pytest_collection_modifyitems(session.items)
        return marks.tests
    return collected_anew()


def collected_anew():
    """Collect in a process of its own, because this run is of some files only."""
    program = "import json, requirements_report as r; print(json.dumps(r.collect()))"
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout)


def test_every_row_has_an_id_of_its_own_and_a_tier(requirements_report):
    rows = requirements_report.read_rows()
    lines = (HERE / "requirements.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == len(lines) - 1
    assert set(rows.values()) == TIERS


def test_every_mark_names_a_known_row(requirements_report, marked):
    assert sorted(marked.keys() - requirements_report.read_rows().keys()) == []


def test_whatever_is_not_offered_is_a_known_row_with_a_test(requirements_report, marked):
    """A row in not_offered.md is met by a test that the default holds and no option exists."""
    text = (HERE / "not_offered.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| ([A-Za-z0-9.]+-[^ |]+) \| (.*?) \|$", text, re.MULTILINE)
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(listed) == len(lines) - 1, "a line of the table was not understood"

    known = requirements_report.read_rows()
    assert [row for row, _ in listed if row not in known] == []
    assert [row for row, _ in listed if row not in marked] == []
    assert [row for row, reason in listed if not reason.strip()] == []


ROWS = {"1-1": "core", "1-2": "stepup", "2-1": "later"}


@pytest.mark.parametrize(
    ("marked", "is_good"),
    [
        ({"1-1", "1-2"}, True),
        ({"1-1", "1-2", "2-1"}, True),
        ({"1-1"}, False),
        ({"1-1", "1-2", "1-3"}, False),
        ((), False),
    ],
)
def test_the_report_is_good_when_finished_tiers_are_covered_and_every_mark_is_known(
    requirements_report, marked, is_good
):
    assert is_good is requirements_report.report(ROWS, marked)[1]


def test_the_report_counts_by_tier_and_by_document_and_lists_what_is_missing(requirements_report):
    text, _ = requirements_report.report(ROWS, {"1-1", "9-9"})
    lines = [line.split() for line in text.splitlines()]
    for row in (
        ["core", "1", "0", "1"],
        ["stepup", "0", "1", "1"],
        ["later", "0", "1", "1"],
        ["1", "1", "1", "2"],
        ["2", "0", "1", "1"],
        ["1-2"],
        ["unknown", "row:", "9-9"],
    ):
        assert row in lines
    assert lines.count(["all", "1", "2", "3"]) == 2


def test_every_row_of_a_finished_tier_has_a_test(requirements_report, marked):
    assert requirements_report.report(requirements_report.read_rows(), marked)[1]

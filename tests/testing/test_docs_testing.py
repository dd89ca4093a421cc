"""Every block of docs/testing.md runs as it stands, in a project of a user's."""

import importlib.util
import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/testing.md").read_text("utf-8")
_spec = importlib.util.spec_from_file_location("projects", Path(__file__).with_name("projects.py"))
projects = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(projects)
BLOCKS = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?```python\n(.*?)```", PAGE, re.M | re.S))
PASSED = {
    "Starlette and FastAPI": ("starlette", 2),
    "Flask": ("flask", 29),
    "Django": ("django", 1),
    "httpx, sync and async": ("httpx", 1),
    "All that matters of a route in one line": ("flask", 2),
    "Bad days": ("flask", 3),
    "Requests without a header": ("flask", 2),
    "unittest": ("flask", 1),
}


def test_no_block_is_left_out():
    assert PASSED.keys() == BLOCKS.keys()
    assert PAGE.count("```python") == len(PASSED)


@pytest.mark.parametrize("heading", PASSED)
def test_the_printed_tests_pass(project, heading):
    framework, passed = PASSED[heading]
    project(BLOCKS[heading], app=projects.CLIENTS[framework][0]).assert_outcomes(passed=passed)

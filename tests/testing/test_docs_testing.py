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


CLIENT = """
import pytest
from app import app

@pytest.fixture
def client():
    return app.test_client()

"""


def test_no_block_is_left_out():
    assert PASSED.keys() == BLOCKS.keys()
    assert PAGE.count("```python") == len(PASSED)


@pytest.mark.parametrize("heading", PASSED)
def test_the_printed_tests_pass(project, heading):
    framework, passed = PASSED[heading]
    project(BLOCKS[heading], app=projects.CLIENTS[framework][0]).assert_outcomes(passed=passed)


def test_the_test_that_the_readme_prints_passes(project):
    """With nothing in the user's conftest, and a client as Flask's documentation makes one."""
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme[readme.index("## Test your own API") :]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    project(CLIENT + block, app=projects.CLIENTS["flask"][0]).assert_outcomes(passed=1)

"""architecture.md leads a newcomer through files and names that are really there."""

import ast
import re
from pathlib import Path

import pytest

from bearerguard.core.explain import CHECKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
NAMES = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", PAGE)))
FILES = sorted(set(re.findall(r"`((?:tests/|docs/)?[\w/]+(?:\.py|\.md|\.csv|/))`", PAGE)))


def defined(tree, prefix=""):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + node.name
            yield from defined(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (prefix + ast.unparse(target) for target in targets)


@pytest.mark.parametrize(("file", "name"), NAMES, ids=[f"{f}:{n}" for f, n in NAMES])
def test_each_name_is_defined_in_the_file_that_the_page_says(file, name):
    source = (ROOT / "bearerguard" / file).read_text("utf-8")

    assert name in set(defined(ast.parse(source)))


@pytest.mark.parametrize("file", FILES)
def test_each_file_that_the_page_names_is_there(file):
    assert (ROOT / file).exists() or (ROOT / "bearerguard" / file).exists()


def test_the_page_names_the_whole_way():
    """A page that names little passes the tests above, and helps nobody."""
    assert len(NAMES) > 30
    order = [PAGE.index(name) for name in ("asgi.py:", "admission.py:", "flow.py:", "source.py:")]
    assert order == sorted(order)


def test_the_order_of_the_checks_is_that_of_the_code():
    words = {"size": "size", "shape": "shape", "header": "header", "type": "type"}
    words |= {"algorithm": "algorithm", "expiry": "times", "issuer": "issuer"}
    words |= {"audience": "audience", "key": "key", "signature": "signature"}
    sentence = PAGE[PAGE.index("in a fixed order: ") :].split(".")[0]
    said = re.findall(r"\w+", sentence.removeprefix("in a fixed order: "))
    assert [word for word in said if word in words.values()] == [
        words[check] for check in CHECKS if check in words
    ]

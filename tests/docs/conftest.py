"""The pages of README and docs/, for the tests about them."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def load_by_path(name):
    """By its path: test folders are no packages, so that it has no name to import it by."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up their types
    spec.loader.exec_module(module)
    return module


PAGES = load_by_path("pages")


@pytest.fixture(scope="session")
def pages():
    return PAGES


@pytest.fixture(scope="session")
def reference():
    return load_by_path("reference")


@pytest.fixture(scope="session")
def load():
    return load_by_path


def pytest_generate_tests(metafunc):
    """A test with an argument ``page`` is about every page; one with ``block`` about every block."""
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", PAGES.pages(), ids=PAGES.name_of)
    if "block" in metafunc.fixturenames:
        found = [block for page in PAGES.pages() for block in PAGES.blocks_of(page)]
        wanted = getattr(metafunc.module, "LANGUAGE_OF", {}).get(metafunc.function.__name__)
        metafunc.parametrize("block", [b for b in found if b.language in wanted], ids=str)

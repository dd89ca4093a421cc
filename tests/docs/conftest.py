"""The pages of README and docs/, for the tests about them."""

import importlib.util
import sys
from itertools import chain
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
    """A test with an argument ``page`` is about every page; one with ``block`` about every block.

    A module may say by ``IS_ABOUT`` which blocks, or pages by their blocks, a test wants to see.
    """
    is_about = getattr(metafunc.module, "IS_ABOUT", {}).get(metafunc.function.__name__)
    found = {page: PAGES.blocks_of(page) for page in PAGES.pages()}
    if is_about is not None:
        found = {page: list(filter(is_about, blocks)) for page, blocks in found.items()}
    if "page" in metafunc.fixturenames:
        pages = [page for page, blocks in found.items() if blocks or is_about is None]
        metafunc.parametrize("page", pages, ids=PAGES.name_of)
    if "block" in metafunc.fixturenames:
        metafunc.parametrize("block", list(chain(*found.values())), ids=str)

"""What the plugin does by itself in a project of one's own; this suite's settings forbid it."""

import os
from collections.abc import Iterator

import pytest

from bearerguard.testing import fill_environment


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    filled_in = fill_environment()
    yield
    for name in filled_in:
        del os.environ[name]

"""The issuer that the doctor's tests spoil."""

import importlib.util
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

# By its path: test folders are no packages, so that it has no name to import it by.
_spec = importlib.util.spec_from_file_location(
    "doctor_world", Path(__file__).with_name("doctor_world.py")
)
DOCTOR_WORLD = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = DOCTOR_WORLD  # where dataclasses look up their types
_spec.loader.exec_module(DOCTOR_WORLD)


@pytest.fixture
def world(monkeypatch, signing_key, tmp_path):
    with ExitStack() as stack:
        yield DOCTOR_WORLD.World(monkeypatch, stack, signing_key, tmp_path)

"""How commands end, whatever ends them."""

import os
import subprocess
import sys

import pytest

from bearerguard import cli
from bearerguard.cli import settings


def test_a_command_that_was_interrupted_is_not_good(monkeypatch, capsys):
    """What was not finished found nothing wrong, and must not say that all is well."""

    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(settings, "run", interrupt)

    assert cli.main(["settings"]) == 130


@pytest.mark.process
def test_a_reader_that_has_seen_enough_is_no_error():
    """As in: bearerguard settings | head -1."""
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "bearerguard", "settings", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )

    os.close(writing)
    assert done.stderr == b""

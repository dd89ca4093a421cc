"""The command line: ``bearerguard COMMAND``, also ``python -m bearerguard COMMAND``.

Exit 0: good; 1: a check failed; 2: wrong usage, or something is not installed.
"""

import argparse
import sys
from collections.abc import Sequence

from bearerguard import __version__
from bearerguard.cli import attack, demo, doctor, inspect, issuer, routes, settings, token

__all__ = ["main"]

COMMANDS = (attack, demo, doctor, inspect, issuer, routes, settings, token)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give the exit code."""
    parser = argparse.ArgumentParser(prog="bearerguard", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--version", action="version", version=f"bearerguard {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add_to(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except OSError as error:
        print(f"bearerguard: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 0

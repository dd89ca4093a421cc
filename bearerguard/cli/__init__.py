"""The command line: ``bearerguard COMMAND``, also ``python -m bearerguard COMMAND``.

Exit 0: good; 1: a check failed; 2: wrong usage, or something is not installed; 130: interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from bearerguard import __version__
from bearerguard.cli import attack, demo, doctor, inspect, issuer, routes, settings, token

__all__ = ["main"]

# As shells tell of a program that Ctrl+C ended: what was not finished is not good.
INTERRUPTED = 130

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
        code = int(chosen.run(chosen))
        sys.stdout.flush()  # or a reader that is gone is noticed only at the very end
    except BrokenPipeError:  # whoever read has seen enough, as "head" has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"bearerguard: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    return code

"""``bearerguard inspect``: reads a token from standard input and says what becomes of it."""

import argparse
import asyncio
import re
import sys
from typing import Any

from bearerguard.cli.output import Output

# More than any server takes as a header field.
MOST_READ = 1_000_000
# What people copy along with a token.
IN_FRONT = re.compile(r"(?:authorization:\s*)?(?:bearer(?:\s+|$))?", re.IGNORECASE)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("inspect", help="say why a token is refused, or that it is good")
    parser.add_argument("--app", metavar="module:app", help="take the guard of this application")
    parser.add_argument("--route", metavar='"POST /orders"', help="with what this route needs")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Inspect one token: 0 where it is admitted, 1 where it is refused, 2 for wrong usage."""
    from bearerguard.cli.inspect_report import Report, print_report  # noqa: PLC0415  only when it runs
    from bearerguard.cli.inspect_target import TargetError, target_of  # noqa: PLC0415
    from bearerguard.dev.inspection import inspect_token, read_contents  # noqa: PLC0415
    from bearerguard.errors import ConfigurationError  # noqa: PLC0415

    target, inspection, problems = None, None, list[str]()
    try:
        target = target_of(arguments.app, arguments.route)
    except ConfigurationError as error:
        problems += error.problems  # what the token says can be shown all the same
    except TargetError as error:
        print(f"bearerguard inspect: {error}", file=sys.stderr)
        return 2
    raw, notes = read_token_from(sys.stdin)
    if not raw:
        print("bearerguard inspect: no token on standard input", file=sys.stderr)
        return 2
    if target is not None:
        request = target.request(raw)
        inspection = asyncio.run(inspect_token(raw, target.guard, request, target.access))
        notes += target.told()
    output = Output(as_json=arguments.json)
    print_report(output, Report(read_contents(raw), target, inspection, notes, problems))
    if inspection is None:
        return 2
    return 0 if inspection.is_admitted else 1


def read_token_from(stream: Any) -> tuple[str, list[str]]:
    """Read a token, without what people copy along with it; say what was left out."""
    if stream.isatty():
        from getpass import getpass  # noqa: PLC0415  only where a person sits

        try:
            text = getpass("Token (it is not shown): ")
        except EOFError:
            text = ""
    else:
        read = getattr(stream, "buffer", stream).read(MOST_READ)
        text = read.decode("utf-8", "replace") if isinstance(read, bytes) else read
    line = text.rstrip("\r\n")  # which every echo adds
    token = line.strip().strip("\"'")
    notes = [] if token == line else ["blanks or quotes around the token were left out"]
    in_front = IN_FRONT.match(token)
    if in_front is not None and in_front[0]:
        token = token[in_front.end() :]
        notes.append(f'"{in_front[0].strip()}" in front was left out: it is not part of the token')
    return token, notes

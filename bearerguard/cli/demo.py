"""``bearerguard demo``: a guarded API, a local issuer, and a tour of real requests."""

import argparse
import contextlib
import json
import sys
from typing import Any

HOW_TO_INSTALL = "the demo needs more packages: pip install 'bearerguard[demo]'"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("demo", help="run a guarded API and a tour of real requests")
    parser.add_argument("--once", action="store_true", help="end after the tour")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--port", type=int, default=0, help="of the API; a free one by default")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the tour, and keep serving while somebody watches."""
    try:
        from bearerguard.dev.demo import Demo  # noqa: PLC0415  the extra may not be installed
    except ImportError as missing:
        print(f"{HOW_TO_INSTALL} ({missing.name} is missing)", file=sys.stderr)
        return 2
    show = _print_json if arguments.json else _print_text
    with Demo(port=arguments.port) as demo:
        results = []
        for result in demo.tour():
            show(vars(result))
            results.append(result.is_as_expected)
        failed = results.count(False)
        _print_summary(len(results), failed, as_json=arguments.json)
        if not (arguments.once or failed or arguments.json) and sys.stdout.isatty():
            print(demo.invitation())
            with contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
                demo.serve_until_interrupted()
    return 1 if failed else 0


def _print_json(row: dict[str, Any]) -> None:
    print(json.dumps(row), flush=True)


def _print_text(row: dict[str, Any]) -> None:
    verdict = "as expected" if row["is_as_expected"] else f"EXPECTED {row['expected_status']}"
    print(f"\n{row['title']}\n    {row['method']} {row['path']}   {row['note']}")
    print(f"    {row['status']}   ({verdict})")
    for name, value in row["headers"].items():
        print(f"    {name}: {value}")
    print(f"    {row['body']}", flush=True)


def _print_summary(count: int, failed: int, *, as_json: bool) -> None:
    if as_json:
        _print_json({"requests": count, "unexpected": failed})
    else:
        told = "all as expected" if not failed else f"{failed} NOT as expected"
        print(f"\n{count} requests, {told}.")

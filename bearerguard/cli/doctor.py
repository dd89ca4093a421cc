"""``bearerguard doctor``: looks for the mistakes people make, and says how to mend each."""

import argparse
import sys
from typing import TYPE_CHECKING

from bearerguard.cli.output import Output

if TYPE_CHECKING:
    from bearerguard.cli.findings import Finding
    from bearerguard.cli.settings import DescribedSetting

STYLES = {"OK": "good", "problem": "bad", "not reached": "quiet"}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("doctor", help="find what is misconfigured, and how to mend it")
    parser.add_argument("--app", metavar="module:app", help="look at this application, too")
    parser.add_argument(
        "--token", action="store_true", help="compare with a token from standard input"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check everything: 0 where nothing is wrong, 1 where something is, 2 for wrong usage."""
    import os  # noqa: PLC0415  only when it runs

    from bearerguard.cli.doctor_checks import examine  # noqa: PLC0415
    from bearerguard.cli.inspect import read_token_from  # noqa: PLC0415
    from bearerguard.cli.settings import described  # noqa: PLC0415
    from bearerguard.cli.user_app import AppError  # noqa: PLC0415

    raw = None
    if arguments.token:
        raw, _ = read_token_from(sys.stdin)
        if not raw:
            print("bearerguard doctor: no token on standard input", file=sys.stderr)
            return 2
    try:
        findings = examine(arguments.app, raw)
    except (AppError, TypeError) as error:
        print(f"bearerguard doctor: {error}", file=sys.stderr)
        return 2
    given = [one for one in described(os.environ) if one.is_set]
    print_findings(Output(as_json=arguments.json), given, findings)
    return 1 if any(finding.verdict == "problem" for finding in findings) else 0


def print_findings(
    output: Output, settings: "list[DescribedSetting]", findings: "list[Finding]"
) -> None:
    """Print the settings and then each check, escaped: the issuer may be a stranger by mistake."""
    from dataclasses import asdict  # noqa: PLC0415  only when it runs

    from bearerguard.cli.readable import whole  # noqa: PLC0415

    if output.as_json:
        checks = [asdict(row) for row in findings]
        output.document({"settings": [asdict(row) for row in settings], "checks": checks})
        return
    if settings:
        cells = [tuple(map(whole, (row.name, row.value, row.origin))) for row in settings]
        output.table(("setting", "value", "from"), cells)
        output.line("All others have their defaults.\n", "quiet")
    width = max(len(finding.check) for finding in findings)
    for row in findings:
        line = f"{row.check:{width}}  {row.verdict:11}  {whole(row.cause)}"
        output.line(line, STYLES[row.verdict])
        if row.remedy:
            output.line(f"{'':{width}}  {'mend it:':11}  {whole(row.remedy)}")
    wrong = sum(row.verdict == "problem" for row in findings)
    output.line()
    output.line(f"{wrong} to mend." if wrong else "Nothing is wrong.", "bad" if wrong else "good")

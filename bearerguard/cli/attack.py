"""``bearerguard attack URL``: tries an API on this machine with everything that it must refuse."""

import argparse
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from bearerguard.cli.output import Output
from bearerguard.cli.readable import visible

if TYPE_CHECKING:
    from bearerguard.dev.attack import Volley

ISSUER = "http://127.0.0.1:9000"
AUDIENCE = "BEARERGUARD_AUDIENCE"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("attack", help="fire bad tokens at your own API on this machine")
    parser.add_argument("url", metavar="URL", help="of one route, on localhost and nowhere else")
    parser.add_argument("--issuer", default=ISSUER, help=f"the local issuer, {ISSUER} by default")
    parser.add_argument("--audience", help=f"of the tokens; the first of {AUDIENCE} by default")
    parser.add_argument("--method", default="GET", help="GET by default")
    parser.add_argument("--scope", help="of the tokens: what the route needs")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Attack: 0 where all answers are right, 1 where one is wrong, 2 where none was got."""
    from bearerguard.dev.attack import AttackError, attack  # noqa: PLC0415  only when it runs
    from bearerguard.dev.loopback import NotLoopbackError  # noqa: PLC0415

    audience = arguments.audience or os.environ.get(AUDIENCE, "").partition(",")[0].strip() or None
    try:
        volley = attack(
            arguments.url,
            issuer=arguments.issuer,
            method=arguments.method.upper(),
            audience=audience,
            scope=arguments.scope,
        )
    except (AttackError, NotLoopbackError) as error:
        print(f"bearerguard attack: {visible(error)}", file=sys.stderr)
        return 2
    _print(Output(as_json=arguments.json), volley, arguments.issuer, audience)
    return 1 if volley.wrong else 0


def _print(output: Output, volley: "Volley", issuer: str, audience: str | None) -> None:
    rows = [
        (visible(one.name), one.expected, str(one.status), "; ".join(one.problems) or "right")
        for one in volley.outcomes
    ]
    if output.as_json:
        outcomes = [asdict(one) for one in volley.outcomes]
        counts = {"requests": len(rows), "wrong": len(volley.wrong)}
        output.document({"configured": volley.is_configured, **counts, "outcomes": outcomes})
        return
    output.table(("request", "expected", "got", "verdict"), rows)
    output.line()
    if not volley.is_configured:
        output.line(
            f"The API answers {volley.good_status} to a good token, so that its refusals prove "
            f"nothing: is its issuer {visible(issuer)}, and its audience that of the tokens"
            f"{'' if audience is None else ' (' + visible(audience) + ')'}?",
            "bad",
        )
    told = f"{len(volley.wrong)} wrong" if volley.wrong else "all right"
    output.line(f"{len(rows)} requests, {told}.", "bad" if volley.wrong else "good")

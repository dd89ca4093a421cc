"""``bearerguard token``: one token of the local issuer that runs, and nothing else is printed."""

import argparse
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from bearerguard.cli.issuer import PORT
from bearerguard.cli.output import Output
from bearerguard.cli.readable import visible

TIMEOUT_S = 70.0  # it may be as slow as a minute, because somebody asked for it
WANTED = ("sub", "scope", "audience", "lifetime", "acr", "broken")


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("token", help="get a token from the local issuer that runs")
    parser.add_argument("--scope", help='with spaces between them: "orders:read orders:write"')
    parser.add_argument("--sub", help="the user; alice by default")
    parser.add_argument(
        "--audience", help="the API; by default BEARERGUARD_AUDIENCE, or the issuer's"
    )
    parser.add_argument("--lifetime", type=int, metavar="SECONDS", help="an hour by default")
    parser.add_argument("--acr", help="how strongly the user logged in")
    parser.add_argument("--broken", metavar="NAME", help="a bad one, such as expired or forged")
    parser.add_argument("--issuer", default=f"http://127.0.0.1:{PORT}", metavar="URL")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the token; say on the error output why there is none."""
    import httpx  # noqa: PLC0415  loaded where it is needed

    from bearerguard.dev.loopback import NotLoopbackError, loopback_url  # noqa: PLC0415

    try:
        loopback_url(arguments.issuer)
    except NotLoopbackError as error:
        return _fail(str(error), code=2)
    here = os.environ.get("BEARERGUARD_AUDIENCE", "").partition(",")[0].strip()
    given = {**vars(arguments), "audience": arguments.audience or here or None}
    wish = {name: given[name] for name in WANTED if given[name] is not None}
    parts = urlsplit(arguments.issuer)
    url = f"{parts.scheme}://{parts.netloc}/control/token"
    try:
        with httpx.Client(trust_env=False, timeout=TIMEOUT_S) as client:
            answer = client.post(url, json=wish)
            found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL):
        return _fail(f"no local issuer answers at {url}; start one with: bearerguard issuer")
    except ValueError:
        return _fail(f"{url} is no local issuer of bearerguard")
    return _show(found, as_json=arguments.json)


def _show(found: Any, *, as_json: bool) -> int:
    match found:
        case {"access_token": str(token)} if token.isascii() and token.isprintable():
            out = Output(as_json=as_json)
            if as_json:
                out.document({"access_token": token})
            else:
                print(token)
            return 0
        case {"error": str(problem)}:
            return _fail(problem, code=2)
        case _:
            return _fail("the answer was not that of a local issuer of bearerguard")


def _fail(problem: str, code: int = 1) -> int:
    print(f"bearerguard: {visible(problem)}", file=sys.stderr)
    return code

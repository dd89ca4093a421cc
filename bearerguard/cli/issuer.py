"""``bearerguard issuer``: the local issuer, until Ctrl+C."""

import argparse
import sys
import time
from typing import TYPE_CHECKING

from bearerguard.cli.output import Output
from bearerguard.errors import ConfigurationError

if TYPE_CHECKING:
    from bearerguard.dev.local_issuer import LocalIssuer

HOW_TO_INSTALL = "the local issuer needs more packages: pip install 'bearerguard[demo]'"
PORT = 9000
TAKEN = "is another issuer running? --port 0 takes a free one"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("issuer", help="run an OAuth 2.0 server for development")
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT} by default; 0: a free one")
    parser.add_argument("--host", default="127.0.0.1", help="an address of this machine only")
    parser.add_argument("--profile", default="rfc9068", help="whose shape the tokens have")
    parser.add_argument("--audience", help="the API that tokens are for")
    parser.add_argument("--json", action="store_true", help="one JSON document, then it serves")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until somebody interrupts it."""
    try:
        from bearerguard.dev.local_issuer import (  # noqa: PLC0415  the extra may not be installed
            AUDIENCE,
            LocalIssuer,
        )
    except ImportError as missing:
        print(f"{HOW_TO_INSTALL} ({missing.name} is missing)", file=sys.stderr)
        return 2
    try:
        local = LocalIssuer(
            arguments.port,
            host=arguments.host,
            profile=arguments.profile,
            audience=arguments.audience or AUDIENCE,
        )
    except ConfigurationError as error:
        print(*(f"bearerguard: {problem}" for problem in error.problems), sep="\n", file=sys.stderr)
        return 2
    except OSError as error:
        told = f"port {arguments.port} cannot be had ({error.strerror})"
        print(f"bearerguard: {told}: {TAKEN}", file=sys.stderr)
        return 2
    with local:
        _tell(local, Output(as_json=arguments.json))
        return _serve_until_interrupted()


def _tell(local: "LocalIssuer", out: Output) -> None:
    """Say how to use it: by people with a browser, by an API, by a client."""
    from bearerguard.dev.accounts import CLIENTS  # noqa: PLC0415  see run

    if out.as_json:
        clients = {client.client_id: client.secret for client in CLIENTS.values()}
        settings = local.state.settings
        told = {"control": local.url, "issuer": local.issuer.url, "settings": settings}
        out.document({**told, "clients": clients})
    out.line(f"Control page: {local.url}", "title")
    out.line("\nFor your API:\n", "title")
    for line in local.state.exports:
        out.line(line)
    out.line("\nClients:\n", "title")
    rows = [(one.client_id, one.secret or "none", one.use) for one in CLIENTS.values()]
    out.table(("client", "secret", "for"), rows)
    out.line(f"\nA token: {_command(local)}\nCtrl+C ends it.")
    sys.stdout.flush()


def _command(local: "LocalIssuer") -> str:
    where = "" if local.port == PORT else f" --issuer {local.url}"
    return f'TOKEN=$(bearerguard token --scope "orders:read"{where})'


def _serve_until_interrupted() -> int:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0

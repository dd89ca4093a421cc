"""``bearerguard routes module:app``: every route of an application, and what it needs."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from bearerguard.cli.output import Output

if TYPE_CHECKING:
    from bearerguard.dev.routes import GuardedApp, GuardedRoute

COLUMNS = ("method", "path", "needs", "view")
# What to write so that a route is decided, in the words of each framework.
DECIDE = {
    "Starlette": '@requires("a:scope") above the view, @requires() if any valid token is enough, '
    "or @public",
    "FastAPI": 'Annotated[AccessToken, guard.requires("a:scope")] as a parameter, '
    "guard.requires() if any valid token is enough, or @public",
    "Flask": '@requires("a:scope") above the view, @requires() if any valid token is enough, '
    "or @public",
}
RULE = (
    'a rule for it in BearerAuthMiddleware(app, rules={...}), or "*": authenticated there if any '
    "valid token is enough, or name it in public=[...]"
)
GUARD = {
    "Starlette": "middleware=[Middleware(BearerAuthMiddleware)] of bearerguard.starlette",
    "FastAPI": "BearerGuard(app) of bearerguard.fastapi",
    "Flask": "BearerGuard(app) of bearerguard.flask",
}
GUARD_ANY = "app = BearerAuthMiddleware(app, rules={...}) of bearerguard.asgi or bearerguard.wsgi"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("routes", help="list every route and what it needs")
    parser.add_argument("app", metavar="module:app", help="as for uvicorn and flask")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 where nobody decided about a route"
    )
    formats = ("table", "openapi", "json", "markdown")
    parser.add_argument("--format", choices=formats, default="table")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the routes; 1 where ``--check`` found one that nobody decided about."""
    from bearerguard.cli.user_app import AppError, load_app  # noqa: PLC0415  only when it runs
    from bearerguard.dev.routes import look_at  # noqa: PLC0415
    from bearerguard.errors import ConfigurationError  # noqa: PLC0415

    try:
        app = load_app(arguments.app)
        found = look_at(app)
    except (AppError, ConfigurationError, TypeError) as error:
        print(f"bearerguard routes: {error}", file=sys.stderr)
        return 2
    problems = problems_of(found) if arguments.check else []
    _print(app, found, problems, arguments)
    if problems:
        print("\nNobody decided about these:", file=sys.stderr)
        for problem in problems:
            print(f"  - {problem}", file=sys.stderr)
    return 1 if problems else 0


def problems_of(found: "GuardedApp") -> list[str]:
    """Say which routes nobody decided about or nothing guards, and what to write."""
    problems = []
    for methods, route in grouped(found.routes):
        name = f"{methods} {route.path} ({route.endpoint})"
        if not route.is_guarded:
            guard = GUARD.get(found.framework, GUARD_ANY)
            problems.append(f"{name}: nothing guards it; write {guard}")
        elif route.admits == "nobody" and not route.is_decided:
            problems.append(f"{name}: no rule names it, so that all are refused; write {RULE}")
        elif not (route.is_decided or route.is_builtin):
            is_application = route.method == "*"
            decide = RULE if is_application else DECIDE.get(found.framework, RULE)
            problems.append(
                f"{name}: any valid token is enough, and nobody said so; write {decide}"
            )
    return problems


def grouped(routes: "list[GuardedRoute]") -> "list[tuple[str, GuardedRoute]]":
    """Put methods of a path together that differ in nothing else; give their names and one."""
    groups: dict[tuple[Any, ...], list[GuardedRoute]] = {}
    for route in routes:
        told = (route.path, route.endpoint, needs_of_route(route), route.is_decided)
        groups.setdefault(told, []).append(route)
    return [(", ".join(route.method for route in group), group[0]) for group in groups.values()]


def needs_of_route(route: "GuardedRoute") -> str:
    """Say in a few words what a caller has to bring."""
    if not route.is_guarded:
        return "NOT GUARDED"
    default = "" if route.is_decided else " (nobody decided)"
    return {
        "public": "nothing: public",
        "optional": "nothing, or a valid token",
        "token": f"a valid token{'' if route.is_builtin else default}",
        "need": f"{route.need}{default}",
        "nobody": "refused: no rule names it",
    }[route.admits]


def _print(app: Any, found: "GuardedApp", problems: list[str], chosen: argparse.Namespace) -> None:
    how = "json" if chosen.json else chosen.format
    output = Output(as_json=how in ("json", "openapi"))
    rows = [(m, r.path, needs_of_route(r), r.endpoint) for m, r in grouped(found.routes)]
    if how == "openapi":
        from bearerguard.dev.routes_openapi import openapi_of  # noqa: PLC0415  only here

        output.document(openapi_of(app, found, chosen.app))
    elif how == "json":
        output.document(document_of(found, problems))
    elif how == "markdown":
        for cells in (COLUMNS, ("---",) * len(COLUMNS), *rows):
            output.line("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    else:
        output.table(COLUMNS, rows)


def document_of(found: "GuardedApp", problems: list[str]) -> dict[str, Any]:
    """Write everything down for a program."""
    return {
        "framework": found.framework,
        "middleware": found.middleware,
        "routes": [
            {
                "method": route.method,
                "path": route.path,
                "endpoint": route.endpoint,
                "admits": route.admits,
                "need": None if route.need is None else str(route.need),
                "scopes": [] if route.need is None else list(route.need.scopes()),
                "decided": route.is_decided,
                "guarded": route.is_guarded,
                "builtin": route.is_builtin,
            }
            for route in found.routes
        ],
        "problems": problems,
    }

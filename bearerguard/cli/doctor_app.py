"""The user's own application: is the guard before it, in the right place, and all decided?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bearerguard.cli.findings import Finding, fine, not_reached, problem
from bearerguard.cli.routes import GUARD, GUARD_ANY, problems_of

if TYPE_CHECKING:
    from bearerguard.dev.routes import GuardedApp

APPLICATION, CORS, ROUTES = "application", "CORS", "routes"
OUR_MIDDLEWARE = frozenset({"BearerAuthMiddleware", "GuardingMiddleware"})
CORS_MIDDLEWARE = "CORSMiddleware"
ADD_CORS_LAST = {
    "FastAPI": "call app.add_middleware(CORSMiddleware, ...) after BearerGuard(app)",
    "Starlette": "put Middleware(CORSMiddleware, ...) before Middleware(BearerAuthMiddleware)",
}
WRAP = "let CORSMiddleware wrap the guard: app = CORSMiddleware(BearerAuthMiddleware(app), ...)"


def diagnose_app(found: "GuardedApp", name: str) -> Iterator[Finding]:
    """Check what could be read from an application."""
    if found.guard is None:
        guard = GUARD.get(found.framework, GUARD_ANY)
        yield problem(APPLICATION, f"no guard stands before {name}", f"write {guard}")
        yield not_reached(ROUTES, "nothing is guarded")
        return
    yield fine(APPLICATION, f"{name} ({found.framework}) has a guard")
    yield from _cors(found)
    undecided = [text.partition("; ")[::2] for text in problems_of(found)]
    yield from (problem(ROUTES, cause, remedy) for cause, remedy in undecided)
    if not undecided:
        yield fine(ROUTES, f"{len(found.routes)}, and somebody decided about each")


def _cors(found: "GuardedApp") -> Iterator[Finding]:
    """A refusal without the fields of CORS is no answer for a script (Fetch section 3.3.5)."""
    if CORS_MIDDLEWARE not in found.middleware:
        return
    ours = [i for i, one in enumerate(found.middleware) if one in OUR_MIDDLEWARE]
    if ours and found.middleware.index(CORS_MIDDLEWARE) > ours[0]:
        cause = "CORSMiddleware stands inside of the guard: no script can read a refusal"
        yield problem(CORS, cause, ADD_CORS_LAST.get(found.framework, WRAP))
    else:
        yield fine(CORS, "CORSMiddleware stands outside of the guard")

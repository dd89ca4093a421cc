"""The gates that stand before an application, found in the application itself."""

from collections.abc import Iterator
from typing import Any

from bearerguard.gate import Gate
from bearerguard.guard import Guard

# Under this name the Flask extension keeps its gate.
EXTENSION = "bearerguard"
# What middleware calls the application that it wraps.
INNER = ("middleware_stack", "app", "wsgi_app", "application")


def gates_of(app: Any) -> list[Gate]:
    """Find the gates of an application, the outermost first.

    A Starlette application builds its middleware at its first request; that is done here, too, with
    what was added so far.

    Raises:
        TypeError: there is none.
    """
    if getattr(app, "middleware_stack", app) is None and hasattr(app, "build_middleware_stack"):
        app.middleware_stack = app.build_middleware_stack()
    gates = list(_walk(app))
    if not gates:
        raise TypeError(f"{app!r} has no BearerAuthMiddleware and no BearerGuard")
    return gates


def guards_of(app: Any) -> list[Guard]:
    """Find the guards of an application; a guard is its own."""
    return [app] if isinstance(app, Guard) else [gate.guard for gate in gates_of(app)]


def _walk(app: Any) -> Iterator[Gate]:
    seen: list[Any] = []
    while app is not None and not any(app is one for one in seen):
        seen.append(app)
        found = getattr(app, "gate", None) or _extension(app)
        if isinstance(found, Gate):
            yield found
        if getattr(app, "_problem", None) is not None:
            raise app._problem  # noqa: SLF001  what kept the gate from being made
        app = next((inner for name in INNER if (inner := getattr(app, name, None))), None)


def _extension(app: Any) -> Any:
    extensions = getattr(app, "extensions", None)
    return extensions.get(EXTENSION) if isinstance(extensions, dict) else None

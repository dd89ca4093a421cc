"""What an application's routes need, read from the application itself.

For ``bearerguard routes`` and ``doctor``, and for tests that ask whether everything is protected.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bearerguard.core.needs import Need

if TYPE_CHECKING:
    from bearerguard.guard import Guard

# What a caller has to bring: "token" is any valid one, "nobody" a path that no rule names.
Admits = Literal["public", "optional", "token", "need", "nobody"]


@dataclass(frozen=True)
class GuardedRoute:
    """One method of one path, as the framework writes it, and what it needs.

    ``is_decided``: somebody wrote down what the route is, by a need (``requires()`` included), by
    ``@public``, ``@optional``, a path list or a rule; without it any valid token is taken.
    ``is_guarded``: the middleware or extension stands before it.
    """

    method: str
    path: str
    endpoint: str
    admits: Admits
    need: Need | None = None
    is_decided: bool = False
    is_guarded: bool = True


@dataclass(frozen=True)
class GuardedApp:
    """What could be read from an application. ``middleware`` names classes, the outermost first."""

    framework: str
    guard: "Guard | None"
    routes: list[GuardedRoute] = field(default_factory=list)
    middleware: list[str] = field(default_factory=list)


def look_at(app: Any) -> GuardedApp:
    """Read the routes of a Starlette, FastAPI or Flask application, or a table of rules."""
    raise NotImplementedError(type(app))

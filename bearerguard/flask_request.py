"""What the Flask extension leaves with a request, and who reads it: the views' wrappers, and views.

It stands in the request's environ. Not in ``flask.g``, which a request that is made within another
one shares with it; and it is there also for what still runs after a refusal: error handlers,
after_request, teardown.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import flask
from werkzeug.local import LocalProxy

from bearerguard.errors import ConfigurationError

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken
    from bearerguard.gate import Passed

PASSED = "bearerguard.passed"
# The request itself: its proxy, which Flask gives the request's type, looks for it each time anew.
this_request: Callable[[], flask.Request] = flask.request._get_current_object  # type: ignore[attr-defined]  # noqa: SLF001
UNGUARDED = "no BearerGuard guards this application, and a view needs one: write BearerGuard(app)"


def passed() -> "Passed":
    """Give what the extension let through; raises ConfigurationError where there is none."""
    found: Passed | None = this_request().environ.get(PASSED)
    if found is None:
        raise ConfigurationError(UNGUARDED)
    return found


class _CurrentToken(LocalProxy["AccessToken"]):
    """Werkzeug's proxy takes "no request" for false; here that is a mistake, and raises."""

    def __bool__(self) -> bool:
        return bool(self._get_current_object())


def _find_token() -> "AccessToken":
    if not flask.has_request_context():
        raise RuntimeError("current_token is there only within a request")
    return cast("AccessToken", passed()[2])


current_token: "AccessToken" = cast("AccessToken", _CurrentToken(_find_token))

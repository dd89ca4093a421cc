"""What may serve as an application's own check of a token: a plain function of the token.

A coroutine or a generator is an object, and so would be true whatever the function had said. These
are refused when the need is built, and not when the first request comes.
"""

import functools
import inspect
from typing import Any

from bearerguard.errors import ConfigurationError

OTHER_THAN_PLAIN = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)
# The commonest mistake: ``@requires`` right above a view takes the view for a check.
ON_A_VIEW = "on a view write @requires() with parentheses"
VIEW_PARAMETERS = frozenset({"request", "websocket"})


def check_own(check: Any) -> None:
    """Refuse what cannot be called with a token alone; raises ConfigurationError."""
    if not callable(check):
        raise ConfigurationError(
            f"{check!r} is not a scope, a need or a function of the token; "
            "write several as requires('one', 'two')"
        )
    check_plain(check, check)
    try:
        signature = inspect.signature(check)
        signature.bind(object())
    except TypeError:
        raise ConfigurationError(f"{check!r} must take the token alone; {ON_A_VIEW}") from None
    except ValueError:  # some built-in callables do not tell their signature
        return
    if not VIEW_PARAMETERS.isdisjoint(signature.parameters):
        raise ConfigurationError(f"{check!r} takes a request and no token; {ON_A_VIEW}")


def check_plain(function: Any, shown: object) -> None:
    """Refuse an async function or a generator; ``shown`` is what the message names."""
    while isinstance(function, functools.partial):
        function = function.func
    for candidate in (function, getattr(function, "__call__", None)):  # noqa: B004  its kind is asked for
        if any(is_other(candidate) for is_other in OTHER_THAN_PLAIN):
            problem = f"{shown!r} must be a plain function, not async, no generator"
            raise ConfigurationError(f"{problem}; {ON_A_VIEW}")

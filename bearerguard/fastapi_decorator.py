"""The decorator that lets a view of FastAPI depend on a need without a parameter for it."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastapi import params

from bearerguard import starlette
from bearerguard.core.marks import View, decorator
from bearerguard.core.needs import NeedLike, needs_of
from bearerguard.errors import ConfigurationError
from bearerguard.fastapi_dependencies import Requirement, Token

UNCALLED = (
    "{!r} needs something of its callers, and FastAPI did not call it: on routes of Starlette use "
    "bearerguard.starlette.requires"
)


def requires(*needs: NeedLike) -> Callable[[View], View]:
    """Let a view run only for a token that has every one of the needs.

    The decorator, where a view has no use for the token itself. It goes above or below the route's
    decorator, on functions, sync and async, and on Starlette's classes of views.

    Raises:
        ConfigurationError: a need that cannot be meant, or a target that is no view; and at the
            request, when no BearerGuard guards the application.
    """
    need = needs_of(needs)
    wrap = functools.partial(_wrap, Requirement(need, Token()))
    return decorator(
        need,
        guard_class=lambda view, need: starlette.requires(need)(view),
        guard_async=lambda view: wrap(view, is_async=True),
        guard_sync=lambda view: wrap(view, is_async=False),
    )


def _wrap(requirement: Requirement, view: Callable[..., Any], *, is_async: bool) -> Any:
    """Ask for one parameter more than the view, because FastAPI gives what a signature asks for."""
    name, signature = _asking_for(requirement, view)

    def without(kwargs: dict[str, Any]) -> dict[str, Any]:
        if name not in kwargs:
            raise ConfigurationError(UNCALLED.format(view))
        return {key: value for key, value in kwargs.items() if key != name}

    async def guarded_async(*args: Any, **kwargs: Any) -> Any:
        return await view(*args, **without(kwargs))

    def guarded_sync(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **without(kwargs))

    guarded: Any = functools.wraps(view)(guarded_async if is_async else guarded_sync)
    guarded.__signature__ = signature
    return guarded


def _asking_for(
    requirement: Requirement, view: Callable[..., Any]
) -> tuple[str, inspect.Signature]:
    """Name the additional parameter, and give the signature with it."""
    try:
        signature = inspect.signature(view)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{view!r} is no view: it has no signature") from None
    parameters = list(signature.parameters.values())
    name = f"bearerguard_need_{len(parameters)}"  # another one where decorators are stacked
    keyword = inspect.Parameter.KEYWORD_ONLY
    asked = inspect.Parameter(name, keyword, default=params.Depends(requirement))
    takes_any = [p for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]
    before = [p for p in parameters if p not in takes_any]
    return name, signature.replace(parameters=[*before, asked, *takes_any])

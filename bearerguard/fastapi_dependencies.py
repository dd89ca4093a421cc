"""What views and routers of FastAPI depend on: the token, and needs that it has to satisfy.

The middleware reads these needs from the route that is going to run, and enforces them before the
request's body is read. A dependency enforces once more what the middleware could not see. The
refusal of a dependency is final: FastAPI knows no other way for it than an exception, which the
application's own handlers get to see first, and one that turns it into a success must not succeed.
"""

import functools
import inspect
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from fastapi import params
from fastapi.dependencies.utils import get_typed_signature
from fastapi.security import SecurityScopes
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from bearerguard.asgi import Scope
from bearerguard.core.access_token import AccessToken
from bearerguard.core.marks import UNMARKED, Mark, missing
from bearerguard.core.needs import Need, scope
from bearerguard.errors import ConfigurationError
from bearerguard.starlette_user import PASSED, make_anonymous

if TYPE_CHECKING:
    from bearerguard.gate import Passed

# Where a dependency leaves its refusal for the middleware.
REFUSED = "bearerguard.refused"
UNGUARDED = (
    "a view depends on the caller's token, and no BearerGuard guards the application: write "
    "BearerGuard(app) or guard.init_app(app)"
)
# A need is known by the object that it is; so a scope's name always gives the same one.
need_of_scope = functools.cache(scope)


class Token:
    """The dependency that gives a view its token: None for an anonymous caller who may pass.

    Alone it needs nothing. With ``Security(guard.token, scopes=[...])`` every scope along the chain
    of dependencies is a need.
    """

    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> AccessToken | None:
        """Give the token of a request or WebSocket."""
        return enforce(connection.scope, tuple(map(need_of_scope, security_scopes.scopes)))


class Requirement:
    """The dependency that ``guard.requires(...)`` makes: a need, and the token that satisfied it.

    What it gives comes from ``token``, so that an override of that shows wherever a token is used.
    """

    def __init__(self, need: Need, token: Token) -> None:
        self.need = need
        keyword = inspect.Parameter.KEYWORD_ONLY
        self.__signature__ = inspect.Signature(
            [
                inspect.Parameter("connection", keyword, annotation=HTTPConnection),
                inspect.Parameter("token", keyword, default=params.Depends(token)),
            ]
        )

    async def __call__(self, *, connection: HTTPConnection, token: Any) -> Any:
        """Give the token, if it is good enough."""
        enforce(connection.scope, (self.need,))
        return None if connection.scope[PASSED][1].is_reported else token


def enforce(scope: Scope, needs: tuple[Need, ...]) -> AccessToken | None:
    """Enforce what the middleware did not see, and give the token.

    Raises:
        ConfigurationError: nothing guards the application.
        HTTPException: refused; LastWord sends the answer.
    """
    if REFUSED not in scope:
        raise ConfigurationError(UNGUARDED)
    passed: Passed = scope[PASSED]
    gate, request, token, enforced = passed
    if missing(needs, enforced):
        of_route = mark_of_dependant(_dependant_of_route(scope)).needs
        answer = gate.refusal(passed, (*of_route, *missing(needs, of_route)))
        if answer is not None:
            scope[REFUSED].append(answer)
            raise HTTPException(answer.status)
        if request.is_reported:
            make_anonymous(scope)
            return None
    return token


def mark_of_dependant(dependant: Any) -> Mark:
    """Give the needs of everything that a route depends on, as the mark of a view.

    ``dependant`` is what FastAPI made of a route; None for a route that depends on nothing.

    Raises:
        ConfigurationError: it depends on what cannot be a scope.
    """
    needs: list[Need] = []
    for need in () if dependant is None else _needs(dependant):
        needs += missing([need], needs)
    return Mark(needs=tuple(needs)) if needs else UNMARKED


def _needs(dependant: Any) -> Iterator[Need]:
    """Walk down the dependencies."""
    # What the chain above adds (Security), and what stands with this one.
    chain = (getattr(dependant, name, None) for name in ("parent_oauth_scopes", "own_oauth_scopes"))
    scopes = [name for names in chain for name in names or ()]
    yield from _needs_of_call(dependant.call, scopes)
    for annotated in _annotated(dependant.call):
        yield from _needs_of_call(annotated.dependency, [*scopes, *_scopes_of(annotated)])
    for below in dependant.dependencies:
        yield from _needs(below)


def _needs_of_call(call: Any, scopes: Iterable[str]) -> Iterator[Need]:
    if isinstance(call, Requirement):
        yield call.need
    elif isinstance(call, Token):
        yield from map(need_of_scope, scopes)


def _scopes_of(depends: params.Depends) -> tuple[str, ...]:
    return tuple(getattr(depends, "scopes", None) or ())


def _annotated(call: Any) -> Iterator[params.Depends]:
    """List every dependency that the parameters of a function are annotated with.

    Of several in one ``Annotated``, as where an alias is annotated once more, FastAPI runs the last
    and forgets the others. Needs add up, and none is forgotten here.
    """
    for parameter in get_typed_signature(call).parameters.values():
        annotation = getattr(parameter.annotation, "__value__", parameter.annotation)
        if get_origin(annotation) is Annotated:
            yield from (said for said in get_args(annotation) if isinstance(said, params.Depends))


def _dependant_of_route(scope: Scope) -> Any:
    """Give what the running route depends on; of an included router FastAPI keeps it elsewhere."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    of_included = getattr(included, "dependant", None)
    return of_included or getattr(scope.get("route"), "dependant", None)

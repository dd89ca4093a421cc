"""``as_token(app, ...)``: requests without credentials are taken as if they brought a good token.

The signature is not skipped. A real token is signed for each request and handed to the guard where
the adapter hands the request over; from there on everything is as in production, so that needs,
step-up, public paths and revocations hold by the very same code. That costs a tenth of a
millisecond, and buys that there is no second way to make an AccessToken.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast
from unittest.mock import patch

from bearerguard.core.access import Access
from bearerguard.core.access_token import AccessToken
from bearerguard.core.request import RequestView
from bearerguard.guard import Guard
from bearerguard.testing.bearer import Bearer
from bearerguard.testing.guards_of import gates_of
from bearerguard.testing.trusting import trusted


@contextmanager
def as_token(
    app: Any, *scopes: str, scope: str | Iterable[str] = (), **claims: Any
) -> Iterator[None]:
    """Let requests to ``app`` that bring no credentials bring a good token, within the block.

    ``scope`` and positional scopes are what it allows, ``claims`` what else it says, as for
    :class:`bearerguard.testing.Bearer`. A request that brings credentials is judged by these. The
    blocks can be nested, the innermost counts, and no other application notices.

    Raises:
        TypeError: no guard stands before ``app``.
    """
    named = scope.split(" ") if isinstance(scope, str) else scope
    with trusted() as issuer, ExitStack() as block:
        for gate in gates_of(app):
            bearer = Bearer(issuer, [gate.guard])
            standing_in = _Bringing(gate.guard, bearer, (*scopes, *named), claims)
            block.enter_context(patch.object(gate, "guard", cast("Guard", standing_in)))
        yield


class _Bringing:
    """A guard, before which requests are given a token."""

    def __init__(
        self, guard: Guard, bearer: Bearer, scopes: tuple[str, ...], claims: dict[str, Any]
    ) -> None:
        self._guard = guard
        self._token = partial(bearer.token, *scopes, **claims)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guard, name)

    def admit(self, request: RequestView, access: Access) -> AccessToken | None:
        """Decide about the request with its token."""
        self._give(request)
        return self._guard.admit(request, access)

    async def aadmit(self, request: RequestView, access: Access) -> AccessToken | None:
        """Decide about the request with its token."""
        self._give(request)
        return await self._guard.aadmit(request, access)

    def _give(self, request: RequestView) -> None:
        if not request.is_preflight() and not request.field("authorization"):
            request.headers = [*request.headers, ("authorization", f"Bearer {self._token()}")]

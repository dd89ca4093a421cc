"""The middleware that guards a FastAPI application.

It is the one for Starlette, which also knows what the views of FastAPI depend on.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bearerguard.asgi import ASGIApp, Message, Receive, Scope, Send, close_code, refuse
from bearerguard.core.marks import Mark, mark_of
from bearerguard.core.request import RequestView
from bearerguard.errors import ConfigurationError
from bearerguard.fastapi_dependencies import REFUSED, mark_of_dependant
from bearerguard.fastapi_openapi import describe
from bearerguard.fastapi_routing import find_view, marked_endpoints, problems_of_needs
from bearerguard.starlette import BearerAuthMiddleware

if TYPE_CHECKING:
    from bearerguard.core.challenge import Answer
    from bearerguard.gate import Gate


class GuardingMiddleware(BearerAuthMiddleware):
    """Lets a request pass only with a token that is good enough for the view it is going to."""

    def __init__(
        self, app: ASGIApp, /, *, gate: "Gate", scheme: dict[str, Any], close_at_expiry: bool
    ) -> None:
        self.app = LastWord(app)
        self.close_at_expiry = close_at_expiry
        self.gate = gate
        self._scheme = scheme
        self._problem = self._later = None
        # By the id of what FastAPI knows of a view, which is kept so that nothing else has it.
        self._needed: dict[int, tuple[Any, Mark]] = {}

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        problems = list(problems_of_needs(self.app, scope))
        if problems:
            self._problem = ConfigurationError(*problems)
        await super()._start(scope, receive, send)

    def on_start(self, scope: Scope) -> None:
        """Say where a need wins over something that looks open; describe what came later."""
        self.gate.log_conflicts(marked_endpoints(self.app, scope))
        describe(scope["app"], self.gate, self._scheme)

    def mark_for(self, scope: Scope, request: RequestView) -> Mark:
        """Tell what the view says that will run, and what everything says that it depends on."""
        endpoint, dependant, is_own = find_view(self.app, scope)
        found = mark_of(endpoint, request.method)
        kept = self._needed.get(id(dependant))
        if kept is None:
            kept = self._needed[id(dependant)] = dependant, mark_of_dependant(dependant)
        mark = found.plus(kept[1])
        # A dependency enforces by itself, as a wrapper does; a bare view does not, nor one that a
        # class of routes runs in its own way.
        is_bare = bool(mark.needs if is_own else found.needs) and not found.is_wrapper
        return (
            replace(mark, answers_options=True) if is_bare and request.method == "OPTIONS" else mark
        )


class LastWord:
    """Sends the refusal of a dependency, whatever the application's exception handlers say."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        refused: list[Answer] = []
        scope[REFUSED] = refused
        is_accepted = False

        async def send_unless_refused(message: Message) -> None:
            nonlocal is_accepted
            if not refused:
                is_accepted = is_accepted or message["type"] == "websocket.accept"
                await send(message)

        try:
            await self.app(scope, receive, send_unless_refused)
        except Exception:
            if not refused:
                raise
        if refused and is_accepted:  # by a dependency that came before ours
            await send({"type": "websocket.close", "code": close_code(refused[0])})
        elif refused:
            await refuse(refused[0], scope, receive, send)

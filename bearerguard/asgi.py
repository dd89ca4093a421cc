"""Guards any ASGI application. The token of a request is ``scope["bearerguard.token"]``.

app = BearerAuthMiddleware(app, rules={"GET /orders": "orders:read"}, public=["/healthz"])
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bearerguard.asgi_expiry import run_until_expiry, seconds_left
from bearerguard.core.marks import UNMARKED, Mark
from bearerguard.core.metadata import NOT_FOUND, WELL_KNOWN, Resource, first_answer, resources_of
from bearerguard.core.needs import all_of, any_of, authenticated, claim, role, scope, step_up
from bearerguard.core.request import FIELDS, RequestView
from bearerguard.errors import ConfigurationError, RejectedError, UnavailableError
from bearerguard.loading import Later, would_stop_a_loop

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken
    from bearerguard.core.challenge import Answer
    from bearerguard.gate import Gate
    from bearerguard.guard import Guard

__all__ = [
    "BearerAuthMiddleware",
    "ProtectedResourceMetadata",
    "all_of",
    "any_of",
    "authenticated",
    "claim",
    "role",
    "scope",
    "step_up",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

OCTETS = {name.encode(): name for name in FIELDS}
LENGTHS = frozenset(map(len, FIELDS))
# RFC 6455 section 7.4.1 (policy violation), and "try again later" of its registry.
CLOSE_REFUSED, CLOSE_UNAVAILABLE = 1008, 1013


class BearerAuthMiddleware:
    """Lets a request pass to ``app`` only with a token that is good enough for its path.

    Without ``rules`` any valid token is; with them, a path that they do not name is refused.
    ``public`` and ``optional`` are lists of exact paths, or of folders such as ``/docs/*``;
    ``readiness`` is the path of a readiness probe, which is answered here (:meth:`Guard.ready`).
    ``close_at_expiry`` closes an open WebSocket when its token expires (asyncio only). Everything
    else is a setting, read from the environment where it is not given; or give a ready ``guard``.

    A CORS preflight passes without a token where no rule speaks of OPTIONS: put the CORS layer
    around this middleware, or see to it that views look at the method.

    Problems of the settings are kept: frameworks build middleware when a server has already
    started, so the start is refused through the lifespan protocol, and where a server does not
    speak it, every request raises the ConfigurationError.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        *,
        guard: "Guard | None" = None,
        optional: Sequence[str] = (),
        rules: Mapping[str, Any] | None = None,
        readiness: str | None = None,
        close_at_expiry: bool = False,
        **settings: Any,
    ) -> None:
        self.app = app
        self.close_at_expiry = close_at_expiry
        self._build(
            guard=guard, settings=settings, optional=optional, rules=rules, readiness=readiness
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] not in ("http", "websocket"):
            await (self._start if scope["type"] == "lifespan" else self.app)(scope, receive, send)
            return
        later = self._later  # a thread takes it away when the gate is there
        if later is not None:
            await later()
        if self._problem is not None:
            raise self._problem
        gate = self.gate
        if not gate.has_looked:  # a server without the lifespan protocol
            self.on_start(scope)
        if gate.resource is not None and scope["type"] == "http":
            about = metadata_answer(scope, gate.resource)
            if about is not None:
                await refuse(about, scope, receive, send)
                return
        request = view_of(scope)
        if gate.readiness is not None and gate.asks_if_ready(request) and scope["type"] == "http":
            is_ready = await gate.guard.aready()
            await refuse(gate.answer_probe(is_ready=is_ready), scope, receive, send)
            return
        mark = self.mark_for(scope, request)
        access = mark.on(gate.table.access(request))
        try:
            token = await gate.guard.aadmit(request, access)
        except (RejectedError, UnavailableError) as refusal:
            await refuse(gate.guard.answer(refusal, access), scope, receive, send)
            return
        self.attach(scope, request, mark, token)
        closes = self.close_at_expiry and scope["type"] == "websocket"
        left_s = seconds_left(gate.guard, request, token) if closes else None
        if left_s is not None:
            await run_until_expiry(self.app, scope, receive, send, left_s)
        else:
            await self.app(scope, receive, send)

    def _build(self, **arguments: Any) -> None:
        self._problem: ConfigurationError | None = None
        self._later: Later | None = Later(partial(self._make_gate, arguments))
        if not would_stop_a_loop():
            self._make_gate(arguments)

    def _make_gate(self, arguments: dict[str, Any]) -> None:
        from bearerguard.gate import Gate  # noqa: PLC0415  see there

        try:
            self.gate = Gate(**arguments)
        except ConfigurationError as problem:
            self._problem = problem
        self._later = None

    def gate_now(self) -> "Gate":
        """Give the gate, made here where that was put off; raises ConfigurationError."""
        if self._later is not None:
            self._later.now()
        if self._problem is not None:
            raise self._problem
        return self.gate

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        later = self._later
        if later is not None:
            await later()
        if self._problem is None:
            self.on_start(scope)
            await self.app(scope, receive, send)
        else:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(self._problem)})
            raise self._problem  # for test clients, which look at nothing else

    def on_start(self, scope: Scope) -> None:
        """Look at the application once; here nobody knows anything of its views."""
        _ = scope
        self.gate.log_conflicts(())

    def mark_for(self, scope: Scope, request: RequestView) -> Mark:
        """Tell what the view says that will handle the request; here nobody knows views."""
        _ = scope, request
        return UNMARKED

    def attach(
        self, scope: Scope, request: RequestView, mark: Mark, token: "AccessToken | None"
    ) -> None:
        """Hand the token to the application."""
        _ = request, mark
        scope["bearerguard.token"] = token


class ProtectedResourceMetadata:
    """An application that serves nothing but the metadata of these guards' resources (RFC 9728).

    For the root of the host, where metadata stand, when the guarded applications are mounted below.
    Every guard needs the setting ``resource``, else a ConfigurationError is raised.
    """

    def __init__(self, *guards: "Guard") -> None:
        self._resources = resources_of(guards)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        answer = metadata_answer(scope, *self._resources) or NOT_FOUND
        await refuse(answer, scope, receive, send)


def metadata_answer(scope: Scope, *resources: "Resource") -> "Answer | None":
    """Answer a request for the metadata of one of these resources; None for any other.

    The path is the one from the root of the host. A server that was told of a prefix which a proxy
    takes away (``root_path``) writes it before every path, also where no proxy took one away.
    """
    path, root = scope["path"], scope.get("app_root_path", scope.get("root_path"))
    if WELL_KNOWN not in path:
        return None
    paths = (path, _below(path, root)) if root else (path,)
    query = scope["query_string"].decode("latin-1")
    return first_answer(resources, scope.get("method", "GET"), paths, query)


def view_of(scope: Scope) -> RequestView:
    """Translate an ASGI connection; a WebSocket handshake is a GET."""
    headers = []
    for name, value in scope["headers"]:
        if len(name) not in LENGTHS:
            continue  # most fields, without a call
        known = OCTETS.get(name.lower())
        if known is not None:
            headers.append((known, value.decode("latin-1")))
    path, root = scope["path"], scope.get("root_path")
    return RequestView(
        scope.get("method", "GET"),
        _below(path, root) if root else path,
        scope.get("raw_path"),
        headers,
    )


async def refuse(answer: "Answer", scope: Scope, receive: Receive, send: Send) -> None:
    """Send the answer to a refused request, before its body is read."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await receive()  # the handshake; closing before accepting it refuses it
            await send({"type": "websocket.close", "code": close_code(answer)})
            return
        kind = "websocket.http.response"
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    body = b"" if scope.get("method") == "HEAD" else answer.body
    await send({"type": f"{kind}.body", "body": body})


def close_code(answer: "Answer") -> int:
    """Translate an answer for a WebSocket that can only be closed."""
    return CLOSE_UNAVAILABLE if answer.status == UnavailableError.status else CLOSE_REFUSED


def _below(path: str, root: str) -> str:
    """Give the path less root_path: the string that an application below a mount routes on."""
    below = path.removeprefix(root)
    return below if path.startswith(root) and below[:1] in ("", "/") else path

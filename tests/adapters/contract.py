"""One small application for every adapter, and one way to call it.

The applications have the same routes and the same views, each guarded as one would write it there:
by decorators in Starlette and Flask, by dependencies in FastAPI, by tables of paths around plain
ASGI and WSGI. A caller cannot tell them apart, which is what the tests of the contract are about.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from urllib.parse import quote

import flask
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route as StarletteRoute

from bearerguard import AccessToken, Guard, any_of, authenticated, claim, role
from bearerguard import asgi as our_asgi
from bearerguard import fastapi as our_fastapi
from bearerguard import flask as our_flask
from bearerguard import starlette as our_starlette
from bearerguard import wsgi as our_wsgi

ADAPTERS = ("asgi", "wsgi", "starlette", "flask", "fastapi")
# Where views say themselves what they need; the others have tables of paths.
FRAMEWORKS = ("starlette", "flask", "fastapi")
# What tells the way in which needs a view has.
READS_MARKS = {
    "starlette": "bearerguard.starlette.mark_of",
    "flask": "bearerguard.flask.mark_of",
    "fastapi": "bearerguard.fastapi_middleware.mark_of_dependant",
}
# RFC 9110 section 11.6.1, as strictly as we write it: every value is a quoted-string.
PARAMETER = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Route:
    """A path, and what is said about it. ``needs=()`` is ``requires()``, any valid token."""

    path: str
    needs: tuple[Any, ...] | None = None
    public: bool = False
    optional: bool = False
    methods: tuple[str, ...] = ("GET",)


PUBLIC, OPTIONAL = ("/healthz", "/docs/*"), ("/greeting", "/shop/*")
ROUTES = (
    Route("/plain", methods=("GET", "POST")),
    Route("/any-token", needs=()),
    Route("/read", needs=("read",)),
    Route("/write", needs=("read", "write"), methods=("POST",)),
    Route("/either", needs=(any_of("a", "b"),)),
    Route("/admin", needs=(role("admin"),)),
    Route("/acme", needs=(claim("tenant", equals="acme"),)),
    Route("/open", public=True),
    Route("/maybe", optional=True),
    Route("/conflict/public", needs=("read",), public=True),
    Route("/conflict/optional", needs=("read",), optional=True),
    Route("/docs/private", needs=("read",)),
    Route("/shop/private", needs=("read",)),
)
# Answers whatever a guard lets through, so that an opened door is seen.
ANYTHING = Route("/*", methods=("GET", "POST", "OPTIONS", "PUT", "DELETE"))


@dataclass(frozen=True)
class Answer:
    """What a caller got."""

    status: int
    fields: Fields
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def only(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def challenge(self) -> dict[str, str]:
        """The parameters of the one Bearer challenge; each may be there once (RFC 6750 3)."""
        scheme, _, rest = self.only("www-authenticate").partition(" ")
        assert scheme == "Bearer"
        found = PARAMETER.findall(rest)
        assert ", ".join(f'{name}="{value}"' for name, value in found) == rest
        assert len({name.lower() for name, _ in found}) == len(found) > 0
        return {name: re.sub(r"\\(.)", r"\1", value) for name, value in found}

    @property
    def outcome(self) -> tuple[int, str | None]:
        """The status and the OAuth error code."""
        return self.status, self.challenge.get("error")


class Untouchable:
    """A request's body that nobody may read before the caller is known."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"somebody touched the body: {name}")


class Api:
    """An application behind an adapter. ``ran`` lists the views that ran, and their token."""

    def __init__(self, adapter: str) -> None:
        self.adapter = adapter
        self.ran: list[tuple[str, AccessToken | None]] = []
        self.app: Any = None

    @property
    def is_asgi(self) -> bool:
        return self.adapter in ("asgi", "starlette", "fastapi")

    def note(self, view: str, token: AccessToken | None) -> dict[str, Any]:
        self.ran.append((view, token))
        return {"view": view, "subject": None if token is None else token.subject}

    def call(
        self,
        method: str,
        path: str,
        *fields: tuple[str, str],
        token: str | None = None,
        raw_path: str | None = None,
        **extra: Any,
    ) -> Answer:
        """Send a request. ``path`` is what the server decoded, ``raw_path`` what it received.

        ``extra`` goes into the ASGI scope or the WSGI environ.
        """
        if token is not None:
            fields = (*fields, ("Authorization", f"Bearer {token}"))
        if self.is_asgi:
            return asyncio.run(self._call_asgi(method, path, fields, raw_path, extra))
        return self._call_wsgi(method, path, fields, raw_path, extra)

    async def _call_asgi(
        self, method: str, path: str, fields: Fields, raw_path: str | None, extra: dict[str, Any]
    ) -> Answer:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(http_scope(method, path, fields, raw_path) | extra, Untouchable(), send)
        start, *bodies = sent
        return Answer(
            start["status"],
            [(n.decode("latin-1"), v.decode("latin-1")) for n, v in start["headers"]],
            b"".join(message.get("body", b"") for message in bodies),
        )

    def _call_wsgi(
        self, method: str, path: str, fields: Fields, raw_path: str | None, extra: dict[str, Any]
    ) -> Answer:
        started: list[Any] = []
        body = self.app(
            wsgi_environ(method, path, fields, raw_path) | extra,
            lambda status, headers, exc_info=None: started.append((status, headers)),
        )
        try:
            content = b"".join(body)
        finally:
            getattr(body, "close", lambda: None)()
        ((status, headers),) = started
        return Answer(int(status[:3]), headers, content)


def http_scope(
    method: str, path: str, fields: Fields = (), raw_path: str | None = None
) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": (quote(path) if raw_path is None else raw_path).encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in fields],
        "server": ("testserver", 443),
    }


def wsgi_environ(
    method: str, path: str, fields: Fields = (), raw_path: str | None = None
) -> dict[str, Any]:
    """As PEP 3333 has it: decoded octets as latin-1, and repeated fields joined."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "wsgi.url_scheme": "https",
        "wsgi.input": Untouchable(),
    }
    if raw_path is not None:
        environ["REQUEST_URI"] = raw_path
    for name, value in fields:
        key = "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


@dataclass
class Plan:
    """What to build: the routes, a guard or settings, and the adapter's own arguments.

    ``rules`` replaces the table that plain adapters get for the routes; ``has_cors`` puts a CORS
    layer between the guard and the views.
    """

    routes: Sequence[Route] = (*ROUTES, ANYTHING)
    optional: Sequence[str] = OPTIONAL
    guard: Guard | None = None
    rules: Any = None
    has_cors: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"guard": self.guard, **self.settings}


def make_api(adapter: str, plan: Plan) -> Api:
    api = Api(adapter)
    api.app = BUILDERS[adapter](api, plan)
    return api


def public_paths(adapter: str, plan: Plan, paths: Sequence[str]) -> list[str]:
    """Where there are no decorators, a table says what ``@public`` says elsewhere."""
    if adapter in FRAMEWORKS:
        return list(paths)
    return [*paths, *(route.path for route in plan.routes if route.public)]


def _tables(plan: Plan) -> dict[str, Any]:
    """Say with tables of paths what decorators say elsewhere."""
    rules = plan.rules
    if rules is None:
        rules = {"*": authenticated} | {
            f"{method} {route.path}": list(route.needs) or authenticated
            for route in plan.routes
            if route.needs is not None
            for method in route.methods
        }
    more = [route.path for route in plan.routes if route.optional]
    optional = [*plan.optional, *more] if isinstance(plan.optional, tuple) else plan.optional
    return {"rules": rules, "optional": optional, **plan.arguments}


def _route_for(routes: Iterable[Route], method: str, path: str) -> Route | None:
    named = {route.path: route for route in routes if _takes(route, method)}
    return named.get(path, named.get("/*"))


def _takes(route: Route, method: str) -> bool:
    return ("GET" if method == "HEAD" else method) in route.methods


def _asgi(api: Api, plan: Plan) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        route = _route_for(plan.routes, scope["method"], scope["path"])
        content = b"" if route is None else _content(api, route, scope["bearerguard.token"])
        status = 404 if route is None else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": content})

    inner = cors_asgi(app) if plan.has_cors else app
    return our_asgi.BearerAuthMiddleware(inner, **_tables(plan))


def _wsgi(api: Api, plan: Plan) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        route = _route_for(plan.routes, environ["REQUEST_METHOD"], environ["PATH_INFO"])
        content = b"" if route is None else _content(api, route, environ["bearerguard.token"])
        start_response("404 Not Found" if route is None else "200 OK", [])
        return [content]

    inner = cors_wsgi(app) if plan.has_cors else app
    return our_wsgi.BearerAuthMiddleware(inner, **_tables(plan))


def _content(api: Api, route: Route, token: AccessToken | None) -> bytes:
    return json.dumps(api.note(route.path, token)).encode()


def _starlette(api: Api, plan: Plan) -> Any:
    def routed(route: Route) -> StarletteRoute:
        async def view(request: Any) -> JSONResponse:
            return JSONResponse(api.note(route.path, request.user.token))

        path = route.path.replace("/*", "/{rest:path}")
        return StarletteRoute(path, _decorated(our_starlette, view, route), methods=route.methods)

    layers = [
        Middleware(our_starlette.BearerAuthMiddleware, optional=plan.optional, **plan.arguments)
    ]
    if plan.has_cors:
        layers.append(Middleware(CORSMiddleware, **CORS))
    return Starlette(routes=[routed(route) for route in plan.routes], middleware=layers)


def _flask(api: Api, plan: Plan) -> Any:
    app = flask.Flask("contract", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # as the other three do

    def add(route: Route) -> None:
        def view(**_: Any) -> dict[str, Any]:
            return api.note(route.path, our_flask.current_token._get_current_object())

        app.add_url_rule(
            route.path.replace("/*", "/<path:rest>"),
            endpoint=route.path,
            view_func=_decorated(our_flask, view, route),
            methods=route.methods,
        )

    our_flask.BearerGuard(app, optional=plan.optional, **plan.arguments)
    if plan.has_cors:
        app.before_request(lambda: "OK" if is_preflight(flask.request.environ) else None)
        app.after_request(lambda response: response.headers.extend(CORS_FIELDS) or response)
    for route in plan.routes:
        add(route)
    return app


def _fastapi(api: Api, plan: Plan) -> Any:
    app = FastAPI(openapi_url=None)
    if plan.has_cors:
        app.add_middleware(CORSMiddleware, **CORS)
    guard = our_fastapi.BearerGuard(app, optional=plan.optional, **plan.arguments)

    def add(route: Route) -> None:
        given = Depends(guard.token) if route.needs is None else guard.requires(*route.needs)

        async def view(token: Annotated[Any, given]) -> dict[str, Any]:
            return api.note(route.path, token)

        methods = [*route.methods, *(["HEAD"] if "GET" in route.methods else [])]
        view = _decorated(our_fastapi, view, replace(route, needs=None))
        path = route.path.replace("/*", "/{rest:path}")
        app.add_api_route(path, view, methods=methods, response_model=None)

    for route in plan.routes:
        add(route)
    return app


def _decorated(module: Any, view: Callable[..., Any], route: Route) -> Callable[..., Any]:
    if route.public:
        view = module.public(view)
    if route.optional:
        view = module.optional(view)
    return view if route.needs is None else module.requires(*route.needs)(view)


BUILDERS = {
    "asgi": _asgi,
    "wsgi": _wsgi,
    "starlette": _starlette,
    "flask": _flask,
    "fastapi": _fastapi,
}


ORIGIN = "https://app.example"
CORS: dict[str, Any] = {
    "allow_origins": [ORIGIN],
    "allow_methods": ["*"],
    "allow_headers": ["Authorization"],
    "expose_headers": ["WWW-Authenticate"],
}
CORS_FIELDS = [
    ("Access-Control-Allow-Origin", ORIGIN),
    ("Access-Control-Expose-Headers", "WWW-Authenticate"),
]


def cors_asgi(app: Any) -> Any:
    return CORSMiddleware(app, **CORS)


def cors_wsgi(app: Any) -> Any:
    """As small as a CORS layer can be."""

    def layer(environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, [*headers, *CORS_FIELDS], *exc_info)

        if not is_preflight(environ):
            return app(environ, start)
        start("200 OK", [])
        return [b"OK"]

    return layer


def is_preflight(environ: dict[str, Any]) -> bool:
    asked = "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    return environ["REQUEST_METHOD"] == "OPTIONS" and asked


async def websocket(
    app: Callable[..., Awaitable[None]],
    path: str,
    *fields: tuple[str, str],
    messages: Iterable[dict[str, Any]] = ({"type": "websocket.connect"},),
    has_denial_response: bool = False,
    **extra: Any,
) -> list[dict[str, Any]]:
    """Open a WebSocket; give everything that the application sent."""
    scope = {k: v for k, v in http_scope("GET", path, fields).items() if k != "method"}
    scope |= {"type": "websocket", "scheme": "wss", "subprotocols": []} | extra
    if has_denial_response:
        scope["extensions"] = {"websocket.http.response": {}}
    coming, sent = iter(messages), []

    async def receive() -> dict[str, Any]:
        message = next(coming, None)
        if message is None:
            await asyncio.Event().wait()  # a client that stays and says nothing
        return message

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent

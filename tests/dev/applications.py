"""Applications with every kind of route, each guarded as its users would do it."""

from typing import Annotated, Any

import flask
import flask.views
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from werkzeug.test import Client

from bearerguard import asgi, authenticated, wsgi
from bearerguard import fastapi as for_fastapi
from bearerguard import flask as for_flask
from bearerguard import mcp as for_mcp
from bearerguard.starlette import BearerAuthMiddleware, optional, public, requires


async def view(request):
    return PlainTextResponse("ran")


def needing(*needs):
    @requires(*needs)
    async def guarded(request):
        return PlainTextResponse("ran")

    return guarded


@public
async def open_view(request):
    return PlainTextResponse("ran")


@optional
async def greeting(request):
    return PlainTextResponse("ran")


class Orders(HTTPEndpoint):
    async def get(self, request):
        return PlainTextResponse("ran")

    @requires("write")
    async def post(self, request):
        return PlainTextResponse("ran")


@requires("admin")
class Admin(HTTPEndpoint):
    async def get(self, request):
        return PlainTextResponse("ran")

    @requires("more")
    async def delete(self, request):
        return PlainTextResponse("ran")


@requires("chat")
async def chat(socket):
    await socket.accept()
    await socket.send_text("ran")
    await socket.close()


class Opaque:
    async def __call__(self, scope, receive, send):
        await PlainTextResponse("ran")(scope, receive, send)


opaque = Opaque()


class Colour(Convertor):
    """A converter of the application's own, that no made-up path fits."""

    regex = "red|green"

    def convert(self, value):
        return value

    def to_string(self, value):
        return value


class Breaking(Colour):
    """One that many a path breaks."""

    regex = "[^/]+"

    def convert(self, value):
        return int(value)


register_url_convertor("breaks_in_the_tests", Breaking())
register_url_convertor("colour_of_the_tests", Colour())


class Versioned(Route):
    """Looks at more than the path."""

    def matches(self, scope):
        found = super().matches(scope)
        return found if dict(scope["headers"]).get(b"version") else (type(found[0]).NONE, {})


INNER_RULES = {"GET /inner": "inner:rule"}


def starlette(guard, **arguments) -> Any:
    inner = Starlette(
        routes=[Route("/inner", needing("inner")), Route("/free", view)],
        middleware=[Middleware(asgi.BearerAuthMiddleware, guard=guard, rules=INNER_RULES)],
    )
    return Starlette(
        routes=[
            Route("/orders", Orders),
            Route("/admin", Admin),
            Route("/open", open_view),
            Route("/greeting", greeting),
            Route("/plain", view, methods=["GET", "POST", "PUT"]),
            Route("/any", needing()),
            Route("/healthz", view),
            Route("/files/{path:path}", needing("files")),
            Route("/files/hidden", open_view),
            Route("/number/{n:int}/{id:uuid}", needing("number")),
            Route("/colour/{c:colour_of_the_tests}", needing("colour")),
            Versioned("/versioned", needing("versioned")),
            Route("/options", needing("options"), methods=["OPTIONS"]),
            Route("/conflict", needing("conflict")),
            Route("/readyz", needing("never"), methods=["GET", "POST"]),
            Route("/broken/{c:breaks_in_the_tests}", needing("broken")),
            Mount("/mount/{c:breaks_in_the_tests}", app=opaque),
            Route("/application", opaque),
            WebSocketRoute("/chat", chat),
            Mount("/mounted", routes=[Route("/a", needing("a")), Mount("/deep", app=opaque)]),
            Mount("/public", app=public(Opaque())),
            Mount("/twice", app=inner),
            Mount("/router", app=Router([Route("/b", open_view)])),
            Host("api.example", app=Router([Route("/at-host", needing("host"))])),
        ],
        middleware=[
            Middleware(
                BearerAuthMiddleware,
                guard=guard,
                optional=["/shop/*"],
                readiness="/readyz",
                **arguments,
            )
        ],
    )


class Bridge:
    """A WSGI application as one of ASGI, as a2wsgi makes it."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        path = scope["path"].removeprefix(scope["root_path"])
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        answer = Client(self.app).open(path, method=scope["method"], headers=headers)
        await PlainTextResponse("", answer.status_code)(scope, receive, send)


def mounts(guard) -> Any:
    """A Flask application and a table of rules below a guarded Starlette application."""
    around = asgi.BearerAuthMiddleware(opaque, guard=guard, rules=INNER_RULES)
    middleware = [Middleware(BearerAuthMiddleware, guard=guard)]
    routes = [
        Mount("/flask", app=Bridge(flask_app(guard))),
        Mount("/docs/bare", app=Bridge(rules_around_flask(guard))),
        Mount("/table", app=around),
        Mount("/opaque", app=opaque, middleware=middleware),
    ]
    return Starlette(routes=routes, middleware=middleware)


def mcp(guard) -> Any:
    app = Starlette(routes=[Route("/mcp", opaque), Route("/healthz", view)])
    return for_mcp.BearerAuthMiddleware(app, guard=guard)


def fastapi(guard) -> Any:
    app = FastAPI(openapi_url="/openapi.json")
    guarding = for_fastapi.BearerGuard(app, guard=guard)
    nested = APIRouter(prefix="/nested", dependencies=[guarding.requires("nested")])
    router = APIRouter(prefix="/router", dependencies=[guarding.requires("router")])
    token = Annotated[Any, guarding.requires("read")]

    @app.get("/read/{n}")
    def read(n: int, token: token) -> str:
        return "ran"

    @app.post("/security")
    def security(token: Annotated[Any, Security(guarding.token, scopes=["one", "two"])]) -> str:
        return "ran"

    @app.get("/colour/{c:colour_of_the_tests}")
    def colour(c: str, token: token) -> str:
        return "ran"

    @app.get("/plain")
    def plain(token: Annotated[Any, Depends(guarding.token)]) -> str:
        return "ran"

    @app.get("/open")
    @for_fastapi.public
    def opened() -> str:
        return "ran"

    @app.get("/decorated")
    @for_fastapi.requires("decorated")
    def decorated() -> str:
        return "ran"

    @router.get("/a/{id}")
    @nested.get("/b")
    def included() -> str:
        return "ran"

    @app.websocket("/chat")
    async def talk(socket: WebSocket, token: token) -> None:
        await socket.accept()
        await socket.send_text("ran")
        await socket.close()

    router.include_router(nested)
    app.include_router(router)
    app.mount("/mounted", Starlette(routes=[Route("/a", needing("a"))]))
    return app


def flask_app(guard, **arguments) -> Any:
    app = flask.Flask("tested")
    for_flask.BearerGuard(app, guard=guard, readiness="/readyz", **arguments)

    @for_flask.requires("view")
    class Shown(flask.views.MethodView):
        def get(self):
            return "ran"

        @for_flask.requires("more")
        def post(self):
            return "ran"

    def ran(**parts):
        return "ran"

    def wrapped(decorate):
        def made(**parts):
            return "ran"

        return decorate(made)

    app.add_url_rule("/shown", view_func=Shown.as_view("shown"))
    app.add_url_rule("/plain", "plain", ran, methods=["GET", "POST"])
    app.add_url_rule("/healthz", "healthz", ran)
    app.add_url_rule("/item/<int:n>", "item", wrapped(for_flask.requires("item")))
    app.add_url_rule("/files/<path:rest>", "files", wrapped(for_flask.requires("files")))
    app.add_url_rule("/open", "open", wrapped(for_flask.public))
    app.add_url_rule("/maybe", "maybe", wrapped(for_flask.optional))
    app.add_url_rule("/any", "any", wrapped(for_flask.requires()))
    app.add_url_rule("/any", "any_again", wrapped(for_flask.public))
    options = wrapped(for_flask.requires("options"))
    app.add_url_rule("/options", "options", options, methods=["OPTIONS"])
    return app


RULES = {
    "GET /orders": "read",
    "POST /orders": ["read", "write"],
    "* /admin/*": "admin",
    "GET /docs/secret": "docs",
    "DELETE /any": authenticated,
}


def plain_asgi(guard, **arguments) -> Any:
    return asgi.BearerAuthMiddleware(
        opaque, guard=guard, rules=RULES, optional=["/maybe"], readiness="/readyz", **arguments
    )


def plain_wsgi(guard, **arguments) -> Any:
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"ran"]

    return wsgi.BearerAuthMiddleware(application, guard=guard, rules=RULES, optional=["/maybe"])


def unruled_asgi(guard) -> Any:
    return asgi.BearerAuthMiddleware(opaque, guard=guard)


def every_path(guard) -> Any:
    rules = {"GET /*": "read", "*": authenticated}
    return asgi.BearerAuthMiddleware(opaque, guard=guard, rules=rules)


def rules_around_flask(guard) -> Any:
    app = flask.Flask("tested", static_folder=None)
    app.add_url_rule("/orders", "orders", lambda: "ran", methods=["GET", "POST"])
    app.add_url_rule("/admin/<name>", "admin", lambda name: "ran")
    app.add_url_rule("/docs/x", "docs", lambda: "ran")
    app.wsgi_app = wsgi.BearerAuthMiddleware(app.wsgi_app, guard=guard, rules=RULES)
    return app


def rules_around_starlette(guard) -> Any:
    app = Starlette(routes=[Route("/orders", view), Route("/admin/{name}", view)])
    return asgi.BearerAuthMiddleware(app, guard=guard, rules=RULES)


APPLICATIONS = {
    "starlette": starlette,
    "fastapi": fastapi,
    "flask": flask_app,
    "asgi": plain_asgi,
    "wsgi": plain_wsgi,
    "unruled asgi": unruled_asgi,
    "every path": every_path,
    "mcp": mcp,
    "mounts": mounts,
    "rules around flask": rules_around_flask,
    "rules around starlette": rules_around_starlette,
}

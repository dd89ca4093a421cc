"""What the type checker says about the adapters; mypy --strict reads this, nothing runs it.

A decorator keeps the signature of its view, so that nothing is lost by guarding it.
"""

from typing import Annotated, assert_type

import flask
from fastapi import Depends, FastAPI, Security, WebSocket
from mcp.server.auth.provider import TokenVerifier
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import bearerguard.asgi
import bearerguard.fastapi
import bearerguard.flask
import bearerguard.mcp
import bearerguard.starlette
import bearerguard.wsgi
from bearerguard import AccessToken, Guard
from bearerguard.asgi import ASGIApp


@bearerguard.starlette.requires("orders:read", bearerguard.starlette.role("staff"))
async def orders(request: Request) -> Response:
    return JSONResponse({"for": request.user.identity})


@bearerguard.starlette.public
def healthz(request: Request) -> Response:
    return Response("ok")


@bearerguard.starlette.optional
async def hello(request: Request, /) -> Response:
    return Response("hello")


async def keeps_the_signatures(request: Request) -> None:
    assert_type(await orders(request), Response)
    assert_type(healthz(request), Response)
    assert_type(await hello(request), Response)
    await orders()  # type: ignore[call-arg]
    healthz("request")  # type: ignore[arg-type]


def needs_are_checked() -> None:
    bearerguard.starlette.requires(5)  # type: ignore[arg-type]
    bearerguard.flask.requires(5)  # type: ignore[arg-type]


def builds_applications(guard: Guard, wsgi_app: flask.Flask, asgi_app: ASGIApp) -> None:
    Starlette(
        routes=[Route("/orders", orders)],
        middleware=[
            Middleware(bearerguard.starlette.BearerAuthMiddleware, public=["/healthz"], guard=guard)
        ],
    )
    bearerguard.asgi.BearerAuthMiddleware(asgi_app, rules={"GET /orders": "orders:read"})
    bearerguard.wsgi.BearerAuthMiddleware(wsgi_app.wsgi_app, rules={"*": "orders:read"})
    Starlette(routes=[bearerguard.starlette.metadata_route(guard, guard)])
    bearerguard.asgi.ProtectedResourceMetadata(guard)
    bearerguard.wsgi.ProtectedResourceMetadata(guard, guard)
    bearerguard.wsgi.ProtectedResourceMetadata("guard")  # type: ignore[arg-type]
    bearerguard.asgi.BearerAuthMiddleware(asgi_app, guard="guard")  # type: ignore[arg-type]
    bearerguard.wsgi.BearerAuthMiddleware(5)  # type: ignore[arg-type]


def builds_mcp_servers(guard: Guard, server: MCPServer) -> ASGIApp:
    verifier: TokenVerifier = bearerguard.mcp.token_verifier(leeway="1m")
    bearerguard.mcp.token_verifier("guard")  # type: ignore[arg-type]
    app = server.streamable_http_app()
    app.add_middleware(bearerguard.mcp.UnavailableMiddleware)
    assert_type(verifier, TokenVerifier)
    return bearerguard.mcp.BearerAuthMiddleware(app, guard=guard, public=["/healthz"])


app = flask.Flask(__name__)
extension = bearerguard.flask.BearerGuard()
extension.init_app(app)


@app.get("/orders/<int:number>")
@bearerguard.flask.requires("orders:read")
def order(number: int) -> str:
    assert_type(bearerguard.flask.current_token, AccessToken)
    return bearerguard.flask.current_token.subject or ""


@bearerguard.flask.public
@app.get("/healthz")
def flask_healthz() -> str:
    return "ok"


def keeps_the_signatures_of_flask() -> None:
    assert_type(order(1), str)
    assert_type(flask_healthz(), str)
    order("1")  # type: ignore[arg-type]
    extension.init_app("app")  # type: ignore[arg-type]


api = FastAPI()
needs = bearerguard.fastapi.BearerGuard(api, public=["/docs"])
Reader = Annotated[AccessToken, needs.requires("orders:read")]


@api.get("/annotated", dependencies=[needs.requires("a")])
async def annotated(token: Reader) -> str:
    assert_type(token, AccessToken)
    return token.subject or ""


@api.get("/default")
def default(token: AccessToken = needs.requires("a", bearerguard.fastapi.role("x"))) -> str:  # noqa: B008
    assert_type(token, AccessToken)
    return token.subject or ""


@api.get("/optional")
@bearerguard.fastapi.optional
def anonymous(token: Annotated[AccessToken | None, Depends(needs.token)]) -> str:
    return token.subject or "" if token else ""


@api.websocket("/socket")
@bearerguard.fastapi.requires("a")
async def socket(
    websocket: WebSocket, token: Annotated[AccessToken, Security(needs.token, scopes=["b"])]
) -> None: ...


async def keeps_the_signatures_of_fastapi(websocket: WebSocket, token: AccessToken) -> None:
    assert_type(await annotated(token), str)
    assert_type(default(token), str)
    await socket(websocket, token)
    await socket(websocket)  # type: ignore[call-arg]
    needs.requires(5)  # type: ignore[arg-type]
    needs.init_app("app")  # type: ignore[arg-type]

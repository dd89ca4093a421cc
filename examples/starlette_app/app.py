"""An API for orders. bearerguard decides who may call what; README.md says how to run it."""

from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bearerguard.starlette import BearerAuthMiddleware, any_of, requires

ORDERS: list[dict[str, Any]] = []
HOW_TO_ORDER = 'send {"item": "apples", "quantity": 3}, with a quantity from 1 to 1000'


@requires("orders:read")
async def list_orders(request: Request) -> JSONResponse:
    """The scope says that the caller may read orders, the subject of the token says whose."""
    mine = [order for order in ORDERS if order["owner"] == request.user.identity]
    return JSONResponse({"orders": mine})


@requires("orders:read", "orders:write")  # both of them
async def create_order(request: Request) -> JSONResponse:
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        return JSONResponse({"problem": "the body is not JSON"}, 400)
    if not is_order(body):
        return JSONResponse({"problem": HOW_TO_ORDER}, 422)
    order = {
        "number": len(ORDERS) + 1,
        "owner": request.user.identity,
        "item": body["item"],
        "quantity": body["quantity"],
    }
    ORDERS.append(order)
    return JSONResponse(order, 201)


def is_order(body: object) -> bool:
    match body:
        case {"item": str(item), "quantity": int(quantity)} if not isinstance(quantity, bool):
            return item.isprintable() and 1 <= len(item) <= 100 and 1 <= quantity <= 1000
    return False


@requires(any_of("reports:read", "orders:admin"))  # one of them is enough
async def report(_request: Request) -> JSONResponse:
    items = sum(order["quantity"] for order in ORDERS)
    return JSONResponse({"orders": len(ORDERS), "items": items})


async def me(request: Request) -> JSONResponse:
    """Without a decorator any valid token will do; without a token nobody comes here."""
    token = request.user.token
    caller = {"subject": token.subject, "client": token.client_id, "scopes": sorted(token.scopes)}
    return JSONResponse(caller)


async def healthz(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


app = Starlette(
    routes=[
        Route("/orders", list_orders),
        Route("/orders", create_order, methods=["POST"]),
        Route("/reports", report),
        Route("/me", me),
        Route("/healthz", healthz),
    ],
    middleware=[Middleware(BearerAuthMiddleware, public=["/healthz"])],
)

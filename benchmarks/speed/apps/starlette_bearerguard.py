"""Starlette and bearerguard, as its README shows it; the settings are in the environment."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bearerguard.starlette import BearerAuthMiddleware, requires


@requires("orders:read")
async def orders(request: Request) -> JSONResponse:
    """Answer a caller with the scope."""
    return JSONResponse({"for": request.user.identity})


app = Starlette(routes=[Route("/orders", orders)], middleware=[Middleware(BearerAuthMiddleware)])

"""Starlette without a guard: what the others are measured against."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def orders(_: Request) -> JSONResponse:
    """Answer as the guarded ones do."""
    return JSONResponse({"for": "user-1"})


app = Starlette(routes=[Route("/orders", orders)])

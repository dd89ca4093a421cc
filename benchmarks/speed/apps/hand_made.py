"""What the hand-made ASGI middlewares have in common."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from .told import bearer


async def orders(request: Request) -> JSONResponse:
    """Answer whom the middleware let through."""
    return JSONResponse({"for": request.scope["subject"]})


def token_in(scope: Scope) -> str:
    """Find the token of a request."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return bearer(value.decode("latin-1"))
    return ""


def refusal(status: int) -> JSONResponse:
    """Refuse a request."""
    return JSONResponse({"error": "refused"}, status, {"WWW-Authenticate": "Bearer"})

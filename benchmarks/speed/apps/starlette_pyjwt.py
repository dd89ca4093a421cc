"""Starlette and a plain ASGI middleware around ``jwt.decode``, its key made once."""

import jwt
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .hand_made import orders, refusal, token_in
from .told import AUDIENCE, ISSUER, JWKS, REQUIRED, SCOPE

KEY = jwt.PyJWK(JWKS["keys"][0])


class PyJWTMiddleware:
    """What many applications have: the claims of RFC 9068, and the scope of their one route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            try:
                claims = jwt.decode(
                    token_in(scope),
                    KEY,
                    algorithms=["RS256"],
                    issuer=ISSUER,
                    audience=AUDIENCE,
                    options={"require": REQUIRED},
                )
            except jwt.PyJWTError:
                await refusal(401)(scope, receive, send)
                return
            if SCOPE not in claims.get("scope", "").split():
                await refusal(403)(scope, receive, send)
                return
            scope["subject"] = claims["sub"]
        await self.app(scope, receive, send)


app = Starlette(routes=[Route("/orders", orders)], middleware=[Middleware(PyJWTMiddleware)])

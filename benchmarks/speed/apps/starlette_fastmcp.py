"""Starlette and a plain ASGI middleware around fastmcp's verifier, with a public key."""

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastmcp.server.auth.providers.jwt import JWTVerifier
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .hand_made import orders, refusal, token_in
from .told import AUDIENCE, ISSUER, JWKS, SCOPE

PEM = jwt.PyJWK(JWKS["keys"][0]).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class FastMCPMiddleware:
    """The verifier says None, whatever was wrong."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.verifier = JWTVerifier(
            public_key=PEM.decode(), issuer=ISSUER, audience=AUDIENCE, required_scopes=[SCOPE]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            token = await self.verifier.verify_token(token_in(scope))
            if token is None:
                await refusal(401)(scope, receive, send)
                return
            scope["subject"] = token.subject
        await self.app(scope, receive, send)


app = Starlette(routes=[Route("/orders", orders)], middleware=[Middleware(FastMCPMiddleware)])

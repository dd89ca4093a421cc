"""fastmcp: its JWTVerifier, as its page on token verification shows it."""

from importlib.metadata import version
from typing import Any

from fastmcp.server.auth.providers.jwt import JWTVerifier


class Contender:
    """One verifier; async only. It says None, whatever was wrong."""

    name = "fastmcp"
    version = version("fastmcp")
    configuration = "JWTVerifier(jwks_uri=..., issuer=..., audience=...)"
    lifetime_s = 3600
    modes = ("tasks",)

    def __init__(self, setup: dict[str, Any]) -> None:
        self.verifier = JWTVerifier(
            jwks_uri=setup["jwks_uri"], issuer=setup["issuer"], audience=setup["audience"]
        )

    async def averify(self, token: str) -> str:
        """Verify on the event loop."""
        return "refused" if await self.verifier.verify_token(token) is None else "accepted"

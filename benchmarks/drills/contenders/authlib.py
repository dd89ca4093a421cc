"""Authlib: its RFC 9068 validator, with the cached get_jwks that its documentation shows."""

from typing import Any

import authlib
import requests
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.errors import JoseError


class Validator(JWTBearerTokenValidator):
    """The key look-up is the application's; this is the one of the docstring of ``get_jwks``."""

    def __init__(self, issuer: str, resource_server: str) -> None:
        super().__init__(issuer, resource_server)
        self.cache: dict[str, Any] = {}

    def get_jwks(self) -> Any:
        """Fetch the set once and keep it."""
        if "jwks" in self.cache:
            return self.cache.get("jwks")
        well_known = f"{self.issuer}/.well-known/oauth-authorization-server"
        metadata = requests.get(well_known).json()
        self.cache["jwks"] = requests.get(metadata.get("jwks_uri")).json()
        return self.cache["jwks"]


class Contender:
    """One validator; it has no async way in, so that tasks call it as it is."""

    name = "Authlib"
    version = authlib.__version__
    configuration = "JWTBearerTokenValidator, get_jwks as in its docstring (requests, a dict)"
    lifetime_s = 300  # it has none; as PyJWT
    modes = ("threads", "tasks")

    def __init__(self, setup: dict[str, Any]) -> None:
        self.validator = Validator(setup["issuer"], setup["audience"])

    def verify(self, token: str) -> str:
        """Verify in a thread."""
        try:
            claims = self.validator.authenticate_token(token)
            self.validator.validate_token(claims, [], None)
        except (InvalidTokenError, JoseError):
            return "refused"
        return "accepted"

    async def averify(self, token: str) -> str:
        """Verify on the event loop, which it blocks."""
        return self.verify(token)

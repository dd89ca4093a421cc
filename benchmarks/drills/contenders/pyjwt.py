"""PyJWT: PyJWKClient and decode, as its usage page shows them."""

from typing import Any

import jwt


class Contender:
    """One client; PyJWT has no async way in, so that tasks call it as it is."""

    name = "PyJWT"
    version = jwt.__version__
    configuration = "PyJWKClient(jwks_uri), decode(algorithms=['RS256'], audience=..., issuer=...)"
    lifetime_s = 300
    modes = ("threads", "tasks")

    def __init__(self, setup: dict[str, Any]) -> None:
        self.client = jwt.PyJWKClient(setup["jwks_uri"])
        self.expected = {"audience": setup["audience"], "issuer": setup["issuer"]}

    def verify(self, token: str) -> str:
        """Verify in a thread."""
        try:
            key = self.client.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=["RS256"], **self.expected)
        except jwt.PyJWKClientConnectionError:
            return "unavailable"
        except jwt.PyJWTError:
            return "refused"
        return "accepted"

    async def averify(self, token: str) -> str:
        """Verify on the event loop, which it blocks."""
        return self.verify(token)

"""guardpost: its JWTValidator, as its README shows it."""

from importlib.metadata import version
from typing import Any

from guardpost.jwts import InvalidAccessToken, JWTValidator


class Contender:
    """One validator; async only."""

    name = "guardpost"
    version = version("guardpost")
    configuration = "JWTValidator(authority=..., valid_issuers=[...], valid_audiences=[...])"
    lifetime_s = 10800
    modes = ("tasks",)

    def __init__(self, setup: dict[str, Any]) -> None:
        self.validator = JWTValidator(
            authority=setup["issuer"],
            valid_issuers=[setup["issuer"]],
            valid_audiences=[setup["audience"]],
        )

    async def averify(self, token: str) -> str:
        """Verify on the event loop."""
        try:
            await self.validator.validate_jwt(token)
        except InvalidAccessToken:
            return "refused"
        return "accepted"

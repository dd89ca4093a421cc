"""bearerguard, as its README shows it: an issuer and an audience."""

from importlib.metadata import version
from typing import Any

from bearerguard import Guard, RejectedError, UnavailableError


class Contender:
    """One guard; it has a plain and an async way in."""

    name = "bearerguard"
    version = version("bearerguard")
    configuration = "Guard(issuer=..., audience=...), everything else as by default"
    lifetime_s = 300
    modes = ("tasks", "threads")

    def __init__(self, setup: dict[str, Any]) -> None:
        self.guard = Guard(issuer=setup["issuer"], audience=setup["audience"])

    def verify(self, token: str) -> str:
        """Verify in a thread."""
        try:
            self.guard.verify(token)
        except RejectedError:
            return "refused"
        except UnavailableError:
            return "unavailable"
        return "accepted"

    async def averify(self, token: str) -> str:
        """Verify on the event loop."""
        try:
            await self.guard.averify(token)
        except RejectedError:
            return "refused"
        except UnavailableError:
            return "unavailable"
        return "accepted"

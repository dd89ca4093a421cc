"""auth0-api-python: its ApiClient, as its README shows it. It speaks https only."""

from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from auth0_api_python import ApiClient, ApiClientOptions
from auth0_api_python.errors import BaseAuthError


class Contender:
    """One client; async only."""

    name = "auth0-api-python"
    version = version("auth0-api-python")
    configuration = "ApiClient(ApiClientOptions(domain=..., audience=...)), over TLS"
    lifetime_s = 600
    modes = ("tasks",)

    def __init__(self, setup: dict[str, Any]) -> None:
        domain = urlsplit(setup["issuer"]).netloc
        self.client = ApiClient(ApiClientOptions(domain=domain, audience=setup["audience"]))

    async def averify(self, token: str) -> str:
        """Verify on the event loop; each of its errors says which status it means."""
        try:
            await self.client.verify_access_token(access_token=token)
        except BaseAuthError as error:
            return "unavailable" if error.get_status_code() >= 500 else "refused"
        return "accepted"

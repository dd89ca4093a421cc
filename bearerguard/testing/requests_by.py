"""One request by whatever client a test has, and what matters of its answer."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAME_OF_CHALLENGE = "WWW-Authenticate"


@dataclass(frozen=True)
class Answered:
    """The status of an answer, and its challenge, "" where there is none."""

    status: int
    challenge: str

    def __str__(self) -> str:
        return f"{self.status} {self.challenge}".rstrip()


def is_async(client: Any) -> bool:
    """Tell whether this client answers to those who await."""
    return inspect.iscoroutinefunction(getattr(client, "request", None))


def send(
    client: Any, method: str, path: str, headers: Mapping[str, str], more: Mapping[str, Any]
) -> Any:
    """Send one request; the client's own response, or what is to be awaited for it.

    By the clients of Starlette, FastAPI and httpx (``request``), of Flask (``open``) and of Django
    (``generic``).
    """
    arguments = {**more, "headers": {**more.get("headers", {}), **headers}}
    if hasattr(client, "generic"):
        return client.generic(method, path, **arguments)
    if hasattr(client, "open"):
        return client.open(path, method=method, **arguments)
    return client.request(method, path, **arguments)


def answered(response: Any) -> Answered:
    """Read a response of any of these clients."""
    return Answered(response.status_code, response.headers.get(NAME_OF_CHALLENGE) or "")

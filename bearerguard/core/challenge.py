"""From a refusal to the answer that a caller gets.

Source: RFC 6750 section 3, RFC 9110 sections 11.2, 11.6.1 and 15.5.2, RFC 9111 section 3.5.

Every character of an answer comes from the operator's settings or from the table of reasons.
Nothing out of a request is repeated.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from bearerguard.errors import RejectedError, UnavailableError


class Answer(NamedTuple):
    """A complete HTTP response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def answer_to(
    refusal: RejectedError | UnavailableError, realm: str, scopes: tuple[str, ...] = ()
) -> Answer:
    """Build the answer to a refused request.

    ``realm`` is the protection space, ``scopes`` all that the route needs, where that is known.
    Source: RFC 6750 section 3.1; 503 without a challenge, because the credentials are not to blame.
    """
    if type(refusal) is RejectedError:
        return _frequent_rejection(refusal.reason, realm, scopes)
    if isinstance(refusal, RejectedError):  # an application's own
        return _rejection(refusal, realm, scopes)
    special = ("Retry-After", str(refusal.retry_after))
    return _answer(refusal.status, _content(refusal), special)


def answer_if_ready(*, is_ready: bool) -> Answer:
    """Build the answer to a readiness probe, which tells a stranger nothing else."""
    return _answer(200 if is_ready else 503, {"ready": is_ready})


def challenge(refusal: RejectedError, realm: str, scopes: tuple[str, ...] = ()) -> str:
    """Write the WWW-Authenticate field of a refusal.

    Source: RFC 6750 section 3: at least one parameter, each at most once; no error where no
    credentials were sent. The realm is always a quoted-string (RFC 9110 section 11.5).
    """
    parameters = {"realm": realm}
    if refusal.error is not None and refusal.description is not None:
        parameters["error"] = refusal.error
        parameters["error_description"] = refusal.description
    if scopes and refusal.error != "invalid_request":
        parameters["scope"] = " ".join(scopes)
    return "Bearer " + ", ".join(f'{name}="{_quote(text)}"' for name, text in parameters.items())


@lru_cache(1024)
def _frequent_rejection(reason: str, realm: str, scopes: tuple[str, ...]) -> Answer:
    """Nothing of it depends on the request, so that each answer is written once."""
    return _rejection(RejectedError(reason), realm, scopes)


def _rejection(refusal: RejectedError, realm: str, scopes: tuple[str, ...]) -> Answer:
    special = ("WWW-Authenticate", challenge(refusal, realm, scopes))
    return _answer(refusal.status, _content(refusal), special)


def _content(refusal: RejectedError | UnavailableError) -> dict[str, str]:
    if refusal.error is None or refusal.description is None:
        return {}
    return {"error": refusal.error, "error_description": refusal.description}


def _answer(status: int, content: Mapping[str, object], *special: tuple[str, str]) -> Answer:
    body = json.dumps(content).encode()
    headers = (
        *special,
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    )
    return Answer(status, headers, body)


def _quote(text: str) -> str:
    """Escape as RFC 9110 section 5.6.4 asks."""
    return text.replace("\\", "\\\\").replace('"', '\\"')

"""From a refusal to the answer that a caller gets.

Source: RFC 6750 section 3, RFC 9110 sections 11.2, 11.6.1 and 15.5.2, RFC 9111 section 3.5,
RFC 9470 section 3 (step-up), RFC 9728 section 5.1 (``resource_metadata``).

Every character of an answer comes from the operator's settings or from the table of reasons.
Nothing out of a request is repeated.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from bearerguard.core.authentication import Authentication
from bearerguard.errors import RejectedError, UnavailableError

INSUFFICIENT_AUTHENTICATION = "insufficient_user_authentication"


class Answer(NamedTuple):
    """A complete HTTP response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def answer_to(
    refusal: RejectedError | UnavailableError,
    realm: str,
    scopes: tuple[str, ...] = (),
    *,
    authentication: Authentication | None = None,
    metadata_url: str | None = None,
) -> Answer:
    """Build the answer to a refused request.

    ``realm`` is the protection space; ``scopes`` are all that the route needs, ``authentication``
    how its users must have authenticated, where that is known; ``metadata_url`` is where this API
    describes itself.
    Source: RFC 6750 section 3.1; 503 without a challenge, because the credentials are not to blame.
    """
    if type(refusal) is RejectedError:
        return _frequent_rejection(refusal.reason, realm, scopes, authentication, metadata_url)
    if isinstance(refusal, RejectedError):  # an application's own
        return _rejection(refusal, realm, scopes, authentication, metadata_url)
    special = ("Retry-After", str(refusal.retry_after))
    return _answer(refusal.status, _content(refusal), special)


def answer_if_ready(*, is_ready: bool) -> Answer:
    """Build the answer to a readiness probe, which tells a stranger nothing else."""
    return _answer(200 if is_ready else 503, {"ready": is_ready})


def challenge(
    refusal: RejectedError,
    realm: str,
    scopes: tuple[str, ...] = (),
    *,
    authentication: Authentication | None = None,
    metadata_url: str | None = None,
    scheme: str = "Bearer",
    algs: tuple[str, ...] = (),
) -> str:
    """Write the WWW-Authenticate field of a refusal.

    Only who has a valid token is told what ``authentication`` the route needs. ``algs`` are what
    the scheme DPoP accepts (RFC 9449 section 7.1).
    Source: RFC 6750 section 3: at least one parameter, each at most once; no error where no
    credentials were sent. The realm is always a quoted-string (RFC 9110 section 11.5).
    """
    parameters = {"realm": realm}
    if refusal.error is not None and refusal.description is not None:
        parameters["error"] = refusal.error
        parameters["error_description"] = refusal.description
    if authentication is not None and refusal.error == INSUFFICIENT_AUTHENTICATION:
        if authentication.acr:
            parameters["acr_values"] = " ".join(authentication.acr)
        if authentication.max_age is not None:
            parameters["max_age"] = str(authentication.max_age)
    if scopes and refusal.error != "invalid_request":
        parameters["scope"] = " ".join(scopes)
    if metadata_url is not None:
        parameters["resource_metadata"] = metadata_url
    if algs:
        parameters["algs"] = " ".join(algs)
    return f"{scheme} " + ", ".join(f'{name}="{_quote(text)}"' for name, text in parameters.items())


@lru_cache(1024)
def _frequent_rejection(
    reason: str,
    realm: str,
    scopes: tuple[str, ...],
    authentication: Authentication | None,
    metadata_url: str | None,
) -> Answer:
    """Nothing of it depends on the request, so that each answer is written once."""
    return _rejection(RejectedError(reason), realm, scopes, authentication, metadata_url)


def _rejection(
    refusal: RejectedError,
    realm: str,
    scopes: tuple[str, ...],
    authentication: Authentication | None,
    metadata_url: str | None,
) -> Answer:
    written = challenge(
        refusal, realm, scopes, authentication=authentication, metadata_url=metadata_url
    )
    return _answer(refusal.status, _content(refusal), ("WWW-Authenticate", written))


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

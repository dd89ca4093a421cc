"""What an OpenAPI document says of an operation that needs a token.

Source: OpenAPI 3.1.0, Security Scheme Object and Security Requirement Object.
"""

from typing import Any

from bearerguard.core.alternatives import alternatives
from bearerguard.core.needs import Need, authenticated
from bearerguard.core.urls import problem_of_url, well_known_urls

SCHEME = "bearerAuth"
# Path Item Object: the members that are operations.
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
UNAUTHORIZED = "No access token, or none that is good for this API"
FORBIDDEN = "The token is short of what this operation needs: {}"
UNAVAILABLE = "The issuer of the token cannot be reached; try again later"
Document = dict[str, Any]


def scheme_for(issuer: str) -> Document:
    """Say where tokens come from: the issuer's metadata.

    Nothing is fetched for it: an application starts while its issuer is down. An issuer that is no
    URL, or one among several, leaves only that a token is needed.
    """
    if problem_of_url(issuer, http_allowed=True) is not None:
        return {"type": "http", "scheme": "bearer"}
    # OpenID Connect Discovery section 4 is what a browser reads.
    return {"type": "openIdConnect", "openIdConnectUrl": well_known_urls(issuer)[-1]}


def lock(operation: Document, need: Need, *, is_optional: bool) -> None:
    """Put the lock on an operation, beside what it asks for already, and tell how it refuses."""
    ours: list[Document] = [{SCHEME: list(scopes)} for scopes in alternatives(need)]
    ours += [{}] if is_optional else []
    theirs = operation.get("security")
    if theirs != []:  # an operation may say that it has none
        operation["security"] = [{**one, **other} for one in theirs or [{}] for other in ours]
    responses = operation.setdefault("responses", {})
    challenge = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    responses.setdefault("401", {"description": UNAUTHORIZED, "headers": challenge})
    if need is not authenticated:
        refused = {"description": FORBIDDEN.format(need), "headers": challenge}
        responses.setdefault("403", refused)
    responses.setdefault("503", {"description": UNAVAILABLE})

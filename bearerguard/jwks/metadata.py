"""What an issuer says about itself: the document, and the URLs in it.

Source: RFC 8414 sections 2 to 4, OpenID Connect Discovery 1.0 section 4.

The places are tried in this order: the RFC 8414 place, the OpenID document at the RFC 8414 place,
the OpenID place. Only an answer that says "not here" leads to the next one: metadata that name
another issuer are a mistake to be shown, not to be walked around.
"""

from collections.abc import Callable
from typing import Any

from bearerguard.core.encoding import EncodingError, read_json_object
from bearerguard.core.urls import problem_of_found_url, well_known_urls
from bearerguard.jwks.fetch import Fetched, FetchError

OK = 200
# "Not here", as the field spells it. 404 and 410 say so. Cognito answers 400 for any place that it
# does not have, object stores (self-hosted issuers of Kubernetes) and Kubernetes itself 403, and
# gateways that admit only the paths they know 401 or 405. Each is an answer about this one place
# that will be the same tomorrow, and the next place is held to the same issuer. 429 and 5xx mean
# "not now": asking on would only add to the load.
NOT_HERE = frozenset({400, 401, 403, 404, 405, 410})
METADATA_MAX_AGE_S = 24 * 3600.0
# What an operator can set instead of a URL in the metadata.
SETTINGS = {"jwks_uri": "jwks_uri", "introspection_endpoint": "introspection_uri"}


def issuer_metadata(issuer: str, get: Callable[[str], Fetched]) -> tuple[str, dict[str, Any]]:
    """Give the metadata of an issuer and where they stand; ``get`` makes one request.

    Raises:
        FetchError: there are none, or they are not this issuer's.
    """
    tried = []
    for url in well_known_urls(issuer):
        answer = get(url)
        if answer.status not in NOT_HERE:
            return url, _checked(url, answer, issuer)
        tried.append(f"{url} ({answer.status})")
    raise FetchError(f"{issuer}: no metadata at {', '.join(tried)}")


def found_url(
    place: str, metadata: dict[str, Any], name: str, issuer: str, *, http_allowed: bool
) -> str:
    """Give a URL out of the metadata that stand at ``place``, where it may be followed.

    Raises:
        FetchError: it is not there, or points where it must not.
    """
    url, setting = metadata.get(name), SETTINGS[name]
    problem = problem_of_found_url(url, issuer, http_allowed=http_allowed, setting=setting)
    if problem is not None:
        raise FetchError(f"{place}: {name} {str(url)[:200]!r} {problem}")
    return str(url)


def unusable(url: str, answer: Fetched) -> FetchError:
    """Say that an answer is none that was asked for."""
    kind = answer.headers.get("content-type", "no content type")[:80]
    hint = "; redirects are not followed" if "location" in answer.headers else ""
    problem = f"{url}: answered {answer.status} with {kind!r}{hint}"
    return FetchError(problem, retry_after_s=answer.retry_after_s())


def media_type(answer: Fetched) -> str:
    """Give the media type without its parameters (RFC 9110 section 8.3.1)."""
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _checked(url: str, answer: Fetched, issuer: str) -> dict[str, Any]:
    """RFC 8414 sections 3.2 and 3.3: 200, JSON, and exactly this issuer, or no metadata."""
    if answer.status != OK or media_type(answer) != "application/json":
        raise unusable(url, answer)
    try:
        metadata = read_json_object(answer.body)
    except EncodingError as error:
        raise FetchError(f"{url}: {error}") from None
    if metadata.get("issuer") != issuer:
        named = str(metadata.get("issuer"))[:200]
        raise FetchError(f"{url}: the metadata are those of {named!r}, not {issuer!r}")
    return metadata

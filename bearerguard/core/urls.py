"""What a URL must look like before anybody fetches it. Nothing here resolves a name.

Source: RFC 8414 section 2 (https, no query, no fragment), RFC 8725 section 3.10 (URLs out of
documents are checked before they are followed).
"""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def problem_of_url(url: str, *, http_allowed: bool) -> str | None:
    """Say why a URL cannot be fetched from, or None; ``http:`` is for loopback, or as allowed."""
    parts = _split(url)
    if parts is None or not parts.hostname or any(c.isspace() or c < " " for c in url):
        return "is not an absolute URL"
    if parts.username is not None or parts.password is not None:
        return "carries a user name or a password"
    if "#" in url:
        return "has a fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and (http_allowed or is_loopback(url))):
        return None
    return "does not begin with https://"


def problem_of_issuer(issuer: str, *, http_allowed: bool) -> str | None:
    """Say why an issuer cannot be asked for its metadata (RFC 8414 section 2), or None."""
    if "?" in issuer:
        return "has a query"
    return problem_of_url(issuer, http_allowed=http_allowed)


def problem_of_jwks_uri(url: object, issuer: str, *, http_allowed: bool) -> str | None:
    """Say why a jwks_uri out of an issuer's metadata is not followed, or None.

    http only where the issuer itself is loopback, or as allowed; an address of an internal network
    only where the issuer itself stands there, so that metadata cannot point at our neighbours.
    """
    if not isinstance(url, str):
        return "is missing or not a string"
    allowed = http_allowed or is_loopback(issuer)
    problem = problem_of_url(url, http_allowed=allowed)
    if problem is None and url.startswith("http:") and not allowed:
        return "does not begin with https://"
    if problem is None and _is_internal(url) and _host(url) != _host(issuer):
        return None if is_loopback(url) and is_loopback(issuer) else "is an internal address"
    return problem


def is_loopback(url: str) -> bool:
    """Tell whether a URL names this very machine, by address or as localhost."""
    host = _host(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def same_origin(one: str, other: str) -> bool:
    """Tell whether two URLs have scheme, host and port in common (RFC 6454 section 5)."""
    return _origin(one) == _origin(other)


def well_known_urls(issuer: str) -> tuple[str, ...]:
    """Give the places of an issuer's metadata, in the order in which they are tried.

    Source: RFC 8414 section 3.1 (inserted between host and path, a terminating "/" removed first),
    OpenID Connect Discovery section 4 (appended).
    """
    parts = urlsplit(issuer)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    inserted = f"{root}/.well-known/oauth-authorization-server{path}"
    openid_inserted = f"{root}/.well-known/openid-configuration{path}"
    appended = f"{root}{path}/.well-known/openid-configuration"
    return tuple(dict.fromkeys((inserted, openid_inserted, appended)))


def _is_internal(url: str) -> bool:
    try:
        return not ip_address(_host(url)).is_global
    except ValueError:
        return is_loopback(url)


def _host(url: str) -> str:
    parts = _split(url)
    return (parts.hostname or "") if parts else ""


def _origin(url: str) -> tuple[str, str, int | None] | None:
    parts = _split(url)
    return parts and (parts.scheme, parts.hostname or "", parts.port)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    return parts

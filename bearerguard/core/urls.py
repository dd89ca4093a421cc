"""What a URL must look like before anybody fetches it. Nothing here resolves a name.

Source: RFC 8414 section 2 (https, no query, no fragment), RFC 8725 section 3.10 (URLs out of
documents are checked before they are followed).

A name that resolves to an internal address is not found out here: https and the certificate's name
stand against it, because a neighbour has no certificate for that name.
"""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

# RFC 3986 section 2. What lies outside (spaces, backslashes, other alphabets) is what two parsers
# read in two ways; "https://127。0。0。1" is loopback for one of them.
URL_TEXT = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]*)?")
# The resolver of the system takes "127.1", "0x7f.1" and "2130706433" for addresses.
NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
DEFAULT_PORTS = {"http": 80, "https": 443}


def problem_of_url(url: str, *, http_allowed: bool) -> str | None:
    """Say why a URL cannot be fetched from, or None; ``http:`` is for loopback, or as allowed."""
    return _problem(url, http_allowed=http_allowed or is_loopback(url))


def problem_of_issuer(issuer: str, *, http_allowed: bool) -> str | None:
    """Say why an issuer cannot be asked for its metadata (RFC 8414 section 2), or None."""
    if "?" in issuer:
        return "has a query"
    return problem_of_url(issuer, http_allowed=http_allowed)


def problem_of_found_url(
    url: object, issuer: str, *, http_allowed: bool, setting: str = "jwks_uri"
) -> str | None:
    """Say why a URL out of an issuer's metadata is not followed, or None.

    ``setting`` is where an operator can write the URL instead.

    http only from loopback to loopback, or as allowed; an address of an internal network only where
    the issuer itself stands there, so that metadata cannot point at our neighbours.
    """
    if not isinstance(url, str):
        return "is missing or not a string"
    both_are_loopback = is_loopback(url) and is_loopback(issuer)
    problem = _problem(url, http_allowed=http_allowed or both_are_loopback)
    if problem is None and _is_internal(url) and not both_are_loopback:
        same_host = host_of(url) == host_of(issuer)
        return None if same_host else f"is an internal address; to allow it, set {setting} to it"
    return problem


def is_loopback(url: str) -> bool:
    """Tell whether a URL names this very machine, by address or as localhost."""
    host = host_of(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def same_origin(one: str, other: str) -> bool:
    """Tell whether two URLs have scheme, host and port in common (RFC 6454 section 5)."""
    origin = _origin(one)
    return origin is not None and origin == _origin(other)


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


def _problem(url: str, *, http_allowed: bool) -> str | None:
    parts = _split(url)
    if parts is None or not parts.hostname or not URL_TEXT.fullmatch(url):
        return "is not an absolute URL"
    if "@" in parts.netloc:
        return "carries a user name or a password"
    if not HOST_AND_PORT.fullmatch(parts.netloc):
        return "is not an absolute URL"
    if "#" in url:
        return "has a fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and http_allowed):
        return None
    return "does not begin with https://"


def _is_internal(url: str) -> bool:
    host = host_of(url)
    try:
        return not ip_address(host).is_global
    except ValueError:
        last_label = host.rpartition(".")[2]
        return is_loopback(url) or NUMBER.fullmatch(last_label) is not None


def host_of(url: str) -> str:
    """Give the host in lower case, and without the dot that may end a full name; or nothing."""
    parts = _split(url)
    return (parts.hostname or "").removesuffix(".") if parts else ""


def _origin(url: str) -> tuple[str, str, int | None] | None:
    parts = _split(url)
    if parts is None:
        return None
    port = parts.port if parts.port is not None else DEFAULT_PORTS.get(parts.scheme)
    return (parts.scheme, parts.hostname or "", port)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    return parts

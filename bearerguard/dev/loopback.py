"""Whether a URL leads to this very machine: what is fired at an API must reach no other.

Names are not trusted but for ``localhost``, which RFC 6761 section 6.3 reserves, and of which every
address is looked at.
"""

import ipaddress
import socket

import httpx

LOCALHOST = "localhost"
ELSEWHERE = "{} does not lead to this machine; only a loopback address or localhost is allowed"


class NotLoopbackError(Exception):
    """The URL is none, or leads somewhere else."""


def loopback_url(text: str) -> httpx.URL:
    """Read a URL as the client will, and give it if it leads to a loopback address.

    Raises:
        NotLoopbackError: it does not, or is no URL of HTTP.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise NotLoopbackError(f"{text!r} is no URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise NotLoopbackError(f"{text!r}: write a URL such as http://127.0.0.1:8000/orders")
    if not all(map(_is_loopback, _addresses(url))):
        raise NotLoopbackError(ELSEWHERE.format(url.host))
    return url


def _addresses(url: httpx.URL) -> list[str]:
    if url.host != LOCALHOST:
        return [url.host]
    try:
        found = socket.getaddrinfo(LOCALHOST, url.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        raise NotLoopbackError("localhost has no address here; write 127.0.0.1") from None
    return [str(address[0]) for *_, address in found]


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback

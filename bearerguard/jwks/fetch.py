"""One request, with every limit that an answer from outside needs. The one module with httpx in it.

Limits: 2 s to connect, one deadline for all, 512 KiB after decompression, no redirects, no cookies.
Only the resolution of a name cannot be ended; nobody waits for it, since the key source gives such
a fetch up.
Each request has a connection of its own: the deadline ends the connection that it has seen begin.
httpx is loaded at the first fetch, in the thread that fetches, so that importing bearerguard and
the event loop do not pay for it.
"""

import codecs
import contextlib
import os
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bearerguard.core.urls import is_loopback
from bearerguard.jwks.deadline import Deadline
from bearerguard.jwks.keys import LoadError

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT_S = 2.0
MAX_BYTES = 512 * 1024
# zlib's code for "a gzip or a zlib header, whichever comes".
ANY_HEADER = 47
TOO_LONG = "the answer took too long"

# Held while modules are loaded. Who forks meanwhile waits for the end: in the child the loading
# thread would not exist, its import lock would stay locked, and no fetch could ever get past it.
LOADING = threading.RLock()
with contextlib.suppress(AttributeError):  # Windows has no fork, and so no hook for it
    os.register_at_fork(
        before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=LOADING.release
    )


class FetchError(LoadError):
    """An answer that cannot be used, or none; the message is for the operator."""


class TooLargeError(FetchError):
    """An answer beyond the limit of its size."""


def time_left_s(url: str, ends_at: float, now: float) -> float:
    """Give for how many seconds a request to ``url`` may take, where several share one deadline.

    Raises:
        FetchError: no time is left.
    """
    left_s = ends_at - now
    if left_s <= 0:
        raise FetchError(f"{url}: no time was left for this request")
    return left_s


@dataclass(frozen=True)
class Fetched:
    """An HTTP answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def max_age_s(self) -> float | None:
        """Give the lifetime that the answer claims, in seconds (RFC 9111 section 5.2.2)."""
        found = self.headers.get("cache-control", "").lower().split(",")
        directives = dict(directive.strip().partition("=")[::2] for directive in found)
        if directives.keys() & {"no-store", "no-cache"}:
            return 0.0
        max_age = directives.get("max-age", "").strip('"')
        # Nobody means more than a year; ten digits keep the arithmetic small.
        return float(max_age[:10]) if max_age.isdecimal() else None

    def retry_after_s(self) -> float | None:
        """Give for how many seconds the issuer asks to be left alone (RFC 9110 section 10.2.3).

        A date counts from the answer's own date, so that how our clock goes does not matter.
        """
        wish = self.headers.get("retry-after", "").strip()
        if wish.isascii() and wish.isdecimal():
            return float(wish[:10])
        then, sent = _date(wish), _date(self.headers.get("date", ""))
        return None if then is None else max(0.0, then - (time.time() if sent is None else sent))


def _date(text: str) -> float | None:
    """Read a date of HTTP, in seconds since 1970 (RFC 9110 section 5.6.7)."""
    with LOADING:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415  rarely needed

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


class Fetcher(Protocol):
    """Whatever can make one HTTP request."""

    def fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        max_bytes: int,
        form: Mapping[str, str] | None = None,
    ) -> Fetched:
        """GET ``url``, or POST a form to it, and give the answer, whatever its status.

        ``form`` is given only where tokens are introspected, and holds one, and perhaps a secret.

        Must not follow redirects, must end within about ``timeout_s`` and must not read more than
        ``max_bytes``. It is called from a thread of its own and may block.

        Raises:
            FetchError: no answer, or one beyond a limit.
        """
        ...


class HttpFetcher:
    """The default Fetcher, by httpx. ``ca_file`` replaces the client's certificate store."""

    def __init__(self, ca_file: str | None = None) -> None:
        self._tls = ssl.create_default_context(cafile=ca_file) if ca_file else None

    def fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        max_bytes: int,
        form: Mapping[str, str] | None = None,
    ) -> Fetched:
        """GET ``url``, or POST a form to it; see :class:`Fetcher`."""
        with LOADING:
            codecs.lookup("idna")  # or the first look-up of a host's name would load it
            import httpx  # noqa: PLC0415  only whoever fetches pays for it

        # Compression would only cost: these documents are small, and a bomb is a bomb.
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        method = "GET" if form is None else "POST"
        deadline = Deadline(timeout_s)
        try:
            with (
                deadline,
                self._client(url, timeout_s) as client,
                client.stream(
                    method, url, data=form, headers=sent, extensions=deadline.extension
                ) as response,
            ):
                body = _read(response, max_bytes)
                answer = Fetched(response.status_code, dict(response.headers), body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = TOO_LONG if deadline.is_over else f"{type(error).__name__}: {error}"
            raise FetchError(f"{url}: {problem}") from None
        except (OSError, ValueError, ImportError) as error:
            # What the environment may do to the client: a certificate store that is not there, a
            # proxy that it has no module for.
            raise FetchError(f"{url}: {type(error).__name__} in the HTTP client") from None
        if deadline.is_over:  # a body that only the end of its connection ends looks complete then
            raise FetchError(f"{url}: {TOO_LONG}")
        return answer

    def _client(self, url: str, timeout_s: float) -> "httpx.Client":
        import httpx  # noqa: PLC0415  loaded at the first fetch

        timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        # A proxy for the outside must not get to see, or to answer, what is meant for this machine.
        direct = dict.fromkeys(("http://", "https://")) if is_loopback(url) else None
        # Its transport loads modules, and OpenSSL builds itself up: a fork in the middle of that
        # would leave locks to the child that nobody ever opens.
        with LOADING:
            # Without TLS the store of certificates is not needed; what is there instead trusts
            # nobody. It takes long to load, and where tokens are introspected requests are many.
            if not url.startswith("https:"):
                tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            else:
                tls = self._tls = self._tls or httpx.create_ssl_context()
            return httpx.Client(
                verify=tls,
                timeout=timeout,
                follow_redirects=False,
                mounts=direct,
            )


def _read(response: "httpx.Response", max_bytes: int) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "deflate"):
        raise FetchError(f"{response.url}: content encoding {encoding!r} was not asked for")
    body = bytearray()
    pieces = response.iter_raw()
    for piece in pieces if encoding == "identity" else _inflated(pieces, max_bytes, response):
        body += piece
        if len(body) > max_bytes:
            raise TooLargeError(f"{response.url}: more than {max_bytes} bytes")
    return bytes(body)


def _inflated(
    pieces: Iterator[bytes], max_bytes: int, response: "httpx.Response"
) -> Iterator[bytes]:
    """Decompress no more than fits, whatever a few bytes would expand to."""
    inflate = zlib.decompressobj(ANY_HEADER)
    for piece in pieces:
        try:
            yield inflate.decompress(piece, max_bytes + 1)
        except zlib.error:
            raise FetchError(f"{response.url}: broken compression") from None
    if not inflate.eof:
        raise FetchError(f"{response.url}: compression that breaks off")

"""What an issuer answers, asked as the guard asks: by its own client, in its time, with its limits.

Nothing of a caller's token is ever sent. Redirects are kept as answers, and not followed.
"""

import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from bearerguard.core.encoding import EncodingError, read_json_object
from bearerguard.core.key_set import KeySet
from bearerguard.core.urls import host_of, is_loopback, well_known_urls
from bearerguard.jwks.discovery import IssuerKeys
from bearerguard.jwks.fetch import TOO_LONG, Fetched, Fetcher, FetchError, HttpFetcher
from bearerguard.jwks.keys import LoadError
from bearerguard.jwks.metadata import OK
from bearerguard.settings import Settings
from bearerguard.sources import PASSWORD_IN_URL

# OpenSSL's X509_V_ERR_*, in the words of the diagnosis.
CERTIFICATE_FAILURES = {
    **dict.fromkeys((7, 18, 19, 20, 21), "unknown_authority"),
    **dict.fromkeys((62, 64), "other_host"),
    10: "certificate_expired",
}
# By the names of their classes, so that the client is not loaded for them.
OTHER_FAILURES = {
    "TooLargeError": "too_large",
    "SSLError": "no_tls",
    "gaierror": "unknown_name",
    "ConnectionRefusedError": "refused",
    "ConnectTimeout": "unreachable",
    "ReadTimeout": "slow",
    "ProxyError": "proxy",
    "ImportError": "unusable_proxy",
    "FileNotFoundError": "no_certificates",
}
LARGEST_METADATA = 64 * 1024


@dataclass(frozen=True)
class Asked:
    """One request: the answer, or the kind of failure in one word and ``detail`` in many.

    ``at`` is when it ended, in seconds since 1970.
    """

    url: str
    at: float
    answer: Fetched | None = None
    failure: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Observed:
    """What became of fetching the keys of one issuer.

    ``asked`` are the requests in their order, ``problem`` is why there are no keys. ``named`` is
    how the metadata at the root of the host name their issuer, looked up where there are none at
    the place of this one. ``proxy`` is the variable that sends requests to a proxy, with its value.
    ``certificate_names`` are the hosts that a refused certificate is for.
    """

    settings: Settings
    asked: tuple[Asked, ...] = ()
    keys: KeySet | None = None
    problem: str = ""
    named: str | None = None
    proxy: tuple[str, str] | None = None
    certificate_names: tuple[str, ...] = ()


@dataclass
class Recorder:
    """A Fetcher that remembers what it was asked, and what came of it."""

    fetcher: Fetcher
    clock: Callable[[], float] = time.time
    asked: list[Asked] = field(default_factory=list)

    def fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        max_bytes: int,
        form: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Make one request; see :class:`bearerguard.jwks.fetch.Fetcher`."""
        try:
            answer = self.fetcher.fetch(
                url, headers=headers, timeout_s=timeout_s, max_bytes=max_bytes, form=form
            )
        except FetchError as error:
            failed = Asked(url, self.clock(), failure=failure_of(error), detail=str(error))
            self.asked.append(failed)
            raise
        self.asked.append(Asked(url, self.clock(), answer))
        return answer


def observe(settings: Settings) -> Observed:
    """Fetch the keys of one issuer, as a guard with these settings does."""
    recorder = Recorder(HttpFetcher(settings.ca_file))
    load = IssuerKeys(
        issuer=settings.issuer,
        fetcher=recorder,
        timeout_s=settings.jwks_timeout,
        jwks_uri=settings.jwks_uri,
        token_file=settings.jwks_token_file,
        http_allowed=settings.allow_http,
        resource=settings.resource,
    )
    keys, problem = None, ""
    try:
        keys = load().keys
    except LoadError as error:
        problem = str(error)
    asked = tuple(recorder.asked)
    last = asked[-1] if asked else None
    is_missing = last is not None and last.url == well_known_urls(settings.issuer)[-1]
    named = _named_by_host(settings, recorder) if is_missing and keys is None else None
    is_other = last is not None and last.failure == "other_host"
    names = certificate_names(last.url, settings) if last is not None and is_other else ()
    proxy = proxy_for(last.url if last is not None else settings.issuer)
    return Observed(settings, asked, keys, problem, named, proxy, names)


def failure_of(error: BaseException) -> str:
    """Name the kind of a failure by what lies behind the client's own words for it."""
    # Who ends a connection because time is over meets any failure then, but that of connecting.
    is_over = TOO_LONG in str(error)
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, ssl.SSLCertVerificationError):
            return CERTIFICATE_FAILURES.get(behind.verify_code, "certificate")
        for kind in type(behind).__mro__:
            found = OTHER_FAILURES.get(kind.__name__)
            if found is not None and (not is_over or found == "unreachable"):
                return found
        behind = behind.__cause__ or behind.__context__
    return "slow" if is_over else "other"


def proxy_for(url: str) -> tuple[str, str] | None:
    """Give the variable that sends a request to a proxy, and its value without a password."""
    if is_loopback(url) or proxy_bypass(host_of(url)):
        return None
    scheme = urlsplit(url).scheme
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    for name in names:
        if os.environ.get(name):
            return name, PASSWORD_IN_URL.sub("//***@", os.environ[name])
    return None


def certificate_names(url: str, settings: Settings) -> tuple[str, ...]:
    """Give the hosts that a server's certificate names, though it is not trusted for this one.

    Nothing but the handshake is sent.
    """
    tls = ssl.create_default_context(cafile=settings.ca_file)
    tls.check_hostname = False  # whose it is instead is the question; its authority is checked
    parts = urlsplit(url)
    address = (parts.hostname, parts.port or 443)
    with (
        suppress(OSError),
        socket.create_connection(address, settings.jwks_timeout) as connection,
        tls.wrap_socket(connection, server_hostname=parts.hostname) as wrapped,
    ):
        certificate: dict[str, Any] = wrapped.getpeercert() or {}
        return tuple(name for _, name in certificate.get("subjectAltName", ()))
    return ()


def _named_by_host(settings: Settings, fetcher: Fetcher) -> str | None:
    """Ask the root of the host for its metadata, where a path may just be the wrong one."""
    parts = urlsplit(settings.issuer)
    for url in well_known_urls(f"{parts.scheme}://{parts.netloc}"):
        with suppress(FetchError, EncodingError):
            answer = fetcher.fetch(
                url, headers={}, timeout_s=settings.jwks_timeout, max_bytes=LARGEST_METADATA
            )
            named = read_json_object(answer.body).get("issuer") if answer.status == OK else None
            if isinstance(named, str) and named != settings.issuer:
                return named
    return None

"""From an issuer's name to its keys: metadata (:mod:`bearerguard.jwks.metadata`), then the JWK Set.

Source: RFC 8414 section 2, RFC 7517 section 5.
"""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bearerguard.core.jwk import parse_key_set
from bearerguard.core.key_set import KeySetError
from bearerguard.core.urls import same_origin
from bearerguard.files import read_regular
from bearerguard.jwks.fetch import MAX_BYTES, Fetched, Fetcher, FetchError, time_left_s
from bearerguard.jwks.metadata import METADATA_MAX_AGE_S, OK, found_url, issuer_metadata, unusable
from bearerguard.jwks.states import LoadedKeys

NOT_MODIFIED = 304
# "Not here any more": the metadata may name a new place for the keys.
GONE = frozenset({404, 410})
LARGEST_TOKEN_FILE = 64 * 1024
# RFC 6750 section 2.1.
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
# RFC 9110 section 8.8.3, within reason: what does not look like it is not sent back.
ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,512}"')


logger = logging.getLogger("bearerguard.keys")


class MovedError(FetchError):
    """The keys are not where the metadata said that they were."""


@dataclass(frozen=True)
class LastAnswer:
    """What the issuer may call unchanged (RFC 9110 section 13.1.2)."""

    etag: str
    loaded: LoadedKeys


@dataclass(frozen=True)
class Learnt:
    """What one load leaves for the next one; ``jwks_uri`` is empty where it must be discovered."""

    jwks_uri: str = ""
    discovered_at: float = 0.0
    answer: LastAnswer | None = field(default=None, repr=False)


@dataclass
class IssuerKeys:
    """Loads the keys of one issuer: the function that a KeySource calls.

    ``jwks_uri`` is set where the operator configured it; otherwise it is discovered, and discovered
    again after a day, or when the keys are gone from there. ``timeout_s`` is for all requests of
    one load together; ``clock`` gives the seconds of a monotonic clock. ``resource`` is the name of
    this API, which the issuer may list among those that it serves.
    """

    issuer: str
    fetcher: Fetcher
    timeout_s: float
    jwks_uri: str | None = None
    token_file: str | None = None
    http_allowed: bool = False
    clock: Callable[[], float] = time.monotonic
    resource: str | None = None
    _begun: int = 0
    _learnt: Learnt = Learnt()

    def __call__(self, *, anew: bool = False) -> LoadedKeys:
        """Load the keys; raises LoadError saying what went wrong, for the operator."""
        _ = anew  # nothing else comes from here
        self._begun += 1
        this_one = self._begun
        now = self.clock()
        ends_at = now + self.timeout_s
        learnt = self._learnt
        try:
            if self.jwks_uri is None and _is_old(learnt, now):
                found = self._jwks_uri_in_metadata(ends_at)
                learnt = replace(learnt, jwks_uri=found, discovered_at=now)
            loaded, learnt = self._load(learnt, ends_at)
        except MovedError:
            learnt = replace(learnt, jwks_uri="")
            raise
        finally:
            # A load that was given up must not undo what a newer one has learnt.
            if this_one == self._begun:
                self._learnt = learnt
        return loaded

    def _load(self, learnt: Learnt, ends_at: float) -> tuple[LoadedKeys, Learnt]:
        url = self.jwks_uri or learnt.jwks_uri
        last = learnt.answer
        if last is not None and last.loaded.url != url:
            last = None
        answer = self._get(url, ends_at, {"If-None-Match": last.etag} if last is not None else {})
        if answer.status == NOT_MODIFIED and last is not None:
            # RFC 9111 section 4.3.4: what a 304 does not say stays as it was.
            says_nothing = "cache-control" not in answer.headers
            max_age_s = last.loaded.max_age_s if says_nothing else answer.max_age_s()
            return replace(last.loaded, max_age_s=max_age_s), learnt
        if answer.status in GONE:
            raise MovedError(str(unusable(url, answer)))
        if answer.status != OK:
            raise unusable(url, answer)
        try:
            keys = parse_key_set(answer.body)
        except KeySetError as error:
            raise FetchError(f"{url}: {error}") from None
        loaded = LoadedKeys(keys, answer.max_age_s(), answer.body, url)
        etag = answer.headers.get("etag", "")
        last = LastAnswer(etag, loaded) if ETAG.fullmatch(etag) else None
        return loaded, replace(learnt, answer=last)

    def _jwks_uri_in_metadata(self, ends_at: float) -> str:
        url, metadata = issuer_metadata(self.issuer, lambda url: self._get(url, ends_at, {}))
        listed = metadata.get("protected_resources")
        if self.resource is not None and isinstance(listed, list) and self.resource not in listed:
            # RFC 9728 section 4: an issuer that lists its resources should list this one.
            logger.warning("%s lists its resources, and %r is not one", self.issuer, self.resource)
        return found_url(url, metadata, "jwks_uri", self.issuer, http_allowed=self.http_allowed)

    def _get(self, url: str, ends_at: float, headers: dict[str, str]) -> Fetched:
        left_s = time_left_s(url, ends_at, self.clock())
        if self.token_file is not None and same_origin(url, self.jwks_uri or self.issuer):
            headers = {**headers, "Authorization": f"Bearer {_token(self.token_file)}"}
        return self.fetcher.fetch(url, headers=headers, timeout_s=left_s, max_bytes=MAX_BYTES)


def _is_old(learnt: Learnt, now: float) -> bool:
    return not learnt.jwks_uri or now - learnt.discovered_at > METADATA_MAX_AGE_S


def _token(file: str) -> str:
    try:
        token = read_regular(file, LARGEST_TOKEN_FILE).decode().strip()
    except (OSError, ValueError) as error:
        raise FetchError(f"jwks_token_file cannot be read: {type(error).__name__}") from None
    # Checked here, because the client's own complaint about a bad header would quote it.
    if not B64TOKEN.fullmatch(token):
        raise FetchError("jwks_token_file does not hold a bearer token")
    return token

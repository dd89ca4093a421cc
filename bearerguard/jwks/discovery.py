"""From an issuer's name to its keys: metadata, then the JWK Set.

Source: RFC 8414 sections 2 to 4, OpenID Connect Discovery 1.0 section 4.

The places are tried in this order: the RFC 8414 place, the OpenID document at the RFC 8414 place,
the OpenID place. Only an answer that says "not here" leads to the next one: metadata that name
another issuer are a mistake to be shown, not to be walked around.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from bearerguard.core.encoding import EncodingError, read_json_object
from bearerguard.core.jwk import KeySet, KeySetError, parse_key_set
from bearerguard.core.urls import problem_of_jwks_uri, same_origin, well_known_urls
from bearerguard.jwks.fetch import MAX_BYTES, Fetched, Fetcher, FetchError
from bearerguard.jwks.source import LoadedKeys

OK = 200
NOT_MODIFIED = 304
# 404 in its many spellings: object stores answer 403 for what they do not have, and some gateways
# 400 or 405.
NOT_HERE = frozenset({400, 403, 404, 405, 410})
METADATA_MAX_AGE_S = 24 * 3600.0


@dataclass(frozen=True)
class LastAnswer:
    """What the issuer may call unchanged (RFC 9110 section 13.1.2)."""

    url: str
    etag: str
    keys: KeySet


@dataclass
class IssuerKeys:
    """Loads the keys of one issuer: the function that a KeySource calls.

    ``jwks_uri`` is set where the operator configured it; otherwise it is discovered, and discovered
    again after a day. ``timeout_s`` is for all requests of one load together.
    """

    issuer: str
    fetcher: Fetcher
    timeout_s: float
    jwks_uri: str | None = None
    token_file: str | None = None
    http_allowed: bool = False
    _discovered_uri: str | None = None
    _discovered_at: float = 0.0
    _last: LastAnswer | None = field(default=None, repr=False)

    def __call__(self) -> LoadedKeys:
        """Load the keys; raises LoadError saying what went wrong, for the operator."""
        ends_at = time.monotonic() + self.timeout_s
        url = self.jwks_uri or self._discover(ends_at)
        last = self._last if self._last is not None and self._last.url == url else None
        unchanged = {"If-None-Match": last.etag} if last is not None else {}
        answer = self._get(url, ends_at, unchanged)
        if answer.status == NOT_MODIFIED and last is not None:
            return LoadedKeys(last.keys, answer.max_age_s())
        if answer.status != OK:
            self._discovered_uri = None  # perhaps the keys have moved
            raise _unusable(url, answer)
        try:
            keys = parse_key_set(answer.body)
        except KeySetError as error:
            raise FetchError(f"{url}: {error}") from None
        etag = answer.headers.get("etag")
        self._last = LastAnswer(url, etag, keys) if etag is not None else None
        return LoadedKeys(keys, answer.max_age_s())

    def _discover(self, ends_at: float) -> str:
        now = time.monotonic()
        if self._discovered_uri is None or now - self._discovered_at > METADATA_MAX_AGE_S:
            self._discovered_uri = self._jwks_uri_in_metadata(ends_at)
            self._discovered_at = now
        return self._discovered_uri

    def _jwks_uri_in_metadata(self, ends_at: float) -> str:
        for url in well_known_urls(self.issuer):
            answer = self._get(url, ends_at, {})
            if answer.status in NOT_HERE:
                continue
            return self._checked(url, answer)
        raise FetchError(f"{self.issuer}: no metadata at any of its well-known places")

    def _checked(self, url: str, answer: Fetched) -> str:
        """RFC 8414 sections 3.2 and 3.3: 200, JSON, and exactly this issuer, or no metadata."""
        content_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status != OK or content_type != "application/json":
            raise _unusable(url, answer)
        try:
            metadata = read_json_object(answer.body)
        except EncodingError as error:
            raise FetchError(f"{url}: {error}") from None
        if metadata.get("issuer") != self.issuer:
            named = str(metadata.get("issuer"))[:200]
            raise FetchError(f"{url}: the metadata are those of {named!r}, not {self.issuer!r}")
        uri = metadata.get("jwks_uri")
        problem = problem_of_jwks_uri(uri, self.issuer, http_allowed=self.http_allowed)
        if problem is not None:
            raise FetchError(f"{url}: jwks_uri {str(uri)[:200]!r} {problem}")
        return str(uri)

    def _get(self, url: str, ends_at: float, headers: dict[str, str]) -> Fetched:
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            raise FetchError(f"{url}: no time was left for this request")
        if self.token_file is not None and same_origin(url, self.jwks_uri or self.issuer):
            headers = {**headers, "Authorization": f"Bearer {self._token()}"}
        return self.fetcher.fetch(url, headers=headers, timeout_s=left_s, max_bytes=MAX_BYTES)

    def _token(self) -> str:
        try:
            return Path(self.token_file or "").read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise FetchError(f"JWKS_TOKEN_FILE: {type(error).__name__}") from None


def _unusable(url: str, answer: Fetched) -> FetchError:
    kind = answer.headers.get("content-type", "no content type")[:80]
    hint = "; redirects are not followed" if "location" in answer.headers else ""
    return FetchError(f"{url}: answered {answer.status} with {kind}{hint}")

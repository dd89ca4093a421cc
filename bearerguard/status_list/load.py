"""One status list token: fetched, verified with the issuer's keys, unpacked.

Runs in a thread of its own, where it may wait for keys. Source: draft-ietf-oauth-status-list
sections 5.1, 8.1 and 8.3.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bearerguard.core.policy import Policy
from bearerguard.core.profile_rules import check_key_issuer
from bearerguard.core.signature import verify
from bearerguard.core.status_list import (
    MEDIA_TYPE,
    MOST_BYTES,
    StatusList,
    read_list_token,
    status_list_of,
)
from bearerguard.errors import RejectedError, UnavailableError
from bearerguard.jwks.fetch import Fetcher, FetchError, HttpFetcher
from bearerguard.jwks.keys import Keys
from bearerguard.jwks.metadata import OK, unusable


@dataclass(frozen=True)
class ListLoad:
    """Loads the status lists of one issuer: the function that StatusLists calls.

    ``fetcher`` None is the default HTTP client, with the certificates of ``ca_file``. ``keys``
    gives the source of the issuer's keys, ``clock`` the seconds since 1970.
    """

    fetcher: Fetcher | None
    ca_file: str | None
    policy: Policy
    keys: Callable[[], Keys]
    timeout_s: float
    clock: Callable[[], float]

    def __call__(self, uri: str) -> StatusList:
        """Load a list; raises LoadError saying what went wrong, for the operator."""
        fetcher = self.fetcher or HttpFetcher(self.ca_file)
        accept = {"Accept": f"application/{MEDIA_TYPE}"}
        answer = fetcher.fetch(uri, headers=accept, timeout_s=self.timeout_s, max_bytes=MOST_BYTES)
        if answer.status != OK:
            raise unusable(uri, answer)
        try:
            return self._read(uri, answer.body)
        except RejectedError as refusal:
            facts = f"expected {refusal.expected!s:.200}, found {refusal.found!s:.200}"
            raise FetchError(f"{uri}: no good status list: {refusal.reason}, {facts}") from None
        except UnavailableError as error:
            raise FetchError(f"{uri}: no key to verify it: {error.detail}") from None

    def _read(self, uri: str, body: bytes) -> StatusList:
        token = read_list_token(body, self.policy)
        keys = self.keys().keys(token.header.kid)
        verified = verify(token, keys)
        check_key_issuer(verified.key, self.policy)
        return status_list_of(verified, uri, self.policy, self.clock())

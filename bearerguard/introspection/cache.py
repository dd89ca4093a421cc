"""What issuers said of tokens a short while ago. Pure: time is an argument.

Kept under a SHA-256 of the issuer and the token, so that nothing here gives a token away (RFC 7662
section 4). Active tokens have a store of their own: whoever makes tokens up fills only the other.
"""

import hashlib
import json
from typing import NamedTuple

from cachetools import LRUCache

MOST_BYTES = 16 * 1024 * 1024
MOST_ACTIVE = 4096
# Longer answers are used and not kept.
LONGEST_ANSWER = 16 * 1024
MOST_INACTIVE = 10_000
INACTIVE_FOR_S = 5.0
INACTIVE = b'{"active":false}'


class Kept(NamedTuple):
    """An answer, and until when it counts."""

    payload: bytes
    until: float


def digest_of(issuer: str, raw: str) -> bytes:
    """Give what an answer is kept under; a token has no line break, so that none collide."""
    return hashlib.sha256(f"{issuer}\n{raw}".encode("utf-8", "surrogatepass")).digest()


class KeptAnswers:
    """The answers of this process, for ``ttl_s`` at most; none where that is 0.

    Not safe between threads: whoever asks holds a lock.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        # Each weighs as much as its share, so that one limit holds for the number and the bytes.
        self._active: LRUCache[bytes, Kept] = LRUCache(
            MOST_BYTES, lambda kept: max(len(kept.payload), MOST_BYTES // MOST_ACTIVE)
        )
        self._inactive: LRUCache[bytes, float] = LRUCache(MOST_INACTIVE)

    def __len__(self) -> int:
        return len(self._active) + len(self._inactive)

    def find(self, digest: bytes, now: float) -> bytes | None:
        """Give what an issuer said of a token, where that still counts."""
        kept = self._active.get(digest)
        if kept is not None:
            return kept.payload if now < kept.until else None
        return INACTIVE if now < self._inactive.get(digest, now) else None

    def keep(self, digest: bytes, payload: bytes, now: float, expires_in_s: float | None) -> None:
        """Keep what an issuer said of a token.

        ``expires_in_s`` is for how long the token is good, None for one that is not active: an
        answer never outlives its token, and "inactive" counts for a few seconds.
        """
        self._active.pop(digest, None)
        self._inactive.pop(digest, None)
        if not self._ttl_s:
            return
        if expires_in_s is None:
            self._inactive[digest] = now + min(self._ttl_s, INACTIVE_FOR_S)
        elif expires_in_s > 0 and len(payload) <= LONGEST_ANSWER:
            self._active[digest] = Kept(payload, now + min(self._ttl_s, expires_in_s))


def expires_in_s(payload: bytes, now: float) -> float | None:
    """Give for how many seconds an answer's token is good; None for one that is not active.

    ``now`` is in seconds since 1970. A token without a proper ``exp`` is refused whenever it comes,
    and that counts for as long as "inactive" does.
    """
    claims = json.loads(payload)
    if claims.get("active") is not True:
        return None
    expires_at = claims.get("exp")
    is_time = isinstance(expires_at, int | float) and not isinstance(expires_at, bool)
    return expires_at - now if is_time else INACTIVE_FOR_S

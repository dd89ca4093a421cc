"""Tokens that were verified before: seeing one again costs a hash and a look-up.

What is kept is the outcome, under the SHA-256 of the whole token; the token itself is not, nor can
it be put together again, because its signature is gone. Nothing is believed for being here: what
may have changed since is looked at each time (:mod:`bearerguard.core.known_token`).

Who could fill this store needs as many tokens that the issuer signed for this API; then the least
recently used ones give way, and cost a verification when they come again.
"""

import hashlib
import threading
from collections.abc import Callable

from cachetools import LRUCache

from bearerguard.core.known_token import KnownToken
from bearerguard.forks import start_over_after_fork

# Copied for each token: to make one, OpenSSL looks for its algorithm each time anew.
NOTHING_HASHED = hashlib.sha256()
LONGEST_TOKEN = 4096
MOST_BYTES = 16 * 1024 * 1024
# What a name costs beside its characters: a string, and its place in a set.
BYTES_OF_A_NAME = 100


class VerifiedTokens:
    """At most ``most`` tokens, and 16 MiB of them; none where ``most`` is 0.

    Safe to share between threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.start_over()
        start_over_after_fork(self)

    def start_over(self) -> None:
        """Forget everything: a fork may have caught it half written, and the lock held."""
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        limit = MOST_BYTES * self._most
        self._tokens: LRUCache[bytes, KnownToken] = LRUCache(limit, self._weight_of)

    def digest_of(self, raw: str) -> bytes | None:
        """Give what a token is kept under, or None for what is not kept, text or not."""
        if not self._most or not isinstance(raw, str) or len(raw) > LONGEST_TOKEN:
            return None
        if not raw.isascii():
            return None
        digest = NOTHING_HASHED.copy()
        digest.update(raw.encode("ascii"))
        return digest.digest()

    def find(self, digest: bytes | None) -> KnownToken | None:
        """Give what came of a token before."""
        if digest is None or digest not in self._tokens:
            return None
        with self._lock:
            try:
                return self._tokens[digest]
            except KeyError:  # another thread's token has just taken its place
                return None
            except BaseException:  # of a signal's handler, say: the store may be half written
                self._forget()
                raise

    def keep(self, digest: bytes | None, known: KnownToken) -> None:
        """Keep what came of a token."""
        if digest is None or not self._most:
            return
        with self._lock:
            try:
                self._tokens[digest] = known
            except BaseException:
                self._forget()
                raise

    def drop(self, is_concerned: Callable[[KnownToken], bool]) -> None:
        """Forget the tokens of which something may have changed."""
        with self._lock:
            try:
                for digest, known in list(self._tokens.items()):
                    if is_concerned(known):
                        del self._tokens[digest]
            except BaseException:
                self._forget()
                raise

    def _weight_of(self, known: KnownToken) -> int:
        """Weigh a token in bytes so that both limits are one: a small one takes a token's share.

        Multiplied by the number of tokens, so that nothing is lost in a division.
        """
        token = known.token
        names = len(token.scopes) + len(token.roles) + len(token.audience) + len(token.amr)
        size = len(token.payload) + BYTES_OF_A_NAME * names
        return max(size * self._most, MOST_BYTES)

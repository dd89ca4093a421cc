"""Key ids that a fresh set lacked. Pure."""

import hashlib

MISSING_FOR_S = 10.0
MOST_MISSING = 1000


class MissingIds:
    """Remembers key ids, a thousand at most. A new set clears them."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, kid: str) -> bool:
        return _digest(kid) in self._digests

    def add(self, kid: str) -> None:
        """Remember a key id; a full memory forgets any other one for it."""
        if len(self._digests) >= MOST_MISSING:
            self._digests.pop()
        self._digests.add(_digest(kid))

    def clear(self) -> None:
        """Forget all of them."""
        self._digests.clear()


def _digest(kid: str) -> bytes:
    """A key id may be as long as a token, and many are remembered."""
    return hashlib.sha256(kid.encode("utf-8", "surrogatepass")).digest()

"""The snapshot of a key set, as bytes: what it says of itself, and the JWK Set as it was fetched.

One JSON object. The set stands in it as text, because a set may hold odd keys that no strict JSON
could hold (RFC 7517 section 5 has them skipped): read back, it goes through the very checks of a
fetch, and the same keys are refused for the same reasons. A digest shows damage that would
otherwise be a plausible key or time. It is no signature: whoever may write the file may write that.
"""

import hashlib
import json
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from bearerguard.core.encoding import EncodingError, read_json_object
from bearerguard.core.jwk import parse_key_set
from bearerguard.core.key_set import KeySet, KeySetError
from bearerguard.jwks.fetch import MAX_BYTES
from bearerguard.jwks.states import LoadedKeys

FORMAT = "bearerguard-jwks-1"
# A set of the size that a fetch allows, in JSON of ASCII: three times as long at worst.
MOST_BYTES = 4 * MAX_BYTES
DIGEST = "sha256"
# The types are compared exactly: for Python true is a number.
MEMBERS: dict[str, tuple[type, ...]] = {
    "format": (str,),
    "issuer": (str,),
    "url": (str,),
    "fetched_at": (int, float),
    "max_age_s": (int, float, NoneType),
    "jwks": (str,),
    DIGEST: (str,),
}


class SnapshotError(ValueError):
    """The bytes are no snapshot that could be used; the message never quotes them."""


@dataclass(frozen=True)
class StoredKeys:
    """The keys of ``issuer``, asked of ``url`` at ``fetched_at`` (seconds since 1970)."""

    issuer: str
    url: str
    fetched_at: float
    max_age_s: float | None
    document: bytes = field(repr=False)
    keys: KeySet

    def loaded(self, age_s: float) -> LoadedKeys:
        """Give the keys as a load does, fetched ``age_s`` seconds ago by somebody else."""
        return LoadedKeys(self.keys, self.max_age_s, self.document, self.url, age_s, is_shared=True)


def write_snapshot(loaded: LoadedKeys, issuer: str, fetched_at: float) -> bytes:
    """Write down what a fetch brought that began at ``fetched_at``, in seconds since 1970."""
    content = {
        "format": FORMAT,
        "issuer": issuer,
        "url": loaded.url,
        "fetched_at": fetched_at,
        "max_age_s": loaded.max_age_s,
        "jwks": loaded.document.decode(),
    }
    return json.dumps({**content, DIGEST: _digest(content)}).encode()


def read_snapshot(content: bytes) -> StoredKeys:
    """Read a snapshot; who asked, and when, is not looked at here.

    Raises:
        SnapshotError: damaged, of another format, or without a usable key.
    """
    if len(content) > MOST_BYTES:
        raise SnapshotError(f"is larger than {MOST_BYTES} bytes")
    try:
        members = read_json_object(content)
    except EncodingError as error:
        raise SnapshotError(f"is damaged: {error}") from None
    if members.get("format") != FORMAT:
        raise SnapshotError(f"is not of the format {FORMAT}")
    if members.keys() != MEMBERS.keys() or any(
        type(members[name]) not in types for name, types in MEMBERS.items()
    ):
        raise SnapshotError("is damaged: a member is missing, unknown or of another type")
    if members.pop(DIGEST) != _digest(members):
        raise SnapshotError(f"is damaged: its content is not that of its {DIGEST}")
    document = members["jwks"].encode()
    if len(document) > MAX_BYTES:
        raise SnapshotError(f"holds a JWK Set of more than {MAX_BYTES} bytes")
    try:
        keys = parse_key_set(document)
    except KeySetError as error:
        raise SnapshotError(f"cannot be used: {error}") from None
    return StoredKeys(
        members["issuer"],
        members["url"],
        members["fetched_at"],
        members["max_age_s"],
        document,
        keys,
    )


def _digest(members: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()

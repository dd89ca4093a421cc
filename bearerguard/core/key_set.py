"""The keys of an issuer: what a key is, and how a set finds those that a token asks for.

Source: RFC 7517 sections 4 and 5. How they are read stands in :mod:`bearerguard.core.jwk`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LONGEST_SHOWN_KID = 200


class KeyRefusedError(ValueError):
    """One key of a set cannot be used; the message says why and quotes nothing secret."""


class KeySetError(ValueError):
    """The document is no JWK Set, or has no usable key."""


@dataclass(frozen=True)
class Key:
    """A key and the algorithms that it may verify. ``thumbprint`` is that of RFC 7638.

    ``issuer`` is whose tokens it is for, where the set says so, as that of Microsoft Entra does.
    """

    kid: str | None
    algorithms: frozenset[str]
    thumbprint: str = field(repr=False)  # of a secret it would be something to guess against
    public_key: Any = field(repr=False, compare=False)
    issuer: str | None = None


@dataclass(frozen=True)
class RefusedKey:
    """A key that was left out: its place in the set, its kid where it has one, and why."""

    index: int
    kid: str | None
    reason: str


@dataclass(frozen=True)
class KeySet:
    """The usable keys of one issuer, and those that were refused."""

    keys: tuple[Key, ...]
    refused: tuple[RefusedKey, ...] = ()
    ids_matter: bool = True  # not where keys can have no ids: they fit whatever a token names

    by_kid: Mapping[str | None, tuple[Key, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Not when it is first asked for: functools.cached_property has a lock on Python 3.11, which
        # a fork would hold for good.
        found: dict[str | None, tuple[Key, ...]] = {}
        for key in self.keys:
            found[key.kid] = (*found.get(key.kid, ()), key)
        object.__setattr__(self, "by_kid", found)

    def candidates(self, kid: str | None) -> tuple[Key, ...]:
        """Give the keys with this kid, or all where the token names none (RFC 7515 4.1.4)."""
        if kid is None or not self.ids_matter:
            return self.keys
        return self.by_kid.get(kid, ())


def key_set_of(members: Sequence[Any], read: Callable[[Any], Key]) -> KeySet:
    """Sort keys into usable and refused ones; raises KeySetError when ``read`` accepts none."""
    keys, refused = [], []
    for index, member in enumerate(members):
        try:
            keys.append(read(member))
        except KeyRefusedError as error:
            refused.append(RefusedKey(index, _shown_kid(member), str(error)))
    if not keys:
        reasons = sorted({key.reason for key in refused})
        raise KeySetError(f"no usable key ({', '.join(reasons) or 'the set is empty'})")
    return KeySet(tuple(keys), tuple(refused))


def _shown_kid(jwk: object) -> str | None:
    """Give the kid of a refused key, where an operator can be shown it."""
    kid = jwk.get("kid") if isinstance(jwk, dict) else None
    return kid[:LONGEST_SHOWN_KID] if isinstance(kid, str) and kid.isprintable() else None

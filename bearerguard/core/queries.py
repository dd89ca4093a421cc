"""What a decision may have to wait for: keys, an issuer's word, what was revoked, a status list.

A flow yields a query and is sent the answer; how its driver gets that is none of its business.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from bearerguard.core.key_set import Key


class KeyQuery(NamedTuple):
    """Which keys a token asks for. ``kid`` is None where the token names none.

    The answer is a sequence of keys of this issuer, or RejectedError or UnavailableError thrown.
    ``tried`` are keys that turned out not to be the one: the answer has none of them.
    """

    issuer: str
    kid: str | None
    alg: str
    tried: tuple[Key, ...] = ()


class IssuerQuery(NamedTuple):
    """Whose tokens these are; asked only for an issuer that the trust's patterns allow.

    The answer is the issuer's policy, or None where there is no such issuer, or UnavailableError
    thrown.
    """

    issuer: str


class RevocationQuery(NamedTuple):
    """What is marked as revoked, of these names of an issuer (:mod:`bearerguard.core.revocation`).

    The answer is a mark or None for each name, in their order, or UnavailableError thrown.
    """

    issuer: str
    names: tuple[str, ...]


class StatusQuery(NamedTuple):
    """Which statuses an issuer's list has (:mod:`bearerguard.core.status_list`).

    The answer is the statuses; RejectedError thrown for a URI that is not the issuer's, or
    UnavailableError.
    """

    issuer: str
    uri: str


@dataclass(frozen=True, slots=True)
class IntrospectionQuery:
    """What an issuer says of an opaque token (RFC 7662).

    The answer is a JSON object of the members that the issuer gave, as bytes, or UnavailableError
    thrown. It vouches for nothing: whether the token is active stands in it.
    """

    issuer: str
    raw: str = field(repr=False)


Query = KeyQuery | IssuerQuery | RevocationQuery | StatusQuery | IntrospectionQuery
Result = TypeVar("Result")
# What is sent depends on the query: see there.
Flow = Generator[Query, Any, Result]

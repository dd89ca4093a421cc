"""The parsers of what an operator says about the habits of an issuer's tokens.

As in :mod:`bearerguard.parsers`, each raises ValueError saying how to mend.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from bearerguard.core.issuer_patterns import FILLING
from bearerguard.core.providers import PROFILES
from bearerguard.parsers import places, text, texts

# Types of tokens that are never access tokens (RFC 8725 section 3.11).
FOREIGN_TYPES = frozenset(
    {
        "client-authentication+jwt",
        "dpop+jwt",
        "entity-statement+jwt",
        "kb+jwt",
        "logout+jwt",
        "oauth-client-attestation+jwt",
        "oauth-client-attestation-pop+jwt",
        "oauth-authz-req+jwt",
        "secevent+jwt",
        "statuslist+jwt",
        "token-introspection+jwt",
    }
)
# What a text can call a header without typ.
NO_TYPE = "none"
MISSING_AUDIENCE = ("refuse", "client", "issuer")
MOST_TENANTS = 1000

Match = tuple[tuple[str, frozenset[str]], ...]


def profile(value: Any) -> str:
    """Take the name of a profile."""
    name = text(value)
    if name != "auto" and name not in PROFILES:
        near = get_close_matches(name.lower(), PROFILES, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"is no profile{meant}; known are auto, {', '.join(PROFILES)}")
    return name


def token_types(value: Any) -> tuple[str | None, ...]:
    """Take header types; ``none``, or None in code, stands for a header that has none."""
    if isinstance(value, list | tuple | set | frozenset):
        value = [NO_TYPE if item is None else item for item in value]
    names = [name.lower().removeprefix("application/") for name in texts(value)]
    foreign = sorted(FOREIGN_TYPES.intersection(names))
    if foreign:
        raise ValueError(f"has {', '.join(foreign)}, which is no type of an access token")
    return tuple(None if name == NO_TYPE else name for name in names)


def match(value: Any) -> Match:
    """Take ``claim=value`` pairs, or a mapping of claims to one value or several.

    A claim that is named twice may have either value.
    """
    found: dict[str, set[str]] = {}
    for claim, accepted in _pairs(value):
        (path,) = places([claim])
        if not accepted:
            raise ValueError(f"has no value for {claim!r}; write 'claim=value'")
        found.setdefault(path, set()).update(accepted)
    if not found:
        raise ValueError("is empty, which would allow all; leave it out if that is meant")
    return tuple((path, frozenset(values)) for path, values in found.items())


def tenants(value: Any) -> tuple[str, ...]:
    """Take tenants: what can stand in the hole of an issuer template."""
    names = texts(value)
    for name in names:
        if not FILLING.fullmatch(name):
            raise ValueError(f"{name!r} is no tenant: 1 to 64 letters, digits and hyphens")
    if len(set(names)) > MOST_TENANTS:
        raise ValueError(f"has more than {MOST_TENANTS} tenants; resolve_issuer is for so many")
    return tuple(dict.fromkeys(names))


def missing_audience(value: Any) -> str:
    """Take what stands in for a missing audience."""
    name = text(value)
    if name not in MISSING_AUDIENCE:
        raise ValueError(f"must be one of {', '.join(MISSING_AUDIENCE)}")
    return name


def _pairs(value: Any) -> Iterable[tuple[str, tuple[str, ...]]]:
    if isinstance(value, tuple) and value and all(isinstance(item, tuple) for item in value):
        if any(len(item) != len(("claim", "values")) for item in value):
            raise ValueError("has an item that is no pair; write 'claim=value'")
        items: Iterable[tuple[Any, Any]] = value  # as this parser makes them
    elif isinstance(value, Mapping):
        items = value.items()
    else:
        for pair in texts(value):
            claim, equals, accepted = pair.partition("=")
            if not equals or not claim:
                raise ValueError(f"{pair!r} is no pair; write 'claim=value'")
            yield claim, (accepted,) if accepted else ()
        return
    for claim, accepted in items:
        yield text(claim), _values(claim, accepted)


def _values(claim: object, accepted: Any) -> tuple[str, ...]:
    try:
        return texts([accepted] if isinstance(accepted, str) else accepted)
    except ValueError:
        raise ValueError(f"has {accepted!r} for {claim!r}; write texts, such as 'true'") from None

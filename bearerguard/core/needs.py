"""What a route needs of a token, as one value.

``scope("a") & (scope("b") | role("admin"))``. Enforcement, the challenge and the documentation of a
route all read this value. It is not a condition: ``and``, ``or``, ``not`` and ``if`` would silently
drop a part of it, so they raise.

Source: RFC 6749 section 3.3 (scopes), RFC 9068 section 4 (authorization claims).
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Union

from bearerguard.core.own_checks import check_own, check_plain
from bearerguard.core.pointer import find
from bearerguard.errors import ConfigurationError, RejectedError

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken

# RFC 6749 section 3.3: what a scope may consist of, and so what can stand in a challenge.
SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
Check = Callable[["AccessToken"], bool]
NeedLike = Union["Need", str, Check]


class Need(ABC):
    """Something that a token must have. Combine needs with ``&`` and ``|``."""

    @abstractmethod
    def satisfied_by(self, token: "AccessToken") -> bool:
        """Tell whether the token has it."""

    def scopes(self) -> tuple[str, ...]:
        """Name every scope in this need, in order, each once: what a client could ask for."""
        return ()

    def __and__(self, other: NeedLike) -> "Need":
        return all_of(self, other)

    def __or__(self, other: NeedLike) -> "Need":
        return any_of(self, other)

    def __rand__(self, other: NeedLike) -> "Need":
        return all_of(other, self)

    def __ror__(self, other: NeedLike) -> "Need":
        return any_of(other, self)

    def __bool__(self) -> NoReturn:
        raise TypeError("a need has no truth value: write & for 'and', | for 'or'")


@dataclass(frozen=True)
class Scope(Need):
    """One scope, compared as a whole and case-sensitively."""

    name: str

    def satisfied_by(self, token: "AccessToken") -> bool:
        """Tell whether the token carries the scope."""
        return self.name in token.scopes

    def scopes(self) -> tuple[str, ...]:
        """Name the scope."""
        return (self.name,)

    def __str__(self) -> str:
        return f"scope {self.name}"


@dataclass(frozen=True)
class Role(Need):
    """One role, group, permission or entitlement."""

    name: str

    def satisfied_by(self, token: "AccessToken") -> bool:
        """Tell whether the token carries the role."""
        return self.name in token.roles

    def __str__(self) -> str:
        return f"role {self.name}"


@dataclass(frozen=True)
class Claim(Need):
    """A claim with exactly one value, of exactly that JSON type."""

    path: str
    equals: Any

    def satisfied_by(self, token: "AccessToken") -> bool:
        """Tell whether the claim is there with that value; ``true`` is not ``1``, at any depth."""
        return _canonical(find(token.claims, self.path)) == _canonical(self.equals)

    def __str__(self) -> str:
        return f"claim {self.path}"


@dataclass(frozen=True)
class Custom(Need):
    """The application's own check. Only exactly ``True`` admits; an exception propagates."""

    check: Check

    def satisfied_by(self, token: "AccessToken") -> bool:
        """Call the check."""
        return self.check(token) is True

    def __str__(self) -> str:
        return f"check {getattr(self.check, '__qualname__', type(self.check).__name__)}"


@dataclass(frozen=True)
class AllOf(Need):
    """Every one of its parts. Without parts: a valid token is enough."""

    parts: tuple[Need, ...]

    def satisfied_by(self, token: "AccessToken") -> bool:
        """Tell whether every part is satisfied."""
        return all(part.satisfied_by(token) is True for part in self.parts)

    def scopes(self) -> tuple[str, ...]:
        """Name the scopes of all parts."""
        return _scopes_of(self.parts)

    def __str__(self) -> str:
        parts = [f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts]
        return " and ".join(parts) or "a valid token"


@dataclass(frozen=True)
class AnyOf(Need):
    """At least one of its parts."""

    parts: tuple[Need, ...]

    def satisfied_by(self, token: "AccessToken") -> bool:
        """Tell whether one part is satisfied."""
        return any(part.satisfied_by(token) is True for part in self.parts)

    def scopes(self) -> tuple[str, ...]:
        """Name the scopes of all parts: whoever has them all passes."""
        return _scopes_of(self.parts)

    def __str__(self) -> str:
        return " or ".join(str(part) for part in self.parts)


# What deny by default asks for: a valid token, whatever it may do.
authenticated: Need = AllOf(())


def scope(name: str) -> Need:
    """Need one scope; ConfigurationError for what RFC 6749 section 3.3 does not allow as one."""
    if not isinstance(name, str) or not SCOPE_TOKEN.fullmatch(name):
        hint = "; write each scope as a string of its own" if " " in str(name) else ""
        raise ConfigurationError(f"{name!r} is not a scope (RFC 6749 section 3.3){hint}")
    return Scope(name)


def role(name: str) -> Need:
    """Need one role, group, permission or entitlement."""
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{name!r} is not the name of a role")
    return Role(name)


def claim(path: str, *, equals: Any) -> Need:
    """Need a claim, by its name or a JSON Pointer (RFC 6901), with exactly this value."""
    if not isinstance(path, str) or not path or equals is None:
        raise ConfigurationError("claim() takes a claim's name and the value that it must have")
    try:
        _canonical(equals)
    except (TypeError, ValueError):
        raise ConfigurationError(f"claim {path!r} can never be {equals!r}: not JSON") from None
    return Claim(path, equals)


def all_of(*needs: NeedLike) -> Need:
    """Need every one; ConfigurationError when there is none, which is rarely what was meant."""
    if not needs:
        raise ConfigurationError("all_of() needs at least one part; requires() takes any token")
    parts = [need_of(need) for need in needs]
    return parts[0] if len(parts) == 1 else AllOf(_flat(parts, AllOf))


def any_of(*needs: NeedLike) -> Need:
    """Need at least one; ConfigurationError when there is none, which nobody could satisfy."""
    if not needs:
        raise ConfigurationError("any_of() needs at least one part")
    parts = [need_of(need) for need in needs]
    return parts[0] if len(parts) == 1 else AnyOf(_flat(parts, AnyOf))


def need_of(value: NeedLike) -> Need:
    """Make a need of a scope's name, a need, or the application's own check."""
    if isinstance(value, Need):
        check_plain(value.satisfied_by, value)
        return value
    if isinstance(value, str):
        return scope(value)
    check_own(value)
    return Custom(value)


def needs_of(values: Iterable[NeedLike]) -> Need:
    """Make one need of all: what ``requires(*values)`` means. Nothing: any valid token."""
    values = list(values)
    return all_of(*values) if values else authenticated


def both(one: Need | None, other: Need | None) -> Need | None:
    """Need what two needs ask for that are in force already, and so need no looking at."""
    if one is None or other is None:
        return other if one is None else one
    return AllOf(_flat((one, other), AllOf))


def check_need(need: Need, token: "AccessToken") -> None:
    """Enforce a need.

    Source: RFC 6750 section 3.1, RFC 9068 section 4.
    Refuses: "scope_insufficient".
    """
    if need.satisfied_by(token) is not True:
        found = sorted(token.scopes | token.roles)
        raise RejectedError("scope_insufficient", expected=str(need), found=found)


def _canonical(value: Any) -> str:
    """Write a value so that two texts are equal only where the JSON values are."""
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _flat(parts: Iterable[Need], kind: type[AllOf] | type[AnyOf]) -> tuple[Need, ...]:
    """Write ``a & b & c`` as one need of three parts."""
    flat: list[Need] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) and part.parts else [part])
    return tuple(flat)


def _scopes_of(parts: Iterable[Need]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part.scopes()))

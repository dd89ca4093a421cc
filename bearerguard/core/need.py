"""What a route needs of a token, as one value.

``scope("a") & (scope("b") | role("admin"))``. Enforcement, the challenge and the documentation of a
route all read this value. It is not a condition: ``and``, ``or``, ``not`` and ``if`` would silently
drop a part of it, so they raise.

Here stand scopes, an application's own checks, and how needs are combined; the other kinds stand in
:mod:`bearerguard.core.need_kinds`, enforcement in :mod:`bearerguard.core.needs`.

Source: RFC 6749 section 3.3 (scopes), RFC 9068 section 4 (authorization claims).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Union

from bearerguard.core.authentication import Authentication, both_of, either_of
from bearerguard.core.own_checks import check_own, check_plain
from bearerguard.errors import ConfigurationError

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken

# RFC 6749 section 3.3: what a scope may consist of, and so what can stand in a challenge.
SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
# OpenID Connect Core section 11; the MCP authorization specification (2026-07-28) forbids a
# resource server to ask for it.
OFFLINE_ACCESS = "offline_access"
NO_OFFLINE_ACCESS = (
    "'offline_access' asks the issuer for a refresh token, and allows nothing in an API; "
    "leave it out"
)
Check = Callable[["AccessToken"], bool]
NeedLike = Union["Need", str, Check]


class Need(ABC):
    """Something that a token must have. Combine needs with ``&`` and ``|``."""

    @abstractmethod
    def satisfied_by(self, token: "AccessToken", now: float) -> bool:
        """Tell whether the token has it; ``now`` is in seconds since 1970."""

    def shortfall(self, token: "AccessToken", now: float) -> str | None:
        """Give the reason for which the user has to authenticate anew, if that is in the way."""
        _ = token, now
        return None

    def scopes(self) -> tuple[str, ...]:
        """Name every scope in this need, in order, each once: what a client could ask for."""
        return ()

    def authentication(self) -> Authentication | None:
        """Give how the user must have authenticated, where this need says anything about it."""
        return None

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

    def satisfied_by(self, token: "AccessToken", now: float) -> bool:
        """Tell whether the token carries the scope."""
        _ = now
        return self.name in token.scopes

    def scopes(self) -> tuple[str, ...]:
        """Name the scope."""
        return (self.name,)

    def __str__(self) -> str:
        return f"scope {self.name}"


@dataclass(frozen=True)
class Custom(Need):
    """The application's own check. Only exactly ``True`` admits; an exception propagates."""

    check: Check

    def satisfied_by(self, token: "AccessToken", now: float) -> bool:
        """Call the check."""
        _ = now
        return self.check(token) is True

    def __str__(self) -> str:
        return f"check {getattr(self.check, '__qualname__', type(self.check).__name__)}"


@dataclass(frozen=True)
class AllOf(Need):
    """Every one of its parts. Without parts: a valid token is enough."""

    parts: tuple[Need, ...]

    def satisfied_by(self, token: "AccessToken", now: float) -> bool:
        """Tell whether every part is satisfied."""
        return all(part.satisfied_by(token, now) is True for part in self.parts)

    def scopes(self) -> tuple[str, ...]:
        """Name the scopes of all parts."""
        return _scopes_of(self.parts)

    def shortfall(self, token: "AccessToken", now: float) -> str | None:
        """Give the first reason of a part."""
        return _first_shortfall(self.parts, token, now)

    def authentication(self) -> Authentication | None:
        """Give what satisfies all parts."""
        return both_of(part.authentication() for part in self.parts)

    def __str__(self) -> str:
        parts = [f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts]
        return " and ".join(parts) or "a valid token"


@dataclass(frozen=True)
class AnyOf(Need):
    """At least one of its parts."""

    parts: tuple[Need, ...]

    def satisfied_by(self, token: "AccessToken", now: float) -> bool:
        """Tell whether one part is satisfied."""
        return any(part.satisfied_by(token, now) is True for part in self.parts)

    def scopes(self) -> tuple[str, ...]:
        """Name the scopes of all parts: whoever has them all passes."""
        return _scopes_of(self.parts)

    def shortfall(self, token: "AccessToken", now: float) -> str | None:
        """Give the first reason of a part; none where another part is satisfied."""
        if self.satisfied_by(token, now):
            return None
        return _first_shortfall(self.parts, token, now)

    def authentication(self) -> Authentication | None:
        """Give what satisfies one part: whoever has all of it passes."""
        return either_of(part.authentication() for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(str(part) for part in self.parts)


# What deny by default asks for: a valid token, whatever it may do.
authenticated: Need = AllOf(())


def scope(name: str) -> Need:
    """Need one scope; ConfigurationError for what RFC 6749 section 3.3 does not allow as one."""
    if name == OFFLINE_ACCESS:
        raise ConfigurationError(NO_OFFLINE_ACCESS)
    if not isinstance(name, str) or not SCOPE_TOKEN.fullmatch(name):
        hint = "; write each scope as a string of its own" if " " in str(name) else ""
        raise ConfigurationError(f"{name!r} is not a scope (RFC 6749 section 3.3){hint}")
    return Scope(name)


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


def _flat(parts: Iterable[Need], kind: type[AllOf] | type[AnyOf]) -> tuple[Need, ...]:
    """Write ``a & b & c`` as one need of three parts."""
    flat: list[Need] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) and part.parts else [part])
    return tuple(flat)


def _first_shortfall(parts: Iterable[Need], token: "AccessToken", now: float) -> str | None:
    return next(filter(None, (part.shortfall(token, now) for part in parts)), None)


def _scopes_of(parts: Iterable[Need]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part.scopes()))

"""Needs of other things than scopes: roles, claims, and how the user authenticated.

Source: RFC 9068 section 4 (authorization claims), RFC 9470 section 3 (step-up).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bearerguard.core.authentication import Authentication
from bearerguard.core.need import SCOPE_TOKEN, Need
from bearerguard.core.pointer import find
from bearerguard.errors import ConfigurationError

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken

# Beyond it a greatest age says nothing, and a number without end breaks arithmetic.
CENTURY_S = 100 * 366 * 86400


@dataclass(frozen=True)
class Role(Need):
    """One role, group, permission or entitlement."""

    name: str

    def satisfied_by(self, token: "AccessToken", now: float) -> bool:
        """Tell whether the token carries the role."""
        _ = now
        return self.name in token.roles

    def __str__(self) -> str:
        return f"role {self.name}"


@dataclass(frozen=True)
class Claim(Need):
    """A claim with exactly one value, of exactly that JSON type."""

    path: str
    equals: Any

    def satisfied_by(self, token: "AccessToken", now: float) -> bool:
        """Tell whether the claim is there with that value; ``true`` is not ``1``, at any depth."""
        _ = now
        return _canonical(find(token.claims, self.path)) == _canonical(self.equals)

    def __str__(self) -> str:
        return f"claim {self.path}"


@dataclass(frozen=True)
class StepUp(Need):
    """A user who authenticated well enough, and not too long ago."""

    wanted: Authentication

    def satisfied_by(self, token: "AccessToken", now: float) -> bool:
        """Tell whether the authentication behind the token is good enough now."""
        return self.shortfall(token, now) is None

    def shortfall(self, token: "AccessToken", now: float) -> str | None:
        """Give the reason for which it is not, or None."""
        return self.wanted.shortfall(token, now)

    def authentication(self) -> Authentication:
        """Give what the client has to ask the issuer for."""
        return self.wanted

    def __str__(self) -> str:
        return str(self.wanted)


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


def step_up(*, acr: str | Sequence[str] | None = None, max_age: int | None = None) -> Need:
    """Need a user who authenticated well enough, and not too long ago.

    ``acr`` is one level, or several in order of preference of which any one is enough; they are
    compared as they stand. ``max_age`` is the greatest age of the login in whole seconds, to the
    second; with 0 every request needs a login of its own second. A token that is not good enough is
    answered with 401 ``insufficient_user_authentication`` (RFC 9470 section 3), which tells the
    client what to ask the issuer for.

    Raises:
        ConfigurationError: nothing is asked for, or what no challenge can say.
    """
    levels = (acr,) if isinstance(acr, str) else acr
    problems = []
    if levels is not None and not _are_levels(levels):
        problems.append(f"step_up: acr={acr!r} is no level; write 'mfa', or a list of such texts")
    if max_age is not None and (type(max_age) is not int or not 0 <= max_age <= CENTURY_S):
        what = f"whole seconds, from 0 to {CENTURY_S}"
        problems.append(f"step_up: max_age={max_age!r} is no number of {what}")
    if acr is None and max_age is None:
        problems.append("step_up() asks for nothing; write step_up(acr='mfa', max_age=300)")
    if problems:
        raise ConfigurationError(*problems)
    return StepUp(Authentication(tuple(levels or ()), max_age))


def _are_levels(values: object) -> bool:
    """Levels stand in a challenge as scopes do, with spaces between them (RFC 9470 section 3)."""
    if not isinstance(values, list | tuple) or not values:
        return False
    return all(isinstance(value, str) and SCOPE_TOKEN.fullmatch(value) for value in values)


def _canonical(value: Any) -> str:
    """Write a value so that two texts are equal only where the JSON values are."""
    return json.dumps(value, sort_keys=True, allow_nan=False)

"""How well and how recently a user must have authenticated.

Source: RFC 9470 sections 3 and 4, OpenID Connect Core 1.0 section 3.1.2.1 (``acr_values``).
"""

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bearerguard.core.access_token import AccessToken


class Authentication(NamedTuple):
    """The ``acr`` values of which one is enough, the preferred first, and a greatest age.

    Without ``acr`` any is good; ``max_age`` is in whole seconds, None is no limit.
    """

    acr: tuple[str, ...] = ()
    max_age: int | None = None

    def shortfall(self, token: "AccessToken", now: float) -> str | None:
        """Give the reason for which the authentication behind a token is not enough, or None.

        ``acr`` compares as a whole: "22" is not "2", and no value is above another.
        """
        if self.acr and token.acr not in self.acr:
            return "authentication_too_weak"
        if self.max_age is not None and not _is_recent(token, self.max_age, now):
            return "authentication_too_old"
        return None

    def and_also(self, other: "Authentication") -> "Authentication":
        """Ask for what satisfies both."""
        shared = tuple(value for value in self.acr if not other.acr or value in other.acr)
        # Two that exclude each other cannot be had at once; then the client is told of both.
        acr = shared or tuple(dict.fromkeys((*self.acr, *other.acr)))
        return Authentication(acr, _stricter(self.max_age, other.max_age))

    def or_else(self, other: "Authentication") -> "Authentication":
        """Ask for what satisfies one of two, whichever of the values the user then has."""
        acr = tuple(dict.fromkeys((*self.acr, *other.acr)))
        return Authentication(acr, _stricter(self.max_age, other.max_age))

    def __str__(self) -> str:
        words = ["authentication"]
        if self.acr:
            words.append("of level " + " or ".join(self.acr))
        if self.max_age is not None:
            words.append(f"at most {self.max_age} s ago")
        return " ".join(words)


def both_of(asked: "Iterable[Authentication | None]") -> Authentication | None:
    """Ask for all of these, as far as there are any."""
    return reduce(Authentication.and_also, found) if (found := [*filter(None, asked)]) else None


def either_of(asked: "Iterable[Authentication | None]") -> Authentication | None:
    """Ask for what satisfies one of these, as far as there are any."""
    return reduce(Authentication.or_else, found) if (found := [*filter(None, asked)]) else None


def _is_recent(token: "AccessToken", max_age: int, now: float) -> bool:
    """Tell whether now - auth_time <= max_age, to the second: there is no leeway.

    An ``auth_time`` from the future is nobody's. Only as far ahead as the issuer's clock is, which
    ``iat`` tells and LEEWAY bounds, it counts as just now.
    """
    at = token.auth_time
    if isinstance(at, bool) or not isinstance(at, int | float):
        return False
    present = now if token.issued_at is None else max(now, token.issued_at)
    # auth_time is in whole seconds, as a rule, and so is "this second".
    return int(now) - max_age <= at <= present


def _stricter(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)

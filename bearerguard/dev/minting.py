"""What somebody wants of a token: for the control page, its JSON interface and the command."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bearerguard.core.need import SCOPE_TOKEN
from bearerguard.dev.accounts import USERS
from bearerguard.dev.broken import BAD_TOKENS
from bearerguard.dev.issuer import Issuer

LIFETIME_S = 3600
LONGEST_LIFETIME_S = 365 * 24 * 3600
LONGEST_TEXT = 2000
# Half a character, which no token can hold.
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A token as somebody wants it. ``lifetime`` is in seconds, ``broken`` a name of BAD_TOKENS."""

    sub: str = "alice"
    scope: str = ""
    audience: str | None = None
    lifetime: int = LIFETIME_S
    acr: str | None = None
    broken: str | None = None

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Self:
        """Read one out of JSON; null is the same as absent.

        Raises:
            ValueError: naming what is wrong, and what could be.
        """
        given = {name: value for name, value in asked.items() if value is not None}
        unknown = sorted(given.keys() - cls.__dataclass_fields__.keys())
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise ValueError(f"there is no {unknown[0]!r}; there are {known}")
        for name, value in given.items():
            _check(name, value)
        return cls(**given)

    def mint(self, issuer: Issuer) -> str:
        """Sign it, or break it in the way that was asked for."""
        user = USERS.get(self.sub)
        claims = {
            "sub": self.sub,
            "client_id": "local-app",
            "aud": self.audience or issuer.audience,
            "exp": int(issuer.clock()) + self.lifetime,
            "scope": self.scope or None,
            "acr": self.acr,
            "auth_time": int(issuer.clock()) if self.acr else None,
            "roles": list(user.roles) if user and user.roles else None,
        }
        wanted = issuer.with_claims(**{k: v for k, v in claims.items() if v is not None})
        return BAD_TOKENS[self.broken](wanted) if self.broken else wanted.token()


def _check(name: str, value: Any) -> None:
    if name == "lifetime":
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number or not 1 <= value <= LONGEST_LIFETIME_S:
            raise ValueError(f"lifetime is a whole number of seconds, 1 to {LONGEST_LIFETIME_S}")
    elif not isinstance(value, str) or len(value) > LONGEST_TEXT or SURROGATE.search(value):
        raise ValueError(f"{name} is a text of at most {LONGEST_TEXT} characters")
    elif name == "broken" and value not in BAD_TOKENS:
        raise ValueError(f"no token is broken by the name {value!r}; the names are {_names()}")
    elif name == "scope" and not all(SCOPE_TOKEN.fullmatch(one) for one in value.split()):
        raise ValueError("scope is a list of scopes with spaces between them (RFC 6749, 3.3)")
    elif name in ("sub", "audience") and not value:
        raise ValueError(f"{name} is not empty")


def _names() -> str:
    return ", ".join(BAD_TOKENS)

"""``bearer("orders:read")``: the headers of a request with a good token, or with a bad one."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from unittest import SkipTest

from bearerguard.dev.issuer import Issuer as InMemory
from bearerguard.guard import Guard
from bearerguard.testing.bad_here import BadTokens, Headers, bad_token, good_names
from bearerguard.testing.broken import BAD_TOKENS
from bearerguard.testing.guards_of import guards_of
from bearerguard.testing.whose import Addressee, addressee
from bearerguard.testing.written_for import WrittenFor

__all__ = ["Bearer", "Headers"]


class Bearer:
    """Makes the headers of requests, with tokens of ``issuer`` for the guard that is there.

    Scopes are positional, claims keywords; ``roles=[...]`` stand where the guard reads them.
    ``issuer=`` and ``audience=`` choose among several guards, as :meth:`at` does by the
    application. ``without=["jti"]`` leaves claims out, ``header={...}`` changes the header, where
    None takes a parameter out.

    Each name of BAD_TOKENS is a method: ``bearer.expired("orders:read")`` is a token that would be
    good but for that.

    Raises:
        ValueError: there are guards of several issuers, and nobody said which is meant.
    """

    def __init__(self, issuer: InMemory, guards: Iterable[Guard] = ()) -> None:
        self.issuer = issuer
        self._guards = tuple(guards)

    def __call__(
        self,
        *scopes: str,
        issuer: str | None = None,
        audience: str | None = None,
        **claims: Any,
    ) -> Headers:
        """Make headers with a good token."""
        return _headers(self.token(*scopes, issuer=issuer, audience=audience, **claims))

    def token(
        self,
        *scopes: str,
        issuer: str | None = None,
        audience: str | None = None,
        without: Iterable[str] = (),
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Make the token alone."""
        to = self._addressee(issuer, audience)
        return self._writer(to, scopes, claims).token(without=without, header=header)

    def bad(
        self,
        name: str,
        *scopes: str,
        issuer: str | None = None,
        audience: str | None = None,
        **claims: Any,
    ) -> Headers:
        """Make headers with the bad token of that name.

        Raises:
            KeyError: BAD_TOKENS has no such name.
            unittest.SkipTest: for this guard the token is good, because its profile says so.
        """
        if name not in BAD_TOKENS:
            raise KeyError(f"{name!r} is no name of a bad token: {', '.join(BAD_TOKENS)}")
        to = self._addressee(issuer, audience)
        if name in good_names(to.policy, has_secret=to.secret is not None):
            raise SkipTest(f"{name} is no defect to the guard for {to.policy.issuer}")
        return _headers(bad_token(name, self._writer(to, scopes, claims)))

    def all_bad(self, *scopes: str, **claims: Any) -> BadTokens:
        """Give every bad token by its name, as headers."""
        return BadTokens(self._bad_names, lambda name: self.bad(name, *scopes, **claims))

    def at(self, app: Any) -> "Bearer":
        """Make tokens for the guard of one application; TypeError where it has none."""
        return Bearer(self.issuer, guards_of(app))

    def __getattr__(self, name: str) -> Callable[..., Headers]:
        if name not in BAD_TOKENS:
            raise AttributeError(f"bearer has no {name!r}, and it is no name of a bad token")
        return partial(self.bad, name)

    def _addressee(self, issuer: str | None, audience: str | None) -> Addressee:
        return addressee(self._guards, issuer, audience)

    def _bad_names(self) -> list[str]:
        to = self._addressee(None, None)
        good = good_names(to.policy, has_secret=to.secret is not None)
        return [name for name in BAD_TOKENS if name not in good]

    def _writer(
        self, to: Addressee, scopes: tuple[str, ...], claims: Mapping[str, Any]
    ) -> WrittenFor:
        usual = dict(claims)
        if scopes:
            usual["scope"] = " ".join(scopes)
        return WrittenFor(self.issuer, to.policy, to.audience, to.secret, usual)


def _headers(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}

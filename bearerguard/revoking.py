"""What a guard can be told: that tokens are revoked, and that what it keeps of them may be old.

Each process remembers for itself (``STORE_URL`` is ``memory://``): tell every worker, or let the
issuer tell by a status list.
"""

from collections.abc import Callable, Collection, Iterator, Sequence

from bearerguard.core.revocation import (
    EVERYBODY,
    SESSION,
    SUBJECT,
    TOKEN,
    Mark,
    after,
    name_of,
    names_of,
)
from bearerguard.core.times import LAST_SECOND
from bearerguard.core.trust import Trust
from bearerguard.directory import Directory
from bearerguard.stores.verified import VerifiedTokens


class Revoking:
    """The part of a guard that revokes."""

    clock: Callable[[], float]
    issuers: Directory
    trust: Trust
    _verified: VerifiedTokens

    def revoke(
        self,
        *,
        token_id: str | None = None,
        subject: str | None = None,
        session_id: str | None = None,
        issued_before: float | None = None,
        issuer: str | None = None,
        expires_at: float | None = None,
    ) -> None:
        """Refuse tokens from now on, those included that were seen before.

        ``token_id`` (``jti``), ``subject`` (``sub``) and ``session_id`` (``sid``) say which; of
        several each counts by itself. ``issued_before``, seconds since 1970, is by default the end
        of this second; alone it revokes all tokens of the issuer. A token without ``iat`` counts as
        issued before. ``issuer`` is needed where the guard takes tokens of several.

        ``expires_at`` is when the last token concerned expires, where that is known. Else it
        follows from MAX_TOKEN_AGE, or is guessed to be a day later (docs/revocation.md).

        Raises:
            ValueError: it does not say what to revoke, or an unknown issuer.
            UnavailableError: the store could not take it.
        """
        name = self._issuer_named(issuer)
        for mark in self._marks_for(
            name, _names(token_id, subject, session_id), issued_before, expires_at
        ):
            self.issuers.store.raise_mark(name, *mark)

    async def arevoke(
        self,
        *,
        token_id: str | None = None,
        subject: str | None = None,
        session_id: str | None = None,
        issued_before: float | None = None,
        issuer: str | None = None,
        expires_at: float | None = None,
    ) -> None:
        """Do the same without blocking the event loop, where the store is not in this process."""
        name = self._issuer_named(issuer)
        for mark in self._marks_for(
            name, _names(token_id, subject, session_id), issued_before, expires_at
        ):
            await self.issuers.store.araise_mark(name, *mark)

    def forget(
        self,
        *,
        subject: str | None = None,
        session_id: str | None = None,
        issuer: str | None = None,
    ) -> None:
        """Drop what is kept of tokens, so that each of them is looked at anew; revokes nothing.

        Raises:
            ValueError: it does not say whose, or an unknown issuer.
        """
        names = _names(None, subject, session_id)
        if not names:
            raise ValueError("forget whose tokens? give subject or session_id")
        self.forget_named(self._issuer_named(issuer), names)

    def forget_named(self, issuer: str, names: Collection[str]) -> None:
        """Drop what is kept under names of :mod:`bearerguard.core.revocation`.

        What the issuer said of opaque tokens is dropped whole: it is kept by token, not by subject.
        """
        self.issuers.forget_answers(issuer)
        concerned = frozenset(names)
        self._verified.drop(
            lambda known: (
                known.token.issuer == issuer
                and not concerned.isdisjoint(names_of(known.token, known.session_id))
            )
        )

    def _marks_for(
        self,
        issuer: str,
        names: Sequence[str],
        issued_before: float | None,
        expires_at: float | None,
    ) -> Iterator[tuple[str, Mark]]:
        """Give each name with its mark, after everything was checked."""
        if not names and issued_before is None:
            raise ValueError("revoke what? give token_id, subject, session_id or issued_before")
        tokens = [name for name in names if name.startswith(TOKEN)]
        if tokens and issued_before is not None:
            raise ValueError("a token id stands for one token: leave out issued_before")
        for moment in (issued_before, expires_at):
            _check_moment(moment)
        limits, now = self.issuers.limits_of(issuer), self.clock()
        moment = after(now) if issued_before is None else issued_before
        # One token is there already, whatever its issuer's clock says within the tolerance.
        marks = {name: limits.mark(after(now + limits.leeway_s), expires_at) for name in tokens}
        for name in names or (EVERYBODY,):
            yield name, marks.get(name) or limits.mark(moment, expires_at)

    def _issuer_named(self, issuer: str | None) -> str:
        if issuer is None and self.trust.only is not None and self.trust.only.issuer is not None:
            return self.trust.only.issuer
        if issuer is None:
            raise ValueError("tokens of several issuers are taken: say whose, with issuer=")
        if issuer not in self.trust.policies and not self.trust.patterns.allows(issuer):
            raise ValueError(f"no tokens of {issuer!r} are taken: issuer= is the exact iss")
        return issuer


def _names(token_id: object, subject: object, session_id: object) -> tuple[str, ...]:
    given = ((TOKEN, token_id), (SUBJECT, subject), (SESSION, session_id))
    for kind, value in given:
        if value is not None and (not isinstance(value, str) or not value):
            raise ValueError(f"{kind} is a text that is not empty, and not {value!r}")
    return tuple(name_of(kind, str(value)) for kind, value in given if value is not None)


def _check_moment(moment: object) -> None:
    if moment is None:
        return
    is_number = isinstance(moment, int | float) and not isinstance(moment, bool)
    if not is_number or not 0 <= moment <= LAST_SECOND:  # type: ignore[operator]
        raise ValueError(f"{moment!r} is no time: write seconds since 1970, as time.time() does")

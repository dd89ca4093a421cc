"""What a revocation is, which tokens it concerns, and for how long it has to be remembered. Pure.

A revocation is a mark on a name: "whatever was issued to this subject before that moment". Names
are those of a token's issuer: all of its tokens, a subject, a session, one token. Marks only rise,
so that it does not matter in which order, how often or by whom they are set.

A mark must not be forgotten while a token that it concerns can still be valid. When that ends is
certain where the operator limits the age of tokens (MAX_TOKEN_AGE) or tells the end; else it is
guessed: a day. A mark with a guessed end that gives way to others leaves a trace, the mark of the
name :data:`AGED`: from then on tokens of that issuer that are older than a day and were issued
before are refused, whosever they are. Who has tokens that live longer loses some that were good;
nobody gets one back that was revoked.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bearerguard.core.access_token import AccessToken
from bearerguard.errors import RejectedError

# What a token lives at most where nobody says so; the default of large providers, and their usual
# upper end.
GUESSED_LIFE_S = 24 * 3600.0
# Identifiers of people and sessions are shorter. A longer name is kept as its SHA-256, so that
# marks have a size.
LONGEST_NAME = 200

# All tokens of an issuer, and those that have outlived what is remembered.
EVERYBODY, AGED = "all", "aged"
TOKEN, SUBJECT, SESSION = "jti", "sub", "sid"
# A subject's tokens that do not tell to which session they belong.
SESSIONLESS = "sub without sid"


class Mark(NamedTuple):
    """Tokens issued before ``issued_before`` are revoked; all of them end at ``until`` anyway.

    Both are seconds since 1970. ``is_exact`` False: ``until`` is a guess.
    """

    issued_before: float
    until: float
    is_exact: bool

    def raised(self, other: "Mark") -> "Mark":
        """Give the mark that concerns whatever one of the two does."""
        return Mark(
            max(self.issued_before, other.issued_before),
            max(self.until, other.until),
            self.is_exact and other.is_exact,
        )

    def concerns(self, issued_at: float | None, now: float) -> bool:
        """Tell whether a token is revoked; one that does not tell its age counts as issued before.

        Such a token cannot be told from its successors: a guessed end is the end for it.
        """
        if issued_at is None:
            return now < self.until
        return issued_at < self.issued_before and (now < self.until or not self.is_exact)


def name_of(kind: str, value: str) -> str:
    """Write what is marked as one text; two different values never share one."""
    name = f"{kind} {value}"
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kind}# {digest}"


def session_of(claims: Mapping[str, Any]) -> str | None:
    """Give the session of a token; a ``sid`` that is no text names none that could be ended."""
    session_id = claims.get("sid")
    return session_id if isinstance(session_id, str) else None


def names_of(token: AccessToken, session_id: str | None) -> tuple[str, ...]:
    """Give the names under which a token may be revoked, :data:`AGED` and :data:`EVERYBODY` first.

    ``session_id`` is its claim ``sid`` (OpenID Connect Back-Channel Logout 1.0 section 2.1).
    """
    names = [AGED, EVERYBODY]
    if token.token_id is not None:
        names.append(name_of(TOKEN, token.token_id))
    if token.subject is not None:
        names.append(name_of(SUBJECT, token.subject))
        if session_id is None:
            names.append(name_of(SESSIONLESS, token.subject))
    if session_id is not None:
        names.append(name_of(SESSION, session_id))
    return tuple(names)


def check_revoked(
    token: AccessToken, marks: Sequence[Mark | None], leeway_s: float, now: float
) -> None:
    """A token must not be revoked; ``marks`` are those of :func:`names_of`, in its order.

    Source: RFC 7009 section 2 (what a server revokes is to be refused); the rest is ours.
    Refuses: "revoked".
    """
    aged, *others = marks
    for mark in others:
        if mark is not None and mark.concerns(token.issued_at, now):
            raise _revoked(mark, token)
    if aged is None or token.issued_at is None:
        return
    if token.issued_at < aged.issued_before and now >= token.issued_at + GUESSED_LIFE_S + leeway_s:
        raise _revoked(aged, token)


class Limits(NamedTuple):
    """What bounds the life of an issuer's tokens, in seconds; ``max_age_s`` None: nothing does."""

    leeway_s: float
    max_age_s: float | None

    def mark(self, issued_before: float, expires_at: float | None = None) -> Mark:
        """Make a mark, to be kept until every token that it concerns has expired.

        ``expires_at`` is when the last one does, where that is known.
        """
        if expires_at is not None:
            return Mark(issued_before, expires_at + self.leeway_s, is_exact=True)
        is_exact = self.max_age_s is not None
        life_s = GUESSED_LIFE_S if self.max_age_s is None else self.max_age_s
        return Mark(issued_before, issued_before + life_s + self.leeway_s, is_exact)


def after(moment: float) -> float:
    """Give the first whole second after a moment.

    ``iat`` mostly is in whole seconds, rounded down: what was issued in the very second of a
    revocation may have been there before it, and is refused.
    """
    return math.floor(moment) + 1.0


def _revoked(mark: Mark, token: AccessToken) -> RejectedError:
    expected = f"issued at {mark.issued_before:.0f} or later"
    return RejectedError("revoked", expected=expected, found=token.issued_at)

"""Whom a security event is about, as names that tokens can be found by. Pure.

Source: RFC 9493 (formats of subject identifiers), Shared Signals Framework 1.0 sections 3.2 to 3.5
(complex subjects, ``jwt_id``, critical members).

What is understood is an issuer and subject, an opaque id, the id of a token, a user or a session of
a complex subject, and several of these as aliases. Other members of a complex subject would only
narrow it: leaving them out ends more than was asked for, and never less.
"""

from collections.abc import Collection, Mapping
from typing import Any

from bearerguard.core.revocation import SESSION, SESSIONLESS, SUBJECT, TOKEN, name_of

UNDERSTOOD = frozenset({"user", "session"})
# More than a few names of one subject are nobody's real event.
MOST_ALIASES = 20


class SubjectError(ValueError):
    """It is no subject identifier at all."""


def names_of_subject(subject: object, issuer: str, critical: Collection[str]) -> tuple[str, ...]:
    """Give the names of the tokens that a subject has, or none where it is not understood.

    ``issuer`` is whose event it is: it says nothing about the subjects of others. ``critical`` are
    the members of a complex subject that its transmitter wants understood, or the event dropped.

    Raises:
        SubjectError: it is no subject identifier.
    """
    if not isinstance(subject, dict) or not isinstance(subject.get("format", ""), str):
        raise SubjectError("a subject identifier is an object with a format")
    if subject.get("format", "complex") == "complex":
        return _of_complex(subject, issuer, critical)
    if subject["format"] == "aliases":
        aliases = subject.get("identifiers")
        if not isinstance(aliases, list) or not 0 < len(aliases) <= MOST_ALIASES:
            raise SubjectError("aliases are an array of identifiers")
        found = [name for alias in aliases for name in _of_simple(alias, issuer)]
        return tuple(dict.fromkeys(found))
    return _of_simple(subject, issuer)


def _of_simple(subject: object, issuer: str) -> tuple[str, ...]:
    if not isinstance(subject, dict):
        raise SubjectError("a subject identifier is an object with a format")
    if subject.get("format") == "jwt_id":
        is_ours = _text(subject, "iss") == issuer
        return (name_of(TOKEN, _text(subject, "jti")),) if is_ours else ()
    user = _user(subject, issuer)
    if user is None:
        return ()
    # An opaque id stands for whatever both sides have agreed on: CAEP's own example is a session.
    is_opaque = subject["format"] == "opaque"
    both = (name_of(SUBJECT, user), name_of(SESSION, user))
    return both if is_opaque else both[:1]


def _of_complex(
    subject: Mapping[str, Any], issuer: str, critical: Collection[str]
) -> tuple[str, ...]:
    """A user, a session, or the session of a user (SSF section 3.3: all members together)."""
    members = {name: value for name, value in subject.items() if name != "format"}
    if not members or not all(isinstance(value, dict) for value in members.values()):
        raise SubjectError("a complex subject has members that are identifiers")
    if members.keys() & set(critical) - UNDERSTOOD:
        return ()
    user = _user(members["user"], issuer) if "user" in members else None
    session = _session(members["session"]) if "session" in members else None
    # One in a format that we do not know is not understood, whatever its name.
    unread = {"user"} if user is None else set()
    unread |= {"session"} if session is None else set()
    if members.keys() & set(critical) & unread:
        return ()
    return names_of_session(user, session)


def names_of_session(user: str | None, session: str | None) -> tuple[str, ...]:
    """Give the names of a user's tokens, or of those of one session.

    A token that does not tell its session may be of this one: it counts where its user is known.
    """
    if session is None:
        return () if user is None else (name_of(SUBJECT, user),)
    names = (name_of(SESSION, session),)
    return names if user is None else (*names, name_of(SESSIONLESS, user))


def _user(subject: Mapping[str, Any], issuer: str) -> str | None:
    match subject.get("format"):
        case "iss_sub":
            return _text(subject, "sub") if _text(subject, "iss") == issuer else None
        case "opaque":
            return _text(subject, "id")
    return None


def _session(subject: Mapping[str, Any]) -> str | None:
    return _text(subject, "id") if subject.get("format") == "opaque" else None


def _text(subject: Mapping[str, Any], name: str) -> str:
    value = subject.get(name)
    if not isinstance(value, str) or not value:
        raise SubjectError(f"{name} is a text that is not empty")
    return value

"""Security events: a signed statement of an issuer about tokens that it has issued.

Source: RFC 8417 (security event tokens), Shared Signals Framework 1.0 section 4.1, CAEP 1.0
section 3, OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6.

Only an issuer whose tokens are taken can say anything, by the same keys, and only about its own
subjects. Nobody needs a token to deliver an event: the signature says whose it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bearerguard.core.claims import check_algorithm, check_issuer
from bearerguard.core.event_subject import SubjectError, names_of_session, names_of_subject
from bearerguard.core.flow import choose, key_query, verify_with_newer
from bearerguard.core.policy import Policy
from bearerguard.core.profile_rules import check_key_issuer
from bearerguard.core.queries import Flow, IssuerQuery
from bearerguard.core.revocation import after
from bearerguard.core.signature import verify
from bearerguard.core.times import Claims, check_issued_at
from bearerguard.core.token import TokenHeader, check_size, read_claims, read_header, split
from bearerguard.core.trust import Trust
from bearerguard.errors import RejectedError

# The body of a request with one; the largest examples of the specifications have 2 kB.
MOST_BYTES = 64 * 1024
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SESSION_REVOKED = f"{CAEP}session-revoked"
# What is known of a subject may be old: what is kept is dropped, and nothing is revoked.
CHANGES = frozenset(
    f"{CAEP}{name}"
    for name in ("token-claims-change", "credential-change", "assurance-level-change")
)
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class SecurityEvent(NamedTuple):
    """What an event asks for, and of which names of its issuer's tokens.

    ``revoked`` are tokens issued before ``issued_before``; what is kept of ``changed`` ones is to
    be dropped. ``event_id`` is its ``jti``; ``kinds`` are the names of the events.
    """

    issuer: str
    event_id: str
    kinds: tuple[str, ...]
    revoked: tuple[str, ...]
    issued_before: float
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Receiver:
    """How events know this receiver, and which members of subjects must be understood."""

    audience: frozenset[str]
    critical: frozenset[str] = frozenset()


Read = Callable[[Claims, Policy, Receiver, float], SecurityEvent]


def read_event(
    raw: str, read: Read, trust: Trust, receiver: Receiver, now: float
) -> Flow[SecurityEvent]:
    """Verify an event, and say what it asks for; ``read`` is one of the two below.

    Refuses: what no good event for this receiver is, by RejectedError.
    """
    check_size(raw, MOST_BYTES)
    parts = split(raw)
    header = read_header(parts)
    token = read_claims(header, parts)
    policy = choose(token.claims, trust)
    if isinstance(policy, IssuerQuery):
        policy = (yield policy) or trust.fallback
    _check_type(header, token.claims, read)
    check_algorithm(header, policy)
    check_issuer(token.claims, policy, now)
    _check_audience(token.claims, receiver)
    query = key_query(token, policy)
    keys = yield query
    try:
        verified = verify(token, keys)
    except RejectedError as refusal:
        verified = yield from verify_with_newer(token, keys, query, refusal)
    check_key_issuer(verified.key, policy)
    claims = verified.token.claims
    _required(claims, "iat", int | float)
    # However late it is delivered: MAX_TOKEN_AGE is about access tokens.
    check_issued_at({"iat": claims["iat"]}, replace(policy, max_age_s=None), now)
    return read(claims, policy, receiver, now)


def read_set(claims: Claims, policy: Policy, receiver: Receiver, _now: float) -> SecurityEvent:
    """Read a security event token; events and members that we do not know are passed over.

    Source: RFC 8417 section 2.2, SSF 1.0 sections 4.1.2 to 4.1.8: no ``sub``, no ``exp``, the
    subject is in ``sub_id``.
    Refuses: "wrong_kind_of_token", "claim_missing", "claim_malformed".
    """
    for name in ("sub", "exp"):
        if name in claims:
            raise RejectedError("wrong_kind_of_token", expected="a SET", found=f"claim {name}")
    event_id, events = _required(claims, "jti", str), _required(claims, "events", dict)
    wanted = {SESSION_REVOKED, *CHANGES} & events.keys()
    names: tuple[str, ...] = ()
    if wanted:
        try:
            subject = _required(claims, "sub_id", dict)
            names = names_of_subject(subject, str(policy.issuer), receiver.critical)
        except SubjectError as error:
            raise RejectedError("claim_malformed", expected=str(error)) from None
    is_revoked = SESSION_REVOKED in wanted
    return SecurityEvent(
        issuer=str(policy.issuer),
        event_id=event_id,
        kinds=tuple(sorted(events)),
        revoked=names if is_revoked else (),
        issued_before=_moment(events.get(SESSION_REVOKED), claims["iat"]),
        changed=names if CHANGES & wanted else (),
    )


def read_logout(claims: Claims, policy: Policy, _receiver: Receiver, now: float) -> SecurityEvent:
    """Read a logout token.

    Source: OpenID Connect Back-Channel Logout 1.0 section 2.6. Where it names a session, that one
    ends, and with it those tokens of the subject that do not tell theirs.
    Refuses: "wrong_kind_of_token", "claim_missing", "claim_malformed", "expired".
    """
    if "nonce" in claims:
        raise RejectedError("wrong_kind_of_token", expected="a logout token", found="claim nonce")
    event_id, events = _required(claims, "jti", str), _required(claims, "events", dict)
    _required(events, LOGOUT, dict)
    if "exp" in claims and _required(claims, "exp", int | float) + policy.leeway_s <= now:
        raise RejectedError("expired", expected=f"exp after {now:.0f}", found=claims["exp"])
    user, session = (
        _required(claims, name, str) if name in claims else None for name in ("sub", "sid")
    )
    if user is None and session is None:
        raise RejectedError("claim_missing", expected="sub or sid")
    return SecurityEvent(
        issuer=str(policy.issuer),
        event_id=event_id,
        kinds=(LOGOUT,),
        revoked=names_of_session(user, session),
        issued_before=_moment(None, claims["iat"]),
    )


# Whose typ is what. RFC 8417 section 2.3: a SET says that it is one. A logout token should (Back-
# Channel Logout section 2.4); one that does not is known by its event, which no other token has.
TYPES: dict[Read, frozenset[str | None]] = {
    read_set: frozenset({"secevent+jwt"}),
    read_logout: frozenset({"logout+jwt", "jwt", None}),
}


def _check_type(header: TokenHeader, claims: Claims, read: Read) -> None:
    if header.media_type not in TYPES[read]:
        expected = sorted(str(accepted) for accepted in TYPES[read])
        raise RejectedError("type_mismatch", expected=expected, found=header.typ)
    events = claims.get("events")
    if not isinstance(events, dict):
        raise RejectedError("wrong_kind_of_token", expected="events", found="none")


def _check_audience(claims: Claims, receiver: Receiver) -> None:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(name, str) and name in receiver.audience for name in named):
        expected = sorted(receiver.audience)
        raise RejectedError("audience_mismatch", expected=expected, found=audience)


def _moment(event: object, issued_at: float) -> float:
    """Give before when tokens are revoked: the time of the event, else that of the statement.

    CAEP 1.0 section 2: ``event_timestamp`` is in seconds. No event is later than its statement; one
    in milliseconds, or wrong otherwise, must not revoke tokens that are still to be issued, nor do
    something new when it is delivered again.
    """
    told = event.get("event_timestamp") if isinstance(event, dict) else None
    if isinstance(told, bool) or not isinstance(told, int | float) or told < 0:
        told = issued_at
    return after(min(told, issued_at))


def _required(claims: Claims, name: str, kind: Any) -> Any:
    """Give a claim that must be there and be of this kind; a text must not be empty."""
    if name not in claims:
        raise RejectedError("claim_missing", expected=name)
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, kind) or value == "":
        raise RejectedError("claim_malformed", expected=name)
    return value

"""An opaque token: whom to ask about it, and what the answer must say.

Source: RFC 7662 sections 2.2 and 4.

The same rules judge the answer as the claims of a JWT, on each use of the token anew, so that
nothing depends on how long an answer was kept. Only :func:`active_token` makes the type from which
an :class:`~bearerguard.core.access_token.AccessToken` of an opaque token can be built, and it does
so for an answer that says ``active: true``.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from bearerguard.core.access_token import AccessToken, access_token_of
from bearerguard.core.claims import RULES_AFTER_SIGNATURE, RULES_BEFORE_SIGNATURE, ClaimRule
from bearerguard.core.needs import check_scopes
from bearerguard.core.opaque import policy_of_opaque
from bearerguard.core.policy import Policy
from bearerguard.core.queries import Flow, IntrospectionQuery, RevocationQuery
from bearerguard.core.revocation import check_revoked, names_of, session_of
from bearerguard.core.times import Claims
from bearerguard.core.trust import Trust
from bearerguard.errors import RejectedError


@dataclass(frozen=True, slots=True)
class AnsweredToken:
    """What an issuer says of a token. ``payload`` is the same as JSON."""

    payload: bytes = field(repr=False)
    claims: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ActiveToken:
    """A token that its issuer calls active. Only :func:`active_token` builds one."""

    token: AnsweredToken


def check_token_type(claims: Claims, _policy: Policy, _now: float) -> None:
    """The type of the token, where it is given, must be the scheme by which it came: Bearer.

    Source: RFC 7662 section 2.2, RFC 6749 section 5.1 (case does not count), RFC 9449 section 6.2.
    Refuses: "claim_malformed", "scheme_mismatch".
    """
    found = claims.get("token_type", "Bearer")
    if not isinstance(found, str):
        raise RejectedError("claim_malformed", expected="token_type as a string")
    if found.lower() != "bearer":
        raise RejectedError("scheme_mismatch", expected="Bearer", found=found)


ANSWER_RULES: tuple[ClaimRule, ...] = (
    *RULES_BEFORE_SIGNATURE,
    *RULES_AFTER_SIGNATURE,
    check_token_type,
)


def introspect(raw: str, trust: Trust, now: float) -> Flow[AccessToken]:
    """Decide about an opaque token: ask its issuer, and judge what it says.

    Raises:
        RejectedError: the token is not good for this API.
        UnavailableError: the issuer cannot be asked.
    """
    policy = policy_of_opaque(raw, trust)
    payload = yield introspection_query(raw, policy)
    active = active_token(payload, policy)
    for rule in ANSWER_RULES:
        rule(active.token.claims, policy, now)
    token = authorize_active(active, policy)
    yield from check_revocation_of_active(active, token, policy, now)
    return token


def check_revocation_of_active(
    active: ActiveToken, token: AccessToken, policy: Policy, now: float
) -> Flow[None]:
    """Nobody may have told us that the token is revoked, whatever its issuer has said so far.

    Refuses: "revoked".
    """
    names = names_of(token, session_of(active.token.claims))
    marks = yield RevocationQuery(token.issuer, names)
    check_revoked(token, marks, policy.leeway_s, now)


def introspection_query(raw: str, policy: Policy) -> IntrospectionQuery:
    """Ask the issuer whose policy it is, and nobody else."""
    return IntrospectionQuery(str(policy.issuer), raw)


def active_token(payload: bytes, policy: Policy) -> ActiveToken:
    """Take what an issuer says of a token, where it says that the token is active.

    Source: RFC 7662 section 2.2: ``active`` is a boolean. Who was asked has answered, so that a
    missing ``iss`` means that issuer.
    Refuses: "token_inactive", for whatever is not exactly true.
    """
    claims = json.loads(payload)
    if claims.get("active") is not True:
        raise RejectedError("token_inactive", expected="active: true")
    if "iss" not in claims:
        claims["iss"] = policy.issuer
        payload = json.dumps(claims).encode()
    return ActiveToken(AnsweredToken(payload, claims))


def authorize_active(active: ActiveToken, policy: Policy) -> AccessToken:
    """Read what the token allows, and check the scopes that every route needs.

    Refuses: "claim_malformed", "scope_insufficient".
    """
    token = access_token_of(active, policy)
    if policy.required_scopes:
        check_scopes(policy.required_scopes, token)
    return token

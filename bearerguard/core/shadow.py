"""What a stricter policy would say of a token that the live one has just admitted.

Its issuer, its signature and that nobody revoked it are known by then: neither the network nor
cryptography is needed, only the rules about the header and the claims.
"""

from bearerguard.core.access_token import AccessToken, scopes_of
from bearerguard.core.claims import HEADER_RULES, RULES_AFTER_SIGNATURE, RULES_BEFORE_SIGNATURE
from bearerguard.core.opaque import is_opaque
from bearerguard.core.policy import Policy, policy_for_answers
from bearerguard.core.token import read_header, split
from bearerguard.core.trust import Trust
from bearerguard.errors import RejectedError


def reason_to_refuse(
    raw: str, token: AccessToken, policy: Policy, trust: Trust, now: float
) -> str | None:
    """Give the reason for which ``policy`` would refuse a token; None where it would admit it.

    Source: RFC 9068 section 4, in the order of :mod:`bearerguard.core.flow`.
    """
    try:
        if trust.opaque and is_opaque(raw, trust.max_bytes):
            policy = policy_for_answers(policy)
        else:
            header = read_header(split(raw))
            for about_header in HEADER_RULES:
                about_header(header, policy)
        claims = token.claims
        for rule in (*RULES_BEFORE_SIGNATURE, *RULES_AFTER_SIGNATURE):
            rule(claims, policy, now)
        is_short = not scopes_of(claims, policy).issuperset(policy.required_scopes)
    except RejectedError as refusal:
        return refusal.reason
    return "scope_insufficient" if is_short else None

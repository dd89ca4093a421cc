"""A signed answer about a token: a JWT of the issuer for this API alone.

Source: RFC 9701 sections 4 and 5, RFC 8725 section 3.

Whatever is wrong with it is the issuer's fault, or that of somebody on the way: nobody knows then
whether the token is good, so that each refusal here is 503.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from bearerguard.core.claims import ClaimRule, check_algorithm, check_audience, check_issuer
from bearerguard.core.policy import Policy
from bearerguard.core.profile_rules import check_key_issuer
from bearerguard.core.queries import KeyQuery
from bearerguard.core.signature import verify
from bearerguard.core.times import Claims, check_expiry, check_issued_at, check_not_before
from bearerguard.core.token import TokenHeader, check_size, read_claims, read_header, split
from bearerguard.errors import RejectedError, UnavailableError

MEDIA_TYPE = "token-introspection+jwt"
# exp is not asked for, and counts where it is given.
REQUIRED = frozenset({"iss", "aud", "iat"})
ANSWER_JWT_RULES: Sequence[ClaimRule] = (
    check_issuer,
    check_audience,
    check_issued_at,
    check_not_before,
)


def read_signed_answer(
    answer: str, policy: Policy, client_id: str, max_bytes: int, now: float
) -> Generator[KeyQuery, Any, dict[str, Any]]:
    """Verify a signed answer and give what it says of the token.

    ``policy`` is that of the issuer's tokens, ``client_id`` the name of this API at the issuer.
    Source: RFC 9701 section 5: ``aud`` names the API that asked, which has a name as a client and
    those that its tokens use; what is about the token stands in ``token_introspection`` and nowhere
    else.

    Raises:
        UnavailableError: it is not such an answer of this issuer for this API.
    """
    ours = replace(policy, audiences=(client_id, *policy.audiences), max_age_s=None)
    try:
        check_size(answer, max_bytes)
        parts = split(answer)
        header = read_header(parts)
        _check_header(header, ours)
        token = read_claims(header, parts)
        keys = yield KeyQuery(str(policy.issuer), header.kid, header.alg)
        verified = verify(token, keys)
        check_key_issuer(verified.key, policy)
        _check_claims(verified.token.claims, ours, now)
    except RejectedError as refusal:
        facts = f"expected {refusal.expected!s:.200}, found {refusal.found!s:.200}"
        raise UnavailableError(f"the signed answer: {refusal.reason}, {facts}") from None
    about_token = token.claims.get("token_introspection")
    if not isinstance(about_token, dict):
        raise UnavailableError("the signed answer has no object token_introspection")
    return about_token


def _check_header(header: TokenHeader, policy: Policy) -> None:
    if header.media_type != MEDIA_TYPE:
        raise RejectedError("type_mismatch", expected=MEDIA_TYPE, found=header.typ)
    check_algorithm(header, policy)


def _check_claims(claims: Claims, policy: Policy, now: float) -> None:
    missing = sorted(REQUIRED - claims.keys())
    if missing:
        raise RejectedError("claim_missing", expected=missing)
    for rule in ANSWER_JWT_RULES:
        rule(claims, policy, now)
    if "exp" in claims:
        check_expiry(claims, policy, now)

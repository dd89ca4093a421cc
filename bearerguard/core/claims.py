"""The claim rules: one function a rule, and the order in which they run.

Source: RFC 9068 section 4, RFC 7519 section 4.1, RFC 8725 section 3.

The first rules run before the signature is verified, so that a hopeless token costs no
cryptography; they can only refuse. Every rule runs once for every token, what depends on the time
at each use (:func:`validity`); only :func:`bearerguard.core.signature.verify` makes the type from
which an :class:`~bearerguard.core.access_token.AccessToken` can be built.
"""

from collections.abc import Callable, Iterable, Mapping

from bearerguard.core.pointer import ABSENT
from bearerguard.core.policy import Policy
from bearerguard.core.profile_rules import check_client, check_match
from bearerguard.core.times import (
    Claims,
    check_auth_time,
    check_expiry,
    check_issued_at,
    check_not_before,
)
from bearerguard.core.token import TokenHeader
from bearerguard.errors import RejectedError

HeaderRule = Callable[[TokenHeader, Policy], None]
ClaimRule = Callable[[Claims, Policy, float], None]


def check_type(header: TokenHeader, policy: Policy) -> None:
    """The token must say that it is an access token.

    Source: RFC 9068 section 4, RFC 8725 section 3.11.
    Refuses: "type_mismatch", "wrong_kind_of_token".
    """
    if header.media_type not in policy.profile.token_types:
        expected = sorted(str(accepted) for accepted in policy.profile.token_types)
        raise RejectedError("type_mismatch", expected=expected, found=header.typ)
    if header.has_nonce and policy.profile.refuses_header_nonce:
        found = "nonce in the header: a token for Microsoft Graph, which Graph alone can verify"
        raise RejectedError("wrong_kind_of_token", expected="an access token", found=found)


def check_algorithm(header: TokenHeader, policy: Policy) -> None:
    """The algorithm must be one that this API allows, whatever the key could do.

    Source: RFC 8725 section 3.1, RFC 7515 section 5.2 (compared exactly; "none" is never allowed).
    Refuses: "algorithm_not_allowed".
    """
    if header.alg not in policy.algorithms:
        expected = sorted(policy.algorithms)
        raise RejectedError("algorithm_not_allowed", expected=expected, found=header.alg)


def check_issuer(claims: Claims, policy: Policy, _now: float) -> None:
    """The token must come from the policy's issuer, compared code point by code point.

    Source: RFC 9068 section 4, RFC 7519 section 4.1.1, RFC 8725 section 3.8.
    Refuses: "issuer_missing", "claim_malformed", "issuer_mismatch"; every token under a policy of
    no issuer.
    """
    issuer = claims.get("iss", ABSENT)
    if isinstance(issuer, str) and issuer == policy.issuer:
        return
    expected = policy.known_issuers if policy.issuer is None else policy.issuer
    if issuer is ABSENT:
        raise RejectedError("issuer_missing", expected=expected)
    if not isinstance(issuer, str):
        raise RejectedError("claim_malformed", expected="iss as a string")
    raise RejectedError("issuer_mismatch", expected=expected, found=issuer)


def check_audience(claims: Claims, policy: Policy, _now: float) -> None:
    """The token must be meant for this API.

    Where an issuer's tokens name no audience, the list of clients stands in for it, or the issuer
    itself, which then serves this API alone; an audience that is there must fit in every case.
    Source: RFC 9068 section 4, RFC 7519 section 4.1.3, RFC 8725 section 3.9.
    Refuses: "audience_missing", "claim_malformed", "audience_mismatch".
    """
    audience = claims.get("aud", ABSENT)
    if audience is ABSENT and _may_lack_audience(policy):
        return
    if audience is ABSENT:
        raise RejectedError("audience_missing", expected=policy.audiences)
    if not isinstance(audience, str) and not _is_list_of_strings(audience):
        raise RejectedError("claim_malformed", expected="aud as a string or an array of strings")
    named = [audience] if isinstance(audience, str) else audience
    # Sets, because a stranger's token may name thousands.
    if set(policy.audiences).isdisjoint(named):
        raise RejectedError("audience_mismatch", expected=policy.audiences, found=named)


def check_required(claims: Claims, policy: Policy, _now: float) -> None:
    """Every claim that the profile demands must be there.

    Source: RFC 9068 section 2.2.
    Refuses: "claim_missing".
    """
    if not claims.keys() >= policy.profile.required_claims:
        missing = sorted(policy.profile.required_claims - claims.keys())
        raise RejectedError("claim_missing", expected=missing)
    for group in policy.profile.one_of:
        if group.isdisjoint(claims):
            raise RejectedError("claim_missing", expected=" or ".join(sorted(group)))


def check_strings(claims: Claims, policy: Policy, _now: float) -> None:
    """Identifiers are non-empty strings; acr is a string and amr an array of strings.

    Source: RFC 7519 sections 4.1.2 and 4.1.7, RFC 9068 sections 2.2 and 2.2.1.
    Refuses: "claim_malformed".
    """
    for name in ("sub", "client_id", "jti", "acr"):
        value = claims.get(name, name)
        if not value or not isinstance(value, str):
            raise RejectedError("claim_malformed", expected=f"{name} as a non-empty string")
    amr = claims.get("amr", ABSENT)
    is_read = amr is not ABSENT and "amr" not in policy.profile.unread_claims
    if is_read and not _is_list_of_strings(amr):
        raise RejectedError("claim_malformed", expected="amr as an array of strings")


def check_kind(claims: Claims, policy: Policy, _now: float) -> None:
    """A token with the mark of another kind is not an access token.

    Source: RFC 8725 section 3.12, RFC 9068 section 5. Where typ cannot tell, these claims do.
    Refuses: "wrong_kind_of_token".
    """
    foreign = policy.profile.foreign_claims
    if not foreign.isdisjoint(claims):
        found = sorted(foreign.intersection(claims))
        raise RejectedError("wrong_kind_of_token", expected="an access token", found=found)
    for name, accepted in policy.profile.kind_claims.items():
        # A list or an object cannot be hashed, and is none of the accepted strings either.
        if name in claims and not (isinstance(claims[name], str) and claims[name] in accepted):
            raise RejectedError("wrong_kind_of_token", expected=sorted(accepted), found=name)


def check_binding(claims: Claims, _policy: Policy, _now: float) -> None:
    """A token bound to a key is never taken as a plain Bearer token.

    Source: RFC 7800 section 3.1, RFC 9449 section 7.2, RFC 8705 section 3. RFC 7800 would let an
    unknown method pass; that is a downgrade, so we do not.
    Refuses: "claim_malformed", "token_bound".
    """
    if "cnf" not in claims:
        return
    if not isinstance(claims["cnf"], dict):
        raise RejectedError("claim_malformed", expected="cnf as an object")
    raise RejectedError("token_bound", expected="a token without cnf", found=sorted(claims["cnf"]))


HEADER_RULES: tuple[HeaderRule, ...] = (check_type, check_algorithm)
# A rule here that looks at the time has its part in validity() below.
RULES_BEFORE_SIGNATURE: tuple[ClaimRule, ...] = (
    check_expiry,
    check_not_before,
    check_issued_at,
    check_issuer,
    check_audience,
)
RULES_AFTER_SIGNATURE: tuple[ClaimRule, ...] = (
    check_kind,  # before what another kind of token lacks: it should be told what it is
    check_required,
    check_strings,
    check_auth_time,
    check_binding,
    check_client,
    check_match,
)
# These have nothing to say where their claim is not there: then they need not be called.
ABOUT_ONE_CLAIM: Mapping[ClaimRule, str] = {
    check_not_before: "nbf",
    check_auth_time: "auth_time",
    check_binding: "cnf",
}


def with_claims(rules: Iterable[ClaimRule]) -> tuple[tuple[str | None, ClaimRule], ...]:
    """Put before each rule the claim without which it need not be called."""
    return tuple((ABOUT_ONE_CLAIM.get(rule), rule) for rule in rules)


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _may_lack_audience(policy: Policy) -> bool:
    missing = policy.profile.missing_audience
    return missing == "issuer" or (missing == "client" and policy.clients is not None)

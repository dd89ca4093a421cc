"""The whole way of a request, in order. Start reading here.

The order of the checks is fixed: size, shape, header, typ, alg, times, iss, aud, key, signature,
remaining claims. What can be refused without cryptography is refused before it, and an anonymous
forger learns nothing of the configuration, because all these refusals look alike from outside.

With several issuers the claims are read before the header is judged, because ``iss`` selects the
policy by which everything else is judged; a token with several defects is refused for the same one
as ever.

What a flow may have to wait for are a key and, where issuers are looked up, the policy of one. It
yields a :class:`KeyQuery` or an :class:`IssuerQuery` and is sent the answer; a driver that blocks
and one that awaits serve the same flow (:mod:`bearerguard.drivers`).

A token that was verified before (:class:`~bearerguard.core.known_token.KnownToken`) is not verified
again: what cannot change is believed, everything else is looked at as for a new one.
"""

from collections.abc import Sequence

from bearerguard.core.access import Access
from bearerguard.core.access_token import AccessToken
from bearerguard.core.claims import (
    HEADER_RULES,
    RULES_AFTER_SIGNATURE,
    RULES_BEFORE_SIGNATURE,
    Claims,
)
from bearerguard.core.credentials import read_token
from bearerguard.core.key_set import Key
from bearerguard.core.known_token import KnownToken, known_token_of
from bearerguard.core.needs import all_of, check_need
from bearerguard.core.policy import Policy
from bearerguard.core.queries import Flow, IssuerQuery, KeyQuery
from bearerguard.core.request import RequestView
from bearerguard.core.signature import VerifiedToken, verify
from bearerguard.core.token import (
    TokenHeader,
    TokenParts,
    UnverifiedToken,
    check_size,
    read_claims,
    read_header,
    split,
)
from bearerguard.core.trust import Trust
from bearerguard.errors import RejectedError


def credentials(request: RequestView, access: Access) -> str | None:
    """Give the token that a request has to show, or None for an anonymous caller who may pass.

    Source: RFC 9700 section 2.3 (deny what nobody allowed), RFC 6750 sections 2.1 and 3.1.
    Refuses: "no_credentials", "credentials_malformed", "credentials_repeated".
    """
    if access.need is None and access.public:
        return None  # on a public path credentials are not looked at
    if (
        request.method == "OPTIONS"  # spares nearly all requests the call
        and request.is_preflight()
        and not (access.need is not None and access.answers_options)
    ):
        return None  # it never carries credentials (Fetch standard); the CORS layer answers it
    raw = read_token(request.field("authorization"))
    if raw is None and (access.need is not None or not access.optional):
        raise RejectedError("no_credentials")
    return raw


def authenticate(
    raw: str, trust: Trust, now: float, known: KnownToken | None = None
) -> Flow[KnownToken]:
    """Decide about one token: everything that does not depend on the route.

    ``known`` is what came of the very same token before. Then this gives it back, unless something
    has changed since.
    Source: RFC 9068 section 4, RFC 8725 section 3.

    Raises:
        RejectedError: the token is not good for this API.
        UnavailableError: no keys, or no policy, to decide with.
    """
    if known is not None and known.valid_from <= now < known.valid_until:
        issuer = known.query.issuer
        policy = trust.policies.get(issuer) or (yield IssuerQuery(issuer))
        # Whose policy is gone has no keys to be asked for either: it is decided as for a new token.
        if policy is known.policy and known.holds(policy, (yield known.query), now):
            return known
    check_size(raw, trust.max_bytes)
    parts = split(raw)
    header = read_header(parts)
    policy = trust.only
    if policy is None:
        token, policy = yield from _read_of_several(header, parts, trust)
    else:
        _check_header(header, policy)
        token = read_claims(header, parts)
    claims = token.claims
    for rule in RULES_BEFORE_SIGNATURE:
        rule(claims, policy, now)
    query = key_query(token, policy)
    keys = yield query
    try:
        verified = verify(token, keys)
    except RejectedError as refusal:
        verified = yield from verify_with_newer(token, keys, query, refusal)
    for rule in RULES_AFTER_SIGNATURE:
        rule(claims, policy, now)
    return authorize(verified, policy, query)


def enforce(access: Access, token: AccessToken) -> None:
    """Enforce what the route of a request needs.

    Source: RFC 6750 section 3.1, RFC 9068 section 4.
    Refuses: "no_rule_for_path", "scope_insufficient".
    """
    if access.unruled:
        raise RejectedError("no_rule_for_path", expected="a path that the rules name")
    if access.need is not None:
        check_need(access.need, token)


def choose(claims: Claims | None, trust: Trust) -> Flow[Policy]:
    """Choose the policy by which to judge a token; ``claims`` None could not be read.

    Source: RFC 8725 sections 3.1 and 3.8. This only selects: :func:`check_issuer` decides.
    """
    if trust.only is not None:
        return trust.only
    issuer = None if claims is None else claims.get("iss")
    if not isinstance(issuer, str):
        return trust.fallback
    policy = trust.policies.get(issuer)
    if policy is None and trust.patterns.allows(issuer):
        policy = yield IssuerQuery(issuer)
    return trust.fallback if policy is None else policy


def key_query(token: UnverifiedToken, policy: Policy) -> KeyQuery:
    """Ask for a key of the issuer whose policy judges the token, whatever the token says.

    Refuses: "key_unknown" under a policy of no issuer.
    """
    if policy.issuer is None:
        raise RejectedError("key_unknown", expected="a key of a known issuer")
    return KeyQuery(policy.issuer, token.header.kid, token.header.alg)


def verify_with_newer(
    token: UnverifiedToken, keys: Sequence[Key], query: KeyQuery, refusal: RejectedError
) -> Flow[VerifiedToken]:
    """Where no key id chose the keys that failed, try those that were published since.

    A new key with an id of its own is asked for by that. A token without a key id, or keys without
    any, would be refused from a rotation to the end of the keys' time to live.
    Refuses: as :func:`verify` did, whose ``refusal`` is given.
    """
    if query.kid is not None and all(key.kid == query.kid for key in keys):
        raise refusal
    try:
        newer = yield query._replace(tried=tuple(keys))
    except RejectedError:
        raise refusal from None
    return verify(token, newer)


def authorize(verified: VerifiedToken, policy: Policy, query: KeyQuery) -> KnownToken:
    """Read what the token allows, and check the scopes that every route needs.

    Refuses: "claim_malformed", "scope_insufficient".
    """
    known = known_token_of(verified, policy, query)
    if policy.required_scopes:
        check_need(all_of(*policy.required_scopes), known.token)
    return known


def _read_of_several(
    header: TokenHeader, parts: TokenParts, trust: Trust
) -> Flow[tuple[UnverifiedToken, Policy]]:
    try:
        token = read_claims(header, parts)
    except RejectedError:
        _check_header(header, trust.fallback)  # the header comes first in the order of refusals
        raise
    policy = yield from choose(token.claims, trust)
    _check_header(header, policy)
    return token, policy


def _check_header(header: TokenHeader, policy: Policy) -> None:
    for rule in HEADER_RULES:
        rule(header, policy)

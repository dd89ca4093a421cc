"""The whole way of a token, in order. Start reading here.

The order of the checks is fixed: size, shape, header, typ, alg, times, iss, aud, key, signature,
remaining claims. What can be refused without cryptography is refused before it, and an anonymous
forger learns nothing of the configuration, because all these refusals look alike from outside.

With several issuers the claims are read before the header is judged, because ``iss`` selects the
policy by which everything else is judged; a token with several defects is refused for the same one
as ever.

What a decision may have to wait for are a key and, where issuers are looked up, the policy of one.
Mostly they are there, and :func:`decide` goes straight through. Else the rest of the way is a flow:
it yields a :class:`KeyQuery` or an :class:`IssuerQuery` and is sent the answer; a driver that
blocks and one that awaits serve the same flow (:mod:`bearerguard.drivers`).

What a request has to show, and what its route needs of the token, is decided before and after this,
in :mod:`bearerguard.core.admission`.

An opaque token goes another way from the very beginning (:mod:`bearerguard.core.introspection`),
where an issuer is configured to be asked about such tokens.

A token that was verified before (:class:`~bearerguard.core.known_token.KnownToken`) is not verified
again: what cannot change is believed, everything else is looked at as for a new one.
"""

from collections.abc import Callable, Sequence

from bearerguard.core.access_token import AccessToken
from bearerguard.core.claims import (
    HEADER_RULES,
    RULES_AFTER_SIGNATURE,
    RULES_BEFORE_SIGNATURE,
    with_claims,
)
from bearerguard.core.introspection import introspect
from bearerguard.core.key_set import Key
from bearerguard.core.known_token import KnownToken, known_token_of
from bearerguard.core.needs import check_scopes
from bearerguard.core.opaque import is_opaque
from bearerguard.core.policy import Policy
from bearerguard.core.profile_rules import check_key_issuer
from bearerguard.core.queries import Flow, IssuerQuery, KeyQuery
from bearerguard.core.signature import VerifiedToken, verify
from bearerguard.core.times import Claims
from bearerguard.core.token import (
    TokenHeader,
    UnverifiedToken,
    check_size,
    read_claims,
    read_header,
    split,
)
from bearerguard.core.trust import Trust
from bearerguard.errors import RejectedError

# An opaque token is not known from one use to the next: what its issuer said of it is.
Decided = KnownToken | AccessToken
EARLY_RULES, LATE_RULES = with_claims(RULES_BEFORE_SIGNATURE), with_claims(RULES_AFTER_SIGNATURE)


def decide(
    raw: str,
    trust: Trust,
    now: float,
    at_once: Callable[[KeyQuery], Sequence[Key] | None],
    known: KnownToken | None = None,
) -> KnownToken | Flow[Decided]:
    """Decide about one token: everything that does not depend on the route.

    ``at_once`` gives the keys that are there, as they nearly always are. Where something has to be
    asked for, what comes back is the rest of the way, as a flow. ``known`` is what came of the very
    same token before, where it is not sure to hold any more.
    Source: RFC 9068 section 4, RFC 8725 section 3.

    Raises:
        RejectedError: the token is not good for this API; the flow raises it, too.
        UnavailableError: only the flow does, without keys or a policy to decide with.
    """
    if known is not None:
        return authenticate(raw, trust, now, known)
    if trust.opaque and is_opaque(raw, trust.max_bytes):
        return introspect(raw, trust, now)
    token, policy = _read(raw, trust)
    if isinstance(policy, IssuerQuery):
        return _after_asking_who(token, policy, trust, now)
    query = _refuse_early(token, policy, now)
    keys = at_once(query)
    # Of several keys, or one that no id chose, another one may have been published since.
    if keys is None or len(keys) != 1 or keys[0].kid is None or keys[0].kid != query.kid:
        return _after_asking_for_keys(token, policy, query, now)
    return _conclude(verify(token, keys), policy, query, now)


def authenticate(
    raw: str, trust: Trust, now: float, known: KnownToken | None = None
) -> Flow[Decided]:
    """Do the same as one flow that asks for everything.

    What is known is given back, unless something has changed since.
    """
    if known is not None and known.valid_from <= now < known.valid_until:
        issuer = known.query.issuer
        policy = trust.policies.get(issuer) or (yield IssuerQuery(issuer))
        # Whose policy is gone has no keys to be asked for either: it is decided as for a new token.
        if policy is known.policy and known.holds(policy, (yield known.query), now):
            return known
    if trust.opaque and is_opaque(raw, trust.max_bytes):
        return (yield from introspect(raw, trust, now))
    token, policy = _read(raw, trust)
    if isinstance(policy, IssuerQuery):
        return (yield from _after_asking_who(token, policy, trust, now))
    query = _refuse_early(token, policy, now)
    return (yield from _after_asking_for_keys(token, policy, query, now))


def _after_asking_who(
    token: UnverifiedToken, query: IssuerQuery, trust: Trust, now: float
) -> Flow[KnownToken]:
    policy = (yield query) or trust.fallback
    _check_header(token.header, policy)
    keys_wanted = _refuse_early(token, policy, now)
    return (yield from _after_asking_for_keys(token, policy, keys_wanted, now))


def _after_asking_for_keys(
    token: UnverifiedToken, policy: Policy, query: KeyQuery, now: float
) -> Flow[KnownToken]:
    keys = yield query
    try:
        verified = verify(token, keys)
    except RejectedError as refusal:
        verified = yield from verify_with_newer(token, keys, query, refusal)
    return _conclude(verified, policy, query, now)


def choose(claims: Claims | None, trust: Trust) -> Policy | IssuerQuery:
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
        return IssuerQuery(issuer)
    return policy or trust.fallback


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

    Refuses: "key_of_another_issuer", "claim_malformed", "scope_insufficient".
    """
    check_key_issuer(verified.key, policy)
    known = known_token_of(verified, policy, query)
    if policy.required_scopes:
        check_scopes(policy.required_scopes, known.token)
    return known


def _read(raw: str, trust: Trust) -> tuple[UnverifiedToken, Policy | IssuerQuery]:
    """Take a token apart, and tell by whose rules to judge it, or of whom to ask for them."""
    check_size(raw, trust.max_bytes)
    parts = split(raw)
    header = read_header(parts)
    if trust.only is not None:
        _check_header(header, trust.only)
        return read_claims(header, parts), trust.only
    try:
        token = read_claims(header, parts)
    except RejectedError:
        _check_header(header, trust.fallback)  # the header comes first in the order of refusals
        raise
    policy = choose(token.claims, trust)
    if isinstance(policy, Policy):
        _check_header(header, policy)
    return token, policy


def _check_header(header: TokenHeader, policy: Policy) -> None:
    for rule in HEADER_RULES:
        rule(header, policy)


def _refuse_early(token: UnverifiedToken, policy: Policy, now: float) -> KeyQuery:
    """Refuse what needs no cryptography to be refused, and say which keys the rest needs."""
    claims = token.claims
    for about, rule in EARLY_RULES:
        if about is None or about in claims:
            rule(claims, policy, now)
    return key_query(token, policy)


def _conclude(verified: VerifiedToken, policy: Policy, query: KeyQuery, now: float) -> KnownToken:
    claims = verified.token.claims
    for about, rule in LATE_RULES:
        if about is None or about in claims:
            rule(claims, policy, now)
    return authorize(verified, policy, query)

"""The whole way of a request, in order. Start reading here.

The order of the checks is fixed: size, shape, header, typ, alg, times, iss, aud, key, signature,
remaining claims. What can be refused without cryptography is refused before it, and an anonymous
forger learns nothing of the configuration, because all these refusals look alike from outside.

With several issuers the claims are read before the header is judged, because ``iss`` selects the
policy by which everything else is judged; a token with several defects is refused for the same one
as ever.

What a flow may have to wait for are a key and, where issuers are looked up, the policy of one. It
yields a :class:`KeyQuery` or an :class:`IssuerQuery` and is sent the answer; a driver that blocks
and one that awaits serve the same flow (see :mod:`bearerguard.guard`).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bearerguard.core.access import Access
from bearerguard.core.access_token import AccessToken, access_token_of
from bearerguard.core.claims import (
    HEADER_RULES,
    RULES_AFTER_SIGNATURE,
    RULES_BEFORE_SIGNATURE,
    Claims,
)
from bearerguard.core.credentials import read_token
from bearerguard.core.jwk import Key
from bearerguard.core.needs import all_of, check_need
from bearerguard.core.policy import Policy
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


@dataclass(frozen=True)
class KeyQuery:
    """Which keys a token asks for. ``kid`` is None where the token names none.

    The answer is a sequence of keys of this issuer, or RejectedError or UnavailableError thrown.
    ``tried`` are keys that turned out not to be the one: the answer has none of them.
    """

    issuer: str
    kid: str | None
    alg: str
    tried: tuple[Key, ...] = ()


@dataclass(frozen=True)
class IssuerQuery:
    """Whose tokens these are; asked only for an issuer that the trust's patterns allow.

    The answer is the issuer's policy, or None where there is no such issuer, or UnavailableError
    thrown.
    """

    issuer: str


Query = KeyQuery | IssuerQuery
Result = TypeVar("Result")
# What is sent depends on the query: keys, or a policy or None.
Flow = Generator[Query, Any, Result]


def admit(
    request: RequestView, access: Access, trust: Trust, now: float
) -> Flow[AccessToken | None]:
    """Decide about one request: a token, None for an anonymous caller who may pass, or a refusal.

    Source: RFC 9700 section 2.3 (deny what nobody allowed), RFC 6750 section 3.1.

    Raises:
        RejectedError: the caller's fault.
        UnavailableError: no keys, or no policy, to decide with.
    """
    if access.need is None and access.public:
        return None  # on a public path credentials are not looked at
    if request.is_preflight() and not (access.need is not None and access.answers_options):
        return None  # it never carries credentials (Fetch standard); the CORS layer answers it
    raw = read_token(request.field("authorization"))
    if raw is None:
        if access.need is None and access.optional:
            return None
        raise RejectedError("no_credentials")
    token = yield from authenticate(raw, trust, now)
    if access.unruled:
        raise RejectedError("no_rule_for_path", expected="a path that the rules name")
    if access.need is not None:
        check_need(access.need, token)
    return token


def authenticate(raw: str, trust: Trust, now: float) -> Flow[AccessToken]:
    """Decide about one token: everything that does not depend on the route.

    Source: RFC 9068 section 4, RFC 8725 section 3.

    Raises:
        RejectedError: the token is not good for this API.
        UnavailableError: no keys, or no policy, to decide with.
    """
    unverified, policy = yield from read(raw, trust)
    for rule in RULES_BEFORE_SIGNATURE:
        rule(unverified.claims, policy, now)
    keys = yield key_query(unverified, policy)
    verified = yield from verify_with(unverified, policy, keys)
    for rule in RULES_AFTER_SIGNATURE:
        rule(verified.token.claims, policy, now)
    return authorize(verified, policy)


def read(raw: str, trust: Trust) -> Flow[tuple[UnverifiedToken, Policy]]:
    """Take a token apart, choose the policy for it and check what its header says of it.

    Source: RFC 7515 section 5.2, RFC 8725 sections 3.1 and 3.11.
    Refuses: what :mod:`bearerguard.core.token` and the header rules refuse.
    """
    check_size(raw, trust.max_bytes)
    parts = split(raw)
    header = read_header(parts)
    if trust.only is None:
        return (yield from _read_of_several(header, parts, trust))
    _check_header(header, trust.only)
    return UnverifiedToken(header, parts, read_claims(parts)), trust.only


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


def key_query(token: UnverifiedToken, policy: Policy, tried: Sequence[Key] = ()) -> KeyQuery:
    """Ask for a key of the issuer whose policy judges the token, whatever the token says.

    Refuses: "key_unknown" under a policy of no issuer.
    """
    if policy.issuer is None:
        raise RejectedError("key_unknown", expected="a key of a known issuer")
    return KeyQuery(policy.issuer, token.header.kid, token.header.alg, tuple(tried))


def verify_with(token: UnverifiedToken, policy: Policy, keys: Sequence[Key]) -> Flow[VerifiedToken]:
    """Verify the signature; where no key id chose the keys, perhaps with one published since.

    A new key with an id of its own is asked for by that. A token without a key id, or keys without
    any, would be refused from a rotation to the end of the keys' time to live.
    Refuses: "key_unsuitable", "signature_invalid".
    """
    try:
        return verify(token, keys)
    except RejectedError as refusal:
        kid = token.header.kid
        if kid is not None and all(key.kid == kid for key in keys):
            raise
        try:
            newer = yield key_query(token, policy, tried=keys)
        except RejectedError:
            raise refusal from None
    return verify(token, newer)


def authorize(verified: VerifiedToken, policy: Policy) -> AccessToken:
    """Read what the token allows, and check the scopes that every route needs.

    Refuses: "claim_malformed", "scope_insufficient".
    """
    token = access_token_of(verified, policy)
    if policy.required_scopes:
        check_need(all_of(*policy.required_scopes), token)
    return token


def _read_of_several(
    header: TokenHeader, parts: TokenParts, trust: Trust
) -> Flow[tuple[UnverifiedToken, Policy]]:
    try:
        claims = read_claims(parts)
    except RejectedError:
        _check_header(header, trust.fallback)  # the header comes first in the order of refusals
        raise
    policy = yield from choose(claims, trust)
    _check_header(header, policy)
    return UnverifiedToken(header, parts, claims), policy


def _check_header(header: TokenHeader, policy: Policy) -> None:
    for rule in HEADER_RULES:
        rule(header, policy)

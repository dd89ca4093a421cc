"""The whole way of a request, in order. Start reading here.

The order of the checks is fixed: size, shape, header, typ, alg, times, iss, aud, key, signature,
remaining claims. What can be refused without cryptography is refused before it, and an anonymous
forger learns nothing of the configuration, because all these refusals look alike from outside.

The one thing that a flow may have to wait for is a key. It yields a :class:`KeyQuery` and is sent
the keys that fit; a driver that blocks and one that awaits serve the same flow (see
:mod:`bearerguard.guard`).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bearerguard.core.access import Access
from bearerguard.core.access_token import AccessToken, access_token_of
from bearerguard.core.claims import HEADER_RULES, RULES_AFTER_SIGNATURE, RULES_BEFORE_SIGNATURE
from bearerguard.core.credentials import read_token
from bearerguard.core.jwk import Key
from bearerguard.core.needs import all_of, check_need
from bearerguard.core.policy import Policy
from bearerguard.core.request import RequestView
from bearerguard.core.signature import VerifiedToken, verify
from bearerguard.core.token import UnverifiedToken, check_size, read_claims, read_header, split
from bearerguard.errors import RejectedError


@dataclass(frozen=True)
class KeyQuery:
    """Which keys a token asks for. ``kid`` is None where the token names none."""

    kid: str | None
    alg: str


Result = TypeVar("Result")
Flow = Generator[KeyQuery, Sequence[Key], Result]


def admit(
    request: RequestView, access: Access, policy: Policy, now: float
) -> Flow[AccessToken | None]:
    """Decide about one request: a token, None for an anonymous caller who may pass, or a refusal.

    Source: RFC 9700 section 2.3 (deny what nobody allowed), RFC 6750 section 3.1.

    Raises:
        RejectedError: the caller's fault.
        UnavailableError: no keys to decide with.
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
    token = yield from authenticate(raw, policy, now)
    if access.unruled:
        raise RejectedError("no_rule_for_path", expected="a path that the rules name")
    if access.need is not None:
        check_need(access.need, token)
    return token


def authenticate(raw: str, policy: Policy, now: float) -> Flow[AccessToken]:
    """Decide about one token: everything that does not depend on the route.

    Source: RFC 9068 section 4, RFC 8725 section 3.

    Raises:
        RejectedError: the token is not good for this API.
        UnavailableError: no keys to decide with.
    """
    unverified = read(raw, policy)
    for rule in RULES_BEFORE_SIGNATURE:
        rule(unverified.claims, policy, now)
    keys = yield KeyQuery(unverified.header.kid, unverified.header.alg)
    verified = verify(unverified, keys)
    for rule in RULES_AFTER_SIGNATURE:
        rule(verified.token.claims, policy, now)
    return authorize(verified, policy)


def read(raw: str, policy: Policy) -> UnverifiedToken:
    """Take a token apart and check what its header says of it.

    Source: RFC 7515 section 5.2, RFC 8725 sections 3.1 and 3.11.
    Refuses: what :mod:`bearerguard.core.token` and the header rules refuse.
    """
    check_size(raw, policy.max_bytes)
    parts = split(raw)
    header = read_header(parts)
    for rule in HEADER_RULES:
        rule(header, policy)
    return UnverifiedToken(header, parts, read_claims(parts))


def authorize(verified: VerifiedToken, policy: Policy) -> AccessToken:
    """Read what the token allows, and check the scopes that every route needs.

    Refuses: "claim_malformed", "scope_insufficient".
    """
    token = access_token_of(verified, policy)
    if policy.required_scopes:
        check_need(all_of(*policy.required_scopes), token)
    return token

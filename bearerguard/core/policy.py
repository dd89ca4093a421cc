"""What one issuer's tokens must look like: the rules as values, without any code.

Source: RFC 8725 section 3, RFC 9068 sections 2 and 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bearerguard.core.profile import Place, Profile

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC_ALGORITHMS = ("ES256", "ES384", "ES512")
# RFC 9864 section 2.2: EdDSA with Ed25519 and the name Ed25519 are one and the same.
OKP_ALGORITHMS = ("EdDSA", "Ed25519")
# RFC 9964 section 4.
AKP_ALGORITHMS = ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")
ASYMMETRIC_ALGORITHMS = RSA_ALGORITHMS + EC_ALGORITHMS + OKP_ALGORITHMS + AKP_ALGORITHMS
# RFC 7518 section 3.2: a key of at least the size of the hash output, in bytes.
HMAC_KEY_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Everything that decides whether a token of one issuer is good for this API.

    ``issuer`` None is the policy of no issuer: it refuses every token, and ``known_issuers`` are
    those that a token could have come from. ``leeway_s`` and ``max_age_s`` are seconds,
    ``max_bytes`` the longest token that is looked at. ``scopes_allowed`` and ``roles_allowed`` are
    all that this issuer may grant, ``clients`` those to whom it may; None is no limit. ``profile``
    is the one in force, with what the operator set otherwise. ``key_issuers`` are the names that a
    key may carry which says whose it is; None where keys do not say that. ``scopes_implied`` tells
    which scope stands for which others. ``opaque_prefix`` is what its opaque tokens begin with;
    None: nobody asks it about any.
    """

    issuer: str | None
    audiences: tuple[str, ...]
    algorithms: frozenset[str]
    profile: Profile
    scope_places: tuple[Place, ...]
    role_places: tuple[Place, ...]
    required_scopes: tuple[str, ...] = ()
    leeway_s: float = 30
    max_age_s: float | None = None
    max_bytes: int = 16384
    known_issuers: tuple[str, ...] = ()
    clients: frozenset[str] | None = None
    key_issuers: frozenset[str] | None = None
    scopes_allowed: frozenset[str] | None = None
    scopes_implied: Mapping[str, frozenset[str]] = field(default_factory=dict)
    roles_allowed: frozenset[str] | None = None
    opaque_prefix: str | None = None


# RFC 7662 section 2.2: of these an answer need not have any. A missing aud is not overlooked by
# that: the rule about it decides.
OPTIONAL_IN_ANSWERS = frozenset({"iss", "aud", "sub", "client_id", "iat", "jti"})
# No header tells what an opaque token is, and an issuer calls a refresh token active, too. Ory
# Hydra, Amazon Cognito and Keycloak say which it is in one of these.
KINDS_IN_ANSWERS = {
    "token_use": frozenset({"access", "access_token"}),
    "typ": frozenset({"Bearer", "at+jwt"}),
}


def policy_for_answers(policy: Policy) -> Policy:
    """Derive the rules for what an issuer answers about an opaque token from those for its JWTs.

    ``exp`` stays required, because it alone bounds for how long anything is believed, and so does
    what the operator asks for.
    """
    profile = policy.profile
    kinds = {
        name: accepted | profile.kind_claims.get(name, frozenset())
        for name, accepted in KINDS_IN_ANSWERS.items()
    }
    required = (profile.required_claims - OPTIONAL_IN_ANSWERS) | profile.demanded_claims
    looser = replace(
        profile,
        required_claims=required,
        one_of=tuple(group for group in profile.one_of if group.isdisjoint(OPTIONAL_IN_ANSWERS)),
        kind_claims={**profile.kind_claims, **kinds},
    )
    return replace(policy, profile=looser)

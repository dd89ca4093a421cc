"""What one issuer's tokens must look like: the rules as values, without any code.

Source: RFC 8725 section 3, RFC 9068 sections 2 and 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC_ALGORITHMS = ("ES256", "ES384", "ES512")
# RFC 9864 section 2.2: EdDSA with Ed25519 and the name Ed25519 are one and the same.
OKP_ALGORITHMS = ("EdDSA", "Ed25519")
# RFC 9964 section 4.
AKP_ALGORITHMS = ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")
ASYMMETRIC_ALGORITHMS = RSA_ALGORITHMS + EC_ALGORITHMS + OKP_ALGORITHMS + AKP_ALGORITHMS
# RFC 7518 section 3.2: a key of at least the size of the hash output, in bytes.
HMAC_KEY_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}


@dataclass(frozen=True)
class Place:
    """Where scopes or roles stand: a claim's name, or a JSON Pointer when it begins with "/".

    ``forms`` are the shapes that count there: "string" (split at single spaces), "array" (of
    strings) and "objects" (with a string ``value``, RFC 9068 section 2.2.3.1). A list where only a
    string counts gives nothing; every other shape refuses the token. ``is_claim`` tells a claim's
    name from pointers, keys of objects and holes; ``takes_lists`` whether a list gives anything.
    """

    path: str
    forms: frozenset[str] = frozenset({"string", "array"})
    is_claim: bool = field(init=False, repr=False)
    takes_lists: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        is_other = self.path.startswith("/") or self.path.endswith("/*")
        object.__setattr__(self, "is_claim", not is_other and "{audience}" not in self.path)
        object.__setattr__(self, "takes_lists", not self.forms.isdisjoint({"array", "objects"}))


ROLE_FORMS = frozenset({"string", "array", "objects"})


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The habits of an issuer's tokens, as far as they differ from issuer to issuer."""

    token_types: frozenset[str | None]
    required_claims: frozenset[str]
    # claim -> the values that mark an access token; a token with another value is something else.
    kind_claims: Mapping[str, frozenset[str]]
    # Claims that only other kinds of token carry: ID tokens, logout tokens, security events.
    foreign_claims: frozenset[str]
    scope_places: tuple[Place, ...]
    role_places: tuple[Place, ...]


# RFC 9068 section 2.2.3: scope is one string; a list is read only where a setting says so.
SCOPE = Place("scope", frozenset({"string"}))
# RFC 9068 section 2.2.3.1 takes these three from SCIM.
ROLES = tuple(Place(name, ROLE_FORMS) for name in ("roles", "groups", "entitlements"))

RFC9068 = Profile(
    token_types=frozenset({"at+jwt"}),
    required_claims=frozenset({"exp", "iss", "aud", "sub", "client_id", "iat", "jti"}),
    kind_claims={},
    foreign_claims=frozenset(),
    scope_places=(SCOPE,),
    role_places=ROLES,
)
# Many servers send typ JWT or none. That opens the door to ID tokens and logout tokens of the same
# issuer (RFC 8725 section 3.12), so their marks are refused instead.
JWT = Profile(
    token_types=frozenset({"at+jwt", "jwt", None}),
    required_claims=frozenset({"exp", "iss", "aud", "sub", "iat"}),
    kind_claims={
        "token_use": frozenset({"access"}),
        "typ": frozenset({"Bearer", "at+jwt"}),
        "drn": frozenset({"DS"}),
        "purpose": frozenset({"access_token"}),
    },
    foreign_claims=frozenset({"nonce", "at_hash", "c_hash", "events"}),
    scope_places=(SCOPE,),
    role_places=ROLES,
)
PROFILES = {"rfc9068": RFC9068, "jwt": JWT}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Everything that decides whether a token of one issuer is good for this API.

    ``issuer`` None is the policy of no issuer: it refuses every token, and ``known_issuers`` are
    those that a token could have come from. ``leeway_s`` and ``max_age_s`` are seconds,
    ``max_bytes`` the longest token that is looked at. ``scopes_allowed`` and ``roles_allowed`` are
    all that this issuer may grant; None is no limit. ``opaque_prefix`` is what its opaque tokens
    begin with; None: nobody asks it about any.
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
    scopes_allowed: frozenset[str] | None = None
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

    ``exp`` stays required, because it alone bounds for how long anything is believed.
    """
    profile = policy.profile
    kinds = {
        name: accepted | profile.kind_claims.get(name, frozenset())
        for name, accepted in KINDS_IN_ANSWERS.items()
    }
    required = profile.required_claims - OPTIONAL_IN_ANSWERS
    looser = replace(
        profile, required_claims=required, kind_claims={**profile.kind_claims, **kinds}
    )
    return replace(policy, profile=looser)

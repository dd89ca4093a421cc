"""The habits of an issuer's tokens as one value, and the two that belong to no provider.

Source: RFC 9068 section 2, RFC 8725 sections 3.11 and 3.12.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


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
CLIENT_CLAIMS = ("client_id", "azp", "appid", "cid")


@dataclass(frozen=True, kw_only=True)
class IssuerForm:
    """What the issuers of a provider look like: a pattern for the whole name, and how to write it.

    A named group is a part that the claim of that name must repeat: the tenant of a token is that
    of its issuer.
    """

    pattern: str
    how: str

    def bound_claims(self, issuer: str) -> dict[str, str] | None:
        """Give the claims that the name of an issuer binds, or None for a name of another form."""
        found = re.fullmatch(self.pattern, issuer)
        return None if found is None else found.groupdict()


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Settings of which one must be there, because a check depends on it; ``why`` says which.

    Only for issuers that ``issuers`` fits, and, for ``match``, about one of ``claims``.
    """

    settings: tuple[str, ...]
    why: str
    issuers: str = ".*"
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The habits of an issuer's tokens, as far as they differ from issuer to issuer."""

    token_types: frozenset[str | None]
    required_claims: frozenset[str]
    # Those of them that the operator asks for, and so in whatever form a token comes.
    demanded_claims: frozenset[str] = frozenset()
    # Of each of these sets one claim at least must be there.
    one_of: tuple[frozenset[str], ...] = ()
    # claim -> the values that mark an access token; a token with another value is something else.
    kind_claims: Mapping[str, frozenset[str]]
    # Claims that only other kinds of token carry: ID tokens, logout tokens, security events.
    foreign_claims: frozenset[str]
    # A header with a nonce is that of a token which only its own API can verify.
    refuses_header_nonce: bool = False
    # place -> the values, one of which must stand there, or how the text there must begin.
    match: Mapping[str, frozenset[str]] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=dict)
    missing_audience: str = "refuse"
    # Whose tokens lack it: elsewhere a missing audience is refused, whatever the line above says.
    lack_audience: str = ".*"
    # Where the name of the client stands; the first that is there counts.
    client_claims: tuple[str, ...] = CLIENT_CLAIMS
    tenant_claims: tuple[str, ...] = ()
    # What a hole of an issuer template is called -> the claim that repeats what it holds.
    holes: Mapping[str, str] = field(default_factory=dict)
    scope_places: tuple[Place, ...]
    role_places: tuple[Place, ...]
    # Scopes are written "APP.scope" with the audience as APP; those of this API lose it.
    scopes_begin_with_audience: bool = False
    # Claims in a shape of the provider's own, which would be malformed elsewhere: never read.
    unread_claims: frozenset[str] = frozenset()
    # A key may name the issuer whose tokens it is for.
    keys_name_issuers: bool = False
    max_age_s: float | None = None
    issuer_form: IssuerForm | None = None
    demands: tuple[Demand, ...] = ()
    takes_id_tokens: bool = False


# RFC 9068 section 2.2.3: scope is one string; a list is read only where a profile or setting says.
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
# Claims whose value tells an access token from the others of the same issuer.
KINDS = {
    "token_use": frozenset({"access"}),
    "typ": frozenset({"Bearer", "at+jwt"}),
    "drn": frozenset({"DS"}),
    "purpose": frozenset({"access_token"}),
}
MARKS_OF_ID_TOKENS = frozenset({"nonce", "at_hash", "c_hash"})
# Many servers send typ JWT or none. That opens the door to ID tokens and logout tokens of the same
# issuer (RFC 8725 section 3.12), so their marks are refused instead.
JWT = replace(
    RFC9068,
    token_types=frozenset({"at+jwt", "jwt", None}),
    required_claims=frozenset({"exp", "iss", "aud", "sub", "iat"}),
    kind_claims=KINDS,
    foreign_claims=MARKS_OF_ID_TOKENS | {"events"},
)

"""What a handler gets: the claims of a verified token, typed.

Source: RFC 9068 sections 2.2 and 2.2.3.1, RFC 6749 section 3.3, RFC 6901 (JSON Pointer).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from bearerguard.core.pointer import ABSENT, find, look_up
from bearerguard.core.policy import Policy
from bearerguard.core.profile import Place
from bearerguard.core.profile_rules import client_of
from bearerguard.core.times import Claims
from bearerguard.errors import RejectedError

if TYPE_CHECKING:
    from bearerguard.core.introspection import ActiveToken
    from bearerguard.core.signature import VerifiedToken

NOTHING: frozenset[str] = frozenset()
new, take_over = object.__new__, object.__setattr__
# Many tokens name the very same scopes, and so share one set of them.
TEXTS_KEPT = 256
LONGEST_KEPT = 512


class Principal(NamedTuple):
    """Who is calling: a subject means something only within its issuer (RFC 7519 4.1.2)."""

    issuer: str
    subject: str | None


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """A token that passed every check.

    Times are seconds since 1970. ``scopes`` and ``roles`` hold what the configured places of the
    token name (groups, permissions and entitlements count as roles), and what those scopes imply.
    ``tenant`` is filled by profiles of providers whose tokens name one.
    """

    issuer: str
    subject: str | None
    client_id: str | None
    audience: tuple[str, ...]
    scopes: frozenset[str]
    roles: frozenset[str]
    expires_at: float
    issued_at: float | None
    auth_time: float | None
    acr: str | None
    amr: tuple[str, ...]
    token_id: str | None
    tenant: str | None = None
    payload: bytes = field(repr=False, compare=False, default=b"{}")

    @property
    def principal(self) -> Principal:
        """The issuer and the subject together, the only unique name of a caller."""
        return Principal(self.issuer, self.subject)

    @property
    def is_client(self) -> bool:
        """Whether a client acts on its own behalf: sub equals client_id (RFC 9068 section 5)."""
        return self.client_id is not None and self.subject == self.client_id

    @property
    def claims(self) -> dict[str, Any]:
        """All claims, made anew at each access: changing them changes nothing else."""
        claims: dict[str, Any] = json.loads(self.payload)
        return claims

    @property
    def authorization_details(self) -> tuple[dict[str, Any], ...]:
        """The well-formed elements of a rich authorization request (RFC 9396 section 9.1).

        An element without a string ``type``, or a claim that is no array, grants nothing.
        """
        details = self.claims.get("authorization_details", [])
        elements = details if isinstance(details, list) else []
        return tuple(
            element
            for element in elements
            if isinstance(element, dict) and isinstance(element.get("type"), str)
        )


def access_token_of(verified: "VerifiedToken | ActiveToken", policy: Policy) -> AccessToken:
    """Build the AccessToken of a token whose issuer vouched for it; its claims passed every rule.

    What the issuer may not grant is left out: its tokens say what it likes, and the operator says
    what of that counts here.
    Refuses: "claim_malformed", for scopes or roles in a shape that nobody can read.
    """
    claims, profile = verified.token.claims, policy.profile
    get, audience = claims.get, claims.get("aud", ())
    roles = read_places(claims, policy.role_places, policy.audiences)
    unread = profile.unread_claims
    token = new(AccessToken)
    # All fields at once: the constructor of a frozen class sets them one by one.
    take_over(
        token,
        "__dict__",
        {
            "issuer": claims["iss"],
            "subject": get("sub"),
            "client_id": client_of(claims, profile),
            "audience": (audience,) if isinstance(audience, str) else tuple(audience),
            "scopes": scopes_of(claims, policy),
            "roles": roles if policy.roles_allowed is None else roles & policy.roles_allowed,
            "expires_at": claims["exp"],
            "issued_at": get("iat"),
            "auth_time": None if "auth_time" in unread else get("auth_time"),
            "acr": get("acr"),
            "amr": () if "amr" in unread else tuple(get("amr", ())),
            "token_id": get("jti"),
            "tenant": _tenant_of(claims, profile.tenant_claims),
            "payload": verified.token.payload,
        },
    )
    return token


def scopes_of(claims: Claims, policy: Policy) -> frozenset[str]:
    """Read the scopes that a token has by a policy.

    Refuses: "claim_malformed".
    """
    scopes = read_places(claims, policy.scope_places, policy.audiences)
    if policy.profile.scopes_begin_with_audience:
        scopes = frozenset(_without_audience(name, policy.audiences) for name in scopes)
    return _scopes_that_count(scopes, policy)


def _scopes_that_count(scopes: frozenset[str], policy: Policy) -> frozenset[str]:
    """Leave out what the issuer may not grant, and add what the others stand for, as far as it may.

    ``scopes_allowed`` has the last word: it is the whole list.
    """
    allowed, implied = policy.scopes_allowed, policy.scopes_implied
    counted = scopes if allowed is None else scopes & allowed
    if not implied:
        return counted
    counted = counted.union(*(implied.get(name, NOTHING) for name in counted))
    return counted if allowed is None else counted & allowed


def copy_of(token: AccessToken) -> AccessToken:
    """Make another object of the same values, all of which are immutable.

    A handler that gets around the frozen class changes its own object, and nobody else's.
    """
    copy = new(AccessToken)
    take_over(copy, "__dict__", token.__dict__.copy())
    return copy


def read_places(
    claims: Claims, places: Sequence[Place], audiences: tuple[str, ...]
) -> frozenset[str]:
    """Give the union of what stands at the places; a missing place gives nothing.

    Refuses: "claim_malformed" for any other shape, which is never taken as an empty set.
    """
    found = NOTHING
    for place in places:
        if not place.is_claim:
            names = frozenset(_read_place(claims, place, audiences))
        elif place.path in claims:
            names = _names(claims[place.path], place)
        else:
            continue
        found = found | names if found else names
    return found


def _without_audience(scope: str, audiences: tuple[str, ...]) -> str:
    """Take this API's own name off a scope; one of another API keeps its name, and fits nothing."""
    own = (f"{audience}." for audience in audiences)
    return next((scope.removeprefix(name) for name in own if scope.startswith(name)), scope)


def _tenant_of(claims: Claims, paths: tuple[str, ...]) -> str | None:
    for path in paths:
        tenant = find(claims, path)
        if isinstance(tenant, str):
            return tenant
    return None


def _read_place(claims: Claims, place: Place, audiences: tuple[str, ...]) -> Iterator[str]:
    for path in _paths(place.path, audiences):
        takes_keys = path.endswith("/*")
        value = look_up(claims, path.removesuffix("/*"))
        if value is ABSENT:
            continue
        if takes_keys != isinstance(value, dict):
            raise RejectedError("claim_malformed", expected=sorted(place.forms), found=place.path)
        yield from value if takes_keys else _names(value, place)


def _paths(path: str, audiences: tuple[str, ...]) -> list[str]:
    """Fill the hole for the audience; in a pointer "~" and "/" are written with an escape."""
    if "{audience}" not in path:
        return [path]
    if path.startswith("/"):
        audiences = tuple(name.replace("~", "~0").replace("/", "~1") for name in audiences)
    return [path.replace("{audience}", name) for name in audiences]


def _names(value: Any, place: Place) -> frozenset[str]:
    if isinstance(value, str) and "string" in place.forms:
        return _frequent_words(value) if len(value) <= LONGEST_KEPT else _words(value)
    if isinstance(value, list):
        if _are_strings(value):  # as nearly all are
            return frozenset(value) if place.takes_lists else NOTHING
        objects = any(isinstance(item, dict) for item in value)
        names = [item.get("value") if isinstance(item, dict) else item for item in value]
        strings = [name for name in names if isinstance(name, str)]
        if len(strings) == len(names) and ("objects" in place.forms or not objects):
            return frozenset(strings) if place.takes_lists else NOTHING
    raise RejectedError("claim_malformed", expected=sorted(place.forms), found=place.path)


def _are_strings(values: list[Any]) -> bool:
    try:
        "".join(values)  # which takes strings alone, and says so faster than anything else
    except TypeError:
        return False
    return True


def _words(text: str) -> frozenset[str]:
    # RFC 6749 section 3.3: the space is the only separator; a tab belongs to the name.
    return frozenset(filter(None, text.split(" ")))


_frequent_words = lru_cache(TEXTS_KEPT)(_words)

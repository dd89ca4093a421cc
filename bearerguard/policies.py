"""From settings to the rules for one issuer's tokens: its profile, and what was set otherwise.

A value that is set takes the place of the profile's, but for ``match``, which only adds to it: what
pays for a relaxation is not lost by naming one more claim, or the same. A header type that does not
say "access token" always brings the marks of other kinds with it, which are then refused.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bearerguard.core.policy import HMAC_KEY_BYTES, Policy
from bearerguard.core.profile import JWT, RFC9068, ROLE_FORMS, Place, Profile
from bearerguard.core.providers import PROFILES

if TYPE_CHECKING:
    from bearerguard.settings import Settings


def policy_of(
    settings: "Settings",
    supported: Sequence[str],
    implied: Mapping[str, frozenset[str]] | None,
) -> Policy:
    """Make the rules for an issuer's tokens.

    ``supported`` are the asymmetric algorithms that this machine can verify, ``implied`` tells
    which scope stands for which others.
    """
    profile = _profile_of(settings)
    max_age_s = settings.max_token_age
    return Policy(
        issuer=settings.issuer,
        audiences=settings.audience,
        algorithms=frozenset(settings.algorithms or _default_algorithms(settings, supported)),
        profile=profile,
        scope_places=profile.scope_places,
        role_places=profile.role_places,
        required_scopes=settings.required_scopes,
        leeway_s=settings.leeway,
        max_age_s=profile.max_age_s if max_age_s is None else max_age_s,
        max_bytes=settings.max_token_bytes,
        clients=_set_or_none(settings.clients),
        key_issuers=_key_issuers(settings.issuer, profile),
        scopes_allowed=_set_or_none(settings.scopes_allowed),
        scopes_implied=implied or {},
        opaque_prefix=(settings.token_prefix or "") if settings.introspects else None,
        roles_allowed=_set_or_none(settings.roles_allowed),
    )


def relaxations(profile: Profile) -> str:
    """Say in one line what a profile takes that RFC 9068 does not, and what it checks instead."""
    types = sorted(str(typ).lower() for typ in profile.token_types - RFC9068.token_types)
    missing = sorted(RFC9068.required_claims - profile.required_claims)
    taken = [f"typ {', '.join(types)}"] if types else []
    taken += [f"no {', '.join(missing)}"] if missing else []
    if not taken:
        return ""
    checks = "; ".join(_checks(profile)) or "nothing else instead"
    return f"beyond RFC 9068 it takes {'; '.join(taken)}; it checks {checks}"


def _checks(profile: Profile) -> Iterator[str]:
    for path, values in profile.match.items():
        yield f"{path}={'|'.join(sorted(values))}"
    for path, beginning in profile.prefixes.items():
        yield f"{path}={beginning}..."
    for group in profile.one_of:
        yield " or ".join(sorted(group))
    if profile.missing_audience != "refuse":
        stand_in = {"client": "one of the clients", "issuer": "keys that serve this API alone"}
        yield stand_in[profile.missing_audience]
    if profile.foreign_claims:
        yield f"nothing with {', '.join(sorted(profile.foreign_claims))}"


def _profile_of(settings: "Settings") -> Profile:
    profile = PROFILES[settings.profile_in_force()]
    types, required = profile.token_types, profile.required_claims
    if settings.token_types is not None:
        types = frozenset(settings.token_types)
    if settings.required_claims is not None:
        required = frozenset(settings.required_claims) | {"exp", "iss"}
    missing_audience = settings.missing_audience or _missing_audience(settings, profile)
    required = required - {"aud"} if missing_audience != "refuse" else required | {"aud"}
    return replace(
        profile,
        token_types=types,
        required_claims=required,
        demanded_claims=frozenset(settings.required_claims or ()) - {"iss", "aud"},
        missing_audience=missing_audience,
        match={**dict(settings.match or ()), **profile.match, **_bound(settings, profile)},
        client_claims=settings.client_claims or profile.client_claims,
        scope_places=_places(settings.scope_claims) or profile.scope_places,
        role_places=_places(settings.role_claims, forms=ROLE_FORMS) or profile.role_places,
        **_marks(profile, types),
    )


def _missing_audience(settings: "Settings", profile: Profile) -> str:
    is_lacking = re.fullmatch(profile.lack_audience, settings.issuer) is not None
    return profile.missing_audience if is_lacking else "refuse"


def _marks(profile: Profile, types: frozenset[str | None]) -> Mapping[str, Any]:
    """Refuse the marks of other kinds as soon as a type is taken that does not tell kinds apart."""
    if types <= RFC9068.token_types or profile.takes_id_tokens:
        return {}
    return {
        "kind_claims": {**JWT.kind_claims, **profile.kind_claims},
        "foreign_claims": JWT.foreign_claims | profile.foreign_claims,
    }


def _bound(settings: "Settings", profile: Profile) -> Mapping[str, frozenset[str]]:
    form = profile.issuer_form
    bound = form.bound_claims(settings.issuer) if form else None
    return {claim: frozenset({value}) for claim, value in (bound or {}).items()}


def _key_issuers(issuer: str, profile: Profile) -> frozenset[str] | None:
    """A key may name the issuer, or the template that the provider's shared keys have in it."""
    if not profile.keys_name_issuers:
        return None
    tenants = [value for claim in profile.tenant_claims for value in profile.match.get(claim, ())]
    return frozenset({issuer, *(issuer.replace(tenant, "{tenantid}") for tenant in tenants)})


def _default_algorithms(settings: "Settings", supported: Sequence[str]) -> Sequence[str]:
    if settings.secret is None:
        return supported
    size = len(settings.secret.value)
    return [alg for alg, least in HMAC_KEY_BYTES.items() if size >= least]


def _places(paths: tuple[str, ...] | None, **forms: Any) -> tuple[Place, ...]:
    return tuple(Place(path, **forms) for path in paths or ())


def _set_or_none(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)

"""One setting for many issuers: ``https://login.example/{tid}/v2.0`` and a list of tenants.

Each tenant becomes an issuer of its own, with an exact name, keys, a budget and failures of its
own; and the claim that the hole is named after must name the same tenant. So a template admits no
issuer that the operator did not list, and needs no rule of its own when a token comes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bearerguard.core.issuer_patterns import HOLE, problems_of_pattern
from bearerguard.core.profile import Profile
from bearerguard.core.provider_hosts import profile_name
from bearerguard.core.providers import PROFILES
from bearerguard.sources import Given, shown_value

if TYPE_CHECKING:
    from bearerguard.settings import Settings

EXAMPLE = "https://login.microsoftonline.com/{tid}/v2.0"


def holes_of(issuer: str) -> list[str]:
    """Give the names of the holes of an issuer template; an exact name has none."""
    return HOLE.findall(issuer) if "://" in issuer else []


def names_of(values: Mapping[str, Any]) -> list[str]:
    """Give every name that the issuer of these settings stands for."""
    holes = holes_of(values["issuer"])
    if not holes:
        return [values["issuer"]]
    return [HOLE.sub(tenant, values["issuer"]) for tenant in values.get("tenants", ("x",))]


def problems_of_template(
    values: Mapping[str, Any], given: Mapping[str, Given], *, http_allowed: bool
) -> Iterator[str]:
    """Say what a template lacks."""
    issuer, where = values["issuer"], given["issuer"].where
    for problem in problems_of_pattern(issuer, http_allowed=http_allowed):
        yield f"{where} {problem}; write for instance {EXAMPLE}"
    if len(holes_of(issuer)) > 1:
        yield f"{where} has more than one hole; write out all but that of the tenant"
    if "introspection_client_id" in given and len(values.get("tenants", ())) != 1:
        yield (
            f"{where} is a template, and nothing tells whom of its tenants to ask about an opaque "
            "token; write each of them as an issuer of its own"
        )
    yield from _problems_of_holes(values, given)
    if "tenants" not in given:
        yield (
            f"{where} is a template for any tenant; set tenants to those whose tokens are taken, "
            "or write out the one"
        )


def _problems_of_holes(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[str]:
    """A hole is named after the claim that repeats what it holds, and holds a tenant's own."""
    issuer, where = values["issuer"], given["issuer"].where
    profile = PROFILES[profile_name(values.get("profile", "auto"), issuer)]
    form = profile.issuer_form
    known = set(re.compile(form.pattern).groupindex) if form else set()
    holes = holes_of(issuer)
    if known and not known.issuperset(holes):
        yield f"{where} has a hole of another name than {{{' or '.join(sorted(known))}}}"
    claims = {claim_of(hole, profile) for hole in holes}
    if not claims.isdisjoint(dict(values.get("match", ()))):
        yield f"{given['match'].where} names the claim of the hole in {where}; leave it out"


def claim_of(hole: str, profile: Profile) -> str:
    """Give the claim that repeats what a hole holds: of its name, unless the profile says so."""
    return profile.holes.get(hole, hole)


def expand(settings: "Settings") -> tuple["Settings", ...]:
    """Give the settings of each tenant, or those of the one issuer that they name exactly."""
    holes = holes_of(settings.issuer)
    if not holes:
        return (settings,)
    return tuple(_of_tenant(settings, holes[0], tenant) for tenant in settings.tenants or ())


def _of_tenant(settings: "Settings", hole: str, tenant: str) -> "Settings":
    claim = claim_of(hole, PROFILES[settings.profile_in_force()])
    others = tuple(pair for pair in settings.match or () if pair[0] != claim)
    return replace(
        settings,
        issuer=settings.issuer.replace(f"{{{hole}}}", tenant),
        match=(*others, (claim, frozenset({tenant}))),
    )


def problem_of_tenants(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[str]:
    """A list of tenants beside an exact issuer would look like a check and be none."""
    if "tenants" in given and "issuer" in values and not holes_of(values["issuer"]):
        issuer = shown_value(values["issuer"])
        yield (
            f"{given['tenants'].where} is for an issuer template such as {EXAMPLE}, and "
            f"{issuer} has no hole; leave it out, or write one"
        )

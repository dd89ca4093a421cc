"""One setting for many issuers: ``https://login.example/{tid}/v2.0`` and a list of tenants.

Each tenant becomes an issuer of its own, with an exact name, keys, a budget and failures of its
own; and the claim that the hole is named after must name the same tenant. So a template admits no
issuer that the operator did not list, and needs no rule of its own when a token comes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bearerguard.core.issuer_patterns import HOLE, problems_of_pattern
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
    if "tenants" not in given:
        yield (
            f"{where} is a template for any tenant; set tenants to those whose tokens are taken, "
            "or write out the one"
        )


def expand(settings: "Settings") -> tuple["Settings", ...]:
    """Give the settings of each tenant, or those of the one issuer that they name exactly."""
    holes = holes_of(settings.issuer)
    if not holes:
        return (settings,)
    return tuple(_of_tenant(settings, holes[0], tenant) for tenant in settings.tenants or ())


def _of_tenant(settings: "Settings", hole: str, tenant: str) -> "Settings":
    others = tuple(pair for pair in settings.match or () if pair[0] != hole)
    return replace(
        settings,
        issuer=settings.issuer.replace(f"{{{hole}}}", tenant),
        match=(*others, (hole, frozenset({tenant}))),
    )


def problem_of_tenants(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[str]:
    """A list of tenants beside an exact issuer would look like a check and be none."""
    if "tenants" in given and "issuer" in values and not holes_of(values["issuer"]):
        issuer = shown_value(values["issuer"])
        yield (
            f"{given['tenants'].where} is for an issuer template such as {EXAMPLE}, and "
            f"{issuer} has no hole; leave it out, or write one"
        )

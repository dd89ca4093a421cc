"""What a profile depends on: it relaxes a check only where another one can take its place.

The tokens of some providers cannot be told apart without something that only the operator knows:
whose clients, whose repository, whose keys. Then the start is refused until it is said.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bearerguard.core.profile import Demand, Profile
from bearerguard.core.provider_hosts import profile_name, profile_of_host
from bearerguard.core.providers import PROFILES
from bearerguard.core.urls import host_of
from bearerguard.issuer_template import names_of, problem_of_tenants
from bearerguard.sources import Given

Values = Mapping[str, Any]


def problems_of_profile(values: Values, given: Mapping[str, Given]) -> Iterator[str]:
    """Name what the profile in force, or what was set instead of it, lacks."""
    yield from problem_of_tenants(values, given)
    yield from _missing_audience(values, given)
    if "issuer" not in values or ("profile" in given and "profile" not in values):
        return  # nobody knows which profile is meant, and that has had its message
    names, name = names_of(values), profile_name(values.get("profile", "auto"), values["issuer"])
    profile = PROFILES[name]
    form, where = profile.issuer_form, given["issuer"].where
    if form is not None and any(form.bound_claims(issuer) is None for issuer in names):
        yield f"{where} is no issuer of the profile {name}: {form.how}"
    yield from _contradictions(profile, name, values, given)
    for demand in (*profile.demands, *_of_the_host(values, name)):
        if re.fullmatch(demand.issuers, names[0]) and not _is_met(demand, values, given):
            yield f"{where} has the profile {name}, which needs {_wanted(demand)}: {demand.why}"


def _contradictions(
    profile: Profile, name: str, values: Values, given: Mapping[str, Given]
) -> Iterator[str]:
    """What a profile pins down cannot be set otherwise: it pays for what the profile relaxes."""
    form = profile.issuer_form
    bound = (form and form.bound_claims(values["issuer"])) or {}
    for path, accepted in values.get("match", ()):
        own = {bound[path]} if path in bound else profile.match.get(path, accepted)
        if not accepted <= own:
            expected = " or ".join(sorted(own))
            where = given["match"].where
            yield f"{where} asks for another {path} than the profile {name}, which is {expected}"


def _of_the_host(values: Values, name: str) -> tuple[Demand, ...]:
    """Everybody gets tokens of some providers, by whatever name their profile goes."""
    host = profile_of_host(host_of(values["issuer"]))
    if host is None or host == name or name not in ("jwt", "rfc9068"):
        return ()
    return tuple(demand for demand in PROFILES[host].demands if demand.settings == ("match",))


def _is_met(demand: Demand, values: Values, given: Mapping[str, Given]) -> bool:
    if demand.settings != ("match",) or "match" not in values:
        return any(name in given for name in demand.settings)
    matched = {path for path, _ in values["match"]}
    return not demand.claims or not matched.isdisjoint(demand.claims)


def _wanted(demand: Demand) -> str:
    settings = " or ".join(demand.settings)
    return f"{settings} about {' or '.join(demand.claims)}" if demand.claims else settings


def _missing_audience(values: Values, given: Mapping[str, Given]) -> Iterator[str]:
    """Whoever lets tokens without an audience in has to say to whom they were given."""
    if values.get("missing_audience") == "client" and "clients" not in given:
        where = given["missing_audience"].where
        yield f"{where} lets the client stand in for the audience: set clients to those that may"


def needs_keys(values: Values) -> bool:
    """Tell whether the profile in force finds no keys by its issuer."""
    profile = PROFILES[profile_name(values.get("profile", "auto"), values["issuer"])]
    return any(
        "jwks_uri" in demand.settings and re.fullmatch(demand.issuers, values["issuer"])
        for demand in profile.demands
    )

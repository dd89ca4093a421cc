"""The settings of a policy in the shadow: those of the live one, some of them changed.

Only what judges a token may differ. Where keys come from and whom to ask does not, so that nothing
is fetched and no signature is verified twice.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from bearerguard.settings import Settings

MAY_DIFFER = (
    *("profile", "audience", "algorithms", "scope_claims", "token_types", "required_claims"),
    *("match", "clients", "client_claims", "missing_audience", "required_scopes", "leeway"),
    "max_token_age",
)


def shadow_of(shadow: object) -> tuple[dict[str, Any], list[str]]:
    """Read the settings that differ in the shadow, and say which of them cannot."""
    if shadow is None:
        return {}, []
    if not isinstance(shadow, Mapping) or not shadow:
        return {}, ["shadow is no mapping of settings; write {'profile': 'rfc9068'}"]
    parsers = {spec.name: spec.metadata["parse"] for spec in fields(Settings)}
    changed: dict[str, Any] = {}
    problems = []
    for name, value in shadow.items():
        if name not in MAY_DIFFER:
            problems.append(f"shadow: {name!r} cannot differ; these can: {', '.join(MAY_DIFFER)}")
            continue
        if isinstance(value, list | tuple | set | frozenset) and not value:
            problems.append(f"shadow: {name} is an empty list, which allows nobody; leave it out")
            continue
        try:
            changed[name] = parsers[name](value)
        except ValueError as error:
            problems.append(f"shadow: {name} {error}")
    return changed, problems

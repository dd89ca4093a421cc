"""The settings of a policy in the shadow: those of the live one, some of them changed.

Only what judges a token may differ. Where keys come from and whom to ask does not, so that nothing
is fetched and no signature is verified twice.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from bearerguard.errors import ConfigurationError
from bearerguard.settings import Settings

MAY_DIFFER = (
    *("profile", "audience", "algorithms", "scope_claims", "token_types", "required_claims"),
    *("match", "clients", "client_claims", "missing_audience", "required_scopes", "leeway"),
    "max_token_age",
)


def read_shadow(shadow: object) -> dict[str, Any]:
    """Read the settings that differ in the shadow; none of them where there is no shadow.

    Raises:
        ConfigurationError: naming every problem.
    """
    if shadow is None:
        return {}
    if not isinstance(shadow, Mapping) or not shadow:
        raise ConfigurationError("shadow is no mapping of settings; write {'profile': 'rfc9068'}")
    parsers = {spec.name: spec.metadata["parse"] for spec in fields(Settings)}
    changed, problems = {}, []
    for name, value in shadow.items():
        if name not in MAY_DIFFER:
            problems.append(f"shadow: {name!r} cannot differ; these can: {', '.join(MAY_DIFFER)}")
            continue
        try:
            changed[name] = parsers[name](value)
        except ValueError as error:
            problems.append(f"shadow: {name} {error}")
    if problems:
        raise ConfigurationError(*problems)
    return changed

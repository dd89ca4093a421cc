"""What an operator may add to the metadata of an API, and what it has to look like.

Source: RFC 9728 sections 2 and 2.1.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bearerguard.core.need import NO_OFFLINE_ACCESS, OFFLINE_ACCESS, SCOPE_TOKEN
from bearerguard.core.urls import problem_of_url

# RFC 9728 section 2.1: these may be there in several languages, as "resource_name#it".
IN_LANGUAGES = (
    "resource_name",
    "resource_documentation",
    "resource_policy_uri",
    "resource_tos_uri",
)
# RFC 5646 section 2.1, by its shape.
LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
# What follows from the settings: another word on it could only be wrong.
TOLD_BY_SETTINGS = {
    "resource": "the setting resource",
    "bearer_methods_supported": "how tokens are read",
    "tls_client_certificate_bound_access_tokens": "the setting mtls",
    "dpop_signing_alg_values_supported": "the setting dpop",
    "dpop_bound_access_tokens_required": "the setting dpop",
}
Problem = str | None


def problems_of_members(members: object, *, http_allowed: bool) -> Iterator[str]:
    """Name everything that is wrong with the members that an operator adds."""
    if not isinstance(members, Mapping):
        yield f"metadata is no mapping: {type(members).__name__}; write {{'resource_name': ...}}"
        return
    for name, value in members.items():
        problem = _problem(name, value, http_allowed=http_allowed)
        if problem is not None:
            yield f"metadata[{name!r}] {problem}"


def _problem(name: object, value: Any, *, http_allowed: bool) -> Problem:
    base, mark, tag = name.partition("#") if isinstance(name, str) else ("", "", "")
    if base in TOLD_BY_SETTINGS:
        return f"follows from {TOLD_BY_SETTINGS[base]}; leave it out"
    if base not in CHECKS:
        close = difflib.get_close_matches(base, CHECKS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(CHECKS)}"
        return f"is no member of RFC 9728 that can be set; {hint}"
    if mark and (base not in IN_LANGUAGES or not LANGUAGE_TAG.fullmatch(tag)):
        return "has no language tag that RFC 9728 section 2.1 allows; write 'resource_name#it'"
    problem = CHECKS[base](value)
    if problem is None and base == "jwks_uri":
        problem = problem_of_url(value, http_allowed=http_allowed)
    return problem


def _text(value: object) -> Problem:
    return None if isinstance(value, str) and value.strip() else "must be text that is not empty"


def _url(value: object) -> Problem:
    if not isinstance(value, str):
        return "must be a URL"
    return problem_of_url(value.partition("#")[0], http_allowed=True)


def _texts(value: object) -> Problem:
    if not isinstance(value, list | tuple) or not value or any(map(_text, value)):
        return "must be a list of texts with at least one; without any, leave it out"
    return None


def _scopes(value: Any) -> Problem:
    """RFC 6749 section 3.3; a client asks for these."""
    problem = _texts(value)
    if problem is not None:
        return problem
    odd = [name for name in value if not SCOPE_TOKEN.fullmatch(name)]
    if odd:
        return f"holds {odd[0]!r}, which is not a scope (RFC 6749 section 3.3)"
    return f"holds too much: {NO_OFFLINE_ACCESS}" if OFFLINE_ACCESS in value else None


def _algorithms(value: Any) -> Problem:
    """RFC 9728 section 2: "none" is never among them."""
    problem = _texts(value)
    if problem is None and any(name.lower() == "none" for name in value):
        return "holds 'none', which is no signature; leave it out"
    return problem


def _function(value: object) -> Problem:
    how = "write a function that signs the claims it is given as a JWT"
    return None if callable(value) else f"must be a function; {how}"


CHECKS: dict[str, Callable[[Any], Problem]] = {
    "authorization_servers": _texts,
    "scopes_supported": _scopes,
    "jwks_uri": _url,
    "resource_name": _text,
    "resource_documentation": _url,
    "resource_policy_uri": _url,
    "resource_tos_uri": _url,
    "authorization_details_types_supported": _texts,
    "resource_signing_alg_values_supported": _algorithms,
    "signed_metadata": _function,
}

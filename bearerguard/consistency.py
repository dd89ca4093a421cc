"""What settings must be together: those that are required, and those that depend on one another.

A rule looks at ``values``, which holds what could be read, and at ``given``, which also holds what
could not: a setting with a bad value has had its message, and causes no second one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bearerguard.core.policy import HMAC_KEY_BYTES
from bearerguard.core.urls import problem_of_issuer, problem_of_url
from bearerguard.introspection.rules import problems_of_introspection
from bearerguard.issuer_template import holes_of, problems_of_template
from bearerguard.mode_consistency import problems_of_mode
from bearerguard.profile_consistency import needs_keys, problems_of_profile
from bearerguard.sources import Given, Source

Values = Mapping[str, Any]

# What to write where nothing is written yet, for whoever starts here.
REQUIRED = {
    "issuer": (
        "it names the server that issues the tokens, exactly as their claim iss does",
        "https://login.example.com",
    ),
    "audience": (
        "it names this API as the claim aud of its tokens does, so that tokens for others are "
        "refused",
        "https://api.example.com",
    ),
}
# With one of these nobody asks the issuer for its metadata, so that its name need not be a URL.
KEYS_WITHOUT_DISCOVERY = {"jwks_uri", "jwks_file", "secret"}
URLS = {"jwks_uri": "keys", "introspection_uri": "introspection endpoint"}
# Where keys come from, and what makes no sense beside it.
EXCLUDED = {
    "secret": ("jwks_uri", "jwks_file", "jwks_token_file", "jwks_snapshot"),
    "jwks_file": ("jwks_uri", "jwks_token_file", "jwks_snapshot"),
}


def problems_of(values: Values, given: Mapping[str, Given]) -> Iterator[str]:
    """Name everything that is wrong with the settings of one issuer together."""
    yield from _issuer(values, given)
    yield from _urls(values, given)
    yield from _sources_of_keys(given)
    yield from _algorithms(values, given)
    yield from problems_of_profile(values, given)
    yield from problems_of_introspection(values, given, _why_no_metadata(values, given))


def problems_of_api(values: Values, given: Mapping[str, Given], now: float) -> Iterator[str]:
    """Name everything that is wrong with the settings of the API as a whole together."""
    yield from problems_of_mode(values, given, now)
    if "resource" in values:  # RFC 9728 section 1.2
        url = values["resource"]
        problem = problem_of_url(url, http_allowed=_http_allowed(values, given))
        if problem is not None:
            how = "write the URL by which clients reach this API"
            yield f"{given['resource'].where} {problem}; {how}{_about_http(url)}"


def missing(name: str, source: Source, *, place: str = "") -> str:
    """Say that a required setting is not set, and how to write it into this source.

    ``place`` names the issuer to which it belongs, where that is not the source as a whole.
    """
    meaning, example = REQUIRED[name]
    key = source.spell(name)
    if source.prefix:
        return f"{key} is not set: {meaning}; write {key}={example}"
    how = f"write {key}={example!r}"
    if place:
        return f"{place}: {key} is not set: {meaning}; {how}"
    return f"{key} is not set: {meaning}; {how}; the environment is read by Guard.from_env() alone"


def _issuer(values: Values, given: Mapping[str, Given]) -> Iterator[str]:
    """RFC 8414 section 2: an issuer that is asked for its metadata is an https URL."""
    if "#" in values.get("issuer", ""):
        # Nor would "issuer#subject" be a name that no other issuer's subject can have.
        how = "no issuer's name has one (RFC 8414 section 2); leave out '#...'"
        yield f"{given['issuer'].where} has a fragment; {how}"
        return
    if "issuer" in values and holes_of(values["issuer"]):
        yield from problems_of_template(values, given, http_allowed=_http_allowed(values, given))
        return
    if "issuer" not in values or given.keys() & KEYS_WITHOUT_DISCOVERY:
        return
    if needs_keys(values):
        return  # which is said of the profile, and no issuer is asked then
    problem = problem_of_issuer(values["issuer"], http_allowed=_http_allowed(values, given))
    if problem is not None:
        how = "write it exactly as the claim iss of the tokens has it"
        if "://" not in values["issuer"]:
            how += "; where that is no URL, set jwks_uri"
        yield f"{given['issuer'].where} {problem}; {how}{_about_http(values['issuer'])}"
    elif "/.well-known/" in values["issuer"]:
        how = "the issuer is the member issuer of the document that stands there"
        yield f"{given['issuer'].where} is the address of metadata; {how}"


def _why_no_metadata(values: Values, given: Mapping[str, Given]) -> str | None:
    """Say why an issuer whose name need not be a URL cannot be asked for its metadata."""
    if "issuer" not in values or not given.keys() & KEYS_WITHOUT_DISCOVERY:
        return None
    return problem_of_issuer(values["issuer"], http_allowed=_http_allowed(values, given))


def _urls(values: Values, given: Mapping[str, Given]) -> Iterator[str]:
    for name in sorted(URLS.keys() & values.keys()):
        url = values[name]
        problem = problem_of_url(url, http_allowed=_http_allowed(values, given))
        if problem is not None:
            how = f"write the URL of the issuer's {URLS[name]}, https://..."
            yield f"{given[name].where} {problem}; {how}{_about_http(url)}"


def _sources_of_keys(given: Mapping[str, Given]) -> Iterator[str]:
    """With a secret no key is fetched; a file of keys is read, not fetched."""
    for name, others in EXCLUDED.items():
        for other in others:
            if name in given and other in given:
                yield f"{given[name].where} and {given[other].where} exclude each other; keep one"


def _algorithms(values: Values, given: Mapping[str, Given]) -> Iterator[str]:
    """RFC 7518 section 3.2: a secret is for HMAC alone, and at least as long as its output."""
    if "algorithms" not in values:
        return
    where = given["algorithms"].where
    symmetric = [alg for alg in values["algorithms"] if alg in HMAC_KEY_BYTES]
    if "secret" not in given:
        if symmetric:
            names = ", ".join(symmetric)
            yield f"{where}: {names} need the setting secret; set it, or leave them out"
        return
    if len(symmetric) != len(values["algorithms"]):
        yield f"{where}: with the setting secret only HS256, HS384 and HS512 are possible"
    if "secret" in values:
        size = len(values["secret"].value)
        for alg in symmetric:
            if size < HMAC_KEY_BYTES[alg]:
                yield f"{where}: the secret has {size} bytes; {alg} needs {HMAC_KEY_BYTES[alg]}"


def _http_allowed(values: Values, given: Mapping[str, Given]) -> bool:
    """What stands there and cannot be read has had its message: it was meant to allow it."""
    return bool(values.get("allow_http", "allow_http" in given))


def _about_http(url: str) -> str:
    is_http = url.startswith("http://")
    return "; http is for this very machine, or with allow_http on" if is_http else ""

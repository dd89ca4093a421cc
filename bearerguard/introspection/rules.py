"""What the settings of introspection must be together, for one issuer and between several."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bearerguard.sources import Given

SWITCH = "introspection_client_id"
# What makes no sense where nobody is asked.
DEPENDENT = (
    "introspection_uri",
    "introspection_client_secret",
    "introspection_auth",
    "introspection_key_file",
    "introspection_signed",
    "token_prefix",
)
SECRET, KEY = "introspection_client_secret", "introspection_key_file"
NEEDED = {"client_secret_basic": SECRET, "client_secret_post": SECRET, "private_key_jwt": KEY}


def problems_of_introspection(
    values: Mapping[str, Any], given: Mapping[str, Given], no_metadata: str | None
) -> Iterator[str]:
    """Name everything that is wrong with how one issuer is to be asked.

    ``no_metadata`` says why the issuer of these settings, which need not be asked for its metadata
    to find its keys, cannot be; None where it can.
    """
    if SWITCH not in given:
        for name in DEPENDENT:
            if name in given and values.get(name, True):
                yield f"{given[name].where} is for opaque tokens; set {SWITCH}, or leave it out"
        return
    if SECRET in given and KEY in given:
        yield f"{given[SECRET].where} and {given[KEY].where} exclude each other; keep one"
    elif "introspection_auth" in given:
        needed = NEEDED.get(values.get("introspection_auth", ""))
        if needed is not None and needed not in given:
            yield f"{given['introspection_auth'].where} needs {needed}; set it"
    elif SECRET not in given and KEY not in given:
        yield (
            f"{given[SWITCH].where} has nothing to prove itself with: set {SECRET} or {KEY}, as "
            "the issuer has registered this API"
        )
    if no_metadata is not None and "introspection_uri" not in given:
        yield (
            f"{given[SWITCH].where}: the issuer {no_metadata}, so that its metadata cannot be "
            "found; set introspection_uri"
        )


def problems_of_prefixes(
    issuers: Sequence[tuple[Mapping[str, Any], Mapping[str, Given]]],
) -> Iterator[str]:
    """Of several issuers that are asked, a prefix must tell which one to ask about a token.

    Nobody else is shown a token: each server that sees one can use it (RFC 7662 section 4).
    """
    asked = [(values, given) for values, given in issuers if SWITCH in given]
    for number, (values, given) in enumerate(asked):
        for others, elsewhere in asked[:number]:
            mine, other = values.get("token_prefix", ""), others.get("token_prefix", "")
            if mine.startswith(other) or other.startswith(mine):
                yield (
                    f"{elsewhere[SWITCH].where} and {given[SWITCH].where}: nothing tells their "
                    "opaque tokens apart; set a token_prefix for each, none of which begins another"
                )

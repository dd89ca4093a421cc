"""From what an operator wrote to a checked value. Each parser raises ValueError saying how to mend.

Text is what the environment holds; code may pass the Python value itself.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bearerguard.core.needs import SCOPE_TOKEN
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS, HMAC_KEY_BYTES, PROFILES

DURATION = re.compile(r"(\d{1,9})(s|m|h)")
UNIT_S = {"s": 1, "m": 60, "h": 3600}
SHORTEST_SECRET = min(HMAC_KEY_BYTES.values())
# Profiles of providers, known by name so that a typo is told from a promise.
# fmt: off
PROVIDERS = frozenset({
    "logto", "auth0", "okta", "entra", "cognito", "keycloak", "zitadel", "authentik",
    "hydra", "fusionauth", "supabase", "clerk", "workos", "descope", "duende", "adfs",
    "xsuaa", "salesforce", "kubernetes", "github-actions", "gitlab-ci", "google-id",
    "firebase", "apple", "line", "slack",
})
# fmt: on


@dataclass(frozen=True)
class Secret:
    """An HMAC secret. It is shown as ``***`` everywhere."""

    value: bytes = field(repr=False)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


def text(value: Any) -> str:
    """Take a text as it stands."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Take a list, or a text with commas; an empty item is a mistake, not a value."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple | set | frozenset):
        raise ValueError("must be a list or a text with commas")
    stripped = tuple(item.strip() if isinstance(item, str) else item for item in items)
    if not stripped or not all(isinstance(item, str) and item for item in stripped):
        raise ValueError("has an empty item; write 'one,two'")
    return stripped


def switch(value: Any) -> bool:
    """Take on or off."""
    known = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in known:
        raise ValueError("must be 'on' or 'off'")
    return known[value.lower()]


def number(least: int, most: int) -> Callable[[Any], int]:
    """Make a parser of whole numbers from ``least`` to ``most``."""

    def parse(value: Any) -> int:
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return parse


def seconds(least: float, most: float) -> Callable[[Any], float]:
    """Make a parser of durations: text such as ``30s``, ``5m``, ``1h`` or ``0``, or seconds."""

    def parse(value: Any) -> float:
        length = value
        if isinstance(value, str):
            match = DURATION.fullmatch("0s" if value == "0" else value)
            if match is None:
                raise ValueError("must be a duration such as '30s', '5m' or '1h'")
            length = int(match[1]) * UNIT_S[match[2]]
        if isinstance(length, bool) or not isinstance(length, int | float):
            raise ValueError("must be a duration such as '30s', or a number of seconds")
        if not least <= length <= most:
            raise ValueError(f"must be from {least:g}s to {most:g}s")
        return float(length)

    return parse


def secret(value: Any) -> Secret:
    """Take an HMAC secret: text, ``base64:...`` or bytes (RFC 7518 section 3.2)."""
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value.startswith("base64:"):
        try:
            value = base64.b64decode(value.removeprefix("base64:"), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is not base64 after 'base64:'") from None
    raw = value.encode() if isinstance(value, str) else value
    if not isinstance(raw, bytes):
        raise ValueError("must be text, 'base64:...' or bytes")
    if len(raw) < SHORTEST_SECRET:
        raise ValueError(f"has {len(raw)} bytes; HS256 needs {SHORTEST_SECRET}, made at random")
    return Secret(raw)


def algorithms(value: Any) -> tuple[str, ...]:
    """Take names of signature algorithms; names are case-sensitive (RFC 7515 section 4.1.1)."""
    known = (*ASYMMETRIC_ALGORITHMS, *HMAC_KEY_BYTES)
    unknown = [name for name in texts(value) if name not in known]
    if unknown:
        raise ValueError(f"does not know {', '.join(unknown)}; known are {', '.join(known)}")
    return texts(value)


def profile(value: Any) -> str:
    """Take the name of a profile."""
    name = text(value)
    if name in PROVIDERS:
        raise ValueError("is not available yet; 'rfc9068' and 'jwt' are")
    if name != "auto" and name not in PROFILES:
        raise ValueError("is no profile; known are auto, rfc9068, jwt")
    return name


def scopes(value: Any) -> tuple[str, ...]:
    """Take scopes, each of the characters that RFC 6749 section 3.3 allows."""
    for name in texts(value):
        if not SCOPE_TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is not a scope; write 'one,two'")
    return texts(value)


def places(value: Any) -> tuple[str, ...]:
    """Take claims' names and JSON Pointers (RFC 6901)."""
    for path in texts(value):
        if path in ("/", "/*") or re.search(r"~(?![01])", path):
            raise ValueError(f"{path!r} is neither a claim's name nor a JSON Pointer")
    return texts(value)


def quotable(value: Any) -> str:
    """Take a text that can stand in a header field (RFC 9110 section 5.5)."""
    if not isinstance(value, str) or not re.fullmatch(r"[\x20-\x7E]+", value):
        raise ValueError("must be visible ASCII: it stands in a header field")
    return value


def one_of(*known: str) -> Callable[[Any], str]:
    """Make a parser of a few words."""

    def parse(value: Any) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return str(value)

    return parse

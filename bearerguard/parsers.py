"""From what an operator wrote to a checked value. Each parser raises ValueError saying how to mend.

Text is what the environment holds; code may pass the Python value itself.
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from bearerguard.core import signature
from bearerguard.core.access_table import AccessTable
from bearerguard.core.jwk import secret_key
from bearerguard.core.metadata import canonical
from bearerguard.core.need import NO_OFFLINE_ACCESS, OFFLINE_ACCESS, SCOPE_TOKEN
from bearerguard.core.policy import (
    AKP_ALGORITHMS,
    ASYMMETRIC_ALGORITHMS,
    HMAC_KEY_BYTES,
)
from bearerguard.errors import ConfigurationError

DURATION = re.compile(r"([0-9]{1,9})(s|m|h)")
WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
UNIT_S = {"s": 1, "m": 60, "h": 3600}
SHORTEST_SECRET = min(HMAC_KEY_BYTES.values())


class Secret:
    """A secret, as bytes. It is shown as ``***`` everywhere.

    No dataclass: ``dataclasses.asdict(settings)`` would take it apart and show it.
    """

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"


def text(value: Any) -> str:
    """Take a text as it stands."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return _plain(value)


def texts(value: Any) -> tuple[str, ...]:
    """Take a list, or a text with commas; an empty item is a mistake, not a value."""
    if isinstance(value, str):
        items = [item.strip() for item in _plain(value.strip()).split(",")]
    elif isinstance(value, list | tuple | set | frozenset):
        # A set has no order, and the first audience is the realm: take the same one every time.
        items = list(value) if isinstance(value, list | tuple) else sorted(value, key=repr)
    else:
        raise ValueError("must be a list or a text with commas")
    if "" in items:
        raise ValueError("has an empty item; write 'one,two'")
    return tuple(text(item) for item in items)


def audiences(value: Any) -> tuple[str, ...]:
    """Take names of this API; a resource identifier has no fragment (RFC 8707 section 2)."""
    names = texts(value)
    if any("://" in name and "#" in name for name in names):
        raise ValueError("has a fragment (RFC 8707 section 2); leave out '#...'")
    return names


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
        is_text = isinstance(value, str) and WHOLE_NUMBER.fullmatch(value)
        number = int(value) if is_text else value
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


def mode(value: Any) -> str:
    """Take the mode, written out: nobody should stop enforcing by a slip."""
    if value not in ("enforce", "report-without-enforcing"):
        raise ValueError("must be 'enforce' or 'report-without-enforcing'")
    return str(value)


def moment(value: Any) -> datetime:
    """Take a date, which stands for its first second, or a time; without a zone it is UTC."""
    try:
        if type(value) is date:
            value = value.isoformat()
        found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be a date such as 2026-12-24, or 2026-12-24T18:00Z") from None


def secret(value: Any) -> Secret:
    """Take an HMAC secret: text, ``base64:...`` or bytes (RFC 7518 section 3.2)."""
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value.startswith("base64:"):
        try:
            value = base64.b64decode(value.removeprefix("base64:"), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is not base64 after 'base64:'") from None
    try:
        raw = value.encode() if isinstance(value, str) else value
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8 text; write 'base64:...'") from None
    if not isinstance(raw, bytes):
        raise ValueError("must be text, 'base64:...' or bytes")
    if len(raw) < SHORTEST_SECRET:
        how = "made at random: openssl rand -base64 48"
        raise ValueError(f"has {len(raw)} bytes; HS256 needs {SHORTEST_SECRET} or more, {how}")
    secret_key(raw)
    return Secret(raw)


def algorithms(value: Any) -> tuple[str, ...]:
    """Take names of signature algorithms; names are case-sensitive (RFC 7515 section 4.1.1)."""
    names = texts(value)
    known = (*ASYMMETRIC_ALGORITHMS, *HMAC_KEY_BYTES)
    unknown = [name for name in names if name not in known]
    if any(name.lower() == "none" for name in unknown):
        raise ValueError("allows tokens without a signature, which is impossible; leave out 'none'")
    if unknown:
        raise ValueError(
            f"does not know {', '.join(map(repr, unknown))}; known are {', '.join(known)}"
        )
    if not {*names}.isdisjoint(AKP_ALGORITHMS) and not signature.ml_dsa_is_supported():
        raise ValueError("needs an OpenSSL with ML-DSA; this one has none: leave ML-DSA out")
    return names


def scopes(value: Any) -> tuple[str, ...]:
    """Take scopes, each of the characters that RFC 6749 section 3.3 allows."""
    names = texts(value)
    for name in names:
        if not SCOPE_TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is not a scope; write 'one,two'")
    return names


def required_scopes(value: Any) -> tuple[str, ...]:
    """Take scopes that a token must carry, and so ones that a client can ask for."""
    names = scopes(value)
    if OFFLINE_ACCESS in names:
        raise ValueError(NO_OFFLINE_ACCESS)
    return names


def resource(value: Any) -> str:
    """Take the URL of a resource, scheme and host in lower case.

    RFC 3986 section 5.2.4: clients take "." and ".." out of a path before they ask for it.
    """
    url = canonical(text(value))
    path = url.partition("?")[0]
    if not {".", ".."}.isdisjoint(path.split("/")[3:]):
        raise ValueError("has a '.' or '..' in its path; write out what is meant")
    return url


def places(value: Any) -> tuple[str, ...]:
    """Take claims' names and JSON Pointers (RFC 6901)."""
    paths = texts(value)
    for path in paths:
        is_pointer = path.startswith("/")
        if is_pointer and (path in ("/", "/*") or re.search(r"~(?![01])", path)):
            raise ValueError(f"{path!r} is no JSON Pointer; write 'scp' or '/realm_access/roles'")
    return paths


def paths(value: Any) -> tuple[str, ...]:
    """Take paths that are open to all, exact or as folders."""
    entries = texts(value)
    try:
        AccessTable.of(entries, (), None)
    except ConfigurationError as error:
        problems = [problem.removeprefix("public: ") for problem in error.problems]
        raise ValueError("; ".join(problems)) from None
    return entries


def quotable(value: Any) -> str:
    """Take a text that can stand in a header field (RFC 9110 section 5.5)."""
    if not isinstance(value, str) or not re.fullmatch(r"[\x20-\x7E]+", value):
        raise ValueError("must be visible ASCII: it stands in a header field")
    return value


def store(value: Any) -> str:
    """Take the URL of a store; never show it, because it may hold a password."""
    url = text(value)
    if url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("is not available yet; leave it out, or write 'memory://'")
    if url != "memory://":
        raise ValueError("is no store; 'memory://' is")
    return url


def _plain(item: str) -> str:
    """Refuse what comes of copying and quoting, and would never match anything."""
    if item != item.strip():
        raise ValueError("begins or ends with a space or a line break; take it out")
    if len(item) > 1 and item[0] == item[-1] and item[0] in "\"'":
        raise ValueError(
            "has quotation marks in it, as 'docker --env-file' keeps them; take them out"
        )
    return item

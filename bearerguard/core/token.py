"""The compact form taken apart: a token that nobody has verified yet.

Source: RFC 7515 sections 3.1, 4.1 and 5.2, RFC 7519 section 7.2, RFC 8725 sections 3.10 to 3.14.

Size and characters are limited before anything is parsed. Nothing in the header is followed or
trusted: ``jku``, ``jwk``, ``x5u`` and ``x5c`` are ignored, whatever they say (RFC 8725 section
3.10).
"""

import re
from dataclasses import dataclass, field
from typing import Any

from bearerguard.core.encoding import EncodingError, base64url_decode, read_json_object
from bearerguard.errors import RejectedError

# RFC 8725bis section 3.14: nothing but these characters before any part is parsed.
COMPACT = re.compile(r"[A-Za-z0-9_.-]+")
PARTS_OF_A_JWS = 3
PARTS_OF_A_JWE = 5


@dataclass(frozen=True)
class TokenParts:
    """The three decoded parts, and the exact octets that were signed (RFC 7515 section 5.2)."""

    header: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)


@dataclass(frozen=True)
class TokenHeader:
    """The header parameters that matter here (RFC 7515 section 4.1)."""

    alg: str
    kid: str | None
    typ: str | None


@dataclass(frozen=True)
class UnverifiedToken:
    """A well-formed token. Its claims are a stranger's words until the signature is verified."""

    header: TokenHeader
    parts: TokenParts = field(repr=False)
    claims: dict[str, Any] = field(repr=False)


def check_size(raw: object, max_bytes: int) -> None:
    """Limit the work before any parsing; ``raw`` is whatever somebody took for a token.

    Refuses: "token_malformed", "token_too_large".
    """
    if not isinstance(raw, str):
        raise RejectedError("token_malformed", expected="text", found=type(raw).__name__)
    if len(raw) > max_bytes:
        raise RejectedError("token_too_large", expected=max_bytes, found=len(raw))


def split(raw: str) -> TokenParts:
    """Take the compact serialization apart.

    Source: RFC 7515 sections 3.1 and 9: three parts are a JWS; five are a JWE, which we refuse.
    Refuses: "token_malformed", "token_encrypted".
    """
    if not COMPACT.fullmatch(raw):
        raise RejectedError("token_malformed", expected="letters, digits, '-', '_' and '.'")
    pieces = raw.encode("ascii").split(b".")
    if len(pieces) == PARTS_OF_A_JWE:
        raise RejectedError("token_encrypted", expected="a signed token (JWS), not a JWE")
    if len(pieces) != PARTS_OF_A_JWS:
        raise RejectedError("token_malformed", expected="3 parts", found=f"{len(pieces)} parts")
    try:
        header, payload, signature = map(base64url_decode, pieces)
    except EncodingError as error:
        raise RejectedError("token_malformed", expected="base64url", found=str(error)) from None
    return TokenParts(header, payload, signature, signing_input=pieces[0] + b"." + pieces[1])


def read_header(parts: TokenParts) -> TokenHeader:
    """Read the header; unknown parameters are ignored, unknown extensions are not.

    Source: RFC 7515 sections 4 and 4.1.11 (``crit``), RFC 7797 section 6 (``b64``), RFC 7519
    section 5.2 (``cty``: a nested token would need checks of its own).
    Refuses: "header_malformed", "extension_not_supported", "wrong_kind_of_token".
    """
    try:
        header = read_json_object(parts.header)
    except EncodingError as error:
        raise RejectedError("header_malformed", expected="JSON object", found=str(error)) from None
    for name in ("alg", "kid", "typ", "cty"):
        if not isinstance(header.get(name, ""), str):
            raise RejectedError("header_malformed", expected=f"{name} as a string")
    if not header.get("alg"):
        raise RejectedError("header_malformed", expected="alg")
    # We support no extension, so that each well-formed crit names something unknown, and each
    # other one is malformed: both are refused.
    if "crit" in header or header.get("b64", True) is not True:
        raise RejectedError("extension_not_supported", expected="no crit, no b64")
    if "cty" in header:
        raise RejectedError("wrong_kind_of_token", expected="claims", found="a nested token (cty)")
    return TokenHeader(alg=header["alg"], kid=header.get("kid"), typ=header.get("typ"))


def read_claims(parts: TokenParts) -> dict[str, Any]:
    """Read the claims set.

    Source: RFC 7519 sections 4 (unique names) and 7.2 (a UTF-8 JSON object).
    Refuses: "claims_malformed".
    """
    try:
        return read_json_object(parts.payload)
    except EncodingError as error:
        raise RejectedError("claims_malformed", expected="JSON object", found=str(error)) from None

"""The compact form taken apart: a token that nobody has verified yet.

Source: RFC 7515 sections 3.1, 4.1 and 5.2, RFC 7519 section 7.2, RFC 8725 sections 3.10 to 3.14.

Size and characters are limited before anything is parsed. Nothing in the header is followed or
trusted: ``jku``, ``jwk``, ``x5u`` and ``x5c`` are ignored, whatever they say (RFC 8725 section
3.10).
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bearerguard.core.encoding import (
    BASE64URL,
    EncodingError,
    decode_object,
    is_whole,
    read_json_object,
)
from bearerguard.errors import RejectedError

PARTS_OF_A_JWS = 3
PARTS_OF_A_JWE = 5
# Nearly all tokens of an issuer have the very same header, which need not be read again each time.
HEADERS_KEPT = 2048
LONGEST_HEADER_KEPT = 512


@dataclass(slots=True)
class TokenParts:
    """The three parts, each canonical base64url, and the exact octets that were signed.

    Source: RFC 7515 sections 3.1 and 5.2.
    """

    header: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)


@dataclass(frozen=True)
class TokenHeader:
    """The header parameters that matter here (RFC 7515 section 4.1).

    ``media_type`` is ``typ`` as it is compared, which is read once for all tokens of an issuer:
    case does not count, and "application/" may be left out (RFC 7515 section 4.1.9).
    """

    alg: str
    kid: str | None
    typ: str | None
    has_nonce: bool = False
    media_type: str | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        typ = None if self.typ is None else self.typ.lower().removeprefix("application/")
        object.__setattr__(self, "media_type", typ)


@dataclass(slots=True)
class UnverifiedToken:
    """A well-formed token. Its claims are a stranger's words until the signature is verified."""

    header: TokenHeader
    parts: TokenParts = field(repr=False)
    payload: bytes = field(repr=False)
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
    """Take the compact serialization apart and check its shape, without decoding anything.

    Source: RFC 7515 sections 2, 3.1 and 9: three parts are a JWS; five are a JWE, which we refuse.
    RFC 8725bis section 3.14: nothing but these characters before any part is parsed.
    Refuses: "token_malformed", "token_encrypted".
    """
    try:
        octets = raw.encode("ascii")
    except UnicodeEncodeError:
        raise RejectedError("token_malformed", expected="base64url") from None
    pieces = octets.split(b".", PARTS_OF_A_JWE)
    # Without these characters, two dots are left. A pattern takes three times as long.
    if len(pieces) != PARTS_OF_A_JWS or octets.translate(None, BASE64URL) != b"..":
        raise _refusal_of_shape(octets, len(pieces))
    header, payload, signature = pieces
    if not (is_whole(header) and is_whole(payload) and is_whole(signature)):
        raise RejectedError("token_malformed", expected="base64url")
    return TokenParts(header, payload, signature, octets[: len(header) + 1 + len(payload)])


def read_header(parts: TokenParts) -> TokenHeader:
    """Read the header; unknown parameters are ignored, unknown extensions are not.

    Source: RFC 7515 sections 4 and 4.1.11 (``crit``), RFC 7797 section 6 (``b64``), RFC 7519
    section 5.2 (``cty``: a nested token would need checks of its own).
    Refuses: "header_malformed", "extension_not_supported", "wrong_kind_of_token".
    """
    if len(parts.header) > LONGEST_HEADER_KEPT:
        return _header_of(parts.header)
    return _frequent_header_of(parts.header)


def read_claims(header: TokenHeader, parts: TokenParts) -> UnverifiedToken:
    """Read the claims set, which completes the token.

    Source: RFC 7519 sections 4 (unique names) and 7.2 (a UTF-8 JSON object).
    Refuses: "claims_malformed".
    """
    try:
        payload = decode_object(parts.payload)
        claims = read_json_object(payload)
    except EncodingError as error:
        raise RejectedError("claims_malformed", expected="JSON object", found=str(error)) from None
    return UnverifiedToken(header, parts, payload, claims)


def _refusal_of_shape(octets: bytes, parts: int) -> RejectedError:
    if parts == PARTS_OF_A_JWE and octets.translate(None, BASE64URL) == b"....":
        return RejectedError("token_encrypted", expected="a signed token (JWS), not a JWE")
    if parts != PARTS_OF_A_JWS:
        found = f"{parts} parts" if parts <= PARTS_OF_A_JWE else "more"
        return RejectedError("token_malformed", expected="3 parts", found=found)
    return RejectedError("token_malformed", expected="letters, digits, '-', '_' and '.'")


def _header_of(encoded: bytes) -> TokenHeader:
    try:
        header = read_json_object(decode_object(encoded))
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
    return TokenHeader(
        alg=header["alg"], kid=header.get("kid"), typ=header.get("typ"), has_nonce="nonce" in header
    )


_frequent_header_of = lru_cache(HEADERS_KEPT)(_header_of)

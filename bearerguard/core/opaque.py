"""Which tokens are opaque, and whom to ask about one. Decided by shape and settings alone.

A token in the shape of a JWT is verified as one, and no failure ever sends it elsewhere: else a
forged one would cost the issuer a request each, and what the rules for JWTs refuse would have a
second way in. A token in any other shape goes to the one issuer that has introspection, or whose
prefix it has, and to nobody else: each server that sees a token can use it.
"""

import json
from functools import lru_cache
from string import ascii_letters, digits
from typing import Any

from bearerguard.core.encoding import BASE64URL, decode_checked
from bearerguard.core.policy import Policy
from bearerguard.core.token import HEADERS_KEPT, LONGEST_HEADER_KEPT, PARTS_OF_A_JWS
from bearerguard.core.trust import Trust
from bearerguard.errors import RejectedError

# RFC 6750 section 2.1, b64token.
B64TOKEN = f"{ascii_letters}{digits}-._~+/".encode()
# What a b64token may have besides.
NOT_BASE64URL = b"=.~+/"
# Opaque tokens are tens of characters long, and those that are JWEs for their issuer two thousand.
LONGEST_OPAQUE_TOKEN = 8192


def is_opaque(raw: object, max_bytes: int) -> bool:
    """Tell whether a token is of a length to be looked at and has not the shape of a JWT.

    That shape: three parts of base64url, the first of which is a JSON object with ``alg``.
    Source: RFC 7515 sections 3.1 and 4.1.1. Read leniently: what anybody could take for a JWT is
    one, and is refused as one where it is odd.
    """
    if not isinstance(raw, str) or len(raw) > max_bytes:
        return False
    octets = raw.encode("utf-8", "replace")
    # A lenient server overlooks what is appended (PyJWT CVE-2026-102269).
    return not (_is_jwt(octets) or _is_jwt(octets.rstrip(NOT_BASE64URL)))


def policy_of_opaque(raw: str, trust: Trust) -> Policy:
    """Choose the issuer to ask, and give the rules for its answer.

    Source: RFC 7662 section 4: limits before anybody is asked.
    Refuses: "token_too_large", "token_malformed".
    """
    if len(raw) > LONGEST_OPAQUE_TOKEN:
        raise RejectedError("token_too_large", expected=LONGEST_OPAQUE_TOKEN, found=len(raw))
    octets = raw.encode("utf-8", "replace").rstrip(b"=")
    if not octets or octets.translate(None, B64TOKEN):
        raise RejectedError("token_malformed", expected="a b64token (RFC 6750 section 2.1)")
    for prefix, policy in trust.opaque:
        if raw.startswith(prefix):
            return policy
    expected = ["a JWT", *(f"{prefix}..." for prefix, _ in trust.opaque)]
    raise RejectedError("token_malformed", expected=expected)


def _is_jwt(octets: bytes) -> bool:
    header, *others = octets.split(b".", PARTS_OF_A_JWS)
    if 1 + len(others) != PARTS_OF_A_JWS or octets.translate(None, BASE64URL) != b"..":
        return False
    if len(header) > LONGEST_HEADER_KEPT:
        return _names_alg(header)
    return _frequently_names_alg(header)


def _names_alg(header: bytes) -> bool:
    try:
        found: Any = json.loads(decode_checked(header))
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "alg" in found


_frequently_names_alg = lru_cache(HEADERS_KEPT)(_names_alg)

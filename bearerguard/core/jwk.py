"""A JWK Set document into keys, one by one: an odd key never harms the others.

Source: RFC 7517 sections 4 and 5, RFC 7518 section 6, RFC 7638, RFC 8037 section 2, RFC 9864,
RFC 9964 section 3.

What a key may verify follows from the key alone, never from a token: its type and curve give a
family of algorithms, and its "alg", where it has one, narrows the family (RFC 8725 section 3.1).
Certificates in ``x5c`` and ``x5u`` are not relied upon, and so not read.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from bearerguard.core.encoding import (
    ODD,
    EncodingError,
    base64url_decode,
    base64url_encode,
    read_foreign_json,
)
from bearerguard.core.key_set import Key, KeyRefusedError, KeySet, KeySetError, key_set_of
from bearerguard.core.policy import HMAC_KEY_BYTES, OKP_ALGORITHMS, RSA_ALGORITHMS

MOST_KEYS = 100
# RFC 7518 section 3.3 sets the lower bound. The upper one keeps a verification below a millisecond.
RSA_BITS = range(2048, 8192 + 1)
# Enough for the longest member we accept, an ML-DSA-87 key of 2592 bytes.
LONGEST_MEMBER = 4096
# OpenSSL itself stops at 64 bits for large moduli; every key in the field has 65537.
RSA_EXPONENTS = range(3, 2**64)
CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
ML_DSA_KEYS: dict[str, Any] = {
    "ML-DSA-44": mldsa.MLDSA44PublicKey,
    "ML-DSA-65": mldsa.MLDSA65PublicKey,
    "ML-DSA-87": mldsa.MLDSA87PublicKey,
}
# Members that only a private or a symmetric key has. A published one is known to the whole world.
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
BASE64URL_TEXT = re.compile(r"[A-Za-z0-9_-]+={0,2}")
# RFC 7638 section 3.2, RFC 8037 section 2, RFC 9964 section 6; in lexicographic order.
THUMBPRINT_MEMBERS = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "AKP": ("alg", "kty", "pub"),
    "oct": ("k", "kty"),
}


def parse_key_set(document: bytes) -> KeySet:
    """Read a JWK Set document and keep the keys that can verify access tokens.

    Source: RFC 7517 section 5: keys that cannot be understood are skipped.

    Raises:
        KeySetError: not a JWK Set, more than 100 keys, or no usable key in it.
    """
    try:
        content = read_foreign_json(document)
    except EncodingError as error:
        raise KeySetError(f"not a JWK Set: {error}") from None
    members = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(members, list):
        raise KeySetError("not a JWK Set: no array 'keys'")
    if len(members) > MOST_KEYS:
        raise KeySetError(f"more than {MOST_KEYS} keys")
    return key_set_of(members, parse_key)


def parse_key(jwk: object) -> Key:
    """Read one JWK that is meant for verifying signatures.

    Source: RFC 7517 section 4, RFC 7518 section 6.

    Raises:
        KeyRefusedError: private, symmetric, for another use, of an unknown type, weak or broken.
    """
    if not isinstance(jwk, dict):
        raise KeyRefusedError("not an object")
    if any(value is ODD for value in jwk.values()):
        raise KeyRefusedError("a member that is not JSON, or has a repeated name")
    if not PRIVATE_MEMBERS.isdisjoint(jwk):
        raise KeyRefusedError("private or symmetric")
    _check_purpose(jwk)
    kid = jwk.get("kid")
    if not isinstance(kid, str | None) or not (kid or "").isprintable():
        raise KeyRefusedError("kid is not a printable string")
    family = _family(jwk)
    alg = jwk.get("alg")
    if alg is not None and not (isinstance(alg, str) and alg in family):
        raise KeyRefusedError("alg does not fit the key")
    # RFC 9864 section 2.2: the two Ed25519 names are one algorithm, whichever the key carries.
    algorithms = family if alg is None or family == set(OKP_ALGORITHMS) else frozenset({alg})
    return Key(kid, algorithms, thumbprint(jwk), _public_key(jwk), _issuer_of(jwk))


def secret_key(secret: bytes) -> Key:
    """Make a key of an HMAC secret, for as many HS* algorithms as its length allows.

    Source: RFC 7518 section 3.2.

    Raises:
        KeyRefusedError: what was given is a public key or a certificate and no secret.
    """
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError:
        raise KeyRefusedError("is a public key or a certificate, which is no secret") from None
    algorithms = frozenset(alg for alg, least in HMAC_KEY_BYTES.items() if len(secret) >= least)
    k = base64url_encode(secret).decode()
    return Key(None, algorithms, thumbprint({"kty": "oct", "k": k}), secret)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Give the SHA-256 thumbprint of a JWK as base64url text (RFC 7638 section 3)."""
    members = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    canonical = json.dumps(members, separators=(",", ":")).encode()
    return base64url_encode(hashlib.sha256(canonical).digest()).decode()


def _issuer_of(jwk: dict[str, Any]) -> str | None:
    """Give whose tokens the key is for, where it says so; no issuer has what is not a name."""
    issuer = jwk.get("issuer")
    return issuer if isinstance(issuer, str | None) else ""


def _check_purpose(jwk: dict[str, Any]) -> None:
    """RFC 7517 sections 4.2 and 4.3: a key for something else does not verify signatures."""
    if jwk.get("use", "sig") != "sig":
        raise KeyRefusedError("use is not sig")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise KeyRefusedError("key_ops lacks verify")


def _family(jwk: dict[str, Any]) -> frozenset[str]:
    """Give the algorithms of the key's type and curve, once its members have the right form."""
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if kty == "RSA":
        family: tuple[str, ...] = RSA_ALGORITHMS
    elif kty == "EC" and isinstance(crv, str) and crv in CURVES:
        family = (CURVES[crv],)
    elif kty == "OKP" and crv == "Ed25519":
        family = OKP_ALGORITHMS
    elif kty == "AKP" and jwk.get("alg") in tuple(ML_DSA_KEYS):
        family = (jwk["alg"],)  # RFC 9964 section 3: here alg is part of the key
    else:
        raise KeyRefusedError("unknown kty, crv or alg")
    for name in set(THUMBPRINT_MEMBERS[kty]) - {"kty", "crv", "alg"}:
        value = jwk.get(name)
        if not isinstance(value, str) or len(value) > LONGEST_MEMBER:
            raise KeyRefusedError(f"{name} is missing, too long or not a string")
        if not BASE64URL_TEXT.fullmatch(value):
            raise KeyRefusedError(f"{name} is not base64url")
    return frozenset(family)


def _public_key(jwk: dict[str, Any]) -> Any:
    try:
        match jwk["kty"]:
            case "RSA":
                # Private members were refused before, so that what comes out is a public key.
                return _strong(cast("RSAPublicKey", RSAAlgorithm.from_jwk(jwk)))
            case "EC":
                return ECAlgorithm.from_jwk(jwk)
            case "OKP":
                return OKPAlgorithm.from_jwk(jwk)
            case _:
                key = base64url_decode(jwk["pub"].encode())
                return ML_DSA_KEYS[jwk["alg"]].from_public_bytes(key)
    except KeyRefusedError:
        raise
    # ValueError is cryptography's word for a point off its curve, a wrong length, an odd modulus.
    except (InvalidKeyError, ValueError, UnsupportedAlgorithm):
        raise KeyRefusedError("broken key material") from None


def _strong(key: RSAPublicKey) -> RSAPublicKey:
    """RFC 7518 section 3.3: 2048 bits or more; and not so many that a forgery gets expensive."""
    numbers = key.public_numbers()
    if key.key_size not in RSA_BITS:
        raise KeyRefusedError(f"RSA key of {key.key_size} bits")
    if numbers.n % 2 == 0 or numbers.e % 2 == 0 or numbers.e not in RSA_EXPONENTS:
        raise KeyRefusedError("RSA numbers out of range")
    return key

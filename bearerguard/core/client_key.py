"""A private key with which this API proves who it is to an issuer.

Source: RFC 7523 section 2.2, RFC 7517 section 4, RFC 7468 section 10.

The algorithm is the key's own (``alg`` of a JWK), else the one that servers expect of its type:
RS256 for RSA, because it is the only one that all of them have.
"""

import binascii
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from bearerguard.core.encoding import EncodingError, read_json_object
from bearerguard.core.policy import RSA_ALGORITHMS

CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
FORMS: dict[object, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}
# RFC 7518 section 3.3.
LEAST_RSA_BITS = 2048
WHAT_IT_IS = "a private key is PEM without a password, or one JWK"


class ClientKeyError(ValueError):
    """The content is no private key that can be used. The message quotes nothing of it."""


@dataclass(frozen=True)
class ClientKey:
    """A private key, the algorithm it signs with, and the id by which the issuer knows it."""

    alg: str
    kid: str | None
    private_key: Any = field(repr=False)


def parse_client_key(content: bytes) -> ClientKey:
    """Read a private key: PEM without a password, or one JWK.

    Raises:
        ClientKeyError: neither, or of a kind, a size or an algorithm that cannot be used.
    """
    text = content.strip()
    if text.startswith(b"{"):
        return _of_jwk(text)
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it needs a password
        raise ClientKeyError(f"holds no private key; {WHAT_IT_IS}") from None
    return _checked(key, None, None)


def _of_jwk(text: bytes) -> ClientKey:
    try:
        jwk = read_json_object(text)
        key = FORMS[jwk.get("kty")].from_jwk(jwk)
    except (EncodingError, InvalidKeyError, KeyError, ValueError, TypeError, binascii.Error):
        raise ClientKeyError(f"holds no private key; {WHAT_IT_IS}") from None
    return _checked(key, jwk.get("kid"), jwk.get("alg"))


def _checked(key: object, kid: object, alg: object) -> ClientKey:
    possible = _algorithms(key)
    if alg is None:
        alg = possible[0]
    if not isinstance(alg, str) or alg not in possible:
        raise ClientKeyError(f"holds a key whose alg does not fit it; {possible[0]} would")
    if not isinstance(kid, str | None):
        raise ClientKeyError("holds a key whose kid is no string")
    return ClientKey(alg, kid, key)


def _algorithms(key: object) -> tuple[str, ...]:
    """Give what a private key can sign with, the usual one first."""
    match key:
        case RSAPrivateKey() if key.key_size >= LEAST_RSA_BITS:
            return RSA_ALGORITHMS
        case RSAPrivateKey():
            raise ClientKeyError(f"holds an RSA key of less than {LEAST_RSA_BITS} bits")
        case EllipticCurvePrivateKey() if key.curve.name in CURVES:
            return (CURVES[key.curve.name],)
        case Ed25519PrivateKey():
            return ("EdDSA",)
    raise ClientKeyError("holds no private key of RSA, P-256, P-384, P-521 or Ed25519")

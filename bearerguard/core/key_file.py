"""The content of a file with keys into keys: a JWK Set, or public keys as PEM.

Source: RFC 7468 sections 2, 3 and 13, RFC 8017 appendix A.1.1, RFC 7517 section 5.

A key out of PEM becomes a JWK first and is then read like a published one, so that the same checks
of sizes, curves and exponents hold. It has no key id; so it fits whatever id a token names.

Text around the blocks is refused, although RFC 7468 section 2 lets a reader skip it: a file that is
just being written, or that was cut off, must not pass for one with fewer keys.
"""

import binascii
import re
from dataclasses import replace
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from bearerguard.core.encoding import base64url_encode
from bearerguard.core.jwk import ML_DSA_KEYS, MOST_KEYS, parse_key, parse_key_set
from bearerguard.core.key_set import Key, KeyRefusedError, KeySet, KeySetError, key_set_of

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BEGIN = b"-----BEGIN "
# In every label that means one: PKCS #8, encrypted or not, RSA, EC, OpenSSH, PGP.
PRIVATE_KEY = b"PRIVATE KEY"
# Possessive, so that a long block without an end costs one walk over it and not many.
BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64}+)-----([^-]*+)-----END \1-----")
PUBLIC_KEY_LABELS = (b"PUBLIC KEY", b"RSA PUBLIC KEY")
CERTIFICATE_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
# id-RSASSA-PSS (RFC 4055 section 3.1) in DER; it stands at the very beginning of such a key.
RSA_PSS_IDENTIFIER = bytes.fromhex("06092a864886f70d01010a")
BEGINNING = 40


def parse_key_file(content: bytes) -> KeySet:
    """Read a file with keys: a JWK Set as it would be fetched, or PEM blocks with public keys.

    An odd block beside a good one is skipped, as in a JWK Set. Keys from PEM fit a token whatever
    kid it names.

    Raises:
        KeySetError: not such a file, more than 100 keys, no usable key, or a private key in PEM.
            The message says how to mend the file, and quotes nothing of it.
    """
    text = content.removeprefix(BYTE_ORDER_MARK).strip()
    if not text:
        raise KeySetError("the file is empty")
    # Whoever put it here has published it to this host: nothing in the file is to be relied upon.
    if BEGIN in text and PRIVATE_KEY in text:
        raise KeySetError(
            "the file holds a private key, which never leaves the issuer; replace that key pair "
            "and put only the public key here (openssl pkey -pubout -in private.pem)"
        )
    if BEGIN not in text or text.startswith((b"{", b"[")):
        return _parse_json(text)
    blocks: list[tuple[bytes, bytes]] = BLOCK.findall(text)
    if BLOCK.sub(b"", text).strip():
        raise KeySetError(
            "text outside of the PEM blocks, or a block that is cut off; keep only whole blocks, "
            "from -----BEGIN to -----END"
        )
    if len(blocks) > MOST_KEYS:
        raise KeySetError(f"more than {MOST_KEYS} keys")
    return replace(key_set_of(blocks, _key_of_block), ids_matter=False)


def _parse_json(text: bytes) -> KeySet:
    try:
        return parse_key_set(text)
    except KeySetError as error:
        raise KeySetError(f"{error}; a file of keys is a JWK Set or public keys in PEM") from None


def _key_of_block(block: tuple[bytes, bytes]) -> Key:
    label, body = block
    if label in CERTIFICATE_LABELS:
        raise KeyRefusedError(
            "a certificate: openssl x509 -pubkey -noout -in cert.pem gives its public key"
        )
    if label not in PUBLIC_KEY_LABELS:
        raise KeyRefusedError(f"a block {label.decode()!r} and no PUBLIC KEY")
    try:
        # By hand because cryptography's own reader is lenient about what stands between the lines.
        der = binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
    except binascii.Error:
        raise KeyRefusedError("broken base64 in a PEM block") from None
    return parse_key(_jwk_of(der))


def _jwk_of(der: bytes) -> dict[str, Any]:
    """Write a public key as a JWK (RFC 7518 section 6, RFC 8037 section 2, RFC 9964 section 3)."""
    if RSA_PSS_IDENTIFIER in der[:BEGINNING]:
        # cryptography would give a plain RSA key, which verifies what this one must not.
        raise KeyRefusedError("an RSASSA-PSS key: put it into a JWK Set, with its alg")
    try:
        jwk = _supported_jwk_of(load_der_public_key(der))
    # InvalidKeyError is PyJWT's word for a curve that JOSE has no name for.
    except (ValueError, UnsupportedAlgorithm, InvalidKeyError):
        raise KeyRefusedError("broken, or of an unknown kind") from None
    if jwk is None:
        raise KeyRefusedError("of a kind that is not supported")
    return jwk


def _supported_jwk_of(key: Any) -> dict[str, Any] | None:
    match key:
        case RSAPublicKey():
            return RSAAlgorithm.to_jwk(key, as_dict=True)
        case EllipticCurvePublicKey():
            return ECAlgorithm.to_jwk(key, as_dict=True)
        case Ed25519PublicKey():
            return OKPAlgorithm.to_jwk(key, as_dict=True)
    for alg, kind in ML_DSA_KEYS.items():
        if isinstance(key, kind):
            pub = base64url_encode(key.public_bytes_raw()).decode()
            return {"kty": "AKP", "alg": alg, "pub": pub}
    return None

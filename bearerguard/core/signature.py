"""An unverified token and keys in, a verified token out.

Source: RFC 7515 section 5.2, RFC 8725 sections 3.1 and 3.2.

The signatures are PyJWT's and cryptography's work. The registry is private, so that nothing here
changes what ``jwt.decode`` does elsewhere in the process; it holds no "none", and two names that
PyJWT does not know: Ed25519 (RFC 9864) and ML-DSA (RFC 9964).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa
from jwt.algorithms import Algorithm, OKPAlgorithm, get_default_algorithms

from bearerguard.core.encoding import decode_checked
from bearerguard.core.jwk import ML_DSA_KEYS
from bearerguard.core.key_set import Key
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS, HMAC_KEY_BYTES
from bearerguard.core.token import UnverifiedToken
from bearerguard.errors import RejectedError

# Several keys may fit a token without a kid. Beyond this many a forged token would cost too much.
MOST_KEYS_TRIED = 4


@dataclass(slots=True)
class VerifiedToken:
    """A token whose signature was made by a key of its issuer. Only :func:`verify` builds one."""

    token: UnverifiedToken
    key: Key


class MLDSAAlgorithm(Algorithm):
    """ML-DSA for JOSE, with an empty context (RFC 9964 section 4)."""

    def prepare_key(self, key: Any) -> Any:
        """Take the key object as it is; :mod:`bearerguard.core.jwk` has made it."""
        return key

    def sign(self, msg: bytes, key: Any) -> bytes:
        """Sign ``msg``; only the issuer for tests and development does."""
        signature: bytes = key.sign(msg)
        return signature

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        """Tell whether ``sig`` is the signature of ``msg`` by ``key``."""
        try:
            key.verify(sig, msg)
        except InvalidSignature:
            return False
        return True

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> Any:  # noqa: FBT001, FBT002  PyJWT's signature
        """Not offered: RFC 9964 keys are written by the issuer for tests alone."""
        raise NotImplementedError

    @staticmethod
    def from_jwk(jwk: Any) -> Any:
        """Not offered: :func:`bearerguard.core.jwk.parse_key` reads these keys."""
        raise NotImplementedError


def _registry() -> dict[str, Algorithm]:
    known = get_default_algorithms()
    known["Ed25519"] = OKPAlgorithm()
    known.update((alg, MLDSAAlgorithm()) for alg in ML_DSA_KEYS)
    return {alg: known[alg] for alg in (*ASYMMETRIC_ALGORITHMS, *HMAC_KEY_BYTES)}


REGISTRY = _registry()


def ml_dsa_is_supported() -> bool:
    """Tell whether the OpenSSL behind cryptography has ML-DSA."""
    try:
        mldsa.MLDSA44PrivateKey.generate()
    except UnsupportedAlgorithm:
        return False
    return True


def verify(token: UnverifiedToken, keys: Sequence[Key]) -> VerifiedToken:
    """Verify the signature over the exact octets received, with the first key that fits.

    ``keys`` are the candidates that the key source found for this kid and algorithm.
    Source: RFC 7515 section 5.2, RFC 8725 section 3.1: each key only with an algorithm of its own
    family.
    Refuses: "key_unsuitable", "signature_invalid".
    """
    alg, parts = token.header.alg, token.parts
    signature = decode_checked(parts.signature)
    tried = []
    for key in keys:
        if alg not in key.algorithms:
            continue
        if REGISTRY[alg].verify(parts.signing_input, key.public_key, signature):
            return VerifiedToken(token, key)
        tried.append(key.kid)
        if len(tried) == MOST_KEYS_TRIED:
            break
    if not tried:
        raise RejectedError("key_unsuitable", expected="a key for this algorithm", found=alg)
    raise RejectedError("signature_invalid", expected=tried)

"""A key that signs for real, for the issuer of tests and development."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from bearerguard.core.encoding import base64url_encode
from bearerguard.core.jwk import thumbprint
from bearerguard.core.signature import REGISTRY

EC_CURVES: dict[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}
ML_DSA: dict[str, Any] = {
    "ML-DSA-44": mldsa.MLDSA44PrivateKey,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey,
}


@dataclass(frozen=True)
class SigningKey:
    """A private key, the algorithm it signs with, and its public JWK."""

    alg: str
    private_key: Any = field(repr=False)
    jwk: Mapping[str, Any]

    @classmethod
    def generate(cls, alg: str = "RS256", kid: str | None = None) -> "SigningKey":
        """Make a key for an algorithm; its kid is its thumbprint unless one is given."""
        private_key, jwk = _generate(alg)
        jwk = {**jwk, "alg": alg, "use": "sig"}
        return cls(alg, private_key, {"kid": kid or thumbprint(jwk), **jwk})

    @property
    def kid(self) -> str:
        """The key id in its JWK."""
        return str(self.jwk["kid"])

    def public_pem(self) -> bytes:
        """Give the public key as PEM text."""
        pem: bytes = self.private_key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return pem

    def sign(self, message: bytes, alg: str | None = None) -> bytes:
        """Sign with the key's algorithm, or with another one that the key can do."""
        return REGISTRY[alg or self.alg].sign(message, self.private_key)


def _generate(alg: str) -> tuple[Any, dict[str, Any]]:
    if alg in EC_CURVES:
        ec_key = ec.generate_private_key(EC_CURVES[alg])
        return ec_key, ECAlgorithm.to_jwk(ec_key.public_key(), as_dict=True)
    if alg in ("EdDSA", "Ed25519"):
        ed_key = ed25519.Ed25519PrivateKey.generate()
        return ed_key, OKPAlgorithm.to_jwk(ed_key.public_key(), as_dict=True)
    if alg in ML_DSA:
        ml_key = ML_DSA[alg].generate()
        pub = base64url_encode(ml_key.public_key().public_bytes_raw()).decode()
        return ml_key, {"kty": "AKP", "alg": alg, "pub": pub}
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return rsa_key, RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True)

"""An issuer in memory: it makes keys, real tokens and JWK Sets, without any socket.

It signs for real, so that a test exercises the very code that guards production; there is no
verifier that accepts anything.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from bearerguard.core.encoding import base64url_encode
from bearerguard.core.jwk import thumbprint
from bearerguard.core.signature import REGISTRY
from bearerguard.core.urls import well_known_urls
from bearerguard.guard import Guard
from bearerguard.jwks.fetch import Fetched, FetchError

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
LIFETIME_S = 300


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


class Issuer:
    """An authorization server in memory, and the Fetcher that a guard asks for its keys.

    ``url`` is its name in ``iss``, ``audience`` the API that its tokens are for, ``clock`` gives
    seconds since 1970. ``requests`` lists the URLs that were fetched.
    """

    def __init__(
        self,
        url: str = "https://issuer.example",
        *,
        audience: str = "https://api.example",
        alg: str = "RS256",
        key: SigningKey | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self.audience = audience
        self.clock = clock
        self.keys = [key or SigningKey.generate(alg)]
        self.is_down = False
        self.requests: list[str] = []

    @property
    def key(self) -> SigningKey:
        """The key that signs at present: the newest one."""
        return self.keys[-1]

    @property
    def jwks_uri(self) -> str:
        """Where the issuer publishes its keys."""
        return f"{self.url.rstrip('/')}/jwks.json"

    def rotate(self, alg: str | None = None, *, keep: bool = True) -> SigningKey:
        """Sign with a new key from now on; without ``keep`` the old ones are withdrawn."""
        key = SigningKey.generate(alg or self.key.alg)
        self.keys = [*self.keys, key] if keep else [key]
        return key

    def claims(self, *, without: Iterable[str] = (), **claims: Any) -> dict[str, Any]:
        """Give the claims of a good access token (RFC 9068 section 2.2), changed as asked."""
        now = int(self.clock())
        good = {
            "iss": self.url,
            "aud": self.audience,
            "sub": "user-1",
            "client_id": "client-1",
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        return {name: value for name, value in (good | claims).items() if name not in set(without)}

    def token(
        self,
        scope: str | None = None,
        *,
        header: Mapping[str, Any] | None = None,
        key: SigningKey | None = None,
        without: Iterable[str] = (),
        **claims: Any,
    ) -> str:
        """Sign an access token. ``scope`` is a string with spaces; ``claims`` replace good ones.

        ``header`` adds or replaces header parameters, where None takes one out; ``without`` names
        claims to leave out.
        """
        if scope is not None:
            claims["scope"] = scope
        payload = json.dumps(self.claims(without=without, **claims)).encode()
        return self.sign(payload, header=header, key=key)

    def sign(
        self,
        payload: bytes,
        *,
        header: Mapping[str, Any] | bytes | None = None,
        key: SigningKey | None = None,
    ) -> str:
        """Sign any octets. ``header`` as bytes is taken as it stands."""
        key = key or self.key
        if not isinstance(header, bytes):
            good = {"typ": "at+jwt", "alg": key.alg, "kid": key.kid} | dict(header or {})
            header = json.dumps({k: v for k, v in good.items() if v is not None}).encode()
        signing_input = base64url_encode(header) + b"." + base64url_encode(payload)
        alg = json.loads(header)["alg"] if _names_algorithm(header) else key.alg
        signature = base64url_encode(key.sign(signing_input, alg if alg in REGISTRY else None))
        return (signing_input + b"." + signature).decode()

    def jwks(self) -> dict[str, Any]:
        """Give the published JWK Set (RFC 7517 section 5)."""
        return {"keys": [dict(key.jwk) for key in self.keys]}

    def metadata(self) -> dict[str, Any]:
        """Give the metadata (RFC 8414 section 2)."""
        return {
            "issuer": self.url,
            "jwks_uri": self.jwks_uri,
            "token_endpoint": f"{self.url.rstrip('/')}/token",
            "response_types_supported": ["code"],
        }

    def fetch(
        self, url: str, *, headers: Mapping[str, str], timeout_s: float, max_bytes: int
    ) -> Fetched:
        """Answer a guard's request, as a Fetcher does."""
        _ = headers, timeout_s, max_bytes
        self.requests.append(url)
        if self.is_down:
            raise FetchError(f"{url}: the issuer is down")
        if url == self.jwks_uri:
            return _json_answer(self.jwks())
        return _json_answer(self.metadata()) if url in well_known_urls(self.url) else Fetched(404)

    def guard(self, **settings: Any) -> Guard:
        """Make a guard for this issuer's tokens that never opens a socket."""
        settings = {"issuer": self.url, "audience": self.audience, **settings}
        return Guard(fetcher=self, clock=self.clock, **settings)


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


def _json_answer(document: Mapping[str, Any]) -> Fetched:
    headers = {"content-type": "application/json"}
    return Fetched(200, headers, json.dumps(document).encode())


def _names_algorithm(header: bytes) -> bool:
    try:
        return json.loads(header)["alg"] in REGISTRY
    except (ValueError, TypeError, KeyError):
        return False

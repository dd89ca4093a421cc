"""Bad tokens of every kind, and what each is refused for."""

import secrets
from collections.abc import Callable

from bearerguard.core.encoding import base64url_encode
from bearerguard.testing import Issuer, SigningKey

from .tokens import token

GOOD, FORGED = "good token", "forged signature"
BY_CLAIMS = ("expired", "wrong audience", "wrong issuer")
BY_SHAPE = (
    "unknown kid",
    "wrong alg",
    "wrong typ",
    "garbage",
    "16 kB of garbage",
    "16 kB of garbage as claims",
    "over 16 kB",
)
# What a bad token of each kind is refused for. If one is refused for another reason, its figure is
# that of another kind.
REASONS = {
    FORGED: "signature_invalid",
    "expired": "expired",
    "wrong audience": "audience_mismatch",
    "wrong issuer": "issuer_mismatch",
    "unknown kid": "key_unknown",
    "wrong alg": "algorithm_not_allowed",
    "wrong typ": "type_mismatch",
    "garbage": "token_malformed",
    "16 kB of garbage": "header_malformed",
    "16 kB of garbage as claims": "claims_malformed",
    "over 16 kB": "token_too_large",
}


def _forged(issuer: Issuer) -> str:
    signed, _, signature = token(issuer).rpartition(".")
    return f"{signed}.{_random(len(signature) * 3 // 4)}"


def _random(size: int) -> str:
    # Less than any modulus, so that no library sees without arithmetic that it is wrong.
    return base64url_encode(b"\0" + secrets.token_bytes(size - 1)).decode()


def _wrong_alg(issuer: Issuer) -> str:
    """Sign with the public key as an HMAC secret, the oldest trick."""
    trick = SigningKey("HS256", issuer.key.public_pem(), {"kid": issuer.key.kid})
    return token(issuer, key=trick)


def _garbage_as_claims(issuer: Issuer) -> str:
    header, _, signature = token(issuer).split(".")
    return f"{header}.{_random(11_400)}.{signature}"


KINDS: dict[str, Callable[[Issuer], str]] = {
    GOOD: token,
    FORGED: _forged,
    "expired": lambda issuer: token(issuer, exp=int(issuer.clock()) - 3600),
    "wrong audience": lambda issuer: token(issuer, aud="https://api.example/invoices"),
    "wrong issuer": lambda issuer: token(issuer, iss="https://login.example/tenants/0"),
    "unknown kid": lambda issuer: token(issuer, header={"kid": secrets.token_urlsafe(16)}),
    "wrong alg": _wrong_alg,
    "wrong typ": lambda issuer: token(issuer, header={"typ": "JWT"}),
    "garbage": lambda _: secrets.token_urlsafe(32),
    "16 kB of garbage": lambda _: ".".join(_random(4_000) for _ in range(3)),
    "16 kB of garbage as claims": _garbage_as_claims,
    "over 16 kB": lambda _: ".".join(_random(4_500) for _ in range(3)),
}

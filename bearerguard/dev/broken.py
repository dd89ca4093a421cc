"""Tokens that no API may accept, each with the name of what is wrong with it.

    for name, token in bad_tokens(issuer).items(): ...

Each is signed by the issuer's own key unless the name says otherwise, so that nothing but the named
defect can be the reason for its refusal. One is bad by default only: "oversized" is longer than the
setting ``max_token_bytes`` unless that was raised.
"""

import hmac
import json
from collections.abc import Callable

from bearerguard.core.encoding import base64url_encode
from bearerguard.dev.issuer import Issuer, SigningKey

Recipe = Callable[[Issuer], str]


def _unsigned(issuer: Issuer) -> str:
    header = base64url_encode(b'{"typ":"at+jwt","alg":"none"}')
    payload = base64url_encode(json.dumps(issuer.claims()).encode())
    return f"{header.decode()}.{payload.decode()}."


def _forged(issuer: Issuer) -> str:
    stranger = SigningKey.generate(issuer.key.alg, kid=issuer.key.kid)
    return issuer.token(key=stranger)


def _altered(issuer: Issuer) -> str:
    """Take the header and the signature of one token and the payload of another."""
    header, _, signature = issuer.token().split(".")
    _, payload, _ = issuer.token(sub="admin").split(".")
    return f"{header}.{payload}.{signature}"


def _signed_with_the_public_key(issuer: Issuer) -> str:
    """The classic confusion: HMAC, with the issuer's public key as the secret."""
    header = {"typ": "at+jwt", "alg": "HS256", "kid": issuer.key.kid}
    secret = issuer.key.public_pem()
    signing_input = b".".join(
        base64url_encode(json.dumps(part).encode()) for part in (header, issuer.claims())
    )
    mac = hmac.digest(secret, signing_input, "sha256")
    return (signing_input + b"." + base64url_encode(mac)).decode()


def _with_own_key(issuer: Issuer) -> str:
    stranger = SigningKey.generate(issuer.key.alg)
    return issuer.token(key=stranger, header={"jwk": dict(stranger.jwk), "kid": None})


BAD_TOKENS: dict[str, Recipe] = {
    "garbage": lambda _: "garbage",
    "unsigned": _unsigned,
    "forged": _forged,
    "altered": _altered,
    "signed_with_the_public_key": _signed_with_the_public_key,
    "unknown_key": lambda issuer: issuer.token(key=SigningKey.generate(issuer.key.alg)),
    "own_key_in_header": _with_own_key,
    "expired": lambda issuer: issuer.token(exp=int(issuer.clock()) - 3600),
    "without_expiry": lambda issuer: issuer.token(without=["exp"]),
    "expiry_as_text": lambda issuer: issuer.token(exp=str(int(issuer.clock()) + 300)),
    "not_yet_valid": lambda issuer: issuer.token(nbf=int(issuer.clock()) + 3600),
    "issued_in_the_future": lambda issuer: issuer.token(iat=int(issuer.clock()) + 3600),
    "wrong_issuer": lambda issuer: issuer.token(iss="https://another.example"),
    "issuer_with_slash": lambda issuer: issuer.token(iss=f"{issuer.url}/"),
    "without_issuer": lambda issuer: issuer.token(without=["iss"]),
    "wrong_audience": lambda issuer: issuer.token(aud="https://another.example"),
    "without_audience": lambda issuer: issuer.token(without=["aud"]),
    "empty_audience": lambda issuer: issuer.token(aud=[]),
    "without_subject": lambda issuer: issuer.token(without=["sub"]),
    "id_token": lambda issuer: issuer.token(header={"typ": "JWT"}, nonce="n", aud="client-1"),
    "id_token_for_this_api": lambda issuer: issuer.token(header={"typ": "JWT"}, nonce="n"),
    "logout_token": lambda issuer: issuer.token(header={"typ": "logout+jwt"}),
    "security_event": lambda issuer: issuer.token(header={"typ": "secevent+jwt"}),
    "unknown_extension": lambda issuer: issuer.token(header={"crit": ["x"], "x": 1}),
    "bound_to_a_key": lambda issuer: issuer.token(cnf={"jkt": "0" * 43}),
    "padded": lambda issuer: issuer.token() + "=",
    "four_parts": lambda issuer: issuer.token() + ".x",
    "oversized": lambda issuer: issuer.token(filler="x" * 20_000),
}


def bad_tokens(issuer: Issuer) -> dict[str, str]:
    """Make every bad token, by name; none may ever be accepted for the issuer's audience."""
    return {name: recipe(issuer) for name, recipe in BAD_TOKENS.items()}

"""A public key taken for an HMAC secret, and other keys used with an algorithm not theirs.

Source: RFC 8725 section 3.1. The oldest attack on JWT libraries, which returns every few years
because block-lists of key shapes are never complete. Here the family of algorithms follows from
the key, and HMAC is possible only where the operator configured a secret and no keys.
"""

import hmac
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bearerguard import ConfigurationError, Guard, RejectedError
from bearerguard.core.encoding import base64url_decode, base64url_encode
from bearerguard.core.trust import Trust
from bearerguard.testing import SigningKey

FORMS = {
    "PEM": lambda key: key.public_pem(),
    "PEM without its last line break": lambda key: key.public_pem().rstrip(b"\n"),
    "DER": lambda key: key.private_key.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ),
    "JWK": lambda key: json.dumps(dict(key.jwk)).encode(),
    "the modulus": lambda key: base64url_decode(key.jwk["n"].encode()),
    "the modulus as text": lambda key: key.jwk["n"].encode(),
    "nothing": lambda _: b"",
}


def hmac_token(issuer, secret: bytes, alg: str = "HS256", **header) -> str:
    header = {"typ": "at+jwt", "alg": alg, "kid": issuer.key.kid} | header
    header = {name: value for name, value in header.items() if value is not None}
    parts = (json.dumps(part).encode() for part in (header, issuer.claims()))
    signing_input = b".".join(map(base64url_encode, parts))
    mac = hmac.digest(secret, signing_input, f"sha{alg[2:]}")
    return (signing_input + b"." + base64url_encode(mac)).decode()


@pytest.mark.requirement("8725-3.1-3", "8725-3.1-1")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_mac_by_the_public_key_is_refused(issuer, reason, form, alg):
    """RFC 8725 section 3.1: the classic."""
    raw = hmac_token(issuer, FORMS[form](issuer.key), alg)
    assert reason(raw) == "algorithm_not_allowed"


@pytest.mark.requirement("8725-3.1-3")
@pytest.mark.parametrize("form", FORMS)
def test_a_mac_is_refused_even_past_the_check_of_the_algorithm(issuer, guard, form):
    """The second wall: no key of a set fits HS256, whatever the allow-list says."""
    policy = replace(guard.trust.only, algorithms=guard.trust.only.algorithms | {"HS256"})
    guard.trust = Trust.of([policy])
    with pytest.raises(RejectedError) as refusal:
        guard.verify(hmac_token(issuer, FORMS[form](issuer.key)))
    assert refusal.value.reason == "key_unsuitable"


@pytest.mark.requirement("7517-9-1", "8725-3.1-3")
@pytest.mark.parametrize("kid", ["oct-key", None, "key-1"])
def test_a_symmetric_key_out_of_a_fetched_set_verifies_nothing(issuer, reason, kid):
    """RFC 7517 section 9: everybody who can fetch it could sign with it."""
    secret = b"s" * 64
    jwk = {"kty": "oct", "k": base64url_encode(secret).decode(), "kid": "oct-key", "alg": "HS256"}
    issuer.keys = [SigningKey("HS256", secret, jwk), *issuer.keys]
    assert reason(hmac_token(issuer, secret, kid=kid)) == "algorithm_not_allowed"


@pytest.mark.requirement("8725-3.1-3")
@pytest.mark.parametrize("form", ["PEM", "PEM without its last line break", "DER", "JWK"])
def test_a_public_key_configured_as_the_secret_refuses_the_start(signing_key, form):
    """The operator's half of the same mistake."""
    with pytest.raises(ConfigurationError, match="public key"):
        Guard(issuer="me", audience="api", secret=FORMS[form](signing_key))


@pytest.mark.requirement("8725-3.1-3")
def test_a_secret_and_keys_exclude_each_other(issuer):
    with pytest.raises(ConfigurationError, match="exclude each other"):
        issuer.guard(secret="s" * 32, jwks_uri=issuer.jwks_uri)


@pytest.mark.requirement("8725-3.1-3", "7517-4.4-1")
@pytest.mark.parametrize("claimed", ["RS384", "RS512", "PS256", "PS384", "PS512"])
def test_a_signature_does_not_change_its_algorithm(issuer, reason, claimed):
    """RFC 8725 section 3.1: the key says RS256, so that is all it verifies."""
    raw = issuer.token(header={"alg": claimed})
    assert reason(raw) == "key_unsuitable"


@pytest.mark.requirement("8725-3.1-2", "8725-3.1-3")
@pytest.mark.parametrize("claimed", ["RS256", "PS256", "EdDSA", "Ed25519", "ES384", "ML-DSA-44"])
def test_an_elliptic_key_verifies_its_own_algorithm_alone(issuer, reason, keys, claimed):
    issuer.keys = [keys("ES256")]
    header = json.dumps({"typ": "at+jwt", "alg": claimed, "kid": issuer.key.kid}).encode()
    parts = base64url_encode(header), base64url_encode(json.dumps(issuer.claims()).encode())
    signature = issuer.key.sign(b".".join(parts))
    raw = b".".join((*parts, base64url_encode(signature))).decode()
    assert reason(raw) == "key_unsuitable"

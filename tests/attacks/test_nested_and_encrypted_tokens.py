"""Five parts, or a token within a token.

Source: RFC 7516 section 9, RFC 7519 section 5.2, RFC 8725 section 3.3. Decrypting is not
authenticating: whoever has the public key can encrypt, so that an encrypted token would need a
signed one inside. We decrypt nothing.
"""

import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bearerguard.core.encoding import base64url_encode


def encrypted(issuer, plaintext: bytes, **header) -> str:
    """Encrypt to the issuer's public key (RSA-OAEP-256 and A128GCM), as anybody could."""
    header = {"typ": "at+jwt", "alg": "RSA-OAEP-256", "enc": "A128GCM"} | header
    protected = base64url_encode(json.dumps(header).encode())
    key, nonce = b"k" * 16, b"n" * 12
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    wrapped = issuer.key.private_key.public_key().encrypt(key, oaep)
    sealed = AESGCM(key).encrypt(nonce, plaintext, protected)
    parts = [wrapped, nonce, sealed[:-16], sealed[-16:]]
    return b".".join([protected, *map(base64url_encode, parts)]).decode()


@pytest.mark.requirement("7515-9-1", "7516-9-1", "8725-3.3-1")
def test_an_encrypted_token_is_refused_whatever_is_inside(issuer, reason):
    """RFC 7516 section 9: bare claims, or a good signed token."""
    for inside in (json.dumps(issuer.claims()), issuer.token()):
        assert reason(encrypted(issuer, inside.encode())) == "token_encrypted"


@pytest.mark.requirement("7516-4.1.3-1", "7518-4.8-1", "8725bis-3.13-1", "8725bis-3.15-1")
@pytest.mark.parametrize(
    "header", [{"zip": "DEF"}, {"alg": "PBES2-HS256+A128KW", "p2c": 10**9, "p2s": "AAAAAAAAAAA"}]
)
def test_bombs_in_encrypted_tokens_are_never_lit(issuer, reason, header, monkeypatch):
    """The five parts are counted and nothing of them is decoded."""
    raw = encrypted(issuer, b"x" * 100, **header)
    for decoder in ("decode_object", "read_json_object"):
        monkeypatch.setattr(f"bearerguard.core.token.{decoder}", None)
    assert reason(raw) == "token_encrypted"


@pytest.mark.requirement("7519-5.2-1", "8725-3.3-1")
@pytest.mark.parametrize("cty", ["JWT", "jwt", "application/jwt", "at+jwt", "json", ""])
def test_a_token_that_says_it_is_nested_is_refused(issuer, reason, cty):
    """RFC 7519 section 5.2: even if the payload is claims; the outer signature says nothing."""
    assert reason(issuer.token(header={"cty": cty})) == "wrong_kind_of_token"


@pytest.mark.requirement("7519-5.2-1", "8725-3.3-1", "7519-7.2-2")
def test_a_token_as_the_payload_of_a_token_is_refused(issuer, reason):
    inner = issuer.token()
    assert reason(issuer.sign(inner.encode(), header={"cty": "JWT"})) == "wrong_kind_of_token"
    assert reason(issuer.sign(inner.encode())) == "claims_malformed"
    assert reason(issuer.sign(json.dumps(inner).encode())) == "claims_malformed"

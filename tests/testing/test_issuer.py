"""The issuer in memory: real keys, real signatures, and the documents of a real server."""

import json

import jwt
import pytest

from bearerguard import RejectedError, UnavailableError
from bearerguard.core.encoding import base64url_decode
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS
from bearerguard.core.urls import well_known_urls
from bearerguard.jwks.fetch import FetchError
from bearerguard.testing import Issuer, SigningKey

ASKED = {"headers": {}, "timeout_s": 1, "max_bytes": 1 << 20}


def parts(raw):
    header, payload, _ = raw.split(".")
    return [json.loads(base64url_decode(part.encode())) for part in (header, payload)]


@pytest.mark.parametrize("alg", ASYMMETRIC_ALGORITHMS)
def test_a_token_of_every_algorithm_is_verified_for_real(clock, signing_key, alg):
    """RSA keys take long to make: the session's key can do every RSA algorithm."""
    is_rsa = alg.startswith(("RS", "PS"))
    key = SigningKey(alg, signing_key.private_key, {**signing_key.jwk, "alg": alg})
    issuer = Issuer(clock=clock, key=key) if is_rsa else Issuer(clock=clock, alg=alg)

    assert issuer.guard(algorithms=alg).verify(issuer.token()).subject == "user-1"
    assert alg == parts(issuer.token())[0]["alg"]


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_another_library_verifies_its_tokens_with_its_keys(clock, alg):
    issuer = Issuer(clock=clock, alg=alg)
    key = jwt.PyJWK(issuer.jwks()["keys"][0])
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(issuer.token(), key, [alg], audience=issuer.audience, options=options)
    assert issuer.url == claims["iss"]


def test_a_token_is_what_rfc_9068_asks_for(issuer, clock):
    """RFC 9068 section 2."""
    header, claims = parts(issuer.token("a b"))
    assert header == {"typ": "at+jwt", "alg": "RS256", "kid": "key-1"}
    assert {"iss", "aud", "sub", "client_id", "jti", "iat", "exp", "scope"} == claims.keys()
    assert ("a b", clock.now, clock.now + 300) == (claims["scope"], claims["iat"], claims["exp"])


def test_no_two_tokens_have_the_same_id(issuer):
    assert issuer.claims()["jti"] != issuer.claims()["jti"]


def test_claims_and_header_can_be_replaced_added_and_left_out(issuer):
    header, claims = parts(
        issuer.token(header={"kid": None, "x": 1}, without=["sub", "jti"], aud=["a"], extra=None)
    )
    assert header == {"typ": "at+jwt", "alg": "RS256", "x": 1}
    assert not claims.keys() & {"sub", "jti", "scope"}
    assert (claims["aud"], claims["extra"]) == (["a"], None)


@pytest.mark.parametrize(
    "header", [b"", b"{", b"[]", b"null", b'{"alg":5}', b'{"alg":[]}', b'{"alg":"none"}', b"{}"]
)
def test_any_octets_can_be_signed_as_header_and_payload(issuer, header):
    """For the tests of parsers: the signature is good, whatever stands before it."""
    raw = issuer.sign(b"\xff", header=header)
    written, payload, signature = (base64url_decode(part.encode()) for part in raw.split("."))
    assert (header, b"\xff") == (written, payload)
    assert signature == issuer.key.sign(raw.rpartition(".")[0].encode())


def test_a_header_that_names_another_algorithm_of_the_key_is_signed_by_it(issuer):
    raw = issuer.sign(json.dumps(issuer.claims()).encode(), header={"alg": "PS256"})
    issuer.keys = [SigningKey("PS256", issuer.key.private_key, {**issuer.key.jwk, "alg": "PS256"})]
    assert issuer.guard().verify(raw).subject == "user-1"


def test_a_key_shows_nothing_private():
    key = SigningKey.generate("ES256")
    assert {"kty", "crv", "x", "y", "kid", "alg", "use"} == key.jwk.keys()
    assert "private" not in repr(key)
    assert key.kid == key.jwk["kid"]
    assert key.public_pem().startswith(b"-----BEGIN PUBLIC KEY-----")
    assert SigningKey.generate("ES256", kid="mine").kid == "mine"


def test_an_rsa_key_is_made_where_none_is_given():
    assert ((key := Issuer().key).alg, key.private_key.key_size) == ("RS256", 2048)


def test_a_rotated_issuer_signs_with_the_new_key_and_publishes_both(clock):
    issuer = Issuer(clock=clock, alg="ES256")
    old = issuer.key
    new = issuer.rotate("Ed25519")
    assert new is issuer.key
    assert [old.kid, new.kid] == [key["kid"] for key in issuer.jwks()["keys"]]

    last = issuer.rotate(keep=False)
    assert last.alg == "Ed25519"
    assert [last.kid] == [key["kid"] for key in issuer.jwks()["keys"]]


@pytest.mark.parametrize(
    "url", ["https://issuer.example", "https://issuer.example/", "https://a.example/b"]
)
def test_it_answers_at_the_places_of_its_documents_and_nowhere_else(clock, url):
    """RFC 8414 section 3."""
    issuer = Issuer(url, clock=clock, alg="ES256")
    for place in well_known_urls(url):
        metadata = json.loads(issuer.fetch(place, **ASKED).body)
        assert (url, issuer.jwks_uri) == (metadata["issuer"], metadata["jwks_uri"])
    assert issuer.jwks() == json.loads(issuer.fetch(issuer.jwks_uri, **ASKED).body)
    assert issuer.fetch(f"{url}/elsewhere", **ASKED).status == 404
    assert issuer.guard().verify(issuer.token()).subject == "user-1"


def test_it_notes_what_it_was_asked(guard, issuer):
    guard.verify(issuer.token())
    assert [well_known_urls(issuer.url)[0], issuer.jwks_uri] == issuer.requests


def test_an_issuer_that_is_down_answers_nothing(guard, issuer):
    issuer.is_down = True
    with pytest.raises(FetchError, match="the issuer is down"):
        issuer.fetch(issuer.jwks_uri, **ASKED)
    with pytest.raises(UnavailableError):
        guard.verify(issuer.token())


def test_the_settings_of_its_guard_can_be_chosen(issuer):
    guard = issuer.guard(audience="https://other.example", leeway=0)
    assert guard.settings.audience == ("https://other.example",)
    with pytest.raises(RejectedError):
        guard.verify(issuer.token())
    assert guard.verify(issuer.token(aud="https://other.example"))


def test_an_opaque_token_says_nothing_and_its_issuer_everything(issuer, clock):
    """RFC 7662 section 2.2."""
    raw = issuer.opaque_token("read", without=["jti"], tenant="acme")
    said = issuer.introspect(raw)

    assert (said["active"], said["scope"], said["tenant"]) == (True, "read", "acme")
    assert "jti" not in said
    assert issuer.introspect("another") == {"active": False}
    assert issuer.metadata()["introspection_endpoint"] == issuer.introspection_uri
    clock.tick(301)
    assert issuer.introspect(raw) == {"active": False}
    issuer.revoke(raw)
    assert raw not in issuer.opaque_tokens

"""How this API proves who it is: a secret in the field or in the form, or a signature."""

import base64
import json
from urllib.parse import unquote_plus

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from bearerguard.core.client_key import ClientKeyError, parse_client_key
from bearerguard.introspection.client_auth import ASSERTION_TYPE, KeyAuth, SecretAuth
from bearerguard.jwks.fetch import FetchError

EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
ISSUER, NOW = "https://issuer.example", 1_800_000_000


def pem(key, password=None):
    how = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def basic(client_id, secret, *methods):
    """Give what a server reads out of the Authorization field (RFC 6749 section 2.3.1)."""
    field = SecretAuth(client_id, secret).credentials(methods).headers["Authorization"]
    scheme, _, encoded = field.partition(" ")
    assert scheme == "Basic"
    first, _, second = base64.b64decode(encoded, validate=True).decode("ascii").partition(":")
    return unquote_plus(first), unquote_plus(second)


@pytest.mark.requirement("7662-2.1-3")
@pytest.mark.parametrize("secret", ["plain", "a:b%é+", " with space ", "%3A", "+/=&;~*"])
@pytest.mark.parametrize("client_id", ["api", "https://api.example:8443/a b"])
def test_id_and_secret_are_form_urlencoded_before_they_become_basic(client_id, secret):
    assert basic(client_id, secret) == (client_id, secret)


@pytest.mark.requirement("7662-2.1-3")
def test_a_real_server_gets_the_secret_in_the_field(server):
    server.answer = server.good()
    server.guard(introspection_client_secret="a:b%+ c").verify("opaque")

    (asked,) = server.asked
    assert base64.b64decode(asked.fields["authorization"].removeprefix("Basic ")) == (
        b"api:a%3Ab%25%2B+c"
    )
    assert asked.form.keys() == {"token", "token_type_hint"}


def test_a_real_server_gets_the_secret_in_the_form(server):
    server.answer = server.good()
    server.guard(
        introspection_client_secret="a:b%+ c", introspection_auth="client_secret_post"
    ).verify("opaque")

    (asked,) = server.asked
    assert (asked.only("client_id"), asked.only("client_secret")) == ("api", "a:b%+ c")
    assert "authorization" not in asked.fields


@pytest.mark.requirement("8414-2-3")
@pytest.mark.parametrize(
    ("methods", "setting", "is_in_form"),
    [
        (["client_secret_post"], None, True),
        (["client_secret_post", "client_secret_basic"], None, False),
        (["private_key_jwt"], None, False),
        ([], None, False),
        ("client_secret_post", None, False),
        ([5, "client_secret_post"], None, True),
        (["client_secret_post"], "client_secret_basic", False),
        (["client_secret_basic"], "client_secret_post", True),
    ],
)
def test_the_metadata_say_how_where_no_setting_does(server, methods, setting, is_in_form):
    """RFC 8414 section 2."""
    server.metadata = {"introspection_endpoint_auth_methods_supported": methods}
    server.answer = server.good()
    settings = {} if setting is None else {"introspection_auth": setting}
    server.guard(**settings).verify("opaque")

    assert ("client_secret" in server.asked[0].form) is is_in_form


@pytest.fixture
def key_auth(tmp_path):
    """Sign with the key in a file."""
    file = tmp_path / "key"

    def make(content):
        file.write_bytes(content)
        return KeyAuth("api", str(file), ISSUER, lambda: NOW + 0.5)

    return make


def assertion(auth):
    form = auth.credentials(()).form
    assert form["client_id"] == "api"
    assert form["client_assertion_type"] == ASSERTION_TYPE
    return form["client_assertion"]


@pytest.mark.requirement("7662-4-10", "7662-2.1-3")
def test_an_assertion_is_fresh_short_lived_and_for_the_issuer_alone(key_auth):
    """RFC 7523 section 3."""
    auth = key_auth(pem(EC))
    tokens = [assertion(auth) for _ in range(2)]
    checks = {"audience": ISSUER, "options": {"verify_exp": False, "verify_iat": False}}
    claims = [jwt.decode(token, EC.public_key(), ["ES256"], **checks) for token in tokens]

    assert claims[0]["jti"] != claims[1]["jti"]
    assert claims[0] | {"jti": ""} == {
        "iss": "api",
        "sub": "api",
        "aud": ISSUER,
        "jti": "",
        "iat": NOW,
        "exp": NOW + 60,
    }


@pytest.mark.requirement("7662-4-10")
def test_a_real_server_verifies_two_assertions_with_two_ids(server, tmp_path):
    file = tmp_path / "key.pem"
    file.write_bytes(pem(EC))
    server.answer = server.good()
    guard = server.guard(introspection_client_secret=None, introspection_key_file=file)

    for raw in ("one", "two"):
        guard.verify(raw)

    claims = [
        jwt.decode(
            asked.only("client_assertion"), EC.public_key(), ["ES256"], audience=server.issuer.url
        )
        for asked in server.asked
    ]
    assert len({claim["jti"] for claim in claims}) == 2
    assert ["authorization" in asked.fields for asked in server.asked] == [False, False]


def test_a_key_that_was_exchanged_signs_from_then_on(key_auth, tmp_path):
    auth = key_auth(json.dumps({**json.loads(ECAlgorithm.to_jwk(EC)), "kid": "1"}).encode())
    assert jwt.get_unverified_header(assertion(auth)) == {"alg": "ES256", "kid": "1", "typ": "JWT"}
    (tmp_path / "key").write_bytes(pem(ED))
    assert jwt.get_unverified_header(assertion(auth)) == {"alg": "EdDSA", "typ": "JWT"}


def test_a_key_that_cannot_be_read_any_more_is_told(key_auth, tmp_path):
    auth = key_auth(pem(EC))
    (tmp_path / "key").write_bytes(b"nonsense")
    with pytest.raises(FetchError, match="introspection_key_file holds no private key"):
        auth.credentials(())
    (tmp_path / "key").unlink()
    with pytest.raises(FetchError, match="introspection_key_file cannot be read: FileNotFound"):
        auth.credentials(())


def test_the_usual_algorithm_of_each_kind_of_key(rsa_key):
    found = {
        alg: parse_client_key(pem(key)).alg
        for alg, key in {
            "RS256": rsa_key,
            "ES256": EC,
            "ES384": ec.generate_private_key(ec.SECP384R1()),
            "ES512": ec.generate_private_key(ec.SECP521R1()),
            "EdDSA": ED,
        }.items()
    }
    assert [*found] == [*found.values()]


def test_a_jwk_says_its_algorithm_and_its_id(rsa_key):
    jwk = json.loads(RSAAlgorithm.to_jwk(rsa_key))
    key = parse_client_key(json.dumps({**jwk, "alg": "PS256", "kid": "k"}).encode())
    assert (key.alg, key.kid) == ("PS256", "k")
    assert "private" not in repr(key)
    okp = parse_client_key(b"\n" + OKPAlgorithm.to_jwk(ED).encode())
    assert (okp.alg, okp.kid) == ("EdDSA", None)


def odd_keys():
    jwk = json.loads(ECAlgorithm.to_jwk(EC))
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    public = json.loads(ECAlgorithm.to_jwk(EC.public_key()))
    return {
        "nothing": (b"", "holds no private key"),
        "no JSON": (b"{", "holds no private key"),
        "no JWK": (b"{}", "holds no private key"),
        "a list for kty": (b'{"kty":[]}', "holds no private key"),
        "a symmetric key": (b'{"kty":"oct","k":"eHg"}', "holds no private key"),
        "a broken JWK": (json.dumps({**jwk, "d": "!"}).encode(), "holds no private key"),
        "a public JWK": (json.dumps(public).encode(), "holds no private key of RSA"),
        "a password": (pem(EC, b"hush"), "without a password"),
        "another curve": (pem(ec.generate_private_key(ec.SECP256K1())), "of RSA, P-256"),
        "another kind": (pem(x25519.X25519PrivateKey.generate()), "of RSA, P-256"),
        "a weak key": (pem(weak), "less than 2048 bits"),
        "another alg": (json.dumps({**jwk, "alg": "RS256"}).encode(), "does not fit it; ES256"),
        "an alg of no kind": (json.dumps({**jwk, "alg": 5}).encode(), "does not fit it; ES256"),
        "a kid of no kind": (json.dumps({**jwk, "kid": 5}).encode(), "kid is no string"),
    }


@pytest.mark.parametrize("name", odd_keys())
def test_an_odd_key_is_told_without_showing_it(name):
    content, told = odd_keys()[name]
    with pytest.raises(ClientKeyError, match=told):
        parse_client_key(content)

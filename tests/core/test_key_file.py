"""Which keys a file gives, and what makes a file useless: the message always says how to mend it."""

import json
import time

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from bearerguard.core.encoding import base64url_encode
from bearerguard.core.jwk import parse_key, parse_key_set
from bearerguard.core.key_file import parse_key_file
from bearerguard.core.key_set import KeySet, KeySetError
from bearerguard.core.signature import REGISTRY

ALGORITHMS = ["RS256", "ES256", "ES384", "ES512", "EdDSA", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def pem(public_key, form=PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return public_key.public_bytes(Encoding.PEM, form)


def block(der: bytes, label: str = "PUBLIC KEY") -> bytes:
    """Write PEM by hand, for what no library would write."""
    body = base64url_encode(der).replace(b"-", b"+").replace(b"_", b"/")
    body += b"=" * (-len(body) % 4)
    return f"-----BEGIN {label}-----\n{body.decode()}\n-----END {label}-----\n".encode()


GOOD = pem(ED25519.public_key())
BODY = GOOD.split(b"\n")[1]
CERTIFICATE = block(b"0\x03\x02\x01\x01", "CERTIFICATE")


def refusal(content: bytes) -> str:
    with pytest.raises(KeySetError) as refused:
        parse_key_file(content)
    return str(refused.value)


def refused_beside_a_good_one(odd: bytes) -> str:
    """The reason why one block was left out; the good key beside it must be there."""
    keys = parse_key_file(odd + GOOD)
    assert parse_key_file(GOOD).keys == keys.keys
    (one,) = keys.refused
    assert (one.index, one.kid) == (0, None)
    return one.reason


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_public_key_in_pem_is_the_key_that_its_jwk_is(keys, alg):
    """Same thumbprint, same family of algorithms; but PEM has no place for an id or an alg."""
    (key,) = parse_key_file(keys(alg).public_pem()).keys
    jwk = {name: value for name, value in keys(alg).jwk.items() if name in JWK_OF_PEM[alg[:2]]}
    assert key == parse_key(jwk)


JWK_OF_PEM = {
    "RS": {"kty", "n", "e"},
    "ES": {"kty", "crv", "x", "y"},
    "Ed": {"kty", "crv", "x"},
    "ML": {"kty", "alg", "pub"},
}


def test_the_older_form_of_an_rsa_key_is_read_too(keys):
    """RFC 8017 appendix A.1.1, the block RSA PUBLIC KEY."""
    public_key = keys("RS256").private_key.public_key()
    older = pem(public_key, PublicFormat.PKCS1)
    assert older.startswith(b"-----BEGIN RSA PUBLIC KEY-----")
    assert parse_key_file(pem(public_key)) == parse_key_file(older)


def test_a_key_from_pem_verifies(keys):
    """The material is good for a real signature, not only in its description."""
    for alg in ("RS256", "ES512", "EdDSA"):
        (key,) = parse_key_file(keys(alg).public_pem()).keys
        signed = keys(alg).sign(b"message")
        assert REGISTRY[alg].verify(b"message", key.public_key, signed)
        assert not REGISTRY[alg].verify(b"massage", key.public_key, signed)


def test_a_key_from_pem_fits_whatever_kid_a_token_names():
    keys = parse_key_file(GOOD)
    assert keys.keys == keys.candidates("any") == keys.candidates(None)


def test_a_key_of_a_jwk_set_in_a_file_fits_its_own_kid_alone(signing_key):
    """RFC 7515 section 4.1.4."""
    keys = parse_key_file(json.dumps({"keys": [dict(signing_key.jwk)]}).encode())
    assert keys.candidates(signing_key.kid) == keys.keys
    assert keys.candidates("another") == ()


def test_a_jwk_set_in_a_file_is_read_as_one_that_was_fetched(signing_key):
    """The same keys, and the same ones refused: also a private key there harms nobody else."""
    odd = [None, {"kty": "RSA"}, {**signing_key.jwk, "d": "AQAB"}]
    document = json.dumps({"keys": [*odd, dict(signing_key.jwk)]}).encode()
    keys = parse_key_file(document)
    assert keys == parse_key_set(document)
    assert (len(keys.keys), len(keys.refused)) == (1, 3)


def test_several_blocks_give_several_keys_in_their_order(keys):
    algs = ("ES256", "RS256", "EdDSA")
    content = b"".join(keys(alg).public_pem() for alg in algs)
    assert [parse_key_file(keys(alg).public_pem()).keys[0] for alg in algs] == list(
        parse_key_file(content).keys
    )


@pytest.mark.parametrize(
    "written",
    [
        GOOD.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + GOOD,
        b"\n\n  " + GOOD.replace(b"\n", b"\n  ") + b"\n\n",
        GOOD.replace(b"\n", b"  \n"),
        GOOD.strip(),
        GOOD.replace(BODY, BODY[:20] + b"\n" + BODY[20:]),
    ],
    ids=["CRLF", "byte order mark", "indented", "trailing spaces", "no last line", "short lines"],
)
def test_white_space_does_not_matter(written):
    """RFC 7468 section 2: files pass through many hands."""
    assert parse_key_file(written) == parse_key_file(GOOD)


def private_keys():
    plain = NoEncryption()
    weak = rsa.generate_private_key(65537, 2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    yield "PKCS #8", ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, plain)
    encryption = BestAvailableEncryption(b"password")
    yield "encrypted", curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    yield "RSA", weak.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, plain)
    yield "EC", curve.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, plain)
    yield "OpenSSH", ED25519.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, plain)
    yield "PGP", block(b"secret", "PGP PRIVATE KEY BLOCK")


@pytest.mark.parametrize("private", [pytest.param(key, id=name) for name, key in private_keys()])
@pytest.mark.parametrize(
    "around",
    ["%s", GOOD.decode() + "%s", "%s" + GOOD.decode(), "Bag Attributes\n%s", '{"key": "%s"}'],
    ids=["alone", "after a good key", "before a good key", "with text", "in JSON"],
)
def test_a_private_key_refuses_the_whole_file_and_is_not_quoted(private, around):
    """It got to this host by mistake, so that whoever made the file must hear of it."""
    message = refusal((around % private.decode()).encode())
    assert "private key, which never leaves the issuer" in message
    assert "openssl pkey -pubout" in message
    secret = [line for line in private.decode().splitlines() if "-----" not in line and line]
    assert [line for line in secret if line[:12] in message] == []


def test_a_certificate_alone_is_refused_with_the_command_that_gives_its_key():
    assert "openssl x509 -pubkey -noout -in cert.pem" in refusal(CERTIFICATE)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        pytest.param(CERTIFICATE, "a certificate", id="certificate"),
        pytest.param(CERTIFICATE.replace(b"CERT", b"TRUSTED CERT"), "a certificate", id="trusted"),
        pytest.param(block(b"0", "X509 CRL"), "'X509 CRL' and no PUBLIC KEY", id="label"),
        pytest.param(GOOD.replace(BODY, BODY[:-1]), "broken base64", id="padding"),
        pytest.param(GOOD.replace(BODY, BODY + b"===="), "broken base64", id="more padding"),
        pytest.param(GOOD.replace(BODY, b"AA*AA" + BODY), "broken base64", id="other characters"),
        pytest.param(GOOD.replace(b"\n", b"\\n", 1), "broken base64", id="escaped line break"),
        pytest.param(GOOD.replace(BODY, b""), "broken, or of an unknown kind", id="no body"),
        pytest.param(
            block(b"\x30\x03\x02\x01\x01"), "broken, or of an unknown kind", id="other DER"
        ),
    ],
)
def test_an_odd_block_is_left_out_and_harms_no_other(odd, reason):
    assert reason in refused_beside_a_good_one(odd)
    assert reason in refusal(odd)


def test_octets_after_a_key_in_its_block_are_refused():
    """Two texts must not stand for one key, nor one text for two keys."""
    der = ED25519.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert parse_key_file(block(der)) == parse_key_file(GOOD)
    assert "broken" in refusal(block(der + b"\0"))


UNSUITABLE = {
    "Ed448": (ed448.Ed448PrivateKey.generate, "of a kind that is not supported"),
    "X25519": (x25519.X25519PrivateKey.generate, "of a kind that is not supported"),
    "secp256k1": (lambda: ec.generate_private_key(ec.SECP256K1()), "unknown kty, crv or alg"),
    "brainpool": (
        lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
        "broken, or of an unknown kind",
    ),
    "short RSA": (lambda: rsa.generate_private_key(65537, 1024), "RSA key of 1024 bits"),
}


@pytest.mark.parametrize("kind", UNSUITABLE)
def test_a_key_is_held_to_the_checks_of_a_published_one(kind):
    """RFC 7518 section 3.3 for the size; section 7.6 and RFC 8037 section 3.1 for the curves."""
    make, reason = UNSUITABLE[kind]
    assert reason in refused_beside_a_good_one(pem(make().public_key()))


def test_the_exponent_of_an_rsa_key_is_held_to_the_same_bounds(keys):
    """An even one has no inverse; anyone could sign for an exponent of 1."""
    numbers = keys("RS256").private_key.public_key().public_numbers()
    content = pem(rsa.RSAPublicNumbers(2**65 + 1, numbers.n).public_key())
    assert "RSA numbers out of range" in refused_beside_a_good_one(content)


@pytest.mark.parametrize("parameters", ["", "3000"], ids=["no parameters", "with parameters"])
def test_an_rsa_key_for_pss_alone_is_refused(keys, parameters):
    """RFC 4055 section 3.1: such a key never verifies RS256, and PEM cannot say which PS* it may."""
    public_key = keys("RS256").private_key.public_key()
    inner = public_key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    bits = b"\x03\x82" + (len(inner) + 1).to_bytes(2, "big") + b"\0" + inner
    identifier = bytes.fromhex("06092a864886f70d01010a" + parameters)
    content = b"\x30" + bytes([len(identifier)]) + identifier + bits
    der = b"\x30\x82" + len(content).to_bytes(2, "big") + content
    assert "an RSASSA-PSS key" in refused_beside_a_good_one(block(der))


def test_a_key_that_this_openssl_does_not_know_is_left_out(monkeypatch):
    """Without ML-DSA in OpenSSL the loader says that the algorithm is not supported."""

    def load(_der):
        raise UnsupportedAlgorithm("no such key type")

    monkeypatch.setattr("bearerguard.core.key_file.load_der_public_key", load)
    assert "of an unknown kind" in refusal(GOOD)


@pytest.mark.parametrize("content", [b"", b" \r\n\t\n", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_refused(content):
    assert refusal(content) == "the file is empty"


@pytest.mark.parametrize(
    "content",
    [b'{"keys": []}', b'{"keys": [{"kty": "oct"}]}', GOOD.replace(BODY, b""), CERTIFICATE],
    ids=["empty set", "odd key", "odd block", "certificate"],
)
def test_a_file_without_a_usable_key_is_refused(content):
    assert "no usable key" in refusal(content)


@pytest.mark.parametrize(
    "content",
    [b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", b"\x30\x2a\x30\x05", b'{"kty": "OKP"}', b"[1]", b"null"],
    ids=["SSH", "DER", "one JWK", "array", "null"],
)
def test_what_is_neither_a_jwk_set_nor_pem_is_refused_and_told_what_would_be(content):
    assert "a file of keys is a JWK Set or public keys in PEM" in refusal(content)


@pytest.mark.parametrize("content", [b"%s", b'{"keys": [%s]}'], ids=["PEM", "JWK Set"])
def test_a_hundred_keys_are_read_and_no_more(content, signing_key):
    one, comma = (
        (GOOD, b"") if content == b"%s" else (json.dumps(dict(signing_key.jwk)).encode(), b",")
    )
    assert len(parse_key_file(content % comma.join([one] * 100)).keys) == 100
    assert "more than 100 keys" in refusal(content % comma.join([one] * 101))


@pytest.mark.parametrize(
    "content",
    [
        b"Bag Attributes\n" + GOOD,
        GOOD + b"# the new one\n" + GOOD,
        GOOD + b'{"keys": []}',
        GOOD + GOOD[:40],
        GOOD + GOOD.replace(b"-----END PUBLIC KEY-----", b""),
        GOOD.replace(b"END PUBLIC", b"END RSA PUBLIC"),
        GOOD + b"\0",
    ],
    ids=["before", "between", "JSON", "cut off", "no end", "another end", "NUL"],
)
def test_text_beside_the_blocks_refuses_the_file(content):
    """A file that is just being written must not pass for one with fewer keys."""
    assert "keep only whole blocks" in refusal(content)


def test_json_that_quotes_pem_is_still_json(signing_key):
    """Some issuers put a comment or the same key as PEM beside their set."""
    document = json.dumps({"keys": [dict(signing_key.jwk)], "pem": GOOD.decode()}).encode()
    assert parse_key_file(document) == parse_key_set(document)


HOSTILE = [b"-----BEGIN A-----", b"-----BEGIN A-----\n-----END B-----", b"-----BEGIN ", b"A \n"]


@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.parametrize("first", [b"", b"-----BEGIN PUBLIC KEY-----"])
def test_half_a_megabyte_of_anything_is_read_in_one_walk(first, part):
    """A file is bounded but may be hostile: a walk for each beginning would take minutes."""
    content = first + part * (512 * 1024 // len(part))
    before = time.process_time()
    refusal(content)
    assert time.process_time() - before < 5


PIECES = [b"-----BEGIN ", b"-----END ", b"PUBLIC KEY", b"-----", b"\n", BODY, GOOD, b"CERTIFICATE"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8)).map(b"".join))
def test_no_content_gives_anything_but_keys_or_a_refusal(content):
    try:
        keys = parse_key_file(content)
    except KeySetError:
        return
    assert isinstance(keys, KeySet)
    assert keys.keys


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 44))
def test_no_body_of_a_block_gives_anything_but_keys_or_a_refusal(other, place):
    der = ED25519.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    changed = der[:place] + other + der[place + len(other) :]
    keys = parse_key_file(block(changed) + GOOD)
    assert len(keys.keys) + len(keys.refused) == 2

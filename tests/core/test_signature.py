"""Signatures: the exact octets, a key of the right family, an algorithm of the exact name."""

import hmac

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import mldsa, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from jwt.algorithms import get_default_algorithms

from bearerguard import Guard, RejectedError
from bearerguard.core import signature
from bearerguard.core.encoding import base64url_decode, base64url_encode
from bearerguard.testing import SigningKey

ASYMMETRIC = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
    "ML-DSA-44",
    "ML-DSA-65",
    "ML-DSA-87",
]


def resigned(raw: str, new: bytes) -> str:
    return raw.rpartition(".")[0] + "." + base64url_encode(new).decode()


@pytest.mark.requirement("9964-4-1", "8037-3.1-1", "9864-2.2-1")
@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_every_allowed_algorithm_verifies(issuer, guard, keys, alg):
    issuer.keys = [keys(alg)]
    assert guard.verify(issuer.token()).subject == "user-1"


@pytest.mark.requirement("7515-5.2-2")
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA", "ML-DSA-44"])
@pytest.mark.parametrize("part", ["payload", "signature"])
def test_one_bit_changed_anywhere_refuses_the_token(issuer, guard, reason, keys, alg, part):
    """RFC 7515 section 5.2: the signature covers the octets as they were received."""
    issuer.keys = [keys(alg)]
    header, payload, signed = issuer.token().split(".")
    octets = base64url_decode({"payload": payload, "signature": signed}[part].encode())
    for place in range(0, len(octets), max(1, len(octets) // 20)):
        changed = bytearray(octets)
        changed[place] ^= 1
        other = base64url_encode(bytes(changed)).decode()
        new = (header, other, signed) if part == "payload" else (header, payload, other)
        with pytest.raises(RejectedError) as refusal:
            guard.verify(".".join(new))
        assert refusal.value.status == 401


@pytest.mark.requirement("7515-5.2-2")
def test_one_bit_changed_in_the_header_refuses_the_token(issuer, reason, sign_bytes):
    """A change that leaves the header valid: only the signature can tell."""
    raw = issuer.token(header={"x": "a"})
    header, payload, signed = raw.split(".")
    changed = base64url_decode(header.encode()).replace(b'"x": "a"', b'"x": "c"')
    forged = ".".join((base64url_encode(changed).decode(), payload, signed))
    assert reason(forged) == "signature_invalid"


@pytest.mark.requirement("7515-5.2-2")
def test_the_signature_covers_the_text_and_not_its_meaning(issuer, reason):
    """The same claims written with another space are other octets."""
    header, payload, signed = issuer.token().split(".")
    respaced = base64url_encode(base64url_decode(payload.encode()) + b" ").decode()
    assert reason(f"{header}.{respaced}.{signed}") == "signature_invalid"


@pytest.mark.requirement("7518-3.4-1", "9964-4-2")
@pytest.mark.parametrize("alg", ASYMMETRIC)
@pytest.mark.parametrize("damage", ["empty", "one octet", "a byte short", "a byte long", "doubled"])
def test_a_signature_of_another_length_is_refused(issuer, reason, keys, alg, damage):
    """RFC 7518 section 3.4, RFC 9964 section 4: the length is fixed by the algorithm and the key."""
    issuer.keys = [keys(alg)]
    raw = issuer.token()
    good = base64url_decode(raw.rpartition(".")[2].encode())
    bad = {
        "empty": b"",
        "one octet": b"\x00",
        "a byte short": good[:-1],
        "a byte long": good + b"\x00",
        "doubled": good + good,
    }[damage]
    assert reason(resigned(raw, bad)) in ("signature_invalid", "token_too_large")


@pytest.mark.requirement("7518-3.4-1")
@pytest.mark.parametrize(("alg", "size"), [("ES256", 32), ("ES384", 48), ("ES512", 66)])
def test_an_ecdsa_signature_is_r_and_s_and_not_der(issuer, reason, keys, alg, size):
    """RFC 7518 section 3.4."""
    issuer.keys = [keys(alg)]
    raw = issuer.token()
    good = base64url_decode(raw.rpartition(".")[2].encode())
    assert 2 * size == len(good)
    der = encode_dss_signature(
        *(int.from_bytes(half, "big") for half in (good[:size], good[size:]))
    )
    assert reason(resigned(raw, der)) == "signature_invalid"


@pytest.mark.requirement("7518-3.4-1")
def test_the_algorithm_fixes_the_curve(issuer, reason, keys):
    """RFC 7518 section 3.4: ES256 means P-256."""
    key = keys("ES384")
    issuer.keys = [SigningKey("ES384", key.private_key, {**key.jwk, "alg": "ES256"}), keys("EdDSA")]
    assert reason(issuer.token(key=key, header={"alg": "ES256"})) == "key_unknown"
    issuer.keys = [key]
    assert reason(issuer.token(header={"alg": "ES256"}), by=issuer.guard()) == "key_unsuitable"


@pytest.mark.requirement("7518-3.5-1")
@pytest.mark.parametrize(
    ("salt", "mgf", "accepted"),
    [(32, hashes.SHA256(), True), (0, hashes.SHA256(), False), (20, hashes.SHA256(), False),
     (222, hashes.SHA256(), False), (32, hashes.SHA1(), False)],
)  # fmt: skip
def test_ps256_has_a_salt_as_long_as_its_hash(issuer, guard, reason, keys, salt, mgf, accepted):
    """RFC 7518 section 3.5; and MGF1 with the same hash."""
    issuer.keys = [keys("PS256")]
    raw = issuer.token()
    pss = padding.PSS(mgf=padding.MGF1(mgf), salt_length=salt)
    signed = issuer.key.private_key.sign(raw.rpartition(".")[0].encode(), pss, hashes.SHA256())
    if accepted:
        assert guard.verify(resigned(raw, signed)).subject == "user-1"
    else:
        assert reason(resigned(raw, signed)) == "signature_invalid"


@pytest.mark.requirement("8725-3.1-2", "8725-3.1-3")
@pytest.mark.parametrize("kind", ["ES256", "EdDSA", "ML-DSA-44"])
@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_the_algorithm_of_the_header_must_fit_the_key_of_its_kid(issuer, reason, keys, alg, kind):
    """RFC 8725 section 3.1."""
    issuer.keys = [keys(kind), keys("RS256")]
    raw = issuer.token(key=keys("RS256"), header={"alg": alg, "kid": f"key-{kind}"})
    assert reason(raw) == "key_unsuitable"


@pytest.mark.requirement("9864-4-1")
@pytest.mark.parametrize("alg", ["ES521", "RS255", "ES256K", "RS1", "Ed448"])
def test_an_unregistered_or_unwanted_algorithm_is_refused(issuer, reason, keys, alg):
    """RFC 9864 section 4: even where the base library knows it and the signature is right."""
    key = keys("ES512" if alg == "ES521" else "RS256")
    issuer.keys = [
        SigningKey(key.alg, key.private_key, {**key.jwk, "alg": alg}),
        keys("ES256"),
        key,
    ]
    raw = issuer.token(header={"alg": alg})
    known = get_default_algorithms()
    if alg == "ES521":
        signed = known[alg].sign(raw.rpartition(".")[0].encode(), key.private_key)
        raw = resigned(raw, signed)
    assert reason(raw) == "algorithm_not_allowed"


@pytest.mark.requirement("9068-4-10", "9068-4-6")
def test_any_published_key_may_sign_and_no_other(issuer, guard, reason, keys):
    """RFC 9068 section 4."""
    issuer.keys = [keys("RS256"), keys("RS384"), keys("ES256")]
    for key in issuer.keys:
        assert guard.verify(issuer.token(key=key)).subject == "user-1"
    stranger = SigningKey.generate("RS256", kid="key-RS256")
    assert reason(issuer.token(key=stranger)) == "signature_invalid"
    assert reason(issuer.token(key=SigningKey.generate("ES256"))) == "key_unknown"


def secret_guard(clock, **settings) -> Guard:
    given = {"issuer": "https://issuer.example", "audience": "https://api.example"}
    return Guard(clock=clock, **given | {"secret": "s" * 64} | settings)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_guard_with_a_secret_takes_hmac_and_fetches_nothing(issuer, clock, alg):
    key = SigningKey(alg, b"s" * 64, {"kid": "whatever"})
    assert secret_guard(clock).verify(issuer.token(key=key)).subject == "user-1"
    assert issuer.requests == []


@pytest.mark.requirement("8725-3.1-3")
def test_a_guard_with_a_secret_takes_nothing_else(issuer, clock, reason):
    guard = secret_guard(clock)
    assert reason(issuer.token(), by=guard) == "algorithm_not_allowed"
    forger = SigningKey("HS256", b"t" * 64, {"kid": "whatever"})
    assert reason(issuer.token(key=forger), by=guard) == "signature_invalid"


@pytest.mark.requirement("GEN-4")
def test_a_mac_is_compared_in_constant_time(issuer, clock, reason, monkeypatch):
    """By hmac.compare_digest, the one comparison of a secret in the core."""
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *both: compared.append(both) or real(*both))
    forger = SigningKey("HS256", b"t" * 64, {"kid": "whatever"})
    assert reason(issuer.token(key=forger), by=secret_guard(clock)) == "signature_invalid"
    assert [len(mac) for mac in compared[-1]] == [32, 32]


def test_nothing_changes_for_others_who_use_the_base_library():
    """The names that we add stay in a registry of our own, which lacks all that we do not want."""
    assert {"Ed25519", "ML-DSA-44"}.isdisjoint(get_default_algorithms())
    assert {"none", "ES521", "ES256K"}.isdisjoint(signature.REGISTRY)


def test_keys_of_ml_dsa_are_read_by_the_core_alone():
    algorithm = signature.REGISTRY["ML-DSA-44"]
    for offered in (algorithm.to_jwk, algorithm.from_jwk):
        with pytest.raises(NotImplementedError):
            offered(object())
    assert algorithm.prepare_key("as it is") == "as it is"


@pytest.mark.ml_dsa
def test_without_ml_dsa_in_openssl_its_names_leave_the_default(issuer, monkeypatch, caplog):
    def missing():
        raise UnsupportedAlgorithm("no ML-DSA")

    assert signature.ml_dsa_is_supported()
    monkeypatch.setattr(mldsa.MLDSA44PrivateKey, "generate", missing)
    assert not signature.ml_dsa_is_supported()
    assert not any(alg.startswith("ML-DSA") for alg in issuer.guard().trust.only.algorithms)
    assert "ML-DSA" in caplog.text

"""Which keys of a set can be used, and for what: an odd one never harms the others."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, rsa
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from bearerguard import ConfigurationError, Guard, UnavailableError
from bearerguard.core.encoding import base64url_decode, base64url_encode
from bearerguard.core.jwk import parse_key, parse_key_set, secret_key, thumbprint
from bearerguard.core.key_set import KeyRefusedError, KeySetError
from bearerguard.core.signature import REGISTRY
from bearerguard.jwks.fetch import Fetched
from bearerguard.testing import Issuer, SigningKey


def text_of(number: int, length: int | None = None) -> str:
    octets = number.to_bytes(length or (number.bit_length() + 7) // 8, "big")
    return base64url_encode(octets).decode()


def number_of(text: str) -> int:
    return int.from_bytes(base64url_decode(text.encode()), "big")


def changed(key: SigningKey, **members) -> SigningKey:
    """Publish a key with other members; None takes one out."""
    jwk = {name: value for name, value in ({**key.jwk} | members).items() if value is not None}
    return replace(key, jwk=jwk)


class OddIssuer(Issuer):
    """Publishes one more member in its set, or another document altogether."""

    odd: object = None
    document: bytes | None = None

    def jwks(self):
        return {"keys": [self.odd, *super().jwks()["keys"]]}

    def fetch(self, url, **limits):
        answer = super().fetch(url, **limits)
        if url == self.jwks_uri and self.document is not None:
            return Fetched(200, {"content-type": "application/json"}, self.document)
        return answer


@pytest.fixture
def odd_issuer(clock, signing_key):
    return OddIssuer(key=signing_key, clock=clock)


@pytest.mark.requirement("7517-4-1")
def test_unknown_members_of_a_key_are_ignored(issuer, guard):
    """RFC 7517 section 4."""
    issuer.keys = [changed(issuer.key, foo={}, x5u="https://evil.example", nbf="never")]
    assert guard.verify(issuer.token()).subject == "user-1"


def test_padding_in_the_members_of_a_published_key_is_tolerated(issuer, guard):
    """Some issuers pad them. A set of keys is no token: nobody gains by another spelling."""
    issuer.keys = [changed(issuer.key, n=issuer.key.jwk["n"] + "==")]
    assert guard.verify(issuer.token()).subject == "user-1"


FOR_SOMETHING_ELSE = [
    pytest.param({"use": "enc"}, marks=pytest.mark.requirement("7517-4.2-1")),
    pytest.param({"use": "SIG"}, marks=pytest.mark.requirement("7517-4.2-1")),
    pytest.param({"use": ["sig"]}, marks=pytest.mark.requirement("7517-4.2-1")),
    pytest.param({"key_ops": ["encrypt"]}, marks=pytest.mark.requirement("7517-4.3-1")),
    pytest.param({"key_ops": []}, marks=pytest.mark.requirement("7517-4.3-1")),
    pytest.param({"key_ops": "verify"}, marks=pytest.mark.requirement("7517-4.3-1")),
    pytest.param({"alg": "RS512"}, marks=pytest.mark.requirement("7517-4.4-1")),
    pytest.param({"alg": "RSA-OAEP"}, marks=pytest.mark.requirement("7517-4.4-1")),
    pytest.param({"alg": ["RS256"]}, marks=pytest.mark.requirement("7517-4.4-1")),
]


@pytest.mark.parametrize("members", FOR_SOMETHING_ELSE)
def test_a_key_for_something_else_does_not_verify(issuer, reason, keys, members):
    """RFC 7517 sections 4.2 to 4.4. Another key keeps the set usable."""
    issuer.keys = [keys("ES256"), changed(issuer.key, **members)]
    assert reason(issuer.token()) in ("key_unknown", "key_unsuitable")


@pytest.mark.parametrize("members", [p for p in FOR_SOMETHING_ELSE if "alg" not in p.values[0]])
def test_with_no_other_key_in_the_set_the_issuer_is_at_fault(issuer, guard, members):
    """Nobody can know, so the answer is 503; accepted it is in no case."""
    issuer.keys = [changed(issuer.key, **members)]
    with pytest.raises(UnavailableError, match="no usable key"):
        guard.verify(issuer.token())


@pytest.mark.requirement("7517-4.3-1", "7517-4.2-1")
@pytest.mark.parametrize(
    "members", [{"use": "sig"}, {"use": None}, {"key_ops": ["sign", "verify"]}]
)
def test_a_key_for_signatures_verifies(issuer, guard, members):
    issuer.keys = [changed(issuer.key, **members)]
    assert guard.verify(issuer.token()).subject == "user-1"


@pytest.mark.requirement("7517-4.4-1")
def test_a_key_with_an_algorithm_verifies_that_one_only(issuer, reason):
    """RFC 7517 section 4.4, RFC 8725 section 3.1."""
    issuer.keys = [changed(issuer.key, alg="PS256")]
    assert reason(issuer.token(header={"alg": "RS256"})) == "key_unsuitable"


@pytest.mark.requirement("7517-4.4-2")
@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_a_key_without_an_algorithm_verifies_any_of_its_type(issuer, alg):
    """RFC 7517 section 4.4: alg is optional, and no type has a default."""
    issuer.keys = [changed(issuer.key, alg=None)]
    raw = issuer.token(header={"alg": alg})
    assert issuer.guard(algorithms=["RS256", alg]).verify(raw).subject == "user-1"


@pytest.mark.requirement("7517-4.5-1", "FAPI2-6-1")
def test_keys_that_share_a_kid_are_told_apart_by_type_curve_and_algorithm(issuer, guard, keys):
    """RFC 7517 section 4.5."""
    algs = ("RS256", "ES256", "ES384", "EdDSA")
    issuer.keys = [changed(keys(alg), kid="a") for alg in algs]
    issuer.keys.insert(0, changed(keys("ES512"), kid="a", use="enc"))
    for key in issuer.keys[1:]:
        assert guard.verify(issuer.token(key=key)).subject == "user-1"


@pytest.mark.requirement("7517-4.5-2")
def test_a_token_without_kid_finds_the_fit_key(issuer, guard, keys):
    """RFC 7515 section 4.1.4: kid is optional."""
    issuer.keys = [keys("ES256"), keys("ES384"), issuer.key, keys("EdDSA")]
    for key in issuer.keys:
        assert guard.verify(issuer.token(key=key, header={"kid": None})).subject == "user-1"


@pytest.mark.requirement("7517-4.5-2")
def test_of_a_hundred_fit_keys_four_are_tried(issuer, guard, reason, monkeypatch):
    """A forger's token without kid must not cost a hundred verifications."""
    stranger = SigningKey.generate("ES256")
    issuer.keys = [SigningKey.generate("ES256") for _ in range(100)]
    tried = []
    real = REGISTRY["ES256"]

    class Spy:
        def verify(self, message, key, signature):
            tried.append(id(key))
            return real.verify(message, key, signature)

    raw = issuer.token(key=stranger, header={"kid": None})
    monkeypatch.setitem(REGISTRY, "ES256", Spy())
    assert reason(raw) == "signature_invalid"
    assert 4 == len(set(tried)) == len(tried)


@pytest.mark.requirement("7517-4.5-2")
@pytest.mark.parametrize(("place", "found"), [(3, True), (4, False)])
def test_the_fourth_fit_key_is_found_and_the_fifth_is_not(issuer, guard, reason, place, found):
    issuer.keys = [SigningKey.generate("ES256") for _ in range(5)]
    raw = issuer.token(key=issuer.keys[place], header={"kid": None})
    if found:
        assert guard.verify(raw).subject == "user-1"
    else:
        assert reason(raw) == "signature_invalid"


EC = {"kty": "EC", "crv": "P-256"}
ODD_MEMBERS = [
    pytest.param(member, why, marks=pytest.mark.requirement(*rows))
    for rows, why, members in [
        (("7517-5-1",), "not an object", [None, [], "key", 5, True]),
        (("7517-5-1",), "unknown kty", [{}, {"kty": "XYZ"}, {"kty": 5}, {"kty": ["RSA"]}]),
        (("7517-5-1",), "unknown kty", [{**EC, "crv": "secp256k1"}, {**EC, "crv": ["P-256"]}]),
        (("7517-5-1",), "unknown kty", [{"kty": "OKP", "crv": "X25519", "x": "AA"}]),
        (("7517-5-1", "9964-3-1"), "unknown kty", [{"kty": "AKP", "pub": "AA"}]),
        (("9964-3-1",), "unknown kty", [{"kty": "AKP", "alg": ["ML-DSA-44"], "pub": "AA"}]),
        (("9964-4-2",), "broken", [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}]),
        (("7517-5-1",), "y is missing", [{**EC, "x": "AA"}, {**EC, "x": "AA", "y": None}]),
        (("7517-5-1",), "n is missing", [{"kty": "RSA", "e": "AQAB", "n": "A" * 4097}]),
        (("7517-5-1",), "not base64url", [{"kty": "RSA", "e": "AQAB", "n": "a+b"}]),
        (("7517-5-1",), "kid is not", [{"kty": "RSA", "kid": 5}, {"kty": "RSA", "kid": ["a"]}]),
        (("7517-5-1",), "broken", [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]),
        (("7517-9-1",), "private", [{"kty": "oct", "k": "c2VjcmV0"}, {"kty": "RSA", "d": "AA"}]),
    ]
    for member in members
]


@pytest.mark.parametrize(("member", "why"), ODD_MEMBERS)
def test_an_odd_key_is_skipped_and_the_good_one_works(odd_issuer, member, why):
    """RFC 7517 section 5: what cannot be understood is ignored, with a reason for the operator."""
    odd_issuer.odd = member
    assert odd_issuer.guard().verify(odd_issuer.token()).subject == "user-1"
    (refused,) = parse_key_set(json.dumps(odd_issuer.jwks()).encode()).refused
    assert refused.index == 0
    assert why in refused.reason


@pytest.mark.requirement("7517-9-1")
@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
def test_a_published_private_key_verifies_nothing(issuer, reason, keys, member):
    """The whole world can sign with it."""
    issuer.keys = [keys("ES256"), changed(issuer.key, **{member: "AA"})]
    assert reason(issuer.token()) == "key_unknown"


@pytest.mark.requirement("7517-4.7-1")
def test_a_certificate_beside_a_key_is_not_relied_upon(issuer, guard, reason, keys):
    """RFC 7517 section 4.7: the key itself counts, whatever x5c holds."""
    issuer.keys = [changed(issuer.key, x5c=["AAAA", 5], x5t=5)]
    assert guard.verify(issuer.token()).subject == "user-1"
    forger = changed(keys("RS384"), kid=issuer.key.kid)
    assert reason(issuer.token(key=forger, header={"alg": "RS256"})) == "signature_invalid"


NO_SETS = [b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"<!doctype html><p>hello", b"", b"null"]


@pytest.mark.requirement("7517-5-2")
@pytest.mark.parametrize(
    "document", [*NO_SETS, b'{"keys":[]}', b'{"keys":[5]}', b'{"keys":[],"keys":[]}']
)
def test_what_is_no_set_of_keys_is_refused(document):
    """RFC 7517 section 5."""
    with pytest.raises(KeySetError):
        parse_key_set(document)


@pytest.mark.requirement("7517-5-2")
@pytest.mark.parametrize("document", NO_SETS)
def test_the_last_good_set_outlives_an_answer_that_is_no_set(odd_issuer, clock, document):
    guard = odd_issuer.guard(jwks_ttl="1m")
    guard.verify(odd_issuer.token())
    odd_issuer.document = document
    clock.tick(61)
    assert guard.verify(odd_issuer.token()).subject == "user-1"
    assert odd_issuer.requests.count(odd_issuer.jwks_uri) > 1


@pytest.mark.requirement("7517-5-2")
def test_a_set_has_at_most_a_hundred_keys(keys):
    jwk = dict(keys("ES256").jwk)
    assert len(parse_key_set(json.dumps({"keys": [jwk] * 100}).encode()).keys) == 100
    with pytest.raises(KeySetError, match="100"):
        parse_key_set(json.dumps({"keys": [jwk] * 101}).encode())


def test_the_reasons_of_a_set_without_a_usable_key_are_told(keys):
    jwks = {"keys": [{"kty": "XYZ", "kid": "a"}, {**keys("ES256").jwk, "use": "enc"}]}
    with pytest.raises(KeySetError, match=r"unknown kty, crv or alg, use is not sig"):
        parse_key_set(json.dumps(jwks).encode())
    with pytest.raises(KeySetError, match="the set is empty"):
        parse_key_set(b'{"keys":[]}')


@pytest.mark.requirement("7518-3.3-1", "FAPI2-5.4-2")
def test_a_short_rsa_key_verifies_nothing(issuer, reason):
    """RFC 7518 section 3.3: 2048 bits or more."""
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    jwk = RSAAlgorithm.to_jwk(weak.public_key(), as_dict=True)
    issuer.keys.append(SigningKey("RS256", weak, {**jwk, "kid": "weak"}))
    with pytest.raises(KeyRefusedError, match="1024 bits"):
        parse_key(jwk)
    assert reason(issuer.token()) == "key_unknown"


@pytest.mark.requirement("7518-3.3-1", "7518-6.3.1-1", "FAPI2-5.4-2")
@pytest.mark.parametrize(
    ("bits", "usable"), [(2047, False), (2048, True), (8192, True), (8193, False)]
)
def test_rsa_keys_have_from_2048_to_8192_bits(signing_key, bits, usable):
    """No key of such a size is made: an odd number of that length will do for reading."""
    jwk = {**signing_key.jwk, "n": text_of((1 << (bits - 1)) + 1)}
    if usable:
        assert parse_key(jwk).algorithms == {"RS256"}
    else:
        with pytest.raises(KeyRefusedError, match=f"{bits} bits"):
            parse_key(jwk)


@pytest.mark.requirement("7518-6.3.1-1")
@pytest.mark.parametrize(
    "members",
    [
        {"e": text_of(1)},
        {"e": "AA"},
        {"e": text_of(65536)},
        {"e": text_of(2**64 + 1)},
        {"e": text_of((1 << 2047) + 1)},
        {"n": "AA"},
        {"n": "Aw"},
        {"n": text_of(1 << 2047)},
        {"n": text_of((1 << 32767) + 1)},
        {"n": "A"},
        {"e": ""},
        {"e": 65537},
    ],
)
def test_absurd_rsa_numbers_are_refused(signing_key, members):
    """Zero, one, even numbers, a modulus of 32 kbit, what is no base64url at all."""
    with pytest.raises(KeyRefusedError):
        parse_key({**signing_key.jwk, **members})


@pytest.mark.requirement("7518-6.3.1-1")
def test_an_even_modulus_is_refused(signing_key):
    with pytest.raises(KeyRefusedError):
        parse_key({**signing_key.jwk, "n": text_of(number_of(signing_key.jwk["n"]) + 1)})


@pytest.mark.requirement("7518-6.2.1-1", "8725-3.4-1")
@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
@pytest.mark.parametrize("damage", ["short", "long", "off the curve", "zero", "other curve"])
def test_a_bad_point_is_no_key(keys, alg, damage):
    """RFC 7518 section 6.2.1: the exact length, and a point of the curve."""
    jwk = dict(keys(alg).jwk)
    x = base64url_decode(jwk["x"].encode())
    jwk |= {
        "short": {"x": base64url_encode(x[1:]).decode()},
        "long": {"x": base64url_encode(b"\x00" + x).decode()},
        "off the curve": {"x": text_of(number_of(jwk["y"]) ^ 1, len(x))},
        "zero": {"x": text_of(0, len(x)), "y": text_of(0, len(x))},
        "other curve": {"alg": None, "crv": "P-384" if alg == "ES256" else "P-256"},
    }[damage]
    with pytest.raises(KeyRefusedError, match="broken key material"):
        parse_key(jwk)


@pytest.mark.requirement("9864-2.2-1", "9864-2.2-2", "8037-3.1-1")
@pytest.mark.parametrize("key_alg", ["Ed25519", "EdDSA", None])
@pytest.mark.parametrize("token_alg", ["Ed25519", "EdDSA"])
def test_ed25519_has_two_names_for_one_algorithm(issuer, guard, keys, token_alg, key_alg):
    """RFC 9864 section 2.2: whichever the token carries, and whichever the key."""
    issuer.keys = [changed(keys("EdDSA"), alg=key_alg)]
    assert guard.verify(issuer.token(header={"alg": token_alg})).subject == "user-1"


@pytest.mark.requirement("9864-2.2-2")
def test_the_policy_decides_which_name_of_ed25519_is_taken(issuer, reason, keys):
    issuer.keys = [changed(keys("EdDSA"), alg="Ed25519")]
    raw = issuer.token(header={"alg": "EdDSA"})
    assert reason(raw, by=issuer.guard(algorithms="Ed25519")) == "algorithm_not_allowed"


@pytest.mark.requirement("9864-2.2-1")
@pytest.mark.parametrize("alg", ["Ed25519", "EdDSA"])
def test_an_ed448_key_verifies_nothing(issuer, reason, alg):
    """RFC 9864 section 2.2: Ed25519 is not Ed448; and Ed448, optional in RFC 8037, is not taken."""
    private = ed448.Ed448PrivateKey.generate()
    jwk = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    issuer.keys.append(SigningKey(alg, private, {**jwk, "kid": "ed448"}))
    assert reason(issuer.token()) == "key_unknown"


@pytest.mark.requirement("9964-3-1", "9964-4-1")
@pytest.mark.parametrize("alg", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_an_ml_dsa_key_verifies_the_algorithm_in_it(issuer, guard, reason, keys, alg):
    """RFC 9964 section 3: alg is part of the key."""
    issuer.keys = [keys(alg)]
    assert guard.verify(issuer.token()).subject == "user-1"
    other = "ML-DSA-65" if alg == "ML-DSA-44" else "ML-DSA-44"
    assert (
        reason(issuer.token(header={"alg": other}, key=changed(keys(other), kid=f"key-{alg}")))
        == "key_unsuitable"
    )


@pytest.mark.requirement("9964-3-1", "9964-4-2")
@pytest.mark.parametrize("alg", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
@pytest.mark.parametrize("damage", ["no alg", "short", "long", "padded", "another size", "private"])
def test_a_broken_ml_dsa_key_is_refused(keys, alg, damage):
    jwk = dict(keys(alg).jwk)
    pub = base64url_decode(jwk["pub"].encode())
    jwk |= {
        "no alg": {"alg": None},
        "short": {"pub": base64url_encode(pub[1:]).decode()},
        "long": {"pub": base64url_encode(pub + b"x").decode()},
        "padded": {"pub": jwk["pub"] + "="},
        "another size": {"alg": "ML-DSA-65" if alg == "ML-DSA-44" else "ML-DSA-44"},
        "private": {"priv": "AA"},
    }[damage]
    with pytest.raises(KeyRefusedError):
        parse_key(jwk)


@pytest.mark.requirement("7638-3-1")
@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA", "ML-DSA-44"])
def test_a_thumbprint_depends_on_the_required_members_alone(keys, alg):
    """RFC 7638 section 3: neither on other members, nor on their order."""
    jwk = dict(keys(alg).jwk)
    more = {"use": "sig", "kid": "another", "x5c": ["AA"], **dict(reversed(jwk.items()))}
    assert thumbprint(jwk) == thumbprint(more) == parse_key(jwk).thumbprint
    required = next(name for name in ("n", "x", "pub") if name in jwk)
    assert thumbprint(jwk) != thumbprint({**jwk, required: "AAAA"})


@pytest.mark.ml_dsa
@pytest.mark.requirement("8725-3.1-1", "8725-3.2-1", "9068-2.1-2", "7518-3.6-1")
def test_the_default_algorithms_are_the_asymmetric_ones(issuer):
    """RFC 8725 section 3.1, RFC 9068 section 2.1: with RS256, without none, HS* and RSA1_5."""
    # fmt: off
    assert issuer.guard().trust.only.algorithms == {
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
        "EdDSA", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87",
    }
    # fmt: on


@pytest.mark.requirement("8725-3.1-1")
def test_what_the_issuer_publishes_does_not_widen_the_allowed_algorithms(issuer, reason, keys):
    issuer.keys = [keys("ES256")]
    by = issuer.guard(algorithms=["RS256", "PS256"])
    assert reason(issuer.token(), by=by) == "algorithm_not_allowed"


@pytest.mark.requirement("7518-3.6-1", "8725-3.2-1", "9864-4-1", "8725bis-3.1-1")
@pytest.mark.parametrize(
    "name",
    ["none", "None", "", "RS256,none", "rs256", "ES521", "RS255", "ES256K", "RSA1_5", "HS256"],
)
def test_an_unknown_or_unsafe_algorithm_refuses_the_start(issuer, name):
    """RFC 8725 section 3.2; HS256 needs a secret."""
    if name:
        with pytest.raises(ConfigurationError, match="algorithms"):
            issuer.guard(algorithms=name)
    else:
        assert "RS256" in issuer.guard(algorithms=name).trust.only.algorithms  # empty is not set


@pytest.mark.requirement("7518-3.2-1", "8725-3.5-1")
@pytest.mark.parametrize(
    ("length", "algorithms"),
    [
        (31, None),
        (32, {"HS256"}),
        (47, {"HS256"}),
        (48, {"HS256", "HS384"}),
        (63, {"HS256", "HS384"}),
        (64, {"HS256", "HS384", "HS512"}),
    ],
)
def test_a_secret_serves_the_algorithms_that_it_is_long_enough_for(length, algorithms):
    """RFC 7518 section 3.2: at least as long as the hash. That shuts out most passwords, too."""
    given = {"issuer": "me", "audience": "api", "secret": "s" * length}
    if algorithms is None:
        with pytest.raises(ConfigurationError, match="31 bytes"):
            Guard(**given)
        return
    assert Guard(**given).trust.only.algorithms == algorithms
    for alg, least in {"HS256": 32, "HS384": 48, "HS512": 64}.items():
        if length < least:
            with pytest.raises(ConfigurationError, match=f"{alg} needs {least}"):
                Guard(algorithms=alg, **given)


class RedirectingIssuer(Issuer):
    """Its metadata, or its metadata's jwks_uri, point elsewhere."""

    uri = "https://issuer.example/jwks.json"
    location: str | None = None

    def metadata(self):
        return super().metadata() | {"jwks_uri": self.uri}

    def fetch(self, url, **limits):
        answer = super().fetch(url, **limits)
        if self.location and url == self.jwks_uri:
            return Fetched(302, {"location": self.location})
        return answer


@pytest.mark.requirement("8725-3.10-2", "FAPI2-6-3")
@pytest.mark.parametrize(
    "uri",
    [
        "http://issuer.example/jwks.json",
        "file:///etc/passwd",
        "ftp://issuer.example/jwks.json",
        "https://127.0.0.1/jwks.json",
        "https://[::1]/jwks.json",
        "https://10.0.0.1/jwks.json",
        "https://169.254.169.254/latest",
        "https://user:password@issuer.example/jwks.json",
        "//issuer.example/jwks.json",
        5,
        None,
    ],
)
def test_a_url_out_of_metadata_is_checked_before_it_is_fetched(clock, signing_key, uri):
    """RFC 8725 section 3.10: https only, and no address of an internal network."""
    issuer = RedirectingIssuer(key=signing_key, clock=clock)
    issuer.uri = uri
    with pytest.raises(UnavailableError):
        issuer.guard().verify(issuer.token())
    assert all(".well-known" in url for url in issuer.requests)


@pytest.mark.requirement("8725-3.10-2")
@pytest.mark.parametrize("location", ["http://issuer.example/keys", "https://evil.example/keys"])
def test_a_redirect_is_not_followed(clock, signing_key, location):
    issuer = RedirectingIssuer(key=signing_key, clock=clock)
    issuer.location = location
    with pytest.raises(UnavailableError, match="redirects are not followed"):
        issuer.guard().verify(issuer.token())
    assert location not in issuer.requests


def good_but(member):
    """A key that is usable but for one member, which must not be taken for an absent one."""
    jwk = SigningKey.generate("ES256").jwk
    good = json.dumps({name: jwk[name] for name in ("kty", "crv", "x", "y")})
    return f"{good[:-1]},{member}}}"


@pytest.mark.requirement("7517-5-1")
@pytest.mark.parametrize(
    "odd",
    [
        '{"kty":"X","kty":"Y"}',
        '{"kty":"RSA","n":NaN}',
        '{"kty":"RSA","x":1e999}',
        '{"kty":"RSA","x":' + "9" * 5000 + "}",
        '{"kty":"EC","kid":"\\ud800"}',
        good_but('"alg":NaN'),
        good_but('"kid":1e999'),
        good_but('"use":{"a":1,"a":2}'),
        '{"kty":"EC","x":' + "[" * 40 + "]" * 40 + "}",
    ],
    ids=[
        "repeated name",
        "NaN",
        "infinite",
        "long number",
        "half a character",
        "alg that narrows nothing",
        "kid",
        "use",
        "deep",
    ],
)
def test_a_key_that_is_odd_json_does_not_spoil_the_set(odd):
    """Design of the cache: one odd key never harms the others, in whatever way it is odd."""
    good = json.dumps(dict(SigningKey.generate("ES256", kid="good").jwk))

    keys = parse_key_set(f'\ufeff{{"keys":[{odd},{good}]}}'.encode())

    assert [key.kid for key in keys.keys] == ["good"]
    assert [refused.index for refused in keys.refused] == [0]


@pytest.mark.parametrize("document", ['{"keys":[],"keys":[]}', "NaN", '{"keys":NaN}'])
def test_a_set_that_is_odd_itself_is_refused(document):
    with pytest.raises(KeySetError):
        parse_key_set(document.encode())


def test_the_thumbprint_of_a_secret_is_not_shown():
    """A secret that somebody chose could be guessed against it."""
    key = secret_key(b"x" * 32)

    assert key.thumbprint not in repr(key)


@pytest.mark.parametrize(
    ("kid", "shown"), [("odd", "odd"), ("k" * 5000, "k" * 200), ("a\nb", None), ("\ud800", None)]
)
def test_the_kid_of_a_refused_key_is_shown_as_far_as_it_can_be(kid, shown):
    good = dict(SigningKey.generate("ES256").jwk)

    keys = parse_key_set(json.dumps({"keys": [{"kty": "X", "kid": kid}, good]}).encode())

    assert [refused.kid for refused in keys.refused] == [shown]

"""The shape of a token and its header, as a guard sees them."""

import json

import pytest

from bearerguard import Guard, RejectedError
from bearerguard.core.access import Access
from bearerguard.core.request import RequestView
from bearerguard.core.token import read_claims, read_header, split
from bearerguard.testing import SigningKey

GOOD_HEADER = {"typ": "at+jwt", "alg": "RS256", "kid": "key-1"}


@pytest.mark.requirement("7515-2-1", "7519-7.2-1", "8725bis-3.14-1")
@pytest.mark.parametrize("intruder", list("=+/!~{\"' \n\r\t\x00é"))
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_character_outside_base64url_refuses_the_token(issuer, reason, part, intruder):
    """RFC 7515 section 2, RFC 8725bis section 3.14: before anything is parsed."""
    parts = issuer.token().split(".")
    for damaged in (intruder + parts[part], parts[part] + intruder):
        assert reason(".".join([*parts[:part], damaged, *parts[part + 1 :]])) == "token_malformed"


@pytest.mark.requirement("7515-2-2")
@pytest.mark.parametrize("part", [0, 1, 2])
def test_unused_bits_that_are_set_refuse_the_token(issuer, reason, part):
    """Two spellings of the same bytes would be two names for one token."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    payload = json.dumps(issuer.claims()).encode()
    header = json.dumps(GOOD_HEADER).encode()
    # Spaces, so that four bits are left over at the end.
    header, payload = (octets + b" " * ((1 - len(octets)) % 3) for octets in (header, payload))
    parts = issuer.sign(payload, header=header).split(".")
    last = alphabet.index(parts[part][-1])
    assert last % 16 == 0
    parts[part] = parts[part][:-1] + alphabet[last + 1]
    assert reason(".".join(parts)) == "token_malformed"


@pytest.mark.requirement("7515-3.1-1")
@pytest.mark.parametrize("pieces", [0, 1, 2, 4, 6, 20])
def test_a_token_has_three_parts(issuer, reason, pieces):
    """RFC 7515 section 3.1."""
    three = issuer.token().split(".")
    assert reason(".".join((three * 7)[:pieces])) == "token_malformed"


@pytest.mark.parametrize("raw", [None, b"a.b.c", 5, ["a"]])
def test_what_is_not_text_is_no_token(reason, raw):
    assert reason(raw) == "token_malformed"


@pytest.mark.requirement("7515-3.2-1")
def test_the_json_serialization_is_a_malformed_request(issuer, guard):
    """RFC 7515 section 3.2, RFC 6750 section 2.1: braces are outside b64token, hence 400."""
    header, payload, signature = issuer.token().split(".")
    signed = {"protected": header, "signature": signature}
    for form in ({"payload": payload, "signatures": [signed]}, {"payload": payload, **signed}):
        value = "Bearer " + json.dumps(form, separators=(",", ":"))
        request = RequestView("GET", "/", None, [("Authorization", value)])
        with pytest.raises(RejectedError) as refusal:
            guard.admit(request, Access())
        assert (refusal.value.status, refusal.value.error) == (400, "invalid_request")


@pytest.mark.requirement("7515-4-2")
def test_an_unknown_header_parameter_is_ignored(issuer, guard):
    """RFC 7515 section 4."""
    raw = issuer.token(header={"x-foo": 1, "zip": "DEF", "b64": True, "x5t": {}})
    assert guard.verify(raw).subject == "user-1"


@pytest.mark.requirement("7515-4.1.1-1")
@pytest.mark.parametrize("alg", [None, 5, "", "rs256", "RS256 ", ["RS256"], {"RS256": 1}, True])
def test_alg_is_there_and_written_exactly(issuer, reason, alg):
    """RFC 7515 section 4.1.1; None here leaves it out."""
    raw = issuer.token(header={"alg": alg})
    assert reason(raw) in ("header_malformed", "algorithm_not_allowed")


@pytest.mark.requirement("7515-4.1.9-1")
@pytest.mark.parametrize(
    "typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT", "APPLICATION/at+JWT"]
)
def test_typ_is_compared_as_a_media_type(issuer, guard, typ):
    """RFC 7515 section 4.1.9."""
    assert guard.verify(issuer.token(header={"typ": typ})).subject == "user-1"


@pytest.mark.requirement("9068-4-1")
@pytest.mark.parametrize(
    "typ",
    [
        "JWT",
        "jwt",
        None,
        "dpop+jwt",
        "at+jwtx",
        "xat+jwt",
        "at+jwt ",
        "at+jwt;x=1",
        "",
        "application/",
        "application/application/at+jwt",
        "application//at+jwt",
        "text/at+jwt",
        "applicationat+jwt",
        "at+jwt\u0000",
    ],
)
def test_any_other_typ_is_refused_in_the_strict_profile(issuer, reason, typ):
    """RFC 9068 section 4; None here leaves it out."""
    assert reason(issuer.token(header={"typ": typ})) == "type_mismatch"


@pytest.mark.requirement("9068-4-1")
@pytest.mark.parametrize("typ", ["JWT", "jwt", None, "at+jwt", "application/jwt"])
def test_the_jwt_profile_takes_issuers_that_send_jwt_or_no_typ(issuer, typ):
    """Asked for by name only: it is no default."""
    token = issuer.guard(profile="jwt").verify(issuer.token(header={"typ": typ}))
    assert token.subject == "user-1"


@pytest.mark.requirement("9068-4-1")
@pytest.mark.parametrize("profile", ["auto", "rfc9068", "jwt"])
def test_the_start_logs_the_profile_in_force(issuer, caplog, profile):
    with caplog.at_level("INFO", "bearerguard"):
        issuer.guard(profile=profile)
    assert profile in caplog.text


@pytest.mark.requirement("9068-4-1")
def test_the_default_profile_is_the_strict_one():
    guard = Guard(issuer="https://as.example", audience="https://rs.example")
    assert frozenset({"at+jwt"}) == guard.trust.only.profile.token_types


@pytest.mark.requirement("7515-5.2-1", "7519-7.2-2")
@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b'"at+jwt"',
        b"null",
        json.dumps(GOOD_HEADER).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(GOOD_HEADER).encode(),
        json.dumps(GOOD_HEADER).encode() + b"x",
        json.dumps(GOOD_HEADER).encode() * 2,
        b'{"typ":"at+jwt","alg":"RS256","kid":"key-1","x":"\xff"}',
        b'{"typ":"at+jwt","alg":"RS256","kid":"key-1","x":NaN}',
    ],
)
def test_a_header_that_is_no_json_object_is_refused(issuer, reason, sign_bytes, header):
    """RFC 7515 section 5.2: UTF-8, JSON, an object."""
    raw = sign_bytes(header, json.dumps(issuer.claims()).encode())
    assert reason(raw) == "header_malformed"


@pytest.mark.requirement("7519-7.2-2", "8725-3.7-1", "7515-10.12-1")
@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda good: b"[" + good + b"]",
        lambda good: json.dumps(good.decode()).encode(),
        lambda _: b"null",
        lambda good: good.decode().encode("utf-16"),
        lambda good: good + b"x",
        lambda good: b"\xef\xbb\xbf" + good,
        lambda good: good[:-1] + b',"x":"\xff"}',
        lambda good: good[:-1] + b',"x":NaN}',
        lambda good: good[:-1] + b',"x":-Infinity}',
        lambda good: good[:-1] + b',"nbf":1e400}',
        lambda good: good[:-1] + rb',"x":"\ud800"}',
    ],
)
def test_claims_that_are_no_strict_json_object_are_refused(issuer, reason, change):
    """RFC 7519 section 7.2, RFC 8725 section 3.7; each one is correctly signed."""
    payload = change(json.dumps(issuer.claims()).encode())
    assert reason(issuer.sign(payload)) == "claims_malformed"


@pytest.mark.requirement("7515-10.12-1")
def test_an_expiry_that_is_not_a_number_or_infinite_is_refused(issuer, reason):
    for exp in (b"NaN", b"1e400", b"Infinity"):
        payload = json.dumps(issuer.claims(without=["exp"])).encode()[:-1] + b',"exp":' + exp + b"}"
        assert reason(issuer.sign(payload)) == "claims_malformed"


@pytest.mark.ml_dsa
@pytest.mark.requirement("9964-SIZE-1", "GEN-11")
def test_the_default_limit_leaves_room_for_the_longest_signatures(issuer, keys):
    """RFC 9964: a token signed by ML-DSA-87 has more than 6 kB."""
    issuer.keys = [keys("ML-DSA-87")]
    raw = issuer.token(padding="x" * 6000)
    assert 8192 < len(raw) < issuer.guard().trust.only.max_bytes == 16384
    assert issuer.guard().verify(raw).subject == "user-1"


@pytest.mark.requirement("9964-SIZE-1", "GEN-11")
def test_the_limit_of_size_is_a_setting_and_exact(issuer, reason):
    raw = issuer.token()
    assert issuer.guard(max_token_bytes=len(raw)).verify(raw).subject == "user-1"
    assert reason(raw, by=issuer.guard(max_token_bytes=len(raw) - 1)) == "token_too_large"


@pytest.mark.requirement("GEN-11")
@pytest.mark.parametrize("raw", ["x" * 16385, "é" * 16385, "." * 10_000_000, "{" * 1_000_000])
def test_what_is_too_long_is_not_even_looked_at(reason, raw, monkeypatch):
    """No expression runs over it and no part of it is decoded."""
    monkeypatch.setattr("bearerguard.core.flow.split", None)
    assert reason(raw) == "token_too_large"


@pytest.mark.requirement("7515-4.1.4-1")
@pytest.mark.parametrize("name", ["kid", "typ", "cty"])
@pytest.mark.parametrize("value", ["5", '["a"]', "{}", "null", "true"])
def test_a_header_parameter_of_the_wrong_type_is_refused(issuer, reason, sign_bytes, name, value):
    header = json.dumps({n: v for n, v in GOOD_HEADER.items() if n != name})
    raw = sign_bytes(f'{header[:-1]},"{name}":{value}}}'.encode(), b"{}")
    assert reason(raw) == "header_malformed"


@pytest.mark.requirement("7515-5.2-3")
def test_a_valid_signature_by_an_algorithm_that_is_not_allowed_is_refused(issuer, reason, keys):
    """RFC 7515 section 5.2: the key is there and good; the application does not want it."""
    issuer.keys.append(keys("ES256"))
    raw = issuer.token()
    assert reason(raw, by=issuer.guard(algorithms="RS256")) == "algorithm_not_allowed"
    assert issuer.guard().verify(raw).subject == "user-1"


@pytest.mark.requirement("7515-5.3-1", "7519-7.3-1")
def test_names_compare_by_code_point(issuer, reason):
    """RFC 7515 section 5.3: no normalisation; e with an accent as one and as two characters."""
    one, two = "https://issuer.example/\u00e9", "https://issuer.example/e\u0301"
    guard = issuer.guard(issuer=one, audience=one, jwks_uri=issuer.jwks_uri)
    assert one == guard.verify(issuer.token(iss=one, aud=one)).issuer
    assert reason(issuer.token(iss=two, aud=one), by=guard) == "issuer_mismatch"
    assert reason(issuer.token(iss=one, aud=two), by=guard) == "audience_mismatch"


def test_a_key_id_is_compared_exactly(issuer, reason):
    issuer.keys = [SigningKey(k.alg, k.private_key, {**k.jwk, "kid": "a"}) for k in issuer.keys]
    assert issuer.guard().verify(issuer.token()).subject == "user-1"
    assert reason(issuer.token(header={"kid": "A"}), by=issuer.guard()) == "key_unknown"


def test_a_token_in_parts_is_not_shown(issuer):
    """Where a debugger or an error report shows what a function had in its hands."""
    raw = issuer.token("secret-scope")
    parts = split(raw)
    token = read_claims(read_header(parts), parts)
    shown = repr(parts) + repr(token)
    assert "key-1" in shown
    assert "secret-scope" not in shown
    assert not any(part in shown for part in raw.split("."))

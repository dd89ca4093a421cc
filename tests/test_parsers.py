"""From what an operator wrote to a checked value."""

import base64

import pytest

from bearerguard import parsers as p
from bearerguard.core import signature
from bearerguard.core.policy import AKP_ALGORITHMS
from bearerguard.testing import SigningKey


def refusal(parse, value):
    with pytest.raises(ValueError) as error:
        parse(value)
    return str(error.value)


@pytest.mark.parametrize("value", [5, None, True, b"x", ["x"], {"x": 1}, 1.5])
def test_what_is_no_text_is_told_so(value):
    assert refusal(p.text, value) == "must be text"


@pytest.mark.parametrize("value", [" x", "x ", "x\n", "\tx", "\u00a0x"])
def test_a_space_around_a_text_would_never_match_and_is_refused(value):
    assert "begins or ends with a space" in refusal(p.text, value)
    assert "begins or ends with a space" in refusal(p.texts, [value])


@pytest.mark.parametrize("value", ['"x"', "'x'", '"https://a.example"', "''"])
def test_quotation_marks_around_a_text_are_refused(value):
    """docker --env-file and systemd hand them over as part of the value."""
    for parse in (p.text, p.texts, p.audiences):
        assert "has quotation marks in it" in refusal(parse, value)


@pytest.mark.parametrize("value", ["x", '"', "it's", '"x', "a 'b'", "é", "a b"])
def test_any_other_text_is_taken_as_it_stands(value):
    assert value == p.text(value)


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ("a", ("a",)),
        ("a,b", ("a", "b")),
        (" a , b ", ("a", "b")),
        ("a b", ("a b",)),
        (["a", "b"], ("a", "b")),
        (("b", "a"), ("b", "a")),
        (["a,b"], ("a,b",)),
        ({"b", "a"}, ("a", "b")),
        (frozenset("cab"), ("a", "b", "c")),
    ],
)
def test_a_list_is_a_list_or_a_text_with_commas(value, items):
    assert items == p.texts(value)


@pytest.mark.parametrize("value", [",", "a,", ",a", "a,,b", "a, ,b", ["a", ""], ("",), {""}])
def test_an_empty_item_of_a_list_is_refused(value):
    """A trailing comma is a typo; the next edit would turn it into a value."""
    assert refusal(p.texts, value) == "has an empty item; write 'one,two'"


@pytest.mark.parametrize("value", [5, None, {"a": 1}, b"a,b", True])
def test_what_is_no_list_is_told_so(value):
    assert refusal(p.texts, value) == "must be a list or a text with commas"


@pytest.mark.parametrize("value", [["a", 5], [None], ("a", b"b"), {5, "a"}])
def test_an_item_that_is_no_text_is_told_so(value):
    assert refusal(p.texts, value) == "must be text"


@pytest.mark.parametrize(
    ("value", "on"),
    [
        *((True, True), ("on", True), ("ON", True), ("true", True), ("True", True), ("1", True)),
        *((False, False), ("off", False), ("false", False), ("False", False), ("0", False)),
    ],
)
def test_a_switch_is_on_or_off(value, on):
    assert p.switch(value) is on


@pytest.mark.parametrize("value", ["yes", "2", " on", "", 1, 0, None, "enabled", "not", [True]])
def test_a_switch_takes_nothing_else(value):
    assert refusal(p.switch, value) == "must be 'on' or 'off'"


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("9", 9), (1, 1), (9, 9), ("007", 7)])
def test_a_number_is_taken_from_the_least_to_the_most(value, number):
    assert number == p.number(1, 9)(value)


@pytest.mark.parametrize(
    "value", ["0", "10", 0, 10, "x", "1.5", 1.5, "+1", "-1", True, None, "٣", "9" * 5000, "1 ", []]
)
def test_a_number_beyond_its_edges_or_no_number_is_refused(value):
    assert refusal(p.number(1, 9), value) == "must be a whole number from 1 to 9"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("0", 0.0), ("0s", 0.0)),
        *((30, 30.0), (0.5, 0.5), (0, 0.0), (3600, 3600.0)),
    ],
)
def test_a_duration_has_a_unit_or_is_a_number_of_seconds(value, seconds):
    assert seconds == p.seconds(0, 3600)(value)


@pytest.mark.parametrize(
    "value",
    ["30", "1d", "1.5s", "s", "-1s", "1 s", "1s ", "1S", "1h30m", "٣s", "1e3s", "9" * 11 + "s"],
)
def test_a_text_without_a_unit_is_no_duration(value):
    """It is told how to write one: 30 might be seconds or minutes."""
    assert refusal(p.seconds(0, 3600), value) == "must be a duration such as '30s', '5m' or '1h'"


@pytest.mark.parametrize("value", [True, None, [30], b"30s"])
def test_what_is_neither_text_nor_number_is_no_duration(value):
    assert "or a number of seconds" in refusal(p.seconds(0, 3600), value)


@pytest.mark.parametrize("value", ["0s", "61m", 0.5, 3601, float("inf"), float("nan"), -1, 10**400])
def test_a_duration_beyond_its_edges_is_refused(value):
    assert refusal(p.seconds(1, 3600), value) == "must be from 1s to 3600s"


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ("x" * 32, b"x" * 32),
        ("é" * 16, "é".encode() * 16),
        (b"\xff" * 32, b"\xff" * 32),
        (" " + "x" * 31, b" " + b"x" * 31),
        ("base64:" + base64.b64encode(b"\0" * 32).decode(), b"\0" * 32),
        ('"' + "x" * 32 + '"', b'"' + b"x" * 32 + b'"'),
    ],
)
def test_a_secret_is_text_or_base64_or_bytes_as_it_stands(value, raw):
    secret = p.secret(value)
    assert raw == secret.value
    assert secret is p.secret(secret)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("base64:" + "Q" * 33, "is not base64 after 'base64:'"),
        ("base64:" + "QUJD" * 12 + "\n", "is not base64 after 'base64:'"),
        ("base64:" + "-_-_" * 12, "is not base64 after 'base64:'"),
        ("base64:" + "é" * 44, "is not base64 after 'base64:'"),
        (32, "must be text, 'base64:...' or bytes"),
        (["x" * 32], "must be text, 'base64:...' or bytes"),
        ("\ud800" * 32, "is not UTF-8 text; write 'base64:...'"),
        ("x" * 31, "has 31 bytes; HS256 needs 32 or more, made at random: openssl rand -base64 48"),
        ("base64:", "has 0 bytes"),
    ],
)
def test_what_cannot_be_a_secret_is_told_so(value, told):
    assert told in refusal(p.secret, value)


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_public_key_is_no_secret(alg):
    """RFC 8725 section 2.1: everybody has it, so everybody could sign."""
    pem = SigningKey.generate(alg).public_pem()
    for value in (pem, pem.decode()):
        assert refusal(p.secret, value) == "is a public key or a certificate, which is no secret"


def test_ml_dsa_by_name_needs_an_openssl_that_has_it(monkeypatch):
    asked = []

    def probe():
        asked.append(True)
        return len(asked) == 1

    monkeypatch.setattr(signature, "ml_dsa_is_supported", probe)
    assert p.algorithms("RS256") == ("RS256",)
    assert asked == []
    assert p.algorithms(AKP_ALGORITHMS) == AKP_ALGORITHMS
    assert "needs an OpenSSL with ML-DSA" in refusal(p.algorithms, AKP_ALGORITHMS)


@pytest.mark.parametrize("value", ["a b", 'a"b', "a\\b", "é", "a\x7fb", ["a", "b c"]])
def test_a_scope_has_only_the_characters_that_a_challenge_can_hold(value):
    """RFC 6749 section 3.3."""
    assert "is not a scope; write 'one,two'" in refusal(p.scopes, value)


def test_scopes_may_hold_every_other_character():
    assert p.scopes("orders:read,https://a/b#c") == ("orders:read", "https://a/b#c")


@pytest.mark.parametrize(
    "value", ["scp", "/a/b", "/a~0b/~1", "https://a.example/~roles", "/a/*", "a/b"]
)
def test_a_place_is_a_name_or_a_json_pointer(value):
    """RFC 6901 section 3; a tilde is an escape in a pointer and a letter in a name."""
    assert (value,) == p.places(value)


@pytest.mark.parametrize("value", ["/", "/*", "/a~2", "/a~", "/~", "x,/~"])
def test_a_pointer_that_points_nowhere_is_refused(value):
    assert "is no JSON Pointer; write 'scp' or '/realm_access/roles'" in refusal(p.places, value)


def test_public_paths_are_taken_as_the_table_of_paths_takes_them():
    assert p.paths("/healthz,/docs/*,/") == ("/healthz", "/docs/*", "/")


@pytest.mark.parametrize(
    "value", ["/*", "*", "healthz", "/a//b", "/a/../b", "/a%2fb", "/*/a", "/a*"]
)
def test_a_public_path_that_opens_all_or_matches_nothing_is_refused_at_once(value):
    """Not only where an adapter is built: the settings are checked as a whole."""
    told = refusal(p.paths, f"/ok,{value}")
    assert repr(value) in told
    assert "'/ok'" not in told
    assert "public: " not in told


@pytest.mark.parametrize("value", ["https://a#b", "https://a/#", "x,https://a#", ["x", "x://#"]])
def test_an_audience_that_is_a_url_has_no_fragment(value):
    """RFC 8707 section 2."""
    assert "has a fragment (RFC 8707 section 2)" in refusal(p.audiences, value)


@pytest.mark.parametrize("value", ["Orders", 'a "b"', "a\\b", " ", "~"])
def test_a_realm_is_visible_ascii(value):
    assert value == p.quotable(value)


@pytest.mark.parametrize(
    "value", ["", "é", "a\r\nSet-Cookie: a=b", "\x7f", "a\tb", "a\n", 5, None, b"a"]
)
def test_a_realm_that_no_header_field_can_hold_is_refused(value):
    """RFC 9110 section 5.5."""
    assert refusal(p.quotable, value) == "must be visible ASCII: it stands in a header field"


def test_a_secret_hides_in_every_form():
    secret = p.Secret(b"hush")
    assert [repr(secret), str(secret), f"{secret}"] == ["***"] * 3

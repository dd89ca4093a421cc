"""Strict base64url and strict JSON: one document, one reading."""

import pytest

from bearerguard.core.encoding import (
    EncodingError,
    base64url_decode,
    base64url_encode,
    read_json,
    read_json_object,
)


@pytest.mark.parametrize("data", [b"", b"\x00", b"ab", b"abc", b"abcd", bytes(range(256))])
def test_base64url_gives_back_what_was_encoded(data):
    assert data == base64url_decode(base64url_encode(data))


@pytest.mark.requirement("7515-2-1", "7515-2-2")
@pytest.mark.parametrize(
    "text",
    [
        b"YQ==",
        b"YQ=",
        b"YQ\n",
        b"\nYQ",
        b"Y Q",
        b"YQ ",
        b"+A",
        b"/A",
        b"Y!",
        b"Y.",
        b"Y\x00",
        b"A",
        b"YWJjA",
        b"YR",
        b"YWK",
        b"\xc3\xa9",
    ],
)
def test_what_is_not_the_one_form_of_some_bytes_is_no_base64url(text):
    """RFC 7515 section 2: no padding, no white space, no other characters, no unused bits set."""
    with pytest.raises(EncodingError):
        base64url_decode(text)


@pytest.mark.requirement("7515-10.12-1")
@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b'{"a": [1, -2.5, 1e3, null, true, "x"]}', {"a": [1, -2.5, 1e3, None, True, "x"]}),
        (b' \r\n\t{"a":1}\n', {"a": 1}),
        ('"é€😀"'.encode(), "é€😀"),
        (rb'"\ud83d\ude00"', "😀"),
        (b"1e-400", 0.0),
        (b"9" * 128, int("9" * 128)),
        (b"[" * 32 + b"]" * 32, eval("[" * 32 + "]" * 32)),
        (b'[[],"' + b"[{" * 40 + b'"]', [[], "[{" * 40]),
        (rb'"\\ud800"', r"\ud800"),
    ],
)
def test_json_is_read(document, value):
    assert value == read_json(document)


@pytest.mark.requirement("7515-10.12-1", "7519-7.2-2", "8725-3.7-1")
@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "not JSON"),
        (b"{}x", "more than one JSON text"),
        (b"{} {}", "more than one JSON text"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b'"a\nb"', "not JSON"),
        (b"\xff", "not JSON"),
        (b'"\xed\xa0\x80"', "not JSON"),  # a surrogate written as UTF-8
        (b'"\xc0\xaf"', "not JSON"),  # an overlong form
        (b"\xef\xbb\xbf{}", "not JSON"),  # a byte order mark
        ('{"a":1}'.encode("utf-16"), "not JSON"),
        ('{"a":1}'.encode("utf-16-le"), "not JSON"),
        (b"NaN", "NaN"),
        (b"Infinity", "Infinity"),
        (b"-Infinity", "-Infinity"),
        (b"1e400", "beyond all bounds"),
        (b"-1e400", "beyond all bounds"),
        (b"9" * 129, "too many digits"),
        (b"-" + b"9" * 128, "too many digits"),
        (b"[" * 33 + b"]" * 33, "too deeply"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "too deeply"),
        (b"[" * 100_000, "too deeply"),
        (b'{"a":1,"a":1}', "repeated"),
        (rb'{"a":1,"\u0061":2}', "repeated"),
        (b'[{"b":{"a":1,"a":2}}]', "repeated"),
        (rb'"\ud800"', "half a character"),
        (rb'{"\uDFFF":1}', "half a character"),
        (rb'["\ude00\ud83d"]', "half a character"),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(document, why):
    """RFC 7515 section 10.12, RFC 8725 section 3.7: UTF-8 and nothing lenient."""
    with pytest.raises(EncodingError, match=why):
        read_json(document)


@pytest.mark.parametrize("document", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_only_an_object_is_an_object(document):
    with pytest.raises(EncodingError, match="not a JSON object"):
        read_json_object(document)


@pytest.mark.parametrize("document", [b'{"secret":1,"secret":2}', b"secret", b'"\xffsecret"'])
def test_the_message_never_quotes_the_document(document):
    with pytest.raises(EncodingError) as error:
        read_json(document)
    assert "secret" not in str(error.value)

"""A snapshot gives back exactly the keys that were fetched, or it is refused."""

import hashlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bearerguard.core.jwk import parse_key_set
from bearerguard.jwks.fetch import MAX_BYTES
from bearerguard.jwks.snapshot_format import (
    MOST_BYTES,
    SnapshotError,
    read_snapshot,
    write_snapshot,
)
from bearerguard.jwks.states import LoadedKeys
from bearerguard.testing import SigningKey

ISSUER = "https://issuer.example"
URL = "https://issuer.example/jwks"
FETCHED_AT = 1_800_000_000.25
KEY = dict(SigningKey.generate("ES256", kid="a").jwk)
SECRET_WORD = "xyzzy"


def document_of(*members, **others):
    return json.dumps({"keys": list(members), **others}).encode()


def written(document, max_age_s=120.0):
    loaded = LoadedKeys(parse_key_set(document), max_age_s, document, URL)
    return write_snapshot(loaded, ISSUER, FETCHED_AT)


def with_digest(members):
    """Write members as whoever knows the format could."""
    members = {name: value for name, value in members.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()
    return json.dumps({**members, "sha256": digest}).encode()


def changed(**changes):
    members = json.loads(GOOD) | changes
    return with_digest({name: value for name, value in members.items() if value is not ...})


def problem_of(content):
    with pytest.raises(SnapshotError) as refusal:
        read_snapshot(content)
    return str(refusal.value)


GOOD = written(document_of(KEY))


def test_a_snapshot_names_its_format_its_issuer_its_url_and_its_time():
    members = json.loads(GOOD)

    assert members["format"] == "bearerguard-jwks-1"
    assert members["issuer"] == ISSUER
    assert members["url"] == URL
    assert members["fetched_at"] == FETCHED_AT
    assert members["max_age_s"] == 120.0


def test_a_snapshot_holds_the_very_document_that_was_fetched():
    stored = read_snapshot(GOOD)

    assert (stored.issuer, stored.url) == (ISSUER, URL)
    assert (stored.fetched_at, stored.max_age_s) == (FETCHED_AT, 120.0)
    assert stored.document == document_of(KEY)
    assert stored.keys == parse_key_set(document_of(KEY))


def test_keys_out_of_a_snapshot_say_that_they_are_shared_and_how_old_they_are():
    loaded = read_snapshot(GOOD).loaded(17.5)

    assert loaded == LoadedKeys(
        parse_key_set(document_of(KEY)), 120.0, document_of(KEY), URL, 17.5, is_shared=True
    )


@pytest.mark.parametrize("max_age_s", [None, 0.0, 31_536_000.0])
def test_the_lifetime_that_the_issuer_named_is_kept(max_age_s):
    assert read_snapshot(written(document_of(KEY), max_age_s)).max_age_s == max_age_s


ODD_DOCUMENTS = {
    "private": document_of({**KEY, "d": "AQAB"}, KEY),
    "secret": document_of({"kty": "oct", "k": "AQAB"}, KEY),
    "null": document_of(None, KEY, 7, "key"),
    "deep": b'{"keys": [' + b"[" * 40 + b"]" * 40 + b"," + json.dumps(KEY).encode() + b"]}",
    "repeated name": b'{"keys": [{"kty": "RSA", "kty": "EC"}, ' + json.dumps(KEY).encode() + b"]}",
    "not a number": b'{"keys": [{"kty": "RSA", "n": NaN}, ' + json.dumps(KEY).encode() + b"]}",
    "half a character": b'{"keys": [{"kid": "\\ud800"}, ' + json.dumps(KEY).encode() + b"]}",
    "byte order mark": b"\xef\xbb\xbf" + document_of(KEY),
    "other alphabets": json.dumps(
        {"keys": [KEY], "name": "schlüssel 鍵 🔑"}, ensure_ascii=False
    ).encode(),
}


@pytest.mark.parametrize("document", ODD_DOCUMENTS.values(), ids=ODD_DOCUMENTS)
def test_the_same_keys_are_refused_for_the_same_reasons_as_in_the_fetch(document):
    """RFC 7517 section 5: one odd key does not spoil the others, here no more than there."""
    stored = read_snapshot(written(document))

    assert stored.document == document
    assert stored.keys == parse_key_set(document)


def test_the_longest_document_that_a_fetch_allows_fits():
    start = document_of(KEY)[:-1] + b', "name": "'
    room = MAX_BYTES - len(start) - len(b'"}')
    document = start + "é".encode() * (room // 2) + b"x" * (room % 2) + b'"}'
    assert len(document) == MAX_BYTES

    assert read_snapshot(written(document)).document == document


def test_a_longer_document_than_a_fetch_allows_is_refused():
    document = document_of(KEY) + b" " * (MAX_BYTES + 1 - len(document_of(KEY)))

    assert "more than 524288 bytes" in problem_of(written(document))


def test_a_longer_snapshot_than_any_set_needs_is_not_even_parsed():
    assert "is larger than" in problem_of(GOOD + b" " * (MOST_BYTES + 1 - len(GOOD)))
    assert read_snapshot(GOOD + b" " * (MOST_BYTES - len(GOOD))) == read_snapshot(GOOD)


def test_every_truncation_is_refused():
    for length in range(len(GOOD)):
        assert problem_of(GOOD[:length])


def is_refused_or_the_same(content):
    try:
        return read_snapshot(content) == read_snapshot(GOOD)
    except SnapshotError:
        return True


def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing():
    """Without its digest a snapshot could come back with another key, or younger than it is."""
    for place in range(len(GOOD)):
        for bit in range(8):
            content = bytearray(GOOD)
            content[place] ^= 1 << bit
            assert is_refused_or_the_same(bytes(content)), (place, bit)


@given(start=st.integers(0, len(GOOD)), length=st.integers(0, 64), instead=st.binary(max_size=64))
@example(start=0, length=0, instead=b" ")
def test_any_other_damage_is_refused_or_changes_nothing(start, length, instead):
    assert is_refused_or_the_same(GOOD[:start] + instead + GOOD[start + length :])


@given(st.binary(max_size=200))
def test_noise_is_refused(content):
    assert problem_of(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b'"x"', b"{}", b"<html>", b"{" * 5000, b"\xff\xfe", b"\0" * 100],
)
def test_other_files_are_refused(content):
    assert problem_of(content)


@pytest.mark.parametrize("name", sorted(json.loads(GOOD)))
def test_a_snapshot_that_lacks_a_member_is_refused(name):
    members = json.loads(GOOD)
    del members[name]
    content = json.dumps(members).encode() if name == "sha256" else with_digest(members)

    assert problem_of(content)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("format", value) for value in ("bearerguard-jwks-2", "", 1, None)],
        *[(name, value) for name in ("issuer", "url", "jwks") for value in (None, 1, [], {})],
        *[("fetched_at", value) for value in (None, "1800000000", True, [], {})],
        *[("max_age_s", value) for value in ("120", False, [], {})],
        ("jwks", {"keys": [KEY]}),
        ("more", 1),
    ],
)
def test_a_member_of_another_type_is_refused(name, value):
    assert problem_of(changed(**{name: value}))


def test_whole_seconds_are_a_time_too():
    stored = read_snapshot(changed(fetched_at=1_800_000_000, max_age_s=60))

    assert (stored.fetched_at, stored.max_age_s) == (1_800_000_000, 60)


@pytest.mark.parametrize(
    "document",
    [
        document_of(),
        document_of({**KEY, "d": "AQAB"}),
        document_of(*[{**KEY, "kid": str(number)} for number in range(101)]),
        b'{"keys": {}}',
        b"<html>",
        b"",
    ],
    ids=["empty", "private", "101 keys", "no array", "HTML", "nothing"],
)
def test_a_set_that_a_fetch_would_refuse_is_refused(document):
    assert problem_of(changed(jwks=document.decode())).startswith("cannot be used")


@pytest.mark.parametrize(
    "content",
    [
        SECRET_WORD.encode(),
        b'{"format": "%s"}' % SECRET_WORD.encode(),
        changed(jwks=json.dumps({"keys": [{**KEY, "d": SECRET_WORD, "kid": SECRET_WORD}]})),
        changed(jwks=SECRET_WORD),
        changed(**{SECRET_WORD: 1}),
        GOOD.replace(b"issuer.example/jwks", SECRET_WORD.encode()),
    ],
)
def test_a_refusal_never_quotes_the_file(content):
    assert SECRET_WORD not in problem_of(content)

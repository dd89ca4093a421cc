"""The fast ways to read a token agree with the plain definitions of what is allowed."""

import base64
import json
import re
from math import inf, nextafter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bearerguard import RejectedError
from bearerguard.core import token
from bearerguard.core.claims import (
    RULES_BEFORE_SIGNATURE,
    check_expiry,
    check_issued_at,
    check_not_before,
)
from bearerguard.core.encoding import (
    EncodingError,
    base64url_decode,
    base64url_encode,
    decode_checked,
    is_whole,
)
from bearerguard.core.policy import Policy
from bearerguard.core.profile import RFC9068
from bearerguard.core.times import validity
from bearerguard.core.token import HEADERS_KEPT, LONGEST_HEADER_KEPT, read_header, split

pytestmark = pytest.mark.untraced

MANY = settings(max_examples=400, deadline=None, derandomize=True, database=None)
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
TEXTS = st.lists(st.sampled_from(ALPHABET), max_size=12).map(bytes)
NEARLY = st.lists(st.sampled_from(ALPHABET + b"=+/.\n \x00\xc3"), max_size=9).map(bytes)


def plainly_decoded(text: bytes) -> bytes | None:
    """Decode base64url by its definition: whatever is not what encoding gives is refused."""
    if not re.fullmatch(rb"[A-Za-z0-9_-]*", text):
        return None
    try:
        data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=") == text else None


def decoded(text: bytes) -> bytes | None:
    try:
        return base64url_decode(text)
    except EncodingError:
        return None


@pytest.mark.requirement("7515-2-1", "7515-2-2")
@MANY
@given(st.binary(max_size=12) | TEXTS | NEARLY)
@example(b"")
@example(b"=")
@example(b"==")
@example(b"QQ==")
def test_base64url_is_what_its_definition_says(text):
    """RFC 7515 section 2."""
    assert plainly_decoded(text) == decoded(text)


@pytest.mark.requirement("7515-2-2")
def test_base64url_is_what_its_definition_says_for_every_short_text():
    """Each last character at each length, where bits may be left over."""
    for length in range(6):
        for last in range(256):
            text = (b"AbC-_"[: length - 1] + bytes([last])) if length else b""
            assert plainly_decoded(text) == decoded(text)
            if re.fullmatch(rb"[A-Za-z0-9_-]*", text):
                assert is_whole(text) is (plainly_decoded(text) is not None)


@MANY
@given(st.binary(max_size=400))
def test_every_octets_are_given_back(data):
    assert (
        decode_checked(base64url_encode(data)) == data == base64url_decode(base64url_encode(data))
    )


JOINED = st.lists(TEXTS | NEARLY, max_size=6).map(b".".join)


@pytest.mark.requirement("7515-3.1-1", "8725bis-3.14-1")
@MANY
@given(JOINED.map(lambda octets: octets.decode("latin-1")) | st.text(max_size=20))
@example("")
@example("..")
@example("...")
@example("....")
@example("QQ.QQ.QQ")
@example("QR.QQ.QQ")
@example("QQ.QR.QQ")
@example("QQ.QQ.QR")
@example("QQ.QQ.QQ\n")
@example("\nQQ.QQ.QQ")
@example("Q\u0051.QQ.Q\u0661")
@example("QQ.QQ.\ud800")
def test_three_parts_are_taken_apart_and_nothing_else_is(raw):
    """RFC 7515 section 3.1: what the grammar allows, and of that only what is canonical."""
    octets = raw.encode("utf-8", "surrogatepass")
    parts = octets.split(b".")
    is_good = len(parts) == 3 and all(plainly_decoded(part) is not None for part in parts)
    is_encrypted = len(parts) == 5 and re.fullmatch(rb"[A-Za-z0-9_.-]*", octets) is not None
    if not is_good:
        with pytest.raises(RejectedError) as refusal:
            split(raw)
        reason = "token_encrypted" if is_encrypted else "token_malformed"
        assert reason == refusal.value.reason
        return
    found = split(raw)
    assert [found.header, found.payload, found.signature] == parts
    assert found.signing_input == b".".join(parts[:2])


HEADERS = st.fixed_dictionaries(
    {"alg": st.sampled_from(["RS256", "ES256", "none", "", 5])},
    optional={
        "kid": st.sampled_from(["a", "b", "", None]) | st.text(max_size=3),
        "typ": st.sampled_from(["at+jwt", "JWT", 5]),
        "crit": st.just([]),
        "x": st.text(max_size=600),
    },
)


def read(header: bytes):
    try:
        return read_header(split(base64url_encode(header).decode() + ".e30.QQ"))
    except RejectedError as refusal:
        return refusal.reason, refusal.expected, refusal.found


def read_anew(header: bytes):
    token._frequent_header_of.cache_clear()
    return read(header)


@MANY
@given(st.lists(HEADERS, min_size=1, max_size=6))
def test_a_header_that_was_read_before_is_read_alike_and_is_never_anothers(headers):
    """In whatever order, refused ones among them, and such as differ in their spelling alone."""
    texts = [json.dumps(header).encode() for header in headers]
    texts += [text + b" " for text in texts] + [text.swapcase() for text in texts]
    wanted = [read_anew(text) for text in texts]
    for _ in range(2):
        assert [read(text) for text in texts] == wanted


def test_the_headers_that_are_remembered_are_few_and_short():
    """Strangers can send as many as they like."""
    token._frequent_header_of.cache_clear()
    for number in range(2 * HEADERS_KEPT):
        read(json.dumps({"alg": "RS256", "kid": f"{number}"}).encode())
    assert token._frequent_header_of.cache_info().currsize == HEADERS_KEPT
    before = token._frequent_header_of.cache_info()
    read(json.dumps({"alg": "RS256", "x": "x" * LONGEST_HEADER_KEPT}).encode())
    assert before == token._frequent_header_of.cache_info()


LAST = 253402300799
INSTANTS = st.one_of(st.integers(0, LAST), st.floats(0, LAST), st.integers(0, 400))
LEEWAYS = st.one_of(st.sampled_from([0, 0.1, 30.0]), st.floats(0, 300))


@MANY
@given(
    st.fixed_dictionaries({"exp": INSTANTS}, optional={"nbf": INSTANTS, "iat": INSTANTS}),
    LEEWAYS,
    st.none() | st.floats(1, 366 * 86400),
    st.lists(st.floats(-400, LAST + 400), max_size=3),
)
@example({"exp": 0.1}, 0.2, None, [0.3, 0.30000000000000004])
@example({"exp": 5, "iat": 2**53}, 0.1, 1.0, [])
@example({"exp": LAST, "iat": 0.3, "nbf": 0.7}, 0.4, 1.5, [2.1999999999999997, 2.2])
def test_the_times_of_a_known_token_are_those_of_the_rules(claims, leeway, age, others):
    """At each instant, a hair before it and a hair after it."""
    if age is not None:
        claims.setdefault("iat", 0)
    policy = Policy(
        issuer="https://a.example",
        audiences=(),
        algorithms=frozenset(),
        profile=RFC9068,
        scope_places=(),
        role_places=(),
        leeway_s=leeway,
        max_age_s=age,
    )
    valid_from, valid_until = validity(claims, policy)
    edges = [valid_from, valid_until, *(value + leeway for value in claims.values())]
    edges += [value - leeway for value in claims.values()]
    for now in [*others, *(i for e in edges for i in (nextafter(e, -inf), e, nextafter(e, inf)))]:
        if now < -leeway:
            continue  # before 1970 a clock is wrong; then a token is verified as a new one
        assert (valid_from <= now < valid_until) is passes(claims, policy, now)


def passes(claims, policy, now) -> bool:
    rules = (check_expiry, check_not_before, check_issued_at)
    assert RULES_BEFORE_SIGNATURE[:3] == rules
    try:
        for rule in rules:
            rule(claims, policy, now)
    except RejectedError:
        return False
    return True

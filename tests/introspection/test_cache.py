"""What is kept of answers: for how long, under what, and how much."""

import sys

import pytest

from bearerguard.introspection.cache import (
    INACTIVE,
    INACTIVE_FOR_S,
    LONGEST_ANSWER,
    MOST_ACTIVE,
    MOST_BYTES,
    MOST_INACTIVE,
    KeptAnswers,
    digest_of,
    expires_in_s,
)

GOOD = b'{"active":true}'


@pytest.fixture
def kept():
    return KeptAnswers(60.0)


@pytest.mark.requirement("7662-4-3")
def test_an_answer_is_kept_for_its_time_and_no_longer(kept):
    kept.keep(b"1", GOOD, 100.0, 3600.0)
    assert [kept.find(b"1", now) for now in (100.0, 159.9, 160.0)] == [GOOD, GOOD, None]
    assert kept.find(b"2", 100.0) is None


@pytest.mark.requirement("7662-4-2")
def test_an_answer_never_outlives_its_token(kept):
    kept.keep(b"1", GOOD, 100.0, 2.0)
    kept.keep(b"2", GOOD, 100.0, 0.0)
    kept.keep(b"3", GOOD, 100.0, -5.0)
    assert [kept.find(b"1", now) for now in (101.9, 102.0)] == [GOOD, None]
    assert [kept.find(key, 100.0) for key in (b"2", b"3")] == [None, None]


@pytest.mark.requirement("7662-4-5")
def test_inactive_counts_for_a_few_seconds(kept):
    kept.keep(b"1", b'{"active":false,"sub":"x"}', 100.0, None)
    assert [kept.find(b"1", now) for now in (104.9, 105.0)] == [INACTIVE, None]
    assert INACTIVE_FOR_S == 5


def test_the_last_answer_counts(kept):
    kept.keep(b"1", GOOD, 100.0, 3600.0)
    kept.keep(b"1", b"{}", 101.0, None)
    assert kept.find(b"1", 101.0) == INACTIVE
    kept.keep(b"1", GOOD, 102.0, 3600.0)
    assert kept.find(b"1", 102.0) == GOOD
    assert len(kept) == 1


@pytest.mark.requirement("7662-4-3")
def test_with_a_time_of_zero_nothing_is_kept():
    none = KeptAnswers(0.0)
    none.keep(b"1", GOOD, 100.0, 3600.0)
    none.keep(b"2", b"{}", 100.0, None)
    assert (none.find(b"1", 100.0), none.find(b"2", 100.0), len(none)) == (None, None, 0)


def test_a_short_time_holds_for_inactive_tokens_too():
    kept = KeptAnswers(1.0)
    kept.keep(b"1", b"{}", 100.0, None)
    assert [kept.find(b"1", now) for now in (100.9, 101.0)] == [INACTIVE, None]


@pytest.mark.requirement("7662-4-4")
def test_any_number_of_tokens_takes_bounded_memory_and_puts_no_active_one_out(kept):
    """A million random tokens would all be inactive; these are enough to see the limit."""
    kept.keep(b"good", GOOD, 100.0, 3600.0)
    for number in range(2 * MOST_INACTIVE):
        kept.keep(number.to_bytes(32), b"{}", 100.0, None)
    assert kept.find(b"good", 100.0) == GOOD
    assert len(kept) == 1 + MOST_INACTIVE


@pytest.mark.requirement("7662-4-4")
def test_active_tokens_are_bounded_in_number_and_in_bytes(kept):
    for number in range(MOST_ACTIVE + 10):
        kept.keep(number.to_bytes(32), GOOD, 100.0, 3600.0)
    assert len(kept) == MOST_ACTIVE
    for number in range(2000):
        kept.keep(number.to_bytes(32), bytes(LONGEST_ANSWER), 100.0, 3600.0)
    assert len(kept) == MOST_BYTES // LONGEST_ANSWER
    kept.keep(b"long", bytes(LONGEST_ANSWER + 1), 100.0, 3600.0)
    assert kept.find(b"long", 100.0) is None


@pytest.mark.requirement("7662-4-4", "9700-4.9.3-1")
def test_what_is_kept_does_not_hold_the_token_and_is_of_one_issuer():
    """RFC 7662 section 4: a dump of the memory must not give tokens away."""
    digests = {digest_of(issuer, raw) for issuer in ("a", "b") for raw in ("1", "2")}
    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {32}
    assert sys.getsizeof(digest_of("a", "x" * 8000)) < 100
    assert digest_of("half a \ud800 character", "x")


@pytest.mark.parametrize(
    ("payload", "seconds"),
    [
        (b'{"active":true,"exp":160}', 60),
        (b'{"active":true,"exp":99.5}', -0.5),
        (b'{"active":true}', INACTIVE_FOR_S),
        (b'{"active":true,"exp":"160"}', INACTIVE_FOR_S),
        (b'{"active":true,"exp":true}', INACTIVE_FOR_S),
        (b'{"active":false,"exp":160}', None),
        (b'{"active":1,"exp":160}', None),
        (b"{}", None),
    ],
)
def test_how_long_a_token_is_good_stands_in_its_answer(payload, seconds):
    assert expires_in_s(payload, 100.0) == seconds

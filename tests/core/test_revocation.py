"""What a revocation is, which tokens it concerns, and for how long."""

import math

import pytest

from bearerguard import RejectedError
from bearerguard.core.revocation import (
    AGED,
    EVERYBODY,
    GUESSED_LIFE_S,
    LONGEST_NAME,
    SESSION,
    SESSIONLESS,
    SUBJECT,
    TOKEN,
    Limits,
    Mark,
    after,
    check_revoked,
    name_of,
    names_of,
)

NOW = 1_800_000_000.0
LEEWAY_S = 30.0
LIMITS = Limits(LEEWAY_S, None)


def is_revoked(token, marks, now=NOW):
    names = names_of(token, None)
    try:
        check_revoked(token, [marks.get(name) for name in names], LEEWAY_S, now)
    except RejectedError as refusal:
        return refusal.reason == "revoked"
    return False


@pytest.mark.parametrize("iat", [NOW - 1, NOW - 0.5, NOW, NOW + 0.9])
def test_a_token_of_the_second_of_a_revocation_counts_as_issued_before(token, iat):
    """Ours: iat is rounded down by most issuers, so that nobody can tell which came first."""
    marks = {EVERYBODY: LIMITS.mark(after(NOW))}
    assert is_revoked(token(iat=iat), marks)


def test_a_token_of_the_next_second_is_not_concerned(token):
    assert not is_revoked(token(iat=NOW + 1), {EVERYBODY: LIMITS.mark(after(NOW))})


def test_what_was_issued_at_the_given_moment_was_not_issued_before_it(token):
    mark = LIMITS.mark(NOW - 10)
    assert not is_revoked(token(iat=NOW - 10), {EVERYBODY: mark})
    assert is_revoked(token(iat=math.nextafter(NOW - 10, 0)), {EVERYBODY: mark})


def test_a_token_without_iat_counts_as_issued_before_until_the_guessed_end():
    mark = LIMITS.mark(NOW)
    assert mark.concerns(None, math.nextafter(mark.until, 0))
    assert not mark.concerns(None, mark.until)


def test_a_mark_with_an_exact_end_concerns_nobody_after_it():
    mark = LIMITS.mark(NOW, expires_at=NOW + 60)
    assert mark.until == NOW + 60 + LEEWAY_S
    assert mark.concerns(NOW - 1, math.nextafter(mark.until, 0))
    assert not mark.concerns(NOW - 1, mark.until)


def test_a_mark_with_a_guessed_end_goes_on_for_as_long_as_it_is_kept():
    """Nobody knows how long a token lives."""
    assert LIMITS.mark(NOW).concerns(NOW - 1, NOW + 10 * GUESSED_LIFE_S)


def test_the_greatest_age_of_a_token_makes_the_end_of_its_mark_exact():
    """The last token concerned was issued just before, and is refused from then on as too old."""
    mark = Limits(LEEWAY_S, 600.0).mark(NOW)
    assert mark == Mark(NOW, NOW + 600 + LEEWAY_S, is_exact=True)


@pytest.mark.parametrize("name", ["issued_before", "until"])
def test_marks_only_rise(name):
    one, other = Mark(NOW, NOW + 9, is_exact=True), Mark(NOW + 1, NOW + 5, is_exact=True)
    assert one.raised(other) == other.raised(one) == Mark(NOW + 1, NOW + 9, is_exact=True)
    assert getattr(one.raised(other), name) == max(getattr(one, name), getattr(other, name))


def test_an_end_that_is_partly_guessed_is_guessed():
    one, other = Mark(NOW, NOW, is_exact=True), Mark(NOW, NOW, is_exact=False)
    assert not one.raised(other).is_exact
    assert not other.raised(one).is_exact


def test_what_outlived_the_marks_is_refused_by_its_age(token):
    """So that a revocation that gave way to others never brings a token back."""
    old, marks = token(iat=NOW), {AGED: Mark(NOW + 1, math.inf, is_exact=True)}
    end = NOW + GUESSED_LIFE_S + LEEWAY_S
    assert is_revoked(old, marks, end)
    assert not is_revoked(old, marks, math.nextafter(end, 0))
    assert not is_revoked(token(iat=NOW + 1), marks, end + 2)


def test_the_age_of_a_token_without_iat_cannot_be_told():
    class Token:
        issued_at = None

    check_revoked(Token(), [Mark(NOW, math.inf, is_exact=True)], LEEWAY_S, NOW)


@pytest.mark.parametrize(
    ("claims", "session_id", "names"),
    [
        ({}, None, [(TOKEN, "t"), (SUBJECT, "s"), (SESSIONLESS, "s")]),
        ({}, "x", [(TOKEN, "t"), (SUBJECT, "s"), (SESSION, "x")]),
    ],
)
def test_a_token_has_the_names_of_what_it_belongs_to(token, claims, session_id, names):
    found = names_of(token(jti="t", sub="s", **claims), session_id)
    assert found == (AGED, EVERYBODY, *(name_of(*name) for name in names))


def test_a_token_of_nobody_has_no_name_but_those_of_all():
    class Token:
        token_id = subject = None

    assert names_of(Token(), None) == (AGED, EVERYBODY)


def test_two_values_never_share_a_name():
    """Nor does a value take the name of a longer one's hash."""
    long, other = "a" * (LONGEST_NAME + 1), "a" * LONGEST_NAME + "b"
    names = [name_of(kind, value) for kind in (SUBJECT, SESSION) for value in (long, other, "a")]
    hashed = name_of(SUBJECT, long)
    names += [name_of(SUBJECT, hashed), name_of(SUBJECT, hashed.partition(" ")[2])]
    assert len({*names}) == len(names)


@pytest.mark.parametrize("value", ["a" * 100_000, "é" * 1000, "\ud800" * 300])
def test_a_name_is_short_whatever_it_stands_for(value):
    assert len(name_of(SUBJECT, value)) <= LONGEST_NAME

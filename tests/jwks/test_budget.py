"""How often an issuer may be asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerguard.jwks.budget import FetchBudget

NOW = 1_000.0


def test_two_attempts_may_begin_at_once_and_no_third():
    budget = FetchBudget()

    begun = []
    for _ in range(3):
        begun.append(budget.allows(NOW))
        if begun[-1]:
            budget.spend(NOW)

    assert begun == [True, True, False]


def test_after_the_burst_one_attempt_comes_free_every_ten_seconds():
    budget = FetchBudget()
    budget.spend(NOW)
    budget.spend(NOW)

    assert budget.allowed_at(NOW) == NOW + 10
    assert not budget.allows(NOW + 9.9)
    assert budget.allows(NOW + 10)
    budget.spend(NOW + 10)
    assert budget.allowed_at(NOW + 10) == NOW + 20


def test_a_long_rest_saves_up_no_more_than_the_burst():
    budget = FetchBudget()
    later = NOW + 1_000_000
    budget.spend(NOW)

    budget.spend(later)
    budget.spend(later)

    assert not budget.allows(later)


@pytest.mark.parametrize(
    ("failures", "shortest", "longest"), [(1, 1, 2), (2, 1, 4), (5, 1, 32), (6, 1, 60), (50, 1, 60)]
)
def test_the_back_off_grows_with_each_failure_up_to_a_minute(failures, shortest, longest):
    for jitter, expected in ((0.0, shortest), (1.0, longest)):
        budget = FetchBudget()
        for _ in range(failures):
            budget.failed(NOW, jitter)

        assert NOW + expected == budget.allowed_at(NOW)


def test_a_success_ends_the_back_off_but_gives_no_attempt_back():
    budget = FetchBudget()
    for _ in range(2):
        budget.spend(NOW)
        budget.failed(NOW, jitter=1.0)

    budget.succeeded()

    assert budget.allowed_at(NOW) == NOW + 10
    budget.failed(NOW, jitter=1.0)
    assert budget.allowed_at(NOW) == NOW + 10, "the count of failures began anew"


def test_the_later_of_rate_and_back_off_counts():
    budget = FetchBudget()
    budget.spend(NOW)
    budget.spend(NOW)
    budget.failed(NOW, jitter=0.0)
    assert budget.allowed_at(NOW) == NOW + 10

    for _ in range(6):
        budget.failed(NOW, jitter=1.0)
    assert budget.allowed_at(NOW) == NOW + 60


@given(pauses=st.lists(st.floats(0, 30), min_size=2, max_size=60))
def test_no_stretch_of_time_sees_more_attempts_than_the_burst_and_one_per_ten_seconds(pauses):
    budget, now, begun = FetchBudget(), NOW, []
    for pause in pauses:
        now += pause
        if budget.allows(now):
            budget.spend(now)
            begun.append(now)

    for first, start in enumerate(begun):
        for last, end in enumerate(begun[first:], first):
            assert last - first + 1 <= 2 + (end - start) / 10 + 1e-6


@pytest.mark.parametrize(
    ("wish_s", "blocked_s"), [(0.0, 2), (1.0, 2), (30.0, 30), (300.0, 300), (86400.0, 300)]
)
def test_the_issuers_wish_counts_where_it_is_longer_and_for_five_minutes_at_most(wish_s, blocked_s):
    """RFC 9110 section 10.2.3: Retry-After."""
    budget = FetchBudget()

    budget.failed(NOW, 1.0, wish_s)

    assert NOW + blocked_s == budget.allowed_at(NOW)


def test_a_success_ends_the_rest_that_the_issuer_wished_for():
    budget = FetchBudget()
    budget.failed(NOW, 1.0, 300.0)

    budget.succeeded()

    assert budget.allows(NOW)


def test_an_attempt_that_is_given_back_was_never_made_and_no_more_than_that():
    budget = FetchBudget()
    for _ in range(5):
        budget.spend(NOW)
        budget.succeeded(cost=0)
    budget.spend(NOW)
    budget.give_back()

    begun = 0
    while budget.allows(NOW):
        budget.spend(NOW)
        begun += 1
    assert begun == 2

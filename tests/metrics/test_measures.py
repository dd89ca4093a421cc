"""Labels come from a fixed table, or are among the first names that came."""

import threading

import pytest

from bearerguard import forks
from bearerguard.measures import LONGEST_NAME, OTHER, Names, outcome_label, reason_label


def test_the_first_names_are_labels_and_later_ones_are_counted_together():
    names = Names(2)
    assert [names(name) for name in "abcab"] == [("a",), ("b",), (OTHER,), ("a",), ("b",)]


def test_names_are_counted_together_with_the_labels_beside_them():
    names = Names(2)
    assert names("a", beside=("x",)) == ("a",)
    assert names("a", beside=("y",)) == ("a",)
    assert names("a", beside=("z",)) == (OTHER,)


def test_of_several_names_all_are_given_or_none():
    """Else a client could stand beside another's issuer."""
    names = Names(1)
    assert names("issuer", "client") == ("issuer", "client")
    assert names("issuer", "another") == (OTHER, OTHER)


def test_no_name_is_an_empty_label_and_takes_no_place():
    names = Names(1)
    assert names(None) == ("",) == names("")
    assert names("a", None) == ("a", "")


def test_a_long_name_is_cut():
    assert Names(1)("x" * 10_000) == ("x" * LONGEST_NAME,)


def test_many_threads_at_once_get_no_more_names_than_there_may_be():
    names, given = Names(10), set()
    start = threading.Barrier(8)

    def ask(number):
        start.wait()
        given.update(names(f"{number}-{i}") for i in range(200))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(given - {(OTHER,)}) == 10


def test_a_child_of_a_fork_does_not_wait_for_a_thread_of_its_parent():
    """gunicorn --preload: the lock may be held in the very moment of the fork."""
    names = Names(5)
    assert names in forks._ALL  # whose start_over() is called in each child; see tests/jwks
    with names._lock:
        names.start_over()
        assert names("a") == ("a",)


@pytest.mark.parametrize("outcome", ["admitted", "anonymous", "refused", "unavailable", "reported"])
def test_an_outcome_of_the_table_is_a_label(outcome):
    assert outcome_label(outcome) == outcome


def test_an_outcome_of_no_table_is_other():
    assert outcome_label("admitted\n") == OTHER


@pytest.mark.parametrize(
    ("reason", "label"),
    [("expired", "expired"), ("issuer_unavailable",) * 2, (None, ""), ("x" * 99, OTHER)],
)
def test_a_reason_is_one_of_the_table_or_other(reason, label):
    assert reason_label(reason) == label

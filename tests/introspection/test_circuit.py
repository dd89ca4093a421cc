"""The circuit breaker: when an endpoint is left alone, and when somebody tries again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerguard.introspection.circuit import (
    FAILURES_TO_OPEN,
    LONGEST_BACK_OFF_S,
    Circuit,
)


@pytest.fixture
def circuit():
    return Circuit(lambda: 0.0)


def fail(circuit, times, now=0.0):
    for _ in range(times):
        circuit.failed(now, circuit.begin())


def test_a_few_failures_hold_nobody_off(circuit):
    fail(circuit, FAILURES_TO_OPEN - 1)
    assert (circuit.state(0.0), circuit.wait_s(0.0)) == ("closed", 0.0)
    circuit.succeeded(circuit.begin())
    fail(circuit, FAILURES_TO_OPEN - 1)
    assert circuit.state(0.0) == "closed"


def test_the_fifth_failure_in_a_row_opens_it_for_a_while(circuit):
    fail(circuit, FAILURES_TO_OPEN, 100.0)
    assert (circuit.state(100.9), round(circuit.wait_s(100.4), 6)) == ("open", 0.6)
    assert (circuit.state(101.0), circuit.wait_s(101.0)) == ("half-open", 0.0)


def test_then_one_tries_and_the_others_wait(circuit):
    fail(circuit, FAILURES_TO_OPEN, 100.0)
    epoch = circuit.begin()
    assert circuit.wait_s(102.0) == 1.0
    circuit.succeeded(epoch)
    assert (circuit.state(102.0), circuit.wait_s(102.0)) == ("closed", 0.0)


def test_who_tries_in_vain_opens_it_for_longer():
    circuit = Circuit(lambda: 1.0)
    fail(circuit, FAILURES_TO_OPEN, 0.0)
    waits = []
    for _ in range(8):
        waits.append(circuit.wait_s(0.0))
        circuit.open_until = 0.0
        fail(circuit, 1)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.requirement("7662-2.3-2")
@pytest.mark.parametrize(("wish", "wait"), [(0, 1), (7, 7), (60, 60), (86400, 60)])
def test_the_wish_of_the_endpoint_counts_at_once_within_a_minute(circuit, wish, wait):
    """RFC 9110 section 10.2.3."""
    circuit.failed(100.0, circuit.begin(), wish)
    assert circuit.wait_s(100.0) == wait
    assert circuit.state(100.0 + wait) == "half-open"


@pytest.mark.parametrize("end", ["failed", "succeeded"])
def test_what_was_begun_before_does_not_shorten_the_wish_of_the_endpoint(circuit, end):
    first, second = circuit.begin(), circuit.begin()
    circuit.failed(100.0, first, 30)
    getattr(circuit, end)(*([101.0, second] if end == "failed" else [second]))
    assert circuit.wait_s(101.0) == 29


def test_requests_that_fail_together_count_until_it_opens_and_no_further():
    """One hiccup with twenty requests under way is one, and the back-off that of one."""
    circuit = Circuit(lambda: 1.0)
    for epoch in [circuit.begin() for _ in range(20)]:
        circuit.failed(0.0, epoch)
    assert circuit.wait_s(0.0) == 2.0


@given(
    st.lists(st.tuples(st.sampled_from(["failed", "succeeded", "begin"]), st.floats(0, 100))),
    st.floats(0, 1),
)
def test_nobody_is_ever_held_off_for_more_than_a_minute(steps, random):
    circuit, now, epochs = Circuit(lambda: random), 0.0, [0]
    for step, seconds in steps:
        now += seconds
        if step == "begin":
            epochs.append(circuit.begin())
        elif step == "failed":
            circuit.failed(now, epochs.pop() if epochs else circuit.epoch)
        else:
            circuit.succeeded(epochs.pop() if epochs else circuit.epoch)
        assert 0 <= circuit.wait_s(now) <= LONGEST_BACK_OFF_S
        assert circuit.state(now) in ("closed", "open", "half-open")

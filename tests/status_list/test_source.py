"""What is kept of lists, how often they are asked for, and how many there may be."""

import asyncio
import threading

import pytest

from bearerguard import RejectedError, UnavailableError
from bearerguard.core.status_list import Statuses, StatusList
from bearerguard.jwks.keys import LoadError
from bearerguard.status_list import source as source_module
from bearerguard.status_list.source import IN_USE_FOR_S, MOST_FETCHES, MOST_LISTS, StatusLists

PATIENCE_S = 20.0


class Loader:
    """Gives a list; it can be held up and fail."""

    def __init__(self):
        self.lifetime_s = 100.0
        self.error = None
        self.calls = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, uri):
        self.calls.append(uri)
        assert self.gate.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        return StatusList(Statuses(8, bytes([len(self.calls)])), self.lifetime_s)


@pytest.fixture
def loader():
    loader = Loader()
    yield loader
    loader.gate.set()
    join()


def join():
    for thread in threading.enumerate():
        if thread.name == "bearerguard-status-list":
            thread.join(PATIENCE_S)


def check(uri):
    if not uri.startswith("good"):
        raise RejectedError("status_uri_not_allowed")


@pytest.fixture
def lists(loader, clock):
    return StatusLists(check, loader, 0.2, clock)


def test_a_list_is_fetched_once_while_it_is_fresh(lists, loader, clock):
    first = lists.find("good")
    clock.tick(79)
    assert lists.find("good") is first is asyncio.run(lists.afind("good")) is lists.present("good")
    assert loader.calls == ["good"]


def test_what_may_not_be_fetched_is_not_kept(lists, loader):
    for find in (lists.find, lists.present):
        with pytest.raises(RejectedError):
            find("bad")
    assert (loader.calls, lists._lists) == ([], {})


def test_a_failing_place_is_left_alone_for_longer_and_longer(lists, loader, clock):
    """Under one budget with the successes, as keys are."""
    loader.error = LoadError("down")
    for _ in range(600):
        with pytest.raises(UnavailableError, match="down"):
            lists.find("good")
        clock.tick(1)
    assert 10 <= len(loader.calls) <= 61


@pytest.mark.parametrize("error", [ValueError("secret"), SystemExit(), KeyboardInterrupt()])
def test_whatever_a_fetch_raises_is_503_for_those_who_wait(lists, loader, error):
    loader.error = error
    with pytest.raises(UnavailableError, match=type(error).__name__) as refusal:
        lists.find("good")
    assert "secret" not in refusal.value.detail


def test_a_short_ttl_is_kept_to_beyond_the_budget_while_all_is_well(lists, loader, clock):
    loader.lifetime_s = 1.0
    for _ in range(30):
        lists.find("good")
        clock.tick(1)
    assert len(loader.calls) == 30


def test_a_list_that_is_over_at_once_is_asked_for_within_the_budget(lists, loader, clock):
    """Else each request would be a fetch."""
    loader.lifetime_s = 0.001
    outcomes = []
    for _ in range(20):
        try:
            outcomes.append(lists.find("good"))
        except UnavailableError:
            outcomes.append(None)
        clock.tick(0.002)
    assert len(loader.calls) == 2


def test_a_fetch_that_does_not_end_is_given_up_and_its_late_answer_thrown_away(
    lists, loader, clock
):
    loader.gate.clear()
    for find in (lists.find, lambda uri: asyncio.run(lists.afind(uri))):
        with pytest.raises(UnavailableError, match="did not come in time"):
            find("good")
    assert loader.calls == ["good"], "the second one waited for the same fetch"
    clock.tick(0.2)
    with pytest.raises(UnavailableError, match="did not come in time"):
        lists.find("good")
    loader.gate.set()
    join()
    with pytest.raises(UnavailableError):
        lists.present("good")
    clock.tick(10)
    assert lists.find("good").at(0) == 2


def test_only_so_many_fetches_run_at_once(lists, loader, clock):
    loader.gate.clear()
    for number in range(MOST_FETCHES):
        with lists._lock:
            lists._start(lists._new(f"good {number}", clock()), clock())
    with pytest.raises(UnavailableError, match="not fetched yet"):
        lists.find("good one more")
    assert len(loader.calls) <= MOST_FETCHES


def test_a_list_gives_way_only_when_nobody_used_it_for_a_while(lists, loader, clock):
    for number in range(MOST_LISTS):
        lists.find(f"good {number}")
        clock.tick(0.1)
    with pytest.raises(UnavailableError, match="too many status lists") as refusal:
        lists.find("good one more")
    assert refusal.value.retry_after == 60
    clock.tick(IN_USE_FOR_S)
    lists.find("good 0")
    lists.find("good one more")
    assert len(lists._lists) == MOST_LISTS
    assert "good 0" in lists._lists
    assert "good 1" not in lists._lists


def test_no_thread_to_fetch_with_is_503_and_holds_nobody_up(lists, monkeypatch, clock):
    class NoThread:
        def __init__(self, **_):
            pass

        def start(self):
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(source_module.threading, "Thread", NoThread)
        with pytest.raises(UnavailableError, match="can't start new thread"):
            lists.find("good")
    clock.tick(10)
    assert lists.find("good").at(0) == 1


def test_ctrl_c_while_a_thread_starts_goes_through(lists, monkeypatch, clock):
    class Interrupted:
        def __init__(self, **_):
            pass

        def start(self):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(source_module.threading, "Thread", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            lists.find("good")
    clock.tick(10)
    assert lists.find("good").at(0) == 1


def test_after_a_fork_nobody_waits_for_the_parents_fetch(lists, loader, clock):
    lists.find("good")
    loader.gate.clear()
    clock.tick(90)
    lists.find("good")  # begins a fetch behind itself
    lists.start_over()
    loader.gate.set()
    join()
    assert lists.find("good").at(0) in (1, 3)
    join()
    clock.tick(100)
    assert lists.find("good") is lists.present("good")

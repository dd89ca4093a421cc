"""The store of one process: what it keeps, for how long, and what it does when it is full."""

import asyncio
import contextlib
import os
import signal
import threading

import pytest

from bearerguard.core.revocation import AGED, EVERYBODY, Mark
from bearerguard.stores.base import Store, StoreFullError
from bearerguard.stores.memory import MemoryStore

A, B = "https://a.example", "https://b.example"


@pytest.fixture
def store(clock) -> Store:
    return MemoryStore(clock, most_marks=4, most_used=3)


@pytest.fixture
def mark(clock):
    """A mark of now that ends in an hour."""

    def made(issued_before=None, *, ends_in_s=3600, is_exact=True):
        at = clock() if issued_before is None else issued_before
        return Mark(at, clock() + ends_in_s, is_exact)

    return made


def test_nothing_is_in_use_before_something_was_marked(store, mark):
    assert not store.in_use
    store.raise_mark(A, "sub x", mark())
    assert store.in_use


def test_a_mark_is_that_of_its_group_and_its_name(store, mark):
    store.raise_mark(A, "sub x", mark(5))
    assert store.read_marks(A, ["sub x", "sub y"]) == (mark(5), None)
    assert store.read_marks(B, ["sub x"]) == (None,)


def test_a_mark_never_falls(store, mark):
    for at in (5, 9, 7):
        store.raise_mark(A, "sub x", mark(at))
    assert store.read_marks(A, ["sub x"]) == (mark(9),)


def test_the_twins_for_tasks_do_the_same(store, mark, clock):
    async def all_of_them():
        await store.araise_mark(A, "sub x", mark(5))
        first = await store.ause_once(A, "e", clock() + 1)
        second = await store.ause_once(A, "e", clock() + 1)
        await store.agive_back(A, "e")
        third = await store.ause_once(A, "e", clock() + 1)
        return await store.aread_marks(A, ["sub x"]), first, second, third

    assert asyncio.run(all_of_them()) == ((mark(5),), True, False, True)


def test_a_mark_that_has_ended_makes_room_and_leaves_no_trace(store, mark, clock):
    for number in range(4):
        store.raise_mark(A, f"sub {number}", mark(ends_in_s=10))
    clock.tick(10)
    store.raise_mark(A, "sub new", mark())
    names = ["sub 0", "sub new", AGED, EVERYBODY]
    assert store.read_marks(A, names) == (None, mark(), None, None)


def test_one_whose_end_was_guessed_leaves_the_trace_of_the_latest(store, mark, clock):
    """A token that lives longer than guessed must not come back."""
    for number in range(4):
        store.raise_mark(A, f"sub {number}", mark(number, ends_in_s=10, is_exact=False))
    clock.tick(10)
    store.raise_mark(B, "sub new", mark())
    (aged,) = store.read_marks(A, [AGED])
    assert (aged.issued_before, aged.until) == (3, float("inf"))
    assert store.read_marks(B, [AGED]) == (None,)


def test_without_room_the_largest_group_takes_one_mark_for_all(store, mark, caplog):
    """Nothing is forgotten: whoever can cause revocations could flush out those of others."""
    store.raise_mark(B, "sub x", mark(99))
    for number in range(3):
        store.raise_mark(A, f"sub {number}", mark(number, ends_in_s=number + 1))
    store.raise_mark(A, "sub new", mark(50))
    everybody, *others = store.read_marks(A, [EVERYBODY, "sub 0", "sub 1", "sub 2", "sub new"])
    assert everybody == mark(2, ends_in_s=3)
    assert others == [None, None, None, mark(50)]
    assert store.read_marks(B, ["sub x", EVERYBODY]) == (mark(99), None)
    assert "3 revocations of https://a.example are too many" in caplog.text


def test_the_mark_of_a_whole_group_always_finds_room(clock, mark):
    store = MemoryStore(clock, most_marks=1)
    for group in (A, B):
        store.raise_mark(group, EVERYBODY, mark(5))
    store.raise_mark(A, "sub x", mark(7))
    assert store.read_marks(A, [EVERYBODY, "sub x"]) == (mark(5), mark(7))
    assert store.read_marks(B, [EVERYBODY]) == (mark(5),)


def test_a_flood_of_marks_takes_no_more_than_its_room(clock, mark):
    store = MemoryStore(clock, most_marks=10)
    for number in range(1000):
        store.raise_mark(A, f"sub {number}", mark(number))
    assert len(store._marks) <= 10
    (everybody,) = store.read_marks(A, [EVERYBODY])
    assert everybody.issued_before >= 989


def test_a_name_is_used_once_until_its_time(store, clock):
    until = clock() + 10
    assert [store.use_once(A, "e", until) for _ in range(2)] == [True, False]
    assert store.use_once(B, "e", until)
    clock.tick(10)
    assert store.use_once(A, "e", clock() + 10)


def test_a_name_that_is_given_back_may_be_used_again(store, clock):
    for _ in range(2):
        assert store.use_once(A, "e", clock() + 10)
        store.give_back(A, "e")
    store.give_back(A, "never used")


def test_without_room_no_used_name_gives_way(store, clock):
    """What could be pushed out could be played again."""
    for number in range(3):
        assert store.use_once(A, f"e{number}", clock() + 10 + number)
    for _ in range(2):
        with pytest.raises(StoreFullError, match="3 names are in use"):
            store.use_once(A, "new", clock() + 10)
    assert not store.use_once(A, "e0", clock() + 10)
    clock.tick(10)
    assert store.use_once(A, "new", clock() + 10)


def test_of_many_threads_one_is_the_first(clock):
    store, firsts = MemoryStore(clock), []
    ready = threading.Barrier(16)

    def use():
        ready.wait(20)
        firsts.append(store.use_once(A, "e", clock() + 10))

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(firsts) == [False] * 15 + [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_a_forked_child_knows_what_was_revoked_and_is_not_locked_out(store, mark, clock):
    """A prefork server may fork while another thread holds the lock."""
    store.raise_mark(A, "sub x", mark())
    store.use_once(A, "e", clock() + 10)
    with store._lock:
        pid = os.fork()
        if not pid:
            signal.alarm(15)  # a deadlock must not outlive the test
            code = 1
            with contextlib.suppress(BaseException):
                known = store.read_marks(A, ["sub x"]) == (mark(),)
                store.raise_mark(A, "sub y", mark())
                code = 0 if known and not store.use_once(A, "e", clock() + 10) else 1
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

"""The store of verified tokens by itself: what it is bounded by, and what it never holds."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from hashlib import sha256
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bearerguard.stores.verified import LONGEST_TOKEN, VerifiedTokens

PATIENCE_S = 20.0
MOST_BYTES = 16 * 1024 * 1024


def known(size=100, name=None, **names):
    """As much of a known token as the store looks at."""
    lists = {"scopes": (), "roles": (), "audience": (), "amr": ()} | names
    return SimpleNamespace(token=SimpleNamespace(payload=b"x" * size, **lists), name=name)


def found(store, names):
    return [name for name in names if store.find(store.digest_of(name)) is not None]


def keep(store, names, size=100):
    for name in names:
        store.keep(store.digest_of(name), known(size, name))


def test_what_was_kept_is_found_under_the_very_same_token():
    store = VerifiedTokens(10)
    one, other = known(), known()
    store.keep(store.digest_of("a.b.c"), one)
    store.keep(store.digest_of("a.b.d"), other)
    assert store.find(store.digest_of("a.b.c")) is one
    assert store.find(store.digest_of("a.b.d")) is other
    assert found(store, ["a.b.C", "a.b.c ", " a.b.c", "a.b.c\n", "a.b", ""]) == []


def test_a_token_is_kept_under_the_sha_256_of_all_of_it():
    """Nothing shorter, which somebody could meet by trying; nothing that leaves a part out."""
    assert VerifiedTokens(1).digest_of("a.b.c") == sha256(b"a.b.c").digest()


@pytest.mark.parametrize("most", [1, 2, 3, 7, 1000, 4096, 5000])
def test_it_keeps_as_many_as_it_may_and_no_more(most):
    """Exactly: none is lost to rounding, and none is gained."""
    store = VerifiedTokens(most)
    names = [f"token-{number}" for number in range(most + 10)]
    keep(store, names)
    assert found(store, names) == names[10:]


TINY = known(1)


@pytest.mark.parametrize("most", [4097, 100_000])
def test_it_keeps_no_more_than_it_may_however_small_they_are(most):
    store = VerifiedTokens(most)
    for number in range(most + 1000):
        store.keep(number.to_bytes(8), TINY)
    assert most == sum(store.find(number.to_bytes(8)) is not None for number in range(most + 1000))


@pytest.mark.parametrize("size", [5_000, 1_000_000, 16 * 1024 * 1024])
def test_the_payloads_together_are_bounded(size):
    """By 16 MiB, however many tokens there may be."""
    store = VerifiedTokens(1_000_000)
    names = [f"token-{number}" for number in range(MOST_BYTES // size + 5)]
    keep(store, names, size)
    assert found(store, names) == names[5:]


# The payload of a token of 4096 characters, if all of them were its payload.
LONGEST_PAYLOAD = LONGEST_TOKEN * 3 // 4


@pytest.mark.parametrize("most", [4000, 4096, 4097, 5461, 5462, 6000, 1_000_000])
def test_whichever_bound_is_reached_first_counts(most):
    store, longest = VerifiedTokens(most), known(LONGEST_PAYLOAD)
    names = [f"token-{number}" for number in range(7000)]
    for name in names:
        store.keep(store.digest_of(name), longest)
    assert len(found(store, names)) == min(most, MOST_BYTES // LONGEST_PAYLOAD)


@given(
    st.integers(1, 6) | st.just(1_000_000),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, LONGEST_PAYLOAD)), max_size=40),
)
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_what_was_kept_last_is_there_and_never_more_than_may_be(most, events):
    store = VerifiedTokens(most)
    for number, size in events:
        keep(store, [f"{number}"], size)
    last = [f"{number}" for number, _ in reversed(events)]
    assert {*found(store, last)} == {*list(dict.fromkeys(last))[:most]}


@pytest.mark.parametrize("name", ["scopes", "roles", "audience", "amr"])
def test_many_short_names_weigh_more_than_they_have_characters(name):
    """A name of one character takes a hundred bytes of memory: they are bounded as well."""
    store = VerifiedTokens(4096)
    names = [f"token-{number}" for number in range(3000)]
    for raw in names:
        store.keep(store.digest_of(raw), known(100, **{name: range(1000)}))
    there = found(store, names)
    assert there == names[-len(there) :]
    assert 100 < len(there) <= MOST_BYTES // (1000 * 60)


@pytest.mark.parametrize("method", ["__getitem__", "__setitem__"])
def test_an_exception_out_of_the_middle_leaves_an_empty_store_that_works(method, monkeypatch):
    """Ctrl-C, or a worker's time limit that is raised as one: nothing half done is believed."""
    store = VerifiedTokens(10)
    keep(store, ["a"])

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(store._tokens), method, interrupted)
        with pytest.raises(KeyboardInterrupt):
            found(store, ["a"]) if method == "__getitem__" else keep(store, ["b"])
    assert found(store, "ab") == []
    keep(store, ["c"])
    assert found(store, ["c"]) == ["c"]


def test_the_least_recently_used_one_gives_way():
    """Not the oldest: one that is in use stays, whoever else comes."""
    store = VerifiedTokens(3)
    keep(store, ["a", "b", "c"])
    assert found(store, ["a"]) == ["a"]
    keep(store, ["d"])
    assert found(store, ["a", "b", "c", "d"]) == ["a", "c", "d"]
    keep(store, ["a"])
    keep(store, ["e", "f"])
    assert found(store, "abcdef") == ["a", "e", "f"]


def test_looking_for_what_is_not_there_pushes_nothing_out():
    """A stranger's tokens are looked for, and never kept."""
    store = VerifiedTokens(2)
    keep(store, ["a", "b"])
    found(store, [f"stranger-{number}" for number in range(100)])
    assert found(store, ["a", "b"]) == ["a", "b"]


def test_a_token_that_another_one_pushes_out_meanwhile_is_not_found(monkeypatch):
    """Between the first look, which takes no lock, and the second."""
    store = VerifiedTokens(2)
    monkeypatch.setattr(type(store._tokens), "__contains__", lambda *_: True)
    assert store.find(store.digest_of("a")) is None


def test_what_came_of_a_token_last_takes_the_place_of_what_came_before():
    store, later = VerifiedTokens(2), known()
    keep(store, ["a"])
    store.keep(store.digest_of("a"), later)
    assert store.find(store.digest_of("a")) is later


@pytest.mark.parametrize(
    "raw",
    [
        "x" * (LONGEST_TOKEN + 1),
        "é",
        "\ud800",
        "a\u00a0b",
        None,
        5,
        b"a.b.c",
        ["a"],
        {},
        float("nan"),
    ],
    ids=lambda raw: repr(raw)[:10],
)
def test_what_is_no_token_or_too_long_is_not_kept(raw):
    store = VerifiedTokens(10)
    assert store.digest_of(raw) is None
    assert store.find(None) is None
    store.keep(None, known())
    assert store.find(None) is None


def test_the_longest_token_that_is_kept_has_4096_characters():
    store = VerifiedTokens(10)
    keep(store, ["x" * 4096])
    assert found(store, ["x" * 4096]) == ["x" * 4096]
    assert store.digest_of("x" * 4097) is None


def test_a_store_of_none_keeps_none():
    store = VerifiedTokens(0)
    assert store.digest_of("a.b.c") is None
    keep(store, ["a.b.c"])
    assert found(store, ["a.b.c"]) == []


def test_after_a_fork_it_starts_empty_and_with_a_lock_of_its_own():
    store = VerifiedTokens(10)
    keep(store, ["a"])
    store._lock.acquire()
    store.start_over()
    assert found(store, ["a"]) == []
    keep(store, ["b"])
    assert found(store, ["b"]) == ["b"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_while_the_lock_is_held_is_not_held_up():
    script = textwrap.dedent("""
        import os, signal
        from types import SimpleNamespace
        from bearerguard.stores.verified import VerifiedTokens

        signal.alarm(60)
        store = VerifiedTokens(10)
        lists = {"scopes": (), "roles": (), "audience": (), "amr": ()}
        known = SimpleNamespace(token=SimpleNamespace(payload=b"{}", **lists))
        store.keep(store.digest_of("a"), known)
        store._lock.acquire()  # as if another thread were just looking
        pid = os.fork()
        if pid == 0:
            signal.alarm(15)
            there = store.find(store.digest_of("a"))
            store.keep(store.digest_of("b"), known)
            os._exit(0 if there is None and store.find(store.digest_of("b")) is known else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        store._lock.release()
        print(status, store.find(store.digest_of("a")) is known)
    """)
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=90, check=False
    )
    assert result.stdout == "0 True\n", result.stderr


def test_many_threads_never_see_the_token_of_another():
    """16 threads, 50 tokens, room for 20, so that they push one another out all the time."""
    store, wrong, start = VerifiedTokens(20), [], threading.Barrier(16)
    ends_at = time.monotonic() + PATIENCE_S

    def hammer(seed):
        start.wait(PATIENCE_S)
        for step in range(1500):
            name = f"token-{(step * seed) % 50}"
            there = store.find(store.digest_of(name))
            if there is None:
                keep(store, [name])
            elif there.name != name:
                wrong.append((name, there.name))

    threads = [threading.Thread(target=hammer, args=(seed,), daemon=True) for seed in range(1, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))
        assert not thread.is_alive()
    assert wrong == []
    assert len(found(store, [f"token-{number}" for number in range(50)])) == 20


def test_where_none_may_be_kept_none_is_whatever_it_is_called():
    store = VerifiedTokens(0)
    store.keep(sha256(b"a.b.c").digest(), known())
    assert store.find(sha256(b"a.b.c").digest()) is None

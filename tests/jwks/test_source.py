"""One source for threads, asyncio and trio: one load serves all, and nobody stands still."""

import asyncio
import gc
import threading
import time

import pytest
import trio

from bearerguard import forks
from bearerguard.core.jwk import secret_key
from bearerguard.core.key_set import KeySet
from bearerguard.errors import RejectedError, UnavailableError
from bearerguard.events import FetchEnded, FetchStarted, KeyStateChanged
from bearerguard.jwks import source as source_module
from bearerguard.jwks.keys import LoadError, StaticKeys
from bearerguard.jwks.source import KeySource
from bearerguard.jwks.states import LoadedKeys

PATIENCE_S = 20.0


def kids(keys):
    return [key.kid for key in keys]


def in_threads(count, call):
    """Run ``call`` in many threads at once and give what each returned or raised."""
    start = threading.Barrier(count)
    outcomes = []

    def run():
        start.wait(PATIENCE_S)
        try:
            outcomes.append(call())
        except (RejectedError, UnavailableError) as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, outcomes


def join(threads):
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def join_fetches():
    join([t for t in threading.enumerate() if t.name.startswith("bearerguard-fetch-")])


def wait_until(condition):
    ends_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_at, "it never came to that"
        time.sleep(0.001)


def waiters(source):
    """How many threads and tasks wait for the fetch that is under way."""
    landed = source._landed
    return len(landed._waiters) + len(landed._done_callbacks)


async def until_they_wait(source, count, sleep):
    while waiters(source) < count:
        await sleep(0.001)


@pytest.mark.requirement("JWKS-1")
def test_64_threads_and_64_tasks_on_a_cold_source_make_one_load(loader, make_source):
    source = make_source()
    loader.hold()
    threads, outcomes = in_threads(64, lambda: kids(source.keys("a")))

    async def ask():
        tasks = [asyncio.create_task(source.akeys("a")) for _ in range(64)]
        await until_they_wait(source, 128, asyncio.sleep)
        loader.release()
        return await asyncio.gather(*tasks)

    found = asyncio.run(asyncio.wait_for(ask(), PATIENCE_S))
    join(threads)

    assert loader.calls == 1
    assert outcomes == [["a"]] * 64
    assert [kids(keys) for keys in found] == [["a"]] * 64


def test_64_trio_tasks_and_64_threads_on_a_cold_source_make_one_load(loader, make_source):
    source = make_source()
    loader.hold()
    threads, outcomes = in_threads(64, lambda: kids(source.keys("a")))
    found = []

    async def ask():
        found.append(kids(await source.akeys("a")))

    async def main():
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                for _ in range(64):
                    nursery.start_soon(ask)
                await until_they_wait(source, 128, trio.sleep)
                loader.release()

    trio.run(main)
    join(threads)

    assert loader.calls == 1
    assert [["a"]] * 64 == outcomes == found


@pytest.mark.parametrize("run", [asyncio.run, lambda main: trio.run(lambda: main)])
def test_the_event_loop_goes_on_while_a_load_blocks(loader, make_source, run):
    """Only a loop that turns can let the load end: a blocked one would wait for itself."""
    source = make_source()
    loader.hold()
    order = []

    async def main():
        if run is asyncio.run:
            asking = asyncio.create_task(ask())
            await turn(asyncio.sleep)
            await asking
        else:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                nursery.start_soon(turn, trio.sleep)

    async def ask():
        await source.akeys("a")
        order.append("served")

    async def turn(sleep):
        while not loader.begun.is_set():
            await sleep(0)
        for _ in range(100):
            await sleep(0)
            order.append("tick")
        loader.release()

    run(main())

    assert order == ["tick"] * 100 + ["served"]


def test_a_task_that_is_cancelled_stops_nothing_and_counts_as_no_failure(loader, make_source):
    source = make_source()
    loader.hold()

    async def main():
        gives_up = asyncio.create_task(source.akeys("a"))
        stays = asyncio.create_task(source.akeys("a"))
        await until_they_wait(source, 2, asyncio.sleep)
        gives_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gives_up
        loader.release()
        return await stays

    assert kids(asyncio.run(main())) == ["a"]
    assert loader.calls == 1
    assert source.status()["last_error"] is None


def test_a_trio_task_that_is_cancelled_stops_nothing(loader, make_source):
    source = make_source()
    loader.hold()

    async def main():
        with trio.move_on_after(0):
            await source.akeys("a")
        loader.release()
        return await source.akeys("a")

    assert kids(trio.run(main)) == ["a"]
    assert loader.calls == 1


@pytest.mark.parametrize("run", ["asyncio", "trio"])
def test_an_event_loop_may_end_while_a_fetch_runs_and_the_next_one_is_served(
    loader, make_source, caplog, run
):
    """Test suites and scripts run one loop after the other; the fetch outlives them."""
    source = make_source()
    loader.hold()

    async def impatient():
        task = asyncio.create_task(source.akeys("a"))
        await until_they_wait(source, 1, asyncio.sleep)
        task.cancel()

    async def impatient_in_trio():
        with trio.move_on_after(0.001):
            await source.akeys("a")

    if run == "asyncio":
        asyncio.run(impatient())
    else:
        trio.run(impatient_in_trio)
    loader.release()
    join_fetches()

    assert kids(asyncio.run(source.akeys("a"))) == ["a"]
    assert kids(trio.run(source.akeys, "a")) == ["a"]
    assert loader.calls == 1
    assert caplog.records == [], "no traceback about a loop that is closed"


def test_a_second_event_loop_waits_for_the_fetch_that_the_first_began(loader, make_source):
    source = make_source()
    loader.hold()
    threads, outcomes = in_threads(2, lambda: kids(asyncio.run(source.akeys("a"))))
    wait_until(lambda: waiters(source) == 2)

    loader.release()
    join(threads)

    assert outcomes == [["a"], ["a"]]
    assert loader.calls == 1


@pytest.mark.parametrize("runner", ["asyncio", "trio"])
def test_waiting_in_the_thread_of_an_event_loop_is_refused_with_a_way_out(
    loader, make_source, after_landing, runner
):
    source = make_source()

    async def main():
        with pytest.raises(RuntimeError, match=r"await guard\.averify"):
            source.keys("a")
        after_landing(source)
        return source.keys("a")  # nothing to wait for now

    found = asyncio.run(main()) if runner == "asyncio" else trio.run(main)

    assert kids(found) == ["a"]


def test_a_worker_thread_of_trio_may_wait(make_source):
    source = make_source()

    async def main():
        return await trio.to_thread.run_sync(source.keys, "a")

    assert kids(trio.run(main)) == ["a"]


@pytest.mark.requirement("JWKS-6")
def test_a_good_key_never_waits_behind_a_made_up_ones_hanging_fetch(loader, make_source, clock):
    """Issuer slow, key in the set: the request is served while the other one still waits."""
    source = make_source(clock=clock, deadline_s=1000.0)
    source.keys("a")
    loader.hold()
    threads, outcomes = in_threads(1, lambda: kids(source.keys("made up")))
    wait_until(lambda: waiters(source) == 1)

    served = [kids(source.keys("a")) for _ in range(100)]
    clock.tick(250)
    served.append(kids(source.keys("a")))

    assert served == [["a"]] * 101
    assert outcomes == []
    loader.release()
    join(threads)
    assert isinstance(outcomes[0], RejectedError)


def test_the_lock_is_free_while_a_load_runs(loader, make_source):
    """Observed elsewhere: good tokens waited behind a made-up one for a lock."""
    source = make_source()
    loader.hold()
    threads, _ = in_threads(1, lambda: source.keys("a"))
    assert loader.begun.wait(PATIENCE_S)

    assert source._lock.acquire(timeout=PATIENCE_S)
    source._lock.release()
    assert source.status()["state"] == "cold"
    loader.release()
    join(threads)


@pytest.mark.requirement("JWKS-6")
def test_the_refresh_that_falls_due_runs_behind_the_request(
    loader, make_source, clock, after_landing
):
    source = make_source(clock=clock)
    source.keys("a")
    loader.kids = ["a", "b"]
    loader.hold()
    clock.tick(240)

    assert kids(source.keys("a")) == ["a"], "served although the load hangs"
    assert kids(source.keys("a")) == ["a"]
    assert loader.begun.wait(PATIENCE_S)
    loader.release()
    after_landing(source)

    assert loader.calls == 2
    assert source.status()["key_ids"] == ["a", "b"]


def test_past_their_life_keys_wait_for_the_refresh_and_a_withdrawn_one_is_refused(
    loader, make_source, clock
):
    source = make_source(clock=clock)
    source.keys("a")
    loader.kids = ["b"]
    clock.tick(300)

    with pytest.raises(RejectedError) as refusal:
        source.keys("a")

    assert refusal.value.reason == "key_unknown"
    assert refusal.value.expected == ["b"]


def test_past_their_life_keys_serve_on_when_the_refresh_failed(loader, make_source, clock):
    source = make_source(clock=clock)
    source.keys("a")
    loader.error = LoadError("connection refused")
    clock.tick(300)

    assert kids(source.keys("a")) == ["a"]
    assert kids(source.keys("a")) == ["a"]
    assert loader.calls == 2
    status = source.status()
    assert (status["state"], status["last_error"]) == ("stale_ok", "connection refused")


def test_a_made_up_key_costs_one_load_and_is_refused(loader, make_source, clock):
    source = make_source(clock=clock)
    source.keys("a")

    for _ in range(3):
        with pytest.raises(RejectedError) as refusal:
            source.keys("made up")

    assert (refusal.value.reason, refusal.value.found) == ("key_unknown", "made up")
    assert loader.calls == 2


def test_an_issuer_that_cannot_be_reached_is_unavailable_and_says_when_to_come_back(
    loader, make_source, clock
):
    source = make_source(clock=clock)
    loader.error = LoadError("https://issuer.example: connection refused")

    with pytest.raises(UnavailableError) as refusal:
        source.keys("a")

    assert refusal.value.detail == "https://issuer.example: connection refused"
    assert 1 <= refusal.value.retry_after <= 60


def test_it_recovers_by_itself(loader, make_source, clock):
    """The issuer may be down at the start; once it is back, the next request is served."""
    source = make_source(clock=clock)
    loader.error = LoadError("down")
    for _ in range(20):
        with pytest.raises(UnavailableError):
            source.keys("a")
        clock.tick(60)
    loader.error = None

    assert kids(source.keys("a")) == ["a"]
    assert source.status()["last_error"] is None


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), SystemExit(3), KeyboardInterrupt()])
def test_whatever_a_load_raises_those_who_wait_hear_of_it_at_once(
    loader, make_source, clock, error
):
    """Also what is no Exception; and only a LoadError's text is written for the operator."""
    source = make_source(clock=clock)
    loader.error = error

    with pytest.raises(UnavailableError) as refusal:
        source.keys("a")

    assert type(error).__name__ == refusal.value.detail
    assert not source._cache.abandoned


def test_nobody_waits_longer_than_a_fetch_may_take(loader, make_source):
    """The loads never end; the thread and both kinds of task are let go by the deadline."""
    source = make_source(deadline_s=0.05)
    loader.hold()

    with pytest.raises(UnavailableError):
        source.keys("a")
    loader.give_up_on_running_calls()
    loader.hold()
    source._cache.budget.blocked_until = 0.0
    with pytest.raises(UnavailableError):
        asyncio.run(source.akeys("a"))

    assert loader.at_once == 2, "both loads still run"


def test_a_trio_task_is_let_go_by_the_deadline(loader, make_source):
    source = make_source(deadline_s=0.05)
    loader.hold()

    with pytest.raises(UnavailableError):
        trio.run(source.akeys, "a")

    assert loader.at_once == 1, "the load still runs"


def test_a_waiter_is_let_go_although_simulated_time_stands_still(loader, make_source, clock):
    source = make_source(clock=clock, deadline_s=0.05)
    loader.hold()

    with pytest.raises(UnavailableError):
        source.keys("a")

    assert loader.at_once == 1, "the load still runs"


def test_a_fetch_thread_that_never_ends_is_abandoned_and_its_late_answer_thrown_away(
    loader, make_source, clock, after_landing
):
    source = make_source(clock=clock, deadline_s=0.05)
    loader.kids = ["late"]
    loader.hold()
    with pytest.raises(UnavailableError):
        source.keys("a")
    hung = source._landed
    loader.give_up_on_running_calls()
    clock.tick(30)
    loader.kids = ["a"]

    assert kids(source.keys("a")) == ["a"]
    assert len(source._cache.abandoned) == 1
    loader.kids = ["late"]
    loader.release_everything()
    hung.result(PATIENCE_S)

    assert source.status()["key_ids"] == ["a"]
    assert set() == source._cache.abandoned


def test_no_third_thread_is_begun_while_two_never_end(loader, make_source, clock):
    source = make_source(clock=clock, deadline_s=0.05)
    loader.hold()
    for _ in range(5):
        with pytest.raises(UnavailableError):
            source.keys("a")
        clock.tick(100)

    assert loader.calls == 2
    assert loader.most_at_once == 2


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_without_a_thread_to_start_requests_are_answered_and_keys_serve_on(
    make_source, clock, monkeypatch, error
):
    source, warm = make_source(clock=clock), make_source(clock=clock)
    warm.keys("a")
    clock.tick(240)

    def start(_thread):
        raise error

    monkeypatch.setattr(threading.Thread, "start", start)

    with pytest.raises(UnavailableError, match="no thread could be started"):
        source.keys("a")
    assert kids(warm.keys("a")) == ["a"]
    monkeypatch.undo()
    clock.tick(30)
    assert kids(source.keys("a")) == ["a"]


@pytest.mark.parametrize("started", [True, False])
def test_ctrl_c_while_a_fetch_begins_leaves_the_source_in_order(
    loader, make_source, clock, monkeypatch, started
):
    source = make_source(clock=clock)
    start_really = threading.Thread.start

    def start(thread):
        if started:
            start_really(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            source.keys("a")

    assert source._cache.flight is None
    assert not source._cache.abandoned
    assert source._lock.acquire(timeout=PATIENCE_S)
    source._lock.release()
    clock.tick(30)
    assert kids(source.keys("a")) == ["a"]


def test_ctrl_c_in_a_waiting_thread_stops_nothing(loader, make_source, monkeypatch):
    source = make_source()
    loader.hold()

    def interrupted(_landed, _timeout_s):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(source_module, "wait_in_thread", interrupted)
        with pytest.raises(KeyboardInterrupt):
            source.keys("a")
    loader.release()

    assert kids(source.keys("a")) == ["a"]
    assert loader.calls == 1


def test_fetch_threads_never_keep_the_process_alive(loader, make_source):
    source = make_source()
    loader.hold()
    threads, _ = in_threads(1, lambda: source.keys("a"))
    assert loader.begun.wait(PATIENCE_S)

    fetching = [t for t in threading.enumerate() if t.name.startswith("bearerguard-fetch-")]
    assert [thread.daemon for thread in fetching] == [True]
    loader.release()
    join(threads)


def test_after_a_fork_every_source_begins_anew(loader, make_source):
    """What the child does at once; test_fork.py forks for real."""
    source = make_source()
    loader.hold()
    threads, _ = in_threads(1, lambda: source.keys("a"))
    assert loader.begun.wait(PATIENCE_S)
    parents, lock = source._landed, source._lock
    loader.give_up_on_running_calls()

    forks._start_over()

    assert kids(source.keys("a")) == ["a"]
    assert source._lock is not lock
    assert not parents.done()
    loader.release_everything()
    join(threads)


def test_a_source_that_nobody_uses_any_more_is_forgotten(make_source):
    source = make_source()
    before = len(forks._ALL)

    del source
    gc.collect()

    assert len(forks._ALL) < before


def test_the_keys_that_are_there_are_given_without_any_fetch(loader, make_source, clock):
    source = make_source(clock=clock, stale_for_s=60.0)
    with pytest.raises(UnavailableError, match="no keys have been fetched yet"):
        source.present("a")
    assert loader.calls == 0
    source.keys("a")

    assert kids(source.present("a")) == ["a"]
    assert kids(source.present(None)) == ["a"]
    with pytest.raises(RejectedError):
        source.present("b")
    clock.tick(359)
    assert kids(source.present("a")) == ["a"]
    clock.tick(1)
    with pytest.raises(UnavailableError):
        source.present("a")
    assert loader.calls == 1


def test_the_status_tells_an_operator_how_things_stand(loader, make_source, clock):
    source = make_source(clock=clock)
    cold = source.status()
    source.keys("a")
    clock.tick(100)

    assert (
        cold["state"],
        cold["key_ids"],
        cold["age_s"],
        cold["next_refresh_s"],
    ) == ("cold", [], None, 0.0)
    assert source.status() == {
        "state": "fresh",
        "key_ids": ["a"],
        "refused_keys": [],
        "age_s": 100.0,
        "next_refresh_s": 140.0,
        "last_error": None,
        "generation": 1,
    }


def test_configured_keys_are_given_for_any_key_id():
    key = secret_key(b"s" * 32)
    static = StaticKeys(KeySet((key,)))

    assert (key,) == static.keys("any") == static.present(None)
    assert (key,) == asyncio.run(static.akeys("any"))
    status = static.status()
    assert (status["state"], status["key_ids"]) == ("static", [None])
    assert status.keys() >= {"age_s", "last_error", "next_refresh_s", "refused_keys"}
    for call in (static.keys, static.present):
        with pytest.raises(RejectedError):
            call(None, (key,))


def test_a_key_that_a_neighbours_set_lacks_is_fetched_from_the_issuer_in_the_same_request(
    make_cache, key_set, clock
):
    asked_anew = []

    def load(*, anew=False):
        asked_anew.append(anew)
        if anew:
            return LoadedKeys(key_set("a", "b"), None)
        return LoadedKeys(key_set("a"), None, age_s=100.0, is_shared=True)

    source = KeySource(load, make_cache(), clock)

    assert kids(source.keys("a")) == ["a"]
    assert kids(source.keys("b")) == ["b"]
    assert asked_anew == [False, False, True]


def test_keys_that_turned_out_not_to_be_the_one_are_fetched_anew(loader, make_source, clock):
    """By threads and by tasks; and where nothing else comes, the key is unknown."""
    source = make_source(clock=clock)
    tried = source.keys(None)
    loader.kids = ["a", "b"]

    assert kids(source.keys(None, tried)) == ["b"]
    assert kids(source.present(None, tried)) == ["b"]
    assert loader.calls == 2
    clock.tick(60)
    with pytest.raises(RejectedError):
        asyncio.run(source.akeys("a", tried))
    assert loader.calls == 3


def test_how_long_the_issuer_wants_to_be_left_alone_is_told_to_the_caller(
    loader, make_source, clock
):
    source = make_source(clock=clock)
    loader.error = LoadError("503", retry_after_s=45.0)

    with pytest.raises(UnavailableError) as refusal:
        source.keys("a")

    assert refusal.value.retry_after == 45
    clock.tick(44)
    with pytest.raises(UnavailableError):
        source.keys("a")
    assert loader.calls == 1


def test_a_callback_is_told_in_order_and_may_ask_the_very_source(
    loader, make_cache, clock, after_landing
):
    """Outside of the lock: else this test would stand still."""
    told, met = [], []

    def on_event(event):
        told.append(event)
        free = source._lock.acquire(timeout=PATIENCE_S)
        source._lock.release()
        if not isinstance(event, FetchStarted):
            met.append((free, source.status()["state"], kids(source.keys("a"))))

    source = KeySource(loader, make_cache(issuer="https://issuer.example"), clock, on_event)
    source.keys("a")
    wait_until(lambda: len(told) == 3)
    wait_until(lambda: len(met) == 2)

    assert told == [
        FetchStarted("https://issuer.example", 1),
        FetchEnded("https://issuer.example", 1, 0.0),
        KeyStateChanged("https://issuer.example", "cold", "fresh"),
    ]
    assert met == [(True, "fresh", ["a"])] * 2


def test_events_of_a_refusal_are_told_as_well(loader, make_cache, clock):
    told = []
    source = KeySource(loader, make_cache(), clock, told.append)
    loader.error = LoadError("down")

    with pytest.raises(UnavailableError):
        source.keys("a")

    wait_until(lambda: len(told) == 2)
    assert told == [FetchStarted("", 1), FetchEnded("", 1, 0.0, "down")]


def test_keys_from_before_the_start_are_told_at_the_start(loader, make_cache, key_set, clock):
    """Nothing else might be told for minutes: they are fresh, and nobody has to ask."""
    told, cache = [], make_cache()
    cache.restore(LoadedKeys(key_set("a"), None, age_s=10.0, is_shared=True), clock())

    source = KeySource(loader, cache, clock, told.append)

    assert told == [KeyStateChanged("", "cold", "fresh")]
    assert kids(source.keys("a")) == ["a"]
    assert loader.calls == 0


def test_a_forked_child_does_not_tell_again_what_the_parent_has_seen(loader, make_cache, clock):
    told = []
    source = KeySource(loader, make_cache(), clock, told.append)
    source._cache.begin(clock())

    source.start_over()
    source.keys("a")

    wait_until(lambda: len(told) == 3)
    assert [event.number for event in told if isinstance(event, FetchStarted)] == [2]


def test_events_keep_their_order_although_several_threads_notice_them(loader, make_cache, clock):
    """A callback that takes its time is not overtaken: its last event is the present state."""
    told, telling, landed = [], threading.Event(), threading.Event()

    def on_event(event):
        if isinstance(event, FetchStarted):
            telling.set()
            assert landed.wait(PATIENCE_S), "the fetch does not wait for a callback"
        told.append(type(event))

    loader.hold()  # so that it is the caller who tells of the beginning
    source = KeySource(loader, make_cache(), clock, on_event)
    threads, outcomes = in_threads(1, lambda: kids(source.keys("a")))
    assert telling.wait(PATIENCE_S)
    loader.release()
    join_fetches()
    assert source._cache.snapshot is not None
    landed.set()
    join(threads)

    assert told == [FetchStarted, FetchEnded, KeyStateChanged]
    assert outcomes == [["a"]]


def test_states_that_pass_while_no_request_comes_are_told_to_a_probe(loader, make_cache, clock):
    told = []
    source = KeySource(loader, make_cache(), clock, told.append)
    source.keys("a")
    join_fetches()
    assert len(told) == 3
    clock.tick(300)

    assert source.status()["state"] == "stale_ok"

    assert [event.after for event in told[3:]] == ["refresh_due", "stale_ok"]


def test_ctrl_c_in_a_callback_loses_no_later_event(loader, make_cache, clock):
    told = []

    def on_event(event):
        told.append(event)
        if len(told) == 4:
            raise KeyboardInterrupt

    source = KeySource(loader, make_cache(), clock, on_event)
    source.keys("a")
    join_fetches()
    assert len(told) == 3
    clock.tick(240)
    with pytest.raises(KeyboardInterrupt):
        source.status()
    clock.tick(60)

    source.status()

    assert [event.after for event in told[3:]] == ["refresh_due", "stale_ok"]

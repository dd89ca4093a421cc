"""Threads and tasks ask about tokens: one request about each, a bounded number at a time."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import trio

from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard.introspection import dispatcher, introspector
from bearerguard.introspection.cache import KeptAnswers
from bearerguard.introspection.circuit import FAILURES_TO_OPEN, Circuit
from bearerguard.introspection.dispatcher import MOST_QUEUED, MOST_REQUESTS
from bearerguard.introspection.endpoint import OddRequestError
from bearerguard.introspection.flight import Flight
from bearerguard.introspection.introspector import Introspector
from bearerguard.jwks.fetch import FetchError
from bearerguard.jwks.waiting import wait_in_thread

# Nothing waits as long as this unless the code under test is broken.
PATIENCE_S = 20.0
ACTIVE = b'{"active":true,"exp":2000000000}'
RUNS = {"asyncio": lambda function: asyncio.run(function()), "trio": trio.run}


class Endpoint:
    """What an introspector calls; it can be held up, and fail."""

    def __init__(self):
        self.asked = []
        self.error = None
        self.at_once = self.most_at_once = 0
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self._lock = threading.Lock()

    def __call__(self, raw, ends_at):
        with self._lock:
            self.asked.append(raw)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.release()
        try:
            assert self.gate.wait(PATIENCE_S)
            if self.error is not None:
                raise self.error
            return ACTIVE
        finally:
            with self._lock:
                self.at_once -= 1

    def wait_for(self, requests):
        for _ in range(requests):
            assert self.begun.acquire(timeout=PATIENCE_S)


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.gate.set()
    for thread in threading.enumerate():
        if thread.name == "bearerguard-introspect" and thread.ident is not None:
            thread.join(PATIENCE_S)


@pytest.fixture
def make(endpoint, clock):
    """An introspector of that endpoint; time passes when the test says so."""

    def make_one(*, ttl_s=60.0, timeout_s=PATIENCE_S, ask=endpoint):
        return Introspector(
            issuer="https://issuer.example",
            ask=ask,
            answers=lambda: KeptAnswers(ttl_s),
            circuit=Circuit(lambda: 0.0),
            clock=clock,
            wall_clock=clock,
            timeout_s=timeout_s,
        )

    return make_one


def wait_until(is_so):
    """Wait for what has nothing to wait on; a test that waits in vain goes on and fails."""
    for _ in range(5000):
        if is_so():
            return
        time.sleep(0.001)


def detail(ask, *arguments):
    with pytest.raises(UnavailableError) as refusal:
        ask(*arguments)
    return refusal.value.detail


@pytest.mark.requirement("7662-4-3")
def test_a_known_token_costs_no_request_until_its_time_is_over(make, endpoint, clock):
    asks = make()
    assert [asks.answer("1") for _ in range(3)] == [ACTIVE] * 3
    clock.tick(59)
    assert asks.answer("1") == asks.present("1") == asks.at_once("1") == ACTIVE
    assert endpoint.asked == ["1"]
    clock.tick(1)
    assert asks.at_once("1") is None
    asks.answer("1")
    assert endpoint.asked == ["1", "1"]


@pytest.mark.requirement("7662-4-3")
def test_with_a_time_of_zero_every_request_asks(make, endpoint):
    asks = make(ttl_s=0.0)
    assert [asks.answer("1") for _ in range(3)] == [ACTIVE] * 3
    assert endpoint.asked == ["1"] * 3


def test_what_nobody_has_asked_is_not_there(make, endpoint):
    assert "nobody has asked" in detail(make().present, "1")
    assert endpoint.asked == []


@pytest.mark.requirement("7662-4-6")
@pytest.mark.parametrize("ttl_s", [0.0, 60.0])
@pytest.mark.parametrize("error", [None, FetchError("down")])
def test_everybody_with_one_token_waits_for_one_request(make, endpoint, ttl_s, error):
    """RFC 7662 section 4; each gets the answer, or a failure of its own."""
    asks, endpoint.error = make(ttl_s=ttl_s), error
    endpoint.gate.clear()
    waiting = threading.Semaphore(0)

    def ask():
        step = asks._step("1")
        waiting.release()
        wait_in_thread(step.landed, PATIENCE_S)
        try:
            return step.outcome()
        except UnavailableError as refusal:
            return refusal

    with ThreadPoolExecutor(50) as pool:
        running = [pool.submit(ask) for _ in range(50)]
        for _ in range(50):
            assert waiting.acquire(timeout=PATIENCE_S)
        endpoint.gate.set()
        found = [job.result(PATIENCE_S) for job in running]

    assert endpoint.asked == ["1"]
    if error is None:
        assert found == [ACTIVE] * 50
    else:
        assert {one.detail for one in found} == {"down"}
        assert len({id(one) for one in found}) == 50


@pytest.mark.requirement("7662-4-7")
def test_a_bounded_number_of_requests_runs_and_the_others_queue(make, endpoint):
    """RFC 7662 section 4: a burst of new tokens is served, in turn, and no flood goes further."""
    asks = make()
    endpoint.gate.clear()
    tokens = [str(number) for number in range(3 * MOST_REQUESTS)]

    with ThreadPoolExecutor(len(tokens)) as pool:
        running = [pool.submit(asks.answer, raw) for raw in tokens]
        endpoint.wait_for(MOST_REQUESTS)
        wait_until(lambda: asks.status()["queued"] == 2 * MOST_REQUESTS)
        assert asks.status()["requests"] == MOST_REQUESTS
        endpoint.gate.set()
        assert [job.result(PATIENCE_S) for job in running] == [ACTIVE] * len(tokens)

    assert endpoint.most_at_once == MOST_REQUESTS
    assert sorted(endpoint.asked) == sorted(tokens)


@pytest.mark.requirement("7662-4-7")
def test_a_full_queue_is_503(make, endpoint):
    asks = make()
    endpoint.gate.clear()
    for number in range(MOST_REQUESTS):
        asks._step(str(number))
    endpoint.wait_for(MOST_REQUESTS)
    for number in range(MOST_QUEUED):
        asks._step(f"queued {number}")
    assert "too many" in detail(asks.answer, "one more")
    endpoint.gate.set()
    wait_until(lambda: asks.status()["queued"] == 0)


def test_whom_nobody_waits_for_any_more_is_dropped_from_the_queue(make, endpoint, clock):
    asks = make(timeout_s=5.0)
    endpoint.gate.clear()
    running = [asks._step(str(number)) for number in range(MOST_REQUESTS)]
    endpoint.wait_for(MOST_REQUESTS)
    late = asks._step("late")
    clock.tick(5)
    soon = asks._step("soon")
    endpoint.gate.set()

    assert [one.landed.result(PATIENCE_S) for one in running] == [ACTIVE] * MOST_REQUESTS
    assert soon.landed.result(PATIENCE_S) == ACTIVE
    assert "no answer in time" in detail(late.outcome)
    assert "late" not in endpoint.asked


def test_who_stands_in_the_queue_when_the_circuit_opens_hears_of_it(make, endpoint):
    asks, endpoint.error = make(), FetchError("down")
    endpoint.gate.clear()
    for number in range(MOST_REQUESTS):
        asks._step(str(number))
    endpoint.wait_for(MOST_REQUESTS)
    queued = [asks._step(f"queued {number}") for number in range(50)]
    endpoint.gate.set()

    for one in queued:
        one.landed.exception(PATIENCE_S)
    assert "held off: down" in detail(queued[-1].outcome)
    assert len(endpoint.asked) <= MOST_REQUESTS + FAILURES_TO_OPEN


def test_nobody_waits_for_longer_than_the_time_out(make, endpoint):
    asks = make(timeout_s=0.05)
    endpoint.gate.clear()
    assert "no answer in time" in detail(asks.answer, "1")
    assert "no answer in time" in detail(lambda: asyncio.run(asks.aanswer("1")))
    assert endpoint.asked == ["1"]


@pytest.mark.requirement("7662-4-5")
def test_a_failure_puts_no_good_answer_out(make, endpoint, clock):
    """RFC 7662 section 4: who was called active a moment ago is served in an outage."""
    asks = make()
    asks.answer("1")
    endpoint.error = FetchError("down")
    for number in range(2 * FAILURES_TO_OPEN):
        assert "down" in detail(asks.answer, f"other {number}")
    assert asks.answer("1") == ACTIVE
    assert len(endpoint.asked) == 1 + FAILURES_TO_OPEN


def test_after_five_failures_nobody_asks_until_one_tries(make, endpoint, clock):
    asks, endpoint.error = make(), FetchError("down")
    for number in range(FAILURES_TO_OPEN):
        detail(asks.answer, str(number))
    assert asks.status() == {
        "state": "open",
        "next_try_s": 1.0,
        "last_error": "down",
        "requests": 0,
        "queued": 0,
        "kept": 0,
    }
    assert detail(asks.answer, "held off") == "introspection is held off: down"
    clock.tick(1)
    endpoint.error = None
    endpoint.gate.clear()
    tries = asks._step("tries")
    assert "held off" in detail(asks.answer, "waits")
    endpoint.gate.set()
    assert tries.landed.result(PATIENCE_S) == ACTIVE
    assert asks.answer("waits") == ACTIVE
    assert asks.status()["state"] == "closed"


def test_who_is_held_off_waits_for_nobody_and_so_may_be_told_in_an_event_loop(make, endpoint):
    asks, endpoint.error = make(), FetchError("busy", retry_after_s=7)
    detail(asks.answer, "1")

    async def use():
        return detail(asks.answer, "2")

    assert "held off" in asyncio.run(use())


def test_the_wish_of_the_endpoint_holds_everybody_off(make, endpoint):
    asks, endpoint.error = make(), FetchError("busy", retry_after_s=7)
    for raw in ("1", "2"):
        with pytest.raises(UnavailableError) as refusal:
            asks.answer(raw)
        assert refusal.value.retry_after == 7
    assert endpoint.asked == ["1"]


def test_a_token_that_the_endpoint_dislikes_holds_nobody_else_off(make, endpoint):
    """Else a stranger with a few odd tokens could keep everybody out."""
    asks, endpoint.error = make(), OddRequestError("answered 400")
    for number in range(2 * FAILURES_TO_OPEN):
        assert detail(asks.answer, str(number)) == "answered 400"
    assert asks.status()["state"] == "closed"


def test_whatever_goes_wrong_those_who_wait_hear_of_it_and_not_of_the_token(make, endpoint):
    asks, endpoint.error = make(), ZeroDivisionError("hush")
    assert detail(asks.answer, "hush") == "introspection failed: ZeroDivisionError"
    endpoint.error = UnavailableError("no keys")
    assert detail(asks.answer, "other") == "no keys"


def test_a_broken_handler_of_the_log_keeps_nobody_waiting(make, endpoint, monkeypatch):
    monkeypatch.setattr(introspector.logger, "warning", lambda *_: 1 / 0)
    asks, endpoint.error = make(), FetchError("down")
    assert detail(asks.answer, "1") == "down"


def without(name, error):
    """Threads as ever, but for those of one name, which do not start."""

    class Thread(threading.Thread):
        def start(self):
            if self.name == name:
                raise error
            super().start()

    return Thread


@pytest.mark.parametrize("name", ["bearerguard-introspect-dispatcher", "bearerguard-introspect"])
def test_without_a_thread_it_is_503_and_works_again_later(make, endpoint, monkeypatch, name):
    asks = make()
    with monkeypatch.context() as patch:
        patch.setattr(dispatcher.threading, "Thread", without(name, RuntimeError("no more")))
        assert "no thread could be started: no more" in detail(asks.answer, "1")
        assert (asks.status()["requests"], asks.status()["queued"]) == (0, 0)
    assert asks.answer("1") == ACTIVE


def test_ctrl_c_while_a_thread_starts_leaves_nothing_behind(make, endpoint, monkeypatch):
    asks = make()
    with monkeypatch.context() as patch:
        name = "bearerguard-introspect-dispatcher"
        patch.setattr(dispatcher.threading, "Thread", without(name, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            asks.answer("1")
    assert asks.answer("1") == ACTIVE


def test_the_thread_that_starts_the_others_ends_when_there_is_nothing_to_do(
    make, endpoint, monkeypatch
):
    """An idle thread would be one more thing to fork; the next token starts another one."""
    monkeypatch.setattr(dispatcher, "LINGER_S", 0.01)
    asks = make()
    for raw in ("1", "2"):
        assert asks.answer(raw) == ACTIVE
        for thread in threading.enumerate():
            if thread.name == "bearerguard-introspect-dispatcher":
                thread.join(PATIENCE_S)
        assert not asks._requests._is_on


def test_with_all_places_taken_for_long_the_queue_is_not_forgotten(make, endpoint, monkeypatch):
    """The thread that starts the others ends only when nothing waits."""
    monkeypatch.setattr(dispatcher, "LINGER_S", 0.01)
    asks = make()
    endpoint.gate.clear()
    flights = [asks._step(str(number)) for number in range(MOST_REQUESTS + 5)]
    endpoint.wait_for(MOST_REQUESTS)
    time.sleep(0.05)  # until it has looked in vain a few times
    endpoint.gate.set()
    assert [one.landed.result(PATIENCE_S) for one in flights] == [ACTIVE] * len(flights)


def test_a_request_has_its_whole_time_however_long_it_was_in_the_queue(make, clock):
    """Else a burst of made-up tokens would make the requests to a healthy endpoint fail."""
    left, begun, gate = [], threading.Semaphore(0), threading.Event()

    def ask(_raw, ends_at):
        left.append(ends_at - clock())
        begun.release()
        assert gate.wait(PATIENCE_S)
        return ACTIVE

    asks = make(timeout_s=5.0, ask=ask)
    for number in range(MOST_REQUESTS):
        asks._step(str(number))
    for _ in range(MOST_REQUESTS):
        assert begun.acquire(timeout=PATIENCE_S)
    clock.tick(1)
    late = asks._step("late")
    clock.tick(4)
    gate.set()
    assert late.landed.result(PATIENCE_S) == ACTIVE
    assert left == [5.0] * (MOST_REQUESTS + 1)


def test_requests_that_do_not_end_lose_their_places_and_count_as_failures(make, endpoint, clock):
    """A name that is never resolved, or a client of HTTP that keeps no time-out."""
    asks = make(timeout_s=5.0)
    endpoint.gate.clear()
    hung = [asks._step(str(number)) for number in range(FAILURES_TO_OPEN)]
    endpoint.wait_for(FAILURES_TO_OPEN)
    clock.tick(5 + introspector.GRACE_S)
    assert "held off" in detail(asks.answer, "another")
    assert {type(one.landed.exception(0)) for one in hung} == {UnavailableError}
    assert asks.status()["state"] == "open"
    assert asks.status()["requests"] == FAILURES_TO_OPEN

    clock.tick(60)
    tries = asks._step("one that tries")
    endpoint.gate.set()
    assert tries.landed.result(PATIENCE_S) == ACTIVE
    wait_until(lambda: asks.status()["requests"] == 0)
    assert asks.status()["state"] == "closed"


def test_a_request_that_is_given_up_and_fails_later_has_failed_once(make, endpoint, clock):
    asks = make(timeout_s=5.0)
    endpoint.gate.clear()
    endpoint.error = FetchError("late")
    hung = FAILURES_TO_OPEN - 2
    for number in range(hung):
        asks._step(str(number))
    endpoint.wait_for(hung)
    clock.tick(5 + introspector.GRACE_S)
    last = asks._step("one that finds it out, and fails too")
    assert asks.status()["last_error"] == introspector.NO_ANSWER
    endpoint.gate.set()
    assert last.landed.exception(PATIENCE_S)
    wait_until(lambda: asks.status()["requests"] == 0)
    assert asks.status()["state"] == "closed"


def test_hung_requests_make_room_for_as_many_and_no_more(make, endpoint, clock, monkeypatch):
    """Threads stay bounded, whatever the client of HTTP does."""
    monkeypatch.setattr(dispatcher, "LINGER_S", 0.01)
    asks = make(timeout_s=5.0)
    endpoint.gate.clear()
    for number in range(MOST_REQUESTS + 1):
        asks._step(str(number))
    endpoint.wait_for(MOST_REQUESTS)
    clock.tick(5 + introspector.GRACE_S)  # nobody asks: the dispatcher finds it out by itself
    wait_until(lambda: asks.status()["queued"] == 0)
    assert asks.status()["requests"] == MOST_REQUESTS == dispatcher.MOST_ABANDONED
    endpoint.error = FetchError("late")
    endpoint.gate.set()
    wait_until(lambda: asks.status()["requests"] == 0)
    assert asks.status()["last_error"] == introspector.NO_ANSWER


def test_who_asks_after_a_change_does_not_join_who_asked_before(make, endpoint):
    asks = make()
    endpoint.gate.clear()
    before = asks._step("1")
    endpoint.wait_for(1)
    asks.forget()
    after = asks._step("1")
    endpoint.wait_for(1)
    endpoint.gate.set()
    assert before.landed.result(PATIENCE_S) == after.landed.result(PATIENCE_S) == ACTIVE
    assert endpoint.asked == ["1", "1"]


def test_an_old_answer_takes_the_new_question_from_nobody(make):
    """Who comes after it joins the question that was begun after the change."""
    gates, begun = [threading.Event(), threading.Event()], threading.Semaphore(0)
    waiting = iter(gates)

    def ask_in_turn(_raw, _ends_at):
        gate = next(waiting)
        begun.release()
        assert gate.wait(PATIENCE_S)
        return ACTIVE

    asks = make(ask=ask_in_turn)
    before = asks._step("1")
    assert begun.acquire(timeout=PATIENCE_S)
    asks.forget()
    after = asks._step("1")
    gates[0].set()
    before.landed.result(PATIENCE_S)
    joined = asks._step("1")
    gates[1].set()
    assert joined is after


def test_no_more_hung_requests_are_given_up_than_places_there_are(monkeypatch):
    """Else each place given back would be one more thread that never ends."""
    monkeypatch.setattr(dispatcher, "LINGER_S", 0.01)
    most = MOST_REQUESTS + dispatcher.MOST_ABANDONED
    begun, gate = threading.Semaphore(0), threading.Event()

    def hang(_flight):
        begun.release()
        assert gate.wait(PATIENCE_S)

    requests = dispatcher.Dispatcher(
        SimpleNamespace(
            admit=lambda _flight: True,
            is_overdue=lambda _flight: True,
            run=hang,
            lose=lambda _flight, _why: None,
        )
    )
    for number in range(most + 1):
        requests.put(Flight(b"", str(number), 0.0))
    for _ in range(most):
        assert begun.acquire(timeout=PATIENCE_S)
    one_more = begun.acquire(timeout=0.1)
    gate.set()
    wait_until(lambda: requests.running == requests.queued == 0)
    assert not one_more


def test_what_the_log_is_told_of_a_failure_is_one_line_and_short(make, endpoint, caplog):
    """It may quote what somebody sent."""
    endpoint.error = FetchError("first\nsecond" + "x" * 5000)
    detail(make().answer, "1")
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 600


@pytest.mark.parametrize("library", RUNS)
def test_a_task_that_is_cancelled_stops_nothing(make, endpoint, library):
    asks = make()
    endpoint.gate.clear()
    found = []

    async def ask():
        found.append(await asks.aanswer("1"))

    async def in_asyncio():
        gone, stays = (asyncio.create_task(ask()) for _ in range(2))
        assert await asyncio.to_thread(endpoint.begun.acquire, True, PATIENCE_S)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        endpoint.gate.set()
        await stays

    async def in_trio():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            with trio.move_on_after(0):
                await ask()
            assert await trio.to_thread.run_sync(endpoint.begun.acquire, True, PATIENCE_S)
            endpoint.gate.set()

    RUNS[library]({"asyncio": in_asyncio, "trio": in_trio}[library])
    assert found == [ACTIVE]
    assert endpoint.asked == ["1"]


def test_in_an_event_loop_the_sync_way_does_not_wait(issuer, asking):
    """design.md section 1; what is known needs no waiting."""
    raw = issuer.opaque_token()

    async def use():
        with pytest.raises(RuntimeError, match="averify"):
            asking.verify(raw)
        await asking.averify(raw)
        return asking.verify(raw).subject

    assert asyncio.run(use()) == "user-1"


def test_a_forked_child_begins_anew(make, endpoint):
    """The parent's threads, locks and questions are not there (see jwks/test_fork.py)."""
    asks = make()
    asks.answer("known")
    endpoint.gate.clear()
    asks._step("1")
    endpoint.wait_for(2)
    asks._lock.acquire()
    lock = asks._lock

    asks.start_over()

    assert asks.status() == {
        "state": "closed",
        "next_try_s": 0.0,
        "last_error": None,
        "requests": 0,
        "queued": 0,
        "kept": 0,
    }
    lock.release()
    endpoint.gate.set()
    assert asks.answer("1") == ACTIVE
    assert asyncio.run(asks.aanswer("1")) == ACTIVE


def test_each_way_to_ask_ends_the_same(issuer, asking):
    good, bad = issuer.opaque_token("read"), "nobody"

    async def averify(raw):
        return await asking.averify(raw)

    assert asyncio.run(averify(good)) == asking.verify(good)
    assert trio.run(averify, issuer.opaque_token()).subject == "user-1"
    for verify in (asking.verify, lambda raw: asyncio.run(averify(raw))):
        with pytest.raises(RejectedError, match="token_inactive"):
            verify(bad)
    issuer.is_down = True
    assert asyncio.run(averify(good)).scopes == {"read"}
    with pytest.raises(UnavailableError):
        asyncio.run(averify("unknown"))


@pytest.mark.requirement("7662-4-2")
def test_an_answer_is_not_used_after_its_end(issuer, asking, clock, outcome):
    """RFC 7662 section 4: at exp + 1 s the issuer is asked again, leeway or not."""
    raw = issuer.opaque_token(exp=int(clock.now) + 2)
    assert outcome(asking, raw) == "user-1"
    clock.tick(3)
    assert outcome(asking, raw) == "token_inactive"
    assert issuer.requests.count(issuer.introspection_uri) == 2


@pytest.mark.requirement("7662-4-5")
def test_a_burst_of_one_bad_token_is_one_request(issuer, asking, outcome):
    assert {outcome(asking, "nobody") for _ in range(100)} == {"token_inactive"}
    assert issuer.requests.count(issuer.introspection_uri) == 1


def test_the_state_of_the_endpoint_is_part_of_the_status(issuer, asking, guard):
    asking.verify(issuer.opaque_token())
    assert asking.status()[issuer.url]["introspection"] == {
        "state": "closed",
        "next_try_s": 0.0,
        "last_error": None,
        "requests": 0,
        "queued": 0,
        "kept": 1,
    }
    assert "introspection" not in guard.status()[issuer.url]


def test_a_guard_with_a_token_cache_keeps_no_opaque_token(issuer, client):
    """Else a revoked one would live on past the time of its answer."""
    guard = issuer.guard(**client, introspection_ttl=0, token_cache=10)
    raw = issuer.opaque_token()
    assert isinstance(guard, Guard)
    guard.verify(raw)
    issuer.revoke(raw)
    with pytest.raises(RejectedError, match="token_inactive"):
        guard.verify(raw)


def test_a_failure_is_a_warning_with_facts_for_programs(make, endpoint, caplog):
    asks, endpoint.error = make(), UnavailableError("no answer within 5 s")
    detail(asks.answer, "token-1")
    (facts,) = [r.bearerguard for r in caplog.records if r.name == "bearerguard.introspection"]
    assert (facts.keys(), facts["found"]) == ({"issuer", "found"}, "no answer within 5 s")

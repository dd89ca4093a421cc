"""resolve_issuer within its bounds: whom it is asked about, how often, and what comes of it."""

import asyncio
import functools
import gc
import logging
import os
import signal
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import trio

from bearerguard import Issuer, RejectedError, UnavailableError
from bearerguard import resolver as module
from bearerguard.resolved import (
    IN_USE_FOR_S,
    MOST_ISSUERS,
    MOST_NEW,
    MOST_UNKNOWN,
    NEW_WITHIN_S,
    UNKNOWN_FOR_S,
)
from bearerguard.resolver import MOST_QUESTIONS, Resolver

# Nothing waits as long as this unless the code under test is broken.
PATIENCE_S = 20.0
A, B = "https://a.example", "https://b.example"
RUNS = {"asyncio": lambda function: asyncio.run(function()), "trio": trio.run}


def name_of(number):
    return f"https://t{number}.example"


def known_issuer(issuer):
    """What the resolver needs of a KnownIssuer, without keys."""
    return SimpleNamespace(settings=issuer, verified_at=None)


class Application:
    """A resolve_issuer that can be held up or fail; it knows every name but those in ``strange``."""

    def __init__(self):
        self.asked = []
        self.threads = []
        self.at_once = 0
        self.most_at_once = 0
        self.strange = set()
        self.error = None
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.hung_up = 0

    def answer(self, name):
        if self.error is not None:
            raise self.error
        return None if name in self.strange else Issuer(name)

    def note(self, name):
        self.asked.append(name)
        self.threads.append(threading.current_thread())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.release()

    def resolve(self, name):
        self.note(name)
        try:
            assert self.gate.wait(PATIENCE_S), "nobody let this go on"
        finally:
            self.at_once -= 1
        return self.answer(name)

    async def aresolve(self, name):
        self.note(name)
        try:
            await self.until_open()
        except BaseException:
            self.hung_up += 1
            raise
        finally:
            self.at_once -= 1
        return self.answer(name)

    async def until_open(self):
        deadline = time.monotonic() + PATIENCE_S
        while not self.gate.is_set():
            assert time.monotonic() < deadline, "nobody let this go on"
            await pause()

    def wait_for_question(self):
        assert self.begun.acquire(timeout=PATIENCE_S), "nobody asked"


async def pause():
    """Let the others run, in whatever event loop."""
    if "trio" in sys.modules and trio.lowlevel.in_trio_run():
        await trio.sleep(0.001)
    else:
        await asyncio.sleep(0.001)


@pytest.fixture
def application():
    application = Application()
    yield application
    application.gate.set()
    for thread in threading.enumerate():
        if thread.name == "bearerguard-resolve":
            thread.join(PATIENCE_S)


@pytest.fixture
def make(clock):
    return lambda resolve, take=known_issuer, **more: Resolver(resolve, take, clock, **more)


@pytest.fixture
def resolver(make, application):
    return make(application.resolve)


@pytest.fixture
def asynchronous(make, application):
    return make(application.aresolve)


@pytest.fixture(params=RUNS)
def run(request):
    """Run an async function, with asyncio or with trio."""
    return RUNS[request.param]


async def together(*functions):
    """Run async functions side by side in this event loop; give their results in order."""
    results = [None] * len(functions)

    async def one(number, function):
        results[number] = await function()

    if trio.lowlevel.in_trio_run():
        async with trio.open_nursery() as nursery:
            for number, function in enumerate(functions):
                nursery.start_soon(one, number, function)
    else:
        async with asyncio.TaskGroup() as group:
            for number, function in enumerate(functions):
                group.create_task(one(number, function))
    return results


def outcome(call, *arguments):
    """Give what a call gives, or the reason and the seconds to wait where nobody can tell."""
    try:
        return call(*arguments)
    except UnavailableError as error:
        return error.detail, error.retry_after


async def aoutcome(call, *arguments):
    try:
        return await call(*arguments)
    except UnavailableError as error:
        return error.detail, error.retry_after


# Who it is


def test_an_issuer_is_asked_about_once_and_kept(resolver, application):
    first = resolver.find(A)
    assert first.settings == Issuer(A)
    assert resolver.find(A) is first
    assert resolver.known() == [first]
    assert application.asked == [A]


@pytest.mark.parametrize("kind", ["resolve", "aresolve"])
def test_a_task_gets_the_same_from_both_kinds_of_function(make, application, run, kind):
    resolver = make(getattr(application, kind))
    first = run(lambda: resolver.afind(A))
    assert first.settings == Issuer(A)
    assert run(lambda: resolver.afind(A)) is resolver.find(A) is first
    assert application.asked == [A]


def test_a_thread_gets_the_same_from_an_asynchronous_function(asynchronous, application):
    """It runs in an event loop of its own there."""
    assert asynchronous.find(A).settings == Issuer(A)
    assert application.asked == [A]


def test_a_synchronous_function_never_runs_in_the_thread_of_an_event_loop(
    resolver, application, run
):
    run(lambda: resolver.afind(A))
    assert threading.main_thread() not in application.threads


def test_an_asynchronous_function_runs_in_the_event_loop_of_whoever_asks(
    asynchronous, application, run
):
    """Its connections belong there."""
    run(lambda: asynchronous.afind(A))
    assert application.threads == [threading.main_thread()]


class Callables:
    """What else can be called and gives a coroutine."""

    def __init__(self, application):
        async def __call__(self, name):  # noqa: N807
            return await application.aresolve(name)

        self.object = type("Finder", (), {"__call__": __call__})()
        self.partial = functools.partial(application.aresolve)
        # Nothing about it tells that it is asynchronous.
        self.function = lambda name: self.partial(name)  # noqa: PLW0108


@pytest.mark.parametrize("kind", ["object", "partial", "function"])
def test_whatever_gives_a_coroutine_is_awaited(make, application, kind):
    resolve = getattr(Callables(application), kind)
    assert asyncio.run(make(resolve).afind(A)).settings == Issuer(A)
    assert make(resolve).find(A).settings == Issuer(A)


@pytest.mark.parametrize("kind", ["object", "partial"])
def test_an_asynchronous_callable_runs_in_the_callers_loop_too(make, application, kind):
    asyncio.run(make(getattr(Callables(application), kind)).afind(A))
    assert application.threads == [threading.main_thread()]


# Names that nobody knows


def test_a_name_that_nobody_knows_is_remembered_for_a_minute(resolver, application, clock):
    application.strange.add(A)
    assert resolver.find(A) is None
    clock.tick(UNKNOWN_FOR_S - 0.5)
    assert resolver.find(A) is None
    assert application.asked == [A]
    application.strange.clear()
    clock.tick(1)
    assert resolver.find(A) is not None
    assert application.asked == [A, A]


def test_names_that_nobody_knows_take_no_memory_and_no_room_of_others(make, clock):
    """However many names a stranger makes up, somebody who is known still comes in."""
    asked = []
    resolver = make(lambda name: asked.append(name) or (Issuer(name) if name == A else None))
    for number in range(MOST_UNKNOWN + 50):
        assert resolver.find(name_of(number)) is None
    assert len(resolver._issuers._unknown) == MOST_UNKNOWN
    assert resolver.find(A) is not None


# How many


def test_ten_new_issuers_a_minute_and_then_nobody_is_asked(resolver, application, clock):
    """design.md section 2: at most ten first fetches a minute for all together."""
    for number in range(MOST_NEW):
        resolver.find(name_of(number))
        clock.tick(1)
    seconds_since_the_first = MOST_NEW
    assert outcome(resolver.find, A) == (
        "too many new issuers within a minute",
        NEW_WITHIN_S - seconds_since_the_first,
    )
    assert A not in application.asked
    assert resolver.find(name_of(0)) is not None, "whoever is there notices nothing"


def test_an_eleventh_issuer_is_found_when_the_first_is_a_minute_old_and_not_before(resolver, clock):
    for number in range(MOST_NEW):
        resolver.find(name_of(number))
    clock.tick(NEW_WITHIN_S - 0.25)
    assert outcome(resolver.find, A) == ("too many new issuers within a minute", 1)
    clock.tick(0.25)
    assert resolver.find(A).settings == Issuer(A)


def test_in_any_minute_there_are_ten_new_issuers_at_most(make, clock):
    times = []
    resolver = make(Issuer, lambda issuer: times.append(clock()) or known_issuer(issuer))
    for number in range(600):
        outcome(resolver.find, name_of(number))
        clock.tick(0.7)
    assert len(times) > 50
    assert max(sum(1 for t in times if start <= t < start + 60) for start in times) == MOST_NEW


def test_ten_a_minute_holds_for_those_who_were_asked_about_at_the_same_time(
    make, application, clock
):
    """The answer of whoever comes too late is not used."""
    resolver = make(application.resolve)
    for number in range(5):
        resolver.find(name_of(number))
    application.gate.clear()
    with ThreadPoolExecutor(MOST_QUESTIONS) as pool:
        found = [pool.submit(outcome, resolver.find, name_of(100 + n)) for n in range(8)]
        for _ in range(5 + 8):
            application.wait_for_question()
        application.gate.set()
        results = [future.result(PATIENCE_S) for future in found]
    refused = [result for result in results if isinstance(result, tuple)]
    assert refused == [("too many new issuers within a minute", NEW_WITHIN_S)] * 3
    assert len(resolver.known()) == MOST_NEW


def test_a_name_that_nobody_knows_stays_refused_while_no_new_issuer_is_taken(resolver, application):
    """401 and not 503, where it is known that nobody knows."""
    application.strange.add(A)
    assert resolver.find(A) is None
    for number in range(MOST_NEW):
        resolver.find(name_of(number))
    assert resolver.find(A) is None
    assert outcome(resolver.find, B)[0] == "too many new issuers within a minute"


@pytest.fixture
def full(resolver, clock):
    """A resolver with as many issuers as it keeps, the last one a minute old."""
    for number in range(MOST_ISSUERS):
        resolver.find(name_of(number))
        clock.tick(NEW_WITHIN_S / MOST_NEW)
    clock.tick(NEW_WITHIN_S)
    return resolver


def names(resolver):
    return {known.settings.issuer for known in resolver.known()}


def test_there_are_never_more_than_a_thousand_and_the_oldest_that_nobody_uses_goes(full):
    for number in range(MOST_ISSUERS):
        if number != 7:
            full.verified(name_of(number))
    assert full.find(A) is not None
    assert len(full.known()) == MOST_ISSUERS
    assert names(full) == {name_of(n) for n in range(MOST_ISSUERS) if n != 7} | {A}


def test_of_those_whose_tokens_were_never_good_the_first_to_come_goes_first(full):
    full.verified(name_of(0))
    full.find(A)
    full.find(B)
    assert {name_of(0), A, B} <= names(full)
    assert names(full).isdisjoint({name_of(1), name_of(2)})


def test_an_issuer_that_verified_a_token_within_the_hour_is_never_put_out(full, clock):
    for number in range(MOST_ISSUERS):
        full.verified(name_of(number))
    before = names(full)
    clock.tick(IN_USE_FOR_S - 0.5)
    assert outcome(full.find, A) == ("too many issuers are in use", 60)
    assert names(full) == before


def test_after_an_hour_without_a_good_token_the_one_that_was_idle_longest_goes(full, clock):
    for number in range(MOST_ISSUERS):
        full.verified(name_of(number))
    full.verified(name_of(0))
    clock.tick(10)
    for number in range(1, MOST_ISSUERS):
        full.verified(name_of(number))
    clock.tick(IN_USE_FOR_S - 5)
    assert full.find(A) is not None
    assert name_of(0) not in names(full)


def test_a_good_token_of_an_issuer_that_is_gone_changes_nothing(resolver):
    resolver.verified(A)
    assert resolver.known() == []


# What goes wrong in the application's code


@pytest.mark.parametrize(
    "error",
    [ValueError("no database"), KeyError("x"), RejectedError("expired"), OSError()],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["resolve", "aresolve"])
def test_an_exception_is_503_and_an_error_in_the_log(make, application, caplog, run, error, kind):
    resolver = make(getattr(application, kind))
    application.error = error
    detail = f"resolve_issuer failed: {type(error).__name__}"
    assert outcome(resolver.find, A) == run(lambda: aoutcome(resolver.afind, A)) == (detail, 1)
    for record in caplog.records:
        assert (record.name, record.levelno) == ("bearerguard", logging.ERROR)
        assert record.getMessage() == f"resolve_issuer failed for '{A}'"
        assert record.exc_info[1] is error
    assert len(caplog.records) == 2


def test_even_an_exit_of_the_function_is_503_for_those_who_wait(resolver, application):
    application.error = SystemExit(1)
    assert outcome(resolver.find, A) == ("resolve_issuer failed: SystemExit", 1)


def test_after_an_exception_it_is_asked_anew(resolver, application):
    application.error = ValueError()
    outcome(resolver.find, A)
    application.error = None
    assert resolver.find(A).settings == Issuer(A)


def test_it_may_say_itself_that_nobody_knows_and_for_how_long(resolver, application, caplog):
    application.error = UnavailableError("the directory of tenants is closed", retry_after=30)
    assert outcome(resolver.find, A) == ("the directory of tenants is closed", 30)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("rubbish", "told"),
    [
        (Issuer(B), "ValueError"),
        (Issuer(A + "/"), "ValueError"),
        (A, "TypeError"),
        ({"issuer": A}, "TypeError"),
        (SimpleNamespace(issuer=A), "TypeError"),
        (True, "TypeError"),
        (False, "TypeError"),
        ("", "TypeError"),
    ],
    ids=repr,
)
def test_anything_but_the_issuer_that_was_asked_for_is_503(make, caplog, rubbish, told):
    """Above all another issuer's name: its keys must never vouch for this one."""
    resolver = make(lambda _: rubbish)
    assert outcome(resolver.find, A) == (f"resolve_issuer failed: {told}", 1)
    assert resolver.known() == []
    assert len(caplog.records) == 1


def test_settings_that_cannot_be_used_are_503(make, caplog):
    def take(issuer):
        raise ValueError("audience is missing")

    assert outcome(make(Issuer, take).find, A) == ("resolve_issuer failed: ValueError", 1)
    assert "audience is missing" in caplog.text


def test_a_process_without_threads_to_give_is_503(resolver, monkeypatch):
    def start(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    detail = "no thread could be started: can't start new thread"
    assert outcome(resolver.find, A) == (detail, 1)
    monkeypatch.undo()
    assert resolver.find(A) is not None, "the question is open no longer"


def test_ctrl_c_while_a_thread_starts_leaves_no_question_open(resolver, monkeypatch):
    def start(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        resolver.find(A)
    monkeypatch.undo()
    assert resolver.find(A) is not None


# A function that is slow, or never returns


def test_threads_that_wait_for_a_function_that_hangs_are_let_go(make, application):
    application.gate.clear()
    resolver = make(application.resolve, patience_s=0.05)
    assert outcome(resolver.find, A) == ("resolve_issuer gave no answer in time", 1)


def test_tasks_that_wait_for_a_function_that_hangs_are_let_go(make, application, run):
    application.gate.clear()
    resolver = make(application.resolve, patience_s=0.05)
    found = run(lambda: aoutcome(resolver.afind, A))
    assert found == ("resolve_issuer gave no answer in time", 1)


def test_an_asynchronous_function_that_hangs_is_ended(make, application, run):
    application.gate.clear()
    resolver = make(application.aresolve, patience_s=0.05)
    detail, _ = run(lambda: aoutcome(resolver.afind, A))
    assert detail in ("resolve_issuer failed: TimeoutError", "resolve_issuer failed: TooSlowError")
    assert application.hung_up == 1
    assert resolver._questions == {}


def test_an_asynchronous_function_that_hangs_in_a_loop_of_its_own_is_ended(make, application):
    """Else its thread would be there for good."""
    application.gate.clear()
    resolver = make(application.aresolve, patience_s=0.05)
    detail, _ = outcome(resolver.find, A)
    assert detail.startswith("resolve_issuer ")
    for thread in application.threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_nobody_waits_a_second_time_for_a_question_that_hangs(make, application, clock):
    """Time is simulated: a second wait in real time would end the test run, not this test."""
    application.gate.clear()
    resolver = make(application.resolve, patience_s=0.05)
    outcome(resolver.find, A)
    clock.tick(0.05)
    assert A in resolver._questions
    with ThreadPoolExecutor(1) as late:
        waited = late.submit(outcome, resolver.find, A).result(PATIENCE_S)
    assert waited == ("resolve_issuer gave no answer in time", 1)
    assert application.asked == [A]


def test_a_question_that_hangs_gathers_no_memory_of_those_who_come_too_late(
    make, application, clock, run
):
    """A stranger may ask about the same name a million times."""
    application.gate.clear()
    resolver = make(application.resolve, patience_s=0.05)
    outcome(resolver.find, A)
    clock.tick(0.05)
    for _ in range(20):
        detail, _ = run(lambda: aoutcome(resolver.afind, A))
        assert detail == "resolve_issuer gave no answer in time"
    assert resolver._questions[A].answered._done_callbacks == []


def test_an_answer_that_comes_late_serves_those_who_ask_later(make, application):
    application.gate.clear()
    resolver = make(application.resolve, patience_s=0.05)
    outcome(resolver.find, A)
    application.gate.set()
    application.threads[0].join(PATIENCE_S)
    assert resolver.find(A).settings == Issuer(A)
    assert application.asked == [A]


def test_ten_questions_at_a_time_and_those_that_hang_are_among_them(make, application):
    """A stranger who makes up names gets no more of our threads than this."""
    application.gate.clear()
    resolver = make(application.resolve, patience_s=0.0)
    for number in range(30):
        outcome(resolver.find, name_of(number))
    assert len(application.asked) == MOST_QUESTIONS
    assert outcome(resolver.find, A) == ("resolve_issuer is busy with other issuers", 1)
    application.gate.set()
    for thread in application.threads:
        thread.join(PATIENCE_S)
    assert resolver._questions == {}


def test_ten_asynchronous_questions_at_a_time(asynchronous, application, run):
    application.gate.clear()

    async def open_the_gate():
        while application.at_once < MOST_QUESTIONS:
            await pause()
        application.gate.set()

    async def ask():
        calls = [functools.partial(aoutcome, asynchronous.afind, name_of(n)) for n in range(30)]
        return await together(*calls, open_the_gate)

    results = run(ask)
    busy = ("resolve_issuer is busy with other issuers", 1)
    assert results.count(busy) == 30 - MOST_QUESTIONS
    assert application.most_at_once == MOST_QUESTIONS


# Many who ask about one


def test_many_threads_ask_once(resolver, application):
    application.gate.clear()
    with ThreadPoolExecutor(64) as pool:
        found = [pool.submit(resolver.find, A) for _ in range(64)]
        application.wait_for_question()
        application.gate.set()
        assert len({id(future.result(PATIENCE_S)) for future in found}) == 1
    assert application.asked == [A]


@pytest.mark.parametrize("kind", ["resolve", "aresolve"])
def test_many_tasks_ask_once(make, application, run, kind):
    resolver = make(getattr(application, kind))
    application.gate.clear()

    async def open_the_gate():
        await pause()
        application.gate.set()

    async def ask():
        return await together(*[lambda: resolver.afind(A)] * 64, open_the_gate)

    found = run(ask)[:-1]
    assert {id(known) for known in found} == {id(resolver.find(A))}
    assert application.asked == [A]


@pytest.mark.parametrize("kind", ["resolve", "aresolve"])
def test_threads_and_several_event_loops_ask_once(make, application, kind):
    """Whoever asks first, in whatever loop, asks for all of them."""
    resolver = make(getattr(application, kind))
    application.gate.clear()

    async def tasks():
        return await together(*[lambda: resolver.afind(A)] * 8)

    work = [
        *[lambda: [resolver.find(A)]] * 8,
        *[lambda: asyncio.run(tasks())] * 4,
        *[lambda: trio.run(tasks)] * 4,
    ]
    with ThreadPoolExecutor(len(work)) as pool:
        done = [pool.submit(each) for each in work]
        application.wait_for_question()
        application.gate.set()
        found = [known for future in done for known in future.result(PATIENCE_S)]
    assert len(found) == 8 + 8 * 8
    assert len({id(known) for known in found}) == 1
    assert application.asked == [A]


def test_each_who_waited_gets_an_error_of_its_own(resolver, application):
    """Raising an error writes into it; one for all would grow with every request."""
    application.gate.clear()
    application.error = ValueError()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(resolver.find, A) for _ in range(8)]
        application.wait_for_question()
        application.gate.set()
        errors = [future.exception(PATIENCE_S) for future in waiting]
    assert len({id(error) for error in errors}) == 8
    assert {type(error) for error in errors} == {UnavailableError}


@pytest.mark.parametrize("name", RUNS)
def test_when_the_one_who_asked_hangs_up_another_one_asks(asynchronous, application, name):
    """Promise 1: a caller who hangs up is no failure for those who wait."""
    application.gate.clear()

    async def other():
        while not application.asked:
            await pause()
        return await asynchronous.afind(A)

    async def when_asked_anew():
        while len(application.asked) < 2:
            await pause()
        application.gate.set()

    async def in_trio():
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_soon, scope.cancel)
                await asynchronous.afind(A)

    async def in_asyncio():
        task = asyncio.ensure_future(asynchronous.afind(A))
        await cancel_soon(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    async def cancel_soon(cancel):
        while not application.asked:
            await pause()
        for _ in range(3):  # so that the other one has joined
            await pause()
        cancel()

    first = {"trio": in_trio, "asyncio": in_asyncio}[name]
    _, found, _ = RUNS[name](lambda: together(first, other, when_asked_anew))
    assert found.settings == Issuer(A)
    assert application.asked == [A, A]
    assert application.hung_up == 1


def test_a_thread_asks_anew_when_the_task_that_asked_hangs_up(asynchronous, application):
    application.gate.clear()
    joined = threading.Event()
    open_question = {}

    async def ask_and_leave():
        task = asyncio.ensure_future(asynchronous.afind(A))
        while not application.asked:
            await pause()
        open_question[A] = asynchronous._questions[A]
        joined.set()
        while (
            not open_question[A].answered._done_callbacks and not open_question[A].answered._waiters
        ):
            await pause()
        application.gate.set()
        task.cancel()

    with ThreadPoolExecutor(2) as pool:
        left = pool.submit(asyncio.run, ask_and_leave())
        assert joined.wait(PATIENCE_S)
        found = pool.submit(asynchronous.find, A)
        left.result(PATIENCE_S)
        assert found.result(PATIENCE_S).settings == Issuer(A)
    assert application.asked == [A, A]


def test_a_task_that_hangs_up_does_not_stop_a_thread_that_asks(resolver, application):
    application.gate.clear()

    async def ask_and_leave():
        task = asyncio.ensure_future(resolver.afind(A))
        while not application.asked:
            await pause()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask_and_leave())
    application.gate.set()
    assert resolver.find(A).settings == Issuer(A)
    assert application.asked == [A]


# Where waiting is not possible


def test_in_an_event_loop_a_thread_must_not_wait(resolver, application, run):
    async def ask():
        with pytest.raises(RuntimeError, match=r"await guard\.averify"):
            resolver.find(A)

    run(ask)


def test_in_an_event_loop_what_needs_no_waiting_is_given(resolver, application, run):
    application.strange.add(B)
    known = resolver.find(A)
    resolver.find(B)

    async def ask():
        return resolver.find(A), resolver.find(B)

    assert run(ask) == (known, None)


def test_without_a_question_only_what_is_there_is_given(resolver, application, clock):
    assert outcome(resolver.present, A) == ("nobody has asked who this issuer is yet", 1)
    assert application.asked == []
    application.strange.add(B)
    assert resolver.find(B) is None is resolver.present(B)
    assert resolver.find(A) is resolver.present(A)


# After a fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_in_the_middle_of_a_question_asks_by_itself(resolver, application):
    """The parent's thread and whoever holds the lock do not exist in the child."""
    application.gate.clear()
    application.strange.add(B)
    waiting = threading.Thread(target=outcome, args=(resolver.find, A), daemon=True)
    waiting.start()
    application.wait_for_question()
    with resolver._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(int(PATIENCE_S))  # ends a child that waits for what will never come
            application.gate.set()
            good = resolver.find(A).settings == Issuer(A) and resolver.find(B) is None
            os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert application.asked == [A], "the parent goes on with its own question"
    application.gate.set()
    waiting.join(PATIENCE_S)
    assert resolver.find(A).settings == Issuer(A)


def test_after_a_fork_what_was_found_stays_and_what_may_be_half_written_goes(resolver, application):
    application.strange.add(B)
    known = resolver.find(A)
    resolver.find(B)
    resolver.start_over()
    assert resolver.find(A) is known
    assert resolver.find(B) is None
    assert application.asked == [A, B, B]


def test_a_question_from_before_a_fork_does_not_close_one_from_after_it(make, application, clock):
    """A task that goes on in the child has the question of its parent in its hands."""
    resolver = make(application.aresolve)
    application.gate.clear()

    async def ask():
        task = asyncio.ensure_future(resolver.afind(A))
        while not application.asked:
            await pause()
        resolver.start_over()
        again = asyncio.ensure_future(resolver.afind(A))
        while len(application.asked) < 2:
            await pause()
        (now,) = resolver._questions.values()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert resolver._questions == {A: now}
        application.gate.set()
        return await again

    assert asyncio.run(ask()).settings == Issuer(A)


def test_a_resolver_that_nobody_uses_any_more_is_forgotten(make):
    resolver = make(Issuer)
    resolver.find(A)
    gone = weakref.ref(resolver)
    for thread in threading.enumerate():
        if thread.name == "bearerguard-resolve":
            thread.join(PATIENCE_S)
    del resolver
    gc.collect()
    assert gone() is None


def test_nobody_waits_longer_than_a_fetch_may_take():
    """The answer to the caller comes within seconds, whatever the application's code does."""
    assert module.PATIENCE_S == 5.0

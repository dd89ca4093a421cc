"""The figures of introspection: a thousand at once, and an event loop that never stands still."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio

# Nothing waits as long as this unless the code under test is broken.
PATIENCE_S = 60.0
THREADS, LOOPS, TASKS_A_LOOP = 500, 4, 125


@pytest.mark.requirement("7662-4-6")
def test_a_thousand_requests_of_threads_and_tasks_with_one_token_make_one_call(server):
    """500 threads, two asyncio and two trio loops of 125 tasks each; then a known token none.

    The answer is held back until all thousand have asked.
    """
    may_answer, asking, lock = threading.Event(), Counter(), threading.Lock()
    guard = server.guard(introspection_uri=server.url("/ask"), jwks_timeout="60s")

    def answer(_):
        assert may_answer.wait(PATIENCE_S)
        return server.good()

    server.answer = answer

    def ask(kind):
        with lock:
            asking[kind] += 1
            if asking.total() == THREADS + LOOPS * TASKS_A_LOOP:
                may_answer.set()

    def in_thread():
        ask("thread")
        return [guard.verify("opaque")]

    async def in_task(kind, accepted):
        ask(kind)
        accepted.append(await guard.averify("opaque"))

    def in_asyncio():
        async def tasks(accepted):
            async with asyncio.TaskGroup() as group:
                for _ in range(TASKS_A_LOOP):
                    group.create_task(in_task("asyncio", accepted))
            return accepted

        return asyncio.run(tasks([]))

    def in_trio():
        async def tasks(accepted):
            async with trio.open_nursery() as nursery:
                for _ in range(TASKS_A_LOOP):
                    nursery.start_soon(in_task, "trio", accepted)
            return accepted

        return trio.run(tasks, [])

    with ThreadPoolExecutor(THREADS + LOOPS) as pool:
        work = [in_thread] * THREADS + [in_asyncio, in_trio] * (LOOPS // 2)
        running = [pool.submit(job) for job in work]
        accepted = [token for job in running for token in job.result(PATIENCE_S)]

    assert asking == {"thread": 500, "asyncio": 250, "trio": 250}
    assert [token.subject for token in accepted] == ["user-1"] * 1000
    assert guard.verify("opaque").subject == "user-1"
    assert [asked.target for asked in server.asked] == ["/ask"]


# A hook sees what the interpreter does on whose behalf; it cannot be removed, so that this takes a
# process of its own. None of these has any place in the thread of an event loop.
WATCHED = """
import asyncio, json, sys, threading
from collections import defaultdict

from bearerguard import Guard, RejectedError

BLOCKING = ("import", "open", "compile", "socket.", "ssl.", "os.", "subprocess.", "time.sleep")
guard = Guard.from_env()
seen, is_on = defaultdict(set), False

def watch(event, details):
    if is_on and event.startswith(BLOCKING):
        me = threading.current_thread()
        place = "loop" if me is threading.main_thread() else "elsewhere"
        subject = details[0] if event in ("import", "open") else ""
        seen[place].add(f"{event} {subject}".strip())

async def use():
    global is_on
    is_on = True
    for raw in ("good", "good", "another"):
        await guard.averify(raw)
    try:
        await guard.averify("bad")
    except RejectedError as refusal:
        assert refusal.reason == "token_inactive"
    is_on = False

async def main():
    # What asyncio itself does when it begins, and for the first task, is not ours.
    await asyncio.wait_for(asyncio.sleep(0), 1)
    await use()

sys.addaudithook(watch)
asyncio.run(main())
print(json.dumps({place: sorted(events) for place, events in seen.items()}))
"""


@pytest.mark.process
def test_in_the_thread_of_the_event_loop_nothing_is_loaded_opened_or_looked_up(server, tmp_path):
    """However slow the endpoint, other requests go on: all of it happens in other threads."""
    server.answer = lambda asked: (
        {"active": False} if asked.only("token") == "bad" else server.good()
    )
    settings = {
        "ISSUER": server.issuer.url,
        "AUDIENCE": "https://api.example",
        "ALGORITHMS": "RS256",
        "INTROSPECTION_CLIENT_ID": "api",
        "INTROSPECTION_CLIENT_SECRET": "hush",
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCHED],
        env={**os.environ, **{f"BEARERGUARD_{name}": text for name, text in settings.items()}},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "loop" not in seen, seen["loop"]
    assert "socket.connect" in seen["elsewhere"]
    assert len(server.asked) == 3

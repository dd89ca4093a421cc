"""An issuer that dies and comes back, several times, under APIs with many workers that never rest.

Each worker says when it asked for keys and when it had them, on the clock that all processes of a
machine share. So every single answer is held against what that worker could know, and no bound of
time has to be guessed.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

import pytest

pytestmark = [pytest.mark.process, pytest.mark.untraced]

TTL_S, STALE_FOR_S = 1.0, 3.0
# The jitter shortens the time to live by up to this share.
JITTER_SHARE = 0.1
# An unknown key id is taken at most so long after its key was published.
KNOWN_AFTER_S = 10.0
OUTAGES = 3
# A back-off may have grown to 8 s, and the budget gives one attempt in 10 s.
RECOVERY_S = 60.0

SERVERS = {
    "gunicorn": (4, ["gunicorn", "--preload", "--workers", "4", "--bind", "127.0.0.1:0"]),
    "uvicorn": (2, ["uvicorn", "--workers", "2", "--port", "0"]),
}
APPS = {"gunicorn": "watched_apps:wsgi", "uvicorn": "watched_apps:asgi"}


class Traffic:
    """Threads that ask an API without end, with tokens of the oldest and of the newest key."""

    def __init__(self, api, workers, key_server, threads=3):
        self.api = api
        self.heard = []
        self.problems = []
        self._workers = workers
        self._key_server = key_server
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self._over.set()
        for thread in self._threads:
            thread.join(RECOVERY_S)

    def _run(self):
        try:
            for key in self._keys():
                if self._over.wait(0.01):  # a rest for the machine; nothing depends on it
                    return
                self.heard.append(self.api.get(self._key_server.tokens.token(key=key), key.kid))
        except Exception as problem:  # noqa: BLE001  the main thread looks at it
            self.problems.append(problem)

    def _keys(self) -> Iterator:
        for turn in itertools.count():
            keys = self._key_server.tokens.keys
            yield keys[-1] if turn % 2 else keys[0]

    def all_workers_say(self, status, since, kid=None):
        """Tell whether each worker has answered so since then, for this key if one is named."""
        assert not self.problems
        found = {
            one.worker
            for one in self.heard
            if one.asked_at >= since and one.status == status and kid in (None, one.kid)
        }
        return len(found) == self._workers


class Fetch(NamedTuple):
    """A fetch that brought keys: it began after ``begun_at``, and asked for them after ``asked_at``.

    The answer was there before ``answered_at``, and the worker took the keys over before
    ``over_at``. Their age counts from the fetch's begin at the earliest, from the answer at the
    latest.
    """

    begun_at: float
    asked_at: float
    answered_at: float
    over_at: float


def has_settled(api):
    """Tell whether each fetch that was begun is over, also for those who write down what was."""
    last = {event.worker: event.what for event in api.events()}
    return set(last.values()) <= {"fetched", "failed"}


def fetches_of(api):
    """Give the fetches that brought keys, by worker."""
    found, last = {}, {}
    for event in api.events():
        if event.what == "fetched":
            asked_at, answered_at = last[event.worker, "pair"]
            begun_at = answered_at - event.duration_s  # it went on for a little longer than that
            fetch = Fetch(begun_at, asked_at, answered_at, event.at)
            found.setdefault(event.worker, []).append(fetch)
        last[event.worker, event.what] = event.at
        if event.what == "answered":
            # What "fetched" tells may come when the next fetch asks already.
            last[event.worker, "pair"] = last[event.worker, "asking"], event.at
    return found


def refused_too_early(one, published_at, fetches):
    """Tell whether a worker said 503 although it had the key, in a set that may serve."""
    life_s = TTL_S * (1 - JITTER_SHARE) + STALE_FOR_S
    there = [f for f in fetches if f.asked_at >= published_at and f.over_at <= one.asked_at]
    return any(one.heard_at < f.begun_at + life_s for f in there)


def served_too_late(one, fetches):
    """Tell whether a worker said 200 although all keys that it ever had were too old."""
    had = [f for f in fetches if f.begun_at <= one.heard_at]
    return all(f.answered_at + TTL_S + STALE_FOR_S < one.asked_at for f in had)


@pytest.fixture
def traffics(start_watched, key_server):
    """Traffic at both servers."""
    bounds = {"JWKS_TTL": f"{TTL_S:g}s", "JWKS_STALE_FOR": f"{STALE_FOR_S:g}s"}
    apis = {
        name: (start_watched([*command, APPS[name]], **bounds), workers)
        for name, (workers, command) in SERVERS.items()
    }
    with ExitStack() as stack:
        yield [
            stack.enter_context(Traffic(api, workers, key_server)) for api, workers in apis.values()
        ]


@pytest.mark.requirement("GEN-7", "JWKS-3")
def test_outages_and_rotations_refuse_no_good_token_and_cost_nothing_before_the_stale_bound(
    key_server, traffics, wait_for
):
    """Promises 3, 4 and 8: never 401 for a good token, 503 only without keys that may serve."""

    def everybody_says(status, kid=None):
        since = time.monotonic()
        wait_for(lambda: all(t.all_workers_say(status, since, kid) for t in traffics), RECOVERY_S)

    everybody_says(200)
    for _ in range(OUTAGES):
        key_server.kill()
        everybody_says(503)
        key_server.start()
        key_server.rotate()
        everybody_says(200, key_server.tokens.key.kid)

    for traffic in traffics:
        traffic.end()
        wait_for(partial(has_settled, traffic.api))
        fetches = fetches_of(traffic.api)
        for one in traffic.heard:
            check(one, key_server.published_at[one.kid], fetches[one.worker])


def check(one, published_at, fetches):
    """Hold one answer to a good token against what its worker could know."""
    if one.status == 503:
        assert not refused_too_early(one, published_at, fetches), one
        assert 1 <= int(one.fields["retry-after"]) <= 60
        assert "www-authenticate" not in one.fields
    elif one.status == 401:
        assert one.asked_at < published_at + KNOWN_AFTER_S, one
    else:
        assert one.status == 200
        assert not served_too_late(one, fetches), one

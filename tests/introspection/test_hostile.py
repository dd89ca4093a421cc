"""An introspection endpoint can answer anything at any speed: 503 in time, in bounded memory."""

import importlib.util
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bearerguard import RejectedError, UnavailableError
from bearerguard.jwks.fetch import HttpFetcher

pytestmark = pytest.mark.untraced

# By its path: test folders are no packages, so that it has no name to import it by.
_file = Path(__file__).parents[1] / "jwks/test_hostile_endpoints.py"
_spec = importlib.util.spec_from_file_location("hostile_endpoints", _file)
HOSTILE = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(HOSTILE)

# Answers as they should be, but for "active".
OBJECTS = ("no list of keys", "null among the keys")
PATIENCE_S = 20.0
SHORT_S = 0.3
# As for the keys, which may be eight times as long.
MOST_MEMORY = 24 * (1 << 20)


class Impatient:
    """A Fetcher with less time than a setting can ask for."""

    def fetch(self, url, *, timeout_s, **others):
        return HttpFetcher().fetch(url, timeout_s=min(SHORT_S, timeout_s), **others)


@pytest.fixture
def verify(server):
    """Verify, but never wait for longer than a test may take."""

    def of(handle, **how):
        server.answer = lambda _: handle
        guard = server.guard(introspection_uri=server.url("/ask"), **how)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(guard.verify, "opaque").result(PATIENCE_S)

    yield of
    for thread in threading.enumerate():
        if thread.name == "bearerguard-introspect":
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@pytest.mark.requirement("7662-2.3-2", "7662-4-7")
@pytest.mark.parametrize("name", HOSTILE.AT_ONCE)
def test_whatever_the_endpoint_sends_it_is_503_in_bounded_memory(name, verify):
    handle = HOSTILE.AT_ONCE[name]()

    tracemalloc.start()
    try:
        with pytest.raises(RejectedError if name in OBJECTS else UnavailableError):
            verify(handle)
        _, highest = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert highest < MOST_MEMORY


@pytest.mark.requirement("7662-4-7")
@pytest.mark.parametrize("name", HOSTILE.SLOW)
def test_however_slowly_the_endpoint_answers_it_is_503_in_time(name, verify):
    with pytest.raises(UnavailableError):
        verify(HOSTILE.SLOW[name](), fetcher=Impatient())

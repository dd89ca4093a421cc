"""gunicorn forks its workers, with --preload after the application was loaded."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

COMMON = """
import importlib.abc, os, signal, sys, threading
signal.alarm(60)  # a deadlock must not outlive the test

def in_child(check):
    pid = os.fork()
    if pid == 0:
        signal.alarm(15)
        try:
            check()
        except BaseException as error:
            print("child:", repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def run(script):
    # Python 3.12 warns that a process with threads forks: this is the very point here.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c"]
    source = COMMON + textwrap.dedent(script)
    return subprocess.run(
        [*command, source], capture_output=True, text=True, timeout=90, check=False
    )


def test_a_child_forked_in_the_middle_of_a_fetch_fetches_for_itself():
    """Neither the parent's lock, nor its flight, nor the future it waits for holds the child up."""
    result = run("""
        from bearerguard.core.key_set import Key, KeySet
        from bearerguard.jwks.cache import KeyCache
        from bearerguard.jwks.states import LoadedKeys
        from bearerguard.jwks.source import KeySource

        parent, go, loading = os.getpid(), threading.Event(), threading.Event()

        def load(*, anew=False):
            loading.set()
            if os.getpid() == parent:
                go.wait(60)
            kid = "parent" if os.getpid() == parent else "child"
            return LoadedKeys(KeySet((Key(kid, frozenset(), kid, None),)), None)

        cache = KeyCache(ttl_s=None, stale_for_s=0.0, deadline_s=50.0, jitter=lambda: 0.0)
        source = KeySource(load, cache)
        waiting = threading.Thread(target=source.keys, args=("parent",))
        waiting.start()
        loading.wait(60)
        source._lock.acquire()  # as if another thread were about to ask

        def check():
            assert ["child"] == [key.kid for key in source.keys("child")]

        status = in_child(check)
        source._lock.release()
        go.set()
        waiting.join(60)
        assert ["parent"] == [key.kid for key in source.keys("parent")]
        print("exit", status)
    """)

    assert result.stdout == "exit 0\n", result.stderr


def test_a_fork_waits_until_a_fetch_thread_has_loaded_the_http_client():
    """Else the child inherits an import lock that nobody holds, and can never fetch."""
    result = run("""
        from bearerguard.jwks.fetch import FetchError, HttpFetcher

        loading, forking = threading.Event(), threading.Event()

        class SlowDisk(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name == "httpx._client":
                    loading.set()
                    forking.wait(60)
                return None

        sys.meta_path.insert(0, SlowDisk())
        os.register_at_fork(before=forking.set)

        def fetch():
            try:
                HttpFetcher().fetch("http://127.0.0.1:1/", headers={}, timeout_s=5, max_bytes=1)
            except FetchError:
                return

        thread = threading.Thread(target=fetch)
        thread.start()
        loading.wait(60)
        print("exit", in_child(fetch))
        thread.join(60)
    """)

    assert result.stdout == "exit 0\n", result.stderr

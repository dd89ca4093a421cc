"""The workers of a host share their keys by a file: BEARERGUARD_JWKS_SNAPSHOT, under gunicorn."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = [pytest.mark.process, pytest.mark.untraced]

WORKERS, AT_ONCE = 4, 8
GUNICORN = ["gunicorn", "--workers", str(WORKERS), "--bind", "127.0.0.1:0", "watched_apps:wsgi"]
# A worker that failed to fetch waits for its back-off and for its budget, 10 s and some.
RECOVERY_S = 60.0
BOTH_REQUESTS = ["/.well-known/oauth-authorization-server", "/jwks.json"]


@pytest.fixture(params=[["--preload"], []], ids=["preload", "no preload"])
def start_api(request, start_watched, tmp_path):
    return lambda: start_watched([*GUNICORN, *request.param], JWKS_SNAPSHOT=str(tmp_path / "keys"))


@pytest.fixture
def snapshot(tmp_path):
    return tmp_path / "keys"


def ask_all_workers(api, token, within_s=RECOVERY_S):
    """Ask, many at once, until each worker has answered; give all statuses, by worker."""
    heard, ends_at, lock = {}, time.monotonic() + within_s, threading.Lock()

    def ask(_):
        while len(heard) < WORKERS:
            assert time.monotonic() < ends_at, f"only {len(heard)} workers answered"
            one = api.get(token)
            with lock:
                heard.setdefault(one.worker, set()).add(one.status)
            time.sleep(0.01)  # a rest for the machine; nothing depends on it

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, range(AT_ONCE)))
    return heard


def everybody(status, heard):
    return list(heard.values()) == [{status}] * WORKERS


def ignored(api):
    return [line for line in api.server.output().splitlines() if "is ignored" in line]


@pytest.mark.requirement("JWKS-3")
def test_workers_that_start_together_make_one_fetch_and_after_a_restart_need_none(
    key_server, start_api
):
    """Promise 10: a host of four workers asks once, and its next start survives a dead issuer."""
    api, token = start_api(), key_server.tokens.token()

    assert everybody(200, ask_all_workers(api, token))

    assert key_server.take_requests() == BOTH_REQUESTS
    api.server.stop()
    key_server.kill()
    restarted = start_api()

    assert everybody(200, ask_all_workers(restarted, token))

    assert restarted.events() == []  # nobody even tried
    restarted.server.stop()


def test_a_damaged_file_is_ignored_until_the_issuer_is_back(
    key_server, start_api, snapshot, wait_for
):
    """Promise 10: a line in the log, 503, and by itself the keys and the file are good again."""
    snapshot.write_text('{"format": 1, "keys": ')
    snapshot.chmod(0o600)
    key_server.kill()
    api, token = start_api(), key_server.tokens.token()

    assert everybody(503, ask_all_workers(api, token))

    assert ignored(api)
    assert str(snapshot) in ignored(api)[0]
    key_server.start()
    wait_for(lambda: everybody(200, ask_all_workers(api, token)), RECOVERY_S)
    before = snapshot.read_bytes()
    api.server.stop()
    key_server.kill()
    restarted = start_api()
    assert everybody(200, ask_all_workers(restarted, token))
    assert ignored(restarted) == []
    assert snapshot.read_bytes() == before
    restarted.server.stop()

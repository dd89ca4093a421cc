"""The last good keys in a file: one fetch for all, and keys after a restart with the issuer down."""

import contextlib
import json
import logging
import os
import resource
import threading

import pytest

from bearerguard.core.jwk import parse_key_set
from bearerguard.jwks.host_lock import HostLock
from bearerguard.jwks.keys import LoadError
from bearerguard.jwks.snapshot import SharedKeys
from bearerguard.jwks.snapshot_format import read_snapshot, write_snapshot
from bearerguard.jwks.source import KeySource
from bearerguard.jwks.states import LoadedKeys
from bearerguard.testing import SigningKey

PATIENCE_S = 20.0
ISSUER = "https://issuer.example"
URL = "https://issuer.example/jwks"
TTL_S = 300.0
STALE_FOR_S = 3600.0
# From 80 % of its time to live on a set is renewed and no longer handed on.
REFRESH_AFTER_S = 240.0
KEYS = [dict(SigningKey.generate("ES256", kid=f"kid-{number}").jwk) for number in range(3)]


def loaded_keys(*members, max_age_s=None, url=URL):
    document = json.dumps({"keys": list(members)}).encode()
    return LoadedKeys(parse_key_set(document), max_age_s, document, url)


def kids(loaded):
    return None if loaded is None else [key.kid for key in loaded.keys.keys]


class Endpoint:
    """What makes the requests: it counts them, and answers as the test says."""

    def __init__(self):
        self.answer = loaded_keys(KEYS[0])
        self.asked = []  # with or without anew
        self.before = lambda: None

    @property
    def calls(self):
        return len(self.asked)

    def __call__(self, *, anew=False):
        self.asked.append(anew)
        self.before()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
def file(folder):
    return folder / "keys.json"


@pytest.fixture
def endpoint():
    return Endpoint()


@pytest.fixture
def worker(file, clock, endpoint):
    """Make what one process of the host has; all of them use one file."""

    def make(**changes):
        settings = {
            "load": endpoint,
            "file": str(file),
            "issuer": ISSUER,
            "timeout_s": 5.0,
            "stale_for_s": STALE_FOR_S,
            "wall_clock": clock,
        }
        return SharedKeys(**(settings | changes))

    return make


@pytest.fixture
def warnings(caplog):
    """The lines that were logged since the last look."""
    caplog.set_level(logging.INFO, logger="bearerguard")

    def since():
        lines = [record.getMessage() for record in caplog.records]
        assert all(record.levelno == logging.WARNING for record in caplog.records)
        caplog.clear()
        return lines

    return since


# One fetch for all.


def test_what_one_process_fetched_all_others_have(worker, endpoint, clock):
    assert worker()().is_shared is False
    clock.tick(7)

    for neighbour in [worker() for _ in range(5)]:
        loaded = neighbour()
        assert (kids(loaded), loaded.is_shared, loaded.age_s) == (["kid-0"], True, 7)
    assert endpoint.calls == 1


def test_shared_keys_are_all_that_the_fetch_brought(worker, endpoint):
    """The same refused keys, document and URL, so that everything behind works as after a fetch."""
    endpoint.answer = loaded_keys({**KEYS[1], "d": "AQAB"}, KEYS[0], None, max_age_s=600.0)
    own, shared = worker()(), worker()()

    assert shared == LoadedKeys(own.keys, 600.0, own.document, URL, 0.0, is_shared=True)
    assert [key.reason for key in shared.keys.refused] == ["private or symmetric", "not an object"]


def test_making_the_load_touches_no_file(worker, folder):
    worker(file=str(folder / "no folder" / "keys.json"))

    assert list(folder.iterdir()) == []


def test_a_process_does_not_take_the_keys_that_it_has_already(worker, endpoint):
    """It asks because something is missing in them, or because they grow old."""
    own, neighbour = worker(), worker()
    own()
    own()
    neighbour()
    neighbour()

    assert endpoint.calls == 3


def test_a_process_takes_what_a_neighbour_renewed(worker, endpoint, clock):
    first, second = worker(), worker()
    first()
    clock.tick(REFRESH_AFTER_S)
    endpoint.answer = loaded_keys(KEYS[1])
    second()

    loaded = first()

    assert (kids(loaded), loaded.is_shared) == (["kid-1"], True)
    assert endpoint.calls == 2


@pytest.mark.parametrize(
    ("settings", "max_age_s", "refresh_after_s"),
    [
        ({}, None, REFRESH_AFTER_S),
        ({}, 600.0, 480.0),
        ({}, 0.0, 48.0),
        ({}, 1e9, 2880.0),
        ({"ttl_s": 100.0}, 600.0, 80.0),
    ],
)
def test_keys_are_handed_on_until_they_are_due_for_renewal(
    worker, endpoint, clock, settings, max_age_s, refresh_after_s
):
    endpoint.answer = loaded_keys(KEYS[0], max_age_s=max_age_s)
    worker()()
    clock.tick(refresh_after_s - 0.5)
    assert worker(**settings)().is_shared
    clock.tick(0.5)
    assert not worker(**settings)().is_shared


def test_keys_that_did_not_change_are_young_again_for_all(worker, endpoint, clock):
    """A 304 brings the old document, and the issuer's word that it is still the right one."""
    worker()()
    clock.tick(REFRESH_AFTER_S)
    worker()()
    clock.tick(10)

    loaded = worker()()

    assert (loaded.is_shared, loaded.age_s) == (True, 10)
    assert endpoint.calls == 2


def test_asked_anew_the_stored_keys_are_not_taken(worker, endpoint):
    """They are known to lack a key."""
    worker()()
    endpoint.answer = loaded_keys(KEYS[1])

    loaded = worker()(anew=True)

    assert (kids(loaded), loaded.is_shared) == (["kid-1"], False)
    assert endpoint.asked == [False, True]
    assert kids(worker()()) == ["kid-1"]  # and what came is there for the neighbours


def test_asked_anew_nobody_waits_for_a_neighbour(worker, endpoint, file, clock):
    with HostLock(f"{file}.lock", 5.0, wall_clock=clock) as held:
        assert held.take()

        assert kids(worker(timeout_s=0.0)(anew=True)) == ["kid-0"]


def test_while_one_asks_anew_others_wait_for_what_that_brings(worker, endpoint, file, clock):
    def look_at_the_lock():
        with HostLock(f"{file}.lock", 5.0, wall_clock=clock) as lock:
            assert not lock.take()

    endpoint.before = look_at_the_lock

    worker()(anew=True)


def test_a_failure_of_the_issuer_is_told_as_it_is(worker, endpoint, folder):
    endpoint.answer = LoadError("the issuer is down", retry_after_s=7.0)

    with pytest.raises(LoadError) as failure:
        worker()()

    assert failure.value is endpoint.answer
    assert not (folder / "keys.json").exists()


def test_after_a_failure_the_next_one_has_its_turn(worker, endpoint):
    endpoint.answer = LoadError("the issuer is down")
    with pytest.raises(LoadError):
        worker()()
    endpoint.answer = loaded_keys(KEYS[0])

    assert not worker()().is_shared


def test_who_waits_is_served_by_what_the_neighbour_brings(worker, endpoint, clock, file):
    """As soon as it is there, though the lock may have gone to yet another one."""
    looks = []

    class Watch:
        def __call__(self):
            looks.append(None)
            if len(looks) == 5:
                file.write_bytes(write_snapshot(loaded_keys(KEYS[2]), ISSUER, clock.now))
                file.chmod(0o600)
            return 0.0

    with HostLock(f"{file}.lock", 5.0, wall_clock=clock) as held:
        held.take()
        loaded = worker(clock=Watch())()

    assert (kids(loaded), loaded.is_shared) == (["kid-2"], True)
    assert endpoint.calls == 0


class Ticking:
    """A monotonic clock that goes on at each look."""

    def __init__(self, step_s):
        self.now = 0.0
        self.step_s = step_s

    def __call__(self):
        self.now += self.step_s
        return self.now


def test_nobody_waits_for_longer_than_the_caller_does(worker, endpoint, clock, file):
    with HostLock(f"{file}.lock", 5.0, wall_clock=clock) as held:
        held.take()

        with pytest.raises(LoadError, match=r"keys\.json.* within 5 s"):
            worker(clock=Ticking(1.0))()

    assert endpoint.calls == 0


def test_a_lock_that_is_not_given_back_is_done_without(worker, endpoint, clock, file, warnings):
    """Whoever has it was stopped, perhaps in the middle of a debugger's session."""
    with HostLock(f"{file}.lock", 5.0, wall_clock=clock) as held:
        held.take()
        clock.tick(5.1)
        one = worker(clock=Ticking(0.1))

        assert not one().is_shared
        assert worker()().is_shared

        lines = warnings()
        clock.tick(REFRESH_AFTER_S)
        assert not one().is_shared

    assert lines == [
        f"fetching without the lock {file}.lock: its holder has had it for longer than 5 s"
    ]
    assert warnings() == []


def test_without_a_lock_the_keys_are_fetched_and_stored(worker, file, warnings):
    (file.parent / "keys.json.lock").mkdir()
    one = worker()
    one()
    one()

    assert worker()().is_shared
    assert warnings() == [f"fetching without the lock {file}.lock: is not a regular file"]


def test_many_sources_at_once_make_one_fetch(worker, endpoint, make_cache):
    """As the workers of a host do; here they are threads, so that this is quick."""
    begun, go = threading.Event(), threading.Event()

    def hold():
        begun.set()
        assert go.wait(PATIENCE_S)

    endpoint.before = hold
    settings = {"timeout_s": PATIENCE_S}
    sources = [KeySource(worker(**settings), make_cache(deadline_s=PATIENCE_S)) for _ in range(16)]
    found = []
    threads = [
        threading.Thread(target=lambda source=source: found.append(source.keys("kid-0")))
        for source in sources
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(PATIENCE_S)
    go.set()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert [[key.kid for key in keys] for keys in found] == [["kid-0"]] * 16
    assert endpoint.calls == 1


# What is newer stays.


def test_an_older_answer_does_not_overwrite_a_newer_one(worker, endpoint, clock):
    """A load hangs, a neighbour fetches meanwhile, and then the first answer comes after all."""
    neighbour = worker(load=lambda *, anew=False: loaded_keys(KEYS[1]))

    def meanwhile():
        clock.tick(1)
        neighbour(anew=True)
        clock.tick(1)

    endpoint.before = meanwhile

    assert kids(worker()()) == ["kid-0"]
    assert kids(worker()()) == ["kid-1"]


def test_a_newer_answer_overwrites_one_from_a_clock_that_was_wrong(worker, endpoint, clock):
    worker()()
    clock.tick(-3600)
    endpoint.answer = loaded_keys(KEYS[1])
    worker()()

    assert kids(worker()()) == ["kid-1"]


def test_after_the_clock_was_set_back_keys_are_shared_again(worker, endpoint, clock):
    one, other = worker(), worker()
    one()
    other()
    clock.tick(-3600)
    one()
    other()
    clock.tick(REFRESH_AFTER_S)
    one()

    assert other().is_shared


class Hands:
    """A monotonic clock whose hands a test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_an_answer_that_took_too_long_is_not_kept(worker, endpoint, file):
    """An endpoint that drips for an hour would give old keys a new date."""
    hands = Hands()

    def slow():
        hands.now += 5.0

    endpoint.before = slow
    worker(clock=hands)()

    assert not file.exists()


def test_an_answer_just_in_time_is_kept(worker, endpoint, file):
    hands = Hands()

    def slow():
        hands.now += 4.9

    endpoint.before = slow
    worker(clock=hands)()

    assert file.exists()


def test_keys_that_came_after_the_caller_had_gone_serve_it_next_time(worker, endpoint, clock, file):
    """It waited for a neighbour that failed, and then its own fetch was too late for it."""
    one = worker(clock=Ticking(4.0))  # 4 s until the fetch begins, and 4 s for that
    one()

    one.clock = Hands()
    assert one().is_shared
    assert endpoint.calls == 1


def test_the_age_of_keys_counts_from_the_question_that_brought_them(worker, endpoint, clock):
    """RFC 9111 section 4.2.3: how long the answer took belongs to its age."""
    endpoint.before = lambda: clock.tick(3)
    worker()()
    clock.tick(1)

    assert worker()().age_s == 4


# After a restart.


def test_without_a_file_nothing_is_restored_and_nothing_logged(worker, warnings):
    assert worker().restore() is None
    assert warnings() == []


def test_after_a_restart_keys_are_as_old_as_their_fetch_however_many_restarts_later(
    worker, endpoint, clock
):
    worker()()
    endpoint.answer = LoadError("the issuer is down")
    for restart in range(1, 6):
        clock.tick(600)
        reborn = worker()

        loaded = reborn.restore()

        assert (kids(loaded), loaded.is_shared) == (["kid-0"], True)
        assert loaded.age_s == restart * 600
        with pytest.raises(LoadError):
            reborn()
    assert endpoint.calls == 6


@pytest.mark.parametrize(
    ("settings", "max_age_s", "dead_after_s"),
    [
        ({}, None, TTL_S + STALE_FOR_S),
        ({}, 600.0, 600.0 + STALE_FOR_S),
        ({"ttl_s": 30.0}, 600.0, 30.0 + STALE_FOR_S),
        ({"stale_for_s": 0.0}, None, TTL_S),
    ],
)
def test_keys_are_restored_until_their_last_second(
    worker, endpoint, clock, warnings, file, settings, max_age_s, dead_after_s
):
    """Design: time to live, and STALE_FOR after it, whatever was restarted in between."""
    endpoint.answer = loaded_keys(KEYS[0], max_age_s=max_age_s)
    worker()()

    clock.tick(dead_after_s - 0.5)
    assert worker(**settings).restore().age_s == dead_after_s - 0.5
    assert warnings() == []
    clock.tick(0.5)
    assert worker(**settings).restore() is None
    assert warnings() == [f"the key snapshot {file} is ignored: is too old"]


def test_restored_keys_are_not_taken_for_new_ones(worker, endpoint):
    worker()()
    reborn = worker()
    reborn.restore()

    assert not reborn().is_shared


def test_restored_keys_give_way_to_those_of_a_neighbour(worker, endpoint, clock):
    worker()()
    reborn = worker()
    reborn.restore()
    clock.tick(5)
    worker()(anew=True)

    loaded = reborn()

    assert (loaded.is_shared, loaded.age_s) == (True, 0)


def test_a_restored_set_serves_a_source_whose_issuer_is_down(worker, endpoint, make_cache, clock):
    worker()()
    endpoint.answer = LoadError("the issuer is down")
    clock.tick(TTL_S + 1)
    reborn = worker()
    cache = make_cache()
    cache.restore(reborn.restore(), clock.now)
    source = KeySource(reborn, cache, clock)

    assert [key.kid for key in source.keys("kid-0")] == ["kid-0"]


# Files that are passed over.


def of(issuer=ISSUER, url=URL, fetched_at=1_800_000_000.0):
    return write_snapshot(loaded_keys(KEYS[1], url=url), issuer, fetched_at)


def put(file, content):
    file.write_bytes(content)
    file.chmod(0o600)


UNUSABLE = {
    "empty": (b"", "is damaged"),
    "damaged": (of().replace(b"kid-1", b"kid-2"), "is damaged"),
    "torn": (of()[:-10], "is damaged"),
    "other file": (b'{"keys": []}', "is not of the format"),
    "oversized": (of() + b" " * 3_000_000, "is larger than"),
    "of another issuer": (of(issuer=f"{ISSUER}/"), "holds the keys of another issuer"),
    "http": (of(url="http://issuer.example/jwks"), "does not begin with https://"),
    "loopback": (of(url="https://127.0.0.1/jwks"), "is an internal address"),
    "no URL": (of(url=""), "is not an absolute URL"),
    "future": (of(fetched_at=1_800_000_000.5), "is from the future"),
}


@pytest.mark.parametrize(("content", "problem"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_used_is_passed_over_with_a_line_in_the_log(
    worker, endpoint, file, warnings, content, problem
):
    put(file, content)
    reborn = worker()

    assert reborn.restore() is None
    (line,) = warnings()
    assert line.startswith(f"the key snapshot {file} is ignored: ")
    assert problem in line
    assert KEYS[1]["x"] not in line

    assert kids(reborn()) == ["kid-0"]
    assert kids(worker()()) == ["kid-0"]  # and a good one is there again
    assert endpoint.calls == 1


def test_keys_of_this_very_second_are_not_from_the_future(worker, file):
    put(file, of(fetched_at=1_800_000_000.0))

    assert worker().restore().age_s == 0


@pytest.mark.parametrize(
    ("stored", "configured", "taken"),
    [
        (URL, None, True),
        (URL, URL, True),
        ("https://other.example/jwks", None, True),
        ("https://other.example/jwks", URL, False),
        (f"{URL}/", URL, False),
        ("http://issuer.example/jwks", "http://issuer.example/jwks", True),
    ],
)
def test_keys_come_from_where_a_fetch_would_have_brought_them(
    worker, file, warnings, stored, configured, taken
):
    """The configured jwks_uri exactly; without one, whatever the metadata may name."""
    put(file, of(url=stored))

    assert (worker(jwks_uri=configured).restore() is not None) == taken
    assert warnings() == (
        [] if taken else [f"the key snapshot {file} is ignored: does not come from jwks_uri"]
    )


def test_http_is_taken_where_the_operator_allowed_it(worker, file):
    put(file, of(url="http://issuer.example/jwks"))

    assert worker().restore() is None
    assert worker(http_allowed=True).restore() is not None


def link(file):
    put(file.with_name("elsewhere"), of())
    file.symlink_to(file.with_name("elsewhere"))


def dead_link(file):
    file.symlink_to(file.with_name("nowhere"))


def writable_by_others(file):
    put(file, of())
    file.chmod(0o602)


def writable_by_the_group(file):
    put(file, of())
    file.chmod(0o620)


def of_another_user(file):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    put(file, of())
    os.chown(file, 12345, -1)


REPLACEABLE = [link, dead_link, os.mkfifo, writable_by_others, writable_by_the_group]


@pytest.mark.parametrize("spoil", [*REPLACEABLE, of_another_user])
def test_a_file_that_others_may_have_written_is_passed_over_and_replaced(
    worker, file, warnings, spoil
):
    """Design, promise 10: a snapshot is trusted as code is."""
    spoil(file)

    assert worker().restore() is None
    assert len(warnings()) == 1
    assert kids(worker()()) == ["kid-0"]
    assert kids(worker().restore()) == ["kid-0"]
    assert not file.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_uid == os.geteuid()


def test_what_a_link_led_to_is_left_alone(worker, file):
    link(file)
    worker()()

    assert file.with_name("elsewhere").read_bytes() == of()


def test_a_folder_that_others_came_to_write_in_is_not_trusted_any_more(
    worker, endpoint, file, folder, warnings
):
    one = worker()
    one()
    before = file.read_bytes()
    folder.chmod(0o777)
    endpoint.answer = loaded_keys(KEYS[1])

    assert kids(one()) == ["kid-1"]
    assert worker().restore() is None
    assert file.read_bytes() == before
    lines = warnings()
    assert any("is ignored" in line for line in lines)
    assert any("cannot be written" in line for line in lines)
    assert any("without the lock" in line for line in lines)
    assert all("writable by others" in line for line in lines)

    folder.chmod(0o755)
    assert kids(one()) == ["kid-1"]
    assert kids(worker().restore()) == ["kid-1"]


def test_the_file_is_looked_at_anew_each_time(worker, file, folder):
    """What was found good once may be in somebody else's hands by now."""
    worker()()
    one = worker()
    assert one.restore() is not None
    file.chmod(0o606)

    assert one.restore() is None


# The log.


def test_one_and_the_same_damage_is_told_once(worker, file, warnings):
    put(file, b"damaged")
    one = worker()
    for _ in range(100):
        one.restore()
    assert len(warnings()) == 1

    put(file, b"damaged differently")
    for _ in range(100):
        one.restore()
    assert len(warnings()) == 1


@pytest.mark.parametrize("age_s", [-60, 100_000])
def test_one_and_the_same_bad_time_is_told_once(worker, file, clock, warnings, age_s):
    put(file, of(fetched_at=clock.now - age_s))
    one = worker()
    for _ in range(100):
        one.restore()
    assert len(warnings()) == 1

    put(file, of(fetched_at=clock.now - age_s - 1))
    for _ in range(100):
        one.restore()
    assert len(warnings()) == 1


def test_damage_after_a_good_file_is_told_again(worker, file, warnings):
    put(file, b"")
    one = worker()
    for _ in range(2):
        assert one.restore() is None
        assert len(warnings()) == 1
        one()
        assert one.restore() is not None
        put(file, b"")


def test_a_trust_that_was_lost_again_is_told_again(worker, file, warnings):
    one = worker()
    for _ in range(2):
        put(file, of())
        file.chmod(0o606)
        assert one.restore() is None
        assert one.restore() is None
        assert len(warnings()) == 1
        put(file, of())
        assert one.restore() is not None


def test_unchanged_content_is_not_parsed_again(worker, file, monkeypatch):
    """While a process waits it looks every 20 ms, and a set may have a hundred keys."""
    parsed = []
    monkeypatch.setattr(
        "bearerguard.jwks.snapshot.read_snapshot",
        lambda content: parsed.append(content) or read_snapshot(content),
    )
    worker()()
    one = worker()
    for _ in range(10):
        assert one.restore() is not None
    assert len(parsed) == 1


def test_a_representation_shows_no_document(worker):
    one = worker()
    one()
    one.restore()

    assert KEYS[0]["x"] not in repr(one)


# What cannot be written.


@contextlib.contextmanager
def files_of_at_most(size):
    """The nearest that a test gets to a full disk: writing more than this fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_nobody_the_keys(worker, endpoint, file, folder, warnings):
    one = worker()
    with files_of_at_most(100):
        for _ in range(3):
            assert kids(one()) == ["kid-0"]
    (line,) = warnings()
    assert line.startswith(f"the key snapshot {file} cannot be written")
    assert sorted(path.name for path in folder.iterdir()) == ["keys.json.lock"]

    one()
    assert kids(worker().restore()) == ["kid-0"]
    with files_of_at_most(100):
        one()
    assert len(warnings()) == 1  # it is news again


def test_a_full_disk_leaves_the_last_good_file(worker, endpoint, file):
    worker()()
    endpoint.answer = loaded_keys(KEYS[1])
    with files_of_at_most(100):
        assert kids(worker()(anew=True)) == ["kid-1"]

    assert kids(worker().restore()) == ["kid-0"]


def test_a_folder_in_the_place_of_the_file_costs_nobody_the_keys(worker, file, warnings):
    file.mkdir()
    one = worker()

    assert one.restore() is None
    assert kids(one()) == ["kid-0"]
    assert kids(one()) == ["kid-0"]
    lines = warnings()
    assert len(lines) == 2
    assert "is not a regular file" in lines[0]
    assert "cannot be written" in lines[1]


def test_a_missing_folder_costs_nobody_the_keys(worker, folder):
    one = worker(file=str(folder / "gone" / "keys.json"))

    assert one.restore() is None
    assert kids(one()) == ["kid-0"]


def test_a_file_that_cannot_be_read_costs_nobody_the_keys(worker, file, monkeypatch, warnings):
    worker()()

    def broken(_path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("bearerguard.jwks.snapshot.open_trusted", broken)
    one = worker()

    assert one.restore() is None
    assert warnings() == [f"the key snapshot {file} is ignored: cannot be used: Input/output error"]
    assert kids(one()) == ["kid-0"]

"""Keys in a file: read again when it changes, and never worse than what was read before."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bearerguard import ConfigurationError, RejectedError
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.jwk import thumbprint
from bearerguard.events import KeyRefused
from bearerguard.file_parsers import LARGEST_KEY_FILE
from bearerguard.jwks import file_keys
from bearerguard.jwks.file_keys import FileKeys
from bearerguard.jwks.keys import StaticKeys

PATIENCE_S = 20.0


def jwk(kid: str) -> dict[str, str]:
    """An Ed25519 key of its own for each id; every 32 octets are a key to whoever only reads it."""
    x = base64url_encode(kid.encode().ljust(32, b".")).decode()
    return {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x}


def document(*kids: str) -> bytes:
    return json.dumps({"keys": [jwk(kid) for kid in kids]}).encode()


class KeyFile:
    """A file with keys: written in place, exchanged for another one, broken."""

    def __init__(self, path):
        self.path = path
        self.write(document("a"))

    def write(self, content: bytes) -> None:
        self.path.write_bytes(content)

    def exchange(self, content: bytes) -> None:
        beside = self.path.with_name("new")
        beside.write_bytes(content)
        beside.replace(self.path)


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def source(file, clock):
    return FileKeys(str(file.path), clock)


@pytest.fixture
def settled(source, clock):
    """A source that has read its file twice and found it unchanged."""
    clock.tick(1)
    source.keys("a")
    clock.tick(1)
    return source


@pytest.fixture
def reads(monkeypatch):
    """Counts how often a file's content was read."""
    counted = []
    parse = file_keys.parse_key_file
    monkeypatch.setattr(
        file_keys, "parse_key_file", lambda content: counted.append(1) or parse(content)
    )
    return counted


@pytest.fixture
def warnings(caplog):
    def texts():
        return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]

    caplog.set_level(logging.INFO, "bearerguard")
    return texts


def kids(source, *asked):
    return [key.kid for kid in asked for key in source.keys(kid)]


def refused(source, kid, tried=()):
    with pytest.raises(RejectedError) as refusal:
        source.keys(kid, tried)
    assert refusal.value.reason == "key_unknown"
    return refusal.value


def in_a_thread(function, *args):
    """Run what may hang if it is wrong; then the test fails and the thread is left alone."""
    done = Future()

    def run():
        try:
            done.set_result(function(*args))
        except BaseException as error:  # noqa: BLE001  the test is told
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result(PATIENCE_S)


def test_the_keys_of_a_file_serve_by_their_ids(file, source, clock):
    file.write(document("a", "b"))
    assert kids(source, "b", "a") == ["b", "a"]
    assert [key.kid for key in source.keys(None)] == ["a", "b"]


def test_tasks_and_explanations_get_the_same_keys(source):
    assert asyncio.run(source.akeys("a")) == source.present("a") == source.keys("a")


def test_a_key_id_that_the_file_lacks_is_refused_with_what_it_has(source):
    refusal = refused(source, "stranger")
    assert (refusal.expected, refusal.found) == (["a"], "stranger")


def test_keys_that_were_tried_are_not_given_again(file, source):
    file.write(document("a", "b"))
    b, a = source.keys("b") + source.keys("a")
    assert source.keys(None, (a,)) == (b,)
    refused(source, None, (a, b))


def test_a_key_from_pem_serves_whatever_kid_a_token_names(file, keys, clock):
    file.write(keys("ES256").public_pem())
    source = FileKeys(str(file.path), clock)
    (key,) = source.keys("anything")
    assert key.thumbprint == thumbprint(keys("ES256").jwk)


def test_a_guard_with_keys_from_pem_takes_the_issuers_tokens_and_asks_nobody(file, issuer):
    """The whole way, with a token whose kid the file does not know, and through a rotation."""
    file.write(issuer.key.public_pem())
    guard = issuer.guard(jwks_file=str(file.path))
    before = issuer.token()
    assert guard.verify(before).subject == "user-1"
    issuer.rotate()
    file.write(issuer.key.public_pem())
    assert guard.verify(issuer.token()).subject == "user-1", "at once, although no id asks for it"
    with pytest.raises(RejectedError, match="signature_invalid"):
        guard.verify(before)
    assert issuer.requests == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"keys": [1]}', b"-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----"],
)
def test_a_file_without_usable_keys_refuses_the_start(tmp_path, content):
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"jwks_file=.*keys' cannot be used: "):
        FileKeys(str(path))


def test_a_file_that_is_not_there_refuses_the_start(tmp_path):
    with pytest.raises(ConfigurationError, match=r"jwks_file=.*cannot be read: No such file"):
        FileKeys(str(tmp_path / "nothing"))


def test_a_folder_refuses_the_start(tmp_path):
    with pytest.raises(ConfigurationError, match=r"jwks_file=.*cannot be"):
        FileKeys(str(tmp_path))


@pytest.mark.parametrize("name", ["keys\0.json", "keys\ud800.json"])
def test_what_cannot_be_a_name_refuses_the_start(name):
    with pytest.raises(ConfigurationError, match="is no file's name"):
        FileKeys(name)


def test_keys_set_in_place_of_a_files_name_do_not_get_into_the_message():
    with pytest.raises(ConfigurationError) as refusal:
        FileKeys("-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----")
    assert "jwks_file=*** cannot be read" in str(refusal.value)
    assert "MC4CAQAw" not in str(refusal.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    """Opening one waits for a writer, which may never come."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        in_a_thread(FileKeys, str(fifo))


def test_a_file_of_512_kib_is_read_and_a_larger_one_is_not(file, source, clock):
    """As much as a fetch may bring: a log or a disk image named by mistake must not fill memory."""
    content = document("b")
    file.write(content.ljust(LARGEST_KEY_FILE))
    assert kids(source, "b") == ["b"]
    file.write(document("c").ljust(LARGEST_KEY_FILE + 1))
    refused(source, "c")
    assert "longer than 512 KiB" in source.status()["last_error"]


@pytest.mark.parametrize("change", ["write", "exchange"])
def test_a_new_key_serves_at_once_and_a_removed_one_within_a_second(file, settled, clock, change):
    """A token that fits no key is the first to tell that the file has changed."""
    settled.keys("a")
    getattr(file, change)(document("b"))
    assert kids(settled, "a") == ["a"], "looked at less than a second ago"
    assert kids(settled, "b") == ["b"]
    refused(settled, "a")


def test_a_removed_key_is_refused_a_second_later_though_all_tokens_fit(file, settled, clock):
    settled.keys("a")
    file.write(document("b"))
    clock.tick(0.99)
    assert kids(settled, "a") == ["a"]
    clock.tick(0.01)
    refused(settled, "a")


def test_an_unchanged_file_is_not_read_again(settled, clock, reads):
    for _ in range(10):
        settled.keys("a")
        refused(settled, "stranger")
        clock.tick(1)
    assert reads == []


def test_a_flood_of_unknown_ids_reads_nothing(settled, reads):
    for number in range(100):
        refused(settled, f"stranger-{number}")
    assert reads == []


def test_a_fit_look_up_looks_at_the_file_once_a_second(settled, clock, monkeypatch):
    looks = []
    mark_of = file_keys._mark_of
    monkeypatch.setattr(file_keys, "_mark_of", lambda file: looks.append(1) or mark_of(file))
    for _ in range(100):
        settled.keys("a")
        clock.tick(0.0999)
    assert len(looks) == 10


def test_a_second_change_within_one_tick_of_the_file_systems_clock_is_found(file, source, clock):
    """The times of both are equal, and so are size and inode: only reading tells."""
    assert kids(source, "a") == ["a"]
    before = file_keys._mark_of(file.path)
    file.write(document("b"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_keys, "_mark_of", lambda _file: before)
        refused(source, "b")
        clock.tick(1)
        assert kids(source, "b") == ["b"]


def test_content_is_confirmed_once_and_then_left_alone(file, settled, clock, reads):
    file.write(document("b"))
    for _ in range(10):
        settled.keys("b")
        clock.tick(0.5)
    assert len(reads) == 2


def test_a_change_that_keeps_size_and_modification_time_is_found(file, settled, clock):
    """rsync and tar set the modification time back; the time of the change itself nobody can."""
    before = file.path.stat()
    while (
        file.path.stat().st_ctime_ns == before.st_ctime_ns
    ):  # the clock of a file system is coarse
        file.write(document("b"))
        os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert before.st_size == file.path.stat().st_size
    clock.tick(1)
    assert kids(settled, "b") == ["b"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="this system has no links")
def test_a_link_that_is_exchanged_is_a_change(tmp_path, clock):
    """Kubernetes: keys.json -> ..data/keys.json, ..data -> ..1, and then ..data -> ..2."""
    for name, kid in (("..1", "a"), ("..2", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys.json").write_bytes(document(kid))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "keys.json").symlink_to("..data/keys.json")
    source = FileKeys(str(tmp_path / "keys.json"), clock)
    for _ in range(2):
        clock.tick(1)
        assert kids(source, "a") == ["a"]
    (tmp_path / "new").symlink_to("..2")
    (tmp_path / "new").replace(tmp_path / "..data")
    clock.tick(1)
    assert kids(source, "b") == ["b"]
    refused(source, "a")


UNUSABLE = {
    "empty": b"",
    "half written": document("a", "b")[:-20],
    "no usable key": document(),
    "too large": b" " * (LARGEST_KEY_FILE + 1),
    "HTML": b"<html>502 Bad Gateway</html>",
    "private key": b"-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----",
}


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_content_never_replaces_good_keys(file, settled, clock, warnings, content):
    """Promise: a set without a usable key never replaces a good one. The error is told once."""
    file.write(content)
    for _ in range(5):
        clock.tick(1)
        assert kids(settled, "a") == ["a"]
        refused(settled, "b")
    (warning,) = warnings()
    assert "the keys read before stay in use" in warning
    assert "cannot be used: " in settled.status()["last_error"]
    assert settled.status()["last_error"] in warning
    assert "MC4CAQAw" not in warning


def test_a_file_that_vanished_leaves_the_keys_and_comes_back(file, settled, clock, warnings):
    file.path.unlink()
    for _ in range(5):
        clock.tick(1)
        assert kids(settled, "a") == ["a"]
    assert "cannot be read: No such file" in settled.status()["last_error"]
    file.write(document("b"))
    assert kids(settled, "b") == ["b"]
    assert settled.status()["last_error"] is None
    assert len(warnings()) == 1


def test_each_change_for_the_worse_is_told(file, settled, clock, warnings):
    for content in (b"1", b"22", document("b"), b"1"):
        clock.tick(1)
        file.exchange(content)
        refused(settled, "stranger")
    assert len(warnings()) == 3


def test_a_file_that_may_not_be_read_for_a_while_is_read_when_it_may(
    file, settled, clock, warnings, monkeypatch
):
    """A change of the mode, or descriptors to spare again, changes nothing that marks content."""
    file.write(document("b"))
    with monkeypatch.context() as patch:
        patch.setattr(file_keys, "_read", lambda _file: (_ for _ in ()).throw(denied()))
        for _ in range(3):
            clock.tick(1)
            refused(settled, "b")
    assert kids(settled, "b") == ["b"]
    assert len(warnings()) == 1


def denied():
    return PermissionError(13, "Permission denied")


def test_the_file_is_the_one_that_was_named_whatever_the_working_directory_becomes(
    file, clock, monkeypatch
):
    """gunicorn --chdir, daemons: a relative name is that of the start."""
    monkeypatch.chdir(file.path.parent)
    source = FileKeys("keys.json", clock)
    monkeypatch.chdir("/")
    file.write(document("b"))
    assert kids(source, "b") == ["b"]


def test_the_generation_counts_changes_of_the_usable_keys_alone(file, settled, clock, keys):
    """An operator sees from it whether a change of the file took effect."""

    def generation_with(content):
        clock.tick(1)
        file.exchange(content)
        return settled.status()["generation"]

    assert settled.status()["generation"] == 1
    assert generation_with(document("a") + b"\n") == 1
    assert generation_with(b"broken") == 1
    odd = json.dumps({"keys": [jwk("a"), None]}).encode()
    assert generation_with(odd) == 1
    assert generation_with(document("a", "b")) == 2
    assert generation_with(document("b", "a")) == 2
    assert generation_with(document("b")) == 3
    assert generation_with(keys("EdDSA").public_pem()) == 4


def test_the_status_alone_finds_a_change(file, settled, clock):
    """An operator who asks sees what the file says now, also where no token comes."""
    file.write(document("b"))
    clock.tick(1)
    assert settled.status()["generation"] == 2


def test_keys_that_lose_their_ids_are_other_keys(file, keys, clock):
    """The same key as PEM fits tokens that it did not fit before."""
    bare = {name: keys("EdDSA").jwk[name] for name in ("kty", "crv", "x")}
    file.write(json.dumps({"keys": [bare]}).encode())
    source = FileKeys(str(file.path), clock)
    refused(source, "any")
    file.write(keys("EdDSA").public_pem())
    clock.tick(1)
    assert source.status()["generation"] == 2
    assert len(source.keys("any")) == 1


def test_the_status_tells_what_an_operator_needs(file, clock):
    odd = [jwk("a"), {**jwk("b"), "use": "enc"}, 3]
    file.write(json.dumps({"keys": odd}).encode())
    source = FileKeys(str(file.path), clock)
    clock.tick(0.5)
    assert source.status() == {
        "state": "file",
        "key_ids": ["a"],
        "refused_keys": ["b: use is not sig", "2: not an object"],
        "generation": 1,
        "age_s": 0.5,
        "next_refresh_s": None,
        "last_error": None,
    }


def test_the_status_looks_at_the_file_itself(file, settled, clock):
    """A readiness probe is perhaps the only one that asks."""
    file.write(document("b"))
    clock.tick(1)
    assert (settled.status()["key_ids"], settled.status()["age_s"]) == (["b"], 0)


def test_each_refused_key_is_told_when_it_is_read_and_when_they_change(file, clock):
    """A callback hears of a key once and not at every reading of the same content."""
    file.write(json.dumps({"keys": [jwk("a"), None, {**jwk("b"), "use": "enc"}]}).encode())
    told = []
    source = FileKeys(str(file.path), clock, told.append, "https://issuer.example")
    assert told == [
        KeyRefused("https://issuer.example", 1, None, "not an object"),
        KeyRefused("https://issuer.example", 2, "b", "use is not sig"),
    ]
    told.clear()
    for content, indexes in (
        (b"broken", []),
        (json.dumps({"keys": [jwk("a"), 1]}).encode(), [1]),
        (json.dumps({"keys": [jwk("b"), 1]}).encode(), []),
        (document("a"), []),
    ):
        file.exchange(content)
        for _ in range(3):
            clock.tick(1)
            source.status()
        assert [event.index for event in told] == indexes
        told.clear()


@pytest.fixture
def slow_read(monkeypatch):
    """Holds a read up until it is let go."""
    reading, go = threading.Event(), threading.Event()
    read = file_keys._read

    def slowly(path):
        reading.set()
        assert go.wait(PATIENCE_S)
        return read(path)

    monkeypatch.setattr(file_keys, "_read", slowly)
    yield reading, go
    go.set()


def test_good_tokens_do_not_wait_for_a_read(file, settled, clock, slow_read):
    reading, go = slow_read
    file.write(document("b"))
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(settled.keys, "a")
        assert reading.wait(PATIENCE_S)
        clock.tick(10)
        assert kids(settled, "a") == ["a"]
        assert settled.status()["key_ids"] == ["a"]
        go.set()
        with pytest.raises(RejectedError):
            looking.result(PATIENCE_S)


def test_a_token_that_fits_nothing_waits_for_the_read_that_may_bring_its_key(
    file, settled, slow_read
):
    """Its 401 would be wrong a millisecond later."""
    reading, go = slow_read
    file.write(document("b"))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(settled.keys, "b")
        assert reading.wait(PATIENCE_S)
        second = pool.submit(settled.keys, "b")
        go.set()
        assert first.result(PATIENCE_S) == second.result(PATIENCE_S)


def test_many_threads_see_one_file_or_the_other_and_read_it_once(file, settled, reads):
    """32 threads, in which a key of before and one of after are never mixed."""
    file.exchange(document("b", "c"))
    start = threading.Barrier(32)

    def ask(_):
        start.wait(PATIENCE_S)
        settled.keys("b")
        return frozenset(key.kid for key in settled.keys(None))

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(ask, range(32))) == {frozenset({"b", "c"})}
    assert len(reads) == 1


@pytest.fixture
def curious(settled):
    """A handler of the log that asks for keys itself; it gives the list of what it got."""

    class Curious(logging.Handler):
        def handle(self, _record):
            # Without the handler's lock, so that one that hangs does not hold up the end of the run.
            asked.extend(kids(settled, "a"))
            refused(settled, "stranger")

    asked = []
    handler = Curious()
    file_keys.logger.addHandler(handler)
    yield asked
    file_keys.logger.removeHandler(handler)


@pytest.mark.parametrize("kid", ["a", "stranger"])
def test_a_log_handler_may_ask_for_keys_itself(file, settled, clock, curious, kid):
    """One that sends its lines somewhere with a token must not stop on our lock."""
    settled.keys("a")
    file.write(b"broken")
    clock.tick(1 if kid == "a" else 0)
    in_a_thread(lambda: settled.keys(kid) if kid == "a" else refused(settled, kid))
    assert curious == ["a"]


def test_a_lock_that_was_held_at_a_fork_is_not_the_childs(settled):
    with settled._lock:
        settled.start_over()
        refused(settled, "stranger")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_while_a_thread_reads_gets_its_keys(file):
    """gunicorn --preload: a lock that was held in the parent is nobody's in the child."""
    file.write(document("a"))
    script = """
        import os, signal, sys
        from bearerguard.jwks.file_keys import FileKeys
        signal.alarm(60)
        source = FileKeys(sys.argv[1])
        source._lock.acquire()  # as if another thread were reading
        with open(sys.argv[1], "wb") as file:
            file.write(sys.stdin.buffer.read())
        pid = os.fork()
        if pid == 0:
            signal.alarm(15)
            os._exit(0 if [key.kid for key in source.keys("b")] == ["b"] else 1)
        print("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(file.path)],
        input=document("b"),
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert result.stdout == b"exit 0\n", result.stderr


def test_there_is_nothing_to_fetch_for_keys_that_are_configured(source):
    assert source.wake() is None
    assert StaticKeys(source._reading.keys).wake() is None

"""One process at a time has the lock of the host, and no other ever stands still for it."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bearerguard.jwks import host_lock
from bearerguard.jwks.host_lock import HostLock

PATIENCE_S = 20.0
LIMIT_S = 5.0


class Ticks:
    """A monotonic clock that a test moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def make_lock(folder, clock, ticks):
    """A lock on one and the same file, with times that the test moves."""
    return lambda: HostLock(str(folder / "keys.lock"), LIMIT_S, wall_clock=clock, clock=ticks)


def test_one_at_a_time_has_the_lock(make_lock):
    with make_lock() as one, make_lock() as other:
        assert one.take()
        assert not other.take()
        assert other.problem is None


def test_who_has_the_lock_keeps_it_when_asking_again(make_lock):
    with make_lock() as one, make_lock() as other:
        assert one.take()
        assert one.take()
        assert not other.take()


def test_the_lock_is_given_back_at_the_end(make_lock):
    with make_lock() as other:
        with make_lock() as one:
            assert one.take()
            assert not other.take()
        assert other.take()


def test_the_lock_is_given_back_when_the_fetch_fails(make_lock):

    def fetch():
        with make_lock() as one:
            assert one.take()
            raise ZeroDivisionError

    with make_lock() as other:
        with pytest.raises(ZeroDivisionError):
            fetch()
        assert other.take()


def test_the_lock_is_given_back_even_where_another_process_has_the_open_file(make_lock):
    """A program that the process starts has it for a moment: closing alone would keep the lock."""
    with make_lock() as other:
        with make_lock() as one:
            assert one.take()
            (descriptor,) = host_lock.OPEN - {other._descriptor}
            inherited = os.dup(descriptor)
        try:
            assert other.take()
        finally:
            os.close(inherited)


def open_descriptors():
    return len(list(Path("/dev/fd").iterdir()))


def test_no_descriptor_is_left_over(make_lock):
    before = open_descriptors()

    for _ in range(10):
        with make_lock() as lock:
            lock.take()

    assert open_descriptors() == before
    assert not host_lock.OPEN


def test_the_lock_is_not_inherited_by_programs_that_the_process_starts(make_lock):
    with make_lock() as lock:
        assert not os.get_inheritable(lock._descriptor)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_file_of_the_lock_is_made_for_its_owner_alone(make_lock, folder, umask):
    """Whoever may open the file could have the lock."""
    before = os.umask(umask)
    try:
        with make_lock() as lock:
            assert lock.take()
    finally:
        os.umask(before)

    assert stat.S_IMODE((folder / "keys.lock").stat().st_mode) == 0o600


def test_two_that_make_the_file_at_once_have_one_lock(make_lock, monkeypatch):
    """The second one finds no file, and then cannot make it because the first one has."""
    real, at_once = host_lock.open_trusted, []

    def first_of_two(path):
        if not at_once:
            at_once.append(make_lock())
            at_once[0].__enter__()
            raise FileNotFoundError(errno.ENOENT, "not there yet")
        return real(path)

    monkeypatch.setattr(host_lock, "open_trusted", first_of_two)
    with make_lock() as second, at_once[0] as first:
        assert first.take()
        assert not second.take()


def test_a_lock_is_respected_for_its_whole_limit(make_lock, clock, ticks):
    with make_lock() as one, make_lock() as other:
        one.take()
        clock.tick(LIMIT_S)
        assert not other.take()
        ticks.now += LIMIT_S
        assert not other.take()


@pytest.mark.parametrize("passed_s", [LIMIT_S + 0.1, 3600.0, -LIMIT_S - 0.1, -3600.0])
def test_a_lock_that_was_taken_too_long_ago_is_done_without(make_lock, clock, ticks, passed_s):
    """Its holder was stopped or hangs. A time in the future is one from before a clock was set."""
    with make_lock() as one, make_lock() as other:
        one.take()
        clock.tick(passed_s)
        other.take()
        ticks.now += LIMIT_S * host_lock.GRACE_SHARE

        assert other.take()
        assert other.problem == "its holder has had it for longer than 5 s"


def test_an_old_time_is_believed_only_after_a_while(make_lock, clock, ticks):
    """Between taking the lock and noting the time a holder may lose the processor."""
    with make_lock() as old:
        old.take()
    clock.tick(3600)

    with make_lock() as one, make_lock() as other:
        fcntl.flock(one._descriptor, fcntl.LOCK_EX)  # taken, and nothing noted yet
        assert not other.take()
        ticks.now += LIMIT_S * host_lock.GRACE_SHARE - 0.01
        assert not other.take()
        assert one.take()  # now it is noted
        ticks.now += 0.02
        assert not other.take()
        assert other.problem is None


def test_a_holder_who_follows_an_overdue_one_is_given_its_own_time(make_lock, clock, ticks):
    with make_lock() as other, make_lock() as next_one:
        with make_lock() as old:
            old.take()
            clock.tick(LIMIT_S + 1)
            assert not other.take()
        next_one.take()
        ticks.now += LIMIT_S * host_lock.GRACE_SHARE
        assert not other.take()

        clock.tick(LIMIT_S + 1)
        assert not other.take()  # and the while begins anew
        ticks.now += LIMIT_S * host_lock.GRACE_SHARE
        assert other.take()


def link(path):
    path.with_name("elsewhere").write_bytes(b"")
    path.symlink_to(path.with_name("elsewhere"))


def writable_by_others(path):
    path.write_bytes(b"")
    path.chmod(0o666)


def in_a_folder_of_others(path):
    path.parent.chmod(0o777)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (link, "link"),
        (os.mkfifo, "not a regular file"),
        (os.mkdir, "not a regular file"),
        (writable_by_others, "writable by others"),
        (in_a_folder_of_others, "writable by others"),
    ],
)
def test_a_lock_that_others_could_tamper_with_is_done_without(make_lock, folder, spoil, problem):
    spoil(folder / "keys.lock")

    with make_lock() as lock:
        assert lock.take()

    assert problem in lock.problem


def test_a_lock_in_a_folder_of_others_is_not_even_made(make_lock, folder):
    folder.chmod(0o777)

    with make_lock() as lock:
        lock.take()

    assert list(folder.iterdir()) == []


def test_a_lock_that_cannot_be_opened_is_done_without(make_lock, monkeypatch):
    def no_descriptors_left(_path):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(host_lock, "open_trusted", no_descriptors_left)
    with make_lock() as lock:
        assert lock.take()

    assert lock.problem == "cannot be opened: Too many open files"


def test_a_file_system_without_locks_is_done_without(make_lock, monkeypatch):
    def no_locks(_descriptor, _operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with make_lock() as lock:
        assert lock.take()

    assert lock.problem == "cannot be taken: No locks available"


def test_who_was_forked_in_the_middle_does_not_give_back_what_is_not_its_own(make_lock):
    """The child's copy of the block ends too, where the fetch itself forked."""
    with make_lock() as other, make_lock() as one:
        one.take()
        elsewhere = os.dup(one._descriptor)  # the parent's
        descriptors = [one._descriptor, other._descriptor]
        host_lock._close_all_after_fork()

        with pytest.raises(OSError):
            os.fstat(descriptors[0])
        one.__exit__(None, None, None)
        with make_lock() as third:
            assert not third.take()
        os.close(elsewhere)

    assert not host_lock.OPEN


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_does_not_keep_the_lock_of_a_parent_that_was_killed(folder):
    """gunicorn's workers have all that was open at the fork, for as long as they live."""
    script = """
        import os, sys
        from bearerguard.jwks.host_lock import HostLock

        with HostLock(sys.argv[1], 3600) as lock:
            assert lock.take()
            if os.fork() == 0:
                os.write(1, b"forked\\n")
                os.read(0, 1)  # lives until the test lets it go
                os._exit(0)
            os.read(int(sys.argv[2]), 1)  # is killed here
    """
    never, never_written = os.pipe()
    path = str(folder / "keys.lock")
    command = [sys.executable, "-c", textwrap.dedent(script), path, str(never)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, pass_fds=[never], **pipes) as parent:
        try:
            assert parent.stdout.readline() == b"forked\n"
            with HostLock(path, 3600) as lock:
                assert not lock.take()
                parent.kill()
                parent.wait(PATIENCE_S)
                assert lock.take()
                assert lock.problem is None
        finally:
            parent.kill()
            parent.stdin.close()
            os.close(never)
            os.close(never_written)

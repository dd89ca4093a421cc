"""Which files are trusted as code is, with real files: modes, owners, links, FIFOs, folders."""

import errno
import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from bearerguard import trusted_files
from bearerguard.trusted_files import (
    UntrustedFileError,
    open_trusted,
    problem_of_trusted_file,
    replace_trusted,
)

pytestmark = pytest.mark.skipif(
    not trusted_files.IS_POSIX, reason="this system has no owners and modes to be tested"
)
PATIENCE_S = 20.0
STRANGER = 54321
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root can give a file to another user",
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


@pytest.fixture
def file(folder):
    file = folder / "keys"
    file.write_bytes(b"content")
    file.chmod(0o644)
    return file


@pytest.fixture(autouse=True)
def _no_descriptor_is_left_open():
    before = open_descriptors()
    yield
    assert before == open_descriptors()


def names_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


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


def read(path: str) -> bytes:
    with open_trusted(path) as opened:
        return opened.read()


def assert_refused(file, why: str) -> None:
    """The start says it, and so does each reading."""
    assert why in (problem_of_trusted_file(str(file)) or "")
    with pytest.raises(UntrustedFileError, match=why):
        open_trusted(str(file))


def test_a_file_of_our_own_in_a_folder_of_our_own_is_trusted(file):
    assert problem_of_trusted_file(str(file)) is None
    with open_trusted(str(file)) as opened:
        assert opened.read() == b"content"


def test_a_file_that_is_not_there_yet_is_no_problem_at_the_start(folder):
    assert problem_of_trusted_file(str(folder / "later")) is None
    with pytest.raises(FileNotFoundError):
        open_trusted(str(folder / "later"))


def test_a_folder_that_is_not_there_is_a_problem(tmp_path):
    assert_refused(tmp_path / "no" / "keys", "is not there; make it")


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o622, 0o4666])
def test_a_file_that_others_may_write_is_refused(file, mode):
    file.chmod(mode)
    assert_refused(file, "it is writable by others; take that away: chmod go-w")


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640, 0o444, 0o755])
def test_a_file_that_others_may_read_or_run_is_trusted(file, mode):
    """The keys are public; only who may change them matters."""
    file.chmod(mode)
    assert problem_of_trusted_file(str(file)) is None


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777, 0o2775])
def test_a_folder_that_others_may_write_is_refused(file, folder, mode):
    """They could put another file in place of ours. The sticky bit does not keep links out."""
    folder.chmod(mode)
    assert_refused(file, f"its folder '{folder}' is writable by others")
    with pytest.raises(UntrustedFileError, match="writable by others"):
        replace_trusted(str(file), b"new")
    assert file.read_bytes() == b"content"


def test_a_link_in_place_of_the_file_is_refused(folder, file):
    (folder / "link").symlink_to(file)
    assert_refused(folder / "link", "is a link")


def test_a_link_that_leads_nowhere_is_refused(folder):
    """What is not there yet is no problem; this is there."""
    (folder / "link").symlink_to(folder / "nothing")
    assert_refused(folder / "link", "is a link")


def test_a_link_in_place_of_the_folder_is_refused(tmp_path, folder, file):
    (tmp_path / "link").symlink_to(folder)
    for name in ("link/keys", "link//keys", "link/./keys"):
        assert_refused(f"{tmp_path}/{name}", "is a link or no folder")
    with pytest.raises(UntrustedFileError, match="is a link or no folder"):
        replace_trusted(str(tmp_path / "link" / "keys"), b"new")
    assert file.read_bytes() == b"content"


def test_a_link_further_up_is_followed(tmp_path, folder):
    """/var/run is one on most systems."""
    inner = folder / "inner"
    inner.mkdir(mode=0o755)
    (inner / "keys").write_bytes(b"content")
    (inner / "keys").chmod(0o600)
    (tmp_path / "link").symlink_to(folder)
    path = str(tmp_path / "link" / "inner" / "keys")
    assert read(path) == b"content"


def test_a_file_in_place_of_the_folder_is_refused(file):
    assert_refused(file / "keys", "is a link or no folder")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path, folder):
    tmp_path.chmod(0o700)
    assert_refused(folder, "is not a regular file")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["FIFO", "folder"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(folder, make):
    make(folder / "odd")
    in_a_thread(assert_refused, folder / "odd", "is not a regular file")


def test_a_device_is_refused():
    assert "is not a regular file" in problem_of_trusted_file(os.devnull)


@pytest.mark.parametrize("name", ["/", ""])
def test_a_name_without_a_file_in_it_is_a_problem(name, monkeypatch):
    monkeypatch.chdir("/")
    assert problem_of_trusted_file(name) == "names no file"


@pytest.mark.parametrize(
    ("name", "problem"),
    [("a\0b", "null"), ("x" * 300, "cannot be opened: File name too long")],
    ids=["NUL", "too long"],
)
def test_what_cannot_be_a_name_is_a_problem(folder, name, problem):
    assert problem in problem_of_trusted_file(f"{folder}/{name}")


def test_a_file_of_root_is_trusted_by_everybody(monkeypatch):
    """Root could change the program as well."""
    file = Path("/etc").resolve() / "passwd"
    if file.stat().st_uid != 0:
        pytest.skip("in this user namespace the system's files are not root's")
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert problem_of_trusted_file(str(file)) is None
    assert read(str(file))


@as_root
def test_a_file_of_another_user_is_refused(file):
    os.chown(file, STRANGER, -1)
    assert_refused(file, f"it belongs to user {STRANGER}")


@as_root
def test_a_folder_of_another_user_is_refused(file, folder):
    """They own the way to the file, whoever owns the file itself."""
    os.chown(folder, STRANGER, -1)
    assert_refused(file, f"belongs to user {STRANGER}")
    with pytest.raises(UntrustedFileError, match=f"its folder .* belongs to user {STRANGER}"):
        replace_trusted(str(file), b"new")


@pytest.mark.parametrize("what", ["keys", "."])
def test_the_user_that_counts_is_the_one_that_the_process_acts_as(file, folder, what, monkeypatch):
    """Whoever runs these tests owns the files; a process of somebody else does not trust them."""
    owner = (folder / what).stat().st_uid
    if owner == 0:
        os.chown(folder / what, STRANGER, -1)
        owner = STRANGER
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert_refused(file, f"belongs to user {owner}")


AS_A_STRANGER = """
    import os, sys
    from bearerguard.trusted_files import open_trusted, problem_of_trusted_file, replace_trusted
    folder, stranger = sys.argv[1], int(sys.argv[2])
    os.setgroups([])
    os.setegid(stranger)
    os.seteuid(stranger)
    print(problem_of_trusted_file(f"{folder}/roots/keys"))
    print(problem_of_trusted_file(f"{folder}/another/keys"))
    print(problem_of_trusted_file(f"{folder}/ours/later"))
    replace_trusted(f"{folder}/ours/later", b"content")
    print(open_trusted(f"{folder}/ours/later").read(), os.listdir(f"{folder}/ours"))
    os.seteuid(0)  # whoever measures what this process runs wants to write that down
"""


@as_root
def test_a_process_without_root_trusts_root_and_itself_and_nobody_else():
    """The same with a real user, who may only do what the system lets them."""
    folder = Path(tempfile.mkdtemp())  # below tmp_path a stranger would see nothing
    try:
        folder.chmod(0o755)
        for name, owner in (("roots", 0), ("another", STRANGER + 1), ("ours", STRANGER)):
            (folder / name).mkdir(0o755)
            (folder / name).chmod(0o755)
            os.chown(folder / name, owner, owner)
        for name in ("roots", "another"):
            (folder / name / "keys").write_bytes(b"content")
            (folder / name / "keys").chmod(0o644)
        command = [sys.executable, "-c", textwrap.dedent(AS_A_STRANGER), folder, str(STRANGER)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        shutil.rmtree(folder)
    assert run.stderr == ""
    roots, another, later, read = run.stdout.splitlines()
    assert (roots, later) == ("None", "None")
    assert f"its folder '{folder}/another' belongs to user {STRANGER + 1}" in another
    assert read == "b'content' ['later']"


def test_the_folder_that_was_checked_is_the_one_that_is_read(tmp_path, folder, file, monkeypatch):
    """Exchanged between the check and the reading, another folder of this name does not count."""
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "keys").write_bytes(b"other")
    check = trusted_files._check

    def exchange(status, what):
        check(status, what)
        if "folder" in what:
            folder.rename(tmp_path / "before")
            folder.symlink_to(evil)

    monkeypatch.setattr(trusted_files, "_check", exchange)
    assert read(str(file)) == b"content"


def test_a_folder_that_becomes_a_link_before_it_is_opened_is_not_followed(
    tmp_path, folder, file, monkeypatch
):
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.setattr(Path, "lstat", Path.stat)  # it was a folder when we looked
    with pytest.raises(OSError, match=r"link") as refusal:
        open_trusted(str(tmp_path / "link" / "keys"))
    assert refusal.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert "cannot be opened" in problem_of_trusted_file(str(tmp_path / "link" / "keys"))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda odd, good: odd.symlink_to(good), "symbolic links"),
        (lambda odd, good: os.mkfifo(odd, 0o600), "is not a regular file"),
        (lambda odd, good: (odd.touch(), odd.chmod(0o666)), "writable by others"),
    ],
    ids=["a link", "a FIFO", "writable"],
)
def test_a_file_that_becomes_another_one_before_it_is_opened_is_not_read(
    folder, file, make, why, monkeypatch
):
    odd, good = folder / "odd", file.stat()
    make(odd, file)
    look = os.stat

    def before_the_exchange(path, *, dir_fd=None, **how):
        return look(path, **how) if dir_fd is None else good

    monkeypatch.setattr(os, "stat", before_the_exchange)
    with pytest.raises((UntrustedFileError, OSError), match=why):
        in_a_thread(open_trusted, str(odd))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
@pytest.mark.parametrize("before", [None, 0o444, 0o666])
def test_a_new_file_is_for_us_alone_whatever_the_umask_and_what_was_there(folder, umask, before):
    path = folder / "keys"
    if before is not None:
        path.write_bytes(b"before")
        path.chmod(before)
    umask_before = os.umask(umask)
    try:
        replace_trusted(str(path), b"new")
    finally:
        os.umask(umask_before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(str(path)) == b"new"
    assert names_in(folder) == ["keys"]


def test_a_link_that_stands_there_is_replaced_and_not_followed(folder, file, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    file.unlink()
    file.symlink_to(elsewhere)
    replace_trusted(str(file), b"new")
    assert not file.is_symlink()
    assert (file.read_bytes(), elsewhere.read_bytes()) == (b"new", b"untouched")


def test_the_bytes_are_on_the_disk_before_the_name_is(file, monkeypatch):
    """Else a crash leaves an empty file in place of a good one."""
    steps = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        steps.append(f"fsync of {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(
        os, "replace", lambda *args, **fds: steps.append("replace") or replace(*args, **fds)
    )
    replace_trusted(str(file), b"twelve bytes")
    assert steps == ["fsync of 12 bytes", "replace"]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("fchmod", OSError(errno.EPERM, "not permitted")),
        ("fsync", OSError(errno.ENOSPC, "no space left")),
        ("fsync", KeyboardInterrupt()),
        ("replace", OSError(errno.EACCES, "denied")),
    ],
)
def test_an_error_leaves_the_old_file_and_nothing_beside_it(folder, file, step, error, monkeypatch):
    def fail(*_args, **_names):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(type(error)):
            replace_trusted(str(file), b"new")
    assert names_in(folder) == ["keys"]
    assert file.read_bytes() == b"content"


def test_a_folder_in_the_way_is_left_alone(folder):
    (folder / "keys").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_trusted(str(folder / "keys"), b"new")
    assert names_in(folder) == ["keys"]


def test_a_name_that_was_foreseen_is_not_written_through(folder, file, tmp_path, monkeypatch):
    """A link at the temporary file's name would lead our bytes elsewhere."""
    monkeypatch.setattr(secrets, "token_hex", lambda _size: "foreseen")
    elsewhere = tmp_path / "elsewhere"
    (folder / ".bearerguard-foreseen").symlink_to(elsewhere)
    with pytest.raises(FileExistsError):
        replace_trusted(str(file), b"new")
    assert not elsewhere.exists()
    assert (folder / ".bearerguard-foreseen").is_symlink(), "it is not ours to take away"
    assert file.read_bytes() == b"content"


def test_a_reader_sees_the_old_content_or_the_new_and_never_a_part(file):
    contents = {bytes([octet]) * 100_000 for octet in b"ab"}
    replace_trusted(str(file), b"a" * 100_000)
    done = threading.Event()

    def read_often():
        seen = set()
        while not done.is_set():
            seen.add(read(str(file)))
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_often)
        for _ in range(50):
            for content in contents:
                replace_trusted(str(file), content)
        done.set()
        assert reading.result(PATIENCE_S) <= contents


def test_a_relative_name_is_one_in_the_working_directory(folder, file, monkeypatch):
    monkeypatch.chdir(folder)
    assert problem_of_trusted_file("keys") is None
    replace_trusted("keys", b"new")
    assert read("keys") == file.read_bytes() == b"new"


def test_a_system_without_owners_and_modes_is_told_so(file, monkeypatch):
    monkeypatch.setattr(trusted_files, "IS_POSIX", False)
    assert_refused(file, "this system has no owners and modes")
    with pytest.raises(UntrustedFileError):
        replace_trusted(str(file), b"new")
    assert file.read_bytes() == b"content"

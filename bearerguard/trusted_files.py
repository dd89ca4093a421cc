"""Files that are trusted as code is: who could change them could as well change the program.

A file counts as such when it and its folder belong to the process's user or to root, when nobody
else may write to them, and when neither is a link. What was checked is what is used: the folder is
opened once, everything below happens relative to that, and a file is looked at after it was opened.
Folders further up are not looked at, because links among them are usual (``/var/run``): whoever can
exchange one of those still cannot make a file that belongs to somebody else.

POSIX only: elsewhere there are no owners and modes that could say this.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

IS_POSIX = hasattr(os, "geteuid") and os.open in os.supports_dir_fd
ROOT = 0
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
PRIVATE_MODE = 0o600


class UntrustedFileError(ValueError):
    """A file that others may have written; the message says why, and how to mend it."""


def problem_of_trusted_file(path: str) -> str | None:
    """Say at the start what is wrong with a file that is to be trusted, or give None.

    Its folder must be there already; the file itself need not.
    """
    try:
        with _opened_folder(path) as folder, contextlib.suppress(FileNotFoundError):
            _open_in(folder, path).close()
    except OSError as error:
        return f"cannot be opened: {error.strerror}"
    except ValueError as error:
        return str(error)
    return None


def open_trusted(path: str) -> BinaryIO:
    """Open a file for reading that nobody else could have written.

    Raises:
        UntrustedFileError: it or its folder is another's, or writable by others, or a link.
        OSError: it is not there, or cannot be read.
    """
    with _opened_folder(path) as folder:
        return _open_in(folder, path)


def replace_trusted(path: str, content: bytes) -> None:
    """Put a file with this content in place of whatever is there, at once and readable by us alone.

    A reader sees the old content or the new one and never a part. A link that stands there is
    replaced, not followed.

    Raises:
        UntrustedFileError: the folder is another's, or writable by others, or a link.
        OSError: it cannot be written.
    """
    with _opened_folder(path) as folder:
        temporary = f".bearerguard-{secrets.token_hex(16)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, PRIVATE_MODE, dir_fd=folder)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor has no path
                os.fchmod(descriptor, PRIVATE_MODE)  # the umask may have taken some of it
                file.write(content)
                file.flush()
                os.fsync(descriptor)  # else a crash could leave the new name on an empty file
            os.replace(temporary, _name(path), src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(temporary, dir_fd=folder)
            raise


@contextlib.contextmanager
def _opened_folder(path: str) -> Iterator[int]:
    """Open the folder of a file, as a descriptor to which names are relative."""
    if not IS_POSIX:
        raise UntrustedFileError("cannot be trusted here: this system has no owners and modes")
    folder = Path(path).absolute().parent
    try:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise UntrustedFileError(f"its folder {str(folder)!r} is a link or no folder")
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(folder, flags)
    except FileNotFoundError:
        raise UntrustedFileError(f"its folder {str(folder)!r} is not there; make it") from None
    try:
        _check(os.fstat(descriptor), f"its folder {str(folder)!r}")
        yield descriptor
    finally:
        os.close(descriptor)


def _open_in(folder: int, path: str) -> BinaryIO:
    # Not to be held up by a FIFO, and not to get a terminal that could interrupt the process.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    name = _name(path)
    # Before, because to open a device can already do something; after, because only that counts.
    _check_file(os.stat(name, dir_fd=folder, follow_symlinks=False))
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        _check_file(os.fstat(descriptor))
        return open(descriptor, "rb")  # noqa: PTH123  a descriptor has no path
    except BaseException:
        os.close(descriptor)
        raise


def _name(path: str) -> str:
    name = Path(path).absolute().name
    if not name:
        raise UntrustedFileError("names no file")
    return name


def _check_file(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise UntrustedFileError("is a link; name the file itself")
    if not stat.S_ISREG(status.st_mode):
        raise UntrustedFileError("is not a regular file")
    _check(status, "it")


def _check(status: os.stat_result, what: str) -> None:
    """The owner is this process's user or root, and nobody else may write."""
    if status.st_uid not in (os.geteuid(), ROOT):
        raise UntrustedFileError(
            f"{what} belongs to user {status.st_uid}, neither to the process's user nor to root"
        )
    if status.st_mode & OTHERS_MAY_WRITE:
        raise UntrustedFileError(f"{what} is writable by others; take that away: chmod go-w")

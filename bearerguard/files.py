"""Reading small files that an operator names: never more than is meant, and never for ever."""

import os
import stat
from pathlib import Path

# Opening must never wait for the writer of a FIFO. Windows has none of these but the last.
READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class OddFileError(ValueError):
    """Not a regular file, or one that is too long to be the one that was meant."""


def read_regular(name: str | Path, most_bytes: int) -> bytes:
    """Read a regular file of at most ``most_bytes``.

    Raises:
        OSError: it cannot be read.
        OddFileError: it is no regular file, or longer.
    """
    descriptor = os.open(name, READ_FLAGS)
    with open(descriptor, "rb") as opened:  # noqa: PTH123  a descriptor has no path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OddFileError("not a regular file")
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OddFileError(f"longer than {most_bytes // 1024} KiB; is it this file?")
    return content

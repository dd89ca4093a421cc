"""Parsers of settings that name a file. What stands in the file is looked at before the start ends.

Each raises ValueError saying how to mend, as those of :mod:`bearerguard.parsers` do, and gives the
name of the file: whoever uses it reads it anew.
"""

import os
import ssl
from pathlib import Path
from typing import Any

from bearerguard import parsers
from bearerguard.core.client_key import parse_client_key
from bearerguard.core.key_file import parse_key_file
from bearerguard.files import OddFileError, read_regular
from bearerguard.trusted_files import problem_of_trusted_file

# As much as is taken of a key set that comes over the network.
LARGEST_KEY_FILE = 512 * 1024
LARGEST_CLIENT_KEY_FILE = 64 * 1024


def file(value: Any) -> str:
    """Take the name of a file, as text or as a path object."""
    return parsers.text(os.fspath(value) if isinstance(value, os.PathLike) else value)


def read_at_most(name: str, most_bytes: int) -> bytes:
    """Read a file of at most ``most_bytes``; more than that is a wrong file, not a long one."""
    try:
        return read_regular(name, most_bytes)
    except OddFileError as error:
        raise ValueError(f"is {error}") from None
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ValueError(f"cannot be read: {why}") from None


def certificates(value: Any) -> str:
    """Take the name of a file with certificates of authorities that can be loaded."""
    name = file(value)
    try:
        ssl.create_default_context(cafile=name)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; NUL is a ValueError
        why = "no such file" if isinstance(error, FileNotFoundError) else type(error).__name__
        raise ValueError(f"cannot be used ({why}); name a PEM file of certificates") from None
    return name


def keys(value: Any) -> str:
    """Take the name of a file with public keys, a JWK Set or PEM, that holds a usable one."""
    name = file(value)
    parse_key_file(read_at_most(name, LARGEST_KEY_FILE))
    return name


def client_key(value: Any) -> str:
    """Take the name of a file with a private key of this API, PEM or JWK, that can be used."""
    name = file(value)
    parse_client_key(read_at_most(name, LARGEST_CLIENT_KEY_FILE))
    return str(Path(name).absolute())


def snapshot(value: Any) -> str:
    """Take the name of a file that nobody else can write, or put another file in place of."""
    name = file(value)
    problem = problem_of_trusted_file(name)
    if problem is not None:
        raise ValueError(problem)
    return str(Path(name).absolute())  # what it means now it means after a change of directory, too

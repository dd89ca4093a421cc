"""The file that the setting ``config`` names: TOML, names in lower case, a table for each issuer.

    audience = "https://api.example.com"

    [[issuer]]
    issuer = "https://login.example.com"
    profile = "jwt"

What stands in it is no more than a source (:mod:`bearerguard.sources`) of the lowest priority, and
one more for each issuer.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bearerguard.file_parsers import read_at_most
from bearerguard.sources import Source

# A hundred issuers with every setting written out stay far below.
LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class ConfigFile:
    """What the file holds at its top level, one source for each issuer, and what is wrong.

    ``shadow`` is the table ``[shadow]`` as it stands (:mod:`bearerguard.shadow_settings`).

    Where no file is named there is nothing in it; where it cannot be read nobody knows.
    """

    top: Source = field(default_factory=lambda: Source("", "", {}))
    issuers: tuple[Source, ...] = ()
    problems: tuple[str, ...] = ()
    is_unreadable: bool = False
    shadow: object = None


def read_config_file(name: str) -> ConfigFile:
    """Read the file.

    Raises:
        ValueError: it cannot be read, or is not TOML; the message says where.
    """
    content = read_at_most(name, LARGEST_FILE)
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8 text (line {line})") from None
    except ValueError as error:  # a number of 5,000 digits is no TOMLDecodeError
        raise ValueError(f"is not TOML: {error}") from None
    except RecursionError:
        raise ValueError("is not a file of settings: it is nested too deeply") from None
    shown = name if name.isprintable() else repr(name)
    problems = []
    if document.pop("config", None) is not None:
        problems.append(f"config ({shown}) cannot name another file; leave it out")
    tables, odd = _tables(document, shown)
    shadow = document.pop("shadow", None)
    return ConfigFile(Source(shown, "", document), tables, (*problems, *odd), shadow=shadow)


def _tables(document: dict[str, Any], file: str) -> tuple[tuple[Source, ...], list[str]]:
    """Take the tables of issuers out of the document; names of issuers are left in it."""
    found = document.get("issuer")
    problems = []
    if isinstance(found, Mapping):
        problems.append(f"[issuer] ({file}) is a single table; write [[issuer]]")
        found = [found]
    if not isinstance(found, list) or not any(isinstance(item, Mapping) for item in found):
        return (), problems
    del document["issuer"]
    sources = []
    for number, table in enumerate(found, start=1):
        place = f"{file} [[issuer]] {number}"
        if isinstance(table, Mapping):
            sources.append(Source(place, "", table))
        else:
            problems.append(f"{place} is no table; write all issuers as tables, or all as names")
    return tuple(sources), problems

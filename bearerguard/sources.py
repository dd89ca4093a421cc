"""Where settings come from: arguments, an application's own configuration, the environment.

A value is found in the first source that has it. It keeps the words in which messages name it, so
that whoever reads "cannot start" knows which line of which file to open; secrets show as ``***``.
"""

import difflib
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bearerguard.files import OddFileError, read_regular

PREFIX = "BEARERGUARD_"
# What Kubernetes puts into every container beside a service named "bearerguard".
SERVICE_LINK = re.compile(r"SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_\d+_.*")
# Settings whose value may stand in a file that their name with _FILE names; all may be secret.
FROM_FILE = ("secret", "introspection_client_secret", "store_url")
# No secret is longer; whoever names a log or a device by mistake is told so.
LARGEST_FILE = 64 * 1024
LONGEST_SHOWN = 200
PASSWORD_IN_URL = re.compile(r"//[^/@]*@")

logger = logging.getLogger("bearerguard")


@dataclass(frozen=True)
class Source:
    """Where values come from: a name for messages, the spelling of its keys, and the values."""

    name: str
    prefix: str
    values: Mapping[str, Any] = field(repr=False)

    def spell(self, setting: str) -> str:
        """Write a setting's name as it is written in this source."""
        return self.prefix + (setting.upper() if self.prefix else setting)

    def get(self, setting: str) -> Any:
        """Give the value of a setting, or None; an empty one is the same as not set."""
        value = self.values.get(self.spell(setting))
        if isinstance(value, str):
            return None if not value.strip() else value
        is_empty = isinstance(value, bytes | list | tuple | set | frozenset) and not value
        return None if is_empty else value


@dataclass(frozen=True)
class Given:
    """A value that somebody set, and where, as messages name it; or why it cannot be had.

    ``key`` and ``source`` are the name as it was written, and where, without the value.
    """

    where: str
    raw: Any = field(default=None, repr=False)
    problem: str | None = None
    key: str = ""
    source: str = ""


def from_environment(environ: Mapping[str, str]) -> Source:
    """Make a source of the process's environment."""
    return Source("environment", PREFIX, _without_service_links(environ))


def from_arguments(arguments: Mapping[str, Any]) -> Source:
    """Make a source of keyword arguments."""
    return Source("argument", "", arguments)


def from_app_config(config: Mapping[str, Any]) -> Source:
    """Make a source of an application's own configuration (Flask's ``app.config``)."""
    ours = {key for key in config if isinstance(key, str) and key.startswith(PREFIX)}
    values = {key: config[key] for key in sorted(ours)}
    return Source("app.config", PREFIX, values)


def find(setting: str, sources: Sequence[Source]) -> Given | None:
    """Give the first value that is set, or None."""
    for source in sources:
        value = source.get(setting)
        file = source.get(f"{setting}_file") if setting in FROM_FILE else None
        if file is not None:
            given = _from_file(setting, source, file, is_twice=value is not None)
            return replace(given, key=source.spell(f"{setting}_file"), source=source.name)
        if value is not None:
            is_file = setting == "config" or setting.endswith(("_file", "_snapshot"))
            shown = shown_file(value) if is_file else shown_value(value)
            shown = "***" if setting in FROM_FILE else shown
            key = source.spell(setting)
            return Given(f"{key}={shown} ({source.name})", value, key=key, source=source.name)
    return None


def unknown_names(source: Source, settings: Collection[str]) -> Iterator[str]:
    """Say which names of a source are not settings, and what was perhaps meant."""
    names = [*settings, *(f"{name}_file" for name in FROM_FILE)]
    known = {source.spell(name) for name in names}
    for unknown in sorted(source.values.keys() - known):
        # Without the prefix, which would make every name look like every other.
        bare = unknown.upper().removeprefix(PREFIX).lower()
        close = difflib.get_close_matches(bare, names, n=1, cutoff=0.5)
        hint = f"; did you mean {source.spell(close[0])}?" if close else "; leave it out"
        name = unknown if unknown.isprintable() else repr(unknown)
        yield f"{name} ({source.name}) is not a setting{hint}"


def shown_file(value: Any) -> str:
    """Show a file's name, and not the keys that somebody has pasted in its place."""
    name = str(value)
    is_pasted = (
        len(name) > LONGEST_SHOWN or "-----" in name or "{" in name or name.startswith("eyJ")
    )
    return "***" if is_pasted or not name.isprintable() else shown_value(value)


def shown_value(value: Any) -> str:
    """Show a value in a message: on one line, not too long, without a password in a URL.

    What stands inside a table is not shown: below a wrong header it may be anybody's secret.
    """
    if isinstance(value, Mapping):
        return "{...}"
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        return "[...]"
    text = PASSWORD_IN_URL.sub("//***@", repr(value))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _without_service_links(environ: Mapping[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    links = [name for name in ours if SERVICE_LINK.fullmatch(name.removeprefix(PREFIX))]
    for name in links:
        logger.info("ignoring %s: it looks like a Kubernetes service link", name)
        del ours[name]
    return ours


def _from_file(setting: str, source: Source, file: Any, *, is_twice: bool) -> Given:
    by_file = source.spell(f"{setting}_file")
    if is_twice:
        where = f"{source.spell(setting)} and {by_file} ({source.name})"
        return Given(where, problem="are both set; keep one")
    # Whoever pastes the secret itself here must not find it in the log.
    looks_like_a_path = str(file).startswith(("/", ".", "~")) and len(str(file)) < LONGEST_SHOWN
    where = f"{by_file}={shown_value(file) if looks_like_a_path else '***'} ({source.name})"
    try:
        content = read_regular(file, LARGEST_FILE).decode()
    except OddFileError as error:
        return Given(where, problem=f"is {error}")
    except (OSError, ValueError, TypeError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Given(where, problem=f"cannot be read: {why}; name a text file")
    # An editor ends the last line; what else stands there may belong to the secret.
    content = re.sub(r"\r?\n\Z", "", content)
    return Given(where, content) if content else Given(where, problem="names an empty file")

"""The settings that somebody gave, where, and what is wrong with them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields

from bearerguard.cli.findings import Finding, problem, set_to
from bearerguard.config_file import ConfigFile, read_config_file
from bearerguard.settings import PREFIX, Settings, from_environment
from bearerguard.sources import FROM_FILE, Given, Source, find

SETTINGS = "settings"
HTTP = re.compile(r"(?:BEARERGUARD_)?(\w+)='http(://[^']*)' ")
ADDRESS = re.compile(r"(?:BEARERGUARD_)?ISSUER='(.*)/\.well-known/[^/']+(.*)' ", re.IGNORECASE)
MEANT = re.compile(r"did you mean (\w+)\?")
VALUE_MEANT = re.compile(r"(?:BEARERGUARD_)?(\w+)=.*; did you mean '([^']+)'\?", re.DOTALL)
FORM = re.compile(r"(?:(BEARERGUARD_\w+)|(\w+))=.* must (be .*)", re.DOTALL)
UNREADABLE = re.compile(r"(\w*_FILE)=.* cannot be read")
WHERE = re.compile(r"(?P<name>\w+)=(?P<shown>.*) \((?P<origin>[^()]*)\)", re.DOTALL)


@dataclass(frozen=True)
class ShownSetting:
    """A setting as an operator may see it, and where it stands; secrets are ``***``."""

    name: str
    shown: str
    origin: str


def given_settings(environ: Mapping[str, str]) -> list[ShownSetting]:
    """Give what the environment and the file of CONFIG say; all else is at its default."""
    environment = from_environment(environ)
    file = _file_of(environment)
    found = []
    for place in ((environment, file.top), *((one,) for one in file.issuers)):
        for spec in fields(Settings):
            given = find(spec.name, place)
            if given is not None:
                found.append(_shown(spec.name, given, place))
    return found


def findings_of(problems: Sequence[str]) -> Iterator[Finding]:
    """Split each problem of a ConfigurationError into its cause and what to write."""
    for text in problems:
        cause, _, remedy = text.partition("; ")
        yield problem(SETTINGS, cause, _exact(cause) or _meant(text) or remedy or LOOK)


LOOK = "write what docs/reference/settings.md says of it"


def _exact(cause: str) -> str | None:
    """Give the value itself where it can be told."""
    is_http = HTTP.match(cause)
    if is_http is not None and "does not begin with https://" in cause:
        name, rest = is_http.groups()
        return f"{set_to(name.upper(), f'https{rest}')}: http is for this very machine alone"
    address = ADDRESS.match(cause)
    if address is not None and cause.endswith("is the address of metadata"):
        return f"{set_to('ISSUER', ''.join(address.groups()))}: what is asked for follows from that"
    unreadable = UNREADABLE.match(cause)
    if unreadable is not None:
        return f"set {unreadable[1]} to a file that is there and that this user may read"
    form = FORM.match(cause)
    return None if form is None else f"{form[1] or form[2]} must {form[3]}"


def _meant(text: str) -> str | None:
    """Give the name or the value that was probably meant."""
    value = VALUE_MEANT.match(text)
    if value is not None:
        return set_to(value[1].upper(), value[2])
    name = MEANT.search(text)
    return None if name is None else f"rename it to {name[1]}"


def _shown(name: str, given: Given, place: Sequence[Source]) -> ShownSetting:
    label = f"{PREFIX}{name.upper()}"
    told = WHERE.fullmatch(given.where)
    if told is None:
        return ShownSetting(label, "***", place[0].name)
    is_secret = name in FROM_FILE and not told["name"].lower().endswith("_file")
    return ShownSetting(label, "***" if is_secret else told["shown"], told["origin"])


def _file_of(environment: Source) -> ConfigFile:
    """Read the file of CONFIG; what is wrong with it, the problems tell."""
    named = find("config", [environment])
    if named is not None:
        with suppress(ValueError):
            return read_config_file(str(named.raw))
    return ConfigFile()

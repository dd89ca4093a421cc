"""What holds for the API as a whole and what for each issuer, out of all sources at once.

There are two kinds of places. The top level is the arguments, the application's configuration, the
environment and the upper part of the file, merged. An issuer's own place is its table
``[[issuer]]`` or its ``Issuer(...)``.

One issuer that is named at the top level has everything there. As soon as there is another place
for issuers, or a list of names, or a resolver, what is about one issuer stands in its own place and
nowhere else (:class:`bearerguard.settings.About`), so that nobody gives one issuer the keys, the
profile or the claims that were meant for another. What was written twice is never ranked: it
refuses the start.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bearerguard import parsers
from bearerguard.config_file import ConfigFile, read_config_file
from bearerguard.consistency import REQUIRED, missing, problems_of, problems_of_api
from bearerguard.errors import ConfigurationError
from bearerguard.file_parsers import file as file_name
from bearerguard.issuer import Issuer
from bearerguard.own import (
    ALLOW_LISTS,
    HOW_TO_PLACE,
    Own,
    empty_lists,
    own_of_name,
    own_of_source,
    problems_between,
    problems_of_late,
    problems_under,
    settings_of,
    tenants_of,
)
from bearerguard.reading import Reading, read
from bearerguard.settings import About, Settings, names_about
from bearerguard.shadow_settings import shadow_of
from bearerguard.sources import Source, find, shown_value, unknown_names

HOW = "Issuer('https://...', audience='...'), which bearerguard exports"


@dataclass(frozen=True)
class Configuration:
    """The settings of the API as a whole, and complete ones for each issuer.

    With one issuer that is named at the top level they are the same; else ``settings`` has no
    issuer, and no audience where each issuer has one of its own. ``shadow`` are the settings that
    differ in the shadow.
    """

    settings: Settings
    issuers: tuple[Settings, ...]
    _top: Reading = field(repr=False, compare=False)
    _owns: tuple[Own, ...] = field(repr=False, compare=False)
    shadow: Mapping[str, Any] = field(default_factory=dict)

    def of_issuer(self, issuer: Issuer) -> Settings:
        """Give the complete settings of an issuer that became known later.

        Raises:
            ConfigurationError: naming every problem of it.
        """
        owns, problems = _in_code([issuer], "resolved issuer {issuer}")
        for own in owns:
            problems += [*problems_under(self._top, own), *problems_of_late(own)]
        refuse([*problems, *problems_between((*self._owns, *owns))])
        return settings_of(self._top, owns[0])


def configure(
    *sources: Source,
    issuers: Sequence[Issuer] = (),
    resolves: bool = False,
    now: float | None = None,
    shadow: object = None,
) -> Configuration:
    """Merge sources, the first one that has a value wins, and check the whole.

    ``issuers`` are those that code names. ``resolves`` tells that more become known later; then
    none needs to be known now. ``now`` is in seconds since 1970, by default the present;
    ``shadow`` are the settings of a policy in the shadow, by default those of the file.

    Raises:
        ConfigurationError: naming every problem of everything.
    """
    file = _file_of(sources)
    sources = (*sources, file.top)
    in_file = tuple(own_of_source(source) for source in file.issuers)
    in_code, odd = _in_code(issuers, "issuers[{number}]")
    top = _read_top(sources)
    apart = (*in_file, *in_code)
    problems = [*file.problems, *_unknown(sources), *top.problems, *odd]
    problems += _in_two_places(top, in_file, in_code)
    problems += problems_of_api(top.values, top.given, time.time() if now is None else now)
    if not file.is_unreadable:  # else it may be there that the rest is said
        problems += _missing(top, apart, sources[-2], may_have_none=resolves or bool(odd))
    changed, odd_shadow = shadow_of(file.shadow if shadow is None else shadow)
    problems += odd_shadow
    if apart or odd or resolves or len(top.values.get("issuer", ())) > 1:
        return replace(_several(top, apart or _named(top), problems), shadow=changed)
    return replace(_alone(top, problems), shadow=changed)


def readings(*sources: Source) -> list[tuple[str, Reading]]:
    """Read each place by itself, whatever is wrong with the whole: "" is the top level."""
    file = _file_of(sources)
    top = _read_top((*sources, file.top))
    return [("", top), *((own.name, own_of_source(own).reading) for own in file.issuers)]


def _alone(top: Reading, problems: list[str]) -> Configuration:
    """One issuer, which is named at the top level; everything is there."""
    owns = _named(top)
    whole = top.beside(owns[0].reading) if owns else top
    refuse([*problems, *problems_of(whole.values, whole.given)])
    settings = Settings(**whole.values)
    return Configuration(settings, tenants_of(settings), top, owns)


def _several(top: Reading, owns: tuple[Own, ...], problems: list[str]) -> Configuration:
    """Several issuers, or one in a place of its own, or none yet."""
    problems = [*problems, *_misplaced(top)]
    problems += [problem for own in owns for problem in problems_under(top, own)]
    refuse([*problems, *problems_between(owns)])
    for_all = {name: value for name, value in top.values.items() if name != "issuer"}
    complete = tuple(one for own in owns for one in tenants_of(settings_of(top, own)))
    return Configuration(Settings(**for_all), complete, top, owns)


def refuse(problems: Sequence[str]) -> None:
    """Raise ConfigurationError with each problem once, where there is one."""
    if problems:
        raise ConfigurationError(*dict.fromkeys(problems))


def _file_of(sources: Sequence[Source]) -> ConfigFile:
    """Read the file that ``config`` names; what is wrong with that name, the top level tells."""
    found = find("config", sources)
    if found is None:
        return ConfigFile()
    try:
        name = file_name(found.raw)
    except ValueError:
        return ConfigFile(is_unreadable=True)
    try:
        return read_config_file(name)
    except ValueError as error:
        return ConfigFile(problems=(f"{found.where} {error}",), is_unreadable=True)


def _read_top(sources: Sequence[Source]) -> Reading:
    """Read what stands at the top level, where ``issuer`` may be a list of names."""
    specs = [spec for spec in fields(Settings) if spec.metadata["about"] is not About.MEMBER]
    return read(specs, sources, issuer=parsers.texts)


def _named(top: Reading) -> tuple[Own, ...]:
    return tuple(own_of_name(name, top.given["issuer"]) for name in top.values.get("issuer", ()))


def _in_code(issuers: Sequence[Issuer], place: str) -> tuple[tuple[Own, ...], list[str]]:
    """Take the issuers that code names, and say which of them are none."""
    if not isinstance(issuers, list | tuple):
        return (), [f"issuers is no list: {type(issuers).__name__}; write [Issuer(...)]"]
    owns, odd = [], []
    for number, issuer in enumerate(issuers):
        if isinstance(issuer, Issuer):
            values = {"issuer": issuer.issuer, **dict(issuer.settings)}
            name = place.format(number=number, issuer=shown_value(issuer.issuer))
            owns.append(own_of_source(Source(name, "", values)))
        else:
            kind = f"{type(issuer).__module__}.{type(issuer).__qualname__}"
            where = place.format(number=number, issuer="").strip()
            odd.append(f"{where} is a {kind}; write {HOW}")
    return tuple(owns), odd


def _unknown(sources: Sequence[Source]) -> Iterator[str]:
    """Say which names are no settings, and which of them are none of the top level."""
    names = [spec.name for spec in fields(Settings)]
    for source in sources:
        yield from unknown_names(source, names)
        yield from empty_lists(source, ALLOW_LISTS)
        for name in names_about(About.MEMBER):
            if source.values.get(source.spell(name)) is not None:
                key = source.spell(name)
                yield f"{key} ({source.name}) is not a setting of the top level; {HOW_TO_PLACE}"


def _in_two_places(top: Reading, in_file: Sequence[Own], in_code: Sequence[Own]) -> Iterator[str]:
    """All issuers are named in one place, so that nobody overlooks one."""
    places = [own.place for owns in (in_file, in_code) for own in owns[:1]]
    if "issuer" in top.given:
        places.append(top.given["issuer"].where)
    if len(places) > 1:
        yield f"{' and '.join(places)} exclude each other; name all issuers in one place"


def _misplaced(top: Reading) -> Iterator[str]:
    for name in names_about(About.ONE):
        if name in top.given and name != "issuer":
            yield f"{top.given[name].where} is about one issuer; {HOW_TO_PLACE}"


def _missing(
    top: Reading, apart: Sequence[Own], source: Source, *, may_have_none: bool
) -> Iterator[str]:
    """What is required and said nowhere; what an issuer lacks in its own place is told there."""
    has_none = not apart and "issuer" not in top.given
    if apart or (has_none and may_have_none):
        return
    for name in REQUIRED:
        if name not in top.given:
            yield missing(name, source)

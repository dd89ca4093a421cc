"""One issuer's own settings among several issuers, and what they must be beside those for all.

Every problem names the place: ``config.toml [[issuer]] 2``, ``issuers[0]``.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from bearerguard.consistency import REQUIRED, missing, problems_of
from bearerguard.file_parsers import snapshot
from bearerguard.introspection.rules import SWITCH, problems_of_prefixes
from bearerguard.issuer_template import expand
from bearerguard.reading import Reading, read
from bearerguard.settings import About, Settings, names_about
from bearerguard.sources import Given, Source, shown_value, unknown_names

HOW_TO_PLACE = "put it into the [[issuer]] table or the Issuer(...) that it is about"
# Nobody means everybody by an empty one of these.
ALLOW_LISTS = ("clients", "tenants", "match")
# Enough to tell issuers apart, and short enough for the name of any file.
DIGITS_OF_ISSUER = 16


@dataclass(frozen=True)
class Own:
    """What one issuer has for itself; ``source`` is None for a name in a list of issuers."""

    reading: Reading
    source: Source | None = None

    @property
    def place(self) -> str:
        """Where it stands, as messages name it; empty for the top level."""
        return self.source.name if self.source else ""


def own_of_name(name: str, listed: Given) -> Own:
    """Make an issuer of a name, alone or in a list, that has nothing of its own."""
    is_alone = listed.raw in (name, [name], (name,))
    given = listed if is_alone else Given(f"{listed.where}: {shown_value(name)}")
    return Own(Reading({"issuer": given}, {"issuer": name}))


def own_of_source(source: Source) -> Own:
    """Read what stands in the place of one issuer."""
    reading = read(fields(Settings), [source])
    names = [spec.name for spec in fields(Settings)]
    problems = (
        *unknown_names(source, names),
        *reading.problems,
        *(
            f"{reading.given[name].where} is about the whole API; put it at the top level"
            for name in names_about(About.API)
            if name in reading.given
        ),
        *empty_lists(source, (*names_about(About.MEMBER), *ALLOW_LISTS), str),
    )
    return Own(replace(reading, problems=problems), source)


def empty_lists(source: Source, names: Sequence[str], *kinds: type) -> Iterator[str]:
    """Say which lists of what is allowed are empty, so that one would think of nobody.

    An empty text means "not set" where settings come from the environment, too; in ``kinds`` a
    place that is no environment names it beside the lists.
    """
    for name in names:
        key = source.spell(name)
        value = source.values.get(key)
        if isinstance(value, (list, tuple, set, frozenset, *kinds)) and not value:
            yield (
                f"{key} ({source.name}) is an empty list, which would allow all; leave it out if "
                "that is meant"
            )


def problems_under(top: Reading, own: Own) -> Iterator[str]:
    """Name everything that is wrong with one issuer, by itself and with what holds for all."""
    yield from own.reading.problems
    for name in names_about(About.ALL):
        if name in top.given and name in own.reading.given:
            both = f"{top.given[name].where} and {own.reading.given[name].where}"
            yield f"{both} exclude each other; set it for all issuers, or with each"
    whole = top.beside(own.reading)
    if own.source is not None:
        for name in REQUIRED:
            given = own.reading.given if name == "issuer" else whole.given
            if name not in given:
                yield missing(name, own.source, place=own.place)
    for problem in (*problems_of(whole.values, whole.given), *_snapshot(top, own)):
        yield problem if own.place in problem else f"{own.place}: {problem}"


def problems_between(owns: Sequence[Own]) -> Iterator[str]:
    """Two issuers never have the same name, one file for the keys of both, or the same tokens."""
    yield from problems_of_prefixes([(own.reading.values, own.reading.given) for own in owns])
    issuers: dict[str, Given] = {}
    files: dict[str, Given] = {}
    for own in owns:
        values, given = own.reading.values, own.reading.given
        if "issuer" in values:
            first = issuers.setdefault(values["issuer"], given["issuer"])
            if first is not given["issuer"]:
                yield f"{given['issuer'].where} is named twice: {first.where}; keep one"
        if "jwks_snapshot" in values:
            file = str(Path(values["jwks_snapshot"]).resolve())
            first = files.setdefault(file, given["jwks_snapshot"])
            if first is not given["jwks_snapshot"]:
                both = f"{first.where} and {given['jwks_snapshot'].where}"
                yield f"{both} name the same file; give each issuer one of its own"


def problems_of_late(own: Own) -> Iterator[str]:
    """An issuer that becomes known by the ``iss`` of a token cannot be asked about opaque ones."""
    if SWITCH in own.reading.given:
        how = "name an issuer that is asked about opaque tokens in the settings"
        yield f"{own.reading.given[SWITCH].where}: {how}"


def settings_of(top: Reading, own: Own) -> Settings:
    """Put an issuer's settings together; they hold what is for all, and a snapshot of its own."""
    values = {**top.values, **own.reading.values}
    if "jwks_snapshot" in top.values:
        values["jwks_snapshot"] = _snapshot_of(top.values["jwks_snapshot"], values["issuer"])
    return Settings(**values)


def tenants_of(settings: Settings) -> tuple[Settings, ...]:
    """Give the settings of each tenant of an issuer template, with a snapshot of its own."""
    file, all_of_them = settings.jwks_snapshot, expand(settings)
    if file is None or all_of_them == (settings,):
        return all_of_them
    return tuple(replace(s, jwks_snapshot=_snapshot_of(file, s.issuer)) for s in all_of_them)


def _snapshot(top: Reading, own: Own) -> Iterator[str]:
    """The file of this issuer's own may be there already, and be somebody else's."""
    if "jwks_snapshot" in top.values and "issuer" in own.reading.values:
        file = _snapshot_of(top.values["jwks_snapshot"], own.reading.values["issuer"])
        try:
            snapshot(file)
        except ValueError as error:
            yield f"{top.given['jwks_snapshot'].where}: {shown_value(file)} {error}"


def _snapshot_of(shared: str, issuer: str) -> str:
    digest = hashlib.sha256(issuer.encode(errors="surrogatepass")).hexdigest()
    return f"{shared}.{digest[:DIGITS_OF_ISSUER]}"

"""``bearerguard settings``: every setting, its present value, and where that came from."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

from bearerguard.cli.output import Output

if TYPE_CHECKING:
    from bearerguard.sources import Given

COLUMNS = ("setting", "value", "from", "meaning")
LONGEST_VALUE = 60
HOUR_S = 3600


@dataclass(frozen=True)
class DescribedSetting:
    """A setting as an operator may see it; ``place`` is "" for the top level, else an issuer's."""

    place: str
    name: str
    value: str
    origin: str
    meaning: str
    is_set: bool


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "settings", help="every setting, its value, and where it came from"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the settings of the environment; 1 where a guard could not be made of them."""
    import os  # noqa: PLC0415  only when it runs, as the rest

    from bearerguard.directory import configured  # noqa: PLC0415
    from bearerguard.errors import ConfigurationError  # noqa: PLC0415
    from bearerguard.sources import from_environment  # noqa: PLC0415

    settings, problems = described(os.environ), list[str]()
    try:
        configured([from_environment(os.environ)], (), None, ())
    except ConfigurationError as error:
        problems += error.problems
    output = Output(as_json=arguments.json)
    _print(output, settings)
    if arguments.json:
        output.document({"settings": [asdict(one) for one in settings], "problems": problems})
    elif problems:
        print("\nA guard cannot be made of these:", file=sys.stderr)
        for problem in problems:
            print(f"  - {problem}", file=sys.stderr)
    return 1 if problems else 0


def described(environ: Mapping[str, str]) -> list[DescribedSetting]:
    """Describe every setting: those of the top level, then what each issuer has of its own."""
    from bearerguard.configuration import readings  # noqa: PLC0415  see run()
    from bearerguard.sources import from_environment  # noqa: PLC0415

    return [
        one
        for place, reading in readings(from_environment(environ))
        for one in _of_place(place, reading.given)
    ]


def _of_place(place: str, given: "Mapping[str, Given]") -> Iterator[DescribedSetting]:
    """Describe a place; an issuer's own shows only what stands there, the top level everything."""
    from bearerguard.settings import PREFIX, About, Settings  # noqa: PLC0415  see run()

    for spec in fields(Settings):
        found = given.get(spec.name)
        meaning = spec.metadata["meaning"].replace("`", "")
        name = spec.name if place else f"{PREFIX}{spec.name.upper()}"
        if found is not None:
            value = _shown(spec.name, found)
            origin = f"{found.key} ({found.source})"
            yield DescribedSetting(place, name, value, origin, meaning, is_set=True)
        elif not place and spec.metadata["about"] is not About.MEMBER:
            value = default_text(spec.default)
            yield DescribedSetting(place, name, value, "default", meaning, is_set=False)


def _shown(name: str, given: "Given") -> str:
    """Show a value as it was written, but no secret, no password, and nothing that is not text."""
    from bearerguard.sources import FROM_FILE, shown_file, shown_value  # noqa: PLC0415  see run()

    if name in FROM_FILE or given.raw is None:
        return "***"
    if isinstance(given.raw, list | tuple) and all(isinstance(one, str) for one in given.raw):
        return shown_value(", ".join(given.raw))[1:-1]
    if isinstance(given.raw, bool):
        return default_text(given.raw)
    if isinstance(given.raw, date):  # a moment is one, too
        return given.raw.isoformat()
    is_file = name == "config" or name.endswith(("_file", "_snapshot"))
    text = shown_file(given.raw) if is_file else shown_value(given.raw)
    return text[1:-1] if isinstance(given.raw, str) and text != "***" else text


def default_text(value: Any) -> str:
    """Write a default as an operator would."""
    if value in (None, (), ""):
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value / HOUR_S:g}h" if value >= HOUR_S else f"{value:g}s"
    return str(value)


def _print(output: Output, settings: list[DescribedSetting]) -> None:
    for place in dict.fromkeys(one.place for one in settings):
        if place:
            output.line(f"\n{place}", "title")
        here = sorted(
            (one for one in settings if one.place == place), key=lambda one: not one.is_set
        )
        rows = [(one.name, _short(one.value), one.origin, one.meaning) for one in here]
        output.table(COLUMNS, rows)


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}..."

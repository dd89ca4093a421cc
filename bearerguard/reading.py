"""From what stands in sources to checked values: one reading, with every problem that it found.

What a value must be by itself is checked here; what values must be together is the matter of
:mod:`bearerguard.consistency`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field
from typing import Any

from bearerguard.sources import Given, Source, find

Parser = Callable[[Any], Any]


@dataclass(frozen=True)
class Reading:
    """What was given, by the names of settings; the values of what could be read; the problems."""

    given: Mapping[str, Given] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def beside(self, other: "Reading") -> "Reading":
        """Add what another reading has; where both have a value, the other's counts."""
        return Reading({**self.given, **other.given}, {**self.values, **other.values})


def read(
    specs: Iterable["Field[Any]"], sources: Sequence[Source], **parsers: Parser | None
) -> Reading:
    """Read the settings that are given; ``parsers`` are those that differ from a field's own."""
    given, values, problems = {}, {}, []
    for spec in specs:
        found = find(spec.name, sources)
        if found is None:
            continue
        given[spec.name] = found
        try:
            values[spec.name] = _parse(spec, found, parsers.get(spec.name, spec.metadata["parse"]))
        except ValueError as error:
            problems.append(f"{found.where} {error}")
    return Reading(given, values, tuple(problems))


def _parse(spec: "Field[Any]", given: Given, parse: Parser | None) -> Any:
    if given.problem is not None:
        raise ValueError(given.problem)
    if parse is not None:
        return parse(given.raw)
    # A feature that is still to come: its default may be written out, and nothing else.
    if given.raw != spec.default and (spec.default is None or given.raw != str(spec.default)):
        raise ValueError("is not available yet; leave it out")
    return spec.default

"""What was refused while a test ran, whatever level the application logs at.

The guard tells its logger, and builds the record only where somebody listens. So this listens at
the logger itself, and hands on exactly what would have been logged without it. Light enough to be
loaded in every project.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

Facts = Mapping[str, Any]
MOST_SHOWN = 20
# In the order in which one asks for them; what is left out stands in the line before.
TOLD = ("expected", "found", "hint")


@contextmanager
def listening() -> Iterator[list[Facts]]:
    """Collect the facts of each refusal within the block; they never hold a token."""
    logger = logging.getLogger("bearerguard")
    before = {name: logger.__dict__.get(name) for name in ("handle", "isEnabledFor")}
    refusals: list[Facts] = []

    def collect(record: logging.LogRecord) -> None:
        facts = getattr(record, "bearerguard", None)
        if isinstance(facts, Mapping) and "reason" in facts and "path" in facts:
            refusals.append(facts)
        if before["handle"] is not None:  # of a run of pytest around this one
            before["handle"](record)
        elif type(logger).isEnabledFor(logger, record.levelno):
            type(logger).handle(logger, record)

    vars(logger).update(handle=collect, isEnabledFor=lambda _: True)
    try:
        yield refusals
    finally:
        for name, own in before.items():
            del vars(logger)[name]
            if own is not None:
                vars(logger)[name] = own


def described(refusals: Sequence[Facts]) -> str:
    """Write the last refusals for the report of a failed test."""
    left_out = len(refusals) - MOST_SHOWN
    lines = [f"({left_out} earlier ones left out)"] if left_out > 0 else []
    for facts in refusals[-MOST_SHOWN:]:
        lines.append("{method} {path}: {status} {reason}".format_map(facts))
        lines += [f"    {name}: {facts[name]}" for name in TOLD if facts.get(name) is not None]
    return "\n".join(lines)

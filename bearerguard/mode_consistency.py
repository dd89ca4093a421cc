"""What bounds the mode in which nothing is refused, so that it ends by itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from bearerguard.sources import PREFIX, Given

LONGEST_S = 30 * 86400


def problems_of_mode(
    values: Mapping[str, Any], given: Mapping[str, Given], now: float
) -> Iterator[str]:
    """Say why this mode cannot be; ``now`` is in seconds since 1970.

    A date that has passed is no problem: it passes overnight, and the start enforces then.
    """
    until = values.get("report_until")
    if values.get("mode", "enforce") == "enforce":
        if "report_until" in given and ("mode" in values or "mode" not in given):
            mode = _beside(given["report_until"], "mode")
            how = f"set {mode} to report-without-enforcing, or leave it out"
            yield f"{given['report_until'].where} does nothing while refusals are enforced; {how}"
    elif "report_until" not in given:
        date = _beside(given["mode"], "report_until")
        how = f"set {date} to the date on which it ends, at most 30 days off"
        yield f"{given['mode'].where} lets every request pass; {how}"
    elif until is not None and until.timestamp() > now + LONGEST_S:
        yield f"{given['report_until'].where} is more than 30 days off; write an earlier date"


def _beside(given: Given, name: str) -> str:
    """Write a setting's name as the one that was given is written."""
    return f"{PREFIX}{name.upper()}" if given.key.startswith(PREFIX) else name

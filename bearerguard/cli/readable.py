"""Text of strangers, made fit for a terminal, and times as people say them."""

import json
from datetime import UTC, datetime
from typing import Any

LONGEST = 300
# What a claim's time is called before and after it.
TIMES = {
    "exp": ("expires", "expired"),
    "nbf": ("is valid", "became valid"),
    "iat": ("will be issued", "issued"),
    "auth_time": ("will log in", "logged in"),
}
LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z, where datetime ends
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def visible(text: object) -> str:
    """Write what no terminal may be told by a stranger as an escape, and cut what is too long.

    Control characters move the cursor, change the title and worse; those that turn the direction of
    text make one thing look like another.
    """
    written = str(text)
    cut = f"{written[:LONGEST]}... ({len(written)} characters)"
    shown = written if len(written) <= LONGEST else cut
    return "".join(c if c.isprintable() else _escaped(c) for c in shown)


def whole(text: str) -> str:
    """Do the same without cutting it: for a line of our own that a stranger's words stand in."""
    pieces = (text[at : at + LONGEST] for at in range(0, len(text), LONGEST))
    return "".join(map(visible, pieces))


def value_of_claim(name: str, value: Any, now: float) -> str:
    """Write the value of a claim as JSON; a time also as a date, and how far off it is."""
    written = visible(json.dumps(value, ensure_ascii=False))
    told = when(name, value, now)
    return f"{written}   {told}" if told else written


def when(name: str, value: Any, now: float) -> str | None:
    """Say what the time in a claim means now; None for claims and values that are no time."""
    if name not in TIMES or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= LAST_SECOND:
        return None
    date = datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    ahead, past = TIMES[name]
    if value > now:
        return f"{date}, {ahead} in {duration(value - now)}"
    return f"{date}, {past} {duration(now - value)} ago"


def duration(seconds: float) -> str:
    """Write a duration by its two greatest units."""
    left = int(seconds)
    parts = []
    for size, unit in UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()

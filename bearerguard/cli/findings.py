"""One row of what the doctor says."""

import shlex
from dataclasses import dataclass
from typing import Literal

from bearerguard.settings import PREFIX

Verdict = Literal["OK", "problem", "not reached"]


@dataclass(frozen=True)
class Finding:
    """One check: what was found, and where that is a problem the line that mends it."""

    check: str
    verdict: Verdict
    cause: str = ""
    remedy: str = ""


def set_to(setting: str, value: str) -> str:
    """Write how to set a setting, so that a shell takes the value as it stands."""
    return f"set {PREFIX}{setting}={shlex.quote(value) if value else ''}"


def fine(check: str, told: str) -> Finding:
    """Say that nothing is wrong."""
    return Finding(check, "OK", told)


def problem(check: str, cause: str, remedy: str) -> Finding:
    """Say what is wrong and how to mend it."""
    return Finding(check, "problem", cause, remedy)


def not_reached(check: str, why: str) -> Finding:
    """Say what could not be looked at, and why."""
    return Finding(check, "not reached", why)

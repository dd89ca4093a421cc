"""Makes what follows the decisions of a guard, where anything does."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bearerguard.decisions import Decisions
from bearerguard.directory import Directory
from bearerguard.events import OnEvent
from bearerguard.issuers import Means
from bearerguard.reporting import REPORT, ReportMode
from bearerguard.settings import Settings
from bearerguard.shadow import Shadow
from bearerguard.shadow_settings import read_shadow


def decisions_of(
    settings: Settings,
    issuers: Directory,
    means: Means,
    on_event: OnEvent | None,
    shadow: Mapping[str, Any] | None,
) -> Decisions | None:
    """Make it out of what a guard was given; None where nobody asked for any of it."""
    report_mode = None
    if settings.mode == REPORT and settings.report_until is not None:
        report_mode = ReportMode(settings.report_until, means.clock, means.key_clock)
    in_shadow = None if shadow is None else _shadow_of(read_shadow(shadow), issuers, means)
    if on_event is None and report_mode is None and in_shadow is None:
        return None
    names = issuers.trust.policies
    return Decisions(on_event, report_mode, in_shadow, names, means.key_clock)


def _shadow_of(changed: Mapping[str, Any], issuers: Directory, means: Means) -> Shadow:
    policies = {
        known.settings.issuer: replace(known.settings, **changed).policy(
            means.supported, means.implied
        )
        for known in issuers.configured()
    }
    return Shadow(policies, issuers.trust, means.clock, means.key_clock)

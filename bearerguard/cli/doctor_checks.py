"""All checks of the doctor in order: settings, each issuer, the token, the application."""

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from bearerguard.cli.diagnosis import CLOCK, KEYS, METADATA, diagnose
from bearerguard.cli.diagnosis_token import (
    OPAQUE_IS_NOT_SENT,
    TOKEN,
    TOKEN_NEEDS_INTROSPECTION,
    Try,
    diagnose_token,
)
from bearerguard.cli.doctor_app import ROUTES, diagnose_app
from bearerguard.cli.doctor_settings import SETTINGS, findings_of
from bearerguard.cli.findings import Finding, fine, not_reached, problem, set_to
from bearerguard.cli.observations import observe
from bearerguard.cli.user_app import load_app
from bearerguard.core.explain import Explanation
from bearerguard.core.opaque import is_opaque
from bearerguard.dev.routes import look_at
from bearerguard.errors import ConfigurationError, UnavailableError
from bearerguard.guard import Guard
from bearerguard.introspection.introspector import Introspector
from bearerguard.issuers import KnownIssuer
from bearerguard.settings import Settings

if TYPE_CHECKING:
    from bearerguard.dev.routes import GuardedApp

INTROSPECTION = "introspection"


def examine(app_name: str | None, raw: str | None) -> list[Finding]:
    """Run every check. ``raw`` is a token to compare with.

    Raises:
        AppError: there is no such application.
        TypeError: it is no application.
    """
    found = None
    try:
        found = None if app_name is None else look_at(load_app(app_name))
        guard = found.guard if found is not None and found.guard is not None else Guard.from_env()
    except ConfigurationError as error:
        names = [METADATA, KEYS, CLOCK, *([TOKEN] if raw else []), *([ROUTES] if app_name else [])]
        rest = (not_reached(name, "the guard cannot start") for name in names)
        return [*findings_of(error.problems), *rest]
    return list(_examine(guard, found, app_name or "", raw))


def _examine(
    guard: Guard, found: "GuardedApp | None", app_name: str, raw: str | None
) -> Iterator[Finding]:
    is_enforced = guard.settings.mode == "enforce"
    passes = "" if is_enforced else "; MODE lets every request pass until its date"
    yield fine(SETTINGS, f"a guard can start with them{passes}")
    known = guard.issuers.configured()
    for one in known:
        findings = _examine_issuer(one)
        yield from findings if len(known) == 1 else _one_of_several(findings, one.settings.issuer)
    if raw is not None:
        yield _examine_token(raw, guard, can_try=found is None)
    if found is not None:
        yield from diagnose_app(found, app_name)


def _one_of_several(findings: Iterator[Finding], issuer: str) -> Iterator[Finding]:
    """Say whom each is about, and keep the others in the list of names."""
    for finding in findings:
        remedy = finding.remedy.replace(set_to("ISSUER", ""), f"in place of {issuer} write ")
        yield replace(finding, check=f"{finding.check} of {issuer}", remedy=remedy)


def _examine_issuer(known: KnownIssuer) -> Iterator[Finding]:
    settings = known.settings
    if settings.secret is not None:
        yield fine(KEYS, "a shared secret: the issuer is not asked")
    elif settings.jwks_file is not None:
        yield fine(KEYS, f"from the file {settings.jwks_file}: the issuer is not asked")
    else:
        yield from diagnose(observe(settings))
    if known.introspector is not None:
        yield _examine_introspection(known.introspector, settings)


def _examine_introspection(introspector: Introspector, settings: Settings) -> Finding:
    """Ask about a made-up token: whoever may ask is told that it is not active (RFC 7662 2.2)."""
    made_up = f"{settings.token_prefix or ''}{secrets.token_urlsafe(24)}"
    try:
        introspector.answer(made_up)
    except UnavailableError as error:
        if "refused this API's own credentials" not in error.detail:
            how = "correct BEARERGUARD_INTROSPECTION_URI, or have the issuer answer there"
            return problem(INTROSPECTION, error.detail, how)
        cause, _, _ = error.detail.partition("; ")
        how = (
            f"register the client {settings.introspection_client_id} there, or correct "
            "BEARERGUARD_INTROSPECTION_CLIENT_ID and BEARERGUARD_INTROSPECTION_CLIENT_SECRET"
        )
        return problem(INTROSPECTION, cause, how)
    return fine(INTROSPECTION, "the issuer answers this client")


def _examine_token(raw: str, guard: Guard, *, can_try: bool) -> Finding:
    if is_opaque(raw, guard.trust.max_bytes):
        return OPAQUE_IS_NOT_SENT if guard.trust.opaque else TOKEN_NEEDS_INTROSPECTION
    issuers = guard.issuers.configured()
    issuer = issuers[0].settings.issuer if len(issuers) == 1 else ""
    return diagnose_token(_explained(raw, guard), issuer, _attempt(raw) if can_try else _cannot)


def _attempt(raw: str) -> Try:
    def attempt(profile: str) -> Explanation | None:
        try:
            return _explained(raw, Guard.from_env(profile=profile))
        except ConfigurationError:
            return None

    return attempt


def _cannot(_profile: str) -> Explanation | None:
    """An application may take its settings from anywhere."""
    return None


def _explained(raw: str, guard: Guard) -> Explanation:
    return asyncio.run(guard.aexplain(raw))

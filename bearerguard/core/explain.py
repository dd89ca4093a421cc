"""The same checks as the flow, each one run and reported, for whoever asks why.

A check that needs what an earlier one could not give is reported as not reached. The rules about
claims run even when the signature fails, because a report admits nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from bearerguard.core.claims import HEADER_RULES, RULES_AFTER_SIGNATURE, RULES_BEFORE_SIGNATURE
from bearerguard.core.flow import authorize, choose, key_query, verify_with_newer
from bearerguard.core.hints import hint_for
from bearerguard.core.introspection import (
    ANSWER_RULES,
    active_token,
    authorize_active,
    check_revocation_of_active,
    introspection_query,
)
from bearerguard.core.opaque import is_opaque, policy_of_opaque
from bearerguard.core.policy import Policy
from bearerguard.core.queries import Flow, IssuerQuery, KeyQuery
from bearerguard.core.signature import VerifiedToken, verify
from bearerguard.core.standing import check_listed_status, check_revocation
from bearerguard.core.token import UnverifiedToken, check_size, read_claims, read_header, split
from bearerguard.core.trust import Trust
from bearerguard.errors import RejectedError, UnavailableError

Result = TypeVar("Result")


def _name(rule: Callable[..., None]) -> str:
    return rule.__name__.removeprefix("check_")


# Every check by name, in the order in which the flow runs them.
CHECKS = (
    *("size", "shape", "header"),
    *map(_name, HEADER_RULES),
    "claims",
    *map(_name, RULES_BEFORE_SIGNATURE),
    *("key", "signature"),
    *map(_name, RULES_AFTER_SIGNATURE),
    *("authorization", "revocation", "status"),
)
# The same for an opaque token.
CHECKS_OF_OPAQUE = (
    *("shape", "introspection"),
    *map(_name, ANSWER_RULES),
    *("authorization", "revocation"),
)


@dataclass(frozen=True)
class CheckReport:
    """One check. ``passed`` is None where it was not reached, or could not be decided."""

    name: str
    passed: bool | None
    reason: str | None = None
    expected: object = None
    found: object = None
    hint: str | None = None


@dataclass
class Explanation:
    """Every check in order. It holds facts about the token, never the token."""

    checks: list[CheckReport] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def first_failure(self) -> CheckReport | None:
        """The check that decided, where one failed."""
        return next((check for check in self.checks if check.passed is False), None)

    def run(self, name: str, check: Callable[[], Result]) -> Result | None:
        """Run one check, note what came of it, and give its result."""
        try:
            result = check()
        except RejectedError as error:
            self.note_refusal(name, error)
            return None
        self.checks.append(CheckReport(name, passed=True))
        return result

    def note_refusal(self, name: str, error: RejectedError | UnavailableError) -> None:
        """Note a check that failed, or one that nobody could decide."""
        if isinstance(error, UnavailableError):
            row = CheckReport(name, None, error.reason, found=error.detail)
        else:
            facts = (error.reason, error.expected, error.found, hint_for(error))
            row = CheckReport(name, False, *facts)  # noqa: FBT003  one row of a table
        self.checks.append(row)

    def complete(self, names: tuple[str, ...] = CHECKS) -> "Explanation":
        """Add the checks that were not reached, so that every report has the same rows."""
        done = {check.name: check for check in self.checks}
        return Explanation([done.get(name, CheckReport(name, passed=None)) for name in names])


def explain(raw: str, trust: Trust, now: float) -> Flow[Explanation]:
    """Run every check on a token; the driver answers as it does for the flow, or throws why not."""
    report = Explanation()
    if trust.opaque and is_opaque(raw, trust.max_bytes):
        yield from _introspect(report, raw, trust, now)
        return report.complete(CHECKS_OF_OPAQUE)
    found = yield from _read(report, raw, trust)
    if found is not None:
        yield from _decide(report, *found, now)
    return report.complete()


def _introspect(report: Explanation, raw: str, trust: Trust, now: float) -> Flow[None]:
    policy = report.run("shape", partial(policy_of_opaque, raw, trust))
    if policy is None:
        return
    try:
        payload = yield introspection_query(raw, policy)
    except UnavailableError as error:
        report.note_refusal("introspection", error)
        return
    active = report.run("introspection", partial(active_token, payload, policy))
    if active is None:
        return
    for rule in ANSWER_RULES:
        report.run(_name(rule), partial(rule, active.token.claims, policy, now))
    if report.accepted:
        token = report.run("authorization", partial(authorize_active, active, policy))
        if token is not None:
            check = check_revocation_of_active(active, token, policy, now)
            yield from _run(report, "revocation", check)


def _decide(report: Explanation, token: UnverifiedToken, policy: Policy, now: float) -> Flow[None]:
    for rule in RULES_BEFORE_SIGNATURE:
        report.run(_name(rule), partial(rule, token.claims, policy, now))
    found = yield from _verify(report, token, policy)
    for rule in RULES_AFTER_SIGNATURE:
        report.run(_name(rule), partial(rule, token.claims, policy, now))
    if found is not None and report.accepted:
        verified, query = found
        known = report.run("authorization", partial(authorize, verified, policy, query))
        if known is not None:
            yield from _run(report, "revocation", check_revocation(known, now))
            yield from _run(report, "status", check_listed_status(known))


def _run(report: Explanation, name: str, check: Flow[None]) -> Flow[None]:
    try:
        yield from check
    except (RejectedError, UnavailableError) as error:
        report.note_refusal(name, error)
    else:
        report.checks.append(CheckReport(name, passed=True))


def _verify(
    report: Explanation, token: UnverifiedToken, policy: Policy
) -> Flow[tuple[VerifiedToken, KeyQuery] | None]:
    check = "key"
    try:
        query = key_query(token, policy)
        keys = yield query
        report.checks.append(CheckReport(check, passed=True))
        check = "signature"
        try:
            verified = verify(token, keys)
        except RejectedError as refusal:
            verified = yield from verify_with_newer(token, keys, query, refusal)
        report.checks.append(CheckReport(check, passed=True))
    except (RejectedError, UnavailableError) as error:
        report.note_refusal(check, error)
        return None
    return verified, query


def _read(
    report: Explanation, raw: str, trust: Trust
) -> Flow[tuple[UnverifiedToken, Policy] | None]:
    """Run the checks that each need the one before; give None when one of them failed."""
    report.run("size", partial(check_size, raw, trust.max_bytes))
    if not report.accepted:
        return None
    parts = report.run("shape", partial(split, raw))
    if parts is None:
        return None
    header = report.run("header", partial(read_header, parts))
    if header is None:
        return None
    token = report.run("claims", partial(read_claims, header, parts))
    try:
        policy = choose(None if token is None else token.claims, trust)
        if isinstance(policy, IssuerQuery):
            policy = (yield policy) or trust.fallback
    except UnavailableError as error:
        report.note_refusal("issuer", error)
        return None
    for rule in HEADER_RULES:
        report.run(_name(rule), partial(rule, header, policy))
    return None if token is None else (token, policy)

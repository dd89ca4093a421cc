"""The same checks as the flow, each one run and reported, for whoever asks why.

A check that needs what an earlier one could not give is reported as not reached. The rules about
claims run even when the signature fails, because a report admits nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from bearerguard.core.claims import HEADER_RULES, RULES_AFTER_SIGNATURE, RULES_BEFORE_SIGNATURE
from bearerguard.core.flow import Flow, KeyQuery, authorize
from bearerguard.core.hints import hint_for
from bearerguard.core.policy import Policy
from bearerguard.core.signature import VerifiedToken, verify
from bearerguard.core.token import UnverifiedToken, check_size, read_claims, read_header, split
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
    "authorization",
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

    def complete(self) -> "Explanation":
        """Add the checks that were not reached, so that every report has the same rows."""
        done = {check.name: check for check in self.checks}
        return Explanation([done.get(name, CheckReport(name, passed=None)) for name in CHECKS])


def explain(raw: str, policy: Policy, now: float) -> Flow[Explanation]:
    """Run every check on a token; the driver sends the keys, or throws why there are none."""
    report = Explanation()
    token = _read(report, raw, policy)
    if token is not None:
        yield from _decide(report, token, policy, now)
    return report.complete()


def _decide(report: Explanation, token: UnverifiedToken, policy: Policy, now: float) -> Flow[None]:
    for rule in RULES_BEFORE_SIGNATURE:
        report.run(_name(rule), partial(rule, token.claims, policy, now))
    verified: VerifiedToken | None = None
    try:
        keys = yield KeyQuery(token.header.kid, token.header.alg)
    except (RejectedError, UnavailableError) as error:
        report.note_refusal("key", error)
    else:
        report.checks.append(CheckReport("key", passed=True))
        verified = report.run("signature", partial(verify, token, keys))
    for rule in RULES_AFTER_SIGNATURE:
        report.run(_name(rule), partial(rule, token.claims, policy, now))
    if verified is not None and report.accepted:
        report.run("authorization", partial(authorize, verified, policy))


def _read(report: Explanation, raw: str, policy: Policy) -> UnverifiedToken | None:
    """Run the checks that each need the one before; give None when one of them failed."""
    report.run("size", partial(check_size, raw, policy.max_bytes))
    if not report.accepted:
        return None
    parts = report.run("shape", partial(split, raw))
    if parts is None:
        return None
    header = report.run("header", partial(read_header, parts))
    if header is None:
        return None
    for rule in HEADER_RULES:
        report.run(_name(rule), partial(rule, header, policy))
    claims = report.run("claims", partial(read_claims, parts))
    return None if claims is None else UnverifiedToken(header, parts, claims)

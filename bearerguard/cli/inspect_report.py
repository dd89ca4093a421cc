"""Prints what ``bearerguard inspect`` found, escaped: any of it may be a stranger's words."""

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bearerguard.cli.readable import value_of_claim, visible, when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bearerguard.cli.inspect_target import Target
    from bearerguard.cli.output import Output
    from bearerguard.core.challenge import Answer
    from bearerguard.core.explain import CheckReport
    from bearerguard.dev.inspection import Contents, Inspection

VERDICTS = {True: ("ok", "good"), False: ("FAILED", "bad"), None: ("-", "quiet")}


@dataclass(frozen=True)
class Report:
    """What was found. ``target`` and ``inspection`` are None where there is no guard, and why."""

    contents: "Contents"
    target: "Target | None"
    inspection: "Inspection | None"
    notes: "Sequence[str]" = ()
    problems: "Sequence[str]" = ()


def print_report(output: "Output", report: Report) -> None:
    """Print everything, as text or as one document."""
    contents, target, inspection = report.contents, report.target, report.inspection
    now = time.time() if target is None else target.guard.clock()
    if output.as_json:
        about = {"notes": list(report.notes), "problems": list(report.problems)}
        output.document(about | _contents(contents, now) | _decision(target, inspection))
        return
    for note in report.notes:
        output.line(f"note: {visible(note)}", "quiet")
    _print_members(output, "header", contents.header, now)
    _print_members(output, "claims, as the token has them", contents.claims, now)
    for problem in contents.problems:
        output.line(f"not readable: {visible(problem)}\n", "warning")
    if inspection is not None and target is not None:
        _print_decision(output, target, inspection)
    if report.problems:
        output.line("Nothing was checked, because the guard cannot be set up:", "bad")
    for problem in report.problems:
        output.line(f"  - {visible(problem)}")


def _print_members(
    output: "Output", title: str, members: "Mapping[str, Any] | None", now: float
) -> None:
    if members is None:
        return
    output.line(title, "title")
    width = min(24, max((len(visible(name)) for name in members), default=0))
    for name, value in members.items():
        output.line(f"  {visible(name):{width}}  {value_of_claim(name, value, now)}")
    output.line()


def _print_decision(output: "Output", target: "Target", inspection: "Inspection") -> None:
    if target.route is not None:
        needs = target.route.admits if target.route.need is None else target.route.need
        output.line(f"route {target.method} {target.path} ({target.route.path}) needs: {needs}")
        output.line()
    output.line("checks" if inspection.checks else "credentials are not looked at here", "title")
    for check in inspection.checks:
        told, style = VERDICTS[check.passed]
        output.line(f"  {told:6}  {check.name:13}  {check.reason or ''}".rstrip(), style)
    output.line()
    failure = inspection.first_failure
    if failure is not None:
        _print_failure(output, failure)
    if inspection.answer is None:
        who = "" if inspection.token is None else f": subject {visible(inspection.token.subject)}"
        output.line(f"admitted{who}", "good")
    else:
        _print_answer(output, inspection.answer)


def _print_failure(output: "Output", failure: "CheckReport") -> None:
    is_refused = failure.passed is False
    told = "refused by the check" if is_refused else "nobody can know, because of the check"
    output.line(f"{told} {failure.name}: {failure.reason}", "bad")
    hint = failure.hint if is_refused else "bearerguard doctor says why the issuer gives no answer"
    facts = {"expected": failure.expected, "found": failure.found, "mend": hint}
    for name, fact in facts.items():
        if fact is not None:
            output.line(f"  {name:8}  {visible(_fact(fact))}")
    output.line()


def _print_answer(output: "Output", answer: "Answer") -> None:
    output.line(f"the caller gets {answer.status}", "title")
    for name, value in answer.headers:
        output.line(f"  {name}: {visible(value)}")
    output.line(f"  {visible(answer.body.decode())}")


def _contents(contents: "Contents", now: float) -> dict[str, Any]:
    claims = contents.claims or {}
    told = {name: when(name, value, now) for name, value in claims.items()}
    times = {name: text for name, text in told.items() if text is not None}
    return {
        "header": contents.header,
        "claims": contents.claims,
        "times": times,
        "unreadable": contents.problems,
    }


def _decision(target: "Target | None", inspection: "Inspection | None") -> dict[str, Any]:
    if target is None or inspection is None:
        return {"checks": [], "admitted": None}
    failure, answer, route = inspection.first_failure, inspection.answer, target.route
    need = None if route is None or route.need is None else str(route.need)
    shown = {"method": target.method, "path": target.path, "need": need}
    return {
        "route": None if route is None else shown | {"admits": route.admits},
        "checks": [_check(check) for check in inspection.checks],
        "first_failure": None if failure is None else _check(failure),
        "admitted": inspection.is_admitted,
        "answer": None
        if answer is None
        else {
            "status": answer.status,
            "headers": [list(pair) for pair in answer.headers],
            "body": answer.body.decode(),
        },
    }


def _check(check: "CheckReport") -> dict[str, Any]:
    row = asdict(check)
    for name in ("expected", "found"):
        row[name] = None if row[name] is None else _fact(row[name])
    return row


def _fact(fact: object) -> str:
    return ", ".join(map(str, fact)) if isinstance(fact, list | tuple) else str(fact)

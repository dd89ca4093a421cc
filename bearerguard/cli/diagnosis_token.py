"""Why a token is refused, and the setting that would take it. The token itself goes nowhere."""

from collections.abc import Callable
from typing import Any

from bearerguard.cli.findings import Finding, fine, not_reached, problem, set_to
from bearerguard.core.explain import CheckReport, Explanation
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS
from bearerguard.core.provider_hosts import guess_of_path, profile_of_host
from bearerguard.core.urls import host_of

TOKEN = "token"  # noqa: S105  the name of a check
# What a profile decides about: the form of a token, and what must be in it.
OF_PROFILES = frozenset(
    {"type_mismatch", "claim_missing", "claim_malformed", "wrong_kind_of_token", "audience_missing"}
)
# Tells what becomes of the token under another profile; None where that cannot be tried.
Try = Callable[[str], Explanation | None]
TOKEN_NEEDS_INTROSPECTION = problem(
    TOKEN,
    "the token is opaque: only its issuer can tell what it is",
    "set BEARERGUARD_INTROSPECTION_CLIENT_ID and BEARERGUARD_INTROSPECTION_CLIENT_SECRET_FILE, or "
    "have the client ask for a token for AUDIENCE, which many issuers write as a JWT then",
)
OPAQUE_IS_NOT_SENT = not_reached(
    TOKEN, "it is opaque, and checking it would send it to the issuer; bearerguard inspect does"
)


def diagnose_token(report: Explanation, issuer: str, attempt: Try) -> Finding:
    """Say what the first check that failed means. ``attempt`` tries another profile."""
    failed = report.first_failure
    if failed is None:
        undecided = next((check for check in report.checks if check.passed is None), None)
        if undecided is None:
            return fine(TOKEN, "admitted: every check passed")
        return not_reached(TOKEN, f"{undecided.name}: {undecided.found or 'not decided'}")
    tell = REMEDIES.get(failed.reason or "")
    remedy = tell(failed) if tell is not None else None
    if failed.reason in OF_PROFILES:
        remedy = _other_profile(issuer, attempt)
    return problem(TOKEN, _cause(failed), remedy or failed.hint or "see bearerguard inspect")


def _cause(failed: CheckReport) -> str:
    facts = {"expected": failed.expected, "found": failed.found}
    told = ", ".join(f"{name} {_words(fact)}" for name, fact in facts.items() if fact is not None)
    return f"refused with {failed.reason}: {told}" if told else f"refused with {failed.reason}"


def _words(fact: Any) -> str:
    return " or ".join(map(str, fact)) if isinstance(fact, list | tuple) else str(fact)


def _audience(failed: CheckReport) -> str | None:
    found = [str(name) for name in failed.found] if isinstance(failed.found, list) else []
    # Beside the API, OpenID providers name their own endpoint for claims about the user.
    apis = [name for name in found if not name.endswith("/userinfo")]
    if not apis:
        return None
    return f"{set_to('AUDIENCE', apis[0])} if that names this API; else the token is for another"


def _issuer(failed: CheckReport) -> str:
    return f"{set_to('ISSUER', str(failed.found))}; {failed.hint}"


def _algorithm(failed: CheckReport) -> str:
    allowed = failed.expected if isinstance(failed.expected, list) else []
    found = str(failed.found)
    if found in ASYMMETRIC_ALGORITHMS:
        return f"{set_to('ALGORITHMS', ','.join([*allowed, found]))} if the issuer signs with it"
    if found.startswith("HS"):
        return "have the issuer sign with RS256; a shared secret would be BEARERGUARD_SECRET_FILE"
    return "have the issuer sign with RS256; no setting allows this"


def _other_profile(issuer: str, attempt: Try) -> str | None:
    """Find the profile under which nothing of the token's form is wrong, by trying."""
    guesses = (profile_of_host(host_of(issuer)), guess_of_path(issuer), "jwt")
    for name in filter(None, guesses):
        report = attempt(name)
        reasons = {check.reason for check in report.checks} if report is not None else OF_PROFILES
        if not reasons & OF_PROFILES:
            return f"{set_to('PROFILE', name)}: the token is as that profile has it"
    return None


REMEDIES: dict[str, Callable[[CheckReport], str | None]] = {
    "audience_mismatch": _audience,
    "issuer_mismatch": _issuer,
    "algorithm_not_allowed": _algorithm,
}

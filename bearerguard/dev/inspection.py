"""Looks at one token as a guard would, and says all that can be told about it.

What decides is the guard's own way: the same parsing, the same checks, the same writer of answers.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bearerguard.core.access import Access
from bearerguard.core.admission import credentials, enforce
from bearerguard.core.encoding import EncodingError, base64url_decode, read_json_object
from bearerguard.core.explain import CheckReport
from bearerguard.core.hints import hint_for
from bearerguard.core.request import RequestView
from bearerguard.errors import RejectedError, UnavailableError

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken
    from bearerguard.core.challenge import Answer
    from bearerguard.guard import Guard

# Neither a header nor a claims set that anybody would want to read is longer.
MOST_SHOWN = 65_536


@dataclass
class Contents:
    """What a token says, by no means verified; where a part cannot be read, ``problems`` say why.

    The signature is not in it: with it the token would be complete.
    """

    header: dict[str, Any] | None = None
    claims: dict[str, Any] | None = None
    problems: list[str] = field(default_factory=list)


@dataclass
class Inspection:
    """Every check in order, and what the caller gets: an answer, or the way to the view.

    ``token`` is None, beside ``answer`` None, for a route where credentials are not looked at.
    """

    checks: list[CheckReport]
    answer: "Answer | None" = None
    token: "AccessToken | None" = None

    @property
    def is_admitted(self) -> bool:
        """Whether the request gets to the view."""
        return self.answer is None

    @property
    def first_failure(self) -> CheckReport | None:
        """The check that decided: the first that failed, or that nobody could carry out."""
        return next((check for check in self.checks if check.reason is not None), None)


def read_contents(raw: str) -> Contents:
    """Decode what a token says, as strictly as a guard reads it (RFC 7515 section 7.1)."""
    contents = Contents()
    header, *rest = raw.split(".", 5)
    if not rest:
        contents.problems.append("an opaque token, or none at all: it has no parts to read")
        return contents
    contents.header = _read(header, "header", contents)
    if len(rest) == 4:  # noqa: PLR2004  RFC 7516 section 3.1: the five parts of a JWE
        contents.problems.append("claims: encrypted (JWE)")
    else:
        contents.claims = _read(rest[0], "claims", contents)
    return contents


async def inspect_token(
    raw: str, guard: "Guard", request: RequestView, access: Access
) -> Inspection:
    """Run every check, fetching keys where needed, and write the answer that a caller would get.

    ``request`` carries the token; ``access`` is what its route needs.
    """
    checks = []
    try:
        shown = credentials(request, access)
        if shown is None:  # a public route
            return Inspection([])
    except RejectedError as refusal:
        checks.append(_failed("credentials", refusal))
        shown = raw
    checks += (await guard.aexplain(shown)).checks
    try:
        token = await guard.averify(credentials(request, access) or "")
        enforce(access, token, guard.clock())
    except (RejectedError, UnavailableError) as refusal:
        if isinstance(refusal, RejectedError) and all(check.passed for check in checks):
            checks.append(_failed("route", refusal))
        return Inspection(checks, guard.answer(refusal, access))
    return Inspection([*checks, CheckReport("route", passed=True)], token=token)


def _failed(name: str, refusal: RejectedError) -> CheckReport:
    facts = (refusal.reason, refusal.expected, refusal.found, hint_for(refusal))
    return CheckReport(name, False, *facts)  # noqa: FBT003  one row of a table


def _read(part: str, name: str, contents: Contents) -> dict[str, Any] | None:
    if len(part) > MOST_SHOWN:
        contents.problems.append(f"{name}: {len(part)} characters, too many to show")
        return None
    try:
        return read_json_object(base64url_decode(part.encode("ascii", "replace")))
    except EncodingError as error:
        contents.problems.append(f"{name}: {error}")
        return None

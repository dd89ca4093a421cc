"""Judges the answer to a request that must be refused.

Source: RFC 6750 sections 3 and 3.1, RFC 9110 sections 11.6.1 and 15.5.2, RFC 9111 section 5.2.2.5.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bearerguard.dev.challenge_syntax import SyntaxProblem, bearer_challenge

# Part of a token that is longer than this does not stand in an answer by chance.
TELLING = 16


@dataclass(frozen=True)
class Expected:
    """The status and the OAuth error code; ``error`` is None where no credentials were sent.

    Not ``is_strict``: a server in front may refuse by itself, so that the status alone counts.
    """

    statuses: tuple[int, ...]
    error: str | None
    is_strict: bool = True

    def __str__(self) -> str:
        return f"{self.statuses[0]} {self.error or ''}".rstrip()


@dataclass(frozen=True)
class Reply:
    """An answer: the status, the header fields as they came, names in lower case, and the body."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def all(self, name: str) -> list[str]:
        """Give every value of one field."""
        return [value for field, value in self.fields if field == name]


def judge(answer: Reply, expected: Expected, sent: Sequence[str]) -> tuple[str, ...]:
    """Say everything that is wrong with an answer; ``sent`` are the credentials of the request."""
    return tuple(_problems(answer, expected, sent))


def _problems(answer: Reply, expected: Expected, sent: Sequence[str]) -> Iterator[str]:
    status = answer.status
    if status not in expected.statuses:
        yield _wrong_status(status)
    if _reflects(answer, sent):
        yield "the answer repeats what was sent: text of a token"
    if status < 400 or status >= 500 or not expected.is_strict:  # noqa: PLR2004
        return  # what a refusal has to look like says nothing here
    if "no-store" not in ", ".join(answer.all("cache-control")).lower():
        yield "no Cache-Control: no-store"
    yield from _problems_of_challenge(answer, expected)


def _wrong_status(status: int) -> str:
    if status >= 500:  # noqa: PLR2004
        return "a server error"
    return "ACCEPTED" if status < 300 else "wrong status"  # noqa: PLR2004


def _problems_of_challenge(answer: Reply, expected: Expected) -> Iterator[str]:
    fields = answer.all("www-authenticate")
    if not fields:
        yield "no WWW-Authenticate"
        return
    try:
        found = bearer_challenge(", ".join(fields)).get("error")
    except SyntaxProblem as problem:
        yield str(problem)
        return
    if found != expected.error:
        yield "the challenge has no error" if found is None else "the challenge has a wrong error"


def _reflects(answer: Reply, sent: Sequence[str]) -> bool:
    """Tell whether a part of the credentials stands anywhere in the answer."""
    words = {word for text in sent for word in re.split(r"[\s.]+", text)}
    telling = [word for word in words if len(word) >= TELLING]
    shown = "\n".join([answer.body, *(value for _, value in answer.fields)])
    return any(word in shown for word in telling)

"""A page for each reason for which a request can be refused; the log line carries its name."""

import re
from pathlib import Path

import pytest

from bearerguard.core.access import GUARDED
from bearerguard.core.explain import CHECKS, CHECKS_OF_OPAQUE
from bearerguard.core.hints import HINTS
from bearerguard.core.request import RequestView
from bearerguard.errors import REASONS, RejectedError, UnavailableError

FOLDER = Path(__file__).parents[2] / "docs/reasons"
KINDS = {**REASONS, UnavailableError.reason: UnavailableError}
# What is decided before and after the checks of the token itself.
AROUND = {"credentials", "route"}


def answer(kind):
    if kind.error is None:
        return f"{kind.status}, a challenge and no error"
    return f"{kind.status} `{kind.error}`: {kind.description}"


@pytest.mark.parametrize("reason", KINDS)
def test_each_reason_has_a_page_with_its_answer_and_its_hint(reason):
    text = (FOLDER / f"{reason}.md").read_text("utf-8")

    assert text.startswith(f"# {reason}\n")
    assert f"| answer | {answer(KINDS[reason])} |" in text
    if reason in HINTS:
        assert f"| hint in the log | {HINTS[reason]} |" in text


@pytest.mark.parametrize("reason", KINDS)
def test_each_page_names_a_check_causes_and_where_to_look(reason):
    text = (FOLDER / f"{reason}.md").read_text("utf-8")
    (check,) = re.findall(r"^\| check \| `(\w+)` \|$", text, re.MULTILINE)
    causes = text[text.index("## Likely causes") : text.index("## Look closer")]

    assert check in {*CHECKS, *CHECKS_OF_OPAQUE, *AROUND}
    assert re.findall(r"^(\d)\. \*\*.+?\*\*", causes, re.MULTILINE | re.DOTALL)


def test_no_page_is_about_a_reason_that_is_gone():
    assert {page.stem for page in FOLDER.glob("*.md")} == {*KINDS, "index"}


def test_the_index_has_every_reason_with_its_answer():
    rows = (FOLDER / "index.md").read_text("utf-8").splitlines()

    for reason, kind in KINDS.items():
        code = f"{kind.status} `{kind.error}`" if kind.error else f"{kind.status}"
        row = f"| [`{reason}`]({reason}.md) | {code} | "
        assert any(line.startswith(row) for line in rows), row


def test_the_printed_log_line_is_the_one_that_is_written(guard, issuer, caplog):
    """With other names in it: the fields and the hint are those of the code."""
    token = issuer.token(aud="https://other.example.com")
    request = RequestView("GET", "/orders", None, [("authorization", f"Bearer {token}")])
    with caplog.at_level("INFO", logger="bearerguard"), pytest.raises(RejectedError):
        guard.admit(request, GUARDED)

    page = (FOLDER / "index.md").read_text("utf-8")
    printed = " ".join(re.search(r"```text\n(.*?)```", page, re.DOTALL)[1].split())
    written = caplog.messages[-1].replace(issuer.audience, "https://api.example.com")
    assert printed == f"INFO:bearerguard:{written}"

"""A page for each reason for which a request can be refused; the log line carries its name."""

import contextlib
import re
from pathlib import Path

import pytest

from bearerguard.core.access import GUARDED
from bearerguard.core.explain import CHECKS, CHECKS_OF_OPAQUE
from bearerguard.core.hints import HINTS
from bearerguard.core.request import RequestView
from bearerguard.errors import REASONS, RejectedError, UnavailableError
from bearerguard.testing import BAD_TOKENS

FOLDER = Path(__file__).parents[2] / "docs/reasons"
KINDS = {**REASONS, UnavailableError.reason: UnavailableError}
# What is decided before and after the checks of the token itself.
AROUND = {"credentials", "route"}


@pytest.mark.parametrize("reason", KINDS)
def test_each_reason_has_a_page_with_its_answer_and_its_hint(reason, reference):
    text = (FOLDER / f"{reason}.md").read_text("utf-8")

    assert text.startswith(f"# {reason}\n")
    assert text == reference.reason_page(reason, text), f"write it anew: {reference.COMMAND}"
    assert str(KINDS[reason].description or "a challenge") in text
    assert HINTS.get(reason, "") in text


@pytest.mark.parametrize("reason", KINDS)
def test_each_page_names_a_check_causes_and_where_to_look(reason):
    text = (FOLDER / f"{reason}.md").read_text("utf-8")
    (check,) = re.findall(r"^\| check \| `(\w+)` \|$", text, re.MULTILINE)
    causes = text[text.index("## Likely causes") : text.index("## Look closer")]

    assert check in {*CHECKS, *CHECKS_OF_OPAQUE, *AROUND}
    assert re.findall(r"^(\d)\. \*\*.+?\*\*", causes, re.MULTILINE | re.DOTALL)


# A token that is refused for each reason, with settings beside those of every guard here.
INTROSPECTION = {"introspection_client_id": "api", "introspection_client_secret": "x" * 32}
TOKENS = {
    "token_too_large": ("oversized", {}),
    "token_malformed": ("garbage", {}),
    "token_encrypted": (lambda _: "e30.e30.e30.e30.e30", {}),
    "header_malformed": (lambda _: "e30.e30.e30", {}),
    "extension_not_supported": ("unknown_extension", {}),
    "type_mismatch": ("logout_token", {}),
    "algorithm_not_allowed": (lambda i: i.token(), {"algorithms": "ES256"}),
    "claims_malformed": (lambda i: i.sign(b"[]"), {}),
    "expired": ("expired", {}),
    "not_yet_valid": ("not_yet_valid", {}),
    "issued_in_the_future": ("issued_in_the_future", {}),
    "too_old": (lambda i: i.token(iat=int(i.clock()) - 99), {"max_token_age": 60}),
    "issuer_missing": ("without_issuer", {}),
    "issuer_mismatch": ("issuer_with_slash", {}),
    "audience_missing": ("without_audience", {}),
    "audience_mismatch": ("wrong_audience", {}),
    "key_unknown": ("unknown_key", {}),
    "key_unsuitable": (lambda i: i.token(header={"alg": "RS512"}), {}),
    "signature_invalid": ("forged", {}),
    "claim_missing": ("without_subject", {}),
    "claim_malformed": (lambda i: i.token(sub=""), {}),
    "wrong_kind_of_token": ("id_token_for_this_api", {"profile": "jwt"}),
    "token_bound": ("bound_to_a_key", {}),
    "client_not_allowed": (lambda i: i.token(), {"clients": "another"}),
    "claim_mismatch": (lambda i: i.token(), {"match": "tenant=acme"}),
    "status_not_supported": (lambda i: i.token(status={"other": 1}), {}),
    "status_uri_not_allowed": (
        lambda i: i.token(status={"status_list": {"idx": 0, "uri": "https://cdn.example/1"}}),
        {},
    ),
    "revoked": (lambda i: i.token(sub="gone"), {}),
    "token_inactive": (lambda _: "made-up", INTROSPECTION),
    "scheme_mismatch": (lambda i: i.opaque_token(token_type="DPoP"), INTROSPECTION),
}
# The others need an issuer with several tenants, lists, keys that are gone, or a route.
NOT_TRIED = {"key_of_another_issuer", "status_unknown", "suspended", UnavailableError.reason}


@pytest.mark.parametrize("reason", TOKENS)
def test_the_check_that_a_page_names_is_the_one_that_refuses(reason, issuer):
    make, settings = TOKENS[reason]
    guard = issuer.guard(**settings)
    with contextlib.suppress(RejectedError):
        guard.verify(issuer.token())  # the keys are here
    guard.revoke(subject="gone")
    token = BAD_TOKENS[make](issuer) if isinstance(make, str) else make(issuer)
    with pytest.raises(RejectedError) as refusal:
        guard.verify(token)
    failure = guard.explain(token).first_failure

    text = (FOLDER / f"{reason}.md").read_text("utf-8")
    assert refusal.value.reason == failure.reason == reason
    assert f"| check | `{failure.name}` |" in text


def test_every_reason_is_tried_or_said_not_to_be():
    around = {
        reason
        for reason in KINDS
        if re.search(
            r"\| check \| `(?:credentials|route)` \|",
            (FOLDER / f"{reason}.md").read_text("utf-8"),
        )
    }

    assert {*TOKENS} | NOT_TRIED | around == KINDS.keys()


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

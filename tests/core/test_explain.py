"""The report: the same checks as the flow, each with what it expected and found."""

import pytest

from bearerguard.core.explain import CHECKS
from bearerguard.core.hints import HINTS, hint_for
from bearerguard.errors import REASONS, RejectedError
from bearerguard.testing import BAD_TOKENS, SigningKey


@pytest.fixture
def warm_guard(issuer, guard):
    """A guard that has its keys, which explain itself does not fetch."""
    guard.verify(issuer.token())
    return guard


def row(report, name):
    return next(check for check in report.checks if check.name == name)


def failed(report):
    return [check.name for check in report.checks if check.passed is False]


def test_a_good_token_passes_every_check(issuer, warm_guard):
    report = warm_guard.explain(issuer.token())
    assert report.accepted
    assert report.first_failure is None
    assert [(name, True) for name in CHECKS] == [(c.name, c.passed) for c in report.checks]


def test_every_defect_is_told_and_not_only_the_first(issuer, warm_guard):
    raw = issuer.token(
        header={"typ": "JWT"}, key=SigningKey.generate("RS256", kid="key-1"), aud="x", jti=5, cnf={}
    )
    report = warm_guard.explain(raw)
    assert failed(report) == ["type", "audience", "signature", "strings", "binding"]
    assert report.first_failure.name == "type"
    assert not report.accepted
    audience = row(report, "audience")
    assert (
        audience.reason,
        audience.expected,
        audience.found,
    ) == ("audience_mismatch", ("https://api.example",), ["x"])
    assert "AUDIENCE" in audience.hint
    assert row(report, "authorization").passed is None


@pytest.mark.parametrize(
    ("raw", "first"),
    [
        (None, "size"),
        (b"x", "size"),
        ("x" * 20_000, "size"),
        ("", "shape"),
        ("a.b", "shape"),
        ("a.b.c.d.e", "shape"),
        ("e30.e30.", "header"),
        ("bnVsbA.e30.", "header"),
    ],
)
def test_checks_that_need_an_earlier_one_are_reported_as_not_reached(warm_guard, raw, first):
    report = warm_guard.explain(raw)
    assert tuple(check.name for check in report.checks) == CHECKS
    at = CHECKS.index(first)
    expected = [True] * at + [False] + [None] * (len(CHECKS) - at - 1)
    assert expected == [check.passed for check in report.checks]


def test_claims_that_cannot_be_read_leave_the_header_checked(issuer, warm_guard):
    report = warm_guard.explain(issuer.sign(b"[]", header={"typ": "JWT"}))
    assert failed(report) == ["type", "claims"]
    assert row(report, "expiry").passed is None


def test_without_keys_the_signature_is_undecided_and_nothing_is_fetched(issuer, guard):
    report = guard.explain(issuer.token())
    assert [] == failed(report) == issuer.requests
    assert not report.accepted
    assert report.first_failure is None
    key = row(report, "key")
    assert (key.passed, key.reason) == (None, "issuer_unavailable")
    assert "no keys have been fetched yet" in key.found
    assert row(report, "signature").passed is None
    assert row(report, "binding").passed is True


def test_an_unknown_key_is_told_with_the_keys_that_are_there(issuer, warm_guard):
    report = warm_guard.explain(issuer.token(key=SigningKey.generate("ES256", kid="other")))
    key = row(report, "key")
    assert (
        key.passed,
        key.reason,
        key.expected,
        key.found,
    ) == (False, "key_unknown", ["key-1"], "other")
    assert row(report, "signature").passed is None


def test_scopes_that_every_route_needs_are_part_of_the_report(issuer):
    guard = issuer.guard(required_scopes="a")
    guard.verify(issuer.token("a"))
    report = guard.explain(issuer.token("b"))
    assert failed(report) == ["authorization"]
    assert report.first_failure.reason == "scope_insufficient"


@pytest.mark.parametrize("name", sorted(BAD_TOKENS))
def test_the_first_failure_is_the_reason_of_verify(issuer, warm_guard, reason, name):
    raw = BAD_TOKENS[name](issuer)
    report = warm_guard.explain(raw)
    assert reason(raw, by=warm_guard) == report.first_failure.reason


def test_the_report_holds_facts_about_the_token_and_not_the_token(issuer, warm_guard):
    raw = issuer.token(header={"typ": "JWT"}, aud="x", jti=5, cnf={}, filler="f" * 100)
    shown = repr(warm_guard.explain(raw))
    assert not any(part in shown for part in (*raw.split("."), "ffff"))


def test_hints_are_for_known_reasons():
    assert HINTS.keys() <= REASONS.keys()
    assert HINTS["expired"] == hint_for(RejectedError("expired"))
    assert hint_for(RejectedError("no_credentials")) is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ("https://issuer.example/", "trailing slash"),
        ("https://Issuer.example", "upper and lower case"),
        ("https://another.example", "another issuer"),
    ],
)
def test_an_issuer_that_nearly_fits_gets_a_hint(issuer, warm_guard, found, words):
    """The first hour of many: a slash more or less."""
    assert words in row(warm_guard.explain(issuer.token(iss=found)), "issuer").hint

"""What goes to the log: one line a refusal, with facts, and never the token."""

import logging

import pytest

from bearerguard import RejectedError, UnavailableError
from bearerguard.core.access import Access
from bearerguard.core.hints import HINTS
from bearerguard.core.request import RequestView
from bearerguard.events import FetchEnded, FetchStarted, KeyRefused, KeyStateChanged
from bearerguard.key_log import log_event
from bearerguard.log import LONGEST_FACT, log_refusal
from bearerguard.testing import BAD_TOKENS


@pytest.fixture(autouse=True)
def _every_level(caplog):
    caplog.set_level(logging.DEBUG)


def lines_of_requests(caplog):
    """What the logger "bearerguard" wrote; lines about keys have a logger of their own."""
    return [record for record in caplog.records if record.name == "bearerguard"]


@pytest.fixture
def refusal_line(caplog):
    """Log a refusal and give its one record."""

    def logged(refusal, method="GET", path="/orders"):
        log_refusal(refusal, RequestView(method, path, None, ()))
        (record,) = caplog.records
        return record

    return logged


def test_a_refusal_is_one_line_with_reason_expected_and_found(refusal_line):
    record = refusal_line(RejectedError("audience_mismatch", expected=("a",), found=["b"]))

    assert (record.name, record.levelno) == ("bearerguard", logging.INFO)
    assert record.getMessage() == (
        "refused: reason='audience_mismatch' status=401 method='GET' path='/orders' "
        """expected="('a',)" found="['b']" """
        f"hint={HINTS['audience_mismatch']!r}"
    )


def test_the_facts_are_there_for_programs_too(refusal_line):
    record = refusal_line(RejectedError("expired", expected="exp after 5", found=4))
    assert record.bearerguard == {
        "reason": "expired",
        "status": 401,
        "method": "GET",
        "path": "/orders",
        "expected": "exp after 5",
        "found": "4",
        "hint": HINTS["expired"],
    }


def test_what_is_not_known_is_not_in_the_line(refusal_line):
    message = refusal_line(RejectedError("no_credentials")).getMessage()
    assert message == "refused: reason='no_credentials' status=401 method='GET' path='/orders'"


def test_an_issuer_that_cannot_be_reached_is_a_warning_with_the_cause(refusal_line):
    record = refusal_line(UnavailableError("connect timeout"))
    assert record.levelno == logging.WARNING
    assert "reason='issuer_unavailable' status=503" in record.getMessage()
    assert "found='connect timeout'" in record.getMessage()


@pytest.mark.parametrize("evil", ["a\nERROR all is well", "a\r\nb", "\x1b[2J", "\u2028x", "\ud800"])
def test_a_value_cannot_begin_a_line_of_its_own(refusal_line, evil):
    """Log injection: method, path and facts are a stranger's words."""
    refusal = RejectedError("issuer_mismatch", expected="x", found=evil)
    assert refusal_line(refusal, method=evil, path=f"/{evil}").getMessage().isprintable()


def test_a_long_value_is_cut(refusal_line):
    long = "x" * 100_000
    record = refusal_line(RejectedError("key_unknown", found=long), method=long, path=f"/{long}")
    assert LONGEST_FACT == len(record.bearerguard["found"]) == len(record.bearerguard["path"])
    assert len(record.bearerguard["method"]) == 16
    assert len(record.getMessage()) < 3 * LONGEST_FACT


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_no_part_of_a_refused_token_is_in_the_log(guard, issuer, caplog, name):
    raw = BAD_TOKENS[name](issuer)
    view = RequestView("GET", "/orders", None, (("authorization", f"Bearer {raw}"),))

    with pytest.raises(RejectedError):
        guard.admit(view, Access())

    (record,) = lines_of_requests(caplog)
    assert record.getMessage().startswith("refused: ")
    told = "".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records)
    assert not [part for part in raw.split(".") if len(part) > 8 and part in told]


def test_the_token_of_an_accepted_request_is_not_in_the_log(guard, issuer, caplog):
    raw = issuer.token()
    guard.admit(RequestView("GET", "/", None, (("authorization", f"Bearer {raw}"),)), Access())
    assert not [part for part in raw.split(".") if part in caplog.text]


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("auto", "rfc9068, as PROFILE=auto"),
        ("rfc9068", "rfc9068, as"),
        ("jwt", "jwt, as PROFILE=jwt"),
    ],
)
def test_the_start_says_what_is_in_force(issuer, caplog, profile, told):
    issuer.guard(profile=profile, algorithms="RS256,ES256", audience="one,two")
    guarding, algorithms, *_ = [record.getMessage() for record in caplog.records]
    assert "guarding one, two for tokens of https://issuer.example, profile " in guarding
    assert f"profile {told}" in guarding
    assert algorithms == "algorithms allowed: ES256, RS256"


def test_the_facts_of_the_start_are_there_for_programs_too(issuer, caplog):
    issuer.guard(profile="jwt", algorithms="RS256,ES256", audience="one,two")
    assert caplog.records[0].bearerguard == {
        "event": "start",
        "issuer": "https://issuer.example",
        "audience": ["one", "two"],
        "profile": "jwt",
        "algorithms": ["ES256", "RS256"],
    }


@pytest.mark.ml_dsa
def test_the_start_warns_where_keys_may_come_without_tls(issuer, caplog):
    issuer.guard(allow_http=True)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "allow_http is on" in warning


@pytest.mark.ml_dsa
@pytest.mark.parametrize(
    ("audience", "warnings"),
    [("https://api.example/?tenant=1", 1), ("https://api.example", 0), ("what?", 0)],
)
def test_the_start_warns_of_an_audience_with_a_query(issuer, caplog, audience, warnings):
    """RFC 8707 section 2: a resource should have no query component."""
    issuer.guard(audience=audience)
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == warnings
    assert all(repr(audience) in text for text in told)


@pytest.mark.ml_dsa
def test_an_ordinary_start_warns_of_nothing(issuer, caplog):
    issuer.guard()
    assert {logging.INFO} == {record.levelno for record in caplog.records}


# What happens to keys

ISSUER = "https://issuer.example"


@pytest.mark.parametrize(
    ("event", "level", "line"),
    [
        (
            FetchStarted(ISSUER, 1),
            logging.DEBUG,
            f"keys: event='FetchStarted' issuer='{ISSUER}' number=1",
        ),
        (
            FetchEnded(ISSUER, 1, 0.25),
            logging.DEBUG,
            f"keys: event='FetchEnded' issuer='{ISSUER}' number=1 duration_s=0.25 is_shared=False",
        ),
        (
            FetchEnded(ISSUER, 2, 5.0, "no answer within 5 s"),
            logging.WARNING,
            f"keys: event='FetchEnded' issuer='{ISSUER}' number=2 duration_s=5.0 "
            "error='no answer within 5 s' is_shared=False",
        ),
        (
            KeyRefused(ISSUER, 3, None, "use is 'enc'"),
            logging.WARNING,
            f"keys: event='KeyRefused' issuer='{ISSUER}' index=3 reason=\"use is 'enc'\"",
        ),
        (
            KeyStateChanged(ISSUER, "cold", "fresh"),
            logging.DEBUG,
            f"keys: event='KeyStateChanged' issuer='{ISSUER}' before='cold' after='fresh'",
        ),
        (
            KeyStateChanged(ISSUER, "fresh", "refresh_due"),
            logging.DEBUG,
            f"keys: event='KeyStateChanged' issuer='{ISSUER}' before='fresh' after='refresh_due'",
        ),
        (
            KeyStateChanged(ISSUER, "refresh_due", "stale_ok"),
            logging.INFO,
            f"keys: event='KeyStateChanged' issuer='{ISSUER}' before='refresh_due' "
            "after='stale_ok'",
        ),
        (
            KeyStateChanged(ISSUER, "stale_ok", "expired"),
            logging.INFO,
            f"keys: event='KeyStateChanged' issuer='{ISSUER}' before='stale_ok' after='expired'",
        ),
    ],
    ids=repr,
)
def test_an_event_is_one_line_of_a_logger_of_its_own(caplog, event, level, line):
    log_event(event)
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == ("bearerguard.keys", level, line)


def test_the_facts_of_an_event_are_there_for_programs_too(caplog):
    log_event(FetchEnded(ISSUER, 2, 0.5, "connection refused"))
    (record,) = caplog.records
    assert record.bearerguard == {
        "event": "FetchEnded",
        "issuer": ISSUER,
        "number": 2,
        "duration_s": 0.5,
        "error": "connection refused",
        "is_shared": False,
    }


@pytest.mark.parametrize("evil", ["a\nERROR all is well", "\x1b[2J", "\u2028x", "\ud800"])
def test_a_key_id_cannot_begin_a_line_of_its_own(caplog, evil):
    """Log injection: the key id is the issuer's word, or that of who sits in its place."""
    log_event(KeyRefused(ISSUER, 0, evil, f"unusable: {evil}"))
    (record,) = caplog.records
    assert record.getMessage().isprintable()


def test_a_long_key_id_is_cut_for_people_and_for_programs(caplog):
    log_event(KeyRefused(ISSUER, 0, "x" * 500_000, "y" * 500_000))
    (record,) = caplog.records
    assert len(record.getMessage()) < 3 * LONGEST_FACT
    assert LONGEST_FACT == len(record.bearerguard["kid"]) == len(record.bearerguard["reason"])

"""What bounds MODE=report-without-enforcing (design section 2), and what is told of decisions."""

import logging
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from bearerguard import ConfigurationError, Guard, RejectedError, UnavailableError, forks
from bearerguard.asgi_expiry import seconds_left
from bearerguard.core.access import GUARDED
from bearerguard.core.request import RequestView
from bearerguard.events import RequestDecided

REPORT = "report-without-enforcing"
REQUEST = ("GET", "/orders", None)
# The tests' clock begins on 2027-01-15 at 08:00 UTC.
UNTIL = "2027-01-15T09:00Z"


def request(token=None):
    return RequestView(*REQUEST, [("authorization", f"Bearer {token}")] if token else [])


@pytest.fixture
def warnings(caplog):
    def told():
        found = [
            record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
        ]
        caplog.clear()
        return found

    return told


def problems(issuer, **settings):
    with pytest.raises(ConfigurationError) as refusal:
        issuer.guard(**settings)
    return list(refusal.value.problems)


# The settings


@pytest.mark.parametrize(
    "value", ["report", "Report-Without-Enforcing", "report_without_enforcing", "off", True, 1]
)
def test_no_slip_turns_enforcing_off(issuer, value):
    (problem,) = problems(issuer, mode=value)
    assert "must be 'enforce' or 'report-without-enforcing'" in problem


def test_the_mode_needs_a_date(issuer):
    assert problems(issuer, mode=REPORT) == [
        "mode='report-without-enforcing' (argument) lets every request pass; set report_until to the date on which it ends, "
        "at most 30 days off"
    ]


@pytest.mark.parametrize("mode", [{}, {"mode": "enforce"}])
def test_a_date_alone_is_refused(issuer, mode):
    """Whoever wrote it believes that the mode is on."""
    (problem,) = problems(issuer, report_until="2027-01-20", **mode)
    assert "report_until='2027-01-20' (argument) does nothing while refusals are" in problem


def test_a_bad_mode_beside_a_date_has_one_message(issuer):
    assert len(problems(issuer, report_until="2027-01-20", mode="report")) == 1


def test_a_bad_date_has_one_message(issuer):
    assert len(problems(issuer, report_until="soon", mode=REPORT)) == 1


def test_thirty_days_are_taken(issuer):
    assert issuer.guard(mode=REPORT, report_until="2027-02-14T08:00Z").mode == REPORT


def test_more_than_thirty_days_are_refused(issuer):
    (problem,) = problems(issuer, mode=REPORT, report_until="2027-02-14T08:01Z")
    assert "is more than 30 days off" in problem


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2027-01-20", datetime(2027, 1, 20, tzinfo=UTC)),
        ("2027-01-20T18:00", datetime(2027, 1, 20, 18, tzinfo=UTC)),
        ("2027-01-20T18:00+02:00", datetime(2027, 1, 20, 16, tzinfo=UTC)),
        (date(2027, 1, 20), datetime(2027, 1, 20, tzinfo=UTC)),
        (
            datetime(2027, 1, 20, 18, tzinfo=timezone(timedelta(hours=2))),
            datetime(2027, 1, 20, 16, tzinfo=UTC),
        ),
    ],
)
def test_a_date_is_its_first_second_and_utc_where_it_names_no_zone(issuer, written, meant):
    assert issuer.guard(mode=REPORT, report_until=written).settings.report_until == meant


@pytest.mark.parametrize("value", ["soon", 20270120, "2027-13-01", True, "0001-01-01T00:00+23:00"])
def test_what_is_no_date_is_refused(issuer, value):
    (problem,) = problems(issuer, mode=REPORT, report_until=value)
    assert "must be a date such as 2026-12-24" in problem


def test_verify_always_enforces(issuer):
    """It is asked about a token, and there is no request to let through."""
    with pytest.raises(RejectedError):
        issuer.guard(mode=REPORT, report_until=UNTIL).verify("garbage")


# Its end


def test_a_date_that_has_passed_starts_and_enforces(issuer, warnings):
    """It may pass overnight, and an application that does not start in the morning helps nobody."""
    guard = issuer.guard(mode=REPORT, report_until="2027-01-15")

    assert guard.mode == "enforce"
    assert warnings() == [
        "report_until 2027-01-15 00:00:00+00:00 has passed: enforcing; take out mode and "
        "report_until"
    ]


def test_the_mode_ends_at_its_date_and_says_so_once(issuer, clock, warnings):
    guard = issuer.guard(mode=REPORT, report_until=UNTIL)
    clock.tick(3599)
    assert guard.admit(request(), GUARDED) is None
    warnings()

    clock.tick(1)
    for _ in range(2):
        with pytest.raises(RejectedError):
            guard.admit(request(), GUARDED)

    ends = [text for text in warnings() if "enforcing from now on" in text]
    assert ends == ["report_until 2027-01-15 09:00:00+00:00 has passed: enforcing from now on"]


def test_a_clock_that_is_set_back_does_not_begin_it_again(issuer, clock):
    guard = issuer.guard(mode=REPORT, report_until=UNTIL)
    clock.tick(3600)
    assert guard.mode == "enforce"
    clock.tick(-3600)
    assert guard.mode == "enforce"


def test_a_clock_that_is_set_back_does_not_make_it_longer(clock):
    """The time that passed is measured by a clock that nobody sets."""
    from bearerguard.reporting import ReportMode  # noqa: PLC0415  nothing else makes one

    age = type(clock)(0.0)
    mode = ReportMode(datetime.fromtimestamp(clock.now + 3600, UTC), clock, age)
    clock.tick(-3000)
    age.tick(3599)
    assert mode.is_on()
    age.tick(1)
    assert not mode.is_on()


def test_a_warning_comes_at_the_start_and_every_five_minutes(issuer, clock, warnings):
    guard = issuer.guard(mode=REPORT, report_until=UNTIL)
    loud = [
        "mode is report-without-enforcing until 2027-01-15 09:00:00+00:00: NOTHING IS REFUSED, "
        "every request passes"
    ]
    assert warnings() == loud
    token = issuer.token()
    for seconds, expected in ((299, []), (1, loud), (0, []), (299, []), (1, loud)):
        clock.tick(seconds)
        guard.admit(request(token), GUARDED)
        assert warnings() == expected


def test_of_two_requests_at_once_one_gives_the_warning(issuer, clock, warnings):
    guard = issuer.guard(mode=REPORT, report_until=UNTIL)
    warnings()
    clock.tick(300)
    mode = guard._decisions.report_mode
    mode._remind(clock.now)
    mode._remind(clock.now)
    assert len(warnings()) == 1


def test_of_two_requests_at_once_one_tells_the_end(issuer, warnings):
    mode = issuer.guard(mode=REPORT, report_until=UNTIL)._decisions.report_mode
    warnings()
    mode._end()
    mode._end()
    assert len(warnings()) == 1


# Events


@pytest.fixture
def watched(issuer):
    events = []

    def told():
        found = [event for event in events if isinstance(event, RequestDecided)]
        events.clear()
        return found

    return issuer.guard(on_event=events.append), told


def test_an_event_names_the_issuer_of_a_token_that_was_verified(watched, issuer):
    guard, told = watched
    guard.admit(request(issuer.token()), GUARDED)
    (event,) = told()
    assert (event.outcome, event.issuer) == ("admitted", issuer.url)


def test_an_event_names_no_issuer_that_only_the_token_does(watched, issuer):
    guard, told = watched
    with pytest.raises(RejectedError):
        guard.admit(request(issuer.token(iss="https://evil.example")), GUARDED)
    (event,) = told()
    assert (event.outcome, event.reason, event.issuer) == ("refused", "issuer_mismatch", None)


def test_an_issuer_at_fault_is_told_as_unavailable(watched, issuer):
    guard, told = watched
    issuer.is_down = True
    with pytest.raises(UnavailableError):
        guard.admit(request(issuer.token()), GUARDED)
    (event,) = told()
    assert (event.outcome, event.status) == ("unavailable", 503)


def test_an_event_tells_how_long_the_decision_took(issuer, clock):
    events = []

    class Slow(type(issuer)):
        def fetch(self, *args, **kwargs):
            clock.tick(2.5)
            return super().fetch(*args, **kwargs)

    slow = Slow(key=issuer.key, clock=clock)
    slow.guard(on_event=events.append, jwks_uri=slow.jwks_uri).admit(request(slow.token()), GUARDED)
    (event,) = [event for event in events if isinstance(event, RequestDecided)]
    assert event.duration_s == 2.5


def test_without_a_watcher_nothing_follows_a_decision(guard):
    """No object, and no reading of a clock."""
    assert guard._decisions is None


def test_a_watcher_that_fails_is_logged(issuer, caplog):
    def fail(event):
        raise OSError("no metrics today")

    issuer.guard(on_event=fail).admit(request(issuer.token()), GUARDED)
    assert "on_event failed" in caplog.text


# Beside the request


def test_after_a_fork_a_lock_that_was_held_stops_nobody(issuer, clock):
    """Promise 8: what a thread of the parent held stays held in the child."""
    guard = issuer.guard(mode=REPORT, report_until=UNTIL, shadow={"clients": ["x"]})
    guard._decisions.report_mode._lock.acquire()
    guard._decisions.shadow._lock.acquire()

    forks._start_over()

    guard.admit(request(issuer.token()), GUARDED)
    assert [row.reason for row in guard.shadow_report()] == ["client_not_allowed"]
    clock.tick(2 * 3600)
    assert guard.mode == "enforce"


def test_a_socket_that_nobody_was_needed_for_stays_open(guard):
    assert seconds_left(guard, request(), None) is None


def test_a_socket_stays_open_as_long_as_its_token_is_taken(guard, issuer):
    token = guard.verify(issuer.token())

    assert seconds_left(guard, request(), token) == 330


def test_a_socket_that_was_only_reported_stays_open_until_the_mode_ends(issuer, clock):
    """Design section 2: after the date it enforces, also what was opened before."""
    guard, asked = issuer.guard(mode=REPORT, report_until=UNTIL), request()
    assert guard.admit(asked, GUARDED) is None

    assert seconds_left(guard, asked, None) == 3600
    clock.tick(2 * 3600)
    assert seconds_left(guard, asked, None) == 0


def test_a_socket_with_a_token_stays_open_until_the_later_of_both(issuer):
    guard = issuer.guard(mode=REPORT, report_until=UNTIL)

    assert seconds_left(guard, request(), guard.verify(issuer.token())) == 3600
    late = guard.verify(issuer.token(exp=int(issuer.clock()) + 5000))
    assert seconds_left(guard, request(), late) == 5030


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"BEARERGUARD_MODE": REPORT}, "set BEARERGUARD_REPORT_UNTIL to the date"),
        ({"BEARERGUARD_REPORT_UNTIL": "2027-01-20"}, f"set BEARERGUARD_MODE to {REPORT}"),
    ],
)
def test_a_message_spells_the_other_setting_as_the_one_that_was_given(environment, named):
    whole = {"BEARERGUARD_ISSUER": "https://a.example", "BEARERGUARD_AUDIENCE": "a"}
    with pytest.raises(ConfigurationError, match=named):
        Guard.from_env(environ={**whole, **environment})

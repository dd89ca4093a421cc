"""MODE=report-without-enforcing behind every adapter: decided, told, and let through (design 2)."""

import pytest

from bearerguard import Guard

UNTIL = "2027-01-20"  # five days after the tests' clock begins
MODE = {"mode": "report-without-enforcing", "report_until": UNTIL}


@pytest.fixture
def events():
    return []


@pytest.fixture
def reporting(make, events):
    """The small application, in the mode, and whoever watches it."""
    return make(**MODE, on_event=events.append)


def decided(events):
    return [
        (event.outcome, event.reason, event.status)
        for event in events
        if type(event).__name__ == "RequestDecided"
    ]


def facts(records):
    return [
        (record.bearerguard["reason"], record.bearerguard["status"])
        for record in records
        if record.getMessage().startswith("would refuse: ")
        and record.bearerguard["enforced"] is False
    ]


@pytest.mark.parametrize(
    ("path", "token", "reason", "status"),
    [
        ("/plain", None, "no_credentials", 401),
        ("/any-token", None, "no_credentials", 401),
        ("/read", None, "no_credentials", 401),
        ("/read", "a b", "credentials_malformed", 400),
        ("/read", "garbage", "token_malformed", 401),
        ("/maybe", "garbage", "token_malformed", 401),
        ("/either", "other", "scope_insufficient", 403),
        ("/conflict/public", None, "no_credentials", 401),
    ],
)
def test_what_would_be_refused_passes_as_nobodys(
    reporting, events, issuer, log, path, token, reason, status
):
    raw = issuer.token("other") if token == "other" else token
    log()

    answer = reporting.call("GET", path, token=raw)

    assert answer.status == 200
    assert answer.all("www-authenticate") == []
    assert [token for _, token in reporting.ran] == [None]
    assert facts(log()) == [(reason, status)]
    assert decided(events) == [("reported", reason, status)]


def test_while_nobody_can_know_requests_pass(reporting, events, issuer, log):
    """Design section 3: what would be 503."""
    issuer.is_down = True

    assert reporting.call("GET", "/plain", token=issuer.token()).status == 200

    assert [token for _, token in reporting.ran] == [None]
    assert facts(log()) == [("issuer_unavailable", 503)]
    assert decided(events) == [("reported", "issuer_unavailable", 503)]


def test_a_good_token_is_handed_on_as_ever(reporting, events, issuer, log):
    reporting.call("GET", "/read", token=issuer.token("read"))

    ((_, token),) = reporting.ran
    assert token.subject == "user-1"
    assert decided(events) == [("admitted", None, None)]
    assert facts(log()) == []


def test_a_path_that_is_open_is_not_reported(reporting, events, log):
    assert reporting.call("GET", "/healthz", token="garbage").status == 200
    assert facts(log()) == []
    assert decided(events) == [("anonymous", None, None)]


@pytest.mark.parametrize("adapter", ["asgi", "wsgi"])
def test_a_path_that_no_rule_names_passes(make, issuer, log):
    api = make(**MODE, rules={"GET /read": "read"}, public=())
    log()

    assert api.call("GET", "/elsewhere", token=issuer.token()).status == 200

    assert facts(log()) == [("no_rule_for_path", 403)]


@pytest.mark.parametrize("adapter", ["starlette", "flask", "fastapi"])
def test_what_only_a_wrapper_sees_passes_as_nobodys(
    reporting, adapter, contract, issuer, log, monkeypatch, events
):
    """Design section 2: the user is anonymous unless every check passed."""
    monkeypatch.setattr(contract.READS_MARKS[adapter], lambda *_: contract.our_asgi.UNMARKED)
    log()

    assert reporting.call("GET", "/read", token=issuer.token("other")).status == 200

    assert [token for _, token in reporting.ran] == [None]
    assert facts(log()) == [("scope_insufficient", 403)]
    # The way in could not know of the need: the same request was decided twice.
    assert decided(events) == [
        ("admitted", None, None),
        ("reported", "scope_insufficient", 403),
    ]


@pytest.mark.parametrize("adapter", ["starlette", "flask", "fastapi"])
def test_what_was_reported_on_the_way_in_is_not_reported_by_the_wrapper(
    reporting, adapter, contract, log, monkeypatch
):
    monkeypatch.setattr(contract.READS_MARKS[adapter], lambda *_: contract.our_asgi.UNMARKED)
    log()

    assert reporting.call("GET", "/read").status == 200

    assert facts(log()) == [("no_credentials", 401)]


def test_from_the_date_on_the_same_application_enforces(reporting, clock, log, events):
    assert reporting.call("GET", "/read").status == 200
    log()

    clock.tick(5 * 86400)

    assert reporting.call("GET", "/read").outcome == (401, None)
    assert facts(log()) == []
    assert decided(events)[-1] == ("refused", "no_credentials", 401)


def test_an_adapter_takes_whoever_watches_and_what_is_in_the_shadow(adapter, contract, issuer):
    """Like every setting: to ``Guard.from_env``, where no ready guard is given."""
    events = []
    arguments = {"issuer": issuer.url, "audience": issuer.audience, "public": ["/healthz"]}
    more = {"fetcher": issuer, "clock": issuer.clock, "on_event": events.append}
    shadow = {"shadow": {"required_scopes": ["x"]}}
    plan = contract.Plan(settings=arguments | more | shadow)
    api = contract.make_api(adapter, plan)

    api.call("GET", "/plain", token=issuer.token())

    kinds = [type(event).__name__ for event in events]
    assert [kind for kind in kinds if kind in ("RequestDecided", "ShadowRefused")] == [
        "RequestDecided",
        "ShadowRefused",
    ]


@pytest.mark.parametrize(
    ("path", "token", "expected"),
    [
        ("/plain", "", ("admitted", None, None)),
        ("/read", "other", ("refused", "scope_insufficient", 403)),
        ("/read", None, ("refused", "no_credentials", 401)),
        ("/maybe", None, ("anonymous", None, None)),
    ],
)
def test_each_request_is_told_once(make, events, issuer, path, token, expected):
    api = make(on_event=events.append)

    api.call("GET", path, token=None if token is None else issuer.token(token))

    assert decided(events) == [expected]


def test_a_watcher_that_fails_changes_no_answer(make, issuer):
    def fail(event):
        raise OSError("no metrics today")

    api = make(on_event=fail)
    assert api.call("GET", "/plain", token=issuer.token()).status == 200
    assert api.call("GET", "/plain").outcome == (401, None)


@pytest.mark.parametrize("adapter", ["asgi", "wsgi"])
def test_the_mode_is_off_by_default(make):
    api = make()
    guard = api.app.gate.guard
    assert isinstance(guard, Guard)
    assert guard.mode == "enforce"

"""The guard: settings in, decisions out, from threads and from event loops."""

import asyncio
import gc
import logging
import time
import weakref

import jwt
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from bearerguard import (
    AccessToken,
    ConfigurationError,
    Guard,
    RejectedError,
    UnavailableError,
    issuers,
    scope,
)
from bearerguard.configuration import configure
from bearerguard.core import signature
from bearerguard.core.access import Access
from bearerguard.core.policy import AKP_ALGORITHMS, ASYMMETRIC_ALGORITHMS
from bearerguard.core.request import RequestView
from bearerguard.jwks.fetch import HttpFetcher
from bearerguard.settings import Source, from_arguments
from bearerguard.testing import Issuer

GOOD = {"issuer": "https://issuer.example", "audience": "https://api.example"}
SECRET = "a secret of more than thirty-two bytes"
RUNS = [lambda function: asyncio.run(function()), trio.run]


def request(token=None):
    headers = () if token is None else (("Authorization", f"Bearer {token}"),)
    return RequestView("GET", "/orders", None, headers)


# Making a guard


@pytest.mark.requirement("GEN-6")
@pytest.mark.parametrize("make", [Guard, lambda: Guard.from_env(environ={})])
def test_a_guard_without_issuer_and_audience_is_not_made(make):
    """A guard that took any issuer's tokens, or those for any API, would be none."""
    with pytest.raises(ConfigurationError) as refusal:
        make()
    assert len(refusal.value.problems) == 2
    assert "issuer" in refusal.value.problems[0].lower()
    assert "audience" in refusal.value.problems[1].lower()


def test_from_env_takes_arguments_before_app_config_before_the_environment(issuer):
    config = {"BEARERGUARD_LEEWAY": "2s", "BEARERGUARD_REALM": "config"}
    environ = {"BEARERGUARD_LEEWAY": "3s", "BEARERGUARD_REALM": "e", "BEARERGUARD_PROFILE": "jwt"}
    guard = Guard.from_env(
        environ=environ,
        app_config=Source("app.config", "BEARERGUARD_", config),
        leeway="1s",
        **GOOD,
    )
    settings = guard.settings
    assert (settings.leeway, settings.realm, settings.profile) == (1.0, "config", "jwt")


def test_from_env_makes_a_guard_of_the_class_that_was_asked():
    class OurGuard(Guard):
        pass

    assert isinstance(OurGuard.from_env(environ={}, **GOOD), OurGuard)


def test_the_fetcher_and_the_clock_of_from_env_reach_the_guard(issuer, clock):
    guard = Guard.from_env(environ={}, fetcher=issuer, clock=clock, **GOOD)
    assert clock is guard.clock
    assert guard.verify(issuer.token())
    assert [issuer.jwks_uri] == issuer.requests[-1:]


def test_a_problem_of_a_merged_setting_names_the_source_that_it_came_from():
    with pytest.raises(ConfigurationError, match=r"BEARERGUARD_LEEWAY='9h' \(environment\)"):
        Guard.from_env(environ={"BEARERGUARD_LEEWAY": "9h"}, **GOOD)


@pytest.mark.requirement("8414-6.1-1")
def test_a_certificate_file_that_cannot_be_used_is_one_problem_among_others(tmp_path):
    with pytest.raises(ConfigurationError) as refusal:
        Guard(ca_file=str(tmp_path / "absent"), leeway="soon")
    assert len(refusal.value.problems) == 4


def test_a_guard_without_a_fetcher_has_the_default_one_with_the_certificates(monkeypatch):
    made = []
    monkeypatch.setattr(
        issuers, "HttpFetcher", lambda ca_file: made.append(ca_file) or HttpFetcher()
    )
    Guard(**GOOD)
    assert made == [None]


def test_a_guard_that_nobody_uses_any_more_is_forgotten(issuer):
    there = weakref.ref(issuer.guard())
    gc.collect()
    assert there() is None


def test_the_age_of_keys_is_measured_by_a_clock_that_cannot_be_set_back(monkeypatch, issuer, clock):
    clocks = []
    monkeypatch.setattr(
        issuers, "KeySource", lambda _load, _cache, clock, _on_event: clocks.append(clock)
    )
    Guard(**GOOD)
    Guard(**GOOD, clock=clock)
    assert [time.monotonic, clock] == clocks


# ML-DSA


def test_ml_dsa_leaves_the_default_list_where_openssl_lacks_it(monkeypatch, caplog):
    """RFC 9964; every other algorithm stays."""
    monkeypatch.setattr(signature, "ml_dsa_is_supported", lambda: False)

    guard = Guard(**GOOD)

    assert {*ASYMMETRIC_ALGORITHMS} - {*AKP_ALGORITHMS} == guard.trust.only.algorithms
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "this OpenSSL has no ML-DSA: ML-DSA-44, ML-DSA-65, ML-DSA-87 are not accepted"
    ]


def test_ml_dsa_stays_in_the_default_list_where_openssl_has_it(monkeypatch, caplog):
    monkeypatch.setattr(signature, "ml_dsa_is_supported", lambda: True)
    assert {*ASYMMETRIC_ALGORITHMS} == Guard(**GOOD).trust.only.algorithms
    assert "no ML-DSA" not in caplog.text


@pytest.mark.parametrize("settings", [{"algorithms": "RS256"}, {"secret": SECRET}])
def test_who_does_not_use_the_default_list_hears_nothing_of_ml_dsa(monkeypatch, caplog, settings):
    monkeypatch.setattr(signature, "ml_dsa_is_supported", lambda: False)
    assert not {*AKP_ALGORITHMS} & Guard(**GOOD, **settings).trust.only.algorithms
    assert "ML-DSA" not in caplog.text


# Verifying


def test_a_good_token_gives_what_it_says(guard, issuer):
    token = guard.verify(issuer.token("orders:read"))
    assert isinstance(token, AccessToken)
    assert ("user-1", {"orders:read"}) == (token.subject, token.scopes)


@pytest.mark.parametrize("run", RUNS)
def test_the_asynchronous_form_gives_the_same(guard, issuer, run):
    raw = issuer.token("orders:read")
    assert run(lambda: guard.averify(raw)) == guard.verify(raw)


@pytest.mark.parametrize(
    "raw", [None, b"a.b.c", 5, "", [], {}, object(), "\ud800", "é", "a.b.c", "x" * 20000]
)
def test_whatever_is_no_token_is_refused_in_the_same_way(guard, raw):
    for verify in (guard.verify, lambda raw: asyncio.run(guard.averify(raw))):
        with pytest.raises(RejectedError) as refusal:
            verify(raw)
        assert (refusal.value.status, refusal.value.error) == (401, "invalid_token")


def test_both_forms_report_an_issuer_that_cannot_be_reached(guard, issuer):
    issuer.is_down = True
    for verify in (guard.verify, lambda raw: asyncio.run(guard.averify(raw))):
        with pytest.raises(UnavailableError) as refusal:
            verify(issuer.token())
        assert 1 <= refusal.value.retry_after <= 60


def test_a_token_signed_with_the_configured_secret_is_verified_without_any_fetch(issuer):
    guard = issuer.guard(secret=SECRET)

    raw = jwt.encode(issuer.claims(), SECRET, "HS256", headers={"typ": "at+jwt"})

    assert guard.verify(raw).subject == "user-1"
    with pytest.raises(RejectedError) as refusal:
        guard.verify(issuer.token())
    assert refusal.value.reason == "algorithm_not_allowed"
    assert issuer.requests == []
    assert guard.status()[issuer.url]["state"] == "static"


@pytest.mark.parametrize("run", RUNS)
def test_verify_in_an_event_loop_raises_where_it_would_have_to_wait(guard, issuer, run):
    """Waiting would stop everything else in the loop; the message names what to write."""
    raw = issuer.token()

    async def first_verify_then_averify():
        with pytest.raises(RuntimeError, match=r"await guard\.averify\(token\)"):
            guard.verify(raw)
        return await guard.averify(raw), guard.verify(raw)

    waited, at_once = run(first_verify_then_averify)
    assert waited == at_once


def test_the_scopes_that_every_route_needs_are_a_matter_of_the_guard(issuer):
    guard = issuer.guard(required_scopes=["api", "read"])

    assert guard.verify(issuer.token("read api more"))
    for lacking in ("api", "read", None):
        with pytest.raises(RejectedError) as refusal:
            guard.verify(issuer.token(lacking))
        assert (refusal.value.status, refusal.value.error) == (403, "insufficient_scope")
        assert refusal.value.reason == "scope_insufficient"


def test_the_clock_decides_about_times(issuer, clock):
    guard, raw = issuer.guard(leeway=0), issuer.token()
    clock.tick(299)
    assert guard.verify(raw)
    clock.tick(1)
    with pytest.raises(RejectedError) as refusal:
        guard.verify(raw)
    assert refusal.value.reason == "expired"


def test_the_present_time_is_the_default():
    issuer = Issuer()
    assert issuer.guard().verify(issuer.token())
    with pytest.raises(RejectedError) as refusal:
        issuer.guard().verify(issuer.token(exp=time.time() - 31))
    assert refusal.value.reason == "expired"


# Requests


def test_a_request_is_decided_in_the_same_way_in_both_forms(guard, issuer):
    access = Access(need=scope("orders:read"))
    good, short = request(issuer.token("orders:read")), request(issuer.token("other"))

    def outcome(request):
        outcomes = []
        for admit in (guard.admit, lambda *args: asyncio.run(guard.aadmit(*args))):
            try:
                outcomes.append(admit(request, access).subject)
            except RejectedError as refusal:
                outcomes.append(refusal.status)
        return outcomes

    assert outcome(good) == ["user-1", "user-1"]
    assert outcome(short) == [403, 403]
    assert outcome(request()) == [401, 401]
    issuer.is_down = True
    fresh = issuer.guard()
    for admit in (fresh.admit, lambda *args: asyncio.run(fresh.aadmit(*args))):
        with pytest.raises(UnavailableError):
            admit(good, access)


def test_a_public_path_needs_nothing(guard):
    access = Access(public=True)
    assert guard.admit(request("garbage"), access) is None
    assert asyncio.run(guard.aadmit(request(), access)) is None


def test_each_refused_request_is_logged_once_and_a_refused_token_not_at_all(guard, issuer, caplog):
    """Whoever calls verify() hears of the refusal himself."""
    caplog.set_level(logging.INFO, "bearerguard")
    for admit in (guard.admit, lambda *args: asyncio.run(guard.aadmit(*args))):
        caplog.clear()
        with pytest.raises(RejectedError):
            admit(request("garbage"), Access())
        assert len(caplog.records) == 1

    caplog.clear()
    with pytest.raises(RejectedError):
        guard.verify("garbage")
    assert caplog.records == []


def test_the_answer_names_the_scopes_of_the_guard_and_of_the_route_once_each(issuer):
    guard = issuer.guard(required_scopes="api,read", realm="Orders")
    refusal = RejectedError("scope_insufficient")

    def field(access):
        return dict(guard.answer(refusal, access).headers)["WWW-Authenticate"]

    assert 'scope="api read write"' in field(Access(need=scope("read") & scope("write")))
    assert 'scope="api read"' in field(Access())
    assert 'realm="Orders"' in field(Access())


@pytest.mark.requirement("6750-3-4")
def test_the_scopes_of_a_challenge_are_joined_by_one_space_and_cannot_break_it(issuer):
    """RFC 6750 section 3: a scope that the field could not hold refuses the start instead."""
    for bad in ('a"b', "a\\b", "a b", ["ok", 'a"b'], "é"):
        with pytest.raises(ConfigurationError, match="is not a scope"):
            issuer.guard(required_scopes=bad)
        with pytest.raises(ConfigurationError):
            scope(bad if isinstance(bad, str) else bad[-1])

    answer = issuer.guard(required_scopes="a,b").answer(RejectedError("no_credentials"), Access())
    assert dict(answer.headers)["WWW-Authenticate"].endswith(', scope="a b"')


# Explaining, and the state of the keys


def test_explain_reports_every_check_of_a_good_token(guard, issuer):
    raw = issuer.token()
    guard.verify(raw)
    report = guard.explain(raw)
    assert report.accepted
    assert report.first_failure is None
    assert report == asyncio.run(guard.aexplain(raw))


def test_explain_uses_the_keys_that_are_there_and_aexplain_may_fetch(guard, issuer):
    def key_check(report):
        return next(check for check in report.checks if check.name == "key").passed

    raw = issuer.token()
    assert key_check(guard.explain(raw)) is None
    assert issuer.requests == []
    assert key_check(asyncio.run(guard.aexplain(raw))) is True
    assert key_check(guard.explain(raw)) is True


def test_explain_gives_what_was_expected_and_found_and_a_hint(guard, issuer):
    guard.verify(issuer.token())
    failure = guard.explain(issuer.token(iss=f"{issuer.url}/")).first_failure
    assert (failure.name, failure.reason) == ("issuer", "issuer_mismatch")
    assert (issuer.url, f"{issuer.url}/") == (failure.expected, failure.found)
    assert "trailing slash" in failure.hint


def test_explain_agrees_with_verify_on_a_key_that_nobody_knows(guard, issuer):
    guard.verify(issuer.token())
    stranger = Issuer(alg="ES256", clock=issuer.clock)
    failure = guard.explain(stranger.token()).first_failure
    assert (failure.name, failure.reason) == ("key", "key_unknown")


def test_explain_says_so_when_the_issuer_cannot_be_reached(guard, issuer):
    issuer.is_down = True
    for report in (guard.explain(issuer.token()), asyncio.run(guard.aexplain(issuer.token()))):
        assert not report.accepted
        assert report.first_failure is None
        assert "issuer_unavailable" in [check.reason for check in report.checks]


EVERY_GUARD = Issuer(alg="ES256").guard()
RAW = st.text() | st.binary() | st.none() | st.from_regex(r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){2}\Z")


@given(RAW)
def test_explain_never_raises_and_agrees_with_verify(raw):
    assert not EVERY_GUARD.explain(raw).accepted
    assert not asyncio.run(EVERY_GUARD.aexplain(raw)).accepted
    with pytest.raises(RejectedError):
        EVERY_GUARD.verify(raw)


def test_the_status_names_the_state_of_the_keys_by_issuer(guard, issuer, clock):
    (before,) = guard.status().values()
    assert before["key_ids"] == []
    guard.verify(issuer.token())
    clock.tick(10)

    assert [issuer.url] == list(guard.status())
    (status,) = guard.status().values()
    assert status["state"] == "fresh"
    assert status["key_ids"] == ["key-1"]
    assert status["age_s"] == 10
    assert status["last_error"] is None
    assert 0 < status["next_refresh_s"] <= 290


def test_the_status_tells_why_the_keys_cannot_be_had(guard, issuer):
    issuer.is_down = True
    with pytest.raises(UnavailableError):
        guard.verify(issuer.token())
    assert "the issuer is down" in guard.status()[issuer.url]["last_error"]


def test_ready_made_settings_and_others_beside_them_are_no_way_to_make_a_guard():
    with pytest.raises(TypeError, match="settings have names"):
        Guard("https://issuer.example")
    with pytest.raises(TypeError, match="settings have names"):
        Guard(configure(from_arguments(GOOD)), leeway="0s")

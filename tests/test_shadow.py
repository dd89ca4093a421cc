"""A stricter policy beside the live one: what it would refuse is counted, and nothing else."""

import logging

import pytest

from bearerguard import ConfigurationError, Guard
from bearerguard import Issuer as ConfiguredIssuer
from bearerguard.core.access import GUARDED
from bearerguard.core.request import RequestView
from bearerguard.events import ShadowRefused
from bearerguard.shadow import MOST_ROWS


def admit(guard, token):
    fields = [("authorization", f"Bearer {token}")]
    return guard.admit(RequestView("GET", "/orders", None, fields), GUARDED)


def reasons(guard):
    return {row.reason: row.count for row in guard.shadow_report()}


@pytest.mark.parametrize(
    ("shadow", "token", "reason"),
    [
        ({"required_scopes": ["read"]}, {"scope": "write"}, "scope_insufficient"),
        ({"clients": "shop"}, {}, "client_not_allowed"),
        ({"max_token_age": "1h"}, {"iat": 1_800_000_000 - 4000}, "too_old"),
        ({"leeway": "0"}, {"exp": 1_800_000_000}, "expired"),
        ({"audience": "other"}, {}, "audience_mismatch"),
        ({"required_claims": "acr"}, {}, "claim_missing"),
        ({"match": "env=live"}, {"env": "test"}, "claim_mismatch"),
        ({"algorithms": "ES256"}, {}, "algorithm_not_allowed"),
        ({"profile": "rfc9068"}, {"header": {"typ": "JWT"}}, "type_mismatch"),
        ({"scope_claims": "scp"}, {"scp": 5}, "claim_malformed"),
    ],
)
def test_what_the_shadow_would_refuse_is_admitted_and_counted(issuer, shadow, token, reason):
    guard = issuer.guard(profile="jwt", shadow=shadow)
    raw = issuer.token(**token)

    for _ in range(2):  # known the second time
        assert admit(guard, raw).subject == "user-1"

    (row,) = guard.shadow_report()
    assert (row.reason, row.issuer, row.client_id) == (reason, issuer.url, "client-1")
    assert row.count == 2


def test_what_the_shadow_would_admit_is_not_counted(issuer):
    guard = issuer.guard(shadow={"required_scopes": ["read"]})
    admit(guard, issuer.token("read"))
    assert guard.shadow_report() == []


def test_a_known_token_that_gets_too_old_for_the_shadow_is_counted_from_then_on(issuer, clock):
    guard = issuer.guard(shadow={"max_token_age": "1m"})
    token = issuer.token()
    admit(guard, token)
    clock.tick(90)
    admit(guard, token)
    assert reasons(guard) == {"too_old": 1}


def test_an_opaque_token_is_judged_by_what_its_issuer_says_of_it(issuer):
    client = {"introspection_client_id": "api", "introspection_client_secret": "hush"}
    guard = issuer.guard(**client, shadow={"required_scopes": ["read"], "profile": "rfc9068"})
    admit(guard, issuer.opaque_token("write"))
    assert reasons(guard) == {"scope_insufficient": 1}


def test_the_shadow_asks_the_issuer_for_nothing(issuer):
    """Only rules about the header and the claims: no fetch is done twice."""
    plain, shadowed = issuer.guard(), issuer.guard(shadow={"clients": "shop"})
    token = issuer.token()
    admit(plain, token)
    asked = len(issuer.requests)
    admit(shadowed, token)
    assert len(issuer.requests) == 2 * asked


def test_first_and_last_are_told(issuer, clock):
    guard = issuer.guard(shadow={"clients": "shop"})
    began = clock.now
    admit(guard, issuer.token())
    clock.tick(60)
    admit(guard, issuer.token())
    (row,) = guard.shadow_report()
    assert (row.first_seen, row.last_seen) == (began, began + 60)


def test_the_most_frequent_comes_first(issuer):
    guard = issuer.guard(shadow={"clients": "shop"})
    for client in ("a", "b", "b"):
        admit(guard, issuer.token(client_id=client))
    assert [row.client_id for row in guard.shadow_report()] == ["b", "a"]


def test_clients_beyond_the_bound_share_a_row(issuer, monkeypatch):
    monkeypatch.setattr("bearerguard.shadow.MOST_ROWS", 2)
    guard = issuer.guard(shadow={"clients": "shop"})
    for number in range(5):
        admit(guard, issuer.token(client_id=f"client-{number}"))
    assert [(row.client_id, row.count) for row in guard.shadow_report()] == [
        (None, 3),
        ("client-0", 1),
        ("client-1", 1),
    ]


def test_the_bound_is_a_thousand_rows():
    assert MOST_ROWS == 1000


def test_each_is_told_to_whoever_watches(issuer):
    events = []
    guard = issuer.guard(shadow={"clients": "shop"}, on_event=events.append)
    admit(guard, issuer.token())
    assert [event for event in events if isinstance(event, ShadowRefused)] == [
        ShadowRefused("client_not_allowed", issuer.url, "client-1")
    ]


def test_a_line_comes_the_first_time_and_then_once_a_minute(issuer, clock, caplog):
    guard = issuer.guard(shadow={"clients": "shop"})
    caplog.set_level(logging.INFO, logger="bearerguard")
    counts = []
    for seconds in (0, 30, 29, 1):
        clock.tick(seconds)
        caplog.clear()
        admit(guard, issuer.token())
        counts.append([r.bearerguard["count"] for r in caplog.records])
    assert counts == [[1], [], [], [4]]


def test_the_line_says_that_nothing_is_enforced(issuer, caplog):
    guard = issuer.guard(shadow={"clients": "shop"})
    caplog.set_level(logging.INFO, logger="bearerguard")
    admit(guard, issuer.token())
    record = caplog.records[-1]
    assert record.getMessage().startswith("shadow would refuse: reason='client_not_allowed'")
    assert record.bearerguard["enforced"] is False


def test_a_fault_in_the_shadow_changes_no_answer(issuer, monkeypatch, caplog):
    def fail(*_):
        raise OSError("broken")

    monkeypatch.setattr("bearerguard.shadow.reason_to_refuse", fail)
    assert admit(issuer.guard(shadow={"clients": "shop"}), issuer.token()).subject == "user-1"
    assert "the shadow policy failed" in caplog.text


def test_without_a_shadow_the_report_is_empty(guard):
    assert guard.shadow_report() == []


def test_an_issuer_that_is_resolved_has_no_shadow(issuer):
    guard = Guard(
        resolve_issuer=lambda name: ConfiguredIssuer(name, audience=issuer.audience),
        issuers_allowed=[issuer.url],
        shadow={"clients": "shop"},
        fetcher=issuer,
        clock=issuer.clock,
    )
    assert admit(guard, issuer.token()).subject == "user-1"
    assert guard.shadow_report() == []


@pytest.mark.parametrize(
    ("shadow", "told"),
    [
        ("rfc9068", "shadow is no mapping"),
        ({}, "shadow is no mapping"),
        ({"jwks_uri": "https://x.example"}, "shadow: 'jwks_uri' cannot differ"),
        ({"secret": "x" * 32}, "shadow: 'secret' cannot differ"),
        ({"profile": "nobody"}, "shadow: profile "),
    ],
)
def test_what_cannot_be_a_shadow_refuses_the_start(issuer, shadow, told):
    with pytest.raises(ConfigurationError) as refusal:
        issuer.guard(shadow=shadow)
    (problem,) = refusal.value.problems
    assert problem.startswith(told)


@pytest.fixture
def in_file(tmp_path, issuer):
    def written(table, **settings):
        file = tmp_path / "bearerguard.toml"
        file.write_text(table)
        return issuer.guard(config=str(file), **settings)

    return written


def test_the_file_of_settings_may_have_a_shadow(in_file, issuer):
    guard = in_file('[shadow]\nclients = ["shop"]\nmax_token_age = "1h"\n')
    admit(guard, issuer.token())
    assert reasons(guard) == {"client_not_allowed": 1}


def test_a_shadow_in_code_counts_before_that_of_the_file(in_file, issuer):
    guard = in_file('[shadow]\nclients = ["shop"]\n', shadow={"required_scopes": "x"})
    admit(guard, issuer.token())
    assert reasons(guard) == {"scope_insufficient": 1}


@pytest.mark.parametrize("table", ["shadow = 1\n", "[shadow]\njwks_file = '/x'\n"])
def test_what_cannot_be_a_shadow_in_the_file_refuses_the_start(in_file, table):
    with pytest.raises(ConfigurationError, match="shadow"):
        in_file(table)


def test_a_bad_shadow_is_told_with_everything_else(issuer):
    with pytest.raises(ConfigurationError) as refusal:
        issuer.guard(shadow={"leeway": "x"}, leeway="soon")
    assert len(refusal.value.problems) == 2


def test_an_empty_list_in_the_shadow_refuses_the_start(issuer):
    """It would count every token, and as a live setting it refuses, too."""
    with pytest.raises(ConfigurationError, match="shadow: clients is an empty list"):
        issuer.guard(shadow={"clients": []})

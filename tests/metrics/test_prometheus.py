"""What Prometheus is told, and how little that is."""

import importlib.util
import sys
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bearerguard import prometheus
from bearerguard.events import (
    FetchEnded,
    FetchStarted,
    KeyRefused,
    KeyStateChanged,
    RequestDecided,
    ShadowRefused,
)
from bearerguard.prometheus import Metrics

A, B = "https://a.example", "https://b.example"


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return Metrics(registry)


def series(registry):
    """Every series that a scrape brings, by its name and labels."""
    text = generate_latest(registry).decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_a_decided_request_is_counted_by_outcome_reason_and_issuer(metrics, registry):
    for _ in range(3):
        metrics(RequestDecided("admitted", None, None, A, 0.0002))
    metrics(RequestDecided("refused", "scope_insufficient", 403, A, 0.0002))
    metrics(RequestDecided("refused", "no_credentials", 401, None, 0.0002))
    metrics(RequestDecided("unavailable", "issuer_unavailable", 503, None, 4.0))
    for labels, count in {
        ("admitted", "", A): 3,
        ("refused", "scope_insufficient", A): 1,
        ("refused", "no_credentials", ""): 1,
        ("unavailable", "issuer_unavailable", ""): 1,
    }.items():
        named = dict(zip(("outcome", "reason", "issuer"), labels, strict=True))
        assert registry.get_sample_value("bearerguard_requests_total", named) == count


def test_the_time_of_a_decision_is_in_the_bucket_that_holds_it(metrics, registry):
    metrics(RequestDecided("admitted", None, None, A, 0.0002))
    metrics(RequestDecided("admitted", None, None, A, 3.0))
    name = "bearerguard_request_decision_seconds"
    buckets = {
        bound: registry.get_sample_value(f"{name}_bucket", {"outcome": "admitted", "le": bound})
        for bound in ("0.0001", "0.00025", "2.5", "5.0", "+Inf")
    }
    assert buckets == {"0.0001": 0, "0.00025": 1, "2.5": 1, "5.0": 2, "+Inf": 2}
    assert registry.get_sample_value(f"{name}_sum", {"outcome": "admitted"}) == 3.0002


def test_what_the_shadow_would_refuse_is_counted_by_reason_issuer_and_client(metrics, registry):
    metrics(ShadowRefused("scope_insufficient", A, "shop"))
    metrics(ShadowRefused("scope_insufficient", A, None))
    counted = {labels[1:]: n for labels, n in series(registry).items() if "shadow" in labels[0]}
    # In the order of the labels' names: client, issuer, reason.
    assert counted == {("shop", A, "scope_insufficient"): 1, ("", A, "scope_insufficient"): 1}


@pytest.mark.parametrize(
    ("event", "result"),
    [
        (FetchEnded(A, 1, 0.3), "success"),
        (FetchEnded(A, 1, 0.3, is_shared=True), "shared"),
        (FetchEnded(A, 1, 0.3, "connection refused by 10.0.0.7"), "failure"),
    ],
)
def test_a_fetch_is_counted_by_its_result_and_not_by_its_message(metrics, registry, event, result):
    metrics(event)
    counted = [
        labels for labels in series(registry) if labels[0] == "bearerguard_jwks_fetches_total"
    ]
    assert counted == [("bearerguard_jwks_fetches_total", A, result)]
    assert registry.get_sample_value("bearerguard_jwks_fetch_seconds_sum") == 0.3


def test_a_good_fetch_notes_the_time_and_a_failed_one_leaves_it(metrics, registry):
    name, labels = "bearerguard_jwks_last_success_timestamp_seconds", {"issuer": A}
    metrics(FetchEnded(A, 1, 5.0, "no answer within 5 s"))
    assert registry.get_sample_value(name, labels) is None
    before = time.time()
    metrics(FetchEnded(A, 2, 0.1))
    noted = registry.get_sample_value(name, labels)
    assert before <= noted <= time.time()
    metrics(FetchEnded(A, 3, 5.0, "no answer within 5 s"))
    assert registry.get_sample_value(name, labels) == noted


def states(registry, issuer=A):
    """The states that are set."""
    every = ("cold", "fresh", "refresh_due", "stale_ok", "expired")
    name = "bearerguard_keys_state"
    values = {s: registry.get_sample_value(name, {"issuer": issuer, "state": s}) for s in every}
    assert set(values.values()) <= {0, 1} or set(values.values()) == {None}
    return [state for state, value in values.items() if value]


def test_keys_are_in_one_state_at_a_time(metrics, registry):
    assert states(registry) == []
    metrics(FetchStarted(A, 1))
    assert states(registry) == ["cold"]
    for after in ("fresh", "refresh_due", "stale_ok", "expired", "fresh"):
        metrics(KeyStateChanged(A, "whatever", after))
        assert states(registry) == [after]
    assert states(registry, B) == []


def test_a_later_fetch_does_not_make_keys_cold(metrics, registry):
    metrics(KeyStateChanged(A, "cold", "fresh"))  # as a snapshot brings them, without any fetch
    metrics(FetchStarted(A, 1))
    assert states(registry) == ["fresh"]


def test_a_state_that_nobody_knows_changes_nothing(metrics, registry):
    metrics(KeyStateChanged(A, "cold", "fresh"))
    metrics(KeyStateChanged(A, "fresh", "melted"))
    assert states(registry) == ["fresh"]


def test_a_refused_key_is_counted_without_its_id(metrics, registry):
    metrics(KeyRefused(A, 0, "kid-1", "use is 'enc'"))
    assert series(registry)["bearerguard_keys_refused_total", A] == 1
    assert "kid-1" not in generate_latest(registry).decode()


def test_an_event_of_a_later_version_is_passed_over(metrics, registry):
    metrics(object())
    assert [value for value in series(registry).values() if value] == []


def test_without_a_registry_the_metrics_are_where_prometheus_client_looks_for_them(monkeypatch):
    registry = CollectorRegistry()
    monkeypatch.setattr(prometheus, "REGISTRY", registry)
    Metrics()(KeyRefused(A, 0, None, "weak"))
    assert series(registry)["bearerguard_keys_refused_total", A] == 1


def test_a_second_one_in_the_same_registry_is_refused(metrics, registry):
    """Both would count the same."""
    with pytest.raises(ValueError, match="Duplicated"):
        Metrics(registry)


# Without the extra


def test_without_the_extra_the_import_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    spec = importlib.util.spec_from_file_location("without_the_extra", prometheus.__file__)
    with pytest.raises(ImportError, match=r"pip install 'bearerguard\[prometheus\]'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

"""The number of series is bounded, whatever arrives; and nothing is left out of the sums."""

import itertools
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

from bearerguard.errors import REASONS
from bearerguard.events import (
    FetchEnded,
    FetchStarted,
    KeyRefused,
    KeyStateChanged,
    RequestDecided,
    ShadowRefused,
)
from bearerguard.measures import LONGEST_NAME, MOST_ISSUERS, MOST_SERIES, OUTCOMES
from bearerguard.otel import Telemetry
from bearerguard.prometheus import Metrics

PAGE = Path(__file__).parents[2] / "docs/observability.md"
# Of no issuer, or of all those that have no series of their own: outcomes by reasons.
FIXED = (len(OUTCOMES) + 1) * (len(REASONS) + 3)

TEXTS = st.text(max_size=8)
NAMES = st.none() | TEXTS | st.just("long" * 100)
SECONDS = st.floats(0, 100)
ANY_EVENT = st.one_of(
    st.builds(RequestDecided, TEXTS, NAMES, st.none() | st.integers(), NAMES, SECONDS),
    st.builds(ShadowRefused, TEXTS, TEXTS, NAMES),
    st.builds(FetchStarted, TEXTS, st.integers()),
    st.builds(FetchEnded, TEXTS, st.integers(), SECONDS, NAMES, st.booleans()),
    st.builds(KeyRefused, TEXTS, st.integers(), NAMES, TEXTS),
    st.builds(KeyStateChanged, TEXTS, TEXTS, TEXTS),
)
OF_A_TABLE = {
    "outcome": {*OUTCOMES, "other"},
    "reason": {*REASONS, "issuer_unavailable", "", "other"},
    "result": {"success", "shared", "failure"},
    "state": {"cold", "fresh", "refresh_due", "stale_ok", "expired"},
}
FREE = {"issuer", "client", "le"}


def flood():
    """More of everything than anybody has, each value beside many others."""
    states = itertools.cycle(["fresh", "stale_ok", "expired", "made up"])
    reasons = itertools.cycle([*REASONS, "issuer_unavailable", None, "made up"])
    outcomes = itertools.cycle([*sorted(OUTCOMES), "made up"])
    for number in range(2000):
        issuer, client = f"https://{number}.example", f"client-{number % 700}"
        reason = next(reasons)
        yield RequestDecided(next(outcomes), reason, None, issuer, 0.01)
        yield RequestDecided(next(outcomes), reason, None, None, number / 100)
        yield ShadowRefused(reason or "made up too", issuer, client)
        if number < 300:
            yield FetchStarted(issuer, 1)
            yield FetchEnded(issuer, 1, number / 100, f"failure {number}" if number % 2 else None)
            yield FetchEnded(issuer, 2, number / 100, is_shared=bool(number % 3))
            yield KeyRefused(issuer, number, f"kid-{number}", f"reason {number}")
            yield KeyStateChanged(issuer, "cold", next(states))


@pytest.fixture(scope="module")
def flooded():
    """Every event of the flood, and what Prometheus would be told of it."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    events = list(flood())
    for event in events:
        metrics(event)
    return events, [sample for family in registry.collect() for sample in family.samples]


def test_a_flood_makes_a_bounded_number_of_series_of_each_metric(flooded):
    count = Counter(sample.name for sample in flooded[1])
    assert MOST_SERIES < count["bearerguard_requests_total"] <= MOST_SERIES + 2 * FIXED
    assert MOST_SERIES < count["bearerguard_shadow_refusals_total"] <= MOST_SERIES + FIXED
    assert count["bearerguard_keys_state"] == 5 * MOST_ISSUERS
    assert count["bearerguard_jwks_fetches_total"] <= 3 * (MOST_ISSUERS + 1)
    assert count["bearerguard_jwks_last_success_timestamp_seconds"] <= MOST_ISSUERS
    assert count["bearerguard_keys_refused_total"] == MOST_ISSUERS + 1
    assert count["bearerguard_request_decision_seconds_bucket"] == 6 * 17
    assert count["bearerguard_jwks_fetch_seconds_bucket"] == 12


def test_a_flood_makes_fewer_series_in_all_than_the_page_promises(flooded):
    """Those included that tell when a counter began."""
    promised = re.search(r"at most ([\d,]+) series", PAGE.read_text("utf-8"))
    assert len(flooded[1]) <= int(promised[1].replace(",", ""))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (RequestDecided, "bearerguard_requests_total"),
        (ShadowRefused, "bearerguard_shadow_refusals_total"),
        (FetchEnded, "bearerguard_jwks_fetches_total"),
        (KeyRefused, "bearerguard_keys_refused_total"),
    ],
)
def test_what_has_no_series_of_its_own_is_counted_all_the_same(flooded, kind, name):
    events, samples = flooded
    counted = sum(sample.value for sample in samples if sample.name == name)
    assert counted == sum(isinstance(event, kind) for event in events)


@given(st.lists(ANY_EVENT, max_size=20))
def test_whatever_arrives_the_values_of_fixed_labels_are_of_their_tables(events):
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for event in events:
        metrics(event)
    for sample in (sample for family in registry.collect() for sample in family.samples):
        for label, value in sample.labels.items():
            assert value in OF_A_TABLE[label] if label in OF_A_TABLE else label in FREE
            assert len(value) <= LONGEST_NAME


def points_of(reader):
    """Every series, with the name of its metric."""
    data = reader.get_metrics_data()
    if data is None:
        return []
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    return [(metric.name, point) for metric in scope.metrics for point in metric.data.data_points]


def test_a_flood_makes_as_few_series_with_opentelemetry(flooded):
    reader = InMemoryMetricReader()
    telemetry = Telemetry(MeterProvider(metric_readers=[reader]))
    for event in flooded[0]:
        telemetry(event)
    points = points_of(reader)
    count = Counter(name for name, _ in points)
    assert MOST_SERIES < count["bearerguard.request.decisions"] <= MOST_SERIES + 2 * FIXED
    assert MOST_SERIES < count["bearerguard.shadow.refusals"] <= MOST_SERIES + FIXED
    assert count["bearerguard.jwks.status"] <= 5 * MOST_ISSUERS
    assert count["bearerguard.jwks.fetches"] <= 3 * (MOST_ISSUERS + 1)
    assert count["bearerguard.jwks.keys.refused"] == MOST_ISSUERS + 1
    assert count["bearerguard.jwks.age"] <= MOST_ISSUERS
    assert not [p for _, p in points if "otel.metric.overflow" in p.attributes], "ours come first"

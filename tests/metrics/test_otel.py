"""What OpenTelemetry is told: metrics, and attributes of the span of a request."""

import importlib.util
import sys

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bearerguard import otel
from bearerguard.events import (
    FetchEnded,
    FetchStarted,
    KeyRefused,
    KeyStateChanged,
    RequestDecided,
    ShadowRefused,
)
from bearerguard.otel import Telemetry

A = "https://a.example"
FIVE_KINDS = [
    RequestDecided("refused", "expired", 401, None, 0.1),
    ShadowRefused("scope_insufficient", A, "shop"),
    FetchStarted(A, 1),
    FetchEnded(A, 1, 0.1),
    KeyStateChanged(A, "cold", "fresh"),
    KeyRefused(A, 0, None, "weak"),
]


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def telemetry(reader):
    return Telemetry(MeterProvider(metric_readers=[reader]))


@pytest.fixture
def metrics(reader):
    """Every metric by its name."""

    def read():
        (resource,) = reader.get_metrics_data().resource_metrics
        (scope,) = resource.scope_metrics
        return {metric.name: metric for metric in scope.metrics}

    return read


@pytest.fixture
def values(metrics):
    """The values of a counter, each with its attributes."""

    def read(name):
        points = metrics()[name].data.data_points
        return [(dict(point.attributes), point.value) for point in points]

    return read


@pytest.fixture
def spans():
    """What was exported, and a tracer that exports there."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter, provider.get_tracer("test")


def test_an_admitted_request_has_no_error(telemetry, values):
    """Semantic conventions, error.type: not set where the operation succeeded."""
    telemetry(RequestDecided("admitted", None, None, A, 0.1))
    telemetry(RequestDecided("admitted", None, None, A, 0.1))
    told = {"bearerguard.outcome": "admitted", "bearerguard.issuer": A}
    assert values("bearerguard.request.decisions") == [(told, 2)]


@pytest.mark.parametrize(
    ("outcome", "reason"), [("refused", "expired"), ("unavailable", "issuer_unavailable")]
)
def test_a_refused_request_has_its_reason_as_the_error(telemetry, values, outcome, reason):
    telemetry(RequestDecided(outcome, reason, 401, None, 0.1))
    ((told, _),) = values("bearerguard.request.decisions")
    assert told == {
        "bearerguard.outcome": outcome,
        "bearerguard.reason": reason,
        "error.type": reason,
    }


def test_what_is_only_reported_is_no_error(telemetry, values):
    telemetry(RequestDecided("reported", "expired", None, None, 0.1))
    ((told, _),) = values("bearerguard.request.decisions")
    assert told == {"bearerguard.outcome": "reported", "bearerguard.reason": "expired"}


def test_the_times_are_histograms_in_seconds(telemetry, metrics):
    telemetry(RequestDecided("admitted", None, None, A, 0.0002))
    telemetry(FetchEnded(A, 1, 0.25))
    for name, seconds in {
        "bearerguard.request.decision.duration": 0.0002,
        "bearerguard.jwks.fetch.duration": 0.25,
    }.items():
        metric = metrics()[name]
        (point,) = metric.data.data_points
        assert (metric.unit, point.sum, point.count) == ("s", seconds, 1)
        assert point.explicit_bounds[0] < 0.1, "the default begins at five seconds"


def test_a_fetch_that_failed_has_a_class_of_error_and_not_its_message(telemetry, values):
    """The conventions' word for an error without a class is _OTHER."""
    telemetry(FetchEnded(A, 1, 5.0, "connection refused by 10.0.0.7"))
    telemetry(FetchEnded(A, 2, 0.1, is_shared=True))
    assert values("bearerguard.jwks.fetches") == [
        ({"bearerguard.issuer": A, "error.type": "_OTHER"}, 1),
        ({"bearerguard.issuer": A, "bearerguard.jwks.shared": True}, 1),
    ]


def test_keys_are_in_one_state_at_a_time(telemetry, values):
    def now():
        told = values("bearerguard.jwks.status")
        return [facts["bearerguard.jwks.state"] for facts, value in told if value]

    telemetry(FetchStarted(A, 1))
    assert now() == ["cold"]
    for after in ("fresh", "refresh_due", "stale_ok", "expired", "fresh"):
        telemetry(KeyStateChanged(A, "whatever", after))
        telemetry(FetchStarted(A, 2))
        assert now() == [after]
    telemetry(KeyStateChanged(A, "fresh", "melted"))
    assert now() == ["fresh"]


def test_the_age_of_keys_is_that_of_the_last_good_fetch(telemetry, metrics, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(otel.time, "monotonic", lambda: now[0])
    telemetry(FetchEnded(A, 1, 0.1))
    now[0] = 130.0
    telemetry(FetchEnded(A, 2, 5.0, "no answer"))
    (point,) = metrics()["bearerguard.jwks.age"].data.data_points
    assert (point.value, dict(point.attributes)) == (30.0, {"bearerguard.issuer": A})
    assert metrics()["bearerguard.jwks.age"].unit == "s"


def test_a_refused_key_is_counted_for_its_issuer(telemetry, values):
    telemetry(KeyRefused(A, 0, "kid-1", "weak"))
    assert values("bearerguard.jwks.keys.refused") == [({"bearerguard.issuer": A}, 1)]


def test_what_the_shadow_would_refuse_is_counted_by_reason_and_client(telemetry, values):
    telemetry(ShadowRefused("scope_insufficient", A, "shop"))
    telemetry(ShadowRefused("scope_insufficient", A, None))
    told = {"bearerguard.reason": "scope_insufficient", "bearerguard.issuer": A}
    assert values("bearerguard.shadow.refusals") == [
        (told | {"bearerguard.client.id": "shop"}, 1),
        (told, 1),
    ]


def test_every_metric_has_a_unit_and_a_name_by_the_conventions(telemetry, metrics):
    """General naming: lower case, dots between namespaces, no unit and no _total in the name."""
    for event in FIVE_KINDS:
        telemetry(event)
    told = {name: metric.unit for name, metric in metrics().items()}
    assert told == {
        "bearerguard.request.decisions": "{request}",
        "bearerguard.request.decision.duration": "s",
        "bearerguard.shadow.refusals": "{request}",
        "bearerguard.jwks.fetches": "{fetch}",
        "bearerguard.jwks.fetch.duration": "s",
        "bearerguard.jwks.keys.refused": "{key}",
        "bearerguard.jwks.status": "1",
        "bearerguard.jwks.age": "s",
    }


def test_an_event_of_a_later_version_is_passed_over(telemetry, reader):
    telemetry(object())
    assert reader.get_metrics_data() is None


# Spans


def test_the_span_of_a_request_says_how_it_was_decided(spans):
    exporter, tracer = spans
    with tracer.start_as_current_span("GET /orders"):
        Telemetry(NoOpMeterProvider())(RequestDecided("refused", "made up", 403, A, 0.1))
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes) == {
        "bearerguard.outcome": "refused",
        "bearerguard.reason": "other",
        "bearerguard.issuer": A,
    }


def test_the_span_has_no_error_type_of_ours(spans):
    """It belongs to the HTTP instrumentation, where it is the status or an exception."""
    exporter, tracer = spans
    with tracer.start_as_current_span("GET /orders"):
        Telemetry(NoOpMeterProvider())(RequestDecided("unavailable", "expired", 503, None, 0.1))
    (span,) = exporter.get_finished_spans()
    assert "error.type" not in span.attributes


def test_the_span_says_what_the_shadow_would_have_refused(spans):
    exporter, tracer = spans
    with tracer.start_as_current_span("GET /orders"):
        Telemetry(NoOpMeterProvider())(ShadowRefused("expired", A, "shop"))
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes) == {"bearerguard.shadow.reason": "expired"}


@pytest.mark.parametrize("event", FIVE_KINDS, ids=lambda event: type(event).__name__)
def test_without_a_span_and_an_sdk_nothing_happens(event):
    Telemetry()(event)


# Without the extra


def test_without_the_extra_the_import_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    spec = importlib.util.spec_from_file_location("without_the_extra", otel.__file__)
    with pytest.raises(ImportError, match=r"pip install 'bearerguard\[otel\]'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

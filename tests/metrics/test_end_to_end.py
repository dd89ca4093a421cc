"""A guarded application, real requests, and what a scrape and an SDK tell of them afterwards."""

from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from bearerguard.core.access import Access
from bearerguard.core.request import RequestView
from bearerguard.otel import Telemetry
from bearerguard.prometheus import Metrics
from bearerguard.starlette import BearerAuthMiddleware, requires

ISSUER = "https://issuer.example"
# What is asked for, with which token, and how often.
EXPECTED = {
    ("admitted", "", ISSUER): 3,
    ("anonymous", "", ""): 2,
    ("refused", "no_credentials", ""): 4,
    ("refused", "expired", ""): 1,
    ("refused", "scope_insufficient", ISSUER): 1,
}


@requires("read")
async def orders(request):
    return JSONResponse({"for": request.user.identity})


class Spans:
    """What an HTTP instrumentation does: a span around each request."""

    def __init__(self, app, tracer):
        self.app, self.tracer = app, tracer

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with self.tracer.start_as_current_span(f"{scope['method']} {scope['path']}"):
            await self.app(scope, receive, send)


def visit(issuer, on_event, tracer):
    """Make the requests of EXPECTED, and then one while the issuer of a new guard is down."""
    good, bad = issuer.token("read"), issuer.token("write")
    requests = [("/orders", good)] * 3 + [("/healthz", None)] * 2 + [("/orders", None)] * 4
    requests += [("/orders", issuer.token("read", exp=issuer.clock() - 99)), ("/orders", bad)]
    _ask(issuer, on_event, tracer, requests)
    issuer.is_down = True
    _ask(issuer, on_event, tracer, [("/orders", good)])


def _ask(issuer, on_event, tracer, requests):
    guard = issuer.guard(on_event=on_event, public=["/healthz"])
    app = Starlette(
        routes=[Route("/orders", orders), Route("/healthz", lambda _: JSONResponse({}))],
        middleware=[
            Middleware(Spans, tracer=tracer),
            Middleware(BearerAuthMiddleware, guard=guard),
        ],
    )
    client = TestClient(app)
    for path, token in requests:
        client.get(path, headers={"Authorization": f"Bearer {token}"} if token else {})


def view(token):
    fields = (("authorization", f"Bearer {token}"),) if token else ()
    return RequestView("GET", "/orders", None, fields)


@pytest.fixture
def tracing():
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter, provider.get_tracer("test")


def test_a_scrape_tells_what_the_callers_met(issuer, tracing):
    registry = CollectorRegistry()
    visit(issuer, Metrics(registry), tracing[1])
    samples = [
        sample
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    ]
    requests = {
        tuple(sample.labels[name] for name in ("outcome", "reason", "issuer")): sample.value
        for sample in samples
        if sample.name == "bearerguard_requests_total"
    }
    assert requests == EXPECTED | {("unavailable", "issuer_unavailable", ""): 1}
    timed = [s.value for s in samples if s.name == "bearerguard_request_decision_seconds_count"]
    assert sum(timed) == sum(requests.values())
    results = {s.labels["result"]: s.value for s in samples if s.name.endswith("_fetches_total")}
    assert results == {"success": 1, "failure": 1}


def test_an_sdk_tells_the_same(issuer, tracing):
    reader = InMemoryMetricReader()
    visit(issuer, Telemetry(MeterProvider(metric_readers=[reader])), tracing[1])
    (resource,) = reader.get_metrics_data().resource_metrics
    (scope,) = resource.scope_metrics
    metrics = {metric.name: metric.data.data_points for metric in scope.metrics}
    names = ("bearerguard.outcome", "bearerguard.reason", "bearerguard.issuer")
    told = {
        tuple(point.attributes.get(name, "") for name in names): point.value
        for point in metrics["bearerguard.request.decisions"]
    }
    assert told == EXPECTED | {("unavailable", "issuer_unavailable", ""): 1}
    timed = [point.count for point in metrics["bearerguard.request.decision.duration"]]
    assert sum(timed) == sum(told.values())


def test_each_request_has_a_span_that_says_how_it_was_decided(issuer, tracing):
    exporter, tracer = tracing
    visit(issuer, Telemetry(), tracer)
    spans = [(s.name, dict(s.attributes)) for s in exporter.get_finished_spans()]
    assert len(spans) == sum(EXPECTED.values()) + 1
    assert spans[0] == (
        "GET /orders",
        {"bearerguard.outcome": "admitted", "bearerguard.issuer": ISSUER},
    )
    assert spans[-1] == (
        "GET /orders",
        {"bearerguard.outcome": "unavailable", "bearerguard.reason": "issuer_unavailable"},
    )


def test_report_mode_is_counted_as_reported_and_not_as_refused(issuer):
    registry = CollectorRegistry()
    until = datetime.fromtimestamp(issuer.clock() + 86400, tz=UTC).isoformat()
    settings = {"mode": "report-without-enforcing", "report_until": until}
    guard = issuer.guard(on_event=Metrics(registry), **settings)
    assert guard.admit(view(None), Access()) is None
    labels = {"outcome": "reported", "reason": "no_credentials", "issuer": ""}
    assert registry.get_sample_value("bearerguard_requests_total", labels) == 1


def test_what_a_policy_in_the_shadow_would_refuse_is_counted_beside_what_it_did_not_stop(issuer):
    registry = CollectorRegistry()
    guard = issuer.guard(on_event=Metrics(registry), shadow={"required_scopes": "admin"})
    assert guard.admit(view(issuer.token("read")), Access()).scopes == {"read"}
    admitted = {"outcome": "admitted", "reason": "", "issuer": ISSUER}
    assert registry.get_sample_value("bearerguard_requests_total", admitted) == 1
    refused = {"reason": "scope_insufficient", "issuer": ISSUER, "client": "client-1"}
    assert registry.get_sample_value("bearerguard_shadow_refusals_total", refused) == 1

"""The dashboard and the alerts ask for what is exported, and nothing overlaps."""

import itertools
import json
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bearerguard.events import (
    FetchEnded,
    FetchStarted,
    KeyRefused,
    RequestDecided,
    ShadowRefused,
)
from bearerguard.prometheus import Metrics

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "grafana-dashboard.json").read_text("utf-8")
DASHBOARD = json.loads(TEXT)
PANELS = DASHBOARD["panels"]
PAGE = (DOCS / "observability.md").read_text("utf-8")
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
ALERTS = re.findall(r"^ +expr: (.*)$", PAGE, re.MULTILINE)
# Put there by Prometheus itself.
ANYWHERE = {"job"}


def exported():
    """The labels of every series, by its name."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics(RequestDecided("admitted", None, None, "https://a.example", 0.1))
    metrics(ShadowRefused("expired", "https://a.example", "shop"))
    metrics(FetchStarted("https://a.example", 1))
    metrics(FetchEnded("https://a.example", 1, 0.1))
    metrics(KeyRefused("https://a.example", 0, None, "weak"))
    samples = [sample for family in registry.collect() for sample in family.samples]
    return {sample.name: {*sample.labels} for sample in samples}


EXPORTED = exported()


def problems_of(query):
    """What a query asks for that nobody exports."""
    names = set(re.findall(r"\bbearerguard_\w+", query))
    known = set().union(*(EXPORTED.get(name, set()) for name in names)) | ANYWHERE
    selected = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query)
    grouped = ",".join(re.findall(r"\bby \(([^)]*)\)", query)).replace(" ", "").split(",")
    yield from names - EXPORTED.keys()
    yield from ({*selected, *grouped} - {""}) - known


@pytest.mark.parametrize("query", [*QUERIES, *ALERTS])
def test_every_query_asks_for_what_is_exported(query):
    assert re.search(r"bearerguard_\w+", query)
    assert list(problems_of(query)) == []


@pytest.mark.parametrize(
    "query",
    [
        "sum(rate(bearerguard_request_total[5m]))",
        'bearerguard_requests_total{result="success"}',
        "sum by (issuer, client) (bearerguard_requests_total)",
    ],
)
def test_a_query_for_something_else_is_found(query):
    assert list(problems_of(query))


def test_the_dashboard_asks_for_every_metric_that_is_exported():
    families = {re.sub(r"_(created|bucket|sum|count)$", "", name) for name in EXPORTED}
    shown = " ".join(QUERIES)
    assert [
        name for name in families if f"{name}" not in shown and f"{name}_total" not in EXPORTED
    ] == []


def test_every_panel_has_an_id_of_its_own_a_title_and_a_description():
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    assert all(panel["title"] and panel["description"] for panel in PANELS)


def test_no_two_panels_overlap_and_none_is_wider_than_the_grid():
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_the_data_source_is_chosen_by_whoever_imports_it():
    (variable,) = [v for v in DASHBOARD["templating"]["list"] if v["type"] == "datasource"]
    asked = {json.dumps(found) for found in _values_of(DASHBOARD, "datasource")}
    uid = "${" + variable["name"] + "}"
    assert asked == {json.dumps({"type": "prometheus", "uid": uid})}


def _values_of(value, name):
    if isinstance(value, dict):
        yield from (v for n, v in value.items() if n == name)
        for inner in value.values():
            yield from _values_of(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _values_of(inner, name)


def test_there_are_alerts():
    assert len(ALERTS) >= 4

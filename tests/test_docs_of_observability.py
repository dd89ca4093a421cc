"""docs/observability.md: every block runs and does what the page says; its tables are complete."""

import contextlib
import dataclasses
import json
import logging
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest
from starlette.testclient import TestClient

from bearerguard import RejectedError, UnavailableError, events
from bearerguard.core.access import Access
from bearerguard.core.request import RequestView
from bearerguard.testing import Issuer, trust

PAGE = (Path(__file__).parents[1] / "docs/observability.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def run(monkeypatch):
    """Execute the block that holds some words, and take its metrics away afterwards."""
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example.com")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://api.example.com")
    before = {*REGISTRY._collector_to_names}

    def execute(words):
        (block,) = [block for block in BLOCKS if words in block]
        namespace = {"__name__": "docs"}
        exec(compile(block, f"docs/observability.md: {words}", "exec"), namespace)
        return namespace

    yield execute
    for collector in {*REGISTRY._collector_to_names} - before:
        REGISTRY.unregister(collector)


@pytest.fixture
def issuer():
    issuer = Issuer("https://login.example.com", audience="https://api.example.com")
    with trust(issuer):
        yield issuer


def table(heading):
    """The rows of the first table below a heading."""
    below = PAGE[PAGE.index(heading) :]
    rows = re.search(r"^\|---.*\n((?:\|.*\n)+)", below, re.MULTILINE)[1]
    return [[cell.strip() for cell in row.strip("|\n ").split("|")] for row in rows.splitlines()]


@pytest.fixture(autouse=True)
def logger_as_it_was():
    logger = logging.getLogger("bearerguard")
    before = logger.handlers[:], logger.level, logger.propagate
    yield logger
    logger.handlers[:], logger.level, logger.propagate = before


def test_the_printed_formatter_writes_the_fields_as_json(run, issuer, logger_as_it_was, capfd):
    run("JsonLines")
    issuer.guard()
    logger_as_it_was.info("without facts")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    start, other = lines[0], lines[-1]
    assert (start["event"], start["issuer"]) == ("start", "https://login.example.com")
    assert (other["message"], other["level"]) == ("without facts", "INFO")


def test_what_is_hidden_is_not_in_the_line(run):
    printed = run("JsonLines")
    printed["HIDDEN"].add("path")
    record = logging.makeLogRecord({"bearerguard": {"reason": "expired", "path": "/users/anna"}})
    written = printed["JsonLines"]().format(record)
    assert json.loads(written)["reason"] == "expired"
    assert "anna" not in written


def test_the_table_of_events_names_every_field():
    rows = {}
    for names, _, fields in table("## Events"):
        for name in re.findall(r"`(\w+)`", names):
            rows[name] = set(re.findall(r"`(\w+)`", fields))
    for name, fields in rows.items():
        own = {field.name for field in dataclasses.fields(getattr(events, name))}
        assert own <= fields
    assert rows.keys() == {kind.__name__ for kind in events.Event.__args__}


def test_the_printed_function_tells_both(run, issuer):
    printed = run("told = ")
    printed["guard"].verify(issuer.token())
    told = generate_latest().decode()
    assert 'bearerguard_keys_state{issuer="https://login.example.com",state="fresh"} 1.0' in told


def test_the_printed_application_gives_its_metrics_to_who_may_see_them(run, issuer):
    client = TestClient(run("async def scrape")["app"])
    assert client.get("/metrics").status_code == 401
    bearer = {"Authorization": f"Bearer {issuer.token('metrics:read')}"}
    answer = client.get("/metrics", headers=bearer)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "bearerguard_jwks_fetches_total" in answer.text


def test_the_printed_flask_application_starts(run):
    assert run("Flask")["app"].test_client().get("/").status_code == 401


def test_the_table_of_prometheus_names_every_metric_and_its_labels(run):
    metrics = run("told = ")["told"][0]
    ours = {m for m in vars(metrics).values() if hasattr(m, "describe")}
    made = {}
    for metric in ours:
        (family,) = metric.describe()
        name = family.name + ("_total" if family.type == "counter" else "")
        made[name] = {*metric._labelnames}
    rows = {
        row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in table("gets a token by")
    }
    assert rows == made


MANY_PROCESSES = """
import os, sys
page = open(sys.argv[1], encoding="utf-8").read()
(block,) = [b for b in page.split("```python")[1:] if "scrape_all" in b]
printed = {}
exec(block.partition("```")[0], printed)
from bearerguard.events import KeyStateChanged, RequestDecided
from bearerguard.prometheus import Metrics

metrics = Metrics()
children = []
for after in ("fresh", "fresh", "expired"):
    child = os.fork()
    if child == 0:
        metrics(RequestDecided("admitted", None, None, "https://a.example", 0.1))
        metrics(KeyStateChanged("https://a.example", "cold", after))
        os._exit(0)
    os.waitpid(child, 0)
    children.append(child)

class Worker:
    pid = children[-1]

printed["child_exit"](None, Worker)
print(printed["scrape_all"]().decode())
"""


@pytest.mark.process
def test_the_printed_lines_for_several_processes_add_them_up_and_forget_dead_ones(tmp_path):
    """gunicorn --preload: the metrics are made before the fork."""
    page = Path(__file__).parents[1] / "docs/observability.md"
    command = [sys.executable, "-c", MANY_PROCESSES, str(page)]
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    told = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if line[:1] == "b")
    admitted = '{issuer="https://a.example",outcome="admitted",reason=""}'
    assert told[f"bearerguard_requests_total{admitted}"] == "3.0"
    state = 'bearerguard_keys_state{{issuer="https://a.example",state="{}"}}'
    assert told[state.format("fresh")] == "2.0"
    assert told[state.format("expired")] == "0.0"


REPORT = {"mode": "report-without-enforcing"}


def test_the_table_of_the_log_names_the_fields_of_each_line(caplog):
    """As guards write them: the start, a fetch and what it brought, and each kind of refusal."""
    caplog.set_level("DEBUG")
    issuer = Issuer()
    until = datetime.now(UTC) + timedelta(days=1)
    plain, shadowed = issuer.guard(), issuer.guard(shadow={"required_scopes": "admin"})
    reporting = issuer.guard(**REPORT, report_until=until.isoformat())
    for guard, token in ((plain, "garbage"), (shadowed, issuer.token()), (reporting, "garbage")):
        ask(guard, token)
    issuer.is_down = True
    ask(issuer.guard(), issuer.token())

    rows = [(re.findall(r"`(.*?)[ .]*`", row[0])[0], row[2]) for row in table("## The log")]
    seen = set()
    for record in caplog.records:
        if hasattr(record, "bearerguard"):
            begun = {begin for begin, _ in rows if record.getMessage().startswith(begin)}
            named = [set(re.findall(r"`(\w+)`", cell)) for begin, cell in rows if begin in begun]
            assert [names for names in named if record.bearerguard.keys() <= names], vars(record)
            seen |= begun
    assert {"guarding", "refused:", "keys:", "would refuse:", "shadow would refuse:"} <= seen


def ask(guard, token):
    request = RequestView("GET", "/", None, (("authorization", f"Bearer {token}"),))
    with contextlib.suppress(RejectedError, UnavailableError):
        guard.admit(request, Access())

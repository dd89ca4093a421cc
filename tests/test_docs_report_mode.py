"""What docs/report-mode.md prints runs and does what the page says."""

import logging
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bearerguard.core.access import GUARDED
from bearerguard.core.request import RequestView
from bearerguard.shadow_settings import MAY_DIFFER
from bearerguard.testing import Issuer, trust

PAGE = (Path(__file__).parents[1] / "docs/report-mode.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SETTINGS = dict(re.findall(r"^\$ export (\w+)=(.*)$", PAGE, re.MULTILINE))


@pytest.fixture
def issuer():
    issuer = Issuer(SETTINGS["BEARERGUARD_ISSUER"], audience=SETTINGS["BEARERGUARD_AUDIENCE"])
    with trust(issuer):
        yield issuer


@pytest.fixture
def run(issuer, monkeypatch):
    """Execute blocks as a reader would; the printed date is one of the days to come then."""

    def execute(*numbers, **environment):
        for name in ("BEARERGUARD_ISSUER", "BEARERGUARD_AUDIENCE"):
            monkeypatch.setenv(name, SETTINGS[name])
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        namespace = {"__name__": "docs"}
        for number in numbers:
            exec(compile(BLOCKS[number], "docs/report-mode.md", "exec"), namespace)
        return namespace

    return execute


@pytest.fixture
def reporting(run):
    tomorrow = datetime.fromtimestamp(time.time() + 86400, UTC).isoformat()
    mode = {name: SETTINGS[name] for name in SETTINGS if name == "BEARERGUARD_MODE"}
    return run(0, **mode, BEARERGUARD_REPORT_UNTIL=tomorrow)


def test_the_printed_date_is_one():
    assert datetime.fromisoformat(SETTINGS["BEARERGUARD_REPORT_UNTIL"])


def test_the_printed_application_lets_everybody_pass_and_counts(reporting, issuer):
    client = TestClient(reporting["app"])

    def known(**headers):
        answer = client.get("/orders", headers=headers)
        return answer.status_code, answer.json()["known"]

    assert known() == (200, False)
    assert known(Authorization=f"Bearer {issuer.token('other')}") == (200, False)
    assert known(Authorization=f"Bearer {issuer.token('orders:read')}") == (200, True)
    assert reporting["would_refuse"] == {"no_credentials": 1, "scope_insufficient": 1}


def test_the_printed_line_is_the_line(reporting, caplog):
    caplog.set_level(logging.INFO, logger="bearerguard")
    TestClient(reporting["app"]).get("/orders")
    (line,) = [r.getMessage() for r in caplog.records if "would refuse" in r.getMessage()]
    assert f"```text\n{line}\n```" in PAGE


def test_the_printed_shadow_reports_whom_it_would_hit(run, issuer, capsys):
    namespace = run(1)
    token = issuer.token("orders:read", header={"typ": "JWT"})
    request = RequestView("GET", "/", None, [("authorization", f"Bearer {token}")])
    namespace["guard"].admit(request, GUARDED)

    exec(BLOCKS[2], namespace)

    assert capsys.readouterr().out == "type_mismatch client-1 1\n"


def test_the_page_names_every_setting_that_may_differ():
    listed = PAGE[PAGE.index("What may differ:") : PAGE.index("Anything else")]
    assert re.findall(r"`(\w+)`", listed) == list(MAY_DIFFER)

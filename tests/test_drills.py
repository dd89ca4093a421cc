"""The harness of the drills: it tells a good contender from a bad one, and never gets stuck.

The whole run is ``make drills``; here it meets bearerguard and contenders made to be bad.
"""

import importlib
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
# Fetches at each request, on the thread that asks, and takes whatever it gets.
CARELESS = """
    import json, urllib.request
    import jwt

    class Contender:
        name, version, configuration = "careless", "1", "none"
        modes, lifetime_s = ("threads", "tasks"), 300

        def __init__(self, setup):
            self.setup = setup

        def verify(self, token):
            with urllib.request.urlopen(self.setup["jwks_uri"], timeout=5) as answer:
                keys = {key["kid"]: key for key in json.load(answer)["keys"]}
            kid = jwt.get_unverified_header(token)["kid"]
            if kid not in keys:
                return "refused"
            audience = self.setup["audience"]
            jwt.decode(token, jwt.PyJWK(keys[kid]), algorithms=["RS256"], audience=audience)
            return "accepted"

        async def averify(self, token):
            return self.verify(token)
"""
ALWAYS = """
    class Contender:
        name, version, configuration = "always", "1", "none"
        modes, lifetime_s = ("tasks",), 300

        def __init__(self, setup):
            pass

        async def averify(self, token):
            {body}
"""

pytestmark = [pytest.mark.process, pytest.mark.untraced]


@pytest.fixture(scope="module")
def harness() -> Any:
    """The modules of benchmarks/drills, which are no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        names = ("catalogue", "drills", "environments", "hostile", "process", "report", "stage")
        return SimpleNamespace(
            **{name: importlib.import_module(f"benchmarks.drills.{name}") for name in names},
            keys=importlib.import_module("benchmarks.drills.arena").Keys(),
        )


@pytest.fixture(scope="module")
def stage(harness: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A stage for an adapter, given as its path or as its source."""

    def made(adapter: Path | str, **options: Any) -> Any:
        if isinstance(adapter, str):
            source, adapter = adapter, tmp_path_factory.mktemp("toy") / "toy.py"
            adapter.write_text(textwrap.dedent(source))
        player = harness.environments.introduce(adapter, Path(sys.executable))
        assert isinstance(player, harness.process.Player), player
        return harness.stage.Stage(player, harness.keys, repeats=1, **options)

    return made


@pytest.fixture(scope="module")
def bearerguard(harness: Any, stage: Callable[..., Any]) -> Any:
    return stage(harness.environments.CONTENDERS / "bearerguard.py", slow_s=1.0)


@pytest.fixture(scope="module")
def careless(stage: Callable[..., Any]) -> Any:
    return stage(CARELESS, slow_s=1.0)


def test_a_cold_start_costs_bearerguard_one_fetch_and_a_careless_contender_many(
    harness, bearerguard, careless
):
    good = harness.drills.cold_requests(bearerguard)
    bad = harness.drills.cold_requests(careless)

    for mode in ("threads", "tasks"):
        assert good[f"{mode}: discovery requests"] == "1"
        assert good[f"{mode}: key requests"] == "1"
        assert good[f"{mode}: answers"] == "100 accepted"
        assert bad[f"{mode}: key requests"] == "100"


def test_a_flood_of_made_up_key_ids_is_counted(harness, bearerguard, careless):
    good = harness.drills.unknown_kids(bearerguard)
    bad = harness.drills.unknown_kids(careless)

    assert int(good["issuer up: requests to it"]) <= 2
    assert int(good["issuer down: requests to it"]) <= 2
    assert good["issuer up: good tokens in between"] == "30 accepted"
    assert good["issuer down: good tokens in between"] == "30 accepted"
    assert bad["issuer up: requests to it"] == "330"
    assert bad["issuer down: good tokens in between"] == "30 HTTPError"


def test_a_fetch_on_the_event_loop_shows_as_a_stall(harness, bearerguard, careless):
    # Far from the time that the key endpoint takes, however loaded the machine is.
    limit = 0.6 * 1000 * bearerguard.slow_s

    assert milliseconds(harness.drills.event_loop_stall(bearerguard)["longest stall"]) < limit
    assert milliseconds(harness.drills.event_loop_stall(careless)["longest stall"]) > limit


def test_simulated_minutes_pass_for_a_contender(harness, bearerguard, careless):
    minutes = {"minutes": (6, 72), "every_minutes": 6}

    good = harness.drills.outage(bearerguard, **minutes)
    bad = harness.drills.outage(careless, **minutes)

    assert [cell.split()[0] for cell in good.values()] == ["accepted", "unavailable"]
    assert [cell.split()[0] for cell in bad.values()] == ["URLError", "URLError"]


def test_a_hostile_answer_is_told_by_what_the_caller_sees(harness, bearerguard, careless):
    null, *_ = harness.hostile.useless()
    huge = harness.hostile.Hostile("40 MB", lambda a: harness.hostile._padded(a, 40))

    with_null = [harness.hostile._cold(stage, null) for stage in (bearerguard, careless)]
    with_huge = [harness.hostile._cold(stage, huge) for stage in (bearerguard, careless)]

    assert [cell.split()[0] for cell in with_null] == ["unavailable", "TypeError"]
    assert [cell.split()[0] for cell in with_huge] == ["unavailable", "accepted"]
    sober, greedy = (int(cell.split()[-2]) for cell in with_huge)
    # What a client of HTTP takes when it is loaded counts, too, and depends on what is installed.
    assert sober < 25 < 40 <= greedy


@pytest.mark.parametrize(
    ("body", "seen", "deadline_s"),
    [
        ("import time; time.sleep(600)", "no answer", 0.3),
        ("import asyncio; await asyncio.sleep(600)", "no answer", 0.3),
        ("raise LookupError(token)", "LookupError", 35.0),
        ("return 'refused'", "refused", 35.0),
    ],
)
def test_a_contender_that_takes_no_good_token_is_a_result(harness, stage, body, seen, deadline_s):
    toy = stage(ALWAYS.format(body=body), deadline_s=deadline_s)

    rows = harness.stage.play(drill(harness, "outage"), toy)

    assert {"": f"a good token of an issuer that is up: {seen}"} == rows


def test_a_contender_that_ends_its_process_is_a_result(harness, stage):
    toy = stage(ALWAYS.format(body="import os; os._exit(3)"))

    rows = harness.stage.play(drill(harness, "outage"), toy)

    assert rows == {"": "it ended with 3"}


def test_a_contender_that_cannot_be_loaded_is_listed_with_the_reason(harness, tmp_path):
    adapter = tmp_path / "absent.py"
    adapter.write_text("import a_package_that_nobody_has")

    found = harness.environments.introduce(adapter, Path(sys.executable))

    assert found.name == "absent"
    assert "a_package_that_nobody_has" in found.reason


def test_the_page_shows_every_contender_and_every_cell(harness, bearerguard):
    missing = harness.environments.Missing("pyjwt", "no network")
    report = harness.report.Report([bearerguard.player], [missing], "one core")
    report.results["outage"] = {"bearerguard": {"after 6 minutes": "accepted"}}
    outage = drill(harness, "outage")

    page = harness.report.as_markdown(report, [outage])

    assert "| pyjwt | not installed | no network |" in page
    assert "|  | bearerguard |\n|---|---|\n| after 6 minutes | accepted |" in page
    assert "{" not in page
    assert "after 6 minutes" in harness.report.as_text(report.table(outage))


def test_every_contender_has_an_adapter_and_a_remark(harness):
    adapters = {path.stem for path in harness.environments.CONTENDERS.glob("*.py")}

    assert adapters == set(harness.environments.REQUIREMENTS) == set(harness.environments.REMARKS)


def drill(harness: Any, key: str) -> Any:
    return next(one for one in harness.catalogue.DRILLS if one.key == key)


def milliseconds(cell: str) -> float:
    number, unit = cell.split()
    return float(number) * (1000 if unit == "s" else 1)

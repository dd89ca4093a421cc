"""The harness of the HTTP benchmarks: it tells who does the job, and counts only what is good.

The whole run is ``make bench``; here the turns are short, and nothing is said about speed.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bearerguard import Guard

ROOT = Path(__file__).parents[1]
LOADS = ["wrk", "python"]

pytestmark = [pytest.mark.process, pytest.mark.untraced]


@pytest.fixture(scope="module")
def bench() -> Any:
    """The modules of benchmarks/speed, which are no part of the package."""
    names = ("bearers", "http", "load", "python_load", "rounds", "serving")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        modules = {name: importlib.import_module(f"benchmarks.speed.{name}") for name in names}
        return SimpleNamespace(**modules)


@pytest.fixture(scope="module")
def tokens(bench: Any) -> Iterator[Any]:
    with bench.bearers.bearers(quick=True) as found:
        yield found


@pytest.fixture(scope="module")
def servers(bench: Any, tokens: Any) -> Iterator[Any]:
    """The guarded application on both servers, and Flask's unguarded one."""
    serve = bench.serving
    commands = {
        "starlette": serve.uvicorn("starlette_bearerguard"),
        "flask": serve.gunicorn("flask_bearerguard"),
        "unguarded": serve.gunicorn("flask_unguarded"),
    }
    started = {}
    try:
        for name, command in commands.items():
            started[name] = serve.Server(command, tokens.environment).__enter__()
        yield started
    finally:
        for server in started.values():
            server.__exit__()


@pytest.fixture(params=LOADS)
def with_wrk(request: pytest.FixtureRequest, bench: Any) -> bool:
    if request.param == "wrk" and not bench.load.has_wrk():
        pytest.skip("wrk is not installed")
    return request.param == "wrk"


@pytest.mark.parametrize("name", ["starlette", "flask"])
def test_the_guarded_application_takes_good_tokens_and_refuses_bad_ones(
    bench, tokens, servers, name
):
    bench.http.examine(servers[name], tokens, is_guarded=True)


def test_an_application_that_lets_bad_tokens_in_is_not_measured(bench, tokens, servers):
    bench.http.examine(servers["unguarded"], tokens, is_guarded=False)

    with pytest.raises(bench.http.UnfitError, match="forged"):
        bench.http.examine(servers["unguarded"], tokens, is_guarded=True)


def test_a_turn_measures_throughput_and_latency_and_moves_down_the_list(
    bench, tokens, servers, with_wrk
):
    walk = bench.load.Walk(tokens.distinct.path, 1_000_000_000)

    found = bench.load.load(servers["starlette"].url, walk, 0.2, with_wrk=with_wrk)

    assert found.requests > 10
    assert found.throughput > found.requests / 10
    assert 0 < found.p50_ms <= found.p99_ms
    assert walk.position > bench.load.CONNECTIONS


def test_a_turn_with_answers_other_than_200_does_not_count(
    bench, tokens, servers, with_wrk, tmp_path
):
    walk = bench.load.Walk.of(tmp_path / "mixed", [tokens.good, tokens.bad["expired"]])

    with pytest.raises(bench.load.LoadError, match="not 200"):
        bench.load.load(servers["starlette"].url, walk, 0.2, with_wrk=with_wrk)


def test_a_turn_against_a_server_that_is_gone_does_not_count(bench, tokens, with_wrk):
    with pytest.raises(bench.load.LoadError):
        bench.load.load("http://127.0.0.1:1/orders", tokens.known, 0.2, with_wrk=with_wrk)


def test_a_walk_goes_on_where_it_was_and_starts_over_at_the_end(bench, tmp_path):
    walk = bench.load.Walk.of(tmp_path / "three", ["a", "b", "c"])

    requests = bench.python_load.walk("http://127.0.0.1:1/orders", walk.path, 2)

    values = [next(requests).split(b"Authorization: ")[1].strip() for _ in range(4)]
    assert values == [b"Bearer c", b"Bearer a", b"Bearer b", b"Bearer c"]


def test_the_distinct_tokens_are_more_than_a_guard_remembers(bench):
    default = Guard(issuer="https://issuer.example", audience="a").settings.token_cache

    assert default + 2 * bench.load.CONNECTIONS < bench.bearers.DISTINCT


def test_a_server_that_does_not_start_says_why(bench, tokens):
    command = bench.serving.uvicorn("starlette_bearerguard")

    with pytest.raises(bench.serving.ServerError, match="BEARERGUARD_ISSUER is not set"):
        bench.serving.Server(command, {"BEARERGUARD_AUDIENCE": "a"})


def test_what_speaks_against_a_figure_is_said(bench):
    calm, noisy = (bench.rounds.Spread(values) for values in [(100.0, 110.0), (100.0, 130.0)])

    enough = bench.bearers.DISTINCT

    assert bench.http.remark_on(calm, enough) == ""
    assert "26%" in bench.http.remark_on(noisy, enough)
    assert "remembered" in bench.http.remark_on(calm, 200)


def test_what_is_not_installed_or_does_not_start_is_named_and_left_out(bench, tokens):
    http = bench.http
    absent = http.Contestant("absent", "absent", needs=("no_such_package",))
    broken = http.Contestant("broken", "no_such_module")
    contestants = (http.Contestant(http.UNGUARDED, "unguarded"), http.OURS[1], absent, broken)
    arena = http.Arena("Flask", "flask", contestants, {http.KNOWN: 0.0001}, ("flask",))

    section = http.measure_arena(arena, tokens, quick=True)

    assert [len(row) for row in section.rows] == [len(section.header)] * 4
    assert section.rows[-2][:2] == ("absent", "not installed")
    assert section.rows[-1][0] == "broken"
    assert all(not row[4] or float(row[4]) > 0 for row in section.rows)
    assert [goal.is_met for goal in section.goals] == [True]
    assert {bar.series for bar in section.bars} == {http.KNOWN}

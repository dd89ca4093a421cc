"""The harness of the benchmarks: its arithmetic, its fairness, its page. No figure is judged here.

The whole run is ``make bench``.
"""

import importlib
import json
import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bearerguard.errors import RejectedError

pytestmark = pytest.mark.untraced

ROOT = Path(__file__).parents[1]
PARTS = ("rounds", "section", "tokens", "libraries", "verification", "refusal", "growth", "memory")


@pytest.fixture(scope="module")
def bench() -> Any:
    """The modules of benchmarks/speed, which are no part of the package."""
    names = (
        *PARTS,
        "adapters",
        "bad_tokens",
        "steps",
        "imports",
        "report",
        "chart",
        "environment",
        "__main__",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        found = {name: importlib.import_module(f"benchmarks.speed.{name}") for name in names}
        return SimpleNamespace(**found)


def test_every_other_round_goes_in_the_opposite_order(bench):
    calls = []
    turns = {name: lambda name=name: calls.append(name) or 1.0 for name in ("a", "b")}

    bench.rounds.interleave(turns, 3, lambda: calls.append("|"))

    assert "".join(calls) == "|ab|ba|ab"


def test_a_ratio_is_taken_within_each_round(bench):
    """A machine that is twice as slow in one round changes no ratio."""
    fast, slow = bench.rounds.Spread((1.0, 2.0, 1.0)), bench.rounds.Spread((3.0, 6.0, 3.0))

    assert slow.over(fast).values == (3.0, 3.0, 3.0)
    assert slow.minus(fast).values == (2.0, 4.0, 2.0)


def test_quartiles_stand_around_the_median(bench):
    spread = bench.rounds.Spread((5.0, 1.0, 3.0, 2.0, 4.0))

    assert spread.median == 3.0
    assert spread.quartiles == (2.0, 4.0)
    assert spread.width == pytest.approx(4 / 3)
    assert bench.rounds.Spread((7.0,)).quartiles == (7.0, 7.0)


@pytest.mark.parametrize(
    ("median", "at_most", "is_met"),
    [(2.0, True, True), (2.1, True, False), (2.0, False, True), (1.9, False, False)],
)
def test_a_goal_is_met_at_its_limit_and_missed_beyond_it(bench, median, at_most, is_met):
    goal = bench.rounds.Goal("what", bench.rounds.Spread((median,)), 2.0, at_most=at_most)

    assert goal.is_met is is_met
    assert ("met" if is_met else "**missed**") in bench.report.goal_row(goal)


def test_the_fastest_batch_counts_and_every_item_is_called(bench):
    calls = []

    seconds = bench.rounds.fastest(lambda *item: calls.append(item), [[(1, 2)], [(3, 4), (5, 6)]])

    assert calls == [(1, 2), (3, 4), (5, 6)]
    assert 0 < seconds < 1


def test_a_contender_that_takes_a_bad_token_is_not_measured(bench):
    """Whoever does not check is faster, and means nothing."""
    issuer = bench.tokens.issuer_of("ES256")
    guard = issuer.guard()

    bench.libraries.check_job("bearerguard", issuer, guard.verify)
    with pytest.raises(bench.libraries.UnfairError, match="forged"):
        bench.libraries.check_job("careless", issuer, len)
    other = issuer.guard(audience="https://other.example")
    with pytest.raises(bench.libraries.UnfairError, match="for another audience"):
        bench.libraries.check_job("careless", issuer, lambda raw: _either(raw, guard, other))


def _either(raw: str, *guards: Any) -> None:
    refusals = []
    for guard in guards:
        try:
            guard.verify(raw)
        except RejectedError as refusal:
            refusals.append(refusal)
    if len(refusals) == len(guards):
        raise refusals[0]


def test_a_library_that_is_called_wrongly_does_not_vanish_from_the_table(bench, monkeypatch):
    """Only who is not installed, or does not do another algorithm than RS256, is left out."""

    def absent(_: Any) -> Any:
        raise ModuleNotFoundError("no such library")

    made = {"broken": lambda _: int, "absent": absent}
    monkeypatch.setattr(bench.libraries, "LIBRARIES", made)

    with pytest.raises(bench.libraries.UnfairError, match="broken does not take a good RS256"):
        bench.libraries.prepared("broken", bench.tokens.issuer_of("RS256"))
    assert bench.libraries.prepared("broken", bench.tokens.issuer_of("ES256")) is None
    assert bench.libraries.prepared("absent", bench.tokens.issuer_of("RS256")) is None


def test_tokens_have_the_size_that_the_page_names(bench):
    issuer = bench.tokens.issuer_of()

    assert 1050 <= len(bench.tokens.token(issuer)) <= 1200


def test_a_quick_run_measures_verification_with_the_libraries_that_are_here(bench):
    [section] = bench.verification.measure(quick=True)

    names = [row[0] for row in section.rows]
    assert names[:3] == ["bare verify", "bearerguard, new token", "bearerguard, known token"]
    assert all(len(row) == len(section.header) for row in section.rows)
    rs256 = {row[0]: row[1] for row in section.rows}
    assert rs256["PyJWT, PyJWK"] != "-"
    assert {goal.limit for goal in section.goals} >= {2.0, 1.3, 1.2, 2.8, 20}


def test_new_tokens_are_new_to_the_guard_in_both_orders(bench):
    """What is measured as known comes from other tokens than what is measured as new."""
    turns = bench.verification.Turns(bench.tokens.issuer_of("ES256"), 2, 3)
    turns.prepare()
    new = {raw for batch in turns.tokens for (raw,) in batch}
    known = {raw for (raw,) in turns.seen}
    turns.prepare()

    assert len(new) == 6
    assert len(known) == 3
    assert not new & known
    assert not new & {raw for batch in turns.tokens for (raw,) in batch}


def test_a_quick_run_measures_each_refusal_for_its_own_reason(bench):
    [section] = bench.refusal.measure(quick=True)

    assert [row[0] for row in section.rows] == [*bench.refusal.KINDS, bench.refusal.LINE]
    judged = {*bench.refusal.BY_CLAIMS, *bench.refusal.BY_SHAPE}
    assert judged == {*bench.refusal.KINDS} - {bench.bad_tokens.GOOD, bench.bad_tokens.FORGED}
    for way in (bench.refusal.QUIET, bench.refusal.WRITTEN):
        assert {goal.what.partition(":")[0] for goal in section.goals if way in goal.what} == judged
    assert len(section.goals) == 2 * len(judged)


@pytest.mark.parametrize(("takes", "says"), [(0.3, "leaves 0.20 of"), (0.7, "beyond the limit")])
def test_the_page_tells_which_part_of_a_logged_refusal_is_not_ours(bench, takes, says):
    about = bench.refusal._about_line(bench.rounds.Spread((takes,)))

    assert f"{takes:.2f} bare verifications" in about
    assert says in about


def test_every_way_of_asking_gets_bad_tokens_of_its_own(bench):
    """The headers of bad tokens are remembered, as good tokens are."""
    turns = bench.refusal.Turns(1, 2)
    turns.prepare()
    first = _asked(turns, "unknown kid")
    turns.prepare()

    assert len(first) == 2 * len(bench.refusal.WAYS)
    assert len({raw.partition(".")[0] for raw in first}) == len(first)
    assert not first & _asked(turns, "unknown kid")


def _asked(turns: Any, kind: str) -> set[str]:
    batches = [batches[0] for (this, _), batches in turns.asked.items() if this == kind]
    items = [item for batch in batches for (item,) in batch]
    texts = [one if isinstance(one, str) else one.field("authorization")[0] for one in items]
    return {text.removeprefix("Bearer ") for text in texts}


def test_refusals_are_really_written_to_the_log_file_and_to_nothing_else(bench):
    turns = bench.refusal.Turns(1, 1)
    root = logging.getLogger()
    before = root.level, [*root.handlers]

    with bench.refusal.log_file() as path:
        reason = turns.admit(bench.refusal.request("garbage"))
        written = path.read_text("utf-8")

    assert reason == "token_malformed"
    assert re.search(r" INFO bearerguard refused: reason='token_malformed' ", written)
    assert turns.line.startswith("refused: reason='expired' ")
    assert len(written.splitlines()) == 1
    assert (root.level, root.handlers) == before


def test_a_quick_run_measures_growth_without_the_processes(bench, monkeypatch):
    monkeypatch.setattr(bench.growth, "MEMORY_BYTES", ())
    monkeypatch.setattr(bench.growth, "QUICK", (2, 1, 3))

    growth, memory = bench.growth.measure(quick=True)

    assert {row[0] for row in growth.rows} == {"issuers", "keys", "scopes", "bytes", "threads"}
    assert len(growth.goals) == 4
    assert not memory.rows


def test_the_memory_of_the_longest_remembered_tokens_is_told_and_not_judged(bench, monkeypatch):
    """The issue names 0.5, 1 and 14 kB."""

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        found = {"bytes": int(command[4]), "most": 1.0, "grown": 1.0}
        return SimpleNamespace(stdout=json.dumps(found))

    monkeypatch.setattr(bench.growth.subprocess, "run", run)

    section = bench.growth._memory(10)

    assert [row[0] for row in section.rows] == ["0.5 kB", "1.0 kB", "4.0 kB", "14.0 kB"]
    assert [goal.what.split()[-2] for goal in section.goals] == ["0.5", "1.0", "14.0"]


def test_a_quick_run_measures_every_step_and_what_the_adapters_add(bench):
    [section] = bench.steps.measure(quick=True)

    names = [row[0] for row in section.rows]
    assert names[-2:] == [bench.steps.THROUGH.format(name) for name in ("Starlette", "Flask")]
    assert {bench.steps.BARE, bench.steps.WHOLE, bench.steps.KNOWN} < {*names}
    assert all(len(row) == len(section.header) for row in section.rows)


def test_an_adapter_that_lets_everybody_in_is_not_measured(bench, monkeypatch):
    issuer = bench.tokens.issuer_of("ES256")
    guard, good = issuer.guard(), bench.tokens.token(issuer)
    open_app = bench.adapters.flask_app(None)

    bench.adapters.Adapters(guard, good)
    monkeypatch.setattr(bench.adapters, "flask_app", lambda _: open_app)

    with pytest.raises(bench.adapters.UnfitError, match="expected 401"):
        bench.adapters.Adapters(guard, good)


@pytest.mark.parametrize("size", [512, 1024, 14_000])
def test_the_memory_run_verifies_distinct_tokens_of_the_size_it_names(bench, size):
    found = bench.memory.growth(size, 20)

    assert abs(found["bytes"] - size) < 100
    assert found["most"] >= found["grown"]
    made = bench.memory.tokens(b"k" * 32, size)
    assert len({next(made) for _ in range(20)}) == 20


@pytest.mark.process
def test_guarding_an_application_is_measured_beside_the_same_one_unguarded(bench, monkeypatch):
    """The settings of whoever runs this take no part."""
    monkeypatch.setenv("BEARERGUARD_LEEWAY", "nonsense")
    cases = {case.name: case for case in bench.imports.CASES}

    for name in ("guarding an application (Starlette)", "guarding an application (Flask)"):
        base_ms, base_mib = bench.imports.run(cases[name].base)
        whole_ms, whole_mib = bench.imports.run(cases[name].whole)

        assert base_ms > 0
        assert whole_ms > 0
        assert base_mib < whole_mib
    goal = "import bearerguard.starlette"
    cost = bench.imports.Cost(bench.rounds.Spread((70.4,)), bench.rounds.Spread((13.2,)))
    assert cases[bench.imports.LATER[goal]].does
    assert bench.imports._remark(cost).endswith("70 ms and 13 MiB more")


@pytest.mark.process
def test_a_fresh_process_tells_what_an_import_costs(bench):
    bare_ms, bare_mib = bench.imports.run("")
    cpu_ms, mib = bench.imports.run("import decimal, ssl")

    assert bare_ms > 0
    assert cpu_ms > 0
    assert 0 < bare_mib < mib


def test_the_page_has_every_table_and_says_what_was_missed(bench):
    spread, goal, bar = bench.rounds.Spread((1.0, 2.0)), bench.rounds.Goal, bench.section.Bar
    section = bench.section.Section("A part", "What it is.", ("", "value"), "x", [("row", "1.5")])
    section.goals = [goal("good", spread, 2.0), goal("bad", spread, 1.0, remark="noisy")]
    section.bars = [bar("group", "bearerguard", spread), bar("group", "other", spread)]
    report = bench.report.Report([section], bench.environment.machine(), "CPython")

    page = bench.report.as_markdown(report, "speed.svg")

    assert "## A part\n\nWhat it is.\n\n|  | value |\n|---|---|\n| row | 1.5 |" in page
    assert "| bad | at most 1.00 x | 1.50 x | 1.25-1.75 | **missed** | noisy |" in page
    assert "1 of 2 are met" in page
    assert "](speed.svg)" in page
    assert not re.search(r"\{[a-z]+\}", page)
    assert "1.50 x" in bench.report.as_text(section)
    assert [*bench.chart.panels_of([section])] == ["x"]


def test_the_chart_is_the_same_file_for_the_same_figures(bench, tmp_path):
    pytest.importorskip(
        "matplotlib", reason="draws the chart of make bench: pip install matplotlib"
    )
    spread = bench.rounds.Spread((1.0, 2.0))
    bars = [bench.section.Bar("group", name, spread) for name in ("bearerguard", "other")]
    section = bench.section.Section("A part", "", ("",), "x", bars=bars)
    charts = [tmp_path / "one.svg", tmp_path / "two.svg"]

    for path in charts:
        bench.chart.draw([section], path)

    one, two = (path.read_text("utf-8") for path in charts)
    assert one == two
    assert "<svg" in one
    assert not re.search(r"[ \t]$", one, re.MULTILINE)


def test_a_part_that_fails_stops_no_other_and_nothing_is_written(
    bench, monkeypatch, tmp_path, capsys
):
    main = bench.__dict__["__main__"]
    page, chart = tmp_path / "speed.md", tmp_path / "speed.svg"
    section = bench.section.Section("A part", "", ("", "value"), rows=[("row", "1.5")])
    monkeypatch.setattr(main, "PARTS", ("imports", "growth"))
    monkeypatch.setattr(bench.imports, "measure", lambda _: 1 / 0)
    monkeypatch.setattr(bench.growth, "measure", lambda _: [section])

    with pytest.raises(SystemExit, match=r"nothing is written: imports$"):
        main.main(["--page", str(page), "--chart", str(chart)])

    assert "A part" in capsys.readouterr().out
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("can_draw", [True, False])
def test_a_complete_run_is_written_with_or_without_a_chart(
    bench, monkeypatch, tmp_path, capsys, can_draw
):
    main = bench.__dict__["__main__"]
    page, chart = tmp_path / "speed.md", tmp_path / "speed.svg"
    monkeypatch.setattr(main, "PARTS", ("growth",))
    monkeypatch.setattr(bench.growth, "measure", lambda _: [])
    monkeypatch.setattr(main, "can_draw", lambda: can_draw)
    monkeypatch.setattr(main, "draw", lambda _, path: path.write_text(page.read_text("utf-8")))

    main.main(["--page", str(page), "--chart", str(chart)])

    assert ("](speed.svg)" in page.read_text("utf-8")) is can_draw
    assert "\n\n\n" not in page.read_text("utf-8").partition("## Goals")[0]
    assert chart.exists() is can_draw
    assert (
        "matplotlib is not installed" in capsys.readouterr().out.splitlines()[-1]
    ) is not can_draw


def test_what_draws_the_chart_is_named_where_it_is_missing(bench, monkeypatch):
    monkeypatch.setattr(bench.environment, "_version", lambda _: "")

    assert "matplotlib" in bench.environment.missing()

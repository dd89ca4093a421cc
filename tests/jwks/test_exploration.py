"""All that can happen to a key cache in eight events: after each of them every promise holds."""

import pytest

pytestmark = pytest.mark.untraced

DEPTH = 8
# Worlds and sequences of events: fewer mean that the exploration has shrunk, and proves less.
LEAST = {
    "rotation": (3_000, 30_000),
    "made-up keys": (10_000, 190_000),
    "outage": (3_000, 120_000),
    "slowness": (11_000, 190_000),
    "neighbours": (5_000, 160_000),
    "no kid": (4_000, 40_000),
}


@pytest.fixture
def warm(machine, exploration):
    """A cache that has its first keys, and whose budget has grown full again."""
    trial = machine.Trial(machine.cache_for())
    trial.ask("old")
    trial.answer(1, exploration.OLD)
    trial.wake(0)
    trial.tick(60)
    return trial


def test_every_theme_is_explored(exploration):
    assert LEAST.keys() == exploration.THEMES.keys()


@pytest.mark.parametrize("theme", LEAST)
def test_whatever_happens_every_promise_holds(exploration, warm, theme):
    """The promises of the key cache, each as a function in machine.py."""
    report = exploration.explore(warm, exploration.THEMES[theme], DEPTH)

    assert report.broken is None, "\n".join(report.way)
    least_worlds, least_sequences = LEAST[theme]
    assert report.worlds >= least_worlds
    assert report.sequences >= least_sequences


@pytest.mark.parametrize("theme", LEAST)
def test_from_a_cold_start_every_promise_holds(machine, exploration, theme):
    cold = machine.Trial(machine.cache_for())

    report = exploration.explore(cold, exploration.THEMES[theme], DEPTH - 2)

    assert report.broken is None, "\n".join(report.way)


def test_with_a_life_shorter_than_the_budget_every_promise_holds(machine, exploration):
    """JWKS_TTL=1s, JWKS_STALE_FOR=3s: every answer is old when the next request comes."""
    short = machine.Trial(machine.cache_for(ttl_s=1.0, stale_for_s=3.0))
    alphabet = exploration.any_of(
        exploration.requests("old", "new"),
        exploration.passing(1, 10, to=["almost dead"]),
        exploration.answers("old", "new", "fails"),
    )

    report = exploration.explore(short, alphabet, DEPTH - 1)

    assert report.broken is None, "\n".join(report.way)
    assert report.worlds >= 1_000


def test_the_states_follow_one_another_as_in_the_table_and_in_no_other_way(
    machine, exploration, warm
):
    """Each row of TRANSITIONS was seen, and the promise of the same name saw no other."""
    exploration.explore(warm, exploration.THEMES["outage"], 6)
    cold = machine.Trial(machine.cache_for(), seen=warm.seen)
    exploration.explore(cold, exploration.THEMES["outage"], 3)

    # A new set finds FRESH keys FRESH: there is nothing to tell.
    assert warm.seen == {(before, after) for before, after in machine.STEPS if before != after}

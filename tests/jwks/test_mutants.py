"""Small, realistic bugs, planted one at a time: the exploration finds each, by the promise named.

A promise that no bug can break proves nothing. Most of these bugs were seen in other libraries.
"""

from dataclasses import dataclass, replace

import pytest

from bearerguard.jwks import cache as cache_module
from bearerguard.jwks import lifetime
from bearerguard.jwks.budget import FetchBudget
from bearerguard.jwks.cache import KeyCache
from bearerguard.jwks.missing import MissingIds
from bearerguard.jwks.states import Flight, State, Unknown, Unreachable, Use

pytestmark = pytest.mark.untraced

# A bug is found by the shortest way to it: the second is enough where the budget is half empty.
DEPTH, SMALLER_DEPTH = 8, 6
MUTANTS = {}


@dataclass(frozen=True)
class Mutant:
    """How a bug is planted, what it does, where to look for it, and the promise that it breaks."""

    plant: object
    theme: str
    promise: str
    rested: bool

    def __str__(self):
        return self.plant.__name__


def breaks(promise, theme, *, rested=True):
    """Register a bug; ``rested``: the budget has grown full again after the first keys."""

    def register(plant):
        MUTANTS[plant.__name__] = Mutant(plant, theme, promise, rested)
        return plant

    return register


def wrap(patch, owner, name, wrapper):
    """Put ``wrapper(original, *arguments)`` in the place of a function."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *args, **kwargs: wrapper(original, *args, **kwargs))


@breaks("the_budget_holds", "made-up keys", rested=False)
def successes_alone_are_counted(patch):
    """A failure gives its attempt back: with the issuer down each made-up key id is a request."""

    def failed(original, budget, *args):
        original(budget, *args)
        budget.attempts_left += 1

    wrap(patch, FetchBudget, "failed", failed)


@breaks("nobody_asks_during_a_back_off", "made-up keys")
def no_back_off(patch):
    """After a failure the next request asks at once."""

    def failed(original, budget, *args):
        original(budget, *args)
        budget.blocked_until = 0.0

    wrap(patch, FetchBudget, "failed", failed)


@breaks("nobody_asks_during_a_back_off", "no kid")
def the_issuers_wish_is_ignored(patch):
    """Retry-After is read and forgotten."""
    wrap(patch, KeyCache, "failed", lambda original, *args: original(*args[:4]))


@breaks("one_fetch_at_a_time_and_two_threads_at_most", "rotation")
def a_fetch_for_each_request(patch):
    """Who asks does not look whether a fetch is under way."""

    def ask(original, cache, now, **kwargs):
        flight, cache.flight = cache.flight, None
        decision = original(cache, now, **kwargs)
        cache.flight = flight
        return decision

    wrap(patch, KeyCache, "_ask", ask)


@breaks("one_fetch_at_a_time_and_two_threads_at_most", "slowness")
def threads_without_end(patch):
    """However many threads hang, one more is begun."""
    patch.setattr(cache_module, "MOST_ABANDONED", 99)


@breaks("lookups_change_nothing", "made-up keys")
def an_unknown_key_evicts_the_good_ones(patch):
    """To fetch anew, the set is thrown away first."""

    def with_unknown_key(original, cache, *args):
        cache.snapshot = None
        return original(cache, *args)

    wrap(patch, KeyCache, "_with_unknown_key", with_unknown_key)


@breaks("unknown_is_what_a_new_enough_set_says", "rotation")
def an_unknown_key_is_no_reason_to_fetch(patch):
    """Every rotation is an outage, until the set has grown old."""
    patch.setattr(KeyCache, "_with_unknown_key", lambda *_: Unknown())


@breaks("unknown_is_said_for_one_of_three_reasons", "made-up keys")
def missing_keys_are_remembered_beyond_the_next_set(patch):
    """The memory of missing key ids is not cleared by a new set."""
    patch.setattr(MissingIds, "clear", lambda _: None)


@breaks("unknown_is_said_for_one_of_three_reasons", "made-up keys")
def missing_keys_are_remembered_for_a_minute(patch):
    """A key that is published just after somebody used it is refused for a minute."""
    patch.setattr(cache_module, "MISSING_FOR_S", 60.0)


@breaks("unknown_is_what_a_new_enough_set_says", "outage")
def unknown_during_an_outage(patch):
    """With the issuer down, good tokens of a new key are refused with 401."""
    patch.setattr(KeyCache, "_unknown_unless_failed", lambda *_: Unknown())


@breaks("only_a_newest_good_answer_replaces_the_set", "slowness")
def a_late_answer_overwrites_a_newer_one(patch):
    """A fetch that was given up comes back after all, with the keys of yesterday."""

    def lands(original, cache, sequence, now, **kwargs):
        return original(cache, sequence, now, **kwargs) or Flight(sequence, now, now)

    wrap(patch, KeyCache, "_lands", lands)


@breaks("only_a_newest_good_answer_replaces_the_set", "outage")
def an_empty_set_replaces_a_good_one(patch):
    """``{"keys": []}`` is taken over as if it were a rotation."""
    patch.setattr(lifetime, "problem_of", lambda *_: None)


@breaks("only_a_newest_good_answer_replaces_the_set", "neighbours")
def a_neighbours_older_set_replaces_ours(patch):
    """What another process fetched is taken over, however old it is."""
    empty = "no usable key"
    patch.setattr(lifetime, "problem_of", lambda loaded, *_: None if loaded.keys.keys else empty)


@breaks("a_set_lives_as_long_as_promised", "neighbours")
def a_neighbours_set_counts_as_new(patch):
    """Its keys live anew with each process that takes them over, and so for ever."""

    def fetched(original, cache, sequence, loaded, now):
        age_s = 0.0 if loaded.is_shared else loaded.age_s
        original(cache, sequence, replace(loaded, age_s=age_s), now)

    wrap(patch, KeyCache, "fetched", fetched)


@breaks("a_set_lives_as_long_as_promised", "no kid")
def a_slow_answer_counts_as_new(patch):
    """Its life counts from its end: a key withdrawn meanwhile lives longer."""

    def fetched(original, cache, sequence, loaded, now):
        if cache.flight is not None:
            cache.flight = replace(cache.flight, began_at=now)
        original(cache, sequence, loaded, now)

    wrap(patch, KeyCache, "fetched", fetched)


@breaks("only_keys_of_the_newest_set_serve_and_in_their_time", "outage")
def stale_keys_serve_for_ever(patch):
    """While the issuer is down nothing expires."""

    def lookup(original, cache, kid, now, **kwargs):
        decision = original(cache, kid, now, **kwargs)
        keys = cache.snapshot.keys.candidates(kid) if cache.snapshot else ()
        return Use(keys) if isinstance(decision, Unreachable) and keys else decision

    wrap(patch, KeyCache, "lookup", lookup)


@breaks("an_unknown_key_waits_for_a_refresh", "outage")
def no_keys_and_no_second_try(patch):
    """One failure while there are no keys, and it never recovers."""

    def lookup(original, cache, kid, now, **kwargs):
        has_failed = cache.error is not None and cache.state(now) is State.EXPIRED
        return cache._unreachable(now) if has_failed else original(cache, kid, now, **kwargs)

    wrap(patch, KeyCache, "lookup", lookup)


@breaks("unreachable_is_said_with_cause", "made-up keys", rested=False)
def made_up_keys_blame_the_issuer(patch):
    """With the budget empty a made-up key gets 503, although the issuer answers."""
    patch.setattr(KeyCache, "_unknown_unless_failed", KeyCache._unreachable)


@breaks("the_short_way_leads_to_the_same_keys", "rotation")
def the_short_way_is_never_closed(patch):
    """What is answered without a lock is answered for ever, and no refresh ever falls due."""

    def fresh(_original, cache, kid, _now):
        return cache.snapshot.keys.candidates(kid) if cache.snapshot else ()

    wrap(patch, KeyCache, "fresh", fresh)


@breaks("only_an_outage_excuses_from_the_refresh", "outage")
def an_old_failure_excuses_from_the_refresh(patch):
    """A key that was withdrawn serves once more, on the word of an error of long ago."""
    patch.setattr(lifetime, "still_down", lambda *_: True)


@breaks("an_old_key_is_delayed_once_at_most", "outage")
def stale_keys_do_not_serve(patch):
    """An outage at the issuer takes the API down when the keys have grown old."""

    def candidates(original, cache, kid, now, **kwargs):
        decision = original(cache, kid, now, **kwargs)
        is_old = cache.snapshot is not None and now >= cache.snapshot.fresh_until
        return cache._unreachable(now) if is_old and isinstance(decision, Use) else decision

    wrap(patch, KeyCache, "lookup", candidates)


@breaks("a_good_key_is_used_at_once", "rotation")
def a_due_refresh_holds_up_the_requests(patch):
    """From four fifths of its life on a set does not serve without a fetch."""

    def lookup(original, cache, kid, now, **kwargs):
        decision = original(cache, kid, now, **kwargs)
        is_due = isinstance(decision, Use) and decision.refresh
        return cache._ask(now) if is_due else decision

    wrap(patch, KeyCache, "lookup", lookup)


@breaks("a_due_refresh_begins_behind_the_request", "rotation")
def the_refresh_comes_at_the_end_of_life(patch):
    """At 100 % of the time to live and not at 80 %: then requests have to wait for it."""

    def lookup(original, cache, kid, now, **kwargs):
        decision = original(cache, kid, now, **kwargs)
        is_fresh = cache.snapshot is not None and now < cache.snapshot.fresh_until
        return (
            replace(decision, refresh=False) if isinstance(decision, Use) and is_fresh else decision
        )

    wrap(patch, KeyCache, "lookup", lookup)


@breaks("a_request_waits_once", "outage")
def a_request_waits_again_and_again(patch):
    """One failing fetch after the other holds the same request up."""

    def lookup(original, cache, kid, now, *, waited_for=0, **kwargs):
        return original(cache, kid, now, **kwargs)

    wrap(patch, KeyCache, "lookup", lookup)


@breaks("a_request_waits_once", "neighbours")
def a_neighbour_is_asked_twice(patch):
    """Whoever found a key missing in a neighbour's set looks there again, not at the issuer."""
    wrap(patch, KeyCache, "_ask", lambda original, cache, now, **_: original(cache, now))


@breaks("unknown_is_said_for_one_of_three_reasons", "neighbours")
def a_guess_behind_a_neighbours_set(patch):
    """Another request asked the issuer anew, and in vain: this one gets 401 nevertheless."""

    def with_unknown_key(original, cache, kid, now, waited_for, snapshot):
        if snapshot.is_shared and 0 < waited_for <= snapshot.sequence:
            return cache._ask(now, anew=True) or Unknown()
        return original(cache, kid, now, waited_for, snapshot)

    wrap(patch, KeyCache, "_with_unknown_key", with_unknown_key)


@breaks("unknown_is_said_for_one_of_three_reasons", "neighbours", rested=False)
def a_child_pays_for_the_parents_fetch(patch):
    """The attempt is counted in a child to which its answer never comes."""

    def forget_flight(original, cache):
        cache.flight = None
        original(cache)

    wrap(patch, KeyCache, "forget_flight", forget_flight)


@breaks("the_generation_changes_with_the_keys", "rotation")
def derived_caches_never_forget(patch):
    """A verified token outlives its key."""
    patch.setattr(lifetime, "generation_after", lambda *_: 1)


@breaks("the_generation_changes_with_the_keys", "rotation")
def derived_caches_forget_with_every_refresh(patch):
    """The same keys, fetched again, empty the cache of verified tokens."""
    patch.setattr(
        lifetime, "generation_after", lambda before, _: before.generation + 1 if before else 1
    )


@breaks("states_follow_the_table", "rotation")
def states_are_not_told(patch):
    """Whoever watches hears of no transition."""

    def note_state(_original, cache, after):
        cache._noted = after
        return after

    wrap(patch, KeyCache, "_note_state", note_state)


def explore(machine, exploration, mutant):
    """Give the report; what breaks a promise before the exploration begins counts as well."""
    try:
        trial = machine.Trial(machine.cache_for())
        trial.ask("old")
        trial.answer(1, exploration.OLD)
        trial.wake(0)
        trial.tick(60 if mutant.rested else 1)
    except machine.PromiseBrokenError as error:
        return exploration.Report(0, 0, error.promise)
    depth = DEPTH if mutant.rested else SMALLER_DEPTH
    return exploration.explore(trial, exploration.THEMES[mutant.theme], depth)


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=str)
def test_a_planted_bug_is_found(machine, exploration, monkeypatch, mutant):
    mutant.plant(monkeypatch)

    report = explore(machine, exploration, mutant)

    assert report.broken == mutant.promise, "\n".join(report.way)


def test_without_a_bug_the_same_exploration_finds_nothing(machine, exploration):
    """test_exploration.py does all the others; here are those with a budget that is half empty."""
    runs = {mutant.theme: mutant for mutant in MUTANTS.values() if not mutant.rested}

    for mutant in runs.values():
        report = explore(machine, exploration, mutant)
        assert report.broken is None, "\n".join(report.way)


def test_every_promise_has_a_bug_that_breaks_it(machine):
    """But for the bound of the memory: it takes a thousand events (see test_cache.py)."""
    promises = {promise.__name__ for promise in machine.PROMISES}

    named = {mutant.promise for mutant in MUTANTS.values()}

    assert len(MUTANTS) >= 10
    assert promises - named == {"what_is_remembered_is_bounded"}

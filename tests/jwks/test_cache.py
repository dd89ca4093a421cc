"""The key cache as a machine: time is an argument, and nothing waits."""

import itertools

import pytest

from bearerguard.core.key_set import Key, KeySet, RefusedKey
from bearerguard.events import FetchEnded, FetchStarted, KeyRefused, KeyStateChanged
from bearerguard.jwks.missing import MOST_MISSING
from bearerguard.jwks.states import Fetch, LoadedKeys, State, Unknown, Unreachable, Use, Wait

NOW = 1_000.0
TTL = 300.0


@pytest.fixture
def warm(make_cache, key_set):
    """A cache that took the key "a" over at NOW."""

    def make(now=NOW, **changes):
        cache = make_cache(**changes)
        cache.fetched(cache.begin(now), LoadedKeys(key_set("a"), None), now)
        return cache

    return make


def kids(decision):
    assert isinstance(decision, Use)
    return [key.kid for key in decision.keys]


def test_a_cold_cache_lets_the_first_request_fetch_and_the_others_wait(make_cache):
    cache = make_cache()

    assert Fetch() == cache.lookup("a", NOW)
    cache.begin(NOW)
    assert Wait() == cache.lookup("a", NOW)
    assert Wait() == cache.lookup("another", NOW)


def test_a_key_that_is_there_is_used_without_more_ado(warm):
    cache = warm()

    assert kids(cache.lookup("a", NOW)) == ["a"]
    assert [key.kid for key in cache.fresh("a", NOW)] == ["a"]
    assert not cache.lookup("a", NOW).refresh


def test_the_short_way_is_closed_before_the_first_set_and_once_a_refresh_is_due(make_cache, warm):
    assert make_cache().fresh("a", NOW) == ()
    assert warm().fresh("a", NOW + 0.8 * TTL) == ()
    assert warm().fresh("unknown", NOW) == ()


def test_a_token_without_key_id_gets_every_key(make_cache, key_set):
    cache = make_cache()
    cache.fetched(cache.begin(NOW), LoadedKeys(key_set("a", "b"), None), NOW)

    assert kids(cache.lookup(None, NOW)) == ["a", "b"]


def test_keys_that_share_a_key_id_are_all_given(make_cache):
    cache = make_cache()
    twins = KeySet(tuple(Key("a", frozenset({"RS256"}), t, None) for t in ("one", "two")))
    cache.fetched(cache.begin(NOW), LoadedKeys(twins, None), NOW)

    assert twins.keys == cache.lookup("a", NOW).keys


def test_from_four_fifths_of_its_life_on_a_set_serves_and_is_refreshed_behind_the_requests(warm):
    cache = warm()

    assert Use(cache.snapshot.keys.keys) == cache.lookup("a", NOW + 239.9)
    due = cache.lookup("a", NOW + 240)
    assert Use(cache.snapshot.keys.keys, refresh=True) == due
    cache.begin(NOW + 240)
    assert Use(cache.snapshot.keys.keys) == cache.lookup("a", NOW + 240), "one at a time"


def test_past_its_life_a_request_waits_for_the_refresh(warm):
    cache = warm()

    assert Use(cache.snapshot.keys.keys, refresh=True) == cache.lookup("a", NOW + TTL - 0.1)
    assert Fetch() == cache.lookup("a", NOW + TTL)
    cache.begin(NOW + TTL)
    assert Wait() == cache.lookup("a", NOW + TTL)


def test_when_the_refresh_past_its_life_failed_the_old_set_serves_at_once(warm):
    cache = warm()
    late = NOW + TTL
    cache.failed(cache.begin(late), "down", late)

    assert Use(cache.snapshot.keys.keys) == cache.lookup("a", late), "back-off: no refresh yet"
    again = late + 2
    assert Use(cache.snapshot.keys.keys, refresh=True) == cache.lookup("a", again)
    cache.begin(again)
    assert Use(cache.snapshot.keys.keys) == cache.lookup("a", again), "nobody waits for it"


def test_a_failure_before_the_end_of_life_does_not_excuse_from_the_refresh_after_it(warm):
    """An API with little traffic would otherwise take a withdrawn key on the word of an old error."""
    cache = warm()
    cache.failed(cache.begin(NOW + TTL - 20), "down", NOW + TTL - 20)

    assert Fetch() == cache.lookup("a", NOW + TTL)


def test_an_old_failure_does_not_excuse_from_a_refresh(warm):
    cache = warm()
    late = NOW + TTL
    cache.failed(cache.begin(late), "down", late)

    assert isinstance(cache.lookup("a", late + 74), Use)
    assert Fetch() == cache.lookup("a", late + 75)


def test_in_back_off_past_its_life_the_old_set_serves_without_waiting(warm):
    """A refresh failed just before the end, and the next may not begin yet."""
    cache = warm(jitter=lambda: 1.0, ttl_s=300 / 0.9)
    just_before = NOW + TTL - 0.5
    cache.failed(cache.begin(just_before), "down", just_before)

    assert Use(cache.snapshot.keys.keys) == cache.lookup("a", NOW + TTL + 0.5)


def test_after_the_time_of_grace_nothing_serves(warm):
    cache = warm()
    end = NOW + TTL + 3600
    cache.failed(cache.begin(end - 0.5), "down", end - 0.5)

    assert kids(cache.lookup("a", end - 0.1)) == ["a"]
    assert isinstance(cache.lookup("a", end), Unreachable)
    assert State.EXPIRED is cache.state(end)


def test_without_grace_a_set_past_its_life_never_serves(warm):
    """JWKS_STALE_FOR=0."""
    cache = warm(stale_for_s=0.0)
    late = NOW + TTL

    assert kids(cache.lookup("a", late - 0.1)) == ["a"]
    assert Fetch() == cache.lookup("a", late)
    cache.failed(cache.begin(late), "down", late)
    assert isinstance(cache.lookup("a", late), Unreachable)


@pytest.mark.requirement("OIDC-10.1.1-1")
def test_an_unknown_key_id_is_a_reason_to_fetch(warm):
    """OpenID Connect Core section 10.1.1: that is how a rotation is noticed."""
    assert Fetch() == warm().lookup("b", NOW)


def test_a_request_that_waited_for_a_new_key_is_served_by_the_set_that_came(warm, key_set):
    cache = warm()
    sequence = cache.begin(NOW)
    cache.fetched(sequence, LoadedKeys(key_set("a", "b"), None), NOW)

    assert kids(cache.lookup("b", NOW, waited_for=sequence)) == ["b"]


def test_a_key_that_even_the_fresh_set_lacks_is_unknown_and_remembered_for_ten_seconds(
    warm, key_set
):
    cache = warm()
    sequence = cache.begin(NOW)
    cache.fetched(sequence, LoadedKeys(key_set("a"), None), NOW)

    assert Unknown() == cache.lookup("b", NOW, waited_for=sequence)
    assert Unknown() == cache.lookup("b", NOW + 9.9)
    assert Fetch() == cache.lookup("b", NOW + 10)


def test_the_ten_seconds_run_from_the_set_and_not_from_the_request_that_slept(warm, key_set):
    cache = warm()
    sequence = cache.begin(NOW)
    cache.fetched(sequence, LoadedKeys(key_set("a"), None), NOW)

    assert Unknown() == cache.lookup("b", NOW + 60, waited_for=sequence)
    assert Fetch() == cache.lookup("b", NOW + 60)


def test_any_new_set_forgets_which_keys_were_missing(warm, key_set):
    cache = warm()
    first = cache.begin(NOW)
    cache.fetched(first, LoadedKeys(key_set("a"), None), NOW)
    assert Unknown() == cache.lookup("b", NOW, waited_for=first)

    cache.fetched(cache.begin(NOW + 10), LoadedKeys(key_set("a", "b"), None), NOW + 10)
    assert kids(cache.lookup("b", NOW + 10)) == ["b"]
    cache.fetched(cache.begin(NOW + 11), LoadedKeys(key_set("a"), None), NOW + 11)

    cache.budget.counted_at -= 100
    assert Fetch() == cache.lookup("b", NOW + 11)


def test_the_memory_of_missing_keys_is_bounded_in_number_and_size(warm, key_set):
    cache = warm()
    sequence = cache.begin(NOW)
    cache.fetched(sequence, LoadedKeys(key_set("a"), None), NOW)

    for number in range(MOST_MISSING + 50):
        cache.lookup(f"{number}" * 5000, NOW, waited_for=sequence)

    assert len(cache._missing) == MOST_MISSING
    assert {32} == {len(entry) for entry in cache._missing._digests}


def test_with_the_budget_empty_and_the_last_refresh_good_an_unknown_key_is_refused(warm, key_set):
    cache = warm()
    cache.fetched(cache.begin(NOW), LoadedKeys(key_set("a"), None), NOW)

    assert Unknown() == cache.lookup("b", NOW)
    assert Fetch() == cache.lookup("b", NOW + 10), "so a new key is taken after 10 s at most"


@pytest.mark.requirement("GEN-7")
def test_an_unknown_key_while_the_issuer_is_down_is_nobody_can_know(warm):
    """RFC 6750 knows no such case: 401 would throw away tokens that may be good."""
    cache = warm()
    sequence = cache.begin(NOW)
    assert Wait() == cache.lookup("b", NOW)
    cache.failed(sequence, "down", NOW)

    served = cache.lookup("b", NOW, waited_for=sequence)
    assert isinstance(served, Unreachable)
    assert served.detail == "down"
    assert isinstance(cache.lookup("b", NOW), Unreachable), "back-off runs"
    assert kids(cache.lookup("a", NOW)) == ["a"]


def test_after_the_back_off_an_unknown_key_is_asked_for_again(warm):
    cache = warm()
    cache.failed(cache.begin(NOW), "down", NOW)

    assert isinstance(cache.lookup("b", NOW + 9.9), Unreachable)
    assert Fetch() == cache.lookup("b", NOW + 10)


@pytest.mark.parametrize("kid", ["a", "b"])
def test_a_request_waits_once_and_never_again(warm, make_cache, kid):
    """Else a request could wait for one failing fetch after another."""
    cold, expired, stale = make_cache(), warm(stale_for_s=0.0), warm()
    late = NOW + TTL
    for cache in (cold, expired, stale):
        first = cache.begin(late)
        cache.failed(first, "down", late)
        much_later = late + 400

        second = cache.lookup(kid, much_later, waited_for=first)
        assert isinstance(second, Use | Unreachable)
        cache.begin(much_later)
        assert isinstance(cache.lookup(kid, much_later, waited_for=first), Use | Unreachable)


def test_nobody_who_waits_in_vain_hears_that_the_key_is_unknown(warm):
    """The fetch hangs: that the set lacks the key is not known."""
    cache = warm()
    sequence = cache.begin(NOW)

    assert isinstance(cache.lookup("b", NOW + 4.9, waited_for=sequence), Unreachable)


def test_a_fetch_that_hangs_is_given_up_and_counts_as_a_failure(make_cache):
    cache = make_cache()
    cache.begin(NOW)

    assert Wait() == cache.lookup("a", NOW + 4.9)
    given_up = cache.lookup("a", NOW + 5)
    assert Unreachable(pytest.approx(1.0), "no answer within 5 s") == given_up
    assert {1} == cache.abandoned


def test_a_fetch_that_hung_long_ago_does_not_hold_up_the_first_request_that_comes_by(make_cache):
    """The back-off runs from the moment at which it was overdue."""
    cache = make_cache()
    cache.begin(NOW)

    assert Fetch() == cache.lookup("a", NOW + 3000)


@pytest.mark.parametrize("looked", [True, False], ids=["given up before", "nobody looked"])
def test_a_late_answer_is_thrown_away(make_cache, key_set, looked):
    cache = make_cache()
    late = cache.begin(NOW)
    if looked:
        cache.lookup("a", NOW + 6)

    cache.fetched(late, LoadedKeys(key_set("a"), None), NOW + 7)

    assert cache.snapshot is None
    assert not cache.abandoned
    assert cache.error == "no answer within 5 s"


def test_an_older_answer_never_replaces_a_newer_one(make_cache, key_set):
    cache = make_cache()
    slow = cache.begin(NOW)
    cache.lookup("a", NOW + 5)
    quick = cache.begin(NOW + 10)
    cache.fetched(quick, LoadedKeys(key_set("new"), None), NOW + 10)

    cache.fetched(slow, LoadedKeys(key_set("old"), None), NOW + 11)
    assert kids(cache.lookup(None, NOW + 11)) == ["new"]
    cache.failed(slow, "too late to matter", NOW + 11)
    assert cache.error is None


def test_an_older_answer_does_not_take_the_place_of_the_fetch_that_is_under_way(
    make_cache, key_set
):
    cache = make_cache()
    slow = cache.begin(NOW)
    cache.lookup("a", NOW + 5)
    quick = cache.begin(NOW + 10)

    cache.fetched(slow, LoadedKeys(key_set("old"), None), NOW + 11)
    assert cache.snapshot is None
    assert cache.lookup("a", NOW + 11) == Wait()
    cache.fetched(quick, LoadedKeys(key_set("new"), None), NOW + 12)

    assert kids(cache.lookup(None, NOW + 12)) == ["new"]


def test_two_threads_that_hang_are_the_end_of_fetching_until_one_comes_back(warm, key_set):
    cache = warm()
    first = cache.begin(NOW + 100)
    cache.lookup("a", NOW + 200)
    second = cache.begin(NOW + 200)
    cache.lookup("a", NOW + 220)
    assert {first, second} == cache.abandoned

    assert isinstance(cache.lookup("b", NOW + 230), Unreachable)
    assert kids(cache.lookup("a", NOW + 230)) == ["a"]
    assert not cache.lookup("a", NOW + 250).refresh

    cache.failed(first, "connection reset", NOW + 260)
    assert Fetch() == cache.lookup("b", NOW + 260)


def test_a_set_without_a_usable_key_never_replaces_a_good_one(warm):
    cache = warm()

    cache.fetched(cache.begin(NOW), LoadedKeys(KeySet(()), None), NOW)

    assert kids(cache.lookup("a", NOW)) == ["a"]
    assert cache.error == "no usable key"


@pytest.mark.requirement("OIDC-10.1.1-2")
@pytest.mark.parametrize(
    ("max_age_s", "lifetime_s"),
    [
        (None, 300),
        (0, 60),
        (59, 60),
        (61, 61),
        (600, 600),
        (3600, 3600),
        (3601, 3600),
        (10 * 365 * 86400, 3600),
    ],
)
def test_cache_control_counts_between_a_minute_and_an_hour(
    make_cache, key_set, max_age_s, lifetime_s
):
    """OpenID Connect Core section 10.1.1; max-age=0 must not hammer, ten years must not blind."""
    cache = make_cache()
    cache.fetched(cache.begin(NOW), LoadedKeys(key_set("a"), max_age_s), NOW)

    assert NOW + lifetime_s == cache.snapshot.fresh_until


@pytest.mark.parametrize("ttl_s", [1.0, 86400.0])
def test_a_configured_life_wins_over_cache_control(make_cache, key_set, ttl_s):
    cache = make_cache(ttl_s=ttl_s)
    cache.fetched(cache.begin(NOW), LoadedKeys(key_set("a"), 600), NOW)

    assert NOW + ttl_s == cache.snapshot.fresh_until


@pytest.mark.parametrize(("jitter", "lifetime_s"), [(0.0, 300), (0.5, 285), (1.0, 270)])
def test_jitter_only_shortens_the_life_of_a_set_and_by_a_tenth_at_most(
    make_cache, key_set, jitter, lifetime_s
):
    cache = make_cache(jitter=lambda: jitter)
    cache.fetched(cache.begin(NOW), LoadedKeys(key_set("a"), None), NOW)

    assert NOW + lifetime_s == pytest.approx(cache.snapshot.fresh_until)
    assert NOW + lifetime_s + 3600 == pytest.approx(cache.snapshot.stale_until)
    assert NOW + 0.8 * lifetime_s == pytest.approx(cache.snapshot.refresh_at)


def test_the_generation_changes_when_the_usable_keys_change_and_only_then(make_cache):
    cache = make_cache()

    def take(*keys):
        cache.fetched(cache.begin(NOW), LoadedKeys(KeySet(keys), None), NOW)
        return cache.snapshot.generation

    a, b = (Key(kid, frozenset({"RS256"}), kid, object()) for kid in "ab")
    assert take(a, b) == 1
    assert take(b, a) == 1, "the order does not matter"
    assert take(a, b, Key("a", frozenset({"RS256"}), "a", object())) == 1, "parsed anew"
    assert take(a) == 2, "one key less"
    assert take(Key("a", frozenset({"RS256"}), "another", None)) == 3, "other key material"
    assert take(Key("a", frozenset({"PS256"}), "another", None)) == 4, "another algorithm"


def test_a_withdrawn_key_is_gone_with_the_next_set(warm, key_set):
    cache = warm()
    cache.fetched(cache.begin(NOW + TTL), LoadedKeys(key_set("b"), None), NOW + TTL)

    assert not isinstance(cache.lookup("a", NOW + TTL), Use)


def test_a_forked_child_does_not_wait_for_its_parents_threads(make_cache, key_set):
    cache = make_cache()
    cache.begin(NOW)
    cache.lookup("a", NOW + 5)
    parents = cache.begin(NOW + 20)

    cache.forget_flight()

    assert not cache.abandoned
    assert Fetch() == cache.lookup("a", NOW + 25)
    cache.fetched(parents, LoadedKeys(key_set("a"), None), NOW + 25)
    assert cache.snapshot is None


def test_the_state_names_where_the_cache_stands(make_cache, warm):
    assert State.COLD is make_cache().state(NOW)
    cache = warm()
    for age_s, state in [(0, "fresh"), (240, "refresh_due"), (300, "stale_ok"), (3900, "expired")]:
        assert state == cache.state(NOW + age_s).value


def test_a_life_shorter_than_the_budget_is_renewed_all_the_same(make_cache, key_set):
    """JWKS_TTL=1s: good keys must not expire while the issuer answers."""
    cache, now = make_cache(ttl_s=1.0, stale_for_s=3.0), NOW
    cache.fetched(cache.begin(now), LoadedKeys(key_set("a"), None), now)

    for _ in range(600):
        now += 0.1
        decision = cache.lookup("a", now)
        assert decision == Use(cache.snapshot.keys.keys, refresh=now >= cache.snapshot.refresh_at)
        if decision.refresh:
            cache.fetched(cache.begin(now), LoadedKeys(key_set("a"), None), now)

    assert cache.begun <= 1 + 60 / 0.8


def test_with_a_short_life_made_up_key_ids_cost_no_more_than_the_life_itself(make_cache, key_set):
    cache, now = make_cache(ttl_s=1.0), NOW
    cache.fetched(cache.begin(now), LoadedKeys(key_set("a"), None), now)

    for number in range(6000):
        now += 0.01
        if isinstance(cache.lookup(f"made-up-{number}", now), Fetch):
            cache.fetched(cache.begin(now), LoadedKeys(key_set("a"), None), now)

    assert cache.begun <= 2 + 60 / 10 + 60 / 0.8


def test_after_a_failure_a_short_life_excuses_nobody_from_the_budget(make_cache, key_set):
    cache, now = make_cache(ttl_s=1.0, jitter=lambda: 0.5), NOW
    cache.fetched(cache.begin(now), LoadedKeys(key_set("a"), None), now)
    before = cache.begun

    for _ in range(600):
        now += 0.1
        decision = cache.lookup("a", now)
        if isinstance(decision, Fetch) or (isinstance(decision, Use) and decision.refresh):
            cache.failed(cache.begin(now), "down", now)

    assert cache.begun - before <= 1 + 2 + 60 / 10


def told(cache):
    """Take away what the cache has told since the last time."""
    news = [*cache.news]
    cache.news.clear()
    return news


def changes(cache):
    return [(e.before, e.after) for e in told(cache) if isinstance(e, KeyStateChanged)]


def shared(key_set, *kids, age_s):
    return LoadedKeys(key_set(*kids), None, age_s=age_s, is_shared=True)


def test_a_fetch_is_told_when_it_begins_and_when_it_ends(make_cache, key_set):
    cache = make_cache(issuer="https://issuer.example")
    sequence = cache.begin(NOW)
    assert told(cache) == [FetchStarted("https://issuer.example", 1)]

    cache.fetched(sequence, LoadedKeys(key_set("a"), None), NOW + 2)

    assert told(cache) == [
        FetchEnded("https://issuer.example", 1, 2.0),
        KeyStateChanged("https://issuer.example", "cold", "fresh"),
    ]


@pytest.mark.parametrize("kids", [None, ()], ids=["down", "no usable key"])
def test_a_fetch_that_fails_is_told_with_what_went_wrong(warm, key_set, kids):
    cache = warm()
    sequence = cache.begin(NOW)
    told(cache)

    if kids is None:
        cache.failed(sequence, "down", NOW + 1)
    else:
        cache.fetched(sequence, LoadedKeys(key_set(*kids), None), NOW + 1)

    error = "down" if kids is None else "no usable key"
    assert told(cache) == [FetchEnded("", 2, 1.0, error)]


def test_a_fetch_that_is_given_up_is_told_once_and_its_late_answer_never(make_cache, key_set):
    cache = make_cache()
    sequence = cache.begin(NOW)
    told(cache)

    cache.lookup("a", NOW + 60)
    assert told(cache) == [FetchEnded("", 1, 5.0, "no answer within 5 s")]
    cache.fetched(sequence, LoadedKeys(key_set("a"), None), NOW + 61)
    assert told(cache) == []


def test_states_that_passed_while_nobody_looked_are_told_one_after_the_other(warm):
    cache = warm()
    told(cache)

    cache.state(NOW + 10_000)

    ways = [("fresh", "refresh_due"), ("refresh_due", "stale_ok"), ("stale_ok", "expired")]
    assert changes(cache) == ways
    cache.state(NOW + 20_000)
    assert changes(cache) == [], "each is told once"


def test_what_became_of_the_old_set_is_told_before_the_new_one(warm, key_set):
    cache = warm()
    sequence = cache.begin(NOW + 239)
    told(cache)

    cache.fetched(sequence, LoadedKeys(key_set("a"), None), NOW + 241)

    assert changes(cache) == [("fresh", "refresh_due"), ("refresh_due", "fresh")]


def test_a_new_set_of_fresh_keys_changes_no_state(warm, key_set):
    cache = warm()
    told(cache)

    cache.fetched(cache.begin(NOW + 10), LoadedKeys(key_set("b"), None), NOW + 10)

    assert changes(cache) == []


def test_keys_that_cannot_be_used_are_told_when_they_change_and_not_with_each_refresh(
    make_cache, key_set
):
    cache = make_cache(issuer="https://issuer.example")

    def refused_after(*refused):
        usable = key_set("a").keys
        cache.fetched(cache.begin(NOW), LoadedKeys(KeySet(usable, refused), None), NOW)
        return [event for event in told(cache) if isinstance(event, KeyRefused)]

    odd, weak = RefusedKey(1, None, "kty"), RefusedKey(2, "w", "1024 bits")
    assert refused_after(odd) == [KeyRefused("https://issuer.example", 1, None, "kty")]
    assert refused_after(odd) == []
    assert len(refused_after(odd, weak)) == 2
    assert refused_after() == []
    assert len(refused_after(odd)) == 1


def test_keys_that_turned_out_not_to_be_the_one_are_not_given_again(make_cache, key_set):
    """A token without kid, or with a kid that several keys share, is a reason to fetch as well."""
    cache = make_cache()
    cache.fetched(cache.begin(NOW), LoadedKeys(key_set("a", "b"), None), NOW)
    a, b = cache.snapshot.keys.keys

    assert kids(cache.lookup(None, NOW, tried=(a,))) == ["b"]
    assert Fetch() == cache.lookup(None, NOW, tried=(a, b))
    assert Fetch() == cache.lookup("a", NOW, tried=(a,))


def test_a_token_without_kid_is_served_by_the_key_that_the_next_set_adds(make_cache, key_set):
    cache = make_cache()
    cache.fetched(cache.begin(NOW), LoadedKeys(key_set("a"), None), NOW)
    tried = cache.snapshot.keys.keys
    sequence = cache.begin(NOW)
    cache.fetched(sequence, LoadedKeys(key_set("a", "b"), None), NOW)

    assert kids(cache.lookup(None, NOW, tried=tried, waited_for=sequence)) == ["b"]


def test_where_the_next_set_has_no_other_key_it_is_remembered_and_costs_no_good_token(
    make_cache, key_set
):
    cache = make_cache()
    sequence = cache.begin(NOW)
    cache.fetched(sequence, LoadedKeys(key_set("a"), None), NOW)
    tried = cache.snapshot.keys.keys

    assert Unknown() == cache.lookup("a", NOW, tried=tried, waited_for=sequence)
    assert Unknown() == cache.lookup("a", NOW + 9, tried=tried)
    assert kids(cache.lookup("a", NOW + 9)) == ["a"], "another token's, signed with this key"


def test_the_life_of_a_set_counts_from_the_question_however_slow_the_answer(make_cache, key_set):
    """RFC 9111 section 4.2.3: a key withdrawn while it was on its way lives no longer for that."""
    cache = make_cache()
    cache.fetched(cache.begin(NOW), LoadedKeys(key_set("a"), None), NOW + 4)

    assert cache.snapshot.fresh_until == NOW + TTL
    assert kids(cache.lookup("a", NOW + TTL - 1)) == ["a"]
    assert Fetch() == cache.lookup("a", NOW + TTL)


def test_a_missing_key_is_remembered_for_ten_seconds_from_the_question(warm, key_set):
    """The answer took four: a key published meanwhile is taken ten seconds later, not fourteen."""
    cache = warm()
    sequence = cache.begin(NOW)
    cache.fetched(sequence, LoadedKeys(key_set("a"), None), NOW + 4)
    assert Unknown() == cache.lookup("b", NOW + 4, waited_for=sequence)

    assert Unknown() == cache.lookup("b", NOW + 9.9)
    assert Fetch() == cache.lookup("b", NOW + 10)


def test_the_issuers_wish_for_rest_is_granted(warm):
    """RFC 9110 section 10.2.3."""
    cache = warm()
    cache.failed(cache.begin(NOW), "503", NOW, 120.0)

    assert Unreachable(pytest.approx(120.0), "503") == cache.lookup("b", NOW)
    assert isinstance(cache.lookup("b", NOW + 119.9), Unreachable)
    assert Fetch() == cache.lookup("b", NOW + 120)


def test_the_keys_of_a_neighbour_count_from_its_own_fetch(make_cache, key_set):
    cache = make_cache()
    cache.fetched(cache.begin(NOW), shared(key_set, "a", age_s=100), NOW)

    assert cache.snapshot.fresh_until == NOW - 100 + TTL
    assert cache.snapshot.stale_until == NOW - 100 + TTL + 3600
    assert any(isinstance(e, FetchEnded) and e.is_shared for e in told(cache))


def test_the_keys_of_a_neighbour_cost_no_attempt(make_cache, key_set):
    """Nobody was asked: the budget is for the issuer's sake."""
    cache = make_cache()
    for _ in range(10):
        cache.fetched(cache.begin(NOW), shared(key_set, "a", age_s=1), NOW)

    begun = 0
    while cache.budget.allows(NOW):
        cache.failed(cache.begin(NOW), "down", NOW)
        cache.budget.blocked_until = 0.0
        begun += 1
    assert begun == 2


def test_a_key_that_a_neighbours_set_lacks_is_asked_for_once_more_and_then_unknown(warm, key_set):
    """The set may be from before the key was published."""
    cache = warm()
    first = cache.begin(NOW + 60)
    cache.fetched(first, shared(key_set, "a", age_s=50), NOW + 60)

    assert Fetch(anew=True) == cache.lookup("b", NOW + 60, waited_for=first)
    second = cache.begin(NOW + 60)
    assert Wait() == cache.lookup("b", NOW + 60, waited_for=first), "another one asks already"
    cache.fetched(second, LoadedKeys(key_set("a"), None), NOW + 60)

    assert Unknown() == cache.lookup("b", NOW + 60, waited_for=second)


def test_a_key_that_a_neighbours_set_lacks_is_not_unknown_when_the_issuer_has_gone(warm, key_set):
    """Another request asked anew, and in vain, before this one went on."""
    cache = warm()
    first = cache.begin(NOW + 60)
    cache.fetched(first, shared(key_set, "a", age_s=50), NOW + 60)
    cache.failed(cache.begin(NOW + 60), "down", NOW + 60)

    assert isinstance(cache.lookup("b", NOW + 60, waited_for=first), Unreachable)


def test_a_neighbours_set_from_before_ours_is_no_answer(warm, key_set):
    cache = warm()
    present = cache.snapshot
    sequence = cache.begin(NOW + 60)

    cache.fetched(sequence, shared(key_set, "b", age_s=60.5), NOW + 60)

    assert cache.snapshot is present
    assert cache.error == "another process gave keys older than ours"
    assert isinstance(cache.lookup("b", NOW + 60), Unreachable), "back-off"
    cache.fetched(cache.begin(NOW + 62), shared(key_set, "b", age_s=62), NOW + 62)
    assert kids(cache.lookup("b", NOW + 62)) == ["b"], "as old as ours is new enough"


@pytest.mark.parametrize(
    ("age_s", "state", "passed"),
    [
        (0, "fresh", 1),
        (239.9, "fresh", 1),
        (240, "refresh_due", 2),
        (300, "stale_ok", 3),
        (3900, "expired", 4),
    ],
)
def test_keys_from_before_the_start_are_as_old_as_they_are(
    make_cache, key_set, age_s, state, passed
):
    cache = make_cache()

    cache.restore(shared(key_set, "a", age_s=age_s), NOW)

    assert state == cache.state(NOW).value
    states = ["cold", "fresh", "refresh_due", "stale_ok", "expired"]
    assert changes(cache) == list(itertools.pairwise(states))[:passed]


def test_keys_from_before_the_start_serve_while_the_issuer_is_down(make_cache, key_set):
    cache = make_cache()
    cache.restore(shared(key_set, "a", age_s=1000), NOW)
    assert Fetch() == cache.lookup("a", NOW), "past their life a request waits once"
    sequence = cache.begin(NOW)
    cache.failed(sequence, "down", NOW)

    assert kids(cache.lookup("a", NOW, waited_for=sequence)) == ["a"]
    assert kids(cache.lookup("a", NOW)) == ["a"]
    assert State.STALE_OK is cache.state(NOW + 2899)
    assert State.EXPIRED is cache.state(NOW + 2900), "however late the process began"


def test_an_unknown_key_is_asked_for_although_keys_were_there_at_the_start(make_cache, key_set):
    cache = make_cache()
    cache.restore(shared(key_set, "a", age_s=0), NOW)

    assert Fetch() == cache.lookup("b", NOW)


def test_a_child_may_ask_where_the_parent_was_asking(warm, key_set):
    """What the parent's last attempt brings never comes to the child: 401 would be a guess."""
    cache = warm()
    cache.fetched(cache.begin(NOW), LoadedKeys(key_set("a"), None), NOW)
    cache.begin(NOW + 10)

    cache.forget_flight()

    assert Fetch() == cache.lookup("b", NOW + 11)
    assert told(cache) == [], "the parent has told it"

"""The key cache under observation: a driver in simulated time, what it saw, and the promises.

A :class:`Trial` drives one cache as the key source does, notes what any onlooker could note (who
asked what, which fetch began and how it ended), and after each event holds what the cache did
against every promise. The promises are written from the contract and from these notes; of the
cache's own books they read the present snapshot alone.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bearerguard.core.key_set import Key, KeySet
from bearerguard.events import KeyStateChanged
from bearerguard.jwks.cache import KeyCache
from bearerguard.jwks.missing import MissingIds
from bearerguard.jwks.states import (
    TRANSITIONS,
    Decision,
    Fetch,
    LoadedKeys,
    Snapshot,
    State,
    Unknown,
    Unreachable,
    Use,
    Wait,
)

# The numbers of the contract, said once more: those of the package are what is on trial.
BURST, INTERVAL_S = 2, 10.0
SHORTEST_REST_S, LONGEST_REST_S, LONGEST_WISH_S = 1.0, 60.0, 300.0
MOST_THREADS = 2
MISSING_FOR_S = 10.0
DUE_SHARE, JITTER_SHARE = 0.8, 0.1
# How long the word of a failure counts: the longest rest, an attempt coming free, a fetch.
OUTAGE_S = 75.0
NEARLY_S = 1e-6

TTL_S, STALE_FOR_S, DEADLINE_S = 300.0, 600.0, 5.0
START = 10_000.0
STEPS = frozenset((before, after) for (before, _), after in TRANSITIONS.items())


class PromiseBrokenError(AssertionError):
    """A promise was broken; ``promise`` is its name."""

    def __init__(self, promise: str, found: object) -> None:
        super().__init__(f"{promise}: {found}")
        self.promise = promise


@dataclass(frozen=True)
class Attempt:
    """A fetch: when it began, whether a neighbour's keys would not do, and how and when it ended."""

    number: int
    began_at: float
    anew: bool = False
    outcome: str = "under way"  # then "good", "shared", "failed", "hanging"
    ended_at: float = 0.0


@dataclass(frozen=True)
class Request:
    """A request for a key: what for, since when, and which fetch it waited for last."""

    kid: str | None
    asked_at: float
    tried: tuple[Key, ...] = ()
    waited_for: int = 0


@dataclass(frozen=True)
class Taken:
    """The set that the cache should have: its keys, when they were true, and who brought them."""

    keys: tuple[Key, ...]
    asked_at: float
    number: int
    is_shared: bool

    def fitting(self, request: Request) -> tuple[Key, ...]:
        named = [key for key in self.keys if request.kid in (None, key.kid)]
        return tuple(key for key in named if key not in request.tried)


@dataclass(frozen=True)
class Step:
    """What just happened: the snapshot and the state before, and what was said to whom."""

    before: Snapshot | None
    request: Request | None = None
    decision: Decision | None = None
    begun: Attempt | None = None
    taken: bool = False


def key(kid: str, material: str = "") -> Key:
    return Key(kid, frozenset({"RS256"}), material or kid, None)


def cache_for(*, jitter: Callable[[], float] = lambda: 0.0, **changes: float | None) -> KeyCache:
    settings = {"ttl_s": TTL_S, "stale_for_s": STALE_FOR_S, "deadline_s": DEADLINE_S} | changes
    return KeyCache(jitter=jitter, **settings)


@dataclass
class Trial:
    """One cache, its driver and the notes. ``share``: up to which share jitter shortens a life."""

    cache: KeyCache
    now: float = START
    share: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    taken: Taken | None = None
    lacked: frozenset[str | None] = frozenset()  # what the newest set was found to lack
    waiting: tuple[Request, ...] = ()
    failed_at: float | None = None  # of the last fetch, where it failed
    rest_until: float = 0.0
    rested_at: float = 0.0  # when the longest back-off is over
    told: State = State.COLD  # by the last event
    seen: set[tuple[State, State]] = field(default_factory=set)  # shared by all copies

    # What can happen

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self._give_up()

    def ask(self, kid: str | None, tried: tuple[Key, ...] = ()) -> Decision:
        return self._look_up(Request(kid, self.now, tried))

    def wake(self, place: int) -> Decision:
        """Let a request go on that waited; its fetch has ended, or it was held up longer."""
        request = self.waiting[place]
        self.waiting = self.waiting[:place] + self.waiting[place + 1 :]
        return self._look_up(request)

    def answer(self, number: int, keys: Sequence[Key] = (), *, age_s: float | None = None) -> None:
        """Let a fetch bring keys; with ``age_s`` those of a neighbour."""
        is_shared = age_s is not None
        attempt = self.attempt(number)
        asked_at = attempt.began_at if age_s is None else self.now - age_s
        is_older = is_shared and self.taken is not None and asked_at < self.taken.asked_at
        counts = attempt.outcome == "under way"
        taken = counts and bool(keys) and not is_older
        before = self.cache.snapshot
        loaded = LoadedKeys(KeySet(tuple(keys)), None, age_s=age_s or 0.0, is_shared=is_shared)
        self.cache.fetched(number, loaded, self.now)
        if taken:
            self._end(attempt, "shared" if is_shared else "good")
            self._take(Taken(tuple(keys), asked_at, number, is_shared))
            self.failed_at, self.rest_until, self.rested_at = None, 0.0, 0.0
        elif counts:
            self._fail(attempt, "failed", self.now)
        else:
            self._end(attempt, "failed")
        self._check(Step(before, taken=taken))

    def fail(self, number: int, *, wish_s: float | None = None) -> None:
        attempt = self.attempt(number)
        before = self.cache.snapshot
        self.cache.failed(number, "down", self.now, wish_s)
        if attempt.outcome == "under way":
            self._fail(attempt, "failed", self.now, wish_s or 0.0)
        else:
            self._end(attempt, "failed")
        self._check(Step(before))

    def restore(self, keys: Sequence[Key], age_s: float) -> None:
        """Begin with keys that a file had."""
        loaded = LoadedKeys(KeySet(tuple(keys)), None, age_s=age_s, is_shared=True)
        self.cache.restore(loaded, self.now)
        self._take(Taken(tuple(keys), self.now - age_s, 0, is_shared=True))
        self._check(Step(None, taken=True))

    def fork(self) -> None:
        """Go on as the child of this process: threads and waiting requests stay behind."""
        before = self.cache.snapshot
        self.cache.forget_flight()
        self.waiting = ()
        self.attempts = tuple(
            replace(attempt, outcome="failed") if attempt.outcome == "hanging" else attempt
            for attempt in self.attempts
            if attempt.outcome != "under way"
        )
        self._check(Step(before))

    # What an onlooker knows

    def attempt(self, number: int) -> Attempt:
        return next(attempt for attempt in self.attempts if attempt.number == number)

    def running(self, outcome: str) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.outcome == outcome]

    @property
    def under_way(self) -> Attempt | None:
        return next(iter(self.running("under way")), None)

    @property
    def age_s(self) -> float:
        return self.now - self.taken.asked_at

    @property
    def shortest_ttl_s(self) -> float:
        return self.cache.ttl_s * (1 - self.share)

    @property
    def longest_life_s(self) -> float:
        return self.cache.ttl_s + self.cache.stale_for_s

    @property
    def shortest_life_s(self) -> float:
        return self.shortest_ttl_s + self.cache.stale_for_s

    def spare(self) -> float:
        """How many fetches could begin now without breaking the budget, successes and failures.

        A fetch that found a neighbour's keys asked nobody, and does not count.
        """
        begins = [attempt.began_at for attempt in self.attempts if attempt.outcome != "shared"]
        windows = [
            BURST + (self.now - began_at) / INTERVAL_S - (len(begins) - place)
            for place, began_at in enumerate(begins)
        ]
        return min([BURST, *windows])

    def is_renewal(self) -> bool:
        """Whether a fetch that begins now is no more than the time to live asks for."""
        went_well = self.taken is not None and self.failed_at is None
        return went_well and self.age_s >= DUE_SHARE * self.shortest_ttl_s - NEARLY_S

    def may_surely_fetch(self) -> bool:
        """Whether nothing in the contract stands against a fetch that begins now."""
        threads = len(self.running("hanging"))
        rested = self.rested_at <= self.now
        return rested and threads < MOST_THREADS and self.spare() >= 1 + NEARLY_S

    def was_lacking(self, request: Request) -> bool:
        """Whether the newest set is new and was found to lack this key, for another request."""
        return (request.kid or "") in self.lacked and self.age_s < MISSING_FOR_S

    # How it is noted

    def _look_up(self, request: Request) -> Decision:
        before = self.cache.snapshot
        decision = self.cache.lookup(
            request.kid, self.now, tried=request.tried, waited_for=request.waited_for
        )
        step = Step(before, request, decision)
        starts = isinstance(decision, Fetch) or (isinstance(decision, Use) and decision.refresh)
        if starts:
            anew = isinstance(decision, Fetch) and decision.anew
            begun = Attempt(self.cache.begin(self.now), self.now, anew)
            step = replace(step, begun=begun)
        self._check(step)
        if starts:
            self.attempts = (*self._that_matter(), begun)
        if isinstance(decision, Fetch | Wait):
            self.waiting = (*self.waiting, replace(request, waited_for=self.cache.begun))
        if isinstance(decision, Unknown) and request.waited_for:
            self.lacked |= {request.kid or ""}
        return decision

    def _that_matter(self) -> tuple[Attempt, ...]:
        ended = {"good", "shared", "failed"}
        return tuple(
            attempt
            for attempt in self.attempts
            if attempt.outcome not in ended or self.now < attempt.began_at + 200
        )

    def _give_up(self) -> None:
        attempt = self.under_way
        if attempt is not None and self.now >= attempt.began_at + DEADLINE_S:
            self._fail(attempt, "hanging", attempt.began_at + DEADLINE_S)

    def _fail(self, attempt: Attempt, outcome: str, at: float, wish_s: float = 0.0) -> None:
        self._end(attempt, outcome, at)
        wish_s = min(wish_s, LONGEST_WISH_S)
        self.failed_at = at
        self.rest_until = at + max(SHORTEST_REST_S, wish_s)
        self.rested_at = at + max(LONGEST_REST_S, wish_s)

    def _end(self, attempt: Attempt, outcome: str, at: float | None = None) -> None:
        ended = replace(attempt, outcome=outcome, ended_at=self.now if at is None else at)
        self.attempts = tuple(ended if a is attempt else a for a in self.attempts)

    def _take(self, taken: Taken) -> None:
        self.taken = taken
        self.lacked = frozenset()

    def _check(self, step: Step) -> None:
        for promise in PROMISES:
            found = promise(self, step)
            if found is not None:
                raise PromiseBrokenError(promise.__name__, found)
        self.cache.news.clear()

    def copy(self) -> "Trial":
        """A second world that goes its own way from here."""
        twin = copy.copy(self)
        cache = twin.cache = copy.copy(self.cache)
        cache.budget = copy.copy(cache.budget)
        cache.abandoned = set(cache.abandoned)
        cache.news = copy.copy(cache.news)
        cache._missing = copy.copy(cache._missing)
        cache._missing._digests = set(cache._missing._digests)
        return twin


# The promises. Each says what broke it, or None.


def one_fetch_at_a_time_and_two_threads_at_most(trial: Trial, step: Step) -> str | None:
    """Promise 1: one refresh at a time; of threads that do not end at most two are left alone."""
    if step.begun is not None and trial.under_way is not None:
        return "a second fetch began beside one that is under way"
    threads = len(trial.running("hanging")) + len(trial.running("under way"))
    if step.begun is not None and threads >= MOST_THREADS:
        return "a third thread began"
    return "a third thread is waited for" if len(trial.cache.abandoned) > MOST_THREADS else None


def the_budget_holds(trial: Trial, step: Step) -> str | None:
    """Promise 2: in any stretch of w seconds 2 + w/10 fetches begin at most, good and failed.

    A time to live that is shorter than the budget's interval asks for more, while all goes well.
    """
    is_short = trial.cache.ttl_s * DUE_SHARE < INTERVAL_S
    if step.begun is None or trial.spare() >= 1 - NEARLY_S or (is_short and trial.is_renewal()):
        return None
    return "a fetch began that the budget has no room for"


def nobody_asks_during_a_back_off(trial: Trial, step: Step) -> str | None:
    """Promise 2: after a failure a second of rest at least, or as long as the issuer asked for."""
    if step.begun is None or trial.now >= trial.rest_until - NEARLY_S:
        return None
    return f"a fetch began {trial.rest_until - trial.now} s too early"


def a_good_key_is_used_at_once(trial: Trial, step: Step) -> str | None:
    """Promise 3: no token evicts, ages or delays a key within its time to live."""
    if step.request is None or trial.taken is None or trial.age_s >= trial.shortest_ttl_s:
        return None
    fitting = trial.taken.fitting(step.request)
    is_used = isinstance(step.decision, Use) and step.decision.keys == fitting
    return None if is_used or not fitting else f"{step.decision} instead of a good key"


def the_short_way_leads_to_the_same_keys(trial: Trial, step: Step) -> str | None:
    """Promise 3: what is answered without any lock are the keys of the set, until one is due."""
    if step.request is None or step.request.tried:
        return None
    short = trial.cache.fresh(step.request.kid, trial.now)
    if trial.taken is None or trial.age_s >= DUE_SHARE * trial.cache.ttl_s:
        return f"{short} without a look at the time" if short else None
    is_same = short == trial.taken.fitting(step.request)
    is_closed = not short and trial.age_s >= DUE_SHARE * trial.shortest_ttl_s
    return None if is_same or is_closed else f"{short} by the short way"


def an_old_key_is_delayed_once_at_most(trial: Trial, step: Step) -> str | None:
    """Promise 4: past the time to live a request waits for one refresh; then stale keys serve."""
    if step.request is None or trial.taken is None or trial.age_s >= trial.shortest_life_s:
        return None
    fitting = trial.taken.fitting(step.request)
    may_wait = not step.request.waited_for
    is_in_order = isinstance(step.decision, Use | Fetch | Wait if may_wait else Use)
    return None if is_in_order or not fitting else f"{step.decision} instead of a stale key"


def only_keys_of_the_newest_set_serve_and_in_their_time(trial: Trial, step: Step) -> str | None:
    """Promise 5: after the time to live and STALE_FOR nothing serves; before it the newest set."""
    if not isinstance(step.decision, Use):
        return None
    if trial.taken is None or step.decision.keys != trial.taken.fitting(step.request):
        return f"{step.decision.keys} serve, which are not of the newest set"
    return "keys serve past all their time" if trial.age_s >= trial.longest_life_s else None


def only_an_outage_excuses_from_the_refresh(trial: Trial, step: Step) -> str | None:
    """Promises 4 and 5: past the time to live a key serves without waiting in an outage alone.

    That is: a fetch failed since the end of its life, not long ago; or none may begin now.
    """
    if not isinstance(step.decision, Use) or step.request.waited_for or trial.taken is None:
        return None
    if trial.age_s < trial.cache.ttl_s:
        return None
    end = trial.taken.asked_at + trial.shortest_ttl_s
    failed_at = trial.failed_at
    is_down = failed_at is not None and failed_at >= end and trial.now < failed_at + OUTAGE_S
    may_wait = trial.under_way is not None or trial.may_surely_fetch()
    return (
        "a stale key serves although a refresh was possible" if may_wait and not is_down else None
    )


def lookups_change_nothing(trial: Trial, step: Step) -> str | None:
    """Promise 3: nothing that a token says changes the key set or its times."""
    is_same = step.request is None or trial.cache.snapshot is step.before
    return None if is_same else "a request replaced the snapshot"


def unknown_is_what_a_new_enough_set_says(trial: Trial, step: Step) -> str | None:
    """Promise 3: 401 for a set asked for this request, or ten seconds ago at most.

    So a key that was published ten seconds before a request is never unknown to it.
    """
    if not isinstance(step.decision, Unknown):
        return None
    if trial.taken is None or trial.age_s >= trial.longest_life_s:
        return "unknown without any set that could say so"
    if trial.taken.fitting(step.request):
        return "unknown although a key fits"
    is_new = trial.taken.asked_at >= step.request.asked_at - MISSING_FOR_S - NEARLY_S
    return None if is_new else f"unknown on the word of a set {trial.age_s} s old"


def unknown_is_said_for_one_of_three_reasons(trial: Trial, step: Step) -> str | None:
    """Promise 3: a set fetched since says so; or did to others; or no fetch may begin now.

    The last only where the last refresh was good: else nobody can know, which is 503.
    """
    if not isinstance(step.decision, Unknown) or trial.taken is None:
        return None
    request, taken = step.request, trial.taken
    if request.waited_for and taken.number >= request.waited_for and not taken.is_shared:
        return None
    if trial.was_lacking(request):
        return None
    if trial.failed_at is not None:
        return "unknown although the last refresh failed"
    can_ask = trial.under_way is not None or trial.may_surely_fetch()
    return "unknown although a refresh was possible" if can_ask else None


def an_unknown_key_waits_for_a_refresh(trial: Trial, step: Step) -> str | None:
    """Promise 3: while the budget allows, a key that is not there is a reason to fetch.

    So it is where there are no keys, or none in their time.
    """
    request, taken = step.request, trial.taken
    if request is None or request.waited_for or isinstance(step.decision, Fetch | Wait):
        return None
    is_usable = taken is not None and trial.age_s < trial.longest_life_s
    if is_usable and (taken.fitting(request) or trial.was_lacking(request)):
        return None
    can_ask = trial.under_way is not None or trial.may_surely_fetch()
    return f"{step.decision} although a refresh was possible" if can_ask else None


def a_request_waits_once(trial: Trial, step: Step) -> str | None:
    """Promise 7: nobody waits longer than one fetch may take.

    Only who was answered by a neighbour's set, which may be older than the request, asks anew.
    """
    if not isinstance(step.decision, Fetch | Wait) or not step.request.waited_for:
        return None
    taken = trial.taken
    is_neighbours = (
        taken is not None and taken.is_shared and taken.number >= step.request.waited_for
    )
    if not is_neighbours:
        return "a request that had waited was to wait again"
    is_anew = isinstance(step.decision, Wait) or step.decision.anew
    return None if is_anew else "a neighbour would be asked a second time"


def unreachable_is_said_with_cause(trial: Trial, step: Step) -> str | None:
    """Promise 3: 503 where a fetch failed or may not begin; and not for longer than can be."""
    if not isinstance(step.decision, Unreachable):
        return None
    if not 0 <= step.decision.retry_after_s <= LONGEST_WISH_S:
        return f"come back in {step.decision.retry_after_s} s"
    is_usable = trial.taken is not None and trial.age_s < trial.shortest_life_s
    if not is_usable or trial.failed_at is not None:
        return None
    is_answered = trial.taken.number >= step.request.waited_for
    return "unreachable after a good refresh" if is_answered else None


def only_a_newest_good_answer_replaces_the_set(trial: Trial, step: Step) -> str | None:
    """Promise 6: no older answer, no empty set and no failure replaces anything."""
    after = trial.cache.snapshot
    if not step.taken:
        return None if after is step.before else "the set was replaced"
    if after is None or after is step.before or after.keys.keys != trial.taken.keys:
        return "a good answer was not taken over"
    return None


def a_set_lives_as_long_as_promised(trial: Trial, step: Step) -> str | None:
    """Promise 4: its life counts from the question, and jitter only shortens it, a tenth at most."""
    if not step.taken:
        return None
    after, asked_at, ttl_s = trial.cache.snapshot, trial.taken.asked_at, trial.cache.ttl_s
    lives_s = after.fresh_until - asked_at
    is_kept = abs(after.fetched_at - asked_at) < NEARLY_S
    is_kept &= trial.shortest_ttl_s - NEARLY_S <= lives_s <= ttl_s + NEARLY_S
    is_kept &= abs(after.stale_until - after.fresh_until - trial.cache.stale_for_s) < NEARLY_S
    return None if is_kept else f"{after} was asked for at {asked_at}"


def the_generation_changes_with_the_keys(trial: Trial, step: Step) -> str | None:
    """Promise 5: derived caches forget when the usable keys change, and only then."""
    after, before = trial.cache.snapshot, step.before
    if after is before or before is None:
        return None
    is_other = set(after.keys.keys) != set(before.keys.keys)
    counts = after.generation != before.generation
    return None if is_other == counts else f"from {before.generation} to {after.generation}"


def a_due_refresh_begins_behind_the_request(trial: Trial, step: Step) -> str | None:
    """Promise 4: from four fifths of the time to live on, and not before."""
    if not isinstance(step.decision, Use) or trial.taken is None:
        return None
    if step.decision.refresh:
        is_due = trial.age_s >= DUE_SHARE * trial.shortest_ttl_s - NEARLY_S
        return None if is_due else f"a refresh {trial.age_s} s after the last"
    is_due = trial.age_s >= DUE_SHARE * trial.cache.ttl_s
    can_begin = trial.under_way is None and trial.may_surely_fetch()
    return "a refresh is due and did not begin" if is_due and can_begin else None


def states_follow_the_table(trial: Trial, step: Step) -> str | None:
    """The table of transitions, each told in its order, and the state that the age says."""
    at, now_at = trial.told, trial.cache.state(trial.now)
    for event in trial.cache.news:
        if isinstance(event, KeyStateChanged):
            before, after = State(event.before), State(event.after)
            if before is not at or (before, after) not in STEPS:
                return f"from {at} to {event}"
            trial.seen.add((before, after))
            trial.told = at = after
    if at is not now_at:
        return f"{now_at} was not told; the last was {at}"
    expected = _state_by_age(trial)
    return None if trial.share or at is expected else f"{at} instead of {expected}"


def _state_by_age(trial: Trial) -> State:
    if trial.taken is None:
        return State.COLD
    at = trial.taken.asked_at + trial.cache.ttl_s
    ends = {
        State.FRESH: trial.taken.asked_at + DUE_SHARE * trial.cache.ttl_s,
        State.REFRESH_DUE: at,
        State.STALE_OK: at + trial.cache.stale_for_s,
    }
    return next((state for state, end in ends.items() if trial.now < end), State.EXPIRED)


def what_is_remembered_is_bounded(trial: Trial, _step: Step) -> str | None:
    """Promise 3: a thousand key ids, of 32 bytes each."""
    missing: MissingIds = trial.cache._missing
    return None if len(missing) <= 1000 else f"{len(missing)} key ids"


PROMISES: tuple[Callable[[Trial, Step], str | None], ...] = (
    one_fetch_at_a_time_and_two_threads_at_most,
    the_budget_holds,
    nobody_asks_during_a_back_off,
    lookups_change_nothing,
    only_a_newest_good_answer_replaces_the_set,
    a_set_lives_as_long_as_promised,
    the_generation_changes_with_the_keys,
    only_keys_of_the_newest_set_serve_and_in_their_time,
    a_good_key_is_used_at_once,
    the_short_way_leads_to_the_same_keys,
    an_old_key_is_delayed_once_at_most,
    only_an_outage_excuses_from_the_refresh,
    unknown_is_what_a_new_enough_set_says,
    unknown_is_said_for_one_of_three_reasons,
    an_unknown_key_waits_for_a_refresh,
    a_request_waits_once,
    unreachable_is_said_with_cause,
    a_due_refresh_begins_behind_the_request,
    states_follow_the_table,
    what_is_remembered_is_bounded,
)

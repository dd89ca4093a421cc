"""Whatever key ids arrive at whatever times, the promises hold."""

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bearerguard.core.jwk import Key, KeySet
from bearerguard.jwks.cache import KeyCache
from bearerguard.jwks.keys import LoadedKeys
from bearerguard.jwks.states import Fetch, Unknown, Unreachable, Use, Wait

TTL = 300.0
STALE_FOR = 600.0
DEADLINE = 5.0
KIDS = st.sampled_from(["a", "b", "c", "d"])


class WhateverArrives(RuleBasedStateMachine):
    """An issuer that rotates, fails, hangs and comes back late, and requests at any time."""

    def __init__(self):
        super().__init__()
        self.now = 1_000.0
        self.published = ("a",)
        self.running = {}  # sequence -> when it began; threads that have not come back
        self.begun = []
        self.failures = []
        self.taken = None  # (sequence, kids, when) of the last set taken over
        self.generations = []
        self.cache = KeyCache(
            ttl_s=TTL, stale_for_s=STALE_FOR, deadline_s=DEADLINE, jitter=lambda: 0.0
        )

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 5.0, 10.0, 61.0, 240.0, 300.0, 900.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(kids=st.sets(KIDS, min_size=1))
    def the_issuer_rotates(self, kids):
        self.published = tuple(sorted(kids))

    @rule(kid=KIDS | st.text(max_size=3))
    def a_token_arrives(self, kid):
        decision = self.cache.lookup(kid, self.now)
        if isinstance(decision, Fetch) or (isinstance(decision, Use) and decision.refresh):
            self.begin()
        self.check(kid, decision)

    @rule(kid=KIDS | st.text(max_size=3), which=st.integers(0, 3))
    def a_request_has_waited(self, kid, which):
        if self.begun:
            waited_for = max(1, len(self.begun) - which)
            decision = self.cache.lookup(kid, self.now, waited_for=waited_for)
            assert not isinstance(decision, Fetch | Wait), "a request waits once"
            if isinstance(decision, Use) and decision.refresh:
                self.begin()
            self.check(kid, decision)

    @rule(which=st.integers(0, 3), good=st.booleans())
    def a_thread_comes_back(self, which, good):
        if not self.running:
            return
        sequence = sorted(self.running)[which % len(self.running)]
        in_time = self.now < self.running.pop(sequence) + DEADLINE
        newest = sequence == len(self.begun)
        before = self.cache.snapshot
        if good:
            keys = KeySet(tuple(Key(kid, frozenset(), kid, None) for kid in self.published))
            self.cache.fetched(sequence, LoadedKeys(keys, None), self.now)
        else:
            self.cache.failed(sequence, "down", self.now)
        if good and in_time and newest:
            self.taken = (sequence, self.published, self.now)
            unchanged = before is not None and before.keys == self.cache.snapshot.keys
            number = self.cache.snapshot.generation
            assert number == (before.generation if before else 0) + (0 if unchanged else 1)
        else:
            assert self.cache.snapshot is before, "only a newest answer in time counts"
        if in_time and newest and not good:
            self.failures.append(self.now)

    def begin(self):
        assert self.cache.flight is None, "one fetch at a time"
        self.begun.append(self.now)
        self.running[self.cache.begin(self.now)] = self.now

    def check(self, kid, decision):
        usable = self.taken is not None and self.now < self.taken[2] + TTL + STALE_FOR
        known = usable and kid in self.taken[1]
        fresh = usable and self.now < self.taken[2] + TTL
        if isinstance(decision, Use):
            assert known, "no key outlives its set's time, and only the newest set serves"
            assert [kid] == [key.kid for key in decision.keys]
        if known and fresh:
            assert isinstance(decision, Use), "nothing delays a key within its time"
        if isinstance(decision, Unknown):
            assert usable
            assert not known, "a good token is never refused"
        if isinstance(decision, Unreachable):
            assert not known, "a key that may serve does"
            assert decision.retry_after_s >= 0

    @invariant()
    def the_budget_holds(self):
        for first, start in enumerate(self.begun):
            for last, end in enumerate(self.begun[first:], first):
                assert last - first + 1 <= 2 + (end - start) / 10 + 1e-6

    @invariant()
    def after_a_failure_nobody_asks_for_a_second(self):
        for failed in self.failures:
            assert not [at for at in self.begun if failed < at < failed + 1.0]

    @invariant()
    def no_more_than_two_threads_are_there_at_any_time(self):
        assert len(self.running) <= 2
        assert len(self.cache.abandoned) <= 2

    @invariant()
    def sets_only_get_newer(self):
        self.generations.append(self.cache.snapshot.sequence if self.cache.snapshot else 0)
        assert all(before <= after for before, after in pairwise(self.generations[-2:]))


WhateverArrives.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWhateverArrives = WhateverArrives.TestCase

"""Whatever arrives at whatever times: an issuer, its keys, a neighbour and a cache, put to chance.

The machine of :mod:`machine` holds what the cache does against every promise, by what can be seen
from outside. Here the truth is known as well: which keys the issuer published when.
"""

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bearerguard.core.key_set import Key
from bearerguard.jwks.states import Unknown, Use, Wait

pytestmark = pytest.mark.untraced

KEYS = [Key(kid, frozenset(), f"{kid} {n}", None) for kid, n in ["a1", "a2", "b1", "c1", "d1"]]
KIDS = st.sampled_from(["a", "b", "c", "d", "a", "b", "made up"])
TURNS = st.integers(0, 3)
PAUSES = st.sampled_from([0.25, 1.0, 4.0, 5.0, 10.0, 10.0, 61.0, 240.0, 300.0, 900.0])
STALE_FOR_S = 600.0


def simulated_system(machine, happened):
    """Make the class whose instances are worlds; ``happened`` counts what went on in all."""

    class System(RuleBasedStateMachine):
        """One issuer, one process under test, its neighbour, and the file that they share."""

        @initialize(
            ttl_s=st.sampled_from([1.0, 60.0, 300.0, 300.0]),
            jitter=st.sampled_from([0.0, 0.5, 1.0]),
        )
        def the_process_starts(self, ttl_s, jitter):
            self.means = {"ttl_s": ttl_s, "stale_for_s": STALE_FOR_S, "jitter": lambda: jitter}
            self.trial = machine.Trial(machine.cache_for(**self.means), share=0.1)
            self.published = (KEYS[0],)
            self.since = {KEYS[0]: self.trial.now - 1000}  # published since, without a break
            self.until = {}  # withdrawn since
            self.asked_for = {}  # sequence -> what was published when it began
            self.file = None  # (when it was true, keys)

        @rule(seconds=PAUSES)
        def time_passes(self, seconds):
            self.trial.tick(seconds)

        @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1))
        def the_issuer_rotates(self, keys):
            now = self.trial.now
            self.since |= dict.fromkeys(keys - set(self.published), now)
            self.until |= dict.fromkeys(set(self.published) - keys, now)
            self.published = tuple(sorted(keys, key=lambda key: key.thumbprint))

        @rule(kid=KIDS)
        def a_token_arrives(self, kid):
            self.judge(machine.Request(kid, self.trial.now), self.trial.ask(kid))

        @rule(count=TURNS)
        def a_token_without_kid_arrives(self, count):
            tried = self.trial.taken.keys[:count] if self.trial.taken else ()
            self.judge(machine.Request(None, self.trial.now, tried), self.trial.ask(None, tried))

        @precondition(lambda self: self.ready())
        @rule(which=TURNS)
        def a_request_goes_on(self, which):
            place = self.ready()[which % len(self.ready())]
            request = self.trial.waiting[place]
            self.judge(request, self.trial.wake(place))

        @precondition(lambda self: self.running())
        @rule(which=TURNS, is_slow=st.booleans(), all_wake=st.sampled_from([True, True, False]))
        def the_issuer_answers(self, which, is_slow, all_wake):
            number = self.pick(which)
            keys = self.asked_for[number] if is_slow else self.published
            attempt = self.trial.attempt(number)
            happened[f"answer {attempt.outcome}"] += 1
            if attempt.outcome == "under way":
                self.file = (attempt.began_at, keys)
            self.trial.answer(number, keys)
            if all_wake:
                while self.ready():
                    self.a_request_goes_on(0)

        @precondition(lambda self: self.running())
        @rule(which=TURNS, wish_s=st.sampled_from([None, None, 0, 30, 86400]))
        def the_issuer_is_down(self, which, wish_s):
            self.trial.fail(self.pick(which), wish_s=wish_s)

        @precondition(lambda self: self.running())
        @rule(which=TURNS)
        def the_issuer_answers_without_any_key(self, which):
            self.trial.answer(self.pick(which), ())

        @rule()
        def a_neighbour_fetches(self):
            self.file = (self.trial.now, self.published)

        @precondition(lambda self: self.file and self.may_be_shared())
        @rule()
        def the_neighbours_keys_are_taken(self):
            asked_at, keys = self.file
            happened["shared"] += 1
            self.trial.answer(self.trial.under_way.number, keys, age_s=self.trial.now - asked_at)

        @precondition(lambda self: self.trial.cache.flight is None)
        @rule()
        def the_process_forks(self):
            self.trial.fork()

        @precondition(lambda self: self.file)
        @rule(has_file=st.booleans())
        def the_process_starts_again(self, has_file):
            now = self.trial.now
            self.asked_for = {}
            self.trial = machine.Trial(machine.cache_for(**self.means), now=now, share=0.1)
            asked_at, keys = self.file
            if has_file and now - asked_at < self.means["ttl_s"] + STALE_FOR_S:
                happened["restored"] += 1
                self.trial.restore(keys, now - asked_at)

        def running(self):
            return [a.number for a in self.trial.attempts if a.outcome in {"under way", "hanging"}]

        def ready(self):
            """The places of those who wait for what has ended."""
            under_way = self.trial.under_way
            return [
                place
                for place, request in enumerate(self.trial.waiting)
                if under_way is None or request.waited_for != under_way.number
            ]

        def pick(self, which):
            return self.running()[which % len(self.running())]

        def may_be_shared(self):
            """A neighbour's keys are taken while they are new, and not where they would not do."""
            attempt, age_s = self.trial.under_way, self.trial.now - self.file[0]
            is_wanted = attempt is not None and not attempt.anew
            return is_wanted and age_s < 0.8 * self.means["ttl_s"]

        def judge(self, request, decision):
            """Hold a decision against what is true."""
            self.asked_for.setdefault(self.trial.cache.begun, self.published)
            happened[type(decision).__name__] += 1
            if isinstance(decision, Unknown):
                self.judge_unknown(request)
            if isinstance(decision, Use):
                for key in set(decision.keys) - set(self.published):
                    self.judge_withdrawn(request, self.until[key])

        def judge_unknown(self, request):
            """A key that was there ten seconds before a token is never unknown."""
            fitting = [key for key in self.published if request.kid in (None, key.kid)]
            for key in set(fitting) - set(request.tried):
                assert self.since[key] > request.asked_at - 10, f"{key} was there"

        def judge_withdrawn(self, request, gone_at):
            """A withdrawn key dies within its time: at once past the TTL, unless nobody can ask.

            Past the TTL when the token came: a request that waited may have been held up since.
            """
            happened["withdrawn"] += 1
            life_s = self.means["ttl_s"] + STALE_FOR_S
            assert self.trial.now - gone_at < life_s, "it lives on for ever"
            if request.asked_at - gone_at >= self.means["ttl_s"]:
                happened["withdrawn, in an outage"] += 1
                nobody_asks = self.trial.failed_at is not None or self.trial.spare() < 1
                assert nobody_asks, "it lives on although the issuer answers"

        def teardown(self):
            """It recovers by itself: a minute after the outage a token waits for one fetch."""
            if not hasattr(self, "trial"):
                return
            for number in self.running():
                self.trial.fail(number)
            self.trial.tick(400)
            kid = self.published[0].kid
            decision = self.trial.ask(kid)
            if self.trial.under_way is not None:
                self.trial.answer(self.trial.under_way.number, self.published)
            if not isinstance(decision, Use):
                assert not isinstance(decision, Wait)
                decision = self.trial.wake(len(self.trial.waiting) - 1)
            assert isinstance(decision, Use)

    return System


def test_whatever_arrives_the_promises_hold(machine):
    """The promises as functions (machine.py), and the truth about keys that come and go."""
    happened = Counter()

    run_state_machine_as_test(
        simulated_system(machine, happened),
        settings=settings(
            max_examples=300,
            stateful_step_count=60,
            deadline=None,
            derandomize=True,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

    # A run in which these never happened would prove little.
    rare = ["Unknown", "Unreachable", "shared", "restored", "withdrawn", "answer hanging"]
    assert {name: happened[name] for name in rare if happened[name] < 3} == {}

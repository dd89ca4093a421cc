"""A token that was verified before: what is believed, and what is looked at again each time."""

import math
from dataclasses import replace

import pytest

from bearerguard import RejectedError, UnavailableError
from bearerguard.core.claims import RULES_BEFORE_SIGNATURE
from bearerguard.core.flow import IssuerQuery, KeyQuery, authenticate
from bearerguard.core.jwk import parse_key
from bearerguard.core.profile import RFC9068
from bearerguard.core.trust import Trust
from bearerguard.testing import Issuer, SigningKey

A, TENANT = "https://a.example", "https://login.example/tenant-1/v2.0"
TEMPLATE = "https://login.example/{tenant}/v2.0"


@pytest.fixture
def trust(policy, issuer):
    return Trust.of([policy(issuer.url)])


@pytest.fixture
def verified(driver, issuer, trust, clock):
    """Verify a token for the first time, and give it with what came of it."""

    def verify(raw=None, by=None):
        driver.publish(issuer)
        raw = raw or issuer.token("read")
        return raw, driver.run(authenticate(raw, by or trust, clock()))

    return verify


@pytest.fixture
def forget_how(monkeypatch):
    """Let whoever checks a signature from now on fail."""
    return lambda: monkeypatch.setattr("bearerguard.core.flow.verify", None)


def test_it_is_given_back_after_one_question_for_its_key(
    driver, trust, clock, verified, forget_how
):
    raw, known = verified()
    forget_how()
    assert driver.run(authenticate(raw, trust, clock(), known)) is known
    assert [KeyQuery(known.token.issuer, "key-1", "RS256")] == driver.queries == [known.query]


def test_it_names_the_key_that_verified_it_and_the_policy(driver, trust, verified, issuer):
    """Of several keys that fit the one that made the signature."""
    issuer.keys = [SigningKey.generate("RS256", kid="other"), *issuer.keys]
    _, known = verified(issuer.token(header={"kid": None}))
    assert known.key == driver.keys[issuer.url][1]
    assert known.policy is trust.only


@pytest.mark.parametrize(
    "exchange",
    [
        lambda jwk: SigningKey.generate("RS256", kid="key-1").jwk,
        lambda jwk: {**jwk, "kid": "key-2"},
        lambda jwk: {**jwk, "alg": "PS256"},
    ],
    ids=["another key of the same id", "another id", "another algorithm"],
)
def test_it_ends_with_its_key(driver, issuer, trust, clock, verified, exchange):
    """Removed, replaced under the same id, or narrowed to another algorithm: as for a new token."""
    raw, known = verified()
    driver.keys[issuer.url] = [parse_key(exchange(dict(issuer.key.jwk)))]
    outcomes = [driver.outcome(authenticate(raw, trust, clock(), k)) for k in (known, None)]
    assert outcomes[0].reason == outcomes[1].reason
    assert outcomes[0].reason in ("key_unknown", "signature_invalid", "key_unsuitable")


def test_it_outlives_what_does_not_concern_its_key(
    driver, issuer, trust, clock, verified, forget_how
):
    """The same key read anew, others beside it, another order."""
    raw, known = verified()
    issuer.keys = [SigningKey.generate("ES256", kid="key-1"), *issuer.keys]
    driver.publish(issuer)
    forget_how()
    assert driver.run(authenticate(raw, trust, clock(), known)) is known


def test_a_key_that_may_do_more_than_before_verifies_it_anew(
    driver, issuer, trust, clock, verified
):
    """It is another key to us, and the token a new one."""
    raw, known = verified()
    wider = {name: value for name, value in issuer.key.jwk.items() if name != "alg"}
    driver.keys[issuer.url] = [parse_key(wider)]
    again = driver.run(authenticate(raw, trust, clock(), known))
    assert again.token == known.token
    assert again.key != known.key


@pytest.mark.parametrize(
    "answer", [UnavailableError("the issuer is down"), RejectedError("key_unknown")]
)
def test_what_is_said_of_its_key_is_said_of_it(
    driver, issuer, trust, clock, verified, answer, monkeypatch
):
    raw, known = verified()
    monkeypatch.setattr(driver, "_answer", lambda query: answer)
    assert driver.outcome(authenticate(raw, trust, clock(), known)) is answer
    assert driver.queries == [known.query]


@pytest.mark.parametrize(
    ("claims", "rules", "edge", "reason"),
    [
        ({"exp": 1_800_000_100}, {}, 1_800_000_130, "expired"),
        ({"exp": 1_800_000_100.5}, {"leeway_s": 0}, 1_800_000_100.5, "expired"),
        ({"iat": 1_800_000_000}, {"max_age_s": 60}, 1_800_000_090, "too_old"),
        ({}, {"max_age_s": 9000}, 1_800_000_330, "expired"),
    ],
)
def test_it_ends_at_the_very_instant_at_which_a_new_one_would(
    driver, issuer, policy, verified, forget_how, claims, rules, edge, reason
):
    """RFC 7519 section 4.1.4: exactly at exp, leeway added, a token is expired."""
    by = Trust.of([policy(issuer.url, **rules)])
    raw, known = verified(issuer.token(**claims), by)
    forget_how()
    just_before = math.nextafter(edge, 0)
    assert driver.run(authenticate(raw, by, just_before, known)) is known
    refusal = driver.outcome(authenticate(raw, by, edge, known))
    assert reason == refusal.reason


@pytest.mark.parametrize(
    ("claims", "edge", "reason"),
    [
        ({"iat": 1_800_000_000}, 1_799_999_970, "issued_in_the_future"),
        ({"iat": 1_799_999_000, "nbf": 1_800_000_000.5}, 1_799_999_970.5, "not_yet_valid"),
        ({"iat": 1_800_000_000.5, "nbf": 5}, 1_799_999_970.5, "issued_in_the_future"),
    ],
)
def test_it_is_not_valid_yet_when_the_clock_was_set_back(
    driver, issuer, trust, verified, forget_how, claims, edge, reason
):
    """RFC 7519 sections 4.1.5 and 4.1.6."""
    raw, known = verified(issuer.token(**claims))
    forget_how()
    assert driver.run(authenticate(raw, trust, edge, known)) is known
    refusal = driver.outcome(authenticate(raw, trust, math.nextafter(edge, 0), known))
    assert reason == refusal.reason


def test_a_token_that_says_little_of_time_needs_little(driver, issuer, policy, verified):
    """Without iat and nbf, where a profile lets iat be left out: from the beginning of time."""
    lax = replace(RFC9068, required_claims=frozenset({"exp"}))
    by = Trust.of([policy(issuer.url, profile=lax)])
    raw, known = verified(issuer.token(without=["iat"]), by)
    assert known.valid_from <= 0
    assert driver.run(authenticate(raw, by, 0, known)) is known


@pytest.mark.parametrize("now", [math.nan, -math.inf, math.inf])
def test_a_clock_that_tells_no_time_tells_none_of_a_known_token(
    driver, issuer, trust, verified, now
):
    raw, known = verified()
    outcomes = [driver.outcome(authenticate(raw, trust, now, k)) for k in (known, None)]
    assert getattr(outcomes[0], "reason", None) == getattr(outcomes[1], "reason", None)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"audiences": ("https://other-api.example",)}, "audience_mismatch"),
        ({"algorithms": frozenset({"ES256"})}, "algorithm_not_allowed"),
        ({"required_scopes": ("write",)}, "scope_insufficient"),
        ({"max_age_s": 1, "leeway_s": 0}, None),
        ({}, None),
    ],
)
def test_it_is_judged_anew_by_another_policy_of_its_issuer(
    driver, issuer, policy, clock, verified, rules, reason
):
    """Even by an equal one: whose tokens these are was asked anew."""
    raw, known = verified()
    now_in_force = Trust.of([policy(issuer.url, **rules)])
    outcome = driver.outcome(authenticate(raw, now_in_force, clock(), known))
    assert reason == getattr(outcome, "reason", None)
    assert outcome is not known
    if reason is None:
        assert outcome.policy is now_in_force.only


@pytest.fixture
def tenant(clock, same_kid):
    return Issuer(TENANT, key=same_kid("ES256"), clock=clock)


@pytest.fixture
def open_trust(policy, driver, tenant):
    driver.publish(tenant)
    driver.policies = {TENANT: policy(TENANT)}
    return Trust.of([policy(A)], [TEMPLATE])


def test_with_several_issuers_the_policy_of_its_own_counts(driver, issuer, policy, clock):
    driver.publish(issuer)
    by = Trust.of([policy(A), policy(issuer.url)])
    raw = issuer.token()
    known = driver.run(authenticate(raw, by, clock()))
    assert driver.run(authenticate(raw, by, clock(), known)) is known
    assert driver.queries == [known.query]


def test_an_issuer_that_is_looked_up_is_looked_up_each_time(
    driver, open_trust, tenant, clock, forget_how
):
    raw = tenant.token()
    known = driver.run(authenticate(raw, open_trust, clock()))
    forget_how()
    assert driver.run(authenticate(raw, open_trust, clock(), known)) is known
    assert [IssuerQuery(TENANT), known.query] == driver.queries


@pytest.mark.parametrize(
    ("now_known_as", "reason"),
    [
        (lambda policy: None, "issuer_mismatch"),
        (lambda policy: policy(TENANT, audiences=("https://x.example",)), "audience_mismatch"),
        (lambda policy: policy(A), "issuer_mismatch"),
        (lambda policy: UnavailableError("the registry is down"), "issuer_unavailable"),
        (lambda policy: policy(TENANT), None),
    ],
    ids=["nobody", "with other rules", "another's rules", "nobody knows", "with the same rules"],
)
def test_what_was_known_of_an_issuer_that_is_looked_up_anew_is_void(
    driver, open_trust, policy, tenant, clock, now_known_as, reason
):
    raw = tenant.token()
    known = driver.run(authenticate(raw, open_trust, clock()))
    driver.policies[TENANT] = now_known_as(policy)
    outcome = driver.outcome(authenticate(raw, open_trust, clock(), known))
    assert reason == getattr(outcome, "reason", None)
    assert outcome is not known


def test_its_times_are_those_of_the_three_rules(issuer, verified, policy):
    """What is checked by name once more is what the rules about time are called."""
    names = [rule.__name__ for rule in RULES_BEFORE_SIGNATURE[:3]]
    assert names == ["check_expiry", "check_not_before", "check_issued_at"]
    raw = issuer.token(exp=1_800_000_300, nbf=1_799_999_990, iat=1_799_999_900)
    _, known = verified(raw, Trust.of([policy(issuer.url, leeway_s=5, max_age_s=200)]))
    assert (known.valid_from, known.valid_until) == (1_799_999_985, 1_800_000_105)


def test_it_holds_by_its_own_policy_and_key_alone(trust, policy, issuer, verified, clock):
    """Whoever asks, in whatever order: equal rules are not the same rules."""
    _, known = verified()
    ours, keys = trust.only, [known.key]
    assert known.holds(ours, keys, clock())
    assert not known.holds(policy(issuer.url), keys, clock())
    assert not known.holds(None, keys, clock())
    assert not known.holds(ours, [], clock())
    assert not known.holds(ours, None, clock())
    assert not known.holds(ours, [replace(known.key, thumbprint="another")], clock())
    assert not known.holds(ours, keys, known.valid_until)

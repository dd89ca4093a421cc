"""A token without a kid after a rotation: one more question, for keys that were not tried."""

from dataclasses import replace

import pytest

from bearerguard import RejectedError, UnavailableError
from bearerguard.core.explain import explain
from bearerguard.core.flow import KeyQuery, authenticate
from bearerguard.core.jwk import parse_key
from bearerguard.core.known_token import KnownToken
from bearerguard.core.trust import Trust
from bearerguard.testing import SigningKey


@pytest.fixture
def trust(policy, issuer):
    return Trust.of([policy(issuer.url)])


@pytest.fixture
def decide(driver, trust, clock):
    """Verify a token; the report must say the same, with the same questions."""

    def decided(raw):
        report = driver.run(explain(raw, trust, clock()))
        asked = [*driver.queries]
        outcome = driver.outcome(authenticate(raw, trust, clock()))
        assert asked == driver.queries
        assert report.accepted is isinstance(outcome, KnownToken)
        if not report.accepted:
            decisive = next(check for check in report.checks if not check.passed)
            verdict = False if isinstance(outcome, RejectedError) else None
            assert (decisive.passed, decisive.reason) == (verdict, outcome.reason)
        return outcome

    return decided


@pytest.fixture
def rotated(driver, issuer, keys):
    """The issuer signs with a new key; the driver has the old one until it asks once more."""

    def rotate(alg="ES256"):
        driver.publish(issuer)
        old, new = driver.keys[issuer.url], keys(alg)
        issuer.keys = [*issuer.keys, new]
        driver.newer[issuer.url] = [parse_key(dict(new.jwk))]
        return tuple(old)

    return rotate


def unnamed(issuer, **changes):
    return issuer.token(header={"kid": None}, **changes)


@pytest.mark.parametrize("alg", ["PS256", "ES256"])
def test_a_token_without_a_kid_is_verified_with_a_key_published_since(
    driver, issuer, decide, rotated, alg
):
    """PS256: the old RSA key was tried in vain; ES256: it could not be tried at all."""
    old = rotated(alg)
    assert decide(unnamed(issuer)).token.subject == "user-1"
    first, second = driver.queries
    assert KeyQuery(issuer.url, None, alg) == first
    assert KeyQuery(issuer.url, None, alg, tried=old) == second


def test_a_token_that_the_first_keys_verify_asks_once(driver, issuer, decide):
    driver.publish(issuer)
    assert decide(unnamed(issuer)).token.subject == "user-1"
    assert [KeyQuery(issuer.url, None, "RS256")] == driver.queries


def test_a_token_with_a_kid_asks_once(driver, issuer, decide, rotated, keys):
    """Its key is known by its name, so that newer keys change nothing."""
    rotated()
    raw = issuer.token(key=keys("ES256"), header={"kid": "key-1"})
    assert decide(raw).reason == "key_unsuitable"
    forged = issuer.token(key=SigningKey.generate("RS256", kid="key-1"))
    assert decide(forged).reason == "signature_invalid"
    assert len(driver.queries) == 1


@pytest.mark.parametrize(
    ("alg", "reason"), [("RS256", "signature_invalid"), ("ES256", "key_unsuitable")]
)
def test_where_no_newer_key_is_known_the_first_refusal_stands(driver, issuer, decide, alg, reason):
    driver.publish(issuer)
    refusal = decide(unnamed(issuer, key=SigningKey.generate(alg)))
    assert reason == refusal.reason
    assert refusal.__suppress_context__
    assert len(driver.queries) == 2


def test_where_newer_keys_cannot_be_had_nobody_knows(driver, issuer, decide):
    """503 and not 401: the token may be signed by a key that the issuer has just published."""
    driver.publish(issuer)
    driver.newer[issuer.url] = UnavailableError("the issuer is down")
    outcome = decide(unnamed(issuer, key=SigningKey.generate("ES256")))
    assert isinstance(outcome, UnavailableError)


def test_there_is_no_third_question(driver, issuer, decide, rotated):
    rotated()
    outcome = decide(unnamed(issuer, key=SigningKey.generate("ES256")))
    assert outcome.reason == "signature_invalid"
    assert len(driver.queries) == 2


def test_every_key_that_was_sent_counts_as_tried(driver, issuer, decide, keys):
    """So that the answer is a newer one, and not one that does not fit or was one too many."""
    issuer.keys += [keys("ES256"), *(SigningKey.generate("ES256") for _ in range(5))]
    driver.publish(issuer)
    decide(unnamed(issuer, key=SigningKey.generate("ES256")))
    assert tuple(driver.keys[issuer.url]) == driver.queries[1].tried


def test_a_token_that_is_verified_late_is_judged_like_any_other(issuer, decide, rotated):
    """A newer key is no way around the rules that follow the signature."""
    rotated()
    assert decide(unnamed(issuer, cnf={})).reason == "token_bound"
    assert decide(unnamed(issuer, without=["jti"])).reason == "claim_missing"


def test_a_key_id_that_is_empty_is_one(driver, issuer, decide, rotated):
    """RFC 7515 section 4.1.4: any string; only an absent one names no key."""
    rotated()
    driver.keys[issuer.url] = [replace(key, kid="") for key in driver.keys[issuer.url]]
    assert decide(issuer.token(header={"kid": ""})).reason == "key_unsuitable"
    assert [KeyQuery(issuer.url, "", "ES256")] == driver.queries

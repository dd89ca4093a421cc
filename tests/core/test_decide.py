"""Deciding at once, where the keys are there, and the flow that goes on where they are not."""

import pytest

from bearerguard import RejectedError
from bearerguard.core.flow import authenticate, decide
from bearerguard.core.jwk import parse_key
from bearerguard.core.known_token import KnownToken
from bearerguard.core.trust import Trust
from bearerguard.testing import Issuer, SigningKey, bad_tokens

TENANT = "https://login.example/tenant-1"


@pytest.fixture
def trust(policy, issuer):
    return Trust.of([policy(issuer.url)])


@pytest.fixture
def there(driver, issuer):
    """Give the keys that are there, as a guard does, and count the questions."""
    driver.publish(issuer)
    asked = []

    def at_once(query):
        asked.append(query)
        answer = driver._answer(query)
        return None if isinstance(answer, Exception) else tuple(answer)

    at_once.asked = asked
    return at_once


def test_a_token_whose_key_is_there_is_decided_without_a_flow(issuer, trust, clock, there, driver):
    raw = issuer.token("read")
    found = decide(raw, trust, clock(), there)
    assert isinstance(found, KnownToken)
    assert found == driver.run(authenticate(raw, trust, clock()))
    assert [found.query] == there.asked


def test_a_bad_token_is_refused_at_once_as_a_flow_refuses_it(issuer, trust, clock, there, driver):
    """The order of the checks does not depend on what is there."""
    for name, raw in bad_tokens(issuer).items():
        by_flow = driver.outcome(authenticate(raw, trust, clock()))
        try:
            found = decide(raw, trust, clock(), there)
            at_once = found if isinstance(found, KnownToken) else driver.outcome(found)
        except RejectedError as refusal:
            at_once = refusal
        assert (name, by_flow.reason) == (name, at_once.reason)


def test_a_key_that_is_not_there_is_asked_for_once(issuer, trust, clock, driver, monkeypatch):
    """The token is not taken apart a second time for that: the flow is the rest of the way."""
    driver.publish(issuer)
    rest = decide(issuer.token(), trust, clock(), lambda _: None)
    monkeypatch.setattr("bearerguard.core.flow.split", None)
    assert driver.run(rest).token.subject == "user-1"
    assert len(driver.queries) == 1


def test_where_no_id_chose_the_key_one_that_was_published_since_is_found(
    issuer, trust, clock, driver, there
):
    """After a rotation the key that is there is not the one that signed."""
    issuer.keys = [SigningKey.generate("RS256", kid=None)]
    driver.publish(issuer)
    newer = Issuer(issuer.url, key=SigningKey.generate("RS256", kid=None), clock=clock)
    raw = newer.token(header={"kid": None})
    assert driver.outcome(decide(raw, trust, clock(), there)).reason == "signature_invalid"
    driver.newer[issuer.url] = [parse_key(dict(newer.key.jwk))]
    assert driver.run(decide(raw, trust, clock(), there)).token.issuer == issuer.url
    assert [bool(query.tried) for query in driver.queries] == [False, True]


def test_of_several_keys_with_one_id_each_is_tried(issuer, trust, clock, driver, there):
    issuer.keys = [SigningKey.generate("RS256", kid="key-1") for _ in range(2)]
    driver.publish(issuer)
    second = Issuer(issuer.url, key=issuer.keys[1], clock=clock)
    assert (
        driver.run(decide(second.token(), trust, clock(), there)).key == driver.keys[issuer.url][1]
    )


def test_an_issuer_that_has_to_be_asked_about_is_asked_about_first(policy, clock, driver):
    open_trust = Trust.of([], ["https://login.example/{tenant}"])
    tenant = Issuer(TENANT, clock=clock)
    driver.publish(tenant)
    driver.policies[TENANT] = policy(TENANT)
    rest = decide(tenant.token(), open_trust, clock(), driver._answer)
    assert driver.run(rest).token.issuer == TENANT
    assert [type(query).__name__ for query in driver.queries] == ["IssuerQuery", "KeyQuery"]

"""A user who has to authenticate better, seen from outside, in every adapter: RFC 9470."""

import pytest

from bearerguard import scope, step_up

LEVEL = "A different authentication level is required"
AGE = "More recent authentication is required"
CODE = "insufficient_user_authentication"


@pytest.fixture
def step_up_api(make, contract):
    """A transfer needs a second factor and a login of the last five minutes."""
    return make(
        contract.Route("/level", needs=(step_up(acr=["phr", "mfa"]),)),
        contract.Route("/age", needs=(step_up(max_age=300),)),
        contract.Route("/transfer", needs=("pay", step_up(acr="mfa", max_age=300))),
        contract.Route("/either", needs=(scope("admin") | step_up(acr="mfa"),)),
    )


def told(answer):
    """The challenge without what every challenge has."""
    return {name: text for name, text in answer.challenge.items() if name != "realm"}


@pytest.mark.requirement("9470-3-1", "9470-3-2")
def test_a_weak_login_is_401_with_the_levels_in_order_of_preference(step_up_api, issuer):
    """RFC 9470 section 3."""
    answer = step_up_api.call("GET", "/level", token=issuer.token(acr="pwd"))
    assert answer.status == 401
    assert told(answer) == {
        "error": CODE,
        "error_description": LEVEL,
        "acr_values": "phr mfa",
    }
    assert answer.json == {"error": CODE, "error_description": LEVEL}
    assert step_up_api.ran == []


@pytest.mark.requirement("9470-3-3", "9470-3-8", "9470-6.1-1")
def test_an_old_login_is_401_with_the_greatest_age(step_up_api, issuer, clock):
    """RFC 9470 section 3, at the edge: the fifth minute is still good."""
    token = issuer.token(auth_time=int(clock.now) - 290, exp=int(clock.now) + 3600)
    clock.tick(10)
    assert step_up_api.call("GET", "/age", token=token).status == 200
    step_up_api.ran.clear()
    clock.tick(1)
    answer = step_up_api.call("GET", "/age", token=token)
    assert (answer.status, step_up_api.ran) == (401, [])
    assert told(answer) == {"error": CODE, "error_description": AGE, "max_age": "300"}


@pytest.mark.requirement("9470-3-7")
@pytest.mark.parametrize("acr", ["phr", "mfa"])
def test_a_login_of_one_of_the_levels_is_served(step_up_api, issuer, acr):
    assert step_up_api.call("GET", "/level", token=issuer.token(acr=acr)).status == 200


@pytest.mark.requirement("9470-3-4", "9470-3-5")
def test_all_that_is_short_is_told_at_once(step_up_api, issuer):
    """RFC 9470 section 3: level, age and scope in one challenge."""
    answer = step_up_api.call("GET", "/transfer", token=issuer.token("read"))
    assert answer.status == 401
    assert told(answer) == {
        "error": CODE,
        "error_description": LEVEL,
        "acr_values": "mfa",
        "max_age": "300",
        "scope": "pay",
    }


@pytest.mark.requirement("9470-3-1", "6750-3.1-5")
def test_a_scope_alone_that_is_short_is_403(step_up_api, issuer, clock):
    """RFC 6750 section 3.1."""
    token = issuer.token("read", acr="mfa", auth_time=int(clock.now))
    answer = step_up_api.call("GET", "/transfer", token=token)
    assert answer.outcome == (403, "insufficient_scope")
    assert told(answer).keys() == {"error", "error_description", "scope"}


def test_whoever_has_the_one_or_the_other_is_served(step_up_api, issuer):
    assert step_up_api.call("GET", "/either", token=issuer.token("admin")).status == 200
    assert step_up_api.call("GET", "/either", token=issuer.token(acr="mfa")).status == 200


@pytest.mark.requirement("9470-6.1-1")
@pytest.mark.parametrize("auth_time", ["{}", "1.8e9", True, None, [], {}, 10**12])
def test_a_login_that_nobody_can_date_is_refused(step_up_api, issuer, auth_time):
    """RFC 9470 section 6.1: 401 in any case; a malformed claim makes the token invalid."""
    answer = step_up_api.call("GET", "/age", token=issuer.token(auth_time=auth_time))
    assert (answer.status, step_up_api.ran) == (401, [])
    assert answer.challenge["error"] in ("invalid_token", CODE)


@pytest.mark.requirement("9470-3-9")
def test_an_invalid_token_is_that_before_anything_else(step_up_api, issuer, clock):
    """RFC 9470 section 3: step-up is for a token that is good otherwise."""
    token = issuer.token(acr="pwd", exp=int(clock.now) - 3600)
    answer = step_up_api.call("GET", "/level", token=token)
    assert answer.outcome == (401, "invalid_token")
    assert "acr_values" not in answer.challenge


@pytest.mark.requirement("9470-8-1")
@pytest.mark.parametrize("fields", [[], [("Authorization", "Bearer")]])
def test_a_caller_without_a_token_learns_nothing_of_levels(step_up_api, fields):
    """RFC 9470 section 8."""
    challenge = step_up_api.call("GET", "/transfer", *fields).challenge
    assert challenge.keys().isdisjoint({"acr_values", "max_age"})


def test_the_operator_reads_why(step_up_api, issuer, log):
    step_up_api.call("GET", "/level", token=issuer.token(acr="pwd"))
    (record,) = log()
    assert record.bearerguard["reason"] == "authentication_too_weak"
    assert "acr 'pwd'" in record.bearerguard["found"]
    assert record.bearerguard["hint"]

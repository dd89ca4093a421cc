"""How well and how recently a user must have authenticated: RFC 9470."""

from dataclasses import replace

import pytest

from bearerguard import ConfigurationError, RejectedError, all_of, any_of, role, scope, step_up
from bearerguard.core.authentication import Authentication
from bearerguard.core.challenge import challenge
from bearerguard.core.needs import check_need, needs_of

NOW = 1_800_000_000
WEAK, OLD = "authentication_too_weak", "authentication_too_old"


@pytest.fixture
def logged_in(token):
    """A token with the scope a, and what is said about the login."""
    verified = token("a")

    def of(**login):
        return replace(verified, **{"acr": "1", "auth_time": NOW - 60, "issued_at": NOW, **login})

    return of


def reason(need, token, now=NOW):
    """Say why a token is refused, or None."""
    try:
        check_need(needs_of([need]), token, now)
    except RejectedError as refusal:
        return refusal.reason
    return None


@pytest.mark.requirement("9470-3-7")
@pytest.mark.parametrize(
    ("acr", "found", "is_enough"),
    [
        ("2", "2", True),
        ("2", "22", False),
        ("2", "3", False),
        ("2", "1", False),
        ("mfa", "MFA", False),
        ("mfa", None, False),
        ("mfa", ["mfa"], False),
        (["a", "b"], "a", True),
        (("a", "b"), "b", True),
        (["a", "b"], "a b", False),
        (["a", "b"], "c", False),
    ],
)
def test_an_acr_is_one_of_those_listed_and_compares_as_a_whole(logged_in, acr, found, is_enough):
    """RFC 9470 section 3: one of the values; no value stands above another."""
    expected = None if is_enough else WEAK
    assert reason(step_up(acr=acr), logged_in(acr=found)) == expected


@pytest.mark.requirement("9470-3-8")
@pytest.mark.parametrize(
    ("max_age", "age", "is_enough"),
    [(60, 60, True), (60, 61, False), (60, 60.5, False), (0, 0, True), (0, 1, False)],
)
def test_the_age_of_a_login_counts_to_the_second(logged_in, max_age, age, is_enough):
    """RFC 9470 section 3: now - auth_time <= max_age, whatever LEEWAY is."""
    token = logged_in(auth_time=NOW - age)
    assert reason(step_up(max_age=max_age), token) == (None if is_enough else OLD)


@pytest.mark.parametrize("max_age", [0, 60])
def test_a_login_counts_to_the_end_of_its_last_second(logged_in, max_age):
    """auth_time is in whole seconds, and the clock is not."""
    token = logged_in(auth_time=NOW - max_age)
    assert reason(step_up(max_age=max_age), token, NOW + 0.9) is None
    assert reason(step_up(max_age=max_age), token, NOW + 1) == OLD


@pytest.mark.requirement("9470-6.1-1", "9470-6.2-1")
@pytest.mark.parametrize(
    "auth_time",
    [
        None,
        str(NOW),
        True,
        [NOW],
        float("nan"),
        float("inf"),
        NOW + 1,
        NOW + 10**6,
        10**400,
        -(10**400),
        float("-inf"),
    ],
)
def test_a_login_that_nobody_can_date_is_no_recent_one(logged_in, auth_time):
    """RFC 9470 section 6: missing, of another type, from the future; also out of an introspection
    answer, which makes the same AccessToken."""
    assert reason(step_up(max_age=10**9), logged_in(auth_time=auth_time)) == OLD


@pytest.mark.parametrize(
    ("issued_at", "auth_time", "is_enough"),
    [(NOW + 20, NOW + 20, True), (NOW + 20, NOW + 21, False), (None, NOW + 1, False)],
)
def test_an_issuer_whose_clock_is_ahead_dates_logins_up_to_its_iat(
    logged_in, issued_at, auth_time, is_enough
):
    """LEEWAY says how far ahead iat may be; else who has just logged in would be sent back."""
    token = logged_in(auth_time=auth_time, issued_at=issued_at)
    assert reason(step_up(max_age=5), token) == (None if is_enough else OLD)


@pytest.mark.requirement("9470-3-3")
@pytest.mark.parametrize("max_age", [-1, 10**10, 10**400, 1.0, 1.5, True, "60", [60]])
def test_an_age_that_is_no_number_of_whole_seconds_is_refused(max_age):
    """RFC 9470 section 3: a non-negative integer."""
    with pytest.raises(ConfigurationError, match="max_age"):
        step_up(max_age=max_age)


@pytest.mark.requirement("9470-3-2")
@pytest.mark.parametrize(
    "acr", ["", [], (), "a b", 'a"b', "é", "a\n", 5, ["a", ""], ["a", 5], {"a"}, {"a": 1}]
)
def test_a_level_that_no_challenge_can_name_is_refused(acr):
    """RFC 9470 section 3: values with spaces between them, in a quoted-string."""
    with pytest.raises(ConfigurationError, match="acr"):
        step_up(acr=acr)


def test_a_step_up_that_asks_for_nothing_is_refused():
    with pytest.raises(ConfigurationError, match="asks for nothing"):
        step_up()


def test_every_problem_of_a_step_up_is_named_at_once():
    with pytest.raises(ConfigurationError) as refusal:
        step_up(acr="", max_age=-1)
    assert len(refusal.value.problems) == 2


NEEDS = [
    (scope("a") & step_up(acr="1"), None),
    (scope("a") & step_up(acr="2"), WEAK),
    (scope("b") & step_up(acr="1"), "scope_insufficient"),
    (scope("b") & step_up(acr="2"), WEAK),
    (role("x") & step_up(max_age=1), OLD),
    (step_up(acr="2", max_age=1), WEAK),
    (step_up(max_age=1) & step_up(acr="2"), OLD),
    (any_of("a", step_up(acr="2")), None),
    (any_of("b", step_up(acr="1")), None),
    (any_of("b", step_up(acr="2")), WEAK),
    (all_of("b", any_of("a", step_up(acr="2"))), "scope_insufficient"),
    (all_of("b", any_of(step_up(acr="1"), step_up(max_age=1))), "scope_insufficient"),
    (all_of("a", any_of("b", step_up(max_age=1) & scope("a"))), OLD),
]


@pytest.mark.requirement("9470-3-1", "9470-3-5")
@pytest.mark.parametrize(("need", "expected"), NEEDS)
def test_a_better_authentication_is_asked_for_where_it_is_in_the_way(logged_in, need, expected):
    """RFC 9470 section 3: 401 and not 403; a scope alone that is short stays 403."""
    assert reason(need, logged_in()) == expected


def test_what_was_looked_for_and_found_is_told_to_the_operator(logged_in):
    with pytest.raises(RejectedError) as refusal:
        check_need(step_up(acr=["2", "3"], max_age=5), logged_in(), NOW)
    assert refusal.value.expected == "authentication of level 2 or 3 at most 5 s ago"
    assert refusal.value.found == f"acr '1', auth_time {NOW - 60} at {NOW}"


A, B, AB, BC = ("a",), ("b",), ("a", "b"), ("b", "c")


@pytest.mark.requirement("9470-3-4")
@pytest.mark.parametrize(
    ("need", "asked"),
    [
        (scope("a"), None),
        (scope("a") & scope("b"), None),
        (scope("a") | role("b"), None),
        (scope("a") & step_up(acr="a"), (A, None)),
        (step_up(acr="a") & step_up(max_age=5), (A, 5)),
        (step_up(max_age=5) & step_up(acr="a", max_age=9), (A, 5)),
        (step_up(acr=AB) & step_up(acr=BC), (B, None)),
        (step_up(acr="a") & step_up(acr="b"), (AB, None)),
        (step_up(acr=AB) | step_up(acr=BC), (("a", "b", "c"), None)),
        (step_up(acr="a", max_age=9) | step_up(max_age=5), (A, 5)),
        (step_up(max_age=5) | scope("a"), ((), 5)),
    ],
)
def test_a_client_is_told_what_would_be_enough(need, asked):
    """All that the route needs, as with scopes: who brings it passes."""
    assert need.authentication() == (None if asked is None else Authentication(*asked))


def written(reason, acr=(), max_age=None, **more):
    asked = Authentication(acr, max_age)
    return challenge(RejectedError(reason), "example", authentication=asked, **more)


LEVEL = 'error="insufficient_user_authentication", error_description="A different authentication level is required"'
AGE = 'error="insufficient_user_authentication", error_description="More recent authentication is required"'


@pytest.mark.requirement("9470-3-1", "9470-3-2", "9470-3-3", "9470-3-4", "9470-3-6")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"acr": ("myACR",)}, f'Bearer realm="example", {LEVEL}, acr_values="myACR"'),
        ({"acr": AB}, f'Bearer realm="example", {LEVEL}, acr_values="a b"'),
        (
            {"acr": A, "max_age": 0},
            f'Bearer realm="example", {LEVEL}, acr_values="a", max_age="0"',
        ),
        (
            {"acr": A, "scheme": "DPoP", "algs": ("ES256", "PS256")},
            f'DPoP realm="example", {LEVEL}, acr_values="a", algs="ES256 PS256"',
        ),
    ],
)
def test_the_challenge_names_what_the_route_needs(arguments, expected):
    """RFC 9470 section 3, also in the scheme DPoP."""
    assert written(WEAK, **arguments) == expected


@pytest.mark.requirement("9470-3-3")
def test_the_challenge_names_the_greatest_age():
    """RFC 9470 section 3."""
    assert written(OLD, max_age=5) == f'Bearer realm="example", {AGE}, max_age="5"'


@pytest.mark.requirement("9470-8-1")
@pytest.mark.parametrize(
    "reason", ["no_credentials", "expired", "scope_insufficient", "credentials_malformed"]
)
def test_no_other_challenge_tells_how_to_authenticate(reason):
    """RFC 9470 section 8: who has no valid token learns nothing of it."""
    assert "acr_values" not in written(reason, A, 5)
    assert "max_age" not in written(reason, A, 5)

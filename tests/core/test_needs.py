"""What a route needs, as one value that cannot be misread as a condition."""

import functools

import pytest

from bearerguard import (
    ConfigurationError,
    Need,
    RejectedError,
    all_of,
    any_of,
    authenticated,
    claim,
    role,
    scope,
)
from bearerguard.core.needs import check_need, need_of, needs_of


@pytest.fixture
def alice(token):
    """A caller with the scopes a and b, the role admin, and some claims."""
    return token(
        "a b", roles=["admin"], tenant="acme", level=1, deep={"list": [True, {"x": 1, "y": 2}]}
    )


NOW = 1_800_000_000.0
NEEDS = [
    (scope("a"), True),
    (scope("c"), False),
    (role("admin"), True),
    (role("a"), False),
    (scope("admin"), False),
    (scope("a") & scope("b"), True),
    (scope("a") & scope("c"), False),
    (scope("c") | scope("b"), True),
    (scope("c") | scope("d"), False),
    (scope("a") & (scope("c") | role("admin")), True),
    (scope("c") | (scope("a") & role("user")), False),
    (scope("a") & "b", True),
    (scope("c") | "b", True),
    (all_of("a", "b", role("admin")), True),
    (all_of("a", "c"), False),
    (any_of("c", "a"), True),
    (any_of("c", lambda token: False), False),
    (authenticated, True),
    (authenticated & "c", False),
    (authenticated | "c", True),
    (claim("tenant", equals="acme"), True),
    (claim("tenant", equals="Acme"), False),
    (claim("nothing", equals="acme"), False),
    (claim("level", equals=1), True),
    (claim("level", equals=True), False),
    (claim("level", equals=1.0), False),
    (claim("level", equals="1"), False),
    (claim("/deep/list", equals=[True, {"y": 2, "x": 1}]), True),
    (claim("/deep/list", equals=[1, {"x": 1, "y": 2}]), False),
    (claim("/deep/list/1", equals={"x": 1}), False),
    (claim("/deep/list/0", equals=True), True),
]


@pytest.mark.requirement("9068-4-9")
@pytest.mark.parametrize(("need", "satisfied"), NEEDS)
def test_a_need_is_satisfied_or_not(alice, need, satisfied):
    """RFC 9068 section 4: scopes and roles together decide."""
    assert satisfied is need.satisfied_by(alice, NOW)


@pytest.mark.requirement("9068-4-9", "FAPI2-5.3.4-4")
@pytest.mark.parametrize("need", [scope("x"), role("x"), claim("x", equals=1), role("entitlement")])
def test_a_need_that_is_not_met_is_403_and_not_an_error(token, need):
    """A token without any authorization claim at all."""
    with pytest.raises(RejectedError) as refusal:
        check_need(need, token(), NOW)
    assert (refusal.value.status, refusal.value.error) == (403, "insufficient_scope")
    assert str(need) == refusal.value.expected


@pytest.mark.parametrize(
    ("need", "scopes", "words"),
    [
        (
            scope("a") & (scope("b") | role("admin")),
            ("a", "b"),
            "scope a and (scope b or role admin)",
        ),
        (scope("a") | scope("b") | "a", ("a", "b"), "scope a or scope b or scope a"),
        (all_of("b", "a") & scope("c"), ("b", "a", "c"), "scope b and scope a and scope c"),
        (claim("/x/y", equals=1) | role("r"), (), "claim /x/y or role r"),
        (authenticated, (), "a valid token"),
        (all_of("a"), ("a",), "scope a"),
        (any_of(role("r")), (), "role r"),
    ],
)
def test_a_need_names_its_scopes_and_itself(need, scopes, words):
    """The challenge and the documentation read the very value that is enforced."""
    assert (scopes, words) == (need.scopes(), str(need))


def test_needs_are_values():
    assert scope("a") & scope("b") & scope("c") == all_of("a", "b", "c")
    assert scope("a") | scope("b") | scope("c") == any_of("a", "b", "c")
    assert need_of(scope("a")) == needs_of(["a"]) == scope("a")
    assert needs_of([]) is authenticated


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: scope("a") and scope("b"),
        lambda: scope("a") or scope("b"),
        lambda: not authenticated,
        lambda: 1 if role("a") else 2,
        lambda: bool(claim("a", equals=1)),
        lambda: bool(any_of("a", "b")),
        lambda: bool(need_of(lambda token: True)),
    ],
)
def test_a_need_has_no_truth_value(misuse):
    """``a and b`` would silently drop a."""
    with pytest.raises(TypeError, match=r"&.*\|"):
        misuse()


@pytest.mark.parametrize(
    "build",
    [
        all_of,
        any_of,
        lambda: scope(""),
        lambda: scope("a b"),
        lambda: needs_of(["a b"]),
        lambda: scope('a"b'),
        lambda: scope("é"),
        lambda: scope("a\n"),
        lambda: scope(5),
        lambda: role(""),
        lambda: role(5),
        lambda: claim("", equals=1),
        lambda: claim(5, equals=1),
        lambda: claim("a", equals=None),
        lambda: claim("a", equals={1, 2}),
        lambda: claim("a", equals=b"x"),
        lambda: claim("a", equals=float("nan")),
        lambda: need_of(5),
        lambda: need_of(None),
        lambda: need_of(["a"]),
        lambda: scope("a") & "b c",
    ],
)
def test_a_need_that_nobody_could_mean_is_refused_when_it_is_built(build):
    with pytest.raises(ConfigurationError):
        build()


def test_two_scopes_in_one_string_are_refused_with_a_hint():
    with pytest.raises(ConfigurationError, match="each scope as a string of its own"):
        scope("a b")


class AsyncCheck:
    async def __call__(self, token):
        return True


class Untold:
    """A callable that does not tell its signature, as some built-in ones do not."""

    @property
    def __signature__(self):
        raise ValueError("no signature found")

    def __call__(self, token):
        return True


async def async_check(token):
    return True


def generator_check(token):
    yield True


async def async_generator_check(token):
    yield True


@pytest.mark.parametrize(
    "check",
    [
        async_check,
        generator_check,
        async_generator_check,
        AsyncCheck(),
        functools.partial(async_check),
        functools.partial(functools.partial(generator_check)),
        lambda: True,
        lambda token, request: True,
    ],
)
def test_a_check_that_could_never_answer_is_refused_when_the_need_is_built(check):
    """A coroutine and a generator are truthy, whatever they would say in the end."""
    with pytest.raises(ConfigurationError):
        need_of(check)


@pytest.mark.parametrize("answer", [False, None, 1, "yes", [1], object(), {"a": 1}])
def test_only_exactly_true_admits(alice, answer):
    assert not need_of(lambda token: answer).satisfied_by(alice, NOW)


@pytest.mark.parametrize("check", [Untold(), functools.partial(lambda token, x: x, x=True)])
def test_any_plain_callable_of_the_token_is_a_check(alice, check):
    assert need_of(check).satisfied_by(alice, NOW)


def test_the_exception_of_a_check_propagates_and_never_admits(alice):
    def broken(token) -> bool:
        raise ZeroDivisionError

    for need in (need_of(broken), scope("a") & broken, scope("c") | need_of(broken)):
        with pytest.raises(ZeroDivisionError):
            check_need(need, alice, NOW)


def test_a_check_is_named_in_the_refusal(alice):
    def is_owner(token) -> bool:
        return False

    assert str(need_of(is_owner)).endswith("is_owner")
    assert str(need_of(Untold())) == "check Untold"
    assert need_of(is_owner).scopes() == ()
    assert isinstance(need_of(is_owner), Need)

"""The pytest plugin: fixtures for the tests of a guarded API, and why a request was refused.

pytest loads it in every project of an environment that has bearerguard, so that nothing heavy is
loaded here before a fixture asks for it (PYTEST_DONT_REWRITE: nor is anything rewritten). Beside
the fixtures it does two things: it puts an issuer and an audience of tests into the environment
where none are set, because applications read them while they are imported; and it listens for
refusals, for the reports of tests that fail. ``bearerguard_test_environment = false`` in pytest's
settings turns the first off, ``-p no:bearerguard`` everything.
"""

import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from bearerguard.testing.environment import fill_environment
from bearerguard.testing.refusals import Facts, described, listening

if TYPE_CHECKING:
    from bearerguard.testing import (
        AssertAllProtected,
        AssertProtected,
        BadTokens,
        Bearer,
        Issuer,
    )

ENVIRONMENT = "bearerguard_test_environment"
FILLED_IN = pytest.StashKey[list[str]]()
REFUSED = pytest.StashKey[list[Facts]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one setting."""
    how = "set BEARERGUARD_ISSUER and BEARERGUARD_AUDIENCE for the tests where they are not set"
    parser.addini(ENVIRONMENT, how, type="bool", default=True)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Fill the environment before a conftest.py imports the application."""
    if early_config.getini(ENVIRONMENT):
        early_config.stash[FILLED_IN] = fill_environment()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the environment as it was."""
    for name in config.stash.get(FILLED_IN, []):
        os.environ.pop(name, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Listen for refusals while a test runs, its fixtures included."""
    with listening() as refusals:
        item.stash[REFUSED] = refusals
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say in the report of a failed test what was refused meanwhile, and why."""
    report = yield
    refusals = item.stash.get(REFUSED, [])
    if report.failed and refusals:
        report.sections.append(("bearerguard refused", described(refusals)))
    return report


@pytest.fixture
def issuer() -> Iterator["Issuer"]:
    """An issuer in memory that every guard trusts for the length of the test.

    ``rotate()``, ``down()``, ``up()``, ``slow(seconds)``, and ``clock.tick(seconds)`` for all.
    """
    from bearerguard.testing import Issuer, trust  # noqa: PLC0415  see the module

    with trust(Issuer(alg="ES256")) as issuer:  # the quickest
        yield issuer


@pytest.fixture
def bearer(issuer: "Issuer") -> Iterator["Bearer"]:
    """``bearer("orders:read", sub="ada")``: the headers of a request with such a token."""
    from bearerguard.testing import Bearer  # noqa: PLC0415
    from bearerguard.testing.trusting import trusted  # noqa: PLC0415

    with trusted(issuer):  # by an issuer fixture of somebody's own
        yield Bearer(issuer)


@pytest.fixture
def bearer_bad_tokens(bearer: "Bearer") -> "BadTokens":
    """The headers of requests with bad tokens, by the name of what is wrong with them."""
    return bearer.all_bad()


@pytest.fixture
def assert_protected(bearer: "Bearer") -> Iterator["AssertProtected"]:
    """``assert_protected(client, "GET", "/orders", scopes=["orders:read"])``."""
    from bearerguard.testing import AssertProtected  # noqa: PLC0415

    check = AssertProtected(bearer)
    yield check
    check.check_awaited()


@pytest.fixture
def assert_all_protected(bearer: "Bearer") -> "AssertAllProtected":
    """``assert_all_protected(app)``: nothing is open that the application does not call public."""
    from bearerguard.testing import AssertAllProtected  # noqa: PLC0415

    return AssertAllProtected(bearer)

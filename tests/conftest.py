"""What every test may use: simulated time, one signing key for the session, an issuer, a guard."""

import csv
from pathlib import Path

import pytest

from bearerguard import Guard
from bearerguard.core.signature import ml_dsa_is_supported
from bearerguard.testing import Issuer, SigningKey

REQUIREMENTS = Path(__file__).with_name("requirements.csv")


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """An RSA key takes a tenth of a second to make, so that the session shares one."""
    return SigningKey.generate("RS256", kid="key-1")


@pytest.fixture
def issuer(clock: Clock, signing_key: SigningKey) -> Issuer:
    return Issuer(key=signing_key, clock=clock)


@pytest.fixture
def guard(issuer: Issuer) -> Guard:
    return issuer.guard()


def known_requirements() -> dict[str, str]:
    """Every row's ID and tier."""
    with REQUIREMENTS.open(encoding="utf-8") as file:
        return {row["id"]: row["tier"] for row in csv.DictReader(file)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    refuse_unknown_requirements(items)
    if not ml_dsa_is_supported():
        left_out = pytest.mark.skip(
            reason="this OpenSSL has no ML-DSA: install a newer cryptography"
        )
        for item in items:
            if "ML-DSA" in item.nodeid or item.get_closest_marker("ml_dsa"):
                item.add_marker(left_out)


def refuse_unknown_requirements(items: list[pytest.Item]) -> None:
    """A test that claims an unknown row proves nothing: refuse the run."""
    known = known_requirements()
    unknown = {
        f"{row} ({item.nodeid})"
        for item in items
        for mark in item.iter_markers("requirement")
        for row in mark.args
        if row not in known
    }
    if unknown:
        raise pytest.UsageError("unknown requirement: " + ", ".join(sorted(unknown)))

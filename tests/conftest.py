"""What every test may use: simulated time, one signing key for the session, an issuer, a guard."""

import csv
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import coverage
import hypothesis
import pytest

from bearerguard import AccessToken, Guard, RejectedError
from bearerguard import guard as guard_module
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.signature import ml_dsa_is_supported
from bearerguard.settings import Settings
from bearerguard.stores.verified import VerifiedTokens
from bearerguard.testing import Issuer, SigningKey

# How long an example takes says nothing about it on a machine that others use, too.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

REQUIREMENTS = Path(__file__).with_name("requirements.csv")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--token-cache",
        type=int,
        metavar="N",
        help="run as if the default of TOKEN_CACHE were N; 0: no verified token is kept",
    )


def pytest_configure(config: pytest.Config) -> None:
    most = config.getoption("--token-cache")
    if most is None:
        return

    def by_default(wanted: int) -> VerifiedTokens:
        return VerifiedTokens(most if wanted == Settings.token_cache else wanted)

    # Where the setting arrives, so that what the tests read of settings and defaults stays true.
    guard_module.VerifiedTokens = by_default
    os.environ["BEARERGUARD_TOKEN_CACHE"] = str(most)  # for processes that a test starts


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Leave out of the coverage, which would double its time, what runs the same lines for ages."""
    tracing = coverage.Coverage.current() if item.get_closest_marker("untraced") else None
    if tracing is None:
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # for processes that it starts
        tracing.stop()
        try:
            return (yield)
        finally:
            tracing.start()


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


@pytest.fixture(scope="session")
def keys() -> Callable[[str], SigningKey]:
    """One key an algorithm, made when it is first asked for."""
    return functools.cache(lambda alg: SigningKey.generate(alg, kid=f"key-{alg}"))


@pytest.fixture
def reason(guard: Guard) -> Callable[..., str]:
    """Say why a token is refused; the answer must be 401 invalid_token whatever the reason."""

    def of(raw: str, by: Guard = guard) -> str:
        with pytest.raises(RejectedError) as refusal:
            by.verify(raw)
        assert (refusal.value.status, refusal.value.error) == (401, "invalid_token")
        return refusal.value.reason

    return of


@pytest.fixture
def token(issuer: Issuer) -> Callable[..., AccessToken]:
    """Sign an access token and verify it, with the settings under ``settings``."""

    def verified(scope: str | None = None, *, settings=None, **claims) -> AccessToken:
        return issuer.guard(**(settings or {})).verify(issuer.token(scope, **claims))

    return verified


@pytest.fixture
def sign_bytes(signing_key: SigningKey) -> Callable[[bytes, bytes], str]:
    """Sign a header and a payload of any octets with the session's RS256 key."""

    def signed(header: bytes, payload: bytes) -> str:
        signing_input = base64url_encode(header) + b"." + base64url_encode(payload)
        signature = base64url_encode(signing_key.sign(signing_input))
        return (signing_input + b"." + signature).decode()

    return signed


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

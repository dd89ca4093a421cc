"""trust(): every guard of the process gets its keys from an issuer in memory, for a while."""

import gc

import pytest

from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard.testing import Issuer, trust

GOOD = {"issuer": "https://issuer.example", "audience": "https://api.example"}


class Nobody:
    """A network where nobody answers; ``asked`` says who was called."""

    def __init__(self):
        self.asked = []

    def fetch(self, url, *, headers, timeout_s, max_bytes):
        self.asked.append(url)
        raise OSError("nobody is there")


@pytest.fixture
def network():
    return Nobody()


@pytest.fixture
def production(network, clock):
    """Guards as an application would have them, on a network where nobody answers."""
    return lambda **settings: Guard(fetcher=network, clock=clock, **(GOOD | settings))


def accepts(guard, token):
    """Whether the guard can tell at all, and accepts the token."""
    try:
        return guard.verify(token).subject == "user-1"
    except UnavailableError:
        return False


def test_a_guard_that_is_there_gets_its_keys_from_the_issuer(issuer, production, network):
    guard = production()
    with trust(issuer) as given:
        assert given is issuer
        assert accepts(guard, issuer.token())
    assert network.asked == []


def test_a_guard_that_is_made_meanwhile_does_too(issuer, production, network):
    with trust(issuer):
        assert accepts(production(), issuer.token())
    assert network.asked == []


def test_it_ends_with_the_block_for_both(issuer, production, network):
    before = production()
    with trust(issuer):
        meanwhile = production()
        token = issuer.token()
        assert accepts(before, token)
        assert accepts(meanwhile, token)

    for guard in (before, meanwhile, production()):
        network.asked.clear()
        assert not accepts(guard, token)
        assert network.asked


def test_it_ends_when_the_test_fails_too(issuer, production):
    guards = [production()]

    def failing_test():
        with trust(issuer):
            guards.append(production())
            raise AssertionError("the test")

    with pytest.raises(AssertionError, match="the test"):
        failing_test()

    assert [accepts(guard, issuer.token()) for guard in guards] == [False, False]


def test_a_guard_keeps_what_it_knew_before(issuer, guard):
    """The keys of an earlier fetch are there again after the block."""
    mine = issuer.token()
    assert accepts(guard, mine)
    other = Issuer(clock=issuer.clock, alg="ES256")
    with trust(other):
        assert accepts(guard, other.token())
        with pytest.raises(RejectedError):
            guard.verify(mine)
    assert accepts(guard, mine)
    with pytest.raises(RejectedError):
        guard.verify(other.token())


def test_blocks_can_be_nested(issuer, production, clock):
    guard, other = production(), Issuer(clock=clock, alg="ES256")
    with trust(issuer):
        between = production()
        with trust(other):
            inside = production()
            for each in (guard, between, inside):
                assert accepts(each, other.token())
        for each in (guard, between, inside):
            assert accepts(each, issuer.token())
    for each in (guard, between, inside):
        assert not accepts(each, issuer.token())


@pytest.mark.parametrize(
    "settings",
    [{"jwks_uri": "https://elsewhere.example/keys", "jwks_token_file": "/run/absent"}, {}],
)
def test_it_holds_wherever_the_guard_would_look_for_its_keys(issuer, production, settings):
    guard = production(**settings)
    with trust(issuer):
        assert accepts(guard, issuer.token())
        assert accepts(production(**settings), issuer.token())


def test_the_issuer_and_the_audience_of_a_guard_stay_in_force(issuer, production):
    for settings in ({"issuer": "https://other.example"}, {"audience": "https://other.example"}):
        guard = production(**settings)
        with trust(issuer), pytest.raises(RejectedError) as refusal:
            guard.verify(issuer.token())
        (name,) = settings
        assert f"{name}_mismatch" == refusal.value.reason


def test_a_guard_with_a_secret_still_accepts_nothing_else(issuer, production):
    guard = production(secret="a secret of more than thirty-two bytes")
    with trust(issuer), pytest.raises(RejectedError) as refusal:
        guard.verify(issuer.token())
    assert refusal.value.reason == "algorithm_not_allowed"


def test_a_rotated_key_is_taken_and_an_outage_is_felt(issuer, production):
    with trust(issuer):
        guard = production()
        assert accepts(guard, issuer.token())
        issuer.rotate("ES256")
        assert accepts(guard, issuer.token())

        issuer.is_down = True
        assert not accepts(production(), issuer.token())


def test_a_guard_that_is_gone_is_no_trouble(issuer, production):
    guard = production()
    with trust(issuer):
        assert accepts(guard, issuer.token())
        del guard
        gc.collect()
    assert not accepts(production(), issuer.token())

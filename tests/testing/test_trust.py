"""trust(): every guard of the process gets its keys from an issuer in memory, for a while."""

import gc
import json

import pytest

from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard import Issuer as IssuerOfGuard
from bearerguard.issuers import LIVE_ISSUERS
from bearerguard.testing import Issuer, SigningKey, trust

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


# Several issuers, and other places of keys

A, B = "https://a.example", "https://b.example"
TENANTS = {"resolve_issuer": IssuerOfGuard, "issuers_allowed": ["https://{t}.tenants.example"]}
TENANT = "https://one.tenants.example"


@pytest.fixture
def make(network, clock):
    """Guards of several issuers, on a network where nobody answers."""
    return lambda **arguments: Guard(
        audience=GOOD["audience"], fetcher=network, clock=clock, **arguments
    )


@pytest.mark.parametrize(
    "names",
    [{"issuer": [A, B]}, {"issuers": [IssuerOfGuard(A), IssuerOfGuard(B)]}],
    ids=["list", "code"],
)
def test_every_issuer_of_a_guard_gets_its_keys_from_there(issuer, make, network, names):
    """The tokens are made for each of them; a name that is none of theirs stays refused."""
    before = make(**names)
    with trust(issuer):
        for guard in (before, make(**names)):
            for name in (A, B):
                assert guard.verify(issuer.token(iss=name)).issuer == name
            with pytest.raises(RejectedError):
                guard.verify(issuer.token())
    assert network.asked == []
    for name in (A, B):
        assert not accepts(before, issuer.token(iss=name))


def test_an_issuer_that_was_resolved_before_or_is_resolved_meanwhile_too(issuer, make, network):
    guard = make(**TENANTS)
    known, new = issuer.token(iss=TENANT), issuer.token(iss="https://two.tenants.example")
    assert not accepts(guard, known)
    network.asked.clear()
    with trust(issuer):
        assert accepts(guard, known)
        assert accepts(guard, new)
    assert network.asked == []
    assert not accepts(guard, known)
    assert not accepts(guard, new)
    assert network.asked


def test_a_guard_with_a_file_of_keys_too(issuer, make, network, clock, tmp_path):
    """The file has another key, that of production, and holds again after the block."""
    production = Issuer(A, key=SigningKey.generate("ES256", kid="of production"), clock=clock)
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(production.jwks()))
    settings = {"issuer": A, "jwks_file": str(file)}
    before = make(**settings)
    with trust(issuer):
        meanwhile = make(**settings)
        for guard in (before, meanwhile):
            assert accepts(guard, issuer.token(iss=A))
            with pytest.raises(RejectedError):
                guard.verify(production.token())
    for guard in (before, meanwhile):
        assert accepts(guard, production.token())
        with pytest.raises(RejectedError):
            guard.verify(issuer.token(iss=A))


def test_the_keys_of_a_test_never_get_into_a_snapshot(issuer, make, network, tmp_path):
    """The next process of this host would trust them."""
    tmp_path.chmod(0o700)
    settings = {"issuer": A, "jwks_snapshot": str(tmp_path / "snapshot.json")}
    before = make(**settings)
    with trust(issuer):
        for guard in (before, make(**settings)):
            assert accepts(guard, issuer.token(iss=A))
    assert list(tmp_path.iterdir()) == []
    for guard in (before, make(**settings)):
        assert not accepts(guard, issuer.token(iss=A))


def test_keys_out_of_a_snapshot_hold_again_after_the_block(issuer, clock, tmp_path):
    tmp_path.chmod(0o700)
    production = Issuer(A, key=SigningKey.generate("ES256", kid="of production"), clock=clock)
    settings = {"jwks_snapshot": str(tmp_path / "snapshot.json")}
    assert accepts(production.guard(**settings), production.token())
    production.is_down = True
    guard = production.guard(**settings)
    with trust(issuer):
        assert accepts(guard, issuer.token(iss=A))
        meanwhile = production.guard(**settings)
        assert accepts(meanwhile, issuer.token(iss=A))
    for each in (guard, meanwhile):
        assert accepts(each, production.token())
        assert not accepts(each, issuer.token(iss=A))


def test_an_issuer_that_another_thread_was_just_making_spoils_the_end_for_nobody(
    issuer, production
):
    """Its keys were made before the block, and it becomes known within the block."""
    guard = production()
    late = production().issuers.all()[0]
    LIVE_ISSUERS.discard(late)
    keys = late.keys
    with trust(issuer):
        LIVE_ISSUERS.add(late)
        assert accepts(guard, issuer.token())
    assert late.keys is keys
    assert not accepts(guard, issuer.token())


# Opaque tokens


CLIENT = {"introspection_client_id": "api", "introspection_client_secret": "hush"}


def test_guards_ask_the_issuer_about_opaque_tokens(issuer):
    """Those that are there, and those that are made meanwhile; afterwards nothing is left of it."""
    nowhere = {"introspection_uri": "http://127.0.0.1:1/ask", **CLIENT}
    before = Guard(issuer=issuer.url, audience=issuer.audience, clock=issuer.clock, **nowhere)
    with trust(issuer):
        inside = Guard(issuer=issuer.url, audience=issuer.audience, clock=issuer.clock, **nowhere)
        without = Guard(issuer=issuer.url, audience=issuer.audience, clock=issuer.clock)
        raw = issuer.opaque_token("read")
        assert [guard.verify(raw).scopes for guard in (before, inside)] == [{"read"}] * 2
        with pytest.raises(RejectedError, match="token_malformed"):
            without.verify(raw)

    for guard in (before, inside):
        with pytest.raises(UnavailableError):
            guard.verify(raw)
    with pytest.raises(RejectedError, match="token_malformed"):
        without.verify(raw)

"""Behind every adapter a known token is what a new one is, and costs one signature check."""

import pytest

from bearerguard.core.signature import REGISTRY
from bearerguard.testing import SigningKey


@pytest.fixture
def guard_of(issuer, contract):
    """A guard with a cache of this size, whatever the default of this run is."""

    def made(adapter, most=100, **settings):
        public = contract.public_paths(adapter, contract.Plan(), contract.PUBLIC)
        return issuer.guard(public=public, token_cache=most, **settings)

    return made


@pytest.fixture
def checks(monkeypatch):
    """How many signatures were checked so far."""
    seen = []
    real = REGISTRY["RS256"]

    class Spy:
        sign = real.sign

        def verify(self, *arguments):
            seen.append(arguments)
            return real.verify(*arguments)

    monkeypatch.setitem(REGISTRY, "RS256", Spy())
    return lambda: len(seen)


def test_a_token_is_verified_once_for_all_requests(make, adapter, guard_of, issuer, checks):
    api, token = make(guard=guard_of(adapter)), issuer.token("read")
    for method, path, status in (
        ("GET", "/read", 200),
        ("GET", "/any-token", 200),
        ("GET", "/greeting", 200),
        ("GET", "/read", 200),
        ("POST", "/write", 403),
    ):
        assert api.call(method, path, token=token).status == status
    assert checks() == 1
    assert [token.scopes for _, token in api.ran] == [{"read"}] * 4


def test_with_the_cache_off_it_is_verified_each_time(make, adapter, guard_of, issuer, checks):
    api, token = make(guard=guard_of(adapter, most=0)), issuer.token("read")
    assert [api.call("GET", "/read", token=token).status for _ in range(3)] == [200] * 3
    assert checks() == 3


def test_adapters_of_one_guard_share_what_is_known(
    make, contract, adapter, guard_of, issuer, checks
):
    """As when an application is moved from one framework to another, part by part."""
    guard, token = guard_of("asgi"), issuer.token("read")
    guard.verify(token)
    assert make(guard=guard).call("GET", "/read", token=token).status == 200
    for other in contract.ADAPTERS:
        api = contract.make_api(other, contract.Plan(guard=guard))
        assert api.call("GET", "/read", token=token).status == 200
    assert checks() == 1


@pytest.mark.parametrize("most", [0, 100])
def test_a_refusal_reads_the_same_with_a_cache_and_without(
    make, adapter, guard_of, issuer, clock, most
):
    """Each request after one that was let in: its challenge and its body are those of old."""
    api = make(guard=guard_of(adapter, most=most, leeway=0, jwks_ttl="60s", jwks_stale_for=0))
    token = issuer.token("read")
    assert api.call("GET", "/read", token=token).status == 200
    lacking = api.call("POST", "/write", token=token)
    assert lacking.outcome == (403, "insufficient_scope")
    assert lacking.challenge["scope"] == "read write"
    flipped = token[:-9] + ("A" if token[-9] != "A" else "B") + token[-8:]
    assert api.call("GET", "/read", token=flipped).outcome == (401, "invalid_token")
    assert api.call("GET", "/read", token=token + "x" * 5000).outcome == (401, "invalid_token")
    clock.tick(60)
    issuer.is_down = True
    assert api.call("GET", "/read", token=token).status == 503
    issuer.is_down = False
    clock.tick(10)
    assert api.call("GET", "/read", token=token).status == 200
    clock.tick(230)
    expired = api.call("GET", "/read", token=token)
    assert expired.outcome == (401, "invalid_token")
    assert "expired" in expired.challenge["error_description"]


def test_a_withdrawn_key_ends_its_known_tokens(make, adapter, guard_of, issuer, clock):
    api = make(guard=guard_of(adapter, jwks_ttl="60s", jwks_stale_for=0))
    token = issuer.token("read")
    assert api.call("GET", "/read", token=token).status == 200
    issuer.keys = [SigningKey.generate("RS256", kid="key-1")]
    clock.tick(60)
    assert api.call("GET", "/read", token=token).outcome == (401, "invalid_token")


def test_a_view_that_changes_its_token_changes_it_for_itself(
    make, contract, adapter, guard_of, issuer
):
    api, raw = make(guard=guard_of(adapter)), issuer.token("read", list=[1])
    for _ in range(3):
        assert api.call("GET", "/read", token=raw).status == 200
        assert api.call("POST", "/write", token=raw).status == 403
        _, token = api.ran[-1]
        assert (token.subject, token.claims["list"]) == ("user-1", [1])
        object.__setattr__(token, "scopes", frozenset({"read", "write"}))
        vars(token).update(subject="admin", payload=b'{"list":[2]}')
    assert len({id(token) for _, token in api.ran}) == 3


@pytest.mark.parametrize(
    "raw", ["é", "\udce9", "\x00", "..", "x" * 4096, "x" * 4097, "x" * 16_384, "a.b.c" * 3000]
)
def test_whatever_is_sent_as_a_token_is_a_refusal(make, adapter, guard_of, raw):
    """Never an error of ours, the second time neither."""
    answers = []
    for most in (0, 100):
        api = make(guard=guard_of(adapter, most=most))
        field = (
            "Authorization",
            f"Bearer {raw}".encode("utf-8", "surrogateescape").decode("latin-1"),
        )
        answers += [api.call("GET", "/read", field) for _ in range(2)]
    assert {answer.status for answer in answers} <= {400, 401}
    assert len({(answer.status, answer.body) for answer in answers}) == 1

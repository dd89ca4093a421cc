"""Tokens that a guard has verified before: one signature check each, and no decision less."""

import asyncio
import gc
import json
import threading
import time
import types
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
import trio

import bearerguard
from bearerguard import Guard, RejectedError, UnavailableError, role, scope
from bearerguard.core.access import Access
from bearerguard.core.access_token import AccessToken, copy_of
from bearerguard.core.request import RequestView
from bearerguard.core.signature import REGISTRY
from bearerguard.testing import Issuer, SigningKey, trust

PATIENCE_S = 20.0
NAME, AUDIENCE = "https://issuer.example", "https://api.example"


@pytest.fixture
def guard(issuer):
    """With a cache, whatever the default of this run is."""
    return issuer.guard(token_cache=100)


@pytest.fixture
def checks(monkeypatch):
    """The algorithms of the signatures that were checked since the last look."""
    seen = []

    class Spy:
        def __init__(self, alg, real):
            self.alg, self.real = alg, real

        def verify(self, *arguments):
            seen.append(self.alg)
            return self.real.verify(*arguments)

        def sign(self, *arguments):
            return self.real.sign(*arguments)

    for alg, real in list(REGISTRY.items()):
        monkeypatch.setitem(REGISTRY, alg, Spy(alg, real))

    def take():
        taken = seen[:]
        seen.clear()
        return taken

    return take


def reason_of(guard, raw):
    """Say why a token is refused, or None."""
    try:
        guard.verify(raw)
    except (RejectedError, UnavailableError) as refusal:
        return refusal.reason
    return None


def join_fetches():
    """Wait until no fetch is under way; one that is just starting cannot be joined yet."""
    ends_at = time.monotonic() + PATIENCE_S
    while any(thread.name.startswith("bearerguard-fetch-") for thread in threading.enumerate()):
        assert time.monotonic() < ends_at, "a fetch never ended"
        time.sleep(0.0005)


def request(raw):
    return RequestView("GET", "/", None, [("authorization", f"Bearer {raw}")])


# Seen before


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA", "ML-DSA-44"])
def test_a_token_seen_before_is_not_verified_again(clock, keys, checks, alg):
    issuer = Issuer(key=keys(alg), clock=clock)
    guard, raw = issuer.guard(token_cache=100), issuer.token("a")
    first = guard.verify(raw)
    assert checks() == [alg]
    for _ in range(3):
        assert guard.verify(raw) == first
    assert checks() == []


def test_the_ways_to_ask_share_what_is_known(issuer, guard, checks):
    """A thread, a task of whichever loop, a request: each knows what another one verified."""
    raw, view = issuer.token(), request
    asyncio.run(guard.averify(raw))
    assert checks() == ["RS256"]
    trio.run(guard.averify, raw)
    asyncio.run(guard.aadmit(view(raw), Access()))
    guard.admit(view(raw), Access())
    guard.verify(raw)
    thread = threading.Thread(target=guard.verify, args=(raw,))
    thread.start()
    thread.join(PATIENCE_S)
    assert checks() == []


def test_guards_share_nothing(issuer, guard, checks):
    """Each has rules of its own."""
    raw, other = issuer.token(), issuer.guard(audience="https://other.example", token_cache=100)
    guard.verify(raw)
    assert reason_of(other, raw) == "audience_mismatch"


def test_what_is_given_for_a_known_token_is_the_same_in_every_part(issuer, guard):
    raw = issuer.token("a b", roles=["r"], amr=["pwd"], acr="1", auth_time=5, x={"y": [1]})
    first, second = guard.verify(raw), guard.verify(raw)
    assert vars(first) == vars(second)
    assert first.claims == second.claims
    assert hash(first) == hash(second)
    assert repr(first) == repr(second)


@pytest.mark.parametrize("most", [0, 100])
def test_without_a_cache_each_token_is_verified_each_time(issuer, checks, most):
    guard, raw = issuer.guard(token_cache=most), issuer.token()
    for _ in range(3):
        guard.verify(raw)
    assert len(checks()) == (1 if most else 3)


def test_by_default_4096_tokens_are_kept():
    assert bearerguard.Guard(issuer=NAME, audience=AUDIENCE).settings.token_cache == 4096


@pytest.mark.parametrize("value", [-1, 1_000_001, "x", 1.5])
def test_the_number_of_tokens_has_its_bounds(value):
    with pytest.raises(bearerguard.ConfigurationError, match="token_cache"):
        Guard(issuer=NAME, audience=AUDIENCE, token_cache=value)


# Which token it is


def test_two_tokens_with_the_same_claims_are_two_tokens(clock, keys, checks):
    """An ECDSA signature is another one each time."""
    issuer = Issuer(key=keys("ES256"), clock=clock)
    guard = issuer.guard(token_cache=100)
    one, other = (issuer.token(jti="same") for _ in range(2))
    assert one != other
    assert guard.verify(one) == guard.verify(other)
    assert checks() == ["ES256", "ES256"]


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_known_token_with_one_bit_changed_is_refused(clock, keys, alg, part):
    """In whichever part, at whichever place: what is known is known of the whole token."""
    issuer = Issuer(key=keys(alg), clock=clock)
    guard, raw = issuer.guard(token_cache=100), issuer.token()
    guard.verify(raw)
    parts = raw.split(".")
    for place in range(0, len(parts[part]), 7):
        for bit in range(7):
            octets = bytearray(parts[part].encode())
            octets[place] ^= 1 << bit
            changed = [*parts[:part], octets.decode(), *parts[part + 1 :]]
            assert reason_of(guard, ".".join(changed)) is not None
    assert reason_of(guard, raw) is None


def test_a_refused_token_is_not_kept(issuer, guard, checks, clock):
    """Neither as good nor as bad: it is judged anew each time."""
    stranger = SigningKey.generate("RS256", kid="key-1")
    forged, unfit = issuer.token(key=stranger), issuer.token(cnf={})
    early = issuer.token(nbf=int(clock()) + 100)
    for raw, reason in ((forged, "signature_invalid"), (unfit, "token_bound")):
        assert [reason_of(guard, raw) for _ in range(2)] == [reason, reason]
        assert checks() == ["RS256", "RS256"]
    assert reason_of(guard, early) == "not_yet_valid"
    clock.tick(100)
    assert reason_of(guard, early) is None


HOSTILE = ["", "é", "\ud800", "a\ud800.b.c", "\x00", " ", "..", "....", "x" * 4096, "x" * 4097,
           "é" * 4097, "x" * 100_000, ".".join("abc") * 2000, None, 5, b"a.b.c", [], {}, object()]  # fmt: skip


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw)[:20])
def test_what_is_no_token_is_refused_alike_with_a_cache_and_without(issuer, raw):
    """Never an error of ours, and for the same reason with the same facts."""
    seen = []
    for most in (0, 100):
        guard = issuer.guard(token_cache=most)
        for _ in range(2):
            with pytest.raises(RejectedError) as refusal:
                guard.verify(raw)
            error = refusal.value
            seen.append((error.status, error.reason, repr(error.expected), repr(error.found)))
    assert len(set(seen)) == 1
    assert seen[0][0] == 401


def test_a_token_of_more_than_4096_characters_is_not_kept(issuer, guard, checks):
    short, long = issuer.token(x="x" * 2000), issuer.token(x="x" * 3000)
    assert len(short) < 4096 < len(long)
    for raw, times in ((short, 1), (long, 2)):
        assert [reason_of(guard, raw) for _ in range(2)] == [None, None]
        assert len(checks()) == times


def test_the_least_recently_used_token_gives_way(issuer, checks):
    guard = issuer.guard(token_cache=2)
    one, two, three = (issuer.token() for _ in range(3))
    for raw in (one, two, one, three):
        guard.verify(raw)
    checks()
    for raw, times in ((one, 0), (three, 0), (two, 1)):
        guard.verify(raw)
        assert len(checks()) == times


# What it is looked at for each time


def test_what_a_route_needs_is_asked_of_a_known_token_too(issuer, guard, checks):
    raw = issuer.token("read", roles=["r"])
    guard.admit(request(raw), Access(need=scope("read")))
    for need in (scope("write"), role("admin"), scope("read") & role("x")):
        with pytest.raises(RejectedError) as refusal:
            guard.admit(request(raw), Access(need=need))
        assert refusal.value.status == 403
    with pytest.raises(RejectedError) as refusal:
        guard.admit(request(raw), Access(unruled=True))
    assert refusal.value.reason == "no_rule_for_path"
    assert guard.admit(request(raw), Access(need=role("r"))).subject == "user-1"
    assert checks() == ["RS256"]


def test_a_token_without_the_scopes_that_every_route_needs_is_never_known(issuer, checks):
    guard, raw = issuer.guard(required_scopes="a", token_cache=100), issuer.token("b")
    assert [reason_of(guard, raw) for _ in range(3)] == ["scope_insufficient"] * 3
    assert len(checks()) == 3


@pytest.mark.parametrize(
    ("claims", "rules", "wait_s", "reason"),
    [
        ({"exp": 1_800_000_010}, {"leeway": "5s"}, 15, "expired"),
        ({}, {"leeway": 0, "max_token_age": "60s"}, 60, "too_old"),
        ({"nbf": 1_800_000_000}, {"leeway": 0}, -0.5, "not_yet_valid"),
        ({"nbf": 1_799_999_000}, {"leeway": 0}, -0.5, "issued_in_the_future"),
    ],
)
def test_a_known_token_ends_with_its_time(issuer, clock, claims, rules, wait_s, reason):
    guard, raw = issuer.guard(token_cache=9, **rules), issuer.token(**claims)
    guard.verify(raw)
    clock.tick(wait_s)
    assert reason == reason_of(guard, raw)
    clock.tick(-wait_s)
    assert reason_of(guard, raw) is None


# Its key


@pytest.fixture
def no_jitter(monkeypatch):
    """Let the times of keys be exactly what the settings say."""
    monkeypatch.setattr(
        "bearerguard.issuers.SystemRandom", lambda: SimpleNamespace(random=lambda: 0.0)
    )


@pytest.fixture
def keys_of_a_minute(issuer, no_jitter):
    """A guard whose keys are fresh for a minute."""
    return issuer.guard(token_cache=100, jwks_ttl="60s", jwks_stale_for="100s")


def published(issuer, **members):
    """Publish the present key with other members; None takes one out."""
    jwk = {n: v for n, v in ({**issuer.key.jwk} | members).items() if v is not None}
    issuer.keys = [replace(issuer.key, jwk=jwk)]


CHANGES = {
    "removed": (lambda issuer: issuer.rotate("ES256", keep=False), "key_unknown"),
    "replaced under the same id": (
        lambda issuer: setattr(issuer, "keys", [SigningKey.generate("RS256", kid="key-1")]),
        "signature_invalid",
    ),
    "narrowed to another algorithm": (
        lambda issuer: published(issuer, alg="PS256"),
        "key_unsuitable",
    ),
    "under another id": (lambda issuer: published(issuer, kid="key-2"), "key_unknown"),
    "no longer for signatures": (
        lambda issuer: (issuer.rotate("ES256"), broken(issuer, use="enc")),
        "key_unknown",
    ),
}


def broken(issuer, **members):
    issuer.keys[0] = replace(issuer.keys[0], jwk={**issuer.keys[0].jwk, **members})


@pytest.mark.parametrize("change", CHANGES)
def test_a_known_token_ends_with_its_key(issuer, keys_of_a_minute, clock, change):
    """At once when the new set is there, which is when a new token of that key would end."""
    guard, raw = keys_of_a_minute, issuer.token()
    guard.verify(raw)
    make, reason = CHANGES[change]
    make(issuer)
    assert reason_of(guard, raw) is None  # nobody has told us yet
    clock.tick(60)
    assert reason == reason_of(guard, raw)


def test_a_known_token_outlives_a_rotation_that_keeps_its_key(
    issuer, keys_of_a_minute, clock, checks
):
    guard, raw = keys_of_a_minute, issuer.token()
    guard.verify(raw)
    issuer.rotate("ES256")
    clock.tick(60)
    guard.verify(raw)
    assert len(guard.status()[NAME]["key_ids"]) == 2
    issuer.keys.reverse()
    clock.tick(60)
    guard.verify(raw)
    assert checks() == ["RS256"]


def test_a_known_token_outlives_a_fetch_that_brings_the_same_keys(
    issuer, keys_of_a_minute, clock, checks
):
    guard, raw = keys_of_a_minute, issuer.token()
    for _ in range(3):
        guard.verify(raw)
        clock.tick(60)
    assert len(issuer.requests) == 4  # the metadata, and the keys three times
    assert checks() == ["RS256"]


@pytest.mark.parametrize("is_known", [False, True])
def test_each_state_of_the_keys_means_the_same_for_a_known_token(
    issuer, clock, no_jitter, is_known
):
    """Fresh, refresh due, stale, expired: the same fetches, and the same answers."""
    guard = issuer.guard(
        token_cache=100 if is_known else 0, jwks_ttl="60s", jwks_stale_for="100s", leeway=0
    )
    raw = issuer.token(exp=int(clock()) + 5000)
    asked, answers = [], []

    def ask(wait_s):
        clock.tick(wait_s)
        answers.append(reason_of(guard, raw))
        join_fetches()
        asked.append(issuer.requests.count(issuer.jwks_uri))
        issuer.requests.clear()

    for wait_s in (0, 40, 8, 0, 60):  # cold, fresh, refresh due, fresh again, stale
        ask(wait_s)
    issuer.is_down = True
    for wait_s in (60, 0, 99, 1):  # stale: a try, then none so soon; the last second; expired
        ask(wait_s)
    issuer.is_down = False
    ask(600)
    down = "issuer_unavailable"
    assert answers == [None] * 8 + [down, None]
    assert asked[:5] == [1, 0, 1, 0, 1]
    assert asked[5:7] == [1, 0]
    assert asked[9] == 1


def test_a_hit_begins_the_refresh_behind_itself(issuer, keys_of_a_minute, clock, checks):
    """From 80 % of the time to live on, without waiting."""
    guard, raw = keys_of_a_minute, issuer.token()
    guard.verify(raw)
    issuer.requests.clear()
    clock.tick(47)
    guard.verify(raw)
    join_fetches()
    assert issuer.requests == []
    clock.tick(1)
    guard.verify(raw)
    join_fetches()
    assert issuer.requests == [issuer.jwks_uri]
    assert checks() == ["RS256"]


def test_a_known_token_without_a_kid_ends_with_its_key(issuer, keys_of_a_minute, clock):
    guard, raw = keys_of_a_minute, issuer.token(header={"kid": None})
    guard.verify(raw)
    issuer.rotate("RS256")
    clock.tick(60)
    assert reason_of(guard, raw) is None
    issuer.keys.pop(0)
    clock.tick(60)
    assert reason_of(guard, raw) == "signature_invalid"


def test_a_key_in_a_file_ends_its_tokens_when_it_is_gone(issuer, clock, tmp_path, checks):
    file, raw = tmp_path / "keys.json", issuer.token()

    def write():
        (tmp_path / "new").write_text(json.dumps(issuer.jwks()))
        (tmp_path / "new").replace(file)
        clock.tick(2)

    write()
    guard = Guard(issuer=NAME, audience=AUDIENCE, jwks_file=str(file), clock=clock, token_cache=9)
    guard.verify(raw)
    issuer.rotate("ES256")
    write()
    guard.verify(raw)
    assert checks() == ["RS256"]
    issuer.keys.pop(0)
    write()
    assert reason_of(guard, raw) == "key_unknown"


def test_a_token_signed_with_a_secret_is_known_too(clock, checks):
    secret = "a secret of more than thirty-two bytes"
    guard = Guard(issuer=NAME, audience=AUDIENCE, secret=secret, clock=clock, token_cache=9)
    key = SigningKey("HS256", secret.encode(), {"kid": "x"})
    issuer = Issuer(NAME, key=key, clock=clock)
    raw = issuer.token()
    assert [reason_of(guard, raw) for _ in range(3)] == [None] * 3
    assert checks() == ["HS256"]


def test_trust_in_tests_holds_for_known_tokens_too(issuer, guard, clock):
    """Whose keys count changes at both ends of the block."""
    other = Issuer(clock=clock, alg="ES256")
    mine, theirs = issuer.token(), other.token()
    guard.verify(mine)
    with trust(other):
        assert reason_of(guard, mine) == "key_unknown"
        assert reason_of(guard, theirs) is None
        assert reason_of(guard, theirs) is None
    assert reason_of(guard, mine) is None
    assert reason_of(guard, theirs) == "key_unknown"


# Its issuer


def test_with_several_issuers_each_token_is_known_as_its_own(clock, keys, checks):
    """The very same key id and key: still a token of one is none of the other."""
    one, two = (Issuer(f"https://{x}.example", key=keys("ES256"), clock=clock) for x in "ab")

    def fetch(url, **limits):
        return next(i for i in (one, two) if url.startswith(i.url)).fetch(url, **limits)

    guard = Guard(
        issuer=[one.url, two.url],
        audience=AUDIENCE,
        fetcher=SimpleNamespace(fetch=fetch),
        clock=clock,
        token_cache=9,
        jwks_ttl="60s",
        jwks_stale_for=0,
    )
    raws = {issuer.url: issuer.token() for issuer in (one, two)}
    for _ in range(2):
        assert [guard.verify(raw).issuer for raw in raws.values()] == [*raws]
    assert checks() == ["ES256", "ES256"]
    one.is_down = True
    clock.tick(60)
    assert [reason_of(guard, raw) for raw in raws.values()] == ["issuer_unavailable", None]
    assert checks() == []


def known_as(name, **settings):
    return bearerguard.Issuer(name, **({"audience": AUDIENCE} | settings))


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        ({"audience": "https://other.example"}, "audience_mismatch"),
        ({"algorithms": "ES256"}, "algorithm_not_allowed"),
        ({"max_token_age": "1s"}, "too_old"),
        ({"scopes_allowed": "write"}, None),
        (None, "issuer_mismatch"),
    ],
    ids=str,
)
def test_an_issuer_that_is_resolved_anew_brings_its_new_rules(issuer, clock, later, reason):
    """What its tokens were known by went with it."""
    answers = [{}, later]

    def resolve(name):
        settings = answers.pop(0)
        return None if settings is None else known_as(name, **settings)

    guard = Guard(
        resolve_issuer=resolve,
        issuers_allowed=[NAME],
        fetcher=issuer,
        clock=clock,
        token_cache=9,
        leeway=0,
    )
    raw = issuer.token("read", iat=int(clock()) - 10)
    assert guard.verify(raw).scopes == guard.verify(raw).scopes == {"read"}
    put_out(guard, NAME)
    assert reason == reason_of(guard, raw)
    if later == {"scopes_allowed": "write"}:
        assert guard.verify(raw).scopes == frozenset()


def put_out(guard, name):
    """As happens to the one of a thousand issuers that was of no use for the longest time."""
    del guard.issuers._resolver._issuers._by_name[name]


def test_a_known_token_keeps_its_resolved_issuer_in_use(issuer, clock):
    """Else the busiest customer, all of whose tokens are known, would be the first to go."""
    guard = Guard(
        resolve_issuer=lambda name: bearerguard.Issuer(name, audience=AUDIENCE),
        issuers_allowed=[NAME],
        fetcher=issuer,
        clock=clock,
        token_cache=9,
    )
    raw = issuer.token(exp=int(clock()) + 5000)
    for _ in range(3):
        clock.tick(100)
        guard.verify(raw)
        assert guard.issuers.all()[0].verified_at == clock()


# What others could do to it


def test_what_a_handler_does_to_its_token_changes_nothing_for_the_next(issuer, guard):
    raw = issuer.token("read", roles=["r"], list=[1], object={"a": 1})
    for _ in range(3):
        token = guard.verify(raw)
        assert (token.subject, token.scopes, token.roles) == ("user-1", {"read"}, {"r"})
        assert (token.claims["list"], token.claims["object"]) == ([1], {"a": 1})
        token.claims["sub"] = "admin"
        token.claims["list"].append(2)
        token.claims["object"]["a"] = 2
        object.__setattr__(token, "scopes", frozenset({"admin"}))
        object.__setattr__(token, "payload", b'{"sub":"admin"}')
        vars(token).update(subject="admin", roles=frozenset({"admin"}))
        vars(token)["extra"] = 1
        del vars(token)["issuer"]
    assert vars(guard.verify(raw)).keys() == {spec.name for spec in fields(AccessToken)}


def test_everything_that_two_handlers_share_is_immutable(issuer, guard):
    raw = issuer.token("read", roles=["r"], amr=["pwd"], acr="1", auth_time=5)
    one, other = guard.verify(raw), guard.verify(raw)
    assert one is not other
    assert vars(one) is not vars(other)
    for value in vars(one).values():
        assert isinstance(value, str | int | float | tuple | frozenset | bytes | None)
        for item in value if isinstance(value, tuple | frozenset) else ():
            assert isinstance(item, str)


def test_a_copy_is_a_token_like_any_other(issuer, guard):
    token = guard.verify(issuer.token("a"))
    twin = copy_of(token)
    assert twin == token
    assert twin is not token
    assert replace(twin, subject="x").subject == "x"
    assert twin.claims == token.claims


def reachable(*roots):
    """Everything that these objects keep alive, code and modules aside."""
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    seen, waiting = {}, list(roots)
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and not isinstance(thing, code):
            seen[id(thing)] = thing
            waiting += gc.get_referents(thing)
    return list(seen.values())


@pytest.mark.requirement("9700-4.9.3-1")
def test_neither_the_token_nor_its_signature_is_kept(issuer, guard):
    """RFC 9700 section 4.9.3: who could read the memory of a known token cannot use it.

    What is kept cannot be put together to the token again: the signature is in no form among it.
    """
    raws = [issuer.token("read", n=number) for number in range(5)]
    for raw in raws * 2:
        guard.verify(raw)
    things = reachable(guard._verified)
    texts = [thing for thing in things if isinstance(thing, str | bytes | bytearray)]
    octets = [text.encode() if isinstance(text, str) else bytes(text) for text in texts]
    assert sum(b'"n": ' in text for text in octets) == 5  # the search finds what is there
    for raw in raws:
        _, payload, signature = raw.split(".")
        for part in (raw, payload, signature, signature[:40]):
            assert not any(part.encode() in text for text in octets)
        decoded = bearerguard.core.encoding.base64url_decode(signature.encode())
        assert not any(decoded in text for text in octets)
    numbers = [thing for thing in things if isinstance(thing, int)]
    assert all(number.bit_length() < 1024 for number in numbers if number.bit_length() != 2048)


def test_sixteen_threads_agree_about_fifty_tokens_while_keys_rotate(clock):
    """Each token is good as long as its key is published, and each thread gets its own subject."""
    issuer = Issuer(alg="ES256", clock=clock)
    guard = issuer.guard(token_cache=30, jwks_ttl="1s", jwks_stale_for="1h")
    lasting = issuer.key
    raws = {f"user-{n}": issuer.token(sub=f"user-{n}", exp=int(clock()) + 9999) for n in range(50)}
    wrong, done, start, stop = [], [], threading.Barrier(17), threading.Event()

    def hammer(seed):
        start.wait(PATIENCE_S)
        for step in range(150):
            subject = f"user-{(step * seed) % 50}"
            reason = reason_of(guard, raws[subject])
            if reason is not None or guard.verify(raws[subject]).subject != subject:
                wrong.append((subject, reason))
        done.append(seed)

    def rotate():
        start.wait(PATIENCE_S)
        for _ in range(100):
            issuer.keys = [lasting, SigningKey.generate("ES256")]
            clock.tick(1)
            join_fetches()  # so that simulated time never overtakes a real fetch
            if stop.wait(0.002):
                return

    hammering = [threading.Thread(target=hammer, args=(n,), daemon=True) for n in range(1, 17)]
    rotating = threading.Thread(target=rotate, daemon=True)
    for thread in (*hammering, rotating):
        thread.start()
    ends_at = time.monotonic() + PATIENCE_S
    for thread in hammering:
        thread.join(max(0.0, ends_at - time.monotonic()))
        assert not thread.is_alive()
    stop.set()
    rotating.join(PATIENCE_S)
    join_fetches()
    assert wrong == []
    assert len(done) == 16
    issuer.keys = [SigningKey.generate("ES256")]
    clock.tick(2)
    outcomes = {reason_of(guard, raw) for raw in raws.values()}
    join_fetches()
    assert outcomes <= {"key_unknown", None}
    clock.tick(60)
    assert {reason_of(guard, raw) for raw in raws.values()} == {"key_unknown"}


def test_what_came_of_a_check_before_a_withdrawal_is_void_after_it(
    issuer, keys_of_a_minute, clock, monkeypatch
):
    """A slow check may end after the key is gone: what it leaves behind opens nothing."""
    guard, raw = keys_of_a_minute, issuer.token()
    real = REGISTRY["RS256"]

    class Slow:
        def verify(self, *arguments):
            issuer.rotate("ES256", keep=False)
            clock.tick(60)
            reason_of(guard, issuer.token())  # somebody else gets the new keys meanwhile
            return real.verify(*arguments)

        sign = real.sign

    monkeypatch.setitem(REGISTRY, "RS256", Slow())
    assert reason_of(guard, raw) is None
    monkeypatch.setitem(REGISTRY, "RS256", real)
    assert reason_of(guard, raw) == "key_unknown"

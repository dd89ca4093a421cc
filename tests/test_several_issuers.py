"""Several issuers of one guard do not touch each other (design.md section 4, promise 9).

Two of them publish different keys under one key id. Whatever happens to one, by its own fault or by
the tokens of strangers, is nothing to the other.
"""

import asyncio
import hashlib
import hmac
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio

import bearerguard
from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard.jwks.budget import INTERVAL_S
from bearerguard.jwks.fetch import FetchError
from bearerguard.resolved import MOST_ISSUERS, MOST_NEW, NEW_WITHIN_S
from bearerguard.testing import Issuer, SigningKey
from bearerguard.wsgi import BearerAuthMiddleware

PATIENCE_S = 20.0
A, B = "https://a.example", "https://b.example"
AUDIENCE = "https://api.example"
TEMPLATE = "https://{tenant}.tenants.example"
RUNS = {"asyncio": lambda function: asyncio.run(function()), "trio": trio.run}


class Network:
    """Every issuer of a test, as the one Fetcher of a guard; ``asked`` has every URL in order."""

    def __init__(self, *issuers):
        self.issuers = list(issuers)
        self.asked = []
        self.held = set()
        self.gate = threading.Event()

    def fetch(self, url, **limits):
        self.asked.append(url)
        for issuer in self.issuers:
            if url.startswith(issuer.url + "/"):
                if issuer.url in self.held:
                    assert self.gate.wait(PATIENCE_S), "nobody let this fetch go on"
                return issuer.fetch(url, **limits)
        raise FetchError(f"{url}: nobody is there")

    def asked_of(self, issuer):
        return [url for url in self.asked if url == issuer.jwks_uri]


@pytest.fixture(scope="module")
def one_kid():
    """A key for each algorithm, and two of RS256, all with the same key id."""
    return {
        name: SigningKey.generate(name[:5], kid="same") for name in ("RS256", "RS256 too", "ES256")
    }


@pytest.fixture
def issuer_a(clock, one_kid):
    return Issuer(A, key=one_kid["RS256"], clock=clock)


@pytest.fixture
def issuer_b(clock, one_kid):
    return Issuer(B, key=one_kid["RS256 too"], clock=clock)


@pytest.fixture
def network(issuer_a, issuer_b):
    network = Network(issuer_a, issuer_b)
    yield network
    network.gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("bearerguard-"):
            thread.join(PATIENCE_S)


@pytest.fixture
def make(network, clock):
    def made(*issuers, **arguments):
        named = [bearerguard.Issuer(A), bearerguard.Issuer(B)] if not issuers else list(issuers)
        return Guard(issuers=named, audience=AUDIENCE, fetcher=network, clock=clock, **arguments)

    return made


@pytest.fixture
def guard(make):
    return make()


@pytest.fixture(params=["thread", *RUNS])
def verify(request):
    """Verify a token in a thread, or in a task of asyncio or of trio."""
    run = RUNS.get(request.param)
    if run is None:
        return lambda guard, raw: guard.verify(raw)
    return lambda guard, raw: run(lambda: guard.averify(raw))


def outcome(guard, raw, verify=Guard.verify):
    """The issuer of a good token, else the reason why it is none."""
    try:
        return verify(guard, raw).issuer
    except (RejectedError, UnavailableError) as refusal:
        return refusal.reason


def call(app, raw):
    """Send a request through the WSGI middleware; give the status and the body."""
    status = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/orders",
        "HTTP_AUTHORIZATION": f"Bearer {raw}",
    }
    body = b"".join(app(environ, lambda line, _: status.append(int(line[:3]))))
    return status[0], json.loads(body)


def api(guard):
    """An application behind the guard that answers with the name of the caller."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [json.dumps({"for": environ["REMOTE_USER"]}).encode()]

    return BearerAuthMiddleware(app, guard=guard)


INVALID = (401, "invalid_token")


def answer(guard, raw):
    status, body = call(api(guard), raw)
    return status, body.get("error")


# Three ways to say who they are

TOML = f"""
audience = "{AUDIENCE}"
[[issuer]]
issuer = "{A}"
[[issuer]]
issuer = "{B}"
"""


@pytest.mark.parametrize("way", ["list", "text", "environment", "code", "file", "file by name"])
def test_however_they_are_configured_both_are_taken_and_nobody_else(
    way, network, clock, issuer_a, issuer_b, tmp_path, verify
):
    file = tmp_path / "config.toml"
    file.write_text(TOML)
    environ = {
        "environment": {"BEARERGUARD_ISSUER": f"{A}, {B}", "BEARERGUARD_AUDIENCE": AUDIENCE},
        "file": {"BEARERGUARD_CONFIG": str(file)},
    }.get(way, {})
    arguments = {
        "list": {"issuer": [A, B], "audience": AUDIENCE},
        "text": {"issuer": f"{A},{B}", "audience": AUDIENCE},
        "code": {
            "issuers": [bearerguard.Issuer(A), bearerguard.Issuer(B)],
            "audience": AUDIENCE,
        },
        "file by name": {"config": str(file)},
    }.get(way, {})
    guard = Guard.from_env(environ=environ, fetcher=network, clock=clock, **arguments)

    assert outcome(guard, issuer_a.token(), verify) == A
    assert outcome(guard, issuer_b.token(), verify) == B
    assert outcome(guard, issuer_a.token(iss="https://c.example"), verify) == "issuer_mismatch"
    assert sorted(guard.status()) == [A, B]


def test_each_issuer_has_the_settings_of_its_own_table(
    network, clock, issuer_a, issuer_b, tmp_path
):
    """An audience of A's is none of B's."""
    file = tmp_path / "config.toml"
    file.write_text(
        f'[[issuer]]\nissuer = "{A}"\naudience = "for-a"\n'
        f'[[issuer]]\nissuer = "{B}"\naudience = "for-b"\n'
    )
    guard = Guard.from_env(environ={}, config=str(file), fetcher=network, clock=clock)
    assert outcome(guard, issuer_a.token(aud="for-a")) == A
    assert outcome(guard, issuer_a.token(aud="for-b")) == "audience_mismatch"
    assert outcome(guard, issuer_b.token(aud="for-b")) == B
    assert outcome(guard, issuer_b.token(aud="for-a")) == "audience_mismatch"


# Keys and algorithms


@pytest.mark.requirement("8725-3.8-1", "JWKS-5")
def test_a_token_signed_by_another_issuers_key_is_refused(guard, issuer_a, issuer_b, verify):
    """RFC 8725 section 3.8; both sets are there, and the key id is in both."""
    assert outcome(guard, issuer_a.token(), verify) == A
    assert outcome(guard, issuer_b.token(), verify) == B
    for victim, attacker in ((issuer_a, issuer_b), (issuer_b, issuer_a)):
        forged = attacker.token(iss=victim.url)
        assert outcome(guard, forged, verify) == "signature_invalid"
        assert answer(guard, forged) == INVALID


@pytest.mark.requirement("8725-3.8-1", "JWKS-5")
def test_without_a_key_id_only_the_keys_of_the_tokens_own_issuer_are_tried(
    guard, issuer_a, issuer_b, verify
):
    assert outcome(guard, issuer_b.token(), verify) == B
    for name, expected in ((A, "signature_invalid"), (B, B)):
        token = issuer_b.token(iss=name, header={"kid": None})
        assert outcome(guard, token, verify) == expected


@pytest.mark.requirement("8725-3.8-1", "JWKS-5")
def test_a_key_id_of_one_issuer_is_unknown_in_the_other(guard, issuer_a, issuer_b, network):
    issuer_b.keys = [SigningKey.generate("RS256", kid="only-b")]
    assert outcome(guard, issuer_b.token()) == B
    asked = len(network.asked_of(issuer_b))
    assert outcome(guard, issuer_b.token(iss=A)) == "key_unknown"
    assert network.asked_of(issuer_a), "it was looked for where it would have to be"
    assert len(network.asked_of(issuer_b)) == asked


@pytest.mark.requirement("8725-3.1-4")
def test_an_algorithm_of_one_issuer_is_not_one_of_another(
    make, issuer_a, issuer_b, one_kid, verify
):
    """RFC 8725 section 3.1: A signs with ES256 and B with RS256, though both publish both keys."""
    issuer_a.keys = [one_kid["ES256"], SigningKey.generate("RS256", kid="rsa")]
    issuer_b.keys = [one_kid["RS256"], SigningKey.generate("ES256", kid="ec")]
    guard = make(
        bearerguard.Issuer(A, algorithms="ES256"), bearerguard.Issuer(B, algorithms=["RS256"])
    )
    for issuer in (issuer_a, issuer_b):
        allowed, other = issuer.keys
        assert outcome(guard, issuer.token(key=allowed), verify) == issuer.url
        assert outcome(guard, issuer.token(key=other), verify) == "algorithm_not_allowed"
        assert answer(guard, issuer.token(key=other)) == INVALID


def test_a_secret_of_one_issuer_is_no_key_of_another(make, network, issuer_b):
    """Nor is HMAC an algorithm of the other one."""
    secret = "a secret of more than thirty-two bytes"
    guard = make(bearerguard.Issuer(A, secret=secret), bearerguard.Issuer(B))
    sharing = Issuer(A, key=_hmac_key(secret), clock=issuer_b.clock)
    assert outcome(guard, sharing.token()) == A
    assert outcome(guard, sharing.token(iss=B)) == "algorithm_not_allowed"
    assert network.asked == []
    assert outcome(guard, issuer_b.token()) == B


def _hmac_key(secret):
    class Hmac(SigningKey):
        def sign(self, message, alg=None):
            return hmac.new(secret.encode(), message, hashlib.sha256).digest()

    return Hmac("HS256", None, {"kid": "same"})


# Failures and budgets


@pytest.mark.requirement("JWKS-5")
def test_an_issuer_that_is_down_is_nothing_to_the_other(guard, issuer_a, issuer_b, verify):
    issuer_a.is_down = True
    assert outcome(guard, issuer_a.token(), verify) == "issuer_unavailable"
    assert answer(guard, issuer_a.token()) == (503, "temporarily_unavailable")
    assert outcome(guard, issuer_b.token(), verify) == B
    assert guard.status()[A]["state"] == "cold"
    assert guard.status()[B]["last_error"] is None


@pytest.mark.requirement("JWKS-5")
def test_an_issuer_that_hangs_delays_nobody_elses_tokens(guard, issuer_a, issuer_b, network):
    network.held.add(A)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(outcome, guard, issuer_a.token()) for _ in range(4)]
        assert outcome(guard, issuer_b.token()) == B
        assert not any(future.done() for future in waiting)
        network.gate.set()
        assert {future.result(PATIENCE_S) for future in waiting} == {A}
    assert len(network.asked_of(issuer_a)) == 1


@pytest.mark.requirement("JWKS-5")
def test_a_flood_of_unknown_keys_of_one_issuer_uses_up_no_budget_of_another(
    guard, issuer_a, issuer_b, network, clock
):
    """Promise 2: a budget for each issuer."""
    assert outcome(guard, issuer_b.token()) == B
    for number in range(200):
        made_up = issuer_a.token(header={"kid": f"made-up-{number}"})
        assert outcome(guard, made_up) == "key_unknown"
    fetches_of_a = len(network.asked_of(issuer_a))
    assert fetches_of_a == 2, "its own budget holds"

    issuer_b.rotate()
    assert outcome(guard, issuer_b.token()) == B, "a new key of B is taken at once"
    assert len(network.asked_of(issuer_b)) == 2

    clock.tick(INTERVAL_S)
    outcome(guard, issuer_a.token(header={"kid": "made-up"}))
    assert len(network.asked_of(issuer_a)) == fetches_of_a + 1


@pytest.mark.requirement("JWKS-5")
def test_a_key_id_that_one_issuer_lacks_is_not_missing_at_another(guard, issuer_a, issuer_b):
    new = issuer_b.rotate()
    assert outcome(guard, issuer_a.token(header={"kid": new.kid})) == "key_unknown"
    assert outcome(guard, issuer_b.token()) == B


@pytest.mark.requirement("JWKS-5")
def test_a_set_without_a_usable_key_harms_its_own_issuer_alone(guard, issuer_a, issuer_b):
    issuer_a.keys = []
    assert outcome(guard, issuer_a.token(key=issuer_b.key)) == "issuer_unavailable"
    assert outcome(guard, issuer_b.token()) == B


@pytest.mark.requirement("JWKS-5")
def test_the_states_of_two_issuers_follow_their_own_clocks(guard, issuer_a, issuer_b, clock):
    outcome(guard, issuer_a.token())
    clock.tick(400)
    outcome(guard, issuer_b.token())
    status = guard.status()
    assert [status[name]["state"] for name in (A, B)] == ["stale_ok", "fresh"]
    assert [status[name]["age_s"] for name in (A, B)] == [400, 0]


# Nobody's tokens

STRANGERS = [
    "https://c.example",
    f"{A}/",
    A.upper(),
    f" {A}",
    f"{A}#",
    f"{A}\x00",
    f"{A},{B}",
    f"{A}@c.example",
    A.removeprefix("https:"),
    A.replace("https", "http"),
    "",
    None,
    5,
    [A],
    {"iss": A},
    True,
    "https://a.b.tenants.example",
    "https://tenants.example",
    "https://.tenants.example",
    "https://x%2ey.tenants.example",
    "https://x.tenants.example/",
    "https://x.tenants.example.c.example",
    "https://" + "x" * 65 + ".tenants.example",
    "https://x.tenants.example\n",
    "https://\u0445.tenants.example",
]


@pytest.mark.parametrize("name", STRANGERS, ids=repr)
def test_a_token_of_an_unknown_issuer_reaches_nobody(make, network, issuer_a, name):
    """Promise 9: no network access and no question, whatever else the token says, in any form."""
    asked = []
    guard = make(
        resolve_issuer=lambda name: asked.append(name) or bearerguard.Issuer(name),
        issuers_allowed=[TEMPLATE],
    )
    url = "https://c.example/jwks.json"
    token = issuer_a.token(iss=name, header={"jku": url, "x5u": url, "kid": url})
    reasons = {"issuer_mismatch", "issuer_missing", "claims_malformed", "claim_malformed"}
    assert outcome(guard, token) in reasons
    assert outcome(guard, token, lambda g, raw: asyncio.run(g.averify(raw))) in reasons
    assert not guard.explain(token).accepted
    assert not asyncio.run(guard.aexplain(token)).accepted
    assert answer(guard, token) == INVALID
    assert (network.asked, asked) == ([], [])


def test_a_token_that_names_no_issuer_reaches_nobody(guard, network, issuer_a):
    assert outcome(guard, issuer_a.token(without=["iss"])) == "issuer_missing"
    assert network.asked == []


def test_who_is_refused_for_another_reason_first_reaches_nobody_either(guard, network, issuer_a):
    """What can be refused without any key is refused before one is fetched."""
    for claims in ({"exp": 1}, {"aud": "https://other.example"}, {"nbf": 2_000_000_000}):
        outcome(guard, issuer_a.token(**claims))
    assert network.asked == []


# Issuers that are resolved


class Tenants:
    """A resolve_issuer that knows what it was told; ``asked`` has every name it was asked about."""

    def __init__(self):
        self.asked = []
        self.known = {}
        self.error = None

    def add(self, name, **settings):
        self.known[name] = bearerguard.Issuer(name, **settings)

    def __call__(self, name):
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        return self.known.get(name)


@pytest.fixture
def tenants():
    return Tenants()


@pytest.fixture
def of_tenants(make, tenants):
    """A guard of A and of tenants."""
    return make(bearerguard.Issuer(A), resolve_issuer=tenants, issuers_allowed=[TEMPLATE, B])


@pytest.fixture
def tenant(network, tenants, clock, keys):
    """An issuer that is there, and known to the application."""

    def made(number=1, **settings):
        issuer = Issuer(f"https://t{number}.tenants.example", key=keys("ES256"), clock=clock)
        network.issuers.append(issuer)
        tenants.add(issuer.url, **settings)
        return issuer

    return made


def test_a_tenant_is_asked_about_when_its_first_token_comes(of_tenants, tenants, tenant, verify):
    one = tenant()
    assert tenants.asked == []
    for _ in range(3):
        assert outcome(of_tenants, one.token(), verify) == one.url
    assert tenants.asked == [one.url]
    assert one.url in of_tenants.status()


@pytest.mark.parametrize("runs", RUNS.values(), ids=RUNS)
def test_an_asynchronous_function_serves_both_forms(make, tenants, tenant, runs):
    async def resolve(name):
        return tenants(name)

    one, other = tenant(1), tenant(2)
    guard = make(resolve_issuer=resolve, issuers_allowed=[TEMPLATE])
    assert runs(lambda: guard.averify(one.token())).issuer == one.url
    assert guard.verify(other.token()).issuer == other.url
    assert tenants.asked == [one.url, other.url]


def test_an_exact_name_that_is_allowed_is_asked_about_too(of_tenants, tenants, issuer_b):
    tenants.add(B)
    assert outcome(of_tenants, issuer_b.token()) == B
    assert tenants.asked == [B]


def test_a_configured_issuer_is_never_asked_about(of_tenants, tenants, issuer_a):
    tenants.add(A, secret="a secret of more than thirty-two bytes")
    assert outcome(of_tenants, issuer_a.token()) == A
    assert tenants.asked == []


def test_a_tenant_that_nobody_knows_is_refused_without_network(
    of_tenants, tenants, tenant, network, verify
):
    one = tenant()
    tenants.known.clear()
    assert outcome(of_tenants, one.token(), verify) == "issuer_mismatch"
    assert answer(of_tenants, one.token()) == INVALID
    assert tenants.asked == [one.url]
    assert network.asked == []


@pytest.mark.requirement("8725-3.8-1", "JWKS-5")
def test_a_tenant_cannot_speak_for_another_one(of_tenants, tenant, issuer_a):
    one, other = tenant(1), tenant(2)
    other.keys = [SigningKey.generate("ES256", kid=one.key.kid)]
    assert outcome(of_tenants, one.token()) == one.url
    assert outcome(of_tenants, other.token()) == other.url
    assert outcome(of_tenants, other.token(iss=one.url)) == "signature_invalid"
    assert outcome(of_tenants, other.token(iss=A)) == "key_unknown"
    assert outcome(of_tenants, issuer_a.token(iss=one.url)) == "key_unknown"


def test_an_exception_of_the_function_is_503_and_never_shows_the_token(
    of_tenants, tenants, tenant, issuer_a, caplog, verify
):
    one = tenant()
    raw = one.token()
    tenants.error = LookupError("no connection to the database")
    assert outcome(of_tenants, raw, verify) == "issuer_unavailable"
    assert answer(of_tenants, raw) == (503, "temporarily_unavailable")
    assert "no connection to the database" in caplog.text
    assert not [part for part in raw.split(".") if part in caplog.text]
    assert outcome(of_tenants, issuer_a.token(), verify) == A
    tenants.error = None
    assert outcome(of_tenants, raw, verify) == one.url


@pytest.mark.parametrize(
    "rubbish",
    [
        bearerguard.Issuer(A),
        bearerguard.Issuer("https://t1.tenants.example", algorithms="none"),
        bearerguard.Issuer("https://t1.tenants.example", audiense="x"),
        bearerguard.Issuer("https://t1.tenants.example", jwks_file="/nowhere/at/all"),
        "https://t1.tenants.example",
        Issuer("https://t1.tenants.example"),
    ],
    ids=["another", "algorithm", "misspelled", "file", "text", "test issuer"],
)
def test_rubbish_from_the_function_is_503(of_tenants, tenants, tenant, network, caplog, rubbish):
    one = tenant()
    tenants.known[one.url] = rubbish
    assert answer(of_tenants, one.token()) == (503, "temporarily_unavailable")
    assert network.asked == []
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 1


def test_an_audience_that_nobody_has_said_is_503(network, clock, tenants, tenant):
    """It may come with the issuer; a tenant without any must not be open to all tokens."""
    one, other = tenant(1, audience=AUDIENCE), tenant(2)
    guard = Guard(resolve_issuer=tenants, issuers_allowed=[TEMPLATE], fetcher=network, clock=clock)
    assert outcome(guard, one.token()) == one.url
    assert outcome(guard, one.token(aud="x")) == "audience_mismatch"
    assert outcome(guard, other.token()) == "issuer_unavailable"


def test_at_most_ten_first_fetches_a_minute(of_tenants, tenant, network, issuer_a, clock):
    """Whoever is there already notices nothing, and the eleventh is told when to come again."""
    several = [tenant(number) for number in range(MOST_NEW + 1)]
    *first, last = several
    assert [outcome(of_tenants, one.token()) for one in first] == [one.url for one in first]
    with pytest.raises(UnavailableError) as refusal:
        of_tenants.verify(last.token())
    assert refusal.value.retry_after == NEW_WITHIN_S
    assert network.asked_of(last) == []
    assert outcome(of_tenants, first[0].token()) == first[0].url
    assert outcome(of_tenants, issuer_a.token()) == A
    clock.tick(NEW_WITHIN_S)
    assert outcome(of_tenants, last.token()) == last.url


def test_tenants_that_are_down_do_not_touch_each_other(of_tenants, tenant, issuer_a):
    one, other = tenant(1), tenant(2)
    one.is_down = True
    assert outcome(of_tenants, one.token()) == "issuer_unavailable"
    assert outcome(of_tenants, other.token()) == other.url
    assert outcome(of_tenants, issuer_a.token()) == A


def test_a_tenant_whose_tokens_are_good_stays_when_a_thousand_others_come(
    of_tenants, tenant, tenants, clock, issuer_a
):
    """design.md section 2: never evicted within the hour; the others were never good for once."""
    customer = tenant(0)
    assert outcome(of_tenants, customer.token()) == customer.url
    for number in range(1, MOST_ISSUERS + 5):
        tenants.add(f"https://t{number}.tenants.example")
        clock.tick(NEW_WITHIN_S / MOST_NEW)
        forged = issuer_a.token(iss=f"https://t{number}.tenants.example", exp=int(clock()) + 60)
        assert outcome(of_tenants, forged) == "issuer_unavailable"
        if number % 300 == 0:
            outcome(of_tenants, customer.token())
    assert len(of_tenants.status()) == MOST_ISSUERS + 1  # with the configured one
    assert outcome(of_tenants, customer.token()) == customer.url
    assert tenants.asked.count(customer.url) == 1


def test_many_requests_of_a_new_tenant_ask_once_and_fetch_once(
    of_tenants, tenant, tenants, network
):
    one = tenant()
    raw = one.token()

    async def tasks():
        return await asyncio.gather(*[of_tenants.averify(raw) for _ in range(50)])

    with ThreadPoolExecutor(51) as pool:
        in_loop = pool.submit(asyncio.run, tasks())
        in_threads = [pool.submit(of_tenants.verify, raw) for _ in range(50)]
        tokens = [*in_loop.result(PATIENCE_S), *(f.result(PATIENCE_S) for f in in_threads)]
    assert {token.issuer for token in tokens} == {one.url}
    assert tenants.asked == [one.url]
    assert len(network.asked_of(one)) == 1


@pytest.mark.parametrize("runs", RUNS.values(), ids=RUNS)
def test_verify_in_an_event_loop_raises_only_where_it_would_have_to_wait(
    of_tenants, tenant, tenants, runs
):
    one, stranger = tenant(1), tenant(2)
    del tenants.known[stranger.url]
    raw = one.token()

    async def in_a_loop():
        with pytest.raises(RuntimeError, match=r"await guard\.averify"):
            of_tenants.verify(raw)
        await of_tenants.averify(raw)
        assert await _refused(of_tenants.averify, stranger.token()) == "issuer_mismatch"
        return of_tenants.verify(raw), await _refused(_later(of_tenants), stranger.token())

    token, reason = runs(in_a_loop)
    assert (token.issuer, reason) == (one.url, "issuer_mismatch")


def _later(guard):
    async def verify(raw):
        return guard.verify(raw)

    return verify


async def _refused(verify, raw):
    with pytest.raises(RejectedError) as refusal:
        await verify(raw)
    return refusal.value.reason


def test_explain_asks_nobody_and_never_raises(of_tenants, tenant, tenants, network):
    one = tenant()
    report = of_tenants.explain(one.token())
    (row,) = [check for check in report.checks if check.name == "issuer"]
    assert (row.passed, row.reason) == (None, "issuer_unavailable")
    assert (tenants.asked, network.asked) == ([], [])

    assert asyncio.run(of_tenants.aexplain(one.token())).accepted
    assert of_tenants.explain(one.token()).accepted


def test_explain_says_of_a_tenant_that_nobody_knows_what_verify_says(of_tenants, tenant, tenants):
    one = tenant()
    tenants.known.clear()
    assert outcome(of_tenants, one.token()) == "issuer_mismatch"
    assert of_tenants.explain(one.token()).first_failure.reason == "issuer_mismatch"


@pytest.mark.parametrize("error", [ValueError("x"), UnavailableError("y")], ids=repr)
def test_aexplain_never_raises_whatever_the_function_does(of_tenants, tenant, tenants, error):
    one = tenant()
    tenants.error = error
    report = asyncio.run(of_tenants.aexplain(one.token()))
    assert not report.accepted
    (row,) = [check for check in report.checks if check.name == "issuer"]
    assert row.passed is None

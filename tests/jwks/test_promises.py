"""The keys as a guard's user meets them: whatever arrives, good tokens are served."""

import json
import threading
from functools import partial

import pytest

from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard.core.access import Access
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.request import RequestView
from bearerguard.jwks.fetch import Fetched
from bearerguard.testing import Issuer, SigningKey

PATIENCE_S = 20.0
OAUTH = "https://issuer.example/.well-known/oauth-authorization-server"


def refused(guard, token):
    """Give the reason for which a token is refused with 401."""
    with pytest.raises(RejectedError) as refusal:
        guard.verify(token)
    assert refusal.value.status == 401
    return refusal.value.reason


def unavailable(guard, token):
    with pytest.raises(UnavailableError) as refusal:
        guard.verify(token)
    return refusal.value


def with_kid(token, kid):
    """Name another key in a token's header; the signature is not good any more."""
    _, payload, signature = token.split(".")
    text = json.dumps({"typ": "at+jwt", "alg": "RS256", "kid": kid}).encode()
    return f"{base64url_encode(text).decode()}.{payload}.{signature}"


def source_of(guard):
    (known,) = guard.issuers.all()
    return known.keys


def fetches(issuer):
    return issuer.requests.count(issuer.jwks_uri)


@pytest.fixture(scope="module")
def other_key():
    return SigningKey.generate("RS256", kid="key-2")


@pytest.fixture
def refresh_behind(guard, after_landing):
    """Wait for the refresh that the last request started behind itself."""
    return lambda: after_landing(source_of(guard))


@pytest.mark.requirement("OIDC-10.1.1-1")
def test_the_first_token_after_a_rotation_is_served(guard, issuer, other_key):
    """OpenID Connect Core section 10.1.1."""
    guard.verify(issuer.token())
    issuer.keys.append(other_key)

    assert guard.verify(issuer.token()).subject == "user-1"
    assert fetches(issuer) == 2


@pytest.mark.requirement("JWKS-1")
def test_a_thousand_made_up_key_ids_cost_the_issuer_one_request_each_ten_seconds(
    guard, issuer, clock
):
    """All are refused with 401, and in between a good token is always served."""
    good = issuer.token(exp=int(clock()) + 3600)
    guard.verify(good)

    for number in range(1000):
        assert refused(guard, with_kid(good, f"made-up-{number}")) == "key_unknown"
        guard.verify(good)
        clock.tick(0.1)

    assert fetches(issuer) <= 2 + 100 / 10


@pytest.mark.requirement("JWKS-1")
def test_a_thousand_made_up_key_ids_at_once_cost_the_issuer_one_request(guard, issuer):
    good = issuer.token()
    guard.verify(good)
    reasons = []

    def flood(name):
        reasons.extend(refused(guard, with_kid(good, f"{name}-{n}")) for n in range(125))

    threads = [threading.Thread(target=flood, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert reasons == ["key_unknown"] * 1000
    assert fetches(issuer) == 2, "the first one loaded the keys"


@pytest.mark.requirement("JWKS-2")
def test_a_withdrawn_key_is_refused_once_the_keys_have_lived_their_time(
    guard, issuer, clock, other_key
):
    token = issuer.token(exp=int(clock()) + 3600)
    guard.verify(token)
    issuer.keys = [other_key]

    clock.tick(300)

    assert refused(guard, token) == "key_unknown"


@pytest.mark.requirement("JWKS-2", "JWKS-6")
def test_under_traffic_a_withdrawn_key_is_refused_even_earlier(
    guard, issuer, clock, other_key, refresh_behind
):
    token = issuer.token(exp=int(clock()) + 3600)
    guard.verify(token)
    issuer.keys = [other_key]
    clock.tick(240)

    guard.verify(token)  # starts the refresh behind itself
    refresh_behind()

    assert refused(guard, token) == "key_unknown"


@pytest.mark.requirement("JWKS-3", "GEN-7")
@pytest.mark.parametrize("outage", ["no connection", "status 500"])
def test_while_the_issuer_is_down_the_last_keys_serve_for_a_bounded_time(
    issuer, clock, script, outage, after_landing
):
    """Then 503 with Retry-After and without a challenge: the token is not to blame."""

    def answer(url):
        if issuer.is_down and outage == "status 500":
            return Fetched(500)
        return issuer.fetch(url, headers={}, timeout_s=1, max_bytes=1)

    fetcher = script({url: partial(answer, url) for url in (OAUTH, issuer.jwks_uri)})
    guard = Guard(
        issuer=issuer.url,
        audience=issuer.audience,
        fetcher=fetcher,
        clock=clock,
        jwks_stale_for="10m",
    )
    token = issuer.token(exp=int(clock()) + 7200)
    guard.verify(token)
    issuer.is_down = True

    for _ in range(14):
        clock.tick(60)
        assert guard.verify(token).subject == "user-1"
        after_landing(source_of(guard))  # simulated time must not pass under a refresh
    clock.tick(60)
    refusal = unavailable(guard, token)

    headers = [("authorization", f"Bearer {token}")]
    request = RequestView("GET", "/orders", None, headers)
    with pytest.raises(UnavailableError):
        guard.admit(request, Access())
    answer = guard.answer(refusal, Access())
    names = {name.lower(): value for name, value in answer.headers}
    assert answer.status == 503
    assert 1 <= int(names["retry-after"]) <= 60
    assert "www-authenticate" not in names
    assert b"invalid_token" not in answer.body

    issuer.is_down = False
    clock.tick(60)
    assert guard.verify(token).subject == "user-1", "and it recovers by itself"


@pytest.mark.requirement("GEN-7")
def test_an_unknown_key_while_the_issuer_is_down_is_503_and_not_401(guard, issuer, other_key):
    guard.verify(issuer.token())
    issuer.is_down = True

    for _ in range(3):
        unavailable(guard, issuer.token(key=other_key))

    assert guard.verify(issuer.token()).subject == "user-1"


@pytest.mark.requirement("8414-3.2-1", "8414-3.3-1", "OIDD-4.3-1")
@pytest.mark.parametrize(
    "change", [{"issuer": "https://issuer.example/"}, {"issuer": "https://issuer.example/t2"}, None]
)
def test_without_good_metadata_requests_get_503_and_the_next_good_ones_are_taken(
    issuer, clock, script, change
):
    """RFC 8414 sections 3.2 and 3.3: the keys of unfit metadata are not used, not even fetched."""
    good = issuer.metadata()
    documents = [[good] if change is None else good | change, good]

    def answer():
        document = documents.pop(0)
        return Fetched(200, {"content-type": "application/json"}, json.dumps(document).encode())

    jwks = Fetched(200, {}, json.dumps(issuer.jwks()).encode())
    fetcher = script({OAUTH: answer, issuer.jwks_uri: jwks})
    guard = Guard(issuer=issuer.url, audience=issuer.audience, fetcher=fetcher, clock=clock)
    token = issuer.token()

    unavailable(guard, token)
    assert fetcher.urls == [OAUTH]
    clock.tick(10)

    assert guard.verify(token).subject == "user-1"
    assert refused(guard, issuer.token(iss="https://issuer.example/")) == "issuer_mismatch"


@pytest.mark.requirement("7517-5-2")
@pytest.mark.parametrize(
    "document",
    [b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b"<html></html>", b"", b'{"keys":[{}]}'],
)
def test_what_is_no_jwk_set_is_refused_and_the_last_good_set_stays(
    issuer, clock, script, document, after_landing
):
    """RFC 7517 section 5."""
    jwks = Fetched(200, {}, json.dumps(issuer.jwks()).encode())
    fetcher = script({issuer.jwks_uri: jwks})
    guard = Guard(
        issuer=issuer.url,
        audience=issuer.audience,
        jwks_uri=issuer.jwks_uri,
        fetcher=fetcher,
        clock=clock,
    )
    token = issuer.token(exp=int(clock()) + 7200)
    guard.verify(token)
    fetcher.answers[issuer.jwks_uri] = Fetched(200, {}, document)

    clock.tick(250)
    guard.verify(token)
    after_landing(source_of(guard))
    assert guard.status()[issuer.url]["last_error"]
    clock.tick(100)

    assert guard.verify(token).subject == "user-1"
    assert guard.status()[issuer.url]["key_ids"] == ["key-1"]


ODD_KEYS = [
    None,
    7,
    "text",
    [],
    {},
    {"kty": "XYZ", "kid": "a"},
    {"kty": "EC", "crv": "P-256", "kid": "a", "x": "AA"},
    {"kty": "EC", "crv": "P-256", "kid": "a", "x": "AA", "y": "AA"},
    {"kty": "AKP", "alg": "ML-DSA-1000", "pub": "AA"},
    {"kty": "oct", "k": "c2VjcmV0", "kid": "key-1"},
    {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak"},
    {"kty": "RSA", "n": "!", "e": ["AQAB"]},
    {"kty": ["RSA"], "kid": {"a": 1}},
    {"kty": "OKP", "crv": "X25519", "x": "A" * 43, "use": "enc"},
]


@pytest.mark.requirement("7517-5-1")
def test_odd_keys_in_the_set_do_no_harm_to_the_good_one(issuer, clock, script, other_key):
    """RFC 7517 section 5: skipped one by one, each with a reason for the operator."""
    private = dict(other_key.jwk, d="AQAB", kid="private")
    encryption = dict(other_key.jwk, use="enc", kid="encryption")
    odd = [*ODD_KEYS, private, encryption]
    document = {"keys": [*odd, issuer.key.jwk]}
    fetcher = script({issuer.jwks_uri: Fetched(200, {}, json.dumps(document).encode())})
    guard = Guard(
        issuer=issuer.url,
        audience=issuer.audience,
        jwks_uri=issuer.jwks_uri,
        fetcher=fetcher,
        clock=clock,
    )

    assert guard.verify(issuer.token()).subject == "user-1"
    status = guard.status()[issuer.url]
    assert status["key_ids"] == ["key-1"]
    assert len(odd) == len(status["refused_keys"])
    for kid in ("private", "encryption"):
        token = issuer.token(key=other_key, header={"kid": kid})
        assert refused(guard, token) == "key_unknown"


def test_keys_that_share_a_key_id_or_have_none_all_serve(issuer, clock, script, other_key):
    twin, nameless = dict(other_key.jwk, kid="key-1"), dict(other_key.jwk)
    del nameless["kid"]
    for odd in (twin, nameless):
        document = {"keys": [odd, issuer.key.jwk]}
        fetcher = script({issuer.jwks_uri: Fetched(200, {}, json.dumps(document).encode())})
        guard = Guard(
            issuer=issuer.url,
            audience=issuer.audience,
            jwks_uri=issuer.jwks_uri,
            fetcher=fetcher,
            clock=clock,
        )
        kid = odd.get("kid")

        for key in (issuer.key, other_key):
            token = issuer.token(key=key, header={"kid": kid})
            assert guard.verify(token).subject == "user-1"


@pytest.mark.requirement("JWKS-4")
@pytest.mark.parametrize("count", [101, 10_000])
def test_a_set_of_too_many_keys_is_refused_as_a_whole(issuer, clock, script, count):
    filler = {"kty": "oct"}
    document = {"keys": [issuer.key.jwk] + [filler] * (count - 1)}
    fetcher = script({issuer.jwks_uri: Fetched(200, {}, json.dumps(document).encode())})
    guard = Guard(
        issuer=issuer.url,
        audience=issuer.audience,
        jwks_uri=issuer.jwks_uri,
        fetcher=fetcher,
        clock=clock,
    )

    assert "more than 100 keys" in unavailable(guard, issuer.token()).detail


@pytest.fixture
def real_issuer(serve, http_answer, clock, signing_key):
    """An issuer behind a real socket on loopback: (issuer, server, guard)."""

    def handle(connection, _stop):
        path = server.requests[-1].split()[1]
        url = f"http://127.0.0.1:{server.port}{path}"
        answer = issuer.fetch(url, headers={}, timeout_s=1, max_bytes=1)
        connection.sendall(http_answer(answer.body, status=answer.status))

    server = serve(handle)
    issuer = Issuer(f"http://127.0.0.1:{server.port}", key=signing_key, clock=clock)
    guard = Guard(issuer=issuer.url, audience=issuer.audience, clock=clock)
    return issuer, server, guard


def test_a_guard_gets_its_keys_over_real_http(real_issuer):
    issuer, server, guard = real_issuer

    assert guard.verify(issuer.token()).subject == "user-1"
    paths = [request.split()[1] for request in server.requests]
    assert paths == ["/.well-known/oauth-authorization-server", "/jwks.json"]


@pytest.mark.requirement("7515-4.1.2-1", "7515-4.1.5-1", "8725-3.10-1")
@pytest.mark.parametrize("name", ["jku", "x5u"])
@pytest.mark.parametrize("kid", ["stolen", "key-1", None])
def test_a_url_in_a_tokens_header_is_never_connected_to(real_issuer, serve, http_answer, name, kid):
    """RFC 7515 sections 4.1.2 and 4.1.5: the listener has the very key that signed the token."""
    issuer, server, guard = real_issuer
    stranger = SigningKey.generate("RS256", kid="stolen")
    document = json.dumps({"keys": [dict(stranger.jwk)]}).encode()
    listener = serve(http_answer(document if name == "jku" else stranger.public_pem()))
    guard.verify(issuer.token())
    token = issuer.token(key=stranger, header={name: listener.url(), "kid": kid})

    assert refused(guard, token) in {"key_unknown", "signature_invalid"}

    assert listener.connections == 0
    paths = {request.split()[1] for request in server.requests}
    assert {"/.well-known/oauth-authorization-server", "/jwks.json"} == paths


@pytest.mark.requirement("8725-3.10-1")
@pytest.mark.parametrize(
    "kid",
    [
        5,
        ["key-1"],
        {"kid": "key-1"},
        "../../../../etc/passwd",
        "/dev/zero",
        "' OR 1=1 --",
        "KEY-1",
        "key-1\x00",
        "key-1 ",
        "\N{SNOWMAN}\r\nX: y",
        "$(reboot)",
        "",
        "x" * (1 << 20),
        "listener",
    ],
    ids=lambda kid: repr(kid)[:24],
)
def test_a_key_id_is_a_name_to_compare_and_nothing_else(real_issuer, serve, http_answer, kid):
    """RFC 8725 section 3.10: no path, no query, no URL; and compared exactly."""
    issuer, server, guard = real_issuer
    listener = serve(http_answer(b"{}"))
    kid = listener.url() if kid == "listener" else kid
    guard.verify(issuer.token())
    token = issuer.token(header={"kid": kid})

    assert refused(guard, token) in {"key_unknown", "header_malformed", "token_too_large"}

    assert listener.connections == 0
    paths = {request.split()[1] for request in server.requests}
    assert {"/.well-known/oauth-authorization-server", "/jwks.json"} == paths
    assert guard.verify(issuer.token()).subject == "user-1"


@pytest.mark.requirement("GEN-10")
def test_the_issuer_that_a_token_claims_is_never_connected_to(real_issuer, serve, http_answer):
    """Nor is our own issuer: the token is refused before any key is looked for."""
    issuer, server, guard = real_issuer
    listener = serve(http_answer(b"{}"))
    evil = f"http://127.0.0.1:{listener.port}"

    assert refused(guard, issuer.token(iss=evil)) == "issuer_mismatch"
    assert refused(guard, issuer.token(iss="https://evil.example")) == "issuer_mismatch"

    assert listener.connections == 0
    assert server.connections == 0


@pytest.mark.requirement("JWKS-4")
@pytest.mark.parametrize("where", ["before the answer", "in the header", "in the body"])
def test_an_issuer_that_drips_or_hangs_holds_up_no_request(serve, http_answer, issuer, where):
    """The request gets its 503 by the deadline, whatever the fetch thread still does."""

    def handle(connection, stop):
        if where == "before the answer":
            stop.wait()
        if where == "in the header":
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        else:
            connection.sendall(http_answer(content_length="1000000"))
        while not stop.wait(0.01):
            connection.sendall(b"x")

    server = serve(handle)
    guard = Guard(
        issuer=issuer.url,
        audience=issuer.audience,
        jwks_uri=server.url(),
        jwks_timeout=1,
        clock=issuer.clock,
    )
    outcome = []
    asking = threading.Thread(
        target=lambda: outcome.append(unavailable(guard, issuer.token())), daemon=True
    )
    asking.start()
    asking.join(PATIENCE_S)

    assert len(outcome) == 1
    assert server.connections == 1

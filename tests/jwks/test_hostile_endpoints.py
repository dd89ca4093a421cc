"""A key endpoint can answer anything at any speed; every one of these answers is a real socket's.

Whatever it does: who asks has an answer within the time-out, memory stays bounded, and the good
keys from before stay.
"""

import contextlib
import gzip
import hmac
import json
import socket
import struct
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import pytest

from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard.core.encoding import base64url_encode
from bearerguard.jwks.fetch import FetchError, HttpFetcher

pytestmark = pytest.mark.untraced

# Nothing waits as long as this unless the code under test is broken.
PATIENCE_S = 20.0
# The shortest that a setting can ask for is a second; a part of it shows the same in less time.
SHORT_S = 0.3
MEGABYTE = 1 << 20
# Half a megabyte of JSON, the most that is ever read, becomes 15 MB of empty lists.
MOST_MEMORY = 24 * MEGABYTE

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNK = b" " * 65536


# --- what an endpoint does with a connection --------------------------------------------------


def says(body, *fields):
    """Answer 200 with this body and its true length."""
    lines = b"".join(field + b"\r\n" for field in (*fields, b"Content-Length: %d" % len(body)))
    return HEAD + lines + b"Connection: close\r\n\r\n" + body


def sends(start, piece, count):
    """Send ``piece`` again and again, without ever having all of it in memory."""

    def handle(connection, stop):
        connection.sendall(start)
        for _ in range(count):
            if stop.is_set():
                return
            connection.sendall(piece)

    return handle


def drips(start, drop):
    """Never end, and never be silent for as long as a read may take."""

    def handle(connection, stop):
        connection.sendall(start)
        while not stop.wait(0.05):
            connection.sendall(drop)

    return handle


def is_silent(_connection, stop):
    stop.wait()


def resets(connection, _stop):
    """Break off in the middle with an RST: closing without lingering sends one."""
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def many_keys(count):
    key = b'{"kty":"RSA","kid":"another","n":"%s","e":"AQAB"},' % (b"x" * 342)
    return sends(HEAD + b'Connection: close\r\n\r\n{"keys":[', key, count)


def bomb():
    """Fifty megabytes in fifty kilobytes."""
    return says(gzip.compress(b" " * (50 * MEGABYTE)), b"Content-Encoding: gzip")


REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /jwks.json\r\nContent-Length: 0\r\n\r\n"
LENGTHS = HEAD + b"Content-Length: %d\r\n\r\n"
FIELDS = b"".join(b"X-Field-%d: nothing\r\n" % number for number in range(1000))

# None of these holds a key that a token could be verified with.
AT_ONCE = {
    "nothing": lambda: b"",
    "null": lambda: says(b"null"),
    "a number": lambda: says(b"42"),
    "a very long number": lambda: says(b"9" * 500_000),
    "a text": lambda: says(b'"keys"'),
    "a list": lambda: says(b"[]"),
    "no list of keys": lambda: says(b'{"keys": {}}'),
    "null among the keys": lambda: says(b'{"keys": [null]}'),
    "an empty body": lambda: says(b""),
    "HTML": lambda: says(b"<!doctype html><h1>Welcome to the guest network</h1>"),
    "deep nesting": lambda: says(b'{"keys":' + b"[" * 200_000),
    "half a megabyte of empty lists": lambda: says(b'{"keys":[' + b"[]," * 170_000 + b"[]]}"),
    "half a megabyte of members": lambda: says(b'{"keys":[' + b'{"a":1},' * 62_000 + b"{}]}"),
    "50 MB": lambda: sends(LENGTHS % (50 * MEGABYTE), CHUNK, 800),
    "50 MB without a length": lambda: sends(HEAD + b"Connection: close\r\n\r\n", CHUNK, 800),
    "1 GB that is announced": lambda: sends(LENGTHS % (1 << 30), CHUNK, 16_384),
    "a gzip bomb": bomb,
    "100,000 keys": lambda: many_keys(100_000),
    "1,200 keys": lambda: many_keys(1_200),
    "1,000 header fields": lambda: says(b"null", FIELDS.strip()),
    "header fields without end": lambda: sends(HEAD, b"X-Field: nothing\r\n" * 1000, 10_000),
    "a header field without end": lambda: sends(HEAD + b"X: ", CHUNK, 10_000),
    "chunks of garbage": lambda: HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nzz\r\n",
    "a chunk size without end": lambda: sends(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1" * 65536, 1000
    ),
    "less than announced": lambda: LENGTHS % 1000 + b"{",
    "a reset in the middle": lambda: resets,
    "not HTTP": lambda: b"\x16\x03\x01\x02\x00 220 ready\r\n",
    "a redirect to itself": lambda: REDIRECT,
    "an encoding that nobody asked for": lambda: says(b"{}", b"Content-Encoding: br"),
    "compression that is none": lambda: says(b"{}", b"Content-Encoding: gzip"),
    "UTF-16": lambda: says('{"keys": []}'.encode("utf-16")),
    "bytes that are no text": lambda: says(b'{"keys": ["\xff\xfe"]}'),
    "unchanged, without having been asked": lambda: b"HTTP/1.1 304 Not Modified\r\n\r\n",
}
SLOW = {
    "silence": lambda: is_silent,
    "a header that drips": lambda: drips(HEAD + b"X: ", b"x"),
    "a body that drips": lambda: drips(LENGTHS % 1000, b" "),
    "a body that drips in chunks": lambda: drips(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"
    ),
    "interim answers without end": lambda: drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}
HOSTILE = AT_ONCE | SLOW


# --- who asks it ------------------------------------------------------------------------------


class Turning:
    """A Fetcher: the good issuer in memory, until it turns into the hostile endpoint."""

    def __init__(self, issuer, url, timeout_s):
        self.url = url
        self.is_hostile = False
        self._issuer = issuer
        self._http = HttpFetcher()
        self._timeout_s = timeout_s

    def fetch(self, url, *, timeout_s, **others):
        if not self.is_hostile:
            return self._issuer.fetch(url, timeout_s=timeout_s, **others)
        return self._http.fetch(self.url, timeout_s=min(timeout_s, self._timeout_s), **others)


class Asking(NamedTuple):
    guard: Guard
    fetcher: Turning

    def verify(self, token):
        """Verify, but never wait for longer than a test may take."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self.guard.verify, token).result(PATIENCE_S)


def wait_for_threads():
    """Wait until all fetches have ended: they do so although the endpoint goes on."""
    for thread in threading.enumerate():
        if thread.name.startswith("bearerguard-fetch-"):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@pytest.fixture
def ask(issuer, clock) -> Iterator[Callable[..., Asking]]:
    """``ask(url)`` makes a guard whose issuer is at ``url`` as soon as it is hostile."""

    def make(url, timeout_s=PATIENCE_S):
        fetcher = Turning(issuer, url, timeout_s)
        guard = Guard(
            issuer=issuer.url, audience=issuer.audience, fetcher=fetcher, clock=clock, jwks_ttl="5m"
        )
        (known,) = guard.issuers.all()
        known.keys._cache.deadline_s = timeout_s
        return Asking(guard, fetcher)

    yield make
    wait_for_threads()


@pytest.fixture(params=HOSTILE)
def hostile(request, serve, ask):
    """A guard for whom each of these endpoints is its issuer, as soon as it says so."""
    timeout_s = SHORT_S if request.param in SLOW else PATIENCE_S / 2
    return ask(serve(HOSTILE[request.param]()).url("/jwks.json"), timeout_s)


@pytest.mark.requirement("JWKS-4", "GEN-7")
def test_whatever_the_endpoint_does_who_asks_first_gets_503(hostile, issuer):
    """Promise 7: those who wait have an answer within the time-out, and it is not their fault."""
    hostile.fetcher.is_hostile = True

    with pytest.raises(UnavailableError) as refusal:
        hostile.verify(issuer.token())

    assert 1 <= refusal.value.retry_after <= 60


@pytest.mark.requirement("JWKS-3", "JWKS-6")
def test_whatever_the_endpoint_does_the_keys_from_before_serve_on(hostile, issuer, clock):
    """Promises 3, 4 and 6: a made-up key id, and the end of the time to live, make it ask."""
    good = issuer.token(exp=int(clock.now) + 3600)
    assert hostile.verify(good).subject == "user-1"
    hostile.fetcher.is_hostile = True

    with pytest.raises(UnavailableError):
        hostile.verify(issuer.token(header={"kid": "made-up"}))
    assert hostile.verify(good).subject == "user-1"
    clock.tick(400)
    assert hostile.verify(good).subject == "user-1"

    assert hostile.guard.status()[issuer.url]["state"] == "stale_ok"


@pytest.mark.requirement("JWKS-4")
@pytest.mark.parametrize("name", AT_ONCE)
def test_whatever_the_endpoint_sends_memory_stays_bounded(name, serve, ask, issuer):
    asking = ask(serve(AT_ONCE[name]()).url("/jwks.json"))
    asking.fetcher.is_hostile = True
    token = issuer.token()

    tracemalloc.start()
    try:
        with pytest.raises(UnavailableError):
            asking.guard.verify(token)
        _, highest = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert highest < MOST_MEMORY


# --- before there is any HTTP -----------------------------------------------------------------


@pytest.fixture
def never_accepting():
    """The system takes the connections, and the process behind it does nothing with them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def dripping_handshake():
    """A TLS record that is announced and comes byte by byte."""
    over = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"\x16\x03\x03\x3f\xff")
            while not over.wait(0.05):
                connection.sendall(b"\x02")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        thread.join(PATIENCE_S)


@pytest.mark.requirement("JWKS-4")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_listener_that_never_accepts_holds_nobody_up(scheme, never_accepting, ask, issuer):
    asking = ask(f"{scheme}://127.0.0.1:{never_accepting}/jwks.json", SHORT_S)
    asking.fetcher.is_hostile = True

    with pytest.raises(UnavailableError):
        asking.verify(issuer.token())


@pytest.mark.requirement("JWKS-4")
def test_a_tls_handshake_that_drips_holds_nobody_up(dripping_handshake, ask, issuer):
    asking = ask(f"https://127.0.0.1:{dripping_handshake}/jwks.json", SHORT_S)
    asking.fetcher.is_hostile = True

    with pytest.raises(UnavailableError):
        asking.verify(issuer.token())


@pytest.mark.requirement("JWKS-4", "JWKS-6")
def test_the_resolution_of_a_name_that_hangs_holds_nobody_up(issuer, clock):
    """Promise 7: it cannot be ended, so that it is left alone; keys from before serve on."""
    may_end, is_hanging = threading.Event(), False

    class Hanging:
        def fetch(self, url, **limits):
            if not is_hanging:
                return issuer.fetch(url, **limits)
            assert may_end.wait(PATIENCE_S)
            raise FetchError("the name was resolved, at last")

    guard = Guard(issuer=issuer.url, audience=issuer.audience, fetcher=Hanging(), clock=clock)
    (known,) = guard.issuers.all()
    known.keys._cache.deadline_s = SHORT_S
    good = issuer.token(exp=int(clock.now) + 3600)
    guard.verify(good)
    is_hanging = True

    with pytest.raises(UnavailableError):
        guard.verify(issuer.token(header={"kid": "made-up"}))
    assert guard.verify(good).subject == "user-1"
    clock.tick(400)
    assert guard.verify(good).subject == "user-1"

    may_end.set()
    wait_for_threads()


# --- odd keys beside a good one -----------------------------------------------------------------


def another(signing_key, **changes):
    """The numbers of a key that nobody signs with, and what else the test says."""
    jwk = {"kty": "RSA", "alg": "RS256", "use": "sig", "e": "AQAB"}
    return {**jwk, "n": signing_key.jwk["n"][:-4] + "AAAB", **changes}


ODD_SETS = {
    "another key with its kid": lambda good, a: [a(kid="key-1"), good],
    "a symmetric key with its kid": lambda good, _: [
        {"kty": "oct", "kid": "key-1", "k": base64url_encode(SECRET).decode()},
        good,
    ],
    "a key without a kid": lambda good, a: [a(), good],
    "null": lambda good, _: [None, good],
    "a key of a type that nobody knows": lambda good, _: [{"kty": "QUANTUM"}, good],
    "a key for encryption": lambda good, a: [a(kid="key-1", use="enc"), good],
    "a broken key": lambda good, a: [a(kid="key-1", n="!"), good],
    "99 others": lambda good, a: [*(a(kid=f"key-{n}") for n in range(100, 199)), good],
}
SECRET = b"published, and so known to everybody in the world"


@pytest.mark.requirement("JWKS-4", "7517-9-1")
@pytest.mark.parametrize("name", ODD_SETS)
def test_an_odd_key_in_the_set_harms_neither_the_good_one_nor_anybody(
    name, serve, ask, issuer, signing_key
):
    """Promise 6, and RFC 7517 section 9: a symmetric key that is published proves nothing."""
    keys = ODD_SETS[name](dict(signing_key.jwk), partial(another, signing_key))
    asking = ask(serve(says(json.dumps({"keys": keys}).encode())).url("/jwks.json"))
    asking.guard.verify(issuer.token())
    asking.fetcher.is_hostile = True
    with pytest.raises(RejectedError):
        asking.verify(issuer.token(header={"kid": "made-up"}))  # it has the odd set now

    assert asking.verify(issuer.token()).subject == "user-1"
    with pytest.raises(RejectedError) as refusal:
        asking.verify(forged(issuer))
    assert refusal.value.status == 401


def forged(issuer):
    """A token "signed" with the octets that the symmetric key publishes."""
    header = base64url_encode(b'{"typ":"at+jwt","alg":"HS256","kid":"key-1"}')
    signing_input = header + b"." + base64url_encode(json.dumps(issuer.claims()).encode())
    signature = hmac.digest(SECRET, signing_input, "sha256")
    return (signing_input + b"." + base64url_encode(signature)).decode()

"""The figures that the key cache promises: a thousand at once, ten thousand made-up key ids."""

import asyncio
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard.core.encoding import base64url_encode
from bearerguard.jwks.fetch import FetchError
from bearerguard.testing import Issuer

pytestmark = pytest.mark.untraced

# Nothing waits as long as this unless the code under test is broken.
PATIENCE_S = 60.0
# Far more than the default, so that a loaded machine fails no test; nobody waits for it to end.
SETTINGS = {"audience": "https://api.example", "jwks_timeout": "60s"}


@pytest.fixture
def http_issuer(serve, http_answer, signing_key):
    """An issuer on a real socket; its server counts the requests. ``hold`` delays the keys."""

    class HttpIssuer:
        def __init__(self, tls=None):
            self.may_answer = threading.Event()
            self.may_answer.set()
            self.server = serve(self.answer, tls)
            self.tokens = Issuer(self.server.url(""), key=signing_key)

        def answer(self, connection, _stop):
            is_for_keys = self.paths()[-1] == "/jwks.json"
            if is_for_keys:
                assert self.may_answer.wait(PATIENCE_S)
            document = self.tokens.jwks() if is_for_keys else self.tokens.metadata()
            connection.sendall(http_answer(json.dumps(document).encode()))

        def paths(self):
            return [request.split()[1] for request in self.server.requests]

        def guard(self):
            return Guard(issuer=self.tokens.url, **SETTINGS)

    return HttpIssuer


# --- a thousand at once -----------------------------------------------------------------------

THREADS, LOOPS, TASKS_A_LOOP = 500, 4, 125


@pytest.mark.requirement("JWKS-1")
def test_a_thousand_cold_requests_of_threads_and_tasks_make_one_discovery_and_one_fetch(
    http_issuer,
):
    """500 threads, two asyncio and two trio loops of 125 tasks each; promise 1: one refresh.

    The keys are held back until all thousand have asked.
    """
    issuer = http_issuer()
    issuer.may_answer.clear()
    guard, raw = issuer.guard(), issuer.tokens.token()
    asking, lock = Counter(), threading.Lock()

    def ask(kind):
        with lock:
            asking[kind] += 1
            if asking.total() == THREADS + LOOPS * TASKS_A_LOOP:
                issuer.may_answer.set()

    def in_thread():
        ask("thread")
        return [guard.verify(raw)]

    async def in_task(kind, accepted):
        ask(kind)
        accepted.append(await guard.averify(raw))

    def in_asyncio():
        async def tasks(accepted):
            async with asyncio.TaskGroup() as group:
                for _ in range(TASKS_A_LOOP):
                    group.create_task(in_task("asyncio", accepted))
            return accepted

        return asyncio.run(tasks([]))

    def in_trio():
        async def tasks(accepted):
            async with trio.open_nursery() as nursery:
                for _ in range(TASKS_A_LOOP):
                    nursery.start_soon(in_task, "trio", accepted)
            return accepted

        return trio.run(tasks, [])

    with ThreadPoolExecutor(THREADS + LOOPS) as pool:
        work = [in_thread] * THREADS + [in_asyncio, in_trio] * (LOOPS // 2)
        running = [pool.submit(job) for job in work]
        accepted = [token for job in running for token in job.result(PATIENCE_S)]

    assert asking == {"thread": 500, "asyncio": 250, "trio": 250}
    assert [token.subject for token in accepted] == ["user-1"] * 1000
    assert issuer.paths() == ["/.well-known/oauth-authorization-server", "/jwks.json"]


# --- ten thousand made-up key ids -----------------------------------------------------------------

FLOOD, FLOOD_S, MOST_REFRESHES = 10_000, 60.0, 8


def made_up(good):
    """Tokens that name keys that do not exist; nobody ever gets to look at the signature."""
    _, payload, signature = good.split(".")
    for number in range(FLOOD):
        header = b'{"typ":"at+jwt","alg":"RS256","kid":"made-up-%d"}' % number
        yield f"{base64url_encode(header).decode()}.{payload}.{signature}"


async def flood(guard, clock, good):
    """Send all of them in a minute, with a good token before each; give the refusals.

    Only the made-up ones may wait. For a good one the way of the threads is taken, which in the
    thread of an event loop raises a RuntimeError where it would have to wait.
    """
    refusals = Counter()
    for bad in made_up(good):
        clock.tick(FLOOD_S / FLOOD)
        assert guard.verify(good).subject == "user-1"
        try:
            await guard.averify(bad)
        except (RejectedError, UnavailableError) as refusal:
            refusals[refusal.status] += 1
    return refusals


@pytest.mark.requirement("JWKS-1", "JWKS-6")
@pytest.mark.parametrize(("is_down", "status"), [(False, 401), (True, 503)], ids=["up", "down"])
def test_ten_thousand_made_up_key_ids_in_a_minute_cost_eight_refreshes_and_delay_no_good_token(
    issuer, clock, is_down, status
):
    """Promises 2 and 3: burst 2, then 1 per 10 s; whatever the tokens say, good keys serve.

    The keys live for 300 s, less at most a tenth: in this minute their regular refresh falls due.
    """
    guard, good = issuer.guard(), issuer.token(exp=int(clock.now) + 3600)
    guard.verify(good)
    clock.tick(200)
    issuer.requests.clear()
    issuer.is_down = is_down

    refusals = asyncio.run(flood(guard, clock, good))

    assert refusals == {status: FLOOD}
    assert 1 <= len(issuer.requests) <= MOST_REFRESHES
    assert {guard.status()[issuer.url]["state"]} <= {"fresh", "refresh_due"}


@pytest.mark.requirement("JWKS-6")
def test_while_a_made_up_key_id_waits_for_a_fetch_that_hangs_good_tokens_do_not(issuer):
    """Promise 3: no token can delay a good key, however long the issuer takes."""
    hangs, may_end = threading.Event(), threading.Event()

    class Hanging:
        def fetch(self, url, **limits):
            if not is_warm:
                return issuer.fetch(url, **limits)
            hangs.set()
            assert may_end.wait(PATIENCE_S)
            raise FetchError("the issuer hung")

    is_warm = False
    guard = Guard(issuer=issuer.url, fetcher=Hanging(), clock=issuer.clock, **SETTINGS)
    good = issuer.token()
    guard.verify(good)
    is_warm = True
    bad = next(made_up(good))

    async def meanwhile():
        waiting = asyncio.create_task(guard.averify(bad))
        assert await asyncio.to_thread(hangs.wait, PATIENCE_S)
        served = [guard.verify(good).subject for _ in range(100)]
        is_waiting = not waiting.done()
        may_end.set()
        with pytest.raises(UnavailableError):
            await waiting
        return served, is_waiting

    assert asyncio.run(meanwhile()) == (["user-1"] * 100, True)


# --- the event loop ---------------------------------------------------------------------------

# A hook sees what the interpreter does on whose behalf; it cannot be removed, so that this takes a
# process of its own. None of these has any place in the thread of an event loop: each may take
# long, and while it does, no other request is served.
WATCHED = """
import asyncio, json, sys, threading
from collections import defaultdict

from bearerguard import Guard, RejectedError

BLOCKING = ("import", "open", "compile", "socket.", "ssl.", "os.", "subprocess.", "time.sleep")
guard, (good, made_up) = Guard.from_env(), sys.stdin.read().split()
seen, is_on = defaultdict(set), False

def watch(event, details):
    if is_on and event.startswith(BLOCKING):
        me = threading.current_thread()
        place = "loop" if me is threading.main_thread() else me.name.partition("-")[0]
        subject = details[0] if event in ("import", "open") else ""
        seen[place].add(f"{event} {subject}".strip())

async def use():
    global is_on
    is_on = True
    await guard.averify(good)  # the first use of all
    await guard.averify(good)
    try:
        await guard.averify(made_up)
    except RejectedError as refusal:
        assert refusal.reason == "key_unknown"
    is_on = False

async def main():
    # What asyncio itself does when it begins, and for the first task, is not ours.
    await asyncio.wait_for(asyncio.sleep(0), 1)
    await use()

sys.addaudithook(watch)
asyncio.run(main())
print(json.dumps({place: sorted(events) for place, events in seen.items()}))
"""


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that vouches for itself, and its private key, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now, public_key = datetime.now(UTC), key.public_key()
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = tmp_path / "server.pem"
    file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM) + private)
    return file


def server_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_in_the_thread_of_the_event_loop_nothing_is_loaded_opened_or_looked_up(
    http_issuer, certificate, scheme
):
    """Promise 1: the event loop is never blocked, lazy imports of the first fetch included."""
    issuer = http_issuer(server_tls(certificate) if scheme == "https" else None)
    good = issuer.tokens.token()
    settings = {"ISSUER": issuer.tokens.url, "AUDIENCE": "https://api.example"}
    if scheme == "https":
        settings["CA_FILE"] = str(certificate)
    # Named, so that an OpenSSL without ML-DSA has nothing to say about it.
    settings = {"ALGORITHMS": "RS256", **settings}
    environment = {f"BEARERGUARD_{name}": value for name, value in settings.items()}

    done = subprocess.run(
        [sys.executable, "-c", WATCHED],
        input=f"{good} {next(made_up(good))}",
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.stderr == ""
    seen = json.loads(done.stdout)
    # The fetches did all that, elsewhere.
    assert {"import httpx", "socket.getaddrinfo", "socket.connect"} <= set(seen.pop("bearerguard"))
    assert seen == {}
    assert issuer.paths().count("/jwks.json") == 2

"""One question to an issuer, over a real socket: what is sent, and what counts as an answer."""

import json
import logging
import os
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from bearerguard import Guard, UnavailableError
from bearerguard.introspection.cache import INACTIVE
from bearerguard.introspection.endpoint import LARGEST_ANSWER
from bearerguard.jwks.fetch import Fetched, FetchError

WELL_KNOWN = "/.well-known/oauth-authorization-server"
# Nothing waits as long as this unless the code under test is broken.
PATIENCE_S = 20.0


class SlowMetadata:
    """The issuer in memory; its metadata come when ``gate`` is open."""

    def __init__(self, issuer):
        self.issuer = issuer
        self.looks = threading.Semaphore(0)
        self.looked = 0
        self.gate = threading.Event()

    def fetch(self, url, **limits):
        if "well-known" in url:
            self.looked += 1
            self.looks.release()
            assert self.gate.wait(PATIENCE_S)
        return self.issuer.fetch(url, **limits)


@pytest.fixture
def slow(issuer):
    """An issuer with slow metadata, whose waiting requests end with the test."""
    fetcher = SlowMetadata(issuer)
    yield fetcher
    fetcher.gate.set()


@pytest.fixture
def endpoint(issuer, slow, client, clock):
    """The endpoint of the slow issuer, as a guard asks it."""
    guard = Guard(issuer=issuer.url, audience=issuer.audience, fetcher=slow, clock=clock, **client)
    (known,) = guard.issuers.all()
    return known.introspector._ask.__self__


def ask(endpoint, time_s=PATIENCE_S):
    """Ask about a token, with so much time. This blocks."""
    return endpoint.ask("opaque", endpoint.clock() + time_s)


@pytest.fixture
def unavailable(server):
    """Let the server answer this, and give the 503 that comes of it."""

    def of(answer, **settings):
        server.answer = answer
        with pytest.raises(UnavailableError) as refusal:
            server.guard(**settings).verify("opaque")
        return refusal.value

    return of


@pytest.mark.requirement("7662-2.1-1", "7662-2.1-2", "7662-2.1-4")
def test_the_token_is_posted_in_a_form_and_never_in_the_url(server):
    """RFC 7662 section 2.1."""
    server.answer = server.good()
    raw = "~a+b/c-d_e.f=="

    assert server.guard().verify(raw).subject == "user-1"

    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", "/introspect")
    assert asked.form == {"token": [raw], "token_type_hint": ["access_token"]}
    assert asked.fields["content-type"] == "application/x-www-form-urlencoded"
    assert asked.fields["accept"] == "application/json"
    assert raw not in "".join(server.fetched)


@pytest.mark.requirement("8414-2-3")
def test_the_endpoint_is_found_in_the_metadata_once(server):
    """RFC 8414 section 2."""
    server.metadata = {"introspection_endpoint": server.url("/elsewhere")}
    guard = server.guard()
    server.answer = server.good()

    for raw in ("one", "two"):
        guard.verify(raw)

    assert server.fetched == [WELL_KNOWN]
    assert [asked.target for asked in server.asked] == ["/elsewhere"] * 2


@pytest.mark.requirement("8414-2-3")
def test_an_endpoint_that_is_set_wins_over_the_metadata(server):
    server.answer = server.good()
    server.guard(introspection_uri=server.url("/set")).verify("opaque")

    assert [asked.target for asked in server.asked] == ["/set"]
    assert server.fetched == []


@pytest.mark.requirement("8705-5-1")
def test_an_alias_for_mutual_tls_is_left_alone(server):
    """RFC 8705 section 5: it is for clients with certificates; see not_offered.md."""
    alias = {"introspection_endpoint": server.url("/mtls")}
    server.metadata = {"mtls_endpoint_aliases": alias}
    server.answer = server.good()
    server.guard().verify("opaque")

    assert [asked.target for asked in server.asked] == ["/introspect"]


def test_metadata_without_a_usable_endpoint_are_503(server, unavailable):
    for odd in (None, 5, "http://as.example/introspect", "https://10.0.0.1/introspect"):
        server.metadata = {"introspection_endpoint": odd}
        detail = unavailable(server.good()).detail
        assert "introspection_endpoint" in detail
    assert "set introspection_uri to it" in detail
    assert server.asked == []


def test_an_endpoint_that_is_gone_is_looked_for_again(server, http_answer, outcome):
    guard = server.guard()
    server.metadata = {"introspection_endpoint": server.url("/old")}
    server.answer = lambda asked: (
        http_answer(status=404) if asked.target == "/old" else server.good()
    )
    assert outcome(guard, "one") == 503
    server.metadata = {"introspection_endpoint": server.url("/new")}
    assert outcome(guard, "two") == "user-1"
    assert [asked.target for asked in server.asked] == ["/old", "/new"]


def test_the_endpoint_is_looked_for_again_after_a_day(issuer, asking, clock):
    asking.verify(issuer.opaque_token())
    clock.tick(24 * 3600 + 1)
    asking.verify(issuer.opaque_token())
    assert issuer.requests.count(f"{issuer.url}{WELL_KNOWN}") == 2


def test_the_endpoint_serves_on_while_the_metadata_cannot_be_had(issuer, asking, clock):
    """As stale keys do; the metadata are looked for again a minute later, and not at each token."""
    asking.verify(issuer.opaque_token())
    fetch, metadata = issuer.fetch, f"{issuer.url}{WELL_KNOWN}"

    def without_metadata(url, **limits):
        answer = fetch(url, **limits)
        return Fetched(503) if "well-known" in url else answer

    asking.issuers.all()[0].introspector._ask.__self__.fetcher = SimpleNamespace(
        fetch=without_metadata
    )
    clock.tick(24 * 3600 + 1)
    for _ in range(3):
        assert asking.verify(issuer.opaque_token()).subject == "user-1"
    assert issuer.requests.count(metadata) == 2
    clock.tick(61)
    asking.verify(issuer.opaque_token())
    assert issuer.requests.count(metadata) == 3


def test_the_first_requests_look_for_the_endpoint_once(slow, endpoint):
    with ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(ask, endpoint) for _ in range(5)]
        assert slow.looks.acquire(timeout=PATIENCE_S)
        assert not slow.looks.acquire(timeout=0.1)  # in which the others would have looked, too
        slow.gate.set()
        assert {one.result(PATIENCE_S) for one in asked} == {INACTIVE}
    assert slow.looked == 1


def test_a_look_that_does_not_end_keeps_nobody_from_looking(slow, endpoint):
    """A name that is never resolved; the next one waits for half of its time."""
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(ask, endpoint, 0.1) for _ in range(2)]
        assert slow.looks.acquire(timeout=PATIENCE_S)
        assert slow.looks.acquire(timeout=PATIENCE_S)
        slow.gate.set()
        assert {one.result(PATIENCE_S) for one in asked} == {INACTIVE}


def test_the_endpoint_that_is_known_serves_while_one_looks_again(slow, endpoint, clock):
    slow.gate.set()
    ask(endpoint)
    slow.gate.clear()
    clock.tick(24 * 3600 + 1)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(ask, endpoint)
        for _ in range(2):
            assert slow.looks.acquire(timeout=PATIENCE_S)
        # Whoever waited for the one that looks would wait for twice as long as this test does.
        second = threads.submit(ask, endpoint, 4 * PATIENCE_S)
        assert second.result(PATIENCE_S / 4) == INACTIVE
        assert slow.looked == 2
        slow.gate.set()
        assert first.result(PATIENCE_S) == INACTIVE


def test_metadata_that_hang_leave_time_for_the_endpoint_that_is_known(issuer, client, clock):
    """A Fetcher keeps to its time, and that of the metadata is half."""

    class Hanging:
        hangs = False

        def fetch(self, url, **limits):
            if self.hangs and "well-known" in url:
                clock.tick(limits["timeout_s"])
                raise FetchError("no answer in time")
            return issuer.fetch(url, **limits)

    fetcher = Hanging()
    guard = Guard(
        issuer=issuer.url, audience=issuer.audience, fetcher=fetcher, clock=clock, **client
    )
    guard.verify(issuer.opaque_token())
    fetcher.hangs = True
    clock.tick(24 * 3600 + 1)
    assert guard.verify(issuer.opaque_token()).subject == "user-1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_in_a_forked_child_somebody_else_looks(endpoint):
    """Whoever looks in the parent does not come back in the child."""
    with endpoint._looking:
        pid = os.fork()
        if not pid:
            os._exit(endpoint._looking.locked())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_late_404_from_the_old_place_does_not_undo_the_new_one(server, http_answer, outcome):
    """Of many requests that find it gone, one looks for the endpoint anew."""
    guard = server.guard()
    server.metadata = {"introspection_endpoint": server.url("/old")}
    begun, gate = threading.Semaphore(0), threading.Event()

    def answer(asked):
        if asked.target == "/new":
            return server.good()
        begun.release()
        if asked.only("token") == "late":
            assert gate.wait(PATIENCE_S)
        return http_answer(status=404)

    server.answer = answer
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(outcome, guard, "late")
        assert begun.acquire(timeout=PATIENCE_S)
        server.metadata = {"introspection_endpoint": server.url("/new")}
        assert outcome(guard, "one") == 503
        assert outcome(guard, "two") == "user-1"
        gate.set()
        assert late.result(PATIENCE_S) == 503
    assert outcome(guard, "three") == "user-1"
    assert len(server.fetched) == 2


@pytest.mark.requirement("7662-2.3-1")
@pytest.mark.parametrize(
    ("body", "blames"),
    [
        (b'{"error":"invalid_client"}', True),
        (b'{"error":"unauthorized_client"}', True),
        (b'{"error":"invalid_request"}', False),
        (b"{", False),
    ],
)
def test_a_400_can_be_about_our_own_credentials_too(server, http_answer, outcome, body, blames):
    """RFC 6749 section 5.2."""
    guard, server.answer = server.guard(), http_answer(body, 400)
    assert {outcome(guard, f"token-{number}") for number in range(5)} == {503}
    status = guard.status()[server.issuer.url]["introspection"]
    assert status["state"] == ("open" if blames else "closed")
    assert ("own credentials" in status["last_error"]) == blames


@pytest.mark.parametrize(
    "body",
    [
        b'{"active":true,"filler":"' + b"x" * LARGEST_ANSWER + b'"}',
        b'{"active":true,"active":true}',
        b'{"active":true,"sub":"\\ud800"}',
    ],
)
def test_an_odd_answer_about_one_token_says_nothing_about_the_others(
    server, http_answer, outcome, body
):
    """Whoever can write into the own answer could make everybody wait."""
    guard, server.answer = server.guard(), http_answer(body)
    assert {outcome(guard, f"odd-{number}") for number in range(6)} == {503}
    server.answer = server.good()
    assert outcome(guard, "innocent") == "user-1"


@pytest.mark.requirement("7662-2.3-1")
@pytest.mark.parametrize("status", [401, 403])
def test_that_our_own_credentials_are_refused_is_no_fault_of_the_token(
    server, unavailable, http_answer, caplog, status
):
    """RFC 7662 section 2.3: 503, a line for the operator, and nothing is remembered as inactive."""
    refusal = unavailable(http_answer(b'{"error":"invalid_client"}', status))

    assert f"refused this API's own credentials ({status}); compare" in refusal.detail
    assert "introspection_client_id" in caplog.text
    assert "opaque" not in caplog.text
    assert "hush" not in caplog.text

    server.answer = server.good()
    assert server.guard().verify("opaque").subject == "user-1"


@pytest.mark.requirement("7662-2.3-2")
@pytest.mark.parametrize(
    "answer",
    [
        *[{"status": status} for status in (201, 204, 304, 400, 404, 422, 429, 500, 502, 503)],
        {"body": b"nonsense"},
        {"body": b"[]"},
        {"body": b'"x"'},
        {"body": b"null"},
        {"body": b"{}{}"},
        {"body": b'{"active":true,"active":false}'},
        {"body": b'{"active":true}', "content_type": "text/html"},
        {"body": b'{"active":true}', "content_type": ""},
        {"body": b'{"active":true}', "content_type": "application/jwt"},
        {"body": b'{"a":"' + b"x" * LARGEST_ANSWER + b'"}'},
    ],
    ids=repr,
)
def test_whatever_is_no_answer_is_503_and_never_inactive(
    server, unavailable, http_answer, answer, outcome
):
    """RFC 7662 sections 2.2 and 2.3; design.md section 3."""
    assert unavailable(http_answer(**answer)).status == 503
    assert len(server.asked) == 1

    server.answer = server.good()
    assert outcome(server.guard(), "opaque") == "user-1"


@pytest.mark.requirement("7662-2.3-2")
@pytest.mark.parametrize(("wish", "said"), [("7", 7), ("0", 1), ("86400", 60), ("soon", 1)])
def test_the_wish_to_be_left_alone_is_handed_on(server, unavailable, http_answer, wish, said):
    refusal = unavailable(http_answer(status=503, retry_after=wish))
    assert refusal.retry_after == said


@pytest.mark.parametrize(("status", "state"), [(400, "closed"), (414, "closed"), (500, "open")])
def test_a_refusal_of_one_request_says_nothing_about_the_others(
    server, http_answer, outcome, status, state
):
    """Else a stranger with odd tokens could make everybody wait."""
    guard, server.answer = server.guard(), http_answer(status=status)
    assert {outcome(guard, f"odd-{number}") for number in range(6)} == {503}
    assert guard.status()[server.issuer.url]["introspection"]["state"] == state


def test_an_answer_as_long_as_allowed_is_taken(server, http_answer, outcome):
    body = json.dumps(server.good(filler="")).encode()
    filler = b"x" * (LARGEST_ANSWER - len(body))
    server.answer = http_answer(body.replace(b'"filler": ""', b'"filler": "' + filler + b'"'))
    assert outcome(server.guard(), "opaque") == "user-1"


@pytest.mark.requirement("7662-4-8")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server, unavailable, http_answer, status):
    """RFC 7662 section 4: what is sent is a secret of two parties."""
    refusal = unavailable(http_answer(status=status, location=server.url("/other")))

    assert "redirects are not followed" in refusal.detail
    assert [asked.target for asked in server.asked] == ["/introspect"]


@pytest.mark.requirement("7662-2.3-2", "GEN-7")
def test_an_issuer_that_is_not_there_is_503(server, unavailable):
    port_of_nobody = server.guard(introspection_uri="http://127.0.0.1:1/ask")
    with pytest.raises(UnavailableError):
        port_of_nobody.verify("opaque")
    issuer_of_nobody = server.guard(issuer="http://127.0.0.1:1")
    with pytest.raises(UnavailableError):
        issuer_of_nobody.verify("opaque")


@pytest.mark.requirement("7662-4-1")
def test_a_certificate_that_nobody_vouches_for_is_503(as_server, certificate):
    """RFC 7662 section 4, and then with the certificate named."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    server = as_server(tls)
    server.answer = server.good()

    with pytest.raises(UnavailableError) as refusal:
        server.guard().verify("opaque")

    assert "CERTIFICATE_VERIFY_FAILED" in refusal.value.detail
    assert server.asked == []
    assert server.guard(ca_file=str(certificate)).verify("opaque").subject == "user-1"


def test_no_time_for_a_request_is_503(issuer, client, clock):
    """The metadata may take all of it."""

    class Slow:
        def fetch(self, url, **limits):
            clock.tick(10)
            return issuer.fetch(url, **limits)

    guard = Guard(
        issuer=issuer.url, audience=issuer.audience, fetcher=Slow(), clock=clock, **client
    )
    (known,) = guard.issuers.all()
    with pytest.raises(FetchError, match="no time was left"):
        known.introspector._ask("opaque", clock() + 5)


def test_a_failure_is_told_once_to_the_operator(server, unavailable, http_answer, caplog):
    with caplog.at_level(logging.INFO, logger="bearerguard"):
        unavailable(http_answer(status=500))
    (record,) = [r for r in caplog.records if r.name == "bearerguard.introspection"]
    assert record.levelno == logging.WARNING
    assert "answered 500" in record.getMessage()

"""Tokens with a place in a status list, their list behind real HTTP."""

import asyncio
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from bearerguard import RejectedError, UnavailableError
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.status_list import MOST_BYTES, MOST_OCTETS
from bearerguard.testing import SigningKey


def outcome(guard, raw):
    """The reason of a refusal, 503, or the subject."""
    try:
        return guard.verify(raw).subject
    except RejectedError as refusal:
        return refusal.reason
    except UnavailableError as error:
        return error.status


@pytest.mark.requirement("TSL-8.1-1", "TSL-7.1-1")
def test_the_list_decides_about_a_valid_token(publisher):
    """Sections 8.1 and 8.3: one GET with the media type of a status list token."""
    guard = publisher.guard()
    publisher.statuses[1] = 1
    assert [outcome(guard, publisher.token(place)) for place in (0, 1)] == ["user-1", "revoked"]
    ((path, fields),) = publisher.asked
    assert (path, fields["accept"]) == ("/lists/1", "application/statuslist+jwt")
    assert "authorization" not in fields


@pytest.mark.requirement("TSL-7.1-1")
@pytest.mark.parametrize(
    ("status", "reason"), [(1, "revoked"), (2, "suspended"), (3, "status_unknown")]
)
def test_a_known_token_is_looked_up_again_each_time(publisher, clock, status, reason):
    guard, raw = publisher.guard(), publisher.token()
    assert outcome(guard, raw) == "user-1"
    publisher.statuses[0] = status
    clock.tick(101)
    assert outcome(guard, raw) == reason
    publisher.statuses[0] = 0
    clock.tick(101)
    assert outcome(guard, raw) == "user-1"


@pytest.mark.requirement("TSL-8.3-1")
@pytest.mark.parametrize("claims", [{"exp": 5}, {"aud": "other"}, {"jti": 5}, {"cnf": {}}])
def test_an_invalid_token_causes_no_fetch_of_a_list(publisher, claims):
    """Section 8.3: validated fully before its status."""
    guard = publisher.guard()
    assert isinstance(outcome(guard, publisher.token(**claims)), str)
    assert publisher.asked == []


def test_nor_does_a_forged_one(publisher):
    raw = publisher.token(key=SigningKey.generate("RS256", kid="key-1"))
    assert outcome(publisher.guard(), raw) == "signature_invalid"
    assert publisher.asked == []


@pytest.mark.requirement("TSL-8.1-1")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/lists/1", "https://other.example/lists/1"])
def test_a_list_of_another_host_is_not_fetched(publisher, uri):
    guard, raw = publisher.guard(), publisher.token(uri=uri)
    assert [outcome(guard, raw) for _ in range(2)] == ["status_uri_not_allowed"] * 2
    assert publisher.asked == []


@pytest.mark.requirement("TSL-8.3-2")
@pytest.mark.parametrize("idx", [-1, "0", 1.5])
def test_a_malformed_reference_causes_no_fetch(publisher, idx):
    assert outcome(publisher.guard(), publisher.token(idx)) == "claim_malformed"
    assert publisher.asked == []


@pytest.mark.requirement("TSL-8.3-3")
def test_a_place_beyond_the_list_is_refused(publisher):
    assert outcome(publisher.guard(), publisher.token(2)) == "status_unknown"


@pytest.mark.requirement("TSL-5.1-1", "TSL-8.3-5")
@pytest.mark.parametrize(
    ("header", "change"),
    [
        ({"typ": "JWT"}, {}),
        ({}, {"sub": "http://127.0.0.1/lists/1"}),
        ({}, {"iat": None}),
        ({}, {"status_list": None}),
        ({}, {"exp": 1_800_000_000 - 1}),
        ({"kid": "unknown"}, {}),
    ],
)
def test_a_list_that_is_not_what_it_should_be_tells_nothing(publisher, header, change):
    """Section 5.1. The token is not to blame, so the answer is 503, and no handler runs."""
    publisher.header, publisher.change = header, change
    assert outcome(publisher.guard(), publisher.token()) == 503


@pytest.mark.requirement("TSL-5.1-1")
def test_a_list_that_somebody_else_signed_tells_nothing(publisher):
    publisher.list_key = SigningKey.generate("RS256", kid="key-1")
    assert outcome(publisher.guard(), publisher.token()) == 503


def lst_of(packed):
    return {"bits": 1, "lst": base64url_encode(packed).decode()}


@pytest.mark.requirement("TSL-11.4-1")
@pytest.mark.parametrize(
    "odd",
    [
        {"change": {"status_list": lst_of(zlib.compress(bytes(MOST_OCTETS * 64)))}},
        {"answer": (200, {}, b"x" * (MOST_BYTES + 1))},
        {"answer": (302, {"Location": "/lists/1"}, b"")},
        {"answer": (200, {"Content-Encoding": "gzip"}, b"no gzip")},
        {"answer": (200, {}, b"")},
        {"answer": (200, {}, b"\x00\xff")},
        {"answer": (404, {}, b"")},
        {"answer": (500, {}, b"")},
    ],
    ids=["bomb", "too long", "redirect", "broken gzip", "empty", "garbage", "gone", "failing"],
)
def test_an_answer_beyond_the_limits_tells_nothing(publisher, odd):
    """Section 11.4: redirects, size and decompression are bounded."""
    for name, value in odd.items():
        setattr(publisher, name, value)
    guard, raw = publisher.guard(), publisher.token()
    assert [outcome(guard, raw) for _ in range(5)] == [503] * 5
    assert len(publisher.asked) == 1, "the back-off has begun"


@pytest.mark.requirement("TSL-8.3-4")
def test_the_ttl_of_the_list_counts_and_not_the_header_fields(publisher, clock):
    """Section 13.7."""
    guard, raw = publisher.guard(), publisher.token()
    assert outcome(guard, raw) == "user-1"
    clock.tick(79)
    assert outcome(guard, raw) == "user-1"
    assert len(publisher.asked) == 1
    clock.tick(21)
    assert outcome(guard, raw) == "user-1"
    assert len(publisher.asked) == 2


@pytest.mark.requirement("TSL-8.3-4", "TSL-8.3-5")
def test_a_list_past_its_end_is_not_used(publisher, clock):
    """Although its ttl would go on, and the token is good."""
    publisher.change = {"exp": int(clock()) + 50}
    guard, raw = publisher.guard(), publisher.token()
    assert outcome(guard, raw) == "user-1"
    publisher.answer = (500, {"Retry-After": "30"}, b"")
    clock.tick(49)
    assert outcome(guard, raw) == "user-1"
    clock.tick(1)
    assert outcome(guard, raw) == 503


@pytest.mark.requirement("TSL-8.3-5")
def test_without_a_fresh_copy_the_answer_is_503_and_says_when_to_come_again(publisher, clock):
    """Section 8.3: refused; and not as invalid, because nobody knows."""
    guard, raw = publisher.guard(), publisher.token()
    assert outcome(guard, raw) == "user-1"
    publisher.answer = (500, {"Retry-After": "30"}, b"")
    clock.tick(101)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="answered 500") as error:
            guard.verify(raw)
    assert error.value.retry_after == 30
    publisher.answer = None
    clock.tick(30)
    assert outcome(guard, raw) == "user-1"


def test_a_list_is_renewed_behind_the_requests(publisher, clock):
    """From 80 % of its lifetime on; the request that notices does not wait."""
    guard, raw = publisher.guard(), publisher.token()
    assert outcome(guard, raw) == "user-1"
    publisher.gate.clear()
    publisher.statuses[0] = 1
    clock.tick(81)
    assert [outcome(guard, raw) for _ in range(3)] == ["user-1"] * 3
    publisher.gate.set()
    for thread in threading.enumerate():
        if thread.name == "bearerguard-status-list":
            thread.join(20)
    assert outcome(guard, raw) == "revoked"
    assert len(publisher.asked) == 2


def test_threads_and_tasks_wait_for_one_fetch(publisher):
    guard, raw = publisher.guard(), publisher.token()
    guard.verify(publisher.issuer.token())  # the keys are there
    publisher.gate.clear()

    async def from_tasks():
        return await asyncio.gather(*(guard.averify(raw) for _ in range(8)))

    with ThreadPoolExecutor(9) as pool:
        waiting = [pool.submit(guard.verify, raw) for _ in range(8)]
        waiting.append(pool.submit(asyncio.run, from_tasks()))
        publisher.gate.set()
        results = [future.result(20) for future in waiting]
    assert {token.subject for token in [*results[:8], *results[8]]} == {"user-1"}
    assert len(publisher.asked) == 1


def test_waiting_for_a_list_never_stops_an_event_loop(publisher):
    guard, raw = publisher.guard(), publisher.token()

    async def verify():
        guard.verify(raw)

    guard.verify(publisher.issuer.token())
    with pytest.raises(RuntimeError, match="averify"):
        asyncio.run(verify())
    assert asyncio.run(guard.averify(raw)).subject == "user-1"


def test_explain_tells_of_the_status_and_fetches_only_where_it_may(publisher):
    guard = publisher.guard()
    publisher.statuses[0] = 1
    raw = publisher.token()
    guard.verify(publisher.issuer.token())
    (status,) = [check for check in guard.explain(raw).checks if check.name == "status"]
    assert (status.passed, status.found) == (None, "the status list was not fetched yet")
    assert publisher.asked == []
    assert asyncio.run(guard.aexplain(raw)).first_failure.name == "status"
    assert guard.explain(raw).first_failure.reason == "revoked"


def test_keys_that_cannot_be_had_leave_the_list_untold(publisher, clock):
    """They verified the token a moment ago; for its list another one is named, and none comes."""
    guard, raw = publisher.guard(), publisher.token()
    publisher.header = {"kid": "new"}
    guard.verify(publisher.issuer.token())
    publisher.issuer.metadata = publisher.issuer.jwks = list
    clock.tick(20)
    assert outcome(guard, raw) == 503

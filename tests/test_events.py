"""on_event=: whoever watches is told of everything that happens to keys, and changes nothing."""

import json
import threading
from collections import Counter

import pytest

import bearerguard
from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard.events import FetchEnded, FetchStarted, KeyRefused, KeyStateChanged
from bearerguard.jwks.fetch import FetchError
from bearerguard.testing import Issuer

PATIENCE_S = 20.0
A, B = "https://a.example", "https://b.example"
AUDIENCE = "https://api.example"
ODD = [
    {"kty": "oct", "kid": "shared", "k": "c2VjcmV0IGtleSBtYXRlcmlhbCB0aGF0IG5vYm9keSBtYXkgc2Vl"},
    None,
]
SECRETS = ("c2VjcmV0", "eyJ", "BEGIN")


class Network:
    """Every issuer of a test, as the one Fetcher of a guard."""

    def __init__(self, *issuers):
        self.issuers = issuers

    def fetch(self, url, **limits):
        for issuer in self.issuers:
            if url.startswith(f"{issuer.url}/"):
                return issuer.fetch(url, **limits)
        raise FetchError("nobody is there")


class OddIssuer(Issuer):
    """An issuer that publishes odd keys beside its own."""

    odd = ()

    def jwks(self):
        return {"keys": [*self.odd, *super().jwks()["keys"]]}


@pytest.fixture
def of_a(clock, keys):
    return OddIssuer(A, key=keys("ES256"), clock=clock)


@pytest.fixture
def of_b(clock, keys):
    return OddIssuer(B, key=keys("ES384"), clock=clock)


@pytest.fixture
def told():
    """Every event, in the order in which the callback was called."""
    return []


@pytest.fixture
def make(of_a, of_b, clock, told):
    """A guard of both issuers that tells what happens."""

    def made(**arguments):
        named = {"issuers": [bearerguard.Issuer(A), bearerguard.Issuer(B)]}
        watched = {"on_event": told.append, "fetcher": Network(of_a, of_b), "clock": clock}
        return Guard(audience=AUDIENCE, **(named | watched | arguments))

    return made


@pytest.fixture
def finish():
    """Let what goes on behind the requests come to its end, its events included."""

    def finished():
        for thread in threading.enumerate():
            if thread.name.startswith("bearerguard-"):
                thread.join(PATIENCE_S)
                assert not thread.is_alive()

    yield finished
    finished()


@pytest.fixture
def ask(finish):
    """Verify a token, whatever comes of it, and wait until everything has been told."""

    def asked(guard, token):
        try:
            return guard.verify(token).issuer
        except (RejectedError, UnavailableError) as refusal:
            return refusal.reason
        finally:
            finish()

    return asked


def test_a_guard_that_nobody_asked_tells_nothing(make, told):
    make()
    assert told == []


def test_the_first_token_of_an_issuer_tells_of_a_fetch_and_of_fresh_keys(make, told, of_a, ask):
    ask(make(), of_a.token())
    assert told == [
        FetchStarted(A, 1),
        FetchEnded(A, 1, 0.0),
        KeyStateChanged(A, "cold", "fresh"),
    ]


def test_a_token_that_needs_nothing_new_tells_nothing(make, told, of_a, ask):
    guard = make()
    ask(guard, of_a.token())
    told.clear()
    for _ in range(3):
        ask(guard, of_a.token())
    assert told == []


def test_each_event_names_the_issuer_that_it_is_about(make, told, of_a, of_b, ask):
    of_b.is_down = True
    guard = make()
    ask(guard, of_a.token())
    ask(guard, of_b.token())
    assert [event for event in told if event.issuer == A] == [
        FetchStarted(A, 1),
        FetchEnded(A, 1, 0.0),
        KeyStateChanged(A, "cold", "fresh"),
    ]
    begun, ended = [event for event in told if event.issuer == B]
    assert begun == FetchStarted(B, 1)
    assert (ended.number, ended.is_shared) == (1, False)
    assert "the issuer is down" in ended.error


def test_every_state_that_keys_go_through_is_told(make, told, of_a, ask, clock):
    """Also those that nobody asked in: a quiet night ends in all of them at once."""
    guard = make()
    ask(guard, of_a.token())
    of_a.is_down = True
    clock.tick(2 * 3600)
    told.clear()
    assert ask(guard, of_a.token()) == "issuer_unavailable"
    assert [(e.before, e.after) for e in told if isinstance(e, KeyStateChanged)] == [
        ("fresh", "refresh_due"),
        ("refresh_due", "stale_ok"),
        ("stale_ok", "expired"),
    ]
    of_a.is_down = False
    clock.tick(60)
    told.clear()
    assert ask(guard, of_a.token()) == A
    assert told[-1] == KeyStateChanged(A, "expired", "fresh")


def test_as_many_fetches_end_as_begin_and_in_order(make, told, of_a, ask, clock):
    guard = make()
    for number in range(40):
        of_a.is_down = number % 3 == 0
        ask(guard, of_a.token(header={"kid": f"made-up-{number}"}))
        clock.tick(7)
    fetches = [event for event in told if isinstance(event, FetchStarted | FetchEnded)]
    assert len(fetches) > 10
    expected = [kind for _ in range(len(fetches) // 2) for kind in (FetchStarted, FetchEnded)]
    assert [type(event) for event in fetches] == expected
    numbers = [event.number for event in fetches]
    assert numbers == [number // 2 + 1 for number in range(len(fetches))]


def test_each_key_that_cannot_be_used_is_told_once_for_each_new_set(make, told, of_a, ask, clock):
    of_a.odd = ODD
    guard = make()
    ask(guard, of_a.token())
    refused = [event for event in told if isinstance(event, KeyRefused)]
    assert [(e.issuer, e.index, e.kid) for e in refused] == [(A, 0, "shared"), (A, 1, None)]
    assert all(event.reason for event in refused)

    told.clear()
    clock.tick(400)
    ask(guard, of_a.token())
    assert [type(event) for event in told if isinstance(event, FetchEnded)] == [FetchEnded]
    assert [event for event in told if isinstance(event, KeyRefused)] == [], "nothing new"

    of_a.odd = [*ODD, 5]
    clock.tick(400)
    ask(guard, of_a.token())
    assert Counter(type(event) for event in told)[KeyRefused] == 3


def test_the_events_of_an_issuer_that_was_resolved_are_told_too(make, told, of_b, ask):
    guard = make(
        issuers=[bearerguard.Issuer(A)],
        resolve_issuer=bearerguard.Issuer,
        issuers_allowed=[B],
    )
    assert ask(guard, of_b.token()) == B
    assert [event.issuer for event in told] == [B, B, B]


def test_no_event_holds_a_token_or_key_material(make, told, of_a, of_b, ask, clock, tmp_path):
    of_a.odd = ODD
    guard = make()
    raw = of_a.token()
    for token in (raw, of_b.token(), of_a.token(header={"kid": "made-up"})):
        ask(guard, token)
    of_a.is_down = True
    clock.tick(5000)
    ask(guard, raw)
    shown = repr(told)
    assert len(told) > 8
    for part in raw.split("."):
        assert part not in shown
    for key in (*of_a.keys, *of_b.keys):
        assert key.jwk["x"] not in shown
    for secret in SECRETS:
        assert secret not in shown


# Callbacks


class CallbackError(Exception):
    """What a callback may raise."""


def test_a_callback_that_raises_changes_nothing_and_is_logged(make, of_a, ask, caplog):
    def on_event(event):
        raise CallbackError(type(event).__name__)

    guard = make(on_event=on_event)
    assert ask(guard, of_a.token()) == A
    assert ask(guard, of_a.token(header={"kid": "made-up"})) == "key_unknown"
    of_a.rotate()
    assert ask(guard, of_a.token()) == "key_unknown"  # the budget is used up, as without callback
    failures = [record for record in caplog.records if record.getMessage() == "on_event failed"]
    assert {type(record.exc_info[1]) for record in failures} == {CallbackError}
    assert len(failures) == 5  # two fetches that began and ended, and one new state


def test_after_a_callback_has_raised_it_is_told_the_next_event_too(make, of_a, ask):
    told = []

    def on_event(event):
        told.append(event)
        raise CallbackError

    ask(make(on_event=on_event), of_a.token())
    assert len(told) == 3


def test_a_callback_may_ask_the_guard_for_its_status_and_for_a_token(make, of_a, ask, finish):
    """It is called outside of every lock."""
    seen = []

    def on_event(event):
        state = guard.status()[event.issuer]["state"]
        seen.append((type(event).__name__, state, guard.ready(), guard.verify(of_a.token()).issuer))

    guard = make(on_event=lambda _: None)
    ask(guard, of_a.token())
    guard = make(on_event=on_event)
    worker = threading.Thread(target=ask, args=(guard, of_a.token()), daemon=True)
    worker.start()
    worker.join(PATIENCE_S)
    assert not worker.is_alive()
    finish()
    assert ("KeyStateChanged", "fresh", True, A) in seen


def test_events_are_written_to_a_logger_of_their_own(make, of_a, ask, caplog):
    """Who watches by the log sees the same, and can turn it off alone."""
    caplog.set_level("DEBUG", logger="bearerguard.keys")
    ask(make(), of_a.token())
    facts = [record.bearerguard for record in caplog.records if record.name == "bearerguard.keys"]
    names = [fact["event"] for fact in facts]
    assert names == ["FetchStarted", "FetchEnded", "KeyStateChanged"]
    assert {fact["issuer"] for fact in facts} == {A}


# Keys from a file


@pytest.fixture
def file(tmp_path, of_a):
    path = tmp_path / "keys.json"

    def write(*odd):
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps({"keys": [*odd, dict(of_a.key.jwk)]}))
        beside.replace(path)
        return str(path)

    return write


def test_the_odd_keys_of_a_file_are_told_at_the_start(make, told, of_a, file, ask):
    name = file(*ODD)
    guard = make(issuers=[bearerguard.Issuer(A, jwks_file=name)])
    assert [(e.issuer, e.index, e.kid) for e in told] == [(A, 0, "shared"), (A, 1, None)]
    told.clear()
    assert ask(guard, of_a.token()) == A
    assert told == []


def test_the_odd_keys_of_a_file_are_told_when_they_have_changed(make, told, of_a, file, ask, clock):
    guard = make(issuers=[bearerguard.Issuer(A, jwks_file=file())])
    assert told == []
    file(*ODD)
    clock.tick(1)
    assert ask(guard, of_a.token()) == A
    assert [(e.issuer, e.index, e.kid) for e in told] == [(A, 0, "shared"), (A, 1, None)]
    told.clear()
    for _ in range(5):
        clock.tick(1)
        ask(guard, of_a.token())
    assert told == []


def test_an_odd_key_of_a_file_is_told_to_whoever_asks_for_a_key_that_is_not_there(
    make, told, of_a, file, ask
):
    """That look at the file is another one than the look once a second."""
    guard = make(issuers=[bearerguard.Issuer(A, jwks_file=file())])
    file(ODD[0])
    assert ask(guard, of_a.token(header={"kid": "made-up"})) == "key_unknown"
    assert [event.kid for event in told] == ["shared"]


def test_a_callback_may_ask_a_guard_with_a_file_of_keys(make, of_a, file, clock):
    """Outside of the lock here, too; this thread would wait for itself."""
    answers = []
    guard = make(
        issuers=[bearerguard.Issuer(A, jwks_file=file())],
        on_event=lambda _: answers.append(
            (guard.status()[A]["state"], guard.verify(of_a.token()).issuer)
        ),
    )
    file(ODD[0])
    clock.tick(1)
    worker = threading.Thread(target=guard.verify, args=(of_a.token(),), daemon=True)
    worker.start()
    worker.join(PATIENCE_S)
    assert not worker.is_alive()
    assert answers == [("file", A)]


def test_a_callback_of_a_resolved_issuer_with_a_file_may_ask_the_guard(make, of_a, of_b, file):
    """What is made of an answer is made outside of the resolver's lock."""
    answers = []
    name = file(ODD[0])
    guard = make(
        issuers=[bearerguard.Issuer(B)],
        resolve_issuer=lambda issuer: bearerguard.Issuer(issuer, jwks_file=name),
        issuers_allowed=[A],
        on_event=lambda event: answers.append(guard.explain(of_a.token()).accepted),
    )
    worker = threading.Thread(target=guard.verify, args=(of_a.token(),), daemon=True)
    worker.start()
    worker.join(PATIENCE_S)
    assert not worker.is_alive()
    assert answers == [False], "it is not there yet"
    assert guard.verify(of_a.token()).issuer == A

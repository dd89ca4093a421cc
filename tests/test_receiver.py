"""Security events and logout tokens, delivered by HTTP to the ASGI and the WSGI form of the endpoint."""

import asyncio
import io
import json
from types import SimpleNamespace
from urllib.parse import urlencode

import httpx
import pytest

from bearerguard import ConfigurationError, Guard, RejectedError
from bearerguard import Issuer as Named
from bearerguard import receiver as receiver_module
from bearerguard.core.security_event import CAEP, LOGOUT, MOST_BYTES, SESSION_REVOKED
from bearerguard.receiver import EventReceiver
from bearerguard.stores import memory
from bearerguard.testing import Issuer as Tenant
from bearerguard.testing import SigningKey

SINK = "https://api.example/events"
SET, FORM = "application/secevent+jwt", "application/x-www-form-urlencoded"
OTHER = "user-2"


class Transmitter:
    """Signs events of an issuer, and delivers them as ``way`` says."""

    def __init__(self, issuer, guard, way, **arguments):
        self.issuer, self.guard, self.way = issuer, guard, way
        self.receiver = EventReceiver(guard, audience=[SINK, "client-1"], **arguments)
        self.count = 0

    def sign(self, claims, *, typ, without=(), key=None, header=None):
        self.count += 1
        now = int(self.issuer.clock())
        good = {"iss": self.issuer.url, "iat": now, "jti": f"event-{self.count}"}
        claims = {n: v for n, v in (good | claims).items() if n not in without}
        header = {"typ": typ} | (header or {})
        return self.issuer.sign(json.dumps(claims).encode(), header=header, key=key)

    def set(self, *, typ="secevent+jwt", event=None, kind=SESSION_REVOKED, signed=None, **changes):
        claims = {
            "aud": SINK,
            "sub_id": {"format": "iss_sub", "iss": self.issuer.url, "sub": "user-1"},
            "events": {kind: {} if event is None else event},
        }
        return self.sign(claims | changes, typ=typ, **(signed or {}))

    def logout(self, *, typ="logout+jwt", signed=None, **changes):
        claims = {"aud": "client-1", "events": {LOGOUT: {}}}
        if not {"sub", "sid"} & changes.keys():
            claims["sub"] = "user-1"
        return self.sign(claims | changes, typ=typ, **(signed or {}))

    def push(self, raw):
        return self.post(raw.encode("latin-1"), SET)

    def push_logout(self, raw):
        return self.post(urlencode({"logout_token": raw}).encode(), FORM)

    def post(self, body, content_type, method="POST", **fields):
        headers = {"Content-Type": content_type} if content_type else {}
        if self.way == "asgi":
            return asyncio.run(self._over_asgi(method, body, headers | fields))
        transport = httpx.WSGITransport(app=self.receiver.wsgi)
        with httpx.Client(transport=transport, base_url="http://api.example") as client:
            return client.request(method, "/events", content=body, headers=headers | fields)

    async def _over_asgi(self, method, body, headers):
        transport = httpx.ASGITransport(app=self.receiver)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
            return await client.request(method, "/events", content=body, headers=headers)


@pytest.fixture(params=["asgi", "wsgi"])
def way(request):
    return request.param


@pytest.fixture
def transmitter(issuer, guard, way):
    return Transmitter(issuer, guard, way)


def outcome(guard, raw):
    try:
        return guard.verify(raw).subject
    except RejectedError as refusal:
        return refusal.reason


def is_refused(answer, code):
    """RFC 8935 section 2.3: 400, and JSON with err and description."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == {"err", "description"}
    return (answer.status_code, body["err"]) == (400, code)


# Delivery


@pytest.mark.requirement("8935-2-1", "CAEP-1")
def test_a_revoked_session_ends_the_tokens_issued_before(transmitter, issuer, clock):
    """RFC 8935 section 2.2; CAEP 1.0 section 3.1: new and known tokens alike."""
    guard, known, new = transmitter.guard, issuer.token(), issuer.token()
    guard.verify(known)
    answer = transmitter.push(transmitter.set())
    assert (answer.status_code, answer.content) == (202, b"")
    assert [outcome(guard, raw) for raw in (known, new)] == ["revoked"] * 2
    assert outcome(guard, issuer.token(sub=OTHER)) == OTHER
    clock.tick(1)
    assert outcome(guard, issuer.token()) == "user-1"


@pytest.mark.requirement("CAEP-1")
@pytest.mark.parametrize(
    ("event_timestamp", "ago_s", "expected"),
    [
        (-100, 101, "revoked"),
        (-100, 100, "revoked"),
        (-100, 99, "user-1"),
        (10**9, 0, "revoked"),
        (10**9, -1, "user-1"),
    ],
)
def test_the_time_of_the_event_counts_and_not_that_of_its_delivery(
    transmitter, issuer, clock, event_timestamp, ago_s, expected
):
    """CAEP 1.0 section 2. One of a far future, as in milliseconds, counts as its statement."""
    now = int(clock())
    transmitter.push(transmitter.set(event={"event_timestamp": now + event_timestamp}))
    assert outcome(transmitter.guard, issuer.token(iat=now - ago_s)) == expected


def test_an_event_that_is_delivered_again_later_does_nothing_new(transmitter, issuer, clock):
    """Its id is forgotten after a day, and never known to another process."""
    raw = transmitter.set(event={"event_timestamp": int(clock()) * 1000})
    transmitter.push(raw)
    clock.tick(2 * 86400)
    new = issuer.token()
    assert transmitter.push(raw).status_code == 202
    assert outcome(transmitter.guard, new) == "user-1"


def test_an_event_signed_with_a_key_of_another_tenant_is_none(issuer, way):
    """One set of keys may serve many tenants of a provider."""
    name = "https://login.microsoftonline.com/tenant-1/v2.0"
    tenant = Tenant(name, key=issuer.key, clock=issuer.clock)
    known = tenant.jwks
    tenant.jwks = lambda: {
        "keys": [{**key, "issuer": name.replace("1", "2")} for key in known()["keys"]]
    }
    transmitter = Transmitter(tenant, tenant.guard(), way)
    assert is_refused(transmitter.push(transmitter.set()), "invalid_request")


@pytest.mark.parametrize("event_timestamp", ["5", True, None, -1, [], {}])
def test_a_time_that_is_none_leaves_that_of_the_statement(
    transmitter, issuer, clock, event_timestamp
):
    raw = transmitter.set(event={"event_timestamp": event_timestamp}, iat=int(clock()) - 50)
    assert transmitter.push(raw).status_code == 202
    assert outcome(transmitter.guard, issuer.token(iat=clock() - 50)) == "revoked"
    assert outcome(transmitter.guard, issuer.token(iat=clock() - 49)) == "user-1"


@pytest.mark.requirement("8935-2-1")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_a_post_is_a_delivery(transmitter, method):
    answer = transmitter.post(transmitter.set().encode(), SET, method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert not transmitter.guard.issuers.store.in_use


@pytest.mark.requirement("8935-2-1")
@pytest.mark.parametrize("content_type", [None, "", "application/json", "application/jwt", "x"])
def test_another_type_of_content_is_refused(transmitter, content_type):
    """RFC 8935 section 2.1."""
    assert is_refused(transmitter.post(transmitter.set().encode(), content_type), "invalid_request")


def test_the_type_of_content_is_compared_without_case_and_parameters(transmitter):
    answer = transmitter.post(transmitter.set().encode(), "Application/SecEvent+JWT; charset=utf-8")
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "body", [b"", b"x", b"a.b.c", b"\xff" * 100, b"e30.e30.e30", b"[" * 60_000, b"x" * MOST_BYTES]
)
def test_whatever_is_posted_is_a_refusal(transmitter, body):
    assert is_refused(transmitter.post(body, SET), "invalid_request")


def test_a_body_beyond_the_limit_is_not_read_to_its_end(transmitter):
    sent = transmitter.set().encode()
    assert is_refused(
        transmitter.post(sent + b" " * (MOST_BYTES - len(sent) + 1), SET), "invalid_request"
    )
    assert transmitter.post(sent + b" " * (MOST_BYTES - len(sent)), SET).status_code == 202


def test_keys_that_cannot_be_had_put_the_event_off(transmitter, issuer):
    """So that it is delivered again, and not lost."""
    issuer.is_down = True
    answer = transmitter.push(transmitter.set())
    assert answer.status_code == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 60


# Which events


@pytest.mark.requirement("8417-2.3-1")
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "logout+jwt", None, "secevent"])
def test_a_set_says_that_it_is_one(transmitter, typ):
    """RFC 8417 section 2.3."""
    assert is_refused(transmitter.push(transmitter.set(typ=typ)), "invalid_request")
    assert not transmitter.guard.issuers.store.in_use


@pytest.mark.requirement("SSF-1")
@pytest.mark.parametrize("claims", [{"sub": "user-1"}, {"exp": 2_000_000_000}])
def test_a_set_with_the_claims_of_an_access_token_is_refused(transmitter, claims):
    """SSF 1.0 sections 4.1.2 and 4.1.7."""
    assert is_refused(transmitter.push(transmitter.set(**claims)), "invalid_request")


@pytest.mark.requirement("SSF-2")
@pytest.mark.parametrize(
    ("claims", "signed", "code"),
    [
        ({"iss": "https://other.example"}, {}, "invalid_issuer"),
        ({}, {"without": ["iss"]}, "invalid_issuer"),
        ({"aud": "https://other.example/events"}, {}, "invalid_audience"),
        ({"aud": ["https://other.example/events", 5]}, {}, "invalid_audience"),
        ({"aud": {"x": SINK}}, {}, "invalid_audience"),
        ({}, {"without": ["aud"]}, "invalid_audience"),
        ({}, {"without": ["jti"]}, "invalid_request"),
        ({"jti": 5}, {}, "invalid_request"),
        ({"jti": ""}, {}, "invalid_request"),
        ({}, {"without": ["iat"]}, "invalid_request"),
        ({"iat": 1_800_000_031}, {}, "invalid_request"),
        ({"iat": "x"}, {}, "invalid_request"),
        ({"iat": True}, {}, "invalid_request"),
        ({}, {"without": ["events"]}, "invalid_request"),
        ({"events": []}, {}, "invalid_request"),
        ({}, {"without": ["sub_id"]}, "invalid_request"),
        ({"sub_id": "user-1"}, {}, "invalid_request"),
        ({"sub_id": {"format": "iss_sub"}}, {}, "invalid_request"),
        ({}, {"header": {"alg": "none"}}, "invalid_request"),
        ({}, {"header": {"kid": "unknown"}}, "invalid_key"),
        ({}, {"header": {"crit": ["x"]}}, "invalid_request"),
    ],
)
def test_each_thing_wrong_with_a_set_refuses_it(transmitter, claims, signed, code):
    """SSF 1.0 section 4.1, RFC 8935 section 2.4."""
    assert is_refused(transmitter.push(transmitter.set(signed=signed, **claims)), code)
    assert not transmitter.guard.issuers.store.in_use


@pytest.mark.requirement("SSF-2")
def test_a_forged_set_is_refused(transmitter):
    forger = SigningKey.generate("RS256", kid="key-1")
    assert is_refused(transmitter.push(transmitter.set(signed={"key": forger})), "invalid_key")


@pytest.mark.requirement("SSF-2")
def test_the_same_event_counts_once(transmitter, issuer):
    """RFC 8417 section 2.2: jti is unique. The second delivery is answered as the first."""
    first = transmitter.set(jti="same")
    other = transmitter.set(
        jti="same", sub_id={"format": "iss_sub", "iss": issuer.url, "sub": OTHER}
    )
    assert [transmitter.push(raw).status_code for raw in (first, other, first)] == [202] * 3
    assert outcome(transmitter.guard, issuer.token()) == "revoked"
    assert outcome(transmitter.guard, issuer.token(sub=OTHER)) == OTHER


def test_an_event_that_cannot_be_noted_counts_nevertheless(issuer, way, monkeypatch):
    """Twice it does no harm; not at all, it would."""
    monkeypatch.setattr(memory.MemoryStore.__init__, "__defaults__", (100, 0))
    transmitter = Transmitter(issuer, issuer.guard(), way)
    assert transmitter.push(transmitter.set()).status_code == 202
    assert outcome(transmitter.guard, issuer.token()) == "revoked"


def test_an_event_that_the_store_did_not_take_may_come_again(issuer, way, monkeypatch):
    transmitter = Transmitter(issuer, issuer.guard(), way)
    raw, store = transmitter.set(), transmitter.guard.issuers.store
    issuer_keys = transmitter.guard.verify(issuer.token(sub=OTHER))
    assert issuer_keys.subject == OTHER

    def broken(*_):
        raise ConnectionError("a store that is not in this process")

    with monkeypatch.context() as patched:
        patched.setattr(store, "raise_mark", broken)
        with pytest.raises(ConnectionError):
            transmitter.push(raw)
    assert transmitter.push(raw).status_code == 202
    assert outcome(transmitter.guard, issuer.token()) == "revoked"


@pytest.mark.requirement("SSF-4")
def test_what_is_not_known_is_passed_over(transmitter, issuer):
    """SSF 1.0 section 4; CAEP 1.0 section 2."""
    event = {"reason_admin": {"en": "x"}, "new_member": [1], "event_timestamp": 1_800_000_000}
    events = {SESSION_REVOKED: event, f"{CAEP}something-new": {"x": 1}, "urn:other": 5}
    raw = transmitter.set(events=events, txn=5, toe="x", new_claim=None)
    assert transmitter.push(raw).status_code == 202
    assert outcome(transmitter.guard, issuer.token()) == "revoked"


@pytest.mark.requirement("SSF-4")
@pytest.mark.parametrize("sub_id", [{"format": "opaque", "id": "stream"}, "not even an object"])
def test_an_event_of_another_kind_is_taken_and_does_nothing(transmitter, sub_id):
    """As the verification event of SSF 1.0 section 8.1.4, whose subject is the stream."""
    kind = "https://schemas.openid.net/secevent/ssf/event-type/verification"
    raw = transmitter.set(kind=kind, event={"state": "x"}, sub_id=sub_id)
    assert transmitter.push(raw).status_code == 202
    assert not transmitter.guard.issuers.store.in_use


@pytest.mark.requirement("SSF-3")
@pytest.mark.parametrize("name", ["user", "session"])
def test_a_critical_member_in_a_format_that_is_not_understood_drops_the_event(
    issuer, guard, way, name
):
    """SSF 1.0 section 7.1: a member is understood when its format is."""
    transmitter = Transmitter(issuer, guard, way, critical_subject_members=[name])
    members = {
        "user": {"format": "iss_sub", "iss": issuer.url, "sub": "user-1"},
        "session": {"format": "opaque", "id": "s-1"},
        name: {"format": "email", "email": "a@example.com"},
    }
    transmitter.push(transmitter.set(sub_id={"format": "complex", **members}))
    assert outcome(guard, issuer.token(sid="s-1")) == "user-1"


@pytest.mark.requirement("SSF-3")
@pytest.mark.parametrize(("member", "is_dropped"), [("tenant", True), ("device", False)])
def test_a_critical_member_that_is_not_understood_drops_the_event(
    issuer, guard, way, member, is_dropped
):
    """SSF 1.0 section 7.1: critical_subject_members of the transmitter's metadata."""
    transmitter = Transmitter(issuer, guard, way, critical_subject_members=["tenant", "user"])
    user = {"format": "iss_sub", "iss": issuer.url, "sub": "user-1"}
    subject = {"format": "complex", "user": user, member: {"format": "opaque", "id": "x"}}
    assert transmitter.push(transmitter.set(sub_id=subject)).status_code == 202
    expected = "user-1" if is_dropped else "revoked"
    assert outcome(guard, issuer.token()) == expected


@pytest.mark.requirement("CAEP-2")
@pytest.mark.parametrize(
    "kind", ["token-claims-change", "credential-change", "assurance-level-change"]
)
def test_a_change_of_a_subject_has_its_tokens_looked_at_anew(issuer, way, kind):
    """CAEP 1.0 sections 3.2 to 3.4: what is kept is dropped, and nothing is revoked."""
    guard = issuer.guard(token_cache=100)
    transmitter, kept = Transmitter(issuer, guard, way), guard._verified
    own, others = issuer.token(), issuer.token(sub=OTHER)
    for raw in (own, others):
        guard.verify(raw)
    assert transmitter.push(transmitter.set(kind=f"{CAEP}{kind}")).status_code == 202
    assert [kept.find(kept.digest_of(raw)) is None for raw in (own, others)] == [True, False]
    assert outcome(guard, own) == "user-1"


# Back-channel logout


@pytest.mark.requirement("BCL-2.6-1")
@pytest.mark.parametrize("typ", ["logout+jwt", "JWT", None])
def test_a_logout_ends_the_tokens_of_its_subject(transmitter, issuer, typ):
    """Back-Channel Logout 1.0 sections 2.4 (typ is recommended) and 2.8."""
    answer = transmitter.push_logout(transmitter.logout(typ=typ))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert outcome(transmitter.guard, issuer.token()) == "revoked"
    assert outcome(transmitter.guard, issuer.token(sub=OTHER)) == OTHER


@pytest.mark.requirement("BCL-2.6-1")
@pytest.mark.parametrize("sub", [{}, {"sub": "user-1"}])
def test_a_logout_of_a_session_ends_that_session(transmitter, issuer, sub):
    """Back-Channel Logout 1.0 section 2.7."""
    transmitter.push_logout(transmitter.logout(sid="s1", **sub))
    assert outcome(transmitter.guard, issuer.token(sid="s1")) == "revoked"
    assert outcome(transmitter.guard, issuer.token(sid="s2")) == "user-1"
    # It may belong to the session; only where the subject is told can that be said of a token.
    untold = [outcome(transmitter.guard, issuer.token(**sid)) for sid in ({}, {"sid": 5})]
    assert untold == (["revoked"] * 2 if sub else ["user-1"] * 2)


@pytest.mark.requirement("BCL-2.6-1")
@pytest.mark.parametrize(
    ("claims", "signed", "typ"),
    [
        ({"nonce": "n"}, {}, "logout+jwt"),
        ({"iss": "https://other.example"}, {}, "logout+jwt"),
        ({"aud": "client-2"}, {}, "logout+jwt"),
        ({}, {"without": ["iat"]}, "logout+jwt"),
        ({}, {"without": ["jti"]}, "logout+jwt"),
        ({}, {"without": ["events"]}, "logout+jwt"),
        ({}, {"without": ["sub"]}, "logout+jwt"),
        ({"events": {}}, {}, "logout+jwt"),
        ({"events": {LOGOUT: None}}, {}, "logout+jwt"),
        ({"events": {SESSION_REVOKED: {}}}, {}, "JWT"),
        ({"sub": 5}, {}, "logout+jwt"),
        ({"sid": ""}, {}, "logout+jwt"),
        ({"exp": 1_800_000_000 - 30}, {}, "logout+jwt"),
        ({"exp": "x"}, {}, "logout+jwt"),
        ({}, {}, "at+jwt"),
        ({}, {}, "secevent+jwt"),
    ],
)
def test_each_thing_wrong_with_a_logout_token_refuses_it(transmitter, claims, signed, typ):
    """Back-Channel Logout 1.0 sections 2.6 and 2.8."""
    answer = transmitter.push_logout(transmitter.logout(typ=typ, signed=signed, **claims))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.headers["cache-control"] == "no-store"
    assert not transmitter.guard.issuers.store.in_use


def test_a_logout_token_that_ends_later_is_good(transmitter):
    raw = transmitter.logout(exp=1_800_000_000 - 29)
    assert transmitter.push_logout(raw).status_code == 200


@pytest.mark.parametrize(
    "body", ["", "logout_token", "x=1", "logout_token=a&logout_token=b", "a=1&" * 1000]
)
def test_a_form_has_one_logout_token(transmitter, body):
    answer = transmitter.post(body.encode(), FORM)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_set_in_a_form_and_a_logout_token_by_itself_are_refused(transmitter):
    assert transmitter.push_logout(transmitter.set()).status_code == 400
    assert transmitter.push(transmitter.logout()).status_code == 400


@pytest.mark.requirement("BCL-2.6-2")
def test_neither_of_them_is_an_access_token(transmitter):
    raws = (transmitter.set(), transmitter.logout())
    assert [outcome(transmitter.guard, raw) for raw in raws] == ["type_mismatch"] * 2


# The keys, as for access tokens


def test_an_event_may_be_signed_with_a_key_that_is_new(transmitter, issuer, clock):
    """It names no key id, so that only the key itself can tell."""
    transmitter.guard.verify(issuer.token(sub=OTHER))
    clock.tick(20)
    issuer.rotate(keep=False)
    raw = transmitter.set(signed={"header": {"kid": None}})
    assert transmitter.push(raw).status_code == 202


def test_an_issuer_that_is_resolved_may_send_events(issuer, way):
    tenant = "https://acme.login.example"
    issuer.url = tenant
    guard = Guard(
        audience=issuer.audience,
        resolve_issuer=lambda name: Named(name) if name == tenant else None,
        issuers_allowed=["https://{tenant}.login.example"],
        fetcher=issuer,
        clock=issuer.clock,
    )
    transmitter = Transmitter(issuer, guard, way)
    assert transmitter.push(transmitter.set()).status_code == 202
    assert outcome(guard, issuer.token()) == "revoked"
    unknown = transmitter.set(iss="https://other.login.example")
    assert is_refused(transmitter.push(unknown), "invalid_issuer")


# The log, the settings, and what only one of the two forms can meet


def test_the_log_names_the_reason_and_never_the_event(transmitter, caplog):
    caplog.set_level("INFO", "bearerguard")
    good, bad = transmitter.set(), transmitter.set(aud="other")
    for raw in (good, bad):
        transmitter.push(raw)
    taken, refused = [r.message for r in caplog.records if r.message.startswith("event ")]
    assert "event taken" in taken
    assert "session-revoked" in taken
    assert "reason='audience_mismatch'" in refused
    assert not any(part in caplog.text for raw in (good, bad) for part in raw.split("."))


def test_the_facts_of_an_event_are_there_for_programs_too(transmitter, caplog):
    caplog.set_level("INFO", "bearerguard")
    for raw in (transmitter.set(), transmitter.set(aud="other")):
        transmitter.push(raw)
    taken, refused = [r.bearerguard for r in caplog.records if r.message.startswith("event ")]
    assert taken.keys() == {"issuer", "event", "kinds"}
    assert refused["reason"] == "audience_mismatch"
    assert refused.keys() == {"reason", "expected", "found"}


def test_a_subject_that_is_not_understood_is_told_to_the_operator(transmitter, caplog):
    """The transmitter can do nothing about it (SSF 1.0 section 4)."""
    raw = transmitter.set(sub_id={"format": "email", "email": "a@example.com"})
    assert transmitter.push(raw).status_code == 202
    (record,) = [r for r in caplog.records if r.message.startswith("event ")]
    assert (record.levelname, "nothing is revoked" in record.message) == ("WARNING", True)
    assert not transmitter.guard.issuers.store.in_use


@pytest.mark.parametrize("audience", ["", [], [""], [5]])
def test_a_receiver_without_an_audience_refuses_the_start(guard, audience):
    with pytest.raises(ConfigurationError, match="has no audience"):
        EventReceiver(guard, audience=audience)


TYPED = ((b"content-type", SET.encode()),)


def asgi(receiver, messages, *, kind="http", headers=TYPED):
    sent, coming = [], iter(messages)

    async def receive():
        message = next(coming, None)
        if message is None:
            await asyncio.Event().wait()
        return message

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "method": "POST", "headers": list(headers)}
    asyncio.run(receiver(scope, receive, send))
    return sent


@pytest.fixture
def receiver(guard):
    return EventReceiver(guard, audience=SINK)


def test_a_body_that_does_not_come_is_not_waited_for(receiver, monkeypatch):
    monkeypatch.setattr(receiver_module, "PATIENCE_S", 0.05)
    start, _ = asgi(receiver, [{"type": "http.request", "body": b"x", "more_body": True}])
    assert start["status"] == 400


def test_who_hangs_up_is_answered_into_the_void(receiver):
    start, _ = asgi(receiver, [{"type": "http.disconnect"}])
    assert start["status"] == 400


def test_a_body_in_pieces_ends_at_the_limit(receiver):
    piece = {"type": "http.request", "body": b"x" * 1024, "more_body": True}
    start, _ = asgi(receiver, [piece] * 65)
    assert start["status"] == 400


def test_two_types_of_content_are_refused(receiver):
    field = (b"content-type", SET.encode())
    start, _ = asgi(receiver, [], headers=[field, field])
    assert start["status"] == 400


def test_a_websocket_is_closed_and_a_lifespan_is_not_its_business(receiver):
    (closed,) = asgi(receiver, [{"type": "websocket.connect"}], kind="websocket")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    assert asgi(receiver, [], kind="lifespan") == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"CONTENT_LENGTH": ""}, 400),
        ({"CONTENT_LENGTH": "", "wsgi.input_terminated": True}, 202),
        ({"CONTENT_LENGTH": "x"}, 400),
        ({"CONTENT_LENGTH": "9" * 5000}, 202),
        ({"CONTENT_LENGTH": "-1"}, 400),
    ],
)
def test_a_wsgi_body_ends_where_the_server_says(issuer, receiver, changes, status):
    """PEP 3333: reading further may wait for ever."""
    raw = Transmitter(issuer, receiver._guard, "wsgi").set().encode()
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": SET, "wsgi.input": io.BytesIO(raw)}
    started = SimpleNamespace()
    receiver.wsgi(environ | changes, lambda line, _: setattr(started, "line", line))
    assert int(started.line[:3]) == status

"""A token is shown, each check told, and the answer is the one that a caller gets."""

import asyncio
import getpass
import io
import json
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bearerguard import Guard, cli
from bearerguard.cli import readable
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.needs import claim, step_up
from bearerguard.dev.inspection import MOST_SHOWN
from bearerguard.dev.routes import look_at
from bearerguard.starlette import BearerAuthMiddleware, public, requires
from bearerguard.testing import Issuer, trust


@pytest.fixture
def local(monkeypatch, signing_key):
    """An issuer whose keys every guard takes, and the two variables of the environment."""
    issuer = Issuer("https://login.example.com", audience="https://api.example", key=signing_key)
    monkeypatch.setenv("BEARERGUARD_ISSUER", issuer.url)
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", issuer.audience)
    with trust(issuer):
        yield issuer


@pytest.fixture
def inspect(monkeypatch, capsys):
    """Run the command with a token on standard input; give the exit code, and what it printed."""

    def run(raw, *arguments):
        octets = raw if isinstance(raw, bytes) else raw.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
        code = cli.main(["inspect", *arguments])
        return code, capsys.readouterr()

    return run


@pytest.fixture
def document(inspect):
    def run(raw, *arguments):
        code, shown = inspect(raw, "--json", *arguments)
        return code, json.loads(shown.out)

    return run


@pytest.fixture
def application(monkeypatch):
    """The module "users_api" with an application in it."""

    async def view(request):
        return PlainTextResponse("ran")

    def needing(*needs):
        @requires(*needs)
        async def guarded(request):
            return PlainTextResponse("ran")

        return guarded

    class Module:
        app = Starlette(
            routes=[
                Route("/orders/{id}", needing("orders:write"), methods=["POST"]),
                Route("/orders/{id}", needing("orders:read")),
                Route("/payments", needing("pay", step_up(acr="mfa", max_age=300))),
                Route("/tenant", needing(claim("tenant", equals="acme"))),
                Route("/open", public(view)),
                Route("/any", view),
            ],
            middleware=[Middleware(BearerAuthMiddleware)],
        )
        bare = Starlette(routes=[Route("/x", view)])
        half = Starlette(routes=[Route("/x", view)], middleware=[Middleware(BearerAuthMiddleware)])

    monkeypatch.setitem(sys.modules, "users_api", Module)


def answer_of(app, method, path, raw):
    """What a request over the application's own way meets."""
    sent = []

    async def call():
        async def send(message):
            sent.append(message)

        headers = [(b"authorization", f"Bearer {raw}".encode())]
        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        await app(scope | {"root_path": "", "query_string": b""}, None, send)

    asyncio.run(call())
    headers = [[name.decode(), value.decode()] for name, value in sent[0]["headers"]]
    return sent[0]["status"], headers, sent[1]["body"].decode()


def test_a_good_token_is_admitted(local, inspect):
    code, shown = inspect(local.token("orders:read"))

    assert code == 0
    assert 'iss        "https://login.example.com"' in shown.out
    assert "admitted: subject user-1" in shown.out
    assert "FAILED" not in shown.out


@pytest.mark.parametrize("raw", ["good", "bad"])
def test_neither_the_token_nor_its_signature_is_printed(raw, local, inspect):
    token = local.token() if raw == "good" else local.token(exp=1)

    for more in ([], ["--json"]):
        _, shown = inspect(token, *more)
        for part in token.split("."):
            assert part not in shown.out + shown.err


def test_the_first_failure_says_what_was_expected_and_found_and_how_to_mend_it(local, document):
    code, found = document(local.token(iss="https://login.example.com/", aud="https://x.example"))

    assert code == 1
    failure = found["first_failure"]
    assert (failure["name"], failure["reason"]) == ("issuer", "issuer_mismatch")
    assert failure["expected"] == "https://login.example.com"
    assert failure["found"] == "https://login.example.com/"
    assert "trailing slash" in failure["hint"]


def test_the_text_names_the_failure_in_one_place(local, inspect):
    _, shown = inspect(local.token(aud="https://x.example"))

    assert "refused by the check audience: audience_mismatch" in shown.out
    assert "  expected  https://api.example\n" in shown.out
    assert "  found     https://x.example\n" in shown.out
    assert "  mend      the token is for another API" in shown.out
    assert "the caller gets 401" in shown.out


@pytest.mark.parametrize(
    ("method", "path", "scope", "status"),
    [
        ("GET", "/orders/7", "orders:read", None),
        ("HEAD", "/orders/7", "orders:read", None),
        ("POST", "/orders/7", "orders:read", 403),
        ("GET", "/payments", "pay", 401),
        ("GET", "/payments", "", 401),
        ("GET", "/tenant", "orders:read", 403),
        ("GET", "/any", "", None),
    ],
)
def test_with_a_route_its_needs_are_checked_and_the_answer_is_the_applications(
    method, path, scope, status, local, application, document
):
    """What is told is what the application answers, to the letter."""
    raw = local.token(scope)

    code, found = document(raw, "--app", "users_api:app", "--route", f"{method} {path}")

    if status is None:
        assert (code, found["admitted"], found["answer"]) == (0, True, None)
        return
    real = answer_of(sys.modules["users_api"].app, method, path, raw)
    told = found["answer"]
    headers = [[name.lower(), value] for name, value in told["headers"]]
    assert (code, found["first_failure"]["name"]) == (1, "route")
    assert (told["status"], headers, told["body"]) == real
    assert told["status"] == status


def test_the_text_tells_what_the_route_needs(local, application, inspect):
    target = ["--app", "users_api:app", "--route", "POST /orders/7"]

    _, shown = inspect(local.token("orders:read"), *target)

    assert "route POST /orders/7 (/orders/{id}) needs: scope orders:write" in shown.out
    assert "refused by the check route: scope_insufficient" in shown.out


def test_a_guard_that_only_reports_is_told_from_one_that_refuses(
    local, application, monkeypatch, document
):
    guard = look_at(sys.modules["users_api"].app).guard
    reporting = replace(guard.settings, mode="report-without-enforcing")
    monkeypatch.setattr(Guard, "from_env", lambda: guard)
    monkeypatch.setattr(guard, "settings", reporting)

    code, found = document(local.token(exp=1))

    assert code == 1
    assert found["notes"] == [
        "MODE is report-without-enforcing: until its date the request passes all the same, and the "
        "answer below is only logged"
    ]


def test_on_a_public_route_credentials_are_not_looked_at(local, application, inspect):
    code, shown = inspect("garbage", "--app", "users_api:app", "--route", "GET /open")

    assert code == 0
    assert "credentials are not looked at here" in shown.out
    assert shown.out.endswith("admitted\n")


def test_a_path_without_a_route_is_told(local, application, inspect):
    code, shown = inspect(local.token(), "--app", "users_api:app", "--route", "GET /nowhere")

    assert code == 0
    assert "note: no route takes GET /nowhere" in shown.out


def test_without_a_route_the_guard_of_the_application_decides(local, application, document):
    code, found = document(local.token(), "--app", "users_api:app")

    assert (code, found["route"]) == (0, None)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--route", "GET /x"], "--route needs --app"),
        (["--app", "users_api"], "write module:app"),
        (["--app", "users_api:app", "--route", "orders"], 'as "POST /orders"'),
        (["--app", "users_api:bare"], "no guard of bearerguard was found"),
        (["--app", "users_api:__name__"], "is no ASGI or WSGI application"),
    ],
)
def test_what_cannot_be_carried_out_says_why(arguments, told, local, application, inspect):
    code, shown = inspect(local.token(), *arguments)

    assert code == 2
    assert told in shown.err


def test_a_route_that_nothing_guards_is_no_place_to_show_a_token(local, monkeypatch, inspect):
    async def view(request):
        return PlainTextResponse("ran")

    guarded = Starlette(routes=[Route("/in", view)], middleware=[Middleware(BearerAuthMiddleware)])

    class Module:
        app = Starlette(routes=[Route("/out", view)])

    Module.app.mount("/guarded", guarded)
    Module.outer = BearerAuthMiddleware(Module.app)
    monkeypatch.setitem(sys.modules, "users_api", Module)

    assert inspect(local.token(), "--app", "users_api:outer", "--route", "GET /out")[0] == 0
    code, shown = inspect(local.token(), "--app", "users_api:app", "--route", "GET /out")
    assert code == 2
    assert "no guard stands before GET /out" in shown.err


@pytest.mark.parametrize(
    ("written", "note"),
    [
        ("{}\n", None),
        ("{}\r\n", None),
        ("  {}\t\n", "blanks or quotes"),
        ('"{}"', "blanks or quotes"),
        ("Bearer {}\n", '"Bearer" in front'),
        ("bearer   {}", '"bearer" in front'),
        ("Authorization: Bearer {}", '"Authorization: Bearer" in front'),
    ],
)
def test_what_people_copy_along_is_left_out_and_said(written, note, local, document):
    code, found = document(written.format(local.token()))

    assert code == 0
    assert not found["notes"] if note is None else note in " ".join(found["notes"])


def test_nothing_on_standard_input_is_wrong_usage(local, inspect):
    for nothing in ("", " \n", "Bearer \n"):
        code, shown = inspect(nothing)
        assert code == 2
        assert "no token on standard input" in shown.err


def test_a_person_is_asked_without_an_echo(local, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: local.token())

    assert cli.main(["inspect"]) == 0
    assert "admitted" in capsys.readouterr().out


def test_without_settings_the_token_is_shown_and_the_problems_are_named(monkeypatch, inspect):
    monkeypatch.delenv("BEARERGUARD_ISSUER", raising=False)
    monkeypatch.delenv("BEARERGUARD_AUDIENCE", raising=False)
    raw = Issuer("https://login.example.com").token()

    code, shown = inspect(raw)

    assert code == 2
    assert '"https://login.example.com"' in shown.out
    assert "BEARERGUARD_ISSUER is not set" in shown.out
    code, shown = inspect(raw, "--json")
    assert code == 2
    assert json.loads(shown.out)["admitted"] is None


def test_an_issuer_that_is_down_is_told_from_a_bad_token(local, document):
    local.is_down = True

    code, found = document(local.token())

    assert code == 1
    assert found["answer"]["status"] == 503
    assert (found["first_failure"]["name"], found["first_failure"]["reason"]) == (
        "key",
        "issuer_unavailable",
    )
    assert "the issuer is down" in found["first_failure"]["found"]


def test_the_text_does_not_call_a_token_refused_that_nobody_could_check(local, inspect):
    local.is_down = True

    _, shown = inspect(local.token())

    assert "nobody can know, because of the check key: issuer_unavailable" in shown.out
    assert "bearerguard doctor" in shown.out
    assert "the caller gets 503" in shown.out


def test_what_decides_is_the_first_check_that_did_not_pass(local, document):
    """A later rule may fail, too; the caller hears of the first."""
    local.is_down = True

    _, found = document(local.token(cnf={"jkt": "0" * 43}))

    assert found["first_failure"]["name"] == "key"
    assert [row["name"] for row in found["checks"] if row["passed"] is False] == ["binding"]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("garbage", "an opaque token, or none at all"),
        ("a.b.c.d.e", "claims: encrypted (JWE)"),
        ("é.\x00.\u202e", "header: not base64url"),
        ("." * 50, "header: "),
        ("eyJhI.eyJhI.x", "header: not base64url"),
        ("e30." + "A" * (MOST_SHOWN + 1) + ".x", "too many to show"),
        ("e30.W10.x", "claims: not a JSON object"),
        ("x" * 900_000, "an opaque token"),
        ("a b", "an opaque token"),
    ],
)
def test_what_is_no_token_is_told_and_refused(raw, told, local, inspect):
    code, shown = inspect(raw)

    assert code == 1
    assert told in shown.out
    assert "the caller gets 40" in shown.out


def test_octets_that_are_no_text_are_refused(local, inspect):
    assert inspect(b"\xff\xfe\x00.\x80.\x1b[2J")[0] == 1


def test_malformed_credentials_are_a_check_of_their_own(local, document):
    """RFC 6750 section 2.1: what is no b64token never gets as far as the token's own checks."""
    _, found = document(local.token() + " x")

    assert found["answer"]["status"] == 400
    assert found["first_failure"]["name"] == "credentials"


def test_nothing_that_controls_a_terminal_gets_out(local, inspect):
    """Control characters, the C1 range, and what turns the direction of text."""
    hostile = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\x7f\u202e\u2066é"
    tokens = [
        local.token(**{hostile: hostile}, aud=[hostile]),
        local.token(sub=hostile, exp=1),
        local.token(iss=hostile + "x" * 5000),
        local.token(header={"kid": hostile, "typ": hostile}),
        local.token(sub="\ud800"),
        hostile,
    ]

    for token in tokens:
        for more in ([], ["--json"]):
            shown = inspect(token, *more)[1]
            for text in (shown.out, shown.err):
                assert all(character.isprintable() or character == "\n" for character in text)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "iss", "aud", "exp", "iat", "nbf", "sub", "x"]),
    ANYTHING,
    max_size=5,
)
PARTS = st.one_of(
    MEMBERS.map(lambda members: base64url_encode(json.dumps(members).encode())),
    st.binary(max_size=40),
    st.text("abcAZ09-_= ", max_size=20).map(str.encode),
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.lists(PARTS, max_size=6).map(b".".join), as_json=st.booleans())
def test_whatever_comes_in_is_answered_and_controls_nothing(raw, as_json, local, inspect):
    code, shown = inspect(raw, *(["--json"] if as_json else []))

    assert code in (1, 2)
    assert all(c.isprintable() or c == "\n" for c in shown.out + shown.err)


def test_what_a_claim_says_is_still_told(local, inspect, document):
    """An escape is shown as one, and JSON gives the very text back."""
    raw = local.token(sub="\x1b[2J\u202eé")

    assert 'sub        "\\u001b[2J\\u202eé"' in inspect(raw)[1].out
    assert document(raw)[1]["claims"]["sub"] == "\x1b[2J\u202eé"


def test_a_token_as_deep_as_a_well_is_refused_and_told(local, inspect, sign_bytes):
    deep = sign_bytes(b'{"alg":"RS256"}', b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}")

    code, shown = inspect(deep[: MOST_SHOWN // 2])

    assert code == 1
    assert "the caller gets 401" in shown.out


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("exp", 1_000, "1970-01-01 00:16:40 UTC, expired 16 min 40 s ago"),
        ("exp", 93_661, "1970-01-02 02:01:01 UTC, expires in 1 d 1 h"),
        ("nbf", 2_000, "1970-01-01 00:33:20 UTC, became valid 0 s ago"),
        ("iat", 2_001, "1970-01-01 00:33:21 UTC, will be issued in 1 s"),
        ("auth_time", 1_880.5, "1970-01-01 00:31:20 UTC, logged in 1 min 59 s ago"),
        ("exp", True, None),
        ("exp", "1000", None),
        ("exp", -1, None),
        ("exp", 1e300, None),
        ("sub", 1_000, None),
    ],
)
def test_a_time_is_told_as_people_say_it(name, value, told):
    assert readable.when(name, value, 2_000.0) == told


def test_a_long_value_is_cut_and_its_length_told():
    assert readable.visible("x" * 400) == "x" * 300 + "... (400 characters)"


def test_several_names_in_a_fact_are_written_one_after_the_other(local, document):
    _, found = document(local.token(aud=["https://x.example", "https://y.example"]))

    assert found["first_failure"]["found"] == "https://x.example, https://y.example"


def test_the_keys_that_were_fetched_decide(local, document):
    """aexplain() may fetch: a cold guard says nothing of a missing key."""
    _, found = document(local.token())

    assert {row["name"]: row["passed"] for row in found["checks"]}["signature"] is True
    assert local.requests


def test_a_person_who_ends_the_input_has_given_no_token(local, monkeypatch, capsys):
    def end(prompt):
        raise EOFError

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", end)

    assert cli.main(["inspect"]) == 2
    assert "no token on standard input" in capsys.readouterr().err

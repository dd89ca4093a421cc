"""The attack finds what is wrong with an API, and reaches nothing but this machine."""

import functools
import json
import socket

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from bearerguard import Guard, RejectedError, UnavailableError, cli
from bearerguard.asgi import view_of
from bearerguard.core.access import GUARDED
from bearerguard.core.admission import credentials
from bearerguard.dev import attack as attack_module
from bearerguard.dev.attack_judgement import Reply, judge
from bearerguard.dev.challenge_syntax import SyntaxProblem, bearer_challenge
from bearerguard.dev.issuer import Issuer
from bearerguard.dev.loopback import NotLoopbackError, loopback_url
from bearerguard.dev.server import LocalServer
from bearerguard.starlette import BearerAuthMiddleware, requires
from bearerguard.testing import BAD_TOKENS, bad_tokens

AUDIENCE = "https://orders.example"


@functools.cache
def made_once(issuer):
    """Strangers' RSA keys take their time; one set serves every test."""
    return bad_tokens(issuer)


def control(issuer):
    """A stand-in for the local issuer's control interface: the two requests that are made."""

    async def token(request):
        wanted = await request.json()
        if "broken" in wanted:
            issuer.wanted.append(wanted)
            return JSONResponse({"access_token": made_once(issuer)[wanted["broken"]]})
        if wanted.get("scope") == "<>":
            return JSONResponse({"error": "scope is a list of scopes"}, 400)
        made = issuer.token(wanted.get("scope"), aud=wanted.get("audience", issuer.audience))
        return JSONResponse({"access_token": made})

    async def bad(request):
        return JSONResponse(made_once(issuer))

    return Starlette(
        routes=[
            Route("/control/token", token, methods=["POST"]),
            Route("/control/bad-tokens", bad),
        ]
    )


@pytest.fixture(scope="module")
def local_issuer(signing_key):
    local = Issuer("http://127.0.0.1:9000", audience=AUDIENCE, key=signing_key)
    local.wanted = []
    return local


@pytest.fixture(scope="module")
def issuer_url(local_issuer):
    server = LocalServer(control(local_issuer))
    server.start()
    yield server.url
    server.stop()


# An answer of the right kind, changed by the mistake. None: the view is reached.
def accepts_expired(reason, answer, raw):
    return None if reason == "expired" else answer


def accepts_unsigned(reason, answer, raw):
    return None if reason == "algorithm_not_allowed" else answer


def answers_500(reason, answer, raw):
    return Response("oops", 500) if reason == "token_malformed" else answer


def answers_403(reason, answer, raw):
    return Response(answer.body, 403, answer.headers) if reason == "expired" else answer


def has_no_challenge(reason, answer, raw):
    del answer.headers["www-authenticate"]
    return answer


def reflects_in_body(reason, answer, raw):
    return Response(f"bad token {raw}", answer.status_code, answer.headers_but_length())


def redirects_to_login(reason, answer, raw):
    return RedirectResponse("/login")


def is_cached(reason, answer, raw):
    del answer.headers["cache-control"]
    return answer


def with_challenge(text):
    def changed(reason, answer, raw):
        answer.headers["www-authenticate"] = text
        return answer

    return changed


def reflects_in_header(reason, answer, raw):
    answer.headers["x-seen"] = (raw or "")[:1000]
    return answer


BROKEN = {
    "accepts-expired": (accepts_expired, "expired", "ACCEPTED"),
    "accepts-unsigned": (accepts_unsigned, "unsigned", "ACCEPTED"),
    "answers-500": (answers_500, "garbage", "a server error"),
    "answers-403": (answers_403, "expired", "wrong status"),
    "no-challenge": (has_no_challenge, "no token", "no WWW-Authenticate"),
    "reflects-in-body": (reflects_in_body, "forged", "repeats what was sent"),
    "reflects-in-header": (reflects_in_header, "forged", "repeats what was sent"),
    "redirects": (redirects_to_login, "no token", "wrong status"),
    "cached": (is_cached, "forged", "no Cache-Control: no-store"),
    "no-quotes": (with_challenge("Bearer realm=a b"), "forged", "malformed"),
    "another-scheme": (with_challenge('Basic realm="a"'), "forged", "no Bearer challenge"),
    "bare": (with_challenge("Bearer"), "forged", "no parameter"),
    "twice": (with_challenge('Bearer realm="a", Realm="b"'), "forged", "stands twice"),
    "no-error": (with_challenge('Bearer realm="a"'), "forged", "the challenge has no error"),
    "other-error": (with_challenge('Bearer error="x"'), "forged", "a wrong error"),
    "error-too-early": (
        with_challenge('Bearer error="invalid_token"'),
        "no token",
        "a wrong error",
    ),
    "odd-scope": (with_challenge('Bearer scope="a\\"b"'), "forged", "scope has a character"),
}


class Broken:
    """A hand-written API with one mistake at each path of BROKEN, and oddities at some others."""

    def __init__(self, guard):
        self.guard = guard

    async def __call__(self, scope, receive, send):
        answer = await self.decide(scope)
        if scope["path"] == "/endless" and answer is None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (await receive())["type"] != "http.disconnect":
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            return
        await (answer or JSONResponse({}, headers={"set-cookie": "session=1"}))(
            scope, receive, send
        )

    async def decide(self, scope):
        request, path = view_of(scope), scope["path"].strip("/")
        fields = dict(scope["headers"])
        if path == "open" or (path == "query" and scope["query_string"]):
            return None
        if path == "session" and fields.get(b"cookie") == b"session=1":
            return None
        raw = None
        try:
            raw = credentials(request, GUARDED)
            await self.guard.averify(raw)
        except (RejectedError, UnavailableError) as refusal:
            written = self.guard.answer(refusal, GUARDED)
            answer = Refusal(written.body, written.status, dict(written.headers))
            if path == "long" and raw:
                return Refusal(b"x" * 2_000_000, written.status, answer.headers_but_length())
            return BROKEN[path][0](refusal.reason, answer, raw) if path in BROKEN else answer
        return None


class Refusal(Response):
    def headers_but_length(self):
        return {name: value for name, value in self.headers.items() if name != "content-length"}


@pytest.fixture(scope="module")
def broken_url(local_issuer):
    server = LocalServer(Broken(local_issuer.guard()))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def guarded_url(local_issuer):
    @requires("orders:read")
    async def orders(request):
        return JSONResponse({})

    guarding = Middleware(BearerAuthMiddleware, guard=local_issuer.guard())
    server = LocalServer(
        Starlette(
            routes=[Route("/orders", orders, methods=["GET", "POST"])],
            middleware=[guarding],
        )
    )
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def attack(issuer_url, capsys):
    """Run the command; give the exit code and what was wrong, by request."""

    def fire(url, *more):
        code = cli.main(["attack", url, "--issuer", issuer_url, "--json", *more])
        document = json.loads(capsys.readouterr().out)
        found = {one["name"]: one["problems"] for one in document["outcomes"]}
        return code, {name: "; ".join(problems) for name, problems in found.items() if problems}

    return fire


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_each_mistake_of_an_api_is_found(name, attack, broken_url):
    _, where, told = BROKEN[name]

    code, wrong = attack(f"{broken_url}/{name}")

    assert code == 1
    assert told in wrong[where]


def test_a_token_in_the_query_must_not_count(attack, broken_url):
    """RFC 6750 section 5.3, RFC 9700 section 4.3.2."""
    assert attack(f"{broken_url}/query")[1] == {"token in the query": "ACCEPTED"}


@pytest.mark.parametrize("path", ["session", "endless", "long", "right"])
def test_an_api_that_refuses_rightly_is_not_accused(path, attack, broken_url):
    """Not for a session that a good token began, nor for answers that go on and on."""
    assert attack(f"{broken_url}/{path}") == (0, {})


def test_an_open_route_accepts_everything(attack, broken_url):
    code, wrong = attack(f"{broken_url}/open")

    assert code == 1
    assert wrong["no token"] == "ACCEPTED"
    assert "a good token" not in wrong


def test_an_api_for_another_issuer_is_told_from_one_that_refuses_rightly(
    guarded_url, issuer_url, capsys
):
    code = cli.main(
        [
            "attack",
            f"{guarded_url}/orders",
            "--issuer",
            issuer_url,
            "--audience",
            "https://x.example",
        ]
    )

    shown = capsys.readouterr().out
    assert code == 1
    assert "answers 401 to a good token, so that its refusals prove nothing" in shown
    assert "https://x.example" in shown


def test_the_audience_of_the_settings_is_the_audience_of_the_tokens(
    guarded_url, attack, monkeypatch
):
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://x.example, https://y.example")

    assert "a good token" in attack(f"{guarded_url}/orders")[1]


def test_the_table_names_each_request_and_the_verdict(guarded_url, broken_url, issuer_url, capsys):
    good = cli.main(["attack", f"{guarded_url}/orders", "--issuer", issuer_url])
    shown = capsys.readouterr().out
    bad = cli.main(["attack", f"{broken_url}/accepts-expired", "--issuer", issuer_url])
    found = capsys.readouterr().out

    assert (good, bad) == (0, 1)
    assert "requests, all right." in shown
    assert "requests, 1 wrong." in found
    (line,) = [line for line in found.splitlines() if line.startswith("expired ")]
    assert line.split(maxsplit=4)[1:] == [
        "401",
        "invalid_token",
        "200",
        "ACCEPTED",
    ]


def test_no_token_is_printed(guarded_url, issuer_url, capsys):
    cli.main(["attack", f"{guarded_url}/orders", "--issuer", issuer_url, "--json"])

    assert "eyJ" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://10.0.0.1/",
        "http://0.0.0.0:8000/",
        "http://127.0.0.1.nip.example/",
        "http://localhost.example/",
        "http://2130706433/",
        "http://127.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1@example.com/",
        "http://127.0.0.1\\@example.com/",
        "http:///orders",
        "ftp://127.0.0.1/",
        "127.0.0.1:8000",
        "http://[127.0.0.1",
        "http://127.0.0.1:99999999/",
        "http://127.0.0.1:port/",
        "http://127.0.0.1/\x00",
    ],
)
def test_nothing_is_fired_at_another_machine(url, issuer_url, capsys):
    for arguments in (
        ["attack", url, "--issuer", issuer_url],
        ["attack", issuer_url, "--issuer", url],
    ):
        assert cli.main(arguments) == 2
        assert "bearerguard attack: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["http://localhost:1/x", "http://[::1]:1/x", "http://127.9.9.9:1/x"]
)
def test_each_name_of_this_machine_is_taken(url):
    assert loopback_url(url).path == "/x"


def test_a_localhost_that_leads_elsewhere_is_not_taken(monkeypatch):
    elsewhere = [(2, 1, 6, "", ("127.0.0.1", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: elsewhere)

    with pytest.raises(NotLoopbackError, match="does not lead to this machine"):
        loopback_url("http://localhost/")


def test_a_localhost_without_an_address_is_not_taken(monkeypatch):
    def unknown(*_, **__):
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(NotLoopbackError, match="write 127"):
        loopback_url("http://localhost/")


def test_a_proxy_of_the_environment_is_not_used(attack, guarded_url, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert attack(f"{guarded_url}/orders") == (0, {})


@pytest.fixture
def closed_url():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_without_an_issuer_the_command_says_how_to_start_one(guarded_url, closed_url, capsys):
    assert cli.main(["attack", guarded_url, "--issuer", closed_url]) == 2
    assert "start one: bearerguard issuer" in capsys.readouterr().err


def test_an_api_that_does_not_answer_is_told(issuer_url, closed_url, capsys):
    assert cli.main(["attack", closed_url, "--issuer", issuer_url]) == 2
    assert "gave no answer to 'good'" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [["no", "issuer"], {"access_token": 7}, {"token": "x"}])
def test_something_else_at_the_address_of_the_issuer_is_told(answer, guarded_url, capsys):
    async def other(scope, receive, send):
        await JSONResponse(answer)(scope, receive, send)

    server = LocalServer(other)
    server.start()
    try:
        assert cli.main(["attack", guarded_url, "--issuer", server.url]) == 2
        assert "does not answer as a local issuer does" in capsys.readouterr().err
    finally:
        server.stop()


def test_a_good_token_that_meets_a_server_error_is_a_finding():
    assert attack_module._good(Reply(500), "x").problems == ("a good token is answered 500",)


def test_a_refusal_of_a_good_token_has_to_say_why():
    """RFC 6750 section 3.1: insufficient_scope."""
    fields = (("www-authenticate", 'Bearer realm="a"'), ("cache-control", "no-store"))

    (problem,) = attack_module._good(Reply(403, fields), "x").problems

    assert problem == "the challenge has no error"


def test_a_server_may_refuse_a_huge_field_in_its_own_way():
    assert judge(Reply(431), attack_module.EXPECTED["oversized"], ("Bearer x",)) == ()


@pytest.mark.parametrize(
    ("field", "parameters"),
    [
        (
            'Bearer realm="a, Bearer error=x", scope="b c"',
            {"realm": "a, Bearer error=x", "scope": "b c"},
        ),
        ('Basic realm="x", bearer ERROR=invalid_token', {"error": "invalid_token"}),
        ('Negotiate abc==, Bearer realm="a\\"b"', {"realm": 'a"b'}),
    ],
)
def test_every_way_to_write_a_challenge_is_understood(field, parameters):
    """RFC 9110 section 11.6.1: several challenges, token68, and quoted strings."""
    assert bearer_challenge(field) == parameters


def test_a_challenge_beyond_all_bounds_is_not_parsed():
    with pytest.raises(SyntaxProblem, match="malformed"):
        bearer_challenge("Bearer " + "a=b," * 5000)


def test_a_guarded_application_makes_no_mistake(attack, guarded_url):
    assert attack(f"{guarded_url}/orders", "--scope", "orders:read") == (0, {})


def test_with_a_scope_the_bad_tokens_have_it_too(attack, guarded_url, local_issuer):
    """An API that looks at scopes first would hide what else it takes behind its 403."""
    local_issuer.wanted.clear()

    attack(f"{guarded_url}/orders", "--scope", "orders:read", "--audience", AUDIENCE)

    assert local_issuer.wanted == [
        {"broken": name, "scope": "orders:read", "audience": AUDIENCE} for name in BAD_TOKENS
    ]


def test_what_the_issuer_will_not_make_is_told(guarded_url, issuer_url, capsys):
    code = cli.main(["attack", guarded_url, "--issuer", issuer_url, "--scope", "<>"])

    assert code == 2
    assert "the local issuer says: scope is a list" in capsys.readouterr().err


def test_against_the_real_local_issuer_a_guarded_application_makes_no_mistake(capsys):
    """Over HTTP alone: keys by discovery, tokens by the control interface."""
    local_issuer = pytest.importorskip("bearerguard.dev.local_issuer")

    @requires("orders:read")
    async def orders(request):
        return JSONResponse({})

    with local_issuer.LocalIssuer(audience=AUDIENCE) as local:
        guard = Guard(issuer=local.issuer.url, audience=AUDIENCE)
        guarding = Middleware(BearerAuthMiddleware, guard=guard)
        server = LocalServer(Starlette(routes=[Route("/", orders)], middleware=[guarding]))
        server.start()
        try:
            for scope, good in (("orders:read", 200), ("orders:write", 403)):
                more = ["--issuer", local.issuer.url, "--scope", scope, "--json"]
                assert cli.main(["attack", server.url, *more]) == 0
                shown = json.loads(capsys.readouterr().out)
                assert shown["outcomes"][0]["status"] == good
        finally:
            server.stop()


def test_a_good_token_may_be_short_of_scope(attack, guarded_url):
    assert attack(f"{guarded_url}/orders", "--method", "post") == (0, {})

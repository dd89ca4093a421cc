"""The attack finds what is wrong with an API, and reaches nothing but this machine."""

import json
import socket

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from bearerguard import RejectedError, cli
from bearerguard.core.access import GUARDED
from bearerguard.core.admission import credentials
from bearerguard.core.needs import scope
from bearerguard.asgi import view_of
from bearerguard.dev.issuer import Issuer
from bearerguard.dev.server import LocalServer
from bearerguard.starlette import BearerAuthMiddleware, requires
from bearerguard.testing import bad_tokens

AUDIENCE = "https://orders.example"


def control(issuer):
    """A stand-in for the local issuer's control interface: the two requests that are made."""

    async def token(request):
        wanted = await request.json()
        made = issuer.token(wanted.get("scope"), aud=wanted.get("audience", issuer.audience))
        return JSONResponse({"access_token": made})

    async def bad(request):
        return JSONResponse(bad_tokens(issuer))

    return Starlette(
        routes=[
            Route("/control/token", token, methods=["POST"]),
            Route("/control/bad-tokens", bad),
        ]
    )


@pytest.fixture(scope="module")
def local_issuer(signing_key):
    return Issuer("http://127.0.0.1:9000", audience=AUDIENCE, key=signing_key)


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
    "accepts-expired": (accepts_expired, "expired", "ACCEPTED with 200; expected 401"),
    "accepts-unsigned": (accepts_unsigned, "unsigned", "ACCEPTED with 200; expected 401"),
    "answers-500": (answers_500, "garbage", "500, a server error; expected 401"),
    "answers-403": (answers_403, "expired", "403; expected 401"),
    "no-challenge": (has_no_challenge, "no token", "no WWW-Authenticate"),
    "reflects-in-body": (reflects_in_body, "forged", "repeats what was sent"),
    "reflects-in-header": (reflects_in_header, "forged", "repeats what was sent"),
    "redirects": (redirects_to_login, "no token", "307; expected 401"),
    "cached": (is_cached, "forged", "no Cache-Control: no-store"),
    "no-quotes": (with_challenge("Bearer realm=a b"), "forged", "malformed"),
    "another-scheme": (with_challenge('Basic realm="a"'), "forged", "no Bearer challenge"),
    "bare": (with_challenge("Bearer"), "forged", "no parameter"),
    "twice": (with_challenge('Bearer realm="a", Realm="b"'), "forged", "stands twice"),
    "no-error": (with_challenge('Bearer realm="a"'), "forged", "says no error; error invalid"),
    "other-error": (with_challenge('Bearer error="x"'), "forged", "another error"),
    "error-too-early": (with_challenge('Bearer error="invalid_token"'), "no token", "no error"),
    "odd-scope": (with_challenge('Bearer scope="a\\"b"'), "forged", "scope has a character"),
}


class Broken:
    """A hand-written API with one mistake at each path, and none at /right."""

    def __init__(self, guard):
        self.guard = guard

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        answer = self.decide(view_of(scope), BROKEN.get(scope["path"].strip("/")), scope)
        await (answer or JSONResponse({"view": "reached"}))(scope, receive, send)

    def decide(self, request, broken, scope):
        if scope["path"] == "/open" or b"access_token=" in scope["query_string"] and scope["path"] == "/query":
            return None
        if scope["path"] == "/cookies":
            if b"session=1" in dict(scope["headers"]).get(b"cookie", b""):
                return None
        raw = None
        try:
            raw = credentials(request, GUARDED)
            self.guard.verify(raw)
        except RejectedError as refusal:
            written = self.guard.answer(refusal, GUARDED)
            answer = Refusal(written.body, written.status, dict(written.headers))
            return answer if broken is None else broken[0](refusal.reason, answer, raw)
        return JSONResponse({}, headers={"set-cookie": "session=1"})


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
    stranger = Middleware(BearerAuthMiddleware, guard=Issuer(audience="x").guard())
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


def test_a_guarded_application_makes_no_mistake(attack, guarded_url):
    assert attack(f"{guarded_url}/orders", "--scope", "orders:read") == (0, {})


def test_a_good_token_may_be_short_of_scope(attack, guarded_url):
    assert attack(f"{guarded_url}/orders", "--method", "post") == (0, {})

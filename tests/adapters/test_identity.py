"""Who the caller is, in one string, where frameworks want one; and issuers through the adapters."""

import asyncio
import copy
import json

import flask
import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import bearerguard
from bearerguard import Guard, asgi, wsgi
from bearerguard import fastapi as our_fastapi
from bearerguard import flask as our_flask
from bearerguard import starlette as our_starlette
from bearerguard.events import FetchStarted
from bearerguard.gate import Gate
from bearerguard.testing import Issuer

A, B = "https://a.example", "https://b.example"
AUDIENCE = "https://api.example"
ONE = {"issuer": A}
# Every way to say that there may be more than one, or another one.
SEVERAL = {
    "list": {"issuer": [A, B]},
    "text": {"issuer": f"{A},{B}"},
    "issuers": {"issuers": [bearerguard.Issuer(A), bearerguard.Issuer(B)]},
    "resolved": {"resolve_issuer": bearerguard.Issuer, "issuers_allowed": [A, B]},
    "one and resolved": {
        "issuers": [bearerguard.Issuer(A)],
        "resolve_issuer": bearerguard.Issuer,
        "issuers_allowed": [B],
    },
}


class Network:
    """Both issuers, as the one Fetcher of a guard."""

    def __init__(self, *issuers):
        self.issuers = issuers

    def fetch(self, url, **limits):
        (issuer,) = [issuer for issuer in self.issuers if url.startswith(f"{issuer.url}/")]
        return issuer.fetch(url, **limits)


@pytest.fixture
def of_a(clock, keys):
    return Issuer(A, key=keys("ES256"), clock=clock)


@pytest.fixture
def of_b(clock, keys):
    return Issuer(B, key=keys("ES384"), clock=clock)


@pytest.fixture
def network(of_a, of_b):
    return Network(of_a, of_b)


@pytest.fixture
def settings(network, clock):
    return {"audience": AUDIENCE, "fetcher": network, "clock": clock}


@pytest.fixture
def caller(adapter, contract):
    """Give the caller's name as the framework hands it to a view; None where it hands none."""

    def named(token, **arguments):
        app = APPLICATIONS[adapter](arguments)
        api = contract.Api(adapter)
        api.app = app
        answer = api.call("GET", "/who", token=token)
        return answer.json["who"] if answer.status == 200 else answer.status

    return named


def _wsgi(arguments):
    def app(environ, start_response):
        start_response("200 OK", [])
        name = environ.get("REMOTE_USER")
        name = name and name.encode("latin-1").decode()
        return [json.dumps({"who": name}).encode()]

    return wsgi.BearerAuthMiddleware(app, **arguments)


def _asgi(arguments):
    """Plain ASGI has no place for a name: the gate's is the one."""

    async def app(scope, _, send):
        name = middleware.gate.identity(scope["bearerguard.token"])
        body = json.dumps({"who": name}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    middleware = asgi.BearerAuthMiddleware(app, **arguments)
    return middleware


def _starlette(arguments):
    async def who(request):
        assert request.user.display_name == request.user.identity
        return JSONResponse({"who": request.user.identity})

    app = Starlette(routes=[Route("/who", who)])
    return our_starlette.BearerAuthMiddleware(app, **arguments)


def _flask(arguments):
    app = flask.Flask("who", static_folder=None)
    guard = our_flask.BearerGuard(app, **arguments)
    assert guard is not None
    gate = app.extensions[our_flask.EXTENSION]
    app.add_url_rule("/who", view_func=lambda: {"who": gate.identity(our_flask.current_token)})
    return app


def _fastapi(arguments):
    app = FastAPI(openapi_url=None)
    our_fastapi.BearerGuard(app, **arguments)

    @app.get("/who")
    def who(request: Request):
        return {"who": request.user.identity}

    return app


APPLICATIONS = {
    "asgi": _asgi,
    "wsgi": _wsgi,
    "starlette": _starlette,
    "flask": _flask,
    "fastapi": _fastapi,
}


# The name of a caller


def test_with_one_issuer_it_is_the_subject(caller, settings, of_a):
    assert caller(of_a.token(sub="ann"), **settings, **ONE) == "ann"


def test_one_issuer_in_a_list_is_one(caller, settings, of_a):
    for one in ({"issuer": [A]}, {"issuers": [bearerguard.Issuer(A)]}):
        assert caller(of_a.token(sub="ann"), **settings, **one) == "ann"


@pytest.mark.parametrize("way", SEVERAL)
def test_with_several_issuers_two_of_one_subject_are_two_callers(caller, settings, of_a, of_b, way):
    """RFC 7519 section 4.1.2: a subject is unique within its issuer, and may mean two people."""
    more = settings | SEVERAL[way]
    assert caller(of_a.token(sub="ann"), **more) == f"{A}#ann"
    assert caller(of_b.token(sub="ann"), **more) == f"{B}#ann"


def test_no_subject_can_be_taken_for_one_of_another_issuer(caller, settings, of_a):
    """The name of an issuer has no "#" in it, so that the first one ends it."""
    name = caller(of_a.token(sub=f"x#{B}#ann"), **settings, **SEVERAL["list"])
    assert name.partition("#")[::2] == (A, f"x#{B}#ann")


def test_a_name_in_any_letters_is_the_same_everywhere(caller, settings, of_a):
    assert caller(of_a.token(sub="Zoë ☃"), **settings, **SEVERAL["list"]) == f"{A}#Zoë ☃"


def test_without_a_subject_there_is_no_name(settings, of_a):
    """Not the issuer's alone: all tokens without a subject would share it."""
    for issuers in (ONE, {"issuers": [bearerguard.Issuer(A), bearerguard.Issuer(B)]}):
        guard = Guard(**settings, **issuers)
        token = _without_subject(guard.verify(of_a.token()))
        assert Gate(guard=guard, settings={}).identity(token) == ""


def _without_subject(token):
    """As a profile would accept it that asks for no subject."""
    changed = copy.copy(token)
    object.__setattr__(changed, "subject", None)
    return changed


def test_remote_user_of_a_proxy_does_not_outlive_the_guard(settings, of_a, contract):
    """A name that came with the request is nobody's word."""
    api = contract.Api("wsgi")
    api.app = _wsgi(settings | SEVERAL["list"])
    answer = api.call("GET", "/who", token=of_a.token(sub="ann"), REMOTE_USER="admin")
    assert answer.json == {"who": f"{A}#ann"}
    answer = api.call("GET", "/who", token=of_a.token(sub="a\nb"), REMOTE_USER="admin")
    assert answer.json == {"who": None}


def test_the_token_tells_both_parts_apart(settings, of_a):
    token = Guard(**settings, **SEVERAL["list"]).verify(of_a.token(sub="ann"))
    assert tuple(token.principal) == (A, "ann")


# What an adapter hands on to its guard


@pytest.mark.parametrize("way", SEVERAL)
def test_issuers_are_arguments_of_every_adapter(caller, settings, of_a, of_b, way, clock, keys):
    more = settings | SEVERAL[way]
    assert caller(of_a.token(), **more) == f"{A}#user-1"
    assert caller(of_b.token(), **more) == f"{B}#user-1"
    stranger = Issuer("https://c.example", key=keys("ES256"), clock=clock)
    assert caller(stranger.token(), **more) == 401
    assert caller(of_b.token(iss=A), **more) == 401


def test_a_list_of_issuers_comes_from_the_environment_too(
    caller, network, clock, of_a, of_b, monkeypatch
):
    monkeypatch.setenv("BEARERGUARD_ISSUER", f"{A},{B}")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", AUDIENCE)
    for issuer in (of_a, of_b):
        name = caller(issuer.token(), fetcher=network, clock=clock)
        assert name == f"{issuer.url}#user-1"


def test_a_file_of_issuers_is_found_by_the_environment(
    caller, network, clock, of_a, of_b, monkeypatch, tmp_path
):
    file = tmp_path / "bearerguard.toml"
    tables = [f'[[issuer]]\nissuer = "{issuer.url}"\n' for issuer in (of_a, of_b)]
    file.write_text(f'audience = "{AUDIENCE}"\n' + "".join(tables))
    monkeypatch.setenv("BEARERGUARD_CONFIG", str(file))
    for issuer in (of_a, of_b):
        name = caller(issuer.token(), fetcher=network, clock=clock)
        assert name == f"{issuer.url}#user-1"


def test_an_asynchronous_resolve_issuer_serves_every_adapter(caller, settings, of_a):
    async def resolve(name):
        await asyncio.sleep(0)
        return bearerguard.Issuer(name)

    more = settings | {"resolve_issuer": resolve, "issuers_allowed": [A]}
    assert caller(of_a.token(), **more) == f"{A}#user-1"


def test_a_resolve_issuer_that_fails_is_503_and_no_500(caller, settings, of_a):
    def resolve(name):
        raise LookupError(name)

    more = settings | {"resolve_issuer": resolve, "issuers_allowed": [A]}
    assert caller(of_a.token(), **more) == 503


def test_events_are_told_through_every_adapter(caller, settings, of_a):
    told = []
    caller(of_a.token(), **settings, **ONE, on_event=told.append)
    assert FetchStarted(A, 1) in told


@pytest.mark.parametrize(
    "argument",
    [
        {"issuers": [bearerguard.Issuer(A)]},
        {"resolve_issuer": bearerguard.Issuer},
        {"issuers_allowed": [A]},
        {"on_event": print},
    ],
    ids=str,
)
def test_beside_a_ready_guard_they_refuse_the_start(caller, guard, issuer, argument):
    """Nobody would hear of what they say."""
    with pytest.raises(bearerguard.ConfigurationError, match="guard= is ready made"):
        caller(issuer.token(), guard=guard, **argument)

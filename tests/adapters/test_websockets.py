"""A WebSocket is authenticated at its handshake; an open one can be closed when its token expires."""

import asyncio
import gc

import pytest
from fastapi import FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.routing import Mount, WebSocketRoute

from bearerguard import asgi, fastapi, starlette
from bearerguard.starlette import optional, public, requires

ACCEPT, CONNECT = "websocket.accept", {"type": "websocket.connect"}


def bearer(token):
    return ("Authorization", f"Bearer {token}")


async def echo(websocket):
    await websocket.accept()
    await websocket.close()


async def plain_app(scope, receive, send):
    await receive()
    await send({"type": ACCEPT})


@pytest.fixture
def open_socket(contract):
    def opened(app, path, *fields, **arguments):
        return asyncio.run(contract.websocket(app, path, *fields, **arguments))

    return opened


@pytest.fixture(params=["asgi", "starlette", "fastapi"])
def app(request, issuer):
    """A socket that needs a scope, one that needs any token, and an open one."""
    return guarded_app(request.param, issuer.guard(public=["/open"]))


def guarded_app(adapter, guard):
    if adapter == "asgi":
        rules = {"GET /read": "read", "GET /plain": asgi.authenticated}
        return asgi.BearerAuthMiddleware(plain_app, guard=guard, rules=rules)
    if adapter == "fastapi":
        return fastapi_app(guard)

    def route(path, view):
        return WebSocketRoute(path, view)

    async def view(websocket):
        await echo(websocket)

    routes = [route("/read", requires("read")(view)), route("/plain", echo), route("/open", echo)]
    layer = Middleware(starlette.BearerAuthMiddleware, guard=guard)
    return Starlette(routes=routes, middleware=[layer])


def fastapi_app(guard):
    app = FastAPI()
    needs = fastapi.BearerGuard(app, guard=guard)

    async def view(websocket: WebSocket):
        await echo(websocket)

    app.add_api_websocket_route("/read", view, dependencies=[needs.requires("read")])
    app.add_api_websocket_route("/plain", view)
    app.add_api_websocket_route("/open", view)
    return app


@pytest.mark.requirement("GEN-8", "GEN-3", "9110-11.6.1-1")
@pytest.mark.parametrize(
    ("path", "credentials", "status", "error"),
    [
        ("/plain", None, 401, None),
        ("/read", None, 401, None),
        ("/none", None, 401, None),
        ("/read", "garbage", 401, "invalid_token"),
        ("/read", "a b", 400, "invalid_request"),
        ("/read", "other", 403, "insufficient_scope"),
    ],
)
def test_a_handshake_is_refused_before_it_is_accepted(
    app, open_socket, contract, issuer, path, credentials, status, error
):
    """With the HTTP denial response where the server has it, else with close 1008."""
    raw = issuer.token("other") if credentials == "other" else credentials
    fields = [] if raw is None else [bearer(raw)]
    assert open_socket(app, path, *fields) == [{"type": "websocket.close", "code": 1008}]

    start, body = open_socket(app, path, *fields, has_denial_response=True)
    assert (start["type"], body["type"]) == (
        "websocket.http.response.start",
        "websocket.http.response.body",
    )
    named = [(name.decode(), value.decode()) for name, value in start["headers"]]
    answer = contract.Answer(start["status"], named, body["body"])
    assert answer.outcome == (status, error)
    assert answer.json.get("error") == error


@pytest.mark.requirement("GEN-8", "GEN-7")
def test_while_nobody_can_know_a_handshake_is_asked_to_try_again_later(app, open_socket, issuer):
    issuer.is_down = True
    field = bearer(issuer.token())
    assert open_socket(app, "/plain", field) == [{"type": "websocket.close", "code": 1013}]
    start, _ = open_socket(app, "/plain", field, has_denial_response=True)
    assert start["status"] == 503
    assert {name for name, _ in start["headers"]} >= {b"retry-after", b"cache-control"}


@pytest.mark.requirement("GEN-8")
@pytest.mark.parametrize(("path", "scopes"), [("/read", "read"), ("/plain", ""), ("/open", None)])
def test_a_good_handshake_is_accepted(app, open_socket, issuer, path, scopes):
    fields = [] if scopes is None else [bearer(issuer.token(scopes))]
    assert open_socket(app, path, *fields)[0]["type"] == ACCEPT


@pytest.mark.requirement("GEN-8")
def test_extensions_may_be_none(app, open_socket):
    assert open_socket(app, "/plain", extensions=None)[0]["type"] == "websocket.close"


def serve(guard, *routes, **arguments):
    layer = Middleware(starlette.BearerAuthMiddleware, guard=guard, **arguments)
    return Starlette(routes=routes, middleware=[layer])


def class_based(decorate):
    @decorate
    class Echo(WebSocketEndpoint):
        async def on_connect(self, websocket):
            await echo(websocket)

    return Echo


def without_wraps(view):
    async def outer(websocket):
        await view(websocket)

    return outer


def hidden(view_class):
    async def view(websocket):
        await view_class(websocket.scope, websocket.receive, websocket.send)

    return view


@pytest.mark.requirement("GEN-8")
@pytest.mark.parametrize(
    "make",
    [
        lambda: requires("read")(without_wraps(echo)),
        lambda: without_wraps(requires("read")(without_wraps(echo))),
        lambda: class_based(requires("read")),
        lambda: hidden(class_based(requires("read"))),
        lambda: public(requires("read")(without_wraps(echo))),
    ],
    ids=["function", "hidden function", "class", "hidden class", "public"],
)
@pytest.mark.parametrize("scopes", [None, "other", "read"])
def test_the_need_of_a_socket_is_enforced(open_socket, guard, issuer, make, scopes):
    """By the middleware, or by the wrapper where the middleware cannot see it."""
    app = serve(guard, Mount("/in", routes=[WebSocketRoute("/x", make())]))
    fields = [] if scopes is None else [bearer(issuer.token(scopes))]
    sent = open_socket(app, "/in/x", *fields, messages=[CONNECT, {"type": "websocket.disconnect"}])
    assert (sent[0]["type"] == ACCEPT) == (scopes == "read")
    if scopes != "read":
        assert sent == [{"type": "websocket.close", "code": 1008}]


def test_an_optional_socket_may_be_anonymous(open_socket, guard, issuer):
    seen = []

    @optional
    async def view(websocket):
        seen.append(websocket.user.identity)
        await echo(websocket)

    app = serve(guard, WebSocketRoute("/x", view))
    assert open_socket(app, "/x")[0]["type"] == ACCEPT
    assert open_socket(app, "/x", bearer(issuer.token()))[0]["type"] == ACCEPT
    assert open_socket(app, "/x", bearer("garbage"))[0]["type"] == "websocket.close"
    assert seen == ["", "user-1"]


# close_at_expiry


@pytest.fixture
def stays_open(issuer, clock):
    """Guard a socket; ``passes`` seconds of its token's time go by right after the handshake."""

    def made(app, *, passes):
        guard = issuer.guard()
        decide = guard.aadmit

        async def aadmit(request, access):
            token = await decide(request, access)
            clock.tick(passes)
            return token

        guard.aadmit = aadmit
        return asgi.BearerAuthMiddleware(app, guard=guard, close_at_expiry=True)

    return made


LIFETIME, LEEWAY = 300, 30
# Design section 2: what would be refused is told, and passes.
REPORT = {"mode": "report-without-enforcing", "report_until": "2027-01-20"}


@pytest.mark.parametrize("adapter", ["asgi", "starlette", "fastapi"])
@pytest.mark.parametrize(("path", "raw"), [("/plain", None), ("/read", "garbage")])
def test_a_handshake_that_would_be_refused_passes_in_report_mode(
    open_socket, issuer, adapter, path, raw
):
    app = guarded_app(adapter, issuer.guard(**REPORT))
    fields = [] if raw is None else [bearer(raw)]
    assert open_socket(app, path, *fields)[0]["type"] == ACCEPT


def test_a_socket_whose_need_only_its_wrapper_sees_is_nobodys_in_report_mode(open_socket, issuer):
    seen = []

    async def view(websocket):
        seen.append(websocket.user.is_authenticated)
        await echo(websocket)

    hidden_view = without_wraps(requires("read")(view))
    app = serve(issuer.guard(**REPORT), WebSocketRoute("/x", hidden_view))
    open_socket(app, "/x", bearer(issuer.token("other")))
    assert seen == [False]


def test_a_socket_stays_open_past_its_token_in_report_mode(open_socket, issuer, clock):
    """A caller must see nothing different."""

    async def app(scope, receive, send):
        for _ in range(100):  # a close would come while the application waits
            await asyncio.sleep(0)
        await send({"type": ACCEPT})

    guard = issuer.guard(**REPORT)
    decide = guard.aadmit

    async def aadmit(request, access):
        token = await decide(request, access)
        clock.tick(LIFETIME + LEEWAY)
        return token

    guard.aadmit = aadmit
    guarded = asgi.BearerAuthMiddleware(app, guard=guard, close_at_expiry=True)
    assert open_socket(guarded, "/x", bearer(issuer.token())) == [{"type": ACCEPT}]


def test_an_open_socket_is_closed_when_its_token_expires(stays_open, open_socket, issuer):
    ended = []

    async def app(scope, receive, send):
        await send({"type": ACCEPT})
        for _ in range(100):  # the close comes while the application waits
            await asyncio.sleep(0)
        with pytest.raises(OSError, match="expired"):  # as the ASGI specification asks
            await send({"type": "websocket.send", "text": "late"})
        ended.append(1)

    sent = open_socket(stays_open(app, passes=LIFETIME + LEEWAY), "/x", bearer(issuer.token()))
    assert sent == [
        {"type": ACCEPT},
        {"type": "websocket.close", "code": 1008, "reason": "token expired"},
    ]
    assert ended == [1]


def test_a_socket_that_ends_before_its_token_is_left_alone(stays_open, open_socket, issuer):
    sent = open_socket(stays_open(plain_app, passes=0), "/x", bearer(issuer.token()))
    assert sent == [{"type": ACCEPT}]


def test_the_tolerance_for_clocks_holds_for_an_open_socket_too(stays_open, open_socket, issuer):
    async def app(scope, receive, send):
        for _ in range(100):
            await asyncio.sleep(0)
        await send({"type": ACCEPT})

    guarded = stays_open(app, passes=LIFETIME + LEEWAY - 1)
    assert open_socket(guarded, "/x", bearer(issuer.token())) == [{"type": ACCEPT}]


def test_nothing_waits_for_the_expiry_of_a_socket_that_ended(stays_open, contract, issuer):
    async def run():
        field = bearer(issuer.token())
        await contract.websocket(stays_open(plain_app, passes=0), "/x", field)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1  # this one


def test_an_exception_of_the_application_reaches_the_server(stays_open, open_socket, issuer):
    async def app(scope, receive, send):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        open_socket(stays_open(app, passes=0), "/x", bearer(issuer.token()))


def test_a_peer_that_was_faster_than_the_expiry_does_no_harm(stays_open, contract, issuer):
    """Closing what is closed already fails in the server, and nobody has to know."""
    tried, unheard = [], []

    async def app(scope, receive, send):
        for _ in range(100):
            await asyncio.sleep(0)

    async def send(message):
        tried.append(message["type"])
        raise OSError("gone")

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
        scope = contract.http_scope("GET", "/x", [bearer(issuer.token())]) | {"type": "websocket"}
        await stays_open(app, passes=LIFETIME + LEEWAY)(scope, None, send)
        gc.collect()  # where asyncio tells of an exception that nobody retrieved

    asyncio.run(run())
    assert (tried, unheard) == (["websocket.close"], [])


@pytest.mark.parametrize("kind", ["starlette", "asgi"])
def test_without_the_switch_a_socket_stays_open(open_socket, issuer, clock, kind):
    async def view(websocket):
        await websocket.accept()
        clock.tick(3600)
        await asyncio.sleep(0)
        await websocket.send_text("still here")

    async def app(scope, receive, send):
        await send({"type": ACCEPT})
        clock.tick(3600)
        await asyncio.sleep(0)
        await send({"type": "websocket.send", "text": "still here"})

    guarded = (
        serve(issuer.guard(), WebSocketRoute("/x", view))
        if kind == "starlette"
        else asgi.BearerAuthMiddleware(app, guard=issuer.guard())
    )
    sent = open_socket(guarded, "/x", bearer(issuer.token()))
    assert [message["type"] for message in sent] == [ACCEPT, "websocket.send"]


def test_starlette_has_the_switch_too(open_socket, issuer):
    app = serve(issuer.guard(), WebSocketRoute("/x", without_wraps(echo)), close_at_expiry=True)
    assert open_socket(app, "/x", bearer(issuer.token()))[0]["type"] == ACCEPT

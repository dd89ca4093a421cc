"""Ways past a guard that a review found, each closed: one test a finding, named after it."""

import logging

import flask
import pytest
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from werkzeug.test import Client

from bearerguard import ConfigurationError, Need, scope
from bearerguard import flask as for_flask
from bearerguard import starlette as for_starlette
from bearerguard.core.access_table import AccessTable
from bearerguard.core.needs import any_of, authenticated, check_need
from bearerguard.core.request import RequestView
from bearerguard.errors import RejectedError
from bearerguard.wsgi import BearerAuthMiddleware


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def of(table, method, path):
    return table.access(RequestView(method, path, None, ()))


class Truthy(Need):
    """A need of a user's own that answers with something else than True."""

    def satisfied_by(self, token, now):
        return "yes"


class Late(Need):
    async def satisfied_by(self, token, now):
        return True


@pytest.mark.parametrize("need", [Truthy(), Truthy() & scope("a"), any_of(Truthy(), "b")])
def test_a_need_that_answers_something_true_but_not_true_does_not_admit(guard, issuer, need):
    token = guard.verify(issuer.token("a"))

    with pytest.raises(RejectedError, match="scope_insufficient"):
        check_need(need, token, 0)


@pytest.mark.parametrize("build", [for_starlette.requires, for_flask.requires, any_of])
def test_a_need_with_an_async_answer_is_refused_when_it_is_built(build):
    with pytest.raises(ConfigurationError, match="not async"):
        build(Late())


@pytest.mark.parametrize("method", ["get", "Get", "head"])
def test_a_method_in_small_letters_does_not_get_around_its_rule(method):
    """Some frameworks write it in capitals after us: then it would be the ruled GET."""
    table = AccessTable.of((), (), {"GET /orders": "orders:read", "*": authenticated})

    assert of(table, method, "/orders").unruled
    assert of(table, "GET", "/orders").need == scope("orders:read")


@pytest.mark.parametrize("path", ["/orders/{id}", "/orders/<int:id>", "/{path:path}"])
def test_a_template_is_refused_where_it_would_never_match(path):
    """Silently never matching, its rule would leave the route to what "*" asks for."""
    with pytest.raises(ConfigurationError, match="template"):
        AccessTable.of((), (), {f"GET {path}": "orders:read"})
    with pytest.raises(ConfigurationError, match="template"):
        AccessTable.of([path], (), None)


@pytest.mark.parametrize("path", ["/docs/..;/orders", "/docs/%u002e%u002e/x", "/docs/%c0%ae/x"])
def test_spellings_of_a_folder_up_that_only_some_servers_know_are_not_public(path):
    table = AccessTable.of(["/docs/*"], (), None)

    assert not of(table, "GET", path).public
    assert of(table, "GET", "/docs/a;v=1").public


def test_a_request_within_a_request_does_not_change_who_is_calling(issuer):
    """Flask shares the application's context between nested requests, and so flask.g."""
    app = flask.Flask(__name__)
    for_flask.BearerGuard(app, guard=issuer.guard())

    @app.get("/inner")
    def inner():
        return for_flask.current_token.subject

    @app.get("/outer")
    def outer():
        within = app.test_client().get("/inner", headers=bearer(issuer.token(sub="service")))
        app.test_client().get("/inner")
        return {"inner": within.text, "outer": for_flask.current_token.subject}

    answer = app.test_client().get("/outer", headers=bearer(issuer.token(sub="alice")))

    assert answer.json == {"inner": "service", "outer": "alice"}


def test_a_path_that_breaks_a_converter_is_no_server_error_for_an_anonymous_caller(issuer):
    """Starlette's converter for integers gives up at 4300 digits, in Python's own int()."""
    app = Starlette(
        routes=[Route("/items/{id:int}", lambda _: PlainTextResponse("item"))],
        middleware=[Middleware(for_starlette.BearerAuthMiddleware, guard=issuer.guard())],
    )

    assert TestClient(app).get("/items/" + "9" * 5000).status_code == 401


def test_a_need_on_what_a_websocket_receives_closes_it(issuer):
    """The socket is open by then: an HTTP answer would be a server error."""

    class Chat(WebSocketEndpoint):
        encoding = "text"

        @for_starlette.requires("chat:write")
        async def on_receive(self, websocket, data):
            await websocket.send_text("never")

    app = Starlette(
        routes=[WebSocketRoute("/chat", Chat)],
        middleware=[Middleware(for_starlette.BearerAuthMiddleware, guard=issuer.guard())],
    )
    with TestClient(app).websocket_connect("/chat", headers=bearer(issuer.token("read"))) as socket:
        socket.send_text("hello")

        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()

    assert closed.value.code == 1008


class Api:
    def index(self, request):
        return PlainTextResponse("index")


@pytest.mark.parametrize("open_", [for_starlette.public, for_starlette.optional])
def test_the_method_of_one_object_is_not_opened_for_all_objects(open_):
    with pytest.raises(ConfigurationError, match="bound method"):
        open_(Api().index)


def test_an_open_view_on_several_paths_is_told_at_the_start(issuer, caplog):
    @for_starlette.public
    def status(request):
        return PlainTextResponse("fine")

    app = Starlette(
        routes=[Route("/healthz", status), Route("/admin/status", status)],
        middleware=[Middleware(for_starlette.BearerAuthMiddleware, guard=issuer.guard())],
    )
    with caplog.at_level(logging.WARNING, "bearerguard"), TestClient(app):
        pass

    assert "one open view serves /healthz, /admin/status" in caplog.text


@pytest.mark.parametrize(
    ("subject", "name"),
    [("user-1", "user-1"), ("Łukasz", "Łukasz".encode().decode("latin-1")), ("a\r\nb: c", None)],
)
def test_a_remote_user_is_what_wsgi_can_carry(issuer, subject, name):
    """PEP 3333: native strings hold octets as latin-1. A line break would forge a log line."""
    seen = []

    def application(environ, start_response):
        seen.append((environ.get("REMOTE_USER"), environ["bearerguard.token"].subject))
        start_response("204 No Content", [])
        return []

    guarded = BearerAuthMiddleware(application, guard=issuer.guard())
    Client(guarded).get("/", headers=bearer(issuer.token(sub=subject)))

    assert seen == [(name, subject)]


@pytest.mark.parametrize("mistake", ["async", "sync"])
def test_requires_without_parentheses_is_told_where_it_stands(mistake):
    async def view_async(request): ...

    def view_sync(request): ...

    view = view_async if mistake == "async" else view_sync

    with pytest.raises(ConfigurationError, match=r"@requires\(\) with parentheses"):
        for_starlette.requires(view)


def test_a_list_of_scopes_is_refused_with_the_way_to_write_it():
    with pytest.raises(ConfigurationError, match=r"requires\('one', 'two'\)"):
        for_starlette.requires(["a", "b"])


def test_a_text_may_stand_on_either_side_of_an_operator():
    assert ("a" & scope("b")) == (scope("a") & "b")
    assert ("a" | scope("b")) == (scope("a") | "b")

"""The routes command: what every route needs, and what to write where nobody said."""

import json
import sys

import flask
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from bearerguard import asgi, authenticated, cli
from bearerguard import fastapi as for_fastapi
from bearerguard import flask as for_flask
from bearerguard.core.needs import any_of, role
from bearerguard.starlette import BearerAuthMiddleware, optional, public, requires


def view():
    async def orders(request):
        return PlainTextResponse("ran")

    return orders


def decided(guard):
    return Starlette(
        routes=[
            Route("/orders/{id:int}", requires(any_of("read", "admin"), role("user"))(view())),
            Route("/orders", requires()(view()), methods=["GET", "POST"]),
            Route("/open", public(view())),
            Route("/maybe", optional(view())),
        ],
        middleware=[Middleware(BearerAuthMiddleware, guard=guard)],
    )


def undecided(guard):
    return Starlette(
        routes=[
            Route("/orders", view(), methods=["GET", "POST"]),
            Mount(
                "/files", app=asgi.ProtectedResourceMetadata.__new__(asgi.ProtectedResourceMetadata)
            ),
        ],
        middleware=[Middleware(BearerAuthMiddleware, guard=guard)],
    )


def fastapi(guard):
    app = FastAPI()
    guarding = for_fastapi.BearerGuard(app, guard=guard)

    @app.get("/orders", dependencies=[guarding.requires("read")])
    def orders() -> str:
        return "ran"

    @app.get("/plain")
    def plain() -> str:
        return "ran"

    return app


def flask_app(guard):
    app = flask.Flask("x")
    for_flask.BearerGuard(app, guard=guard)
    app.add_url_rule("/orders/<int:n>", "orders", lambda n: "ran")
    return app


def ruled(guard):
    return asgi.BearerAuthMiddleware(
        Starlette(routes=[Route("/orders", view()), Route("/forgotten", view())]),
        guard=guard,
        rules={"GET /orders": "read"},
    )


def table(guard):
    rules = {"GET /orders": "read", "* /admin/*": "admin", "*": authenticated}
    return asgi.BearerAuthMiddleware(lambda *_: None, guard=guard, rules=rules)


def unguarded(guard):
    return Starlette(routes=[Route("/orders", view())])


def unknown(guard):
    return lambda *_: None


@pytest.fixture
def run(monkeypatch, capsys, issuer):
    """Run the command on an application; give the exit code, and what it printed."""

    def command(make, *arguments):
        module = type(sys)("users_api")
        module.app = make(issuer.guard(public=["/healthz"]))
        monkeypatch.setitem(sys.modules, "users_api", module)
        code = cli.main(["routes", "users_api:app", *arguments])
        return code, capsys.readouterr()

    return command


def test_the_table_says_what_each_route_needs(run):
    code, shown = run(decided)

    rows = [line.split("  ") for line in shown.out.splitlines()]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert code == 0
    assert rows == [
        ["method", "path", "needs", "view"],
        ["GET", "/orders/{id:int}", "(scope read or scope admin) and role user", "orders"],
        ["GET, POST", "/orders", "a valid token", "orders"],
        ["GET", "/open", "nothing: public", "orders"],
        ["GET", "/maybe", "nothing, or a valid token", "orders"],
    ]


def test_where_everything_is_decided_the_check_passes(run):
    code, shown = run(decided, "--check")

    assert (code, shown.err) == (0, "")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            undecided,
            'GET, POST /orders (orders): any valid token is enough, and nobody said so; write @requires("a:scope")',
        ),
        (undecided, "* /files/* (ProtectedResourceMetadata): any valid token is enough"),
        (
            fastapi,
            "GET /plain (plain): any valid token is enough, and nobody said so; write Annotated",
        ),
        (flask_app, "GET /orders/<int:n> (orders): any valid token is enough"),
        (ruled, "GET /forgotten (orders): no rule names it, so that all are refused; write a rule"),
        (unguarded, "GET /orders (orders): nothing guards it; write middleware=[Middleware("),
        (unknown, "nothing guards it; write app = BearerAuthMiddleware(app, rules={...})"),
    ],
)
def test_the_check_names_what_nobody_decided_and_what_to_write(make, told, run):
    code, shown = run(make, "--check")

    assert code == 1
    assert told in shown.err


@pytest.mark.parametrize("make", [fastapi, flask_app])
def test_what_the_framework_made_fails_no_check(make, run):
    """It takes a valid token, and nobody wrote a view that could have been forgotten."""
    _, shown = run(make, "--check")

    assert not any(word in shown.err for word in ("/static", "/docs", "/redoc", "openapi.json"))


def test_a_table_of_rules_decides_about_everything(run):
    code, shown = run(table, "--check")

    assert code == 0
    assert [line.split()[:2] for line in shown.out.splitlines()[1:]] == [
        ["*", "/admin/*"],
        ["GET", "/orders"],
        ["*", "/healthz"],
        ["*", "*"],
    ]


@pytest.mark.parametrize("arguments", [["--json"], ["--format", "json"]])
def test_json_has_everything(arguments, run):
    code, shown = run(undecided, "--check", *arguments)

    document = json.loads(shown.out)
    assert code == 1
    assert document["framework"] == "Starlette"
    assert document["middleware"] == ["BearerAuthMiddleware"]
    assert document["routes"][0] == {
        "method": "GET",
        "path": "/orders",
        "endpoint": "orders",
        "admits": "token",
        "need": None,
        "scopes": [],
        "decided": False,
        "guarded": True,
        "builtin": False,
    }
    assert len(document["problems"]) == 2


def test_needs_are_text_and_scopes_in_json(run):
    route = json.loads(run(decided, "--json")[1].out)["routes"][0]

    assert route["need"] == "(scope read or scope admin) and role user"
    assert route["scopes"] == ["read", "admin"]


def test_markdown_is_a_table_in_which_no_bar_ends_a_cell(run):
    def barred(guard):
        return asgi.BearerAuthMiddleware(lambda *_: None, guard=guard, rules={"GET /a|b": "read"})

    lines = run(barred, "--format", "markdown")[1].out.splitlines()

    assert lines[0] == "| method | path | needs | view |"
    assert lines[1] == "| --- | --- | --- | --- |"
    assert lines[2].startswith("| GET | /a\\|b | scope read |")


def openapi(run, make):
    code, shown = run(make, "--format", "openapi")
    assert code == 0
    return json.loads(shown.out)


def test_the_openapi_document_has_a_lock_on_each_operation_that_needs_a_token(run):
    """OpenAPI 3.1.0, Security Requirement Object: a list is "or", an item is "and"."""
    document = openapi(run, decided)

    paths = document["paths"]
    assert document["openapi"] == "3.1.0"
    assert paths["/orders/{id}"]["get"]["security"] == [
        {"bearerAuth": ["read"]},
        {"bearerAuth": ["admin"]},
    ]
    assert paths["/orders"]["post"]["security"] == [{"bearerAuth": []}]
    assert paths["/open"]["get"]["security"] == []
    assert paths["/maybe"]["get"]["security"] == [{"bearerAuth": []}, {}]
    assert document["components"]["securitySchemes"]["bearerAuth"] == {
        "type": "openIdConnect",
        "openIdConnectUrl": "https://issuer.example/.well-known/openid-configuration",
    }


def test_each_variable_part_of_a_path_is_declared(run):
    """OpenAPI 3.1.0, Path Templating: each template expression has its parameter."""
    for make, path in (
        (decided, "/orders/{id}"),
        (flask_app, "/orders/{n}"),
        (table, "/admin/{path}"),
    ):
        item = openapi(run, make)["paths"][path]
        (parameter,) = item["parameters"]
        assert path.endswith("{" + parameter["name"] + "}")
        assert (parameter["in"], parameter["required"]) == ("path", True)


def test_what_has_no_place_in_openapi_is_left_out(run):
    def odd(guard):
        rules = {"PURGE /x": "purge", "*": authenticated}
        return asgi.BearerAuthMiddleware(lambda *_: None, guard=guard, rules=rules)

    assert [*openapi(run, odd)["paths"]] == ["/healthz"]


def test_a_rule_for_every_method_is_every_operation(run):
    item = openapi(run, table)["paths"]["/admin/{path}"]

    assert {"get", "post", "delete", "trace"} < item.keys()


def test_an_operation_that_nothing_guards_has_no_lock(run):
    document = openapi(run, unguarded)

    assert "security" not in document["paths"]["/orders"]["get"]
    assert document["components"]["securitySchemes"]["bearerAuth"]["type"] == "http"


def test_fastapi_gives_its_own_document(run):
    document = openapi(run, fastapi)

    assert document["info"]["title"] == "FastAPI"
    assert document["paths"]["/orders"]["get"]["security"] == [{"bearerAuth": ["read"]}]


@pytest.mark.parametrize("name", ["users_api", "not_there:app", "users_api:__name__"])
def test_what_is_no_application_is_wrong_usage(name, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "users_api", type(sys)("users_api"))

    assert cli.main(["routes", name]) == 2
    assert capsys.readouterr().err.startswith("bearerguard routes: ")


def test_settings_that_cannot_be_used_are_named(monkeypatch, capsys):
    module = type(sys)("users_api")
    module.app = Starlette(middleware=[Middleware(BearerAuthMiddleware)])
    monkeypatch.setitem(sys.modules, "users_api", module)
    monkeypatch.delenv("BEARERGUARD_ISSUER", raising=False)

    assert cli.main(["routes", "users_api:app"]) == 2
    assert "BEARERGUARD_ISSUER is not set" in capsys.readouterr().err

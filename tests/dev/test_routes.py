"""What is told of an application's routes is what requests to it meet."""

import asyncio
import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import flask
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router
from werkzeug.test import Client

from bearerguard import ConfigurationError, asgi, wsgi
from bearerguard import flask as for_flask
from bearerguard import starlette as for_starlette
from bearerguard.core.needs import claim
from bearerguard.dev.routes import GuardedApp, GuardedRoute, look_at
from bearerguard.gate import METHODS
from bearerguard.starlette import BearerAuthMiddleware, public, requires

spec = importlib.util.spec_from_file_location("apps", Path(__file__).with_name("applications.py"))
apps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(apps)

PUBLIC = ["/healthz", "/docs/*", "/openapi.json"]
# What stands in the place of a variable part.
PARTS = {"int": "4", "uuid": "00000000-0000-4000-8000-000000000000", "path": "a/b"}
PARTS |= {"breaks_in_the_tests": "4"}
PARTS |= {"colour_of_the_tests": "red", "": "4"}


@pytest.fixture
def guard(issuer):
    return issuer.guard(public=PUBLIC)


def path_of(template):
    """Write a path for a template of either framework; a folder and "*" are the table's."""
    host, template = re.fullmatch(r"(?://([^/]+))?(.*)", template).groups()
    path = re.sub(r"\{\w+:?(\w*)\}", lambda m: PARTS.get(m[1], "4"), template)
    path = re.sub(r"<(?:(\w+):)?\w+>", lambda m: PARTS[m[1] or ""], path)
    return host, "/nobody/named/this" if path == "*" else path.replace("*", "below")


def outcome(app, method, template, token):
    """Say what a caller meets: the status, or 200 for a handshake that was accepted."""
    host, path = path_of(template)
    fields = {"Version": "1"} | ({"Authorization": f"Bearer {token}"} if token else {})
    if isinstance(app, flask.Flask | wsgi.BearerAuthMiddleware):
        return Client(app).open(path, method=method, headers=fields).status_code
    return asyncio.run(status_of(app, method, path, fields | {"Host": host or "testserver"}))


async def status_of(app, method, path, fields):
    """Call an ASGI application; an accepted handshake counts as 200."""
    kind = {"type": "http", "method": method}
    if method == "WEBSOCKET":
        kind = {"type": "websocket", "extensions": {"websocket.http.response": {}}}
    headers = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    more = {"query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1"}
    sent = []

    async def receive():
        return {"type": "http.request" if method != "WEBSOCKET" else "websocket.connect"}

    async def send(message):
        sent.append(message)

    scope = {**kind, **more, "path": path, "raw_path": path.encode(), "headers": headers}
    await app(scope, receive, send)
    return sent[0].get("status", 200)


def expected_of(route):
    """Give what callers meet: without a token, with a bad one, without scopes, with all of them."""
    return {
        "public": (200, 200, 200, 200),
        "optional": (200, 401, 200, 200),
        "token": (401, 401, 200, 200),
        "need": (401, 401, 403, 200),
        "nobody": (401, 401, 403, 403),
    }[route.admits]


@pytest.mark.parametrize("name", sorted(apps.APPLICATIONS))
def test_each_route_admits_whom_it_is_said_to_admit(name, guard, issuer):
    app = apps.APPLICATIONS[name](guard)
    routes = look_at(app).routes

    assert routes
    for route in routes:
        assert_callers_meet(route, app, issuer)


def assert_callers_meet(route, app, issuer):
    """Send what is listed in expected_of(), by every method that the route is said to take."""
    scopes = " ".join(route.need.scopes()) if route.need is not None else ""
    tokens = [None, "garbage", issuer.token(), issuer.token(scopes)]
    for method in METHODS if route.method == "*" else [route.method]:
        met = tuple(outcome(app, method, route.path, token) for token in tokens)
        # No file is there, and whoever gets that far may know it.
        met = tuple(200 if status == 404 and route.is_builtin else status for status in met)
        assert met == expected_of(route), f"{method} {route.path}: {route}"


PATHS = ("/a", "/a/b", "/{x}", "/a/{x}", "/docs/a", "/docs/{x:path}")
# By name, so that an example that fails can be read.
SAID = {
    "nothing": lambda module, view: view,
    "public": lambda module, view: module.public(view),
    "optional": lambda module, view: module.optional(view),
    "any token": lambda module, view: module.requires()(view),
    "a need": lambda module, view: module.requires("need")(view),
    "a need, and public": lambda module, view: module.public(module.requires("need")(view)),
}
ENTRIES = st.lists(st.sampled_from(["/a", "/a/b", "/a/*", "/docs/*", "/open"]), unique=True)
METHODS_OF_RULES = st.sampled_from(["GET", "POST", "*"])
RULES = st.dictionaries(
    st.one_of(
        st.builds("{} {}".format, METHODS_OF_RULES, st.sampled_from(["/a", "/a/*", "/*"])),
        st.just("*"),
    ),
    st.sampled_from(["rule", "another"]),
)


def starlette_of(routes, guard, optional):
    def routed(path, method, said):
        return Route(path, SAID[said](for_starlette, view()), methods=[method])

    middleware = [Middleware(BearerAuthMiddleware, guard=guard, optional=optional)]
    return Starlette(routes=[routed(*route) for route in routes], middleware=middleware)


def flask_of(routes, guard, optional):
    app = flask.Flask("x", static_folder=None)
    for_flask.BearerGuard(app, guard=guard, optional=optional)
    for number, (path, method, said) in enumerate(routes):
        made = SAID[said](for_flask, lambda **_: "ran")
        written = path.replace("{x:path}", "<path:x>").replace("{x}", "<x>")
        app.add_url_rule(written, str(number), made, methods=[method])
    return app


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    make=st.sampled_from([starlette_of, flask_of]),
    routes=st.lists(
        st.tuples(
            st.sampled_from(PATHS), st.sampled_from(["GET", "POST"]), st.sampled_from([*SAID])
        ),
        min_size=1,
        max_size=4,
    ),
    public=ENTRIES,
    optional=ENTRIES,
)
def test_whatever_is_said_of_routes_and_paths_is_what_callers_meet(
    make, routes, public, optional, issuer
):
    app = make(routes, issuer.guard(public=public), optional)
    found = look_at(app)

    for route in found.routes:
        assert_callers_meet(route, app, issuer)
    for path in ("/a", "/a/b", "/open", "/4", "/a/4", "/docs/a", "/docs/b"):
        going = found.route_for("GET", path)
        if going is not None:
            assert_callers_meet(replace(going, method="GET", path=path), app, issuer)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULES, public=ENTRIES, optional=ENTRIES)
def test_whatever_a_table_says_is_what_callers_meet(rules, public, optional, issuer):
    guard = issuer.guard(public=public)
    try:
        app = asgi.BearerAuthMiddleware(apps.opaque, guard=guard, rules=rules, optional=optional)
        routes = look_at(app).routes
    except ConfigurationError:
        assume(False)

    for route in routes:
        assert_callers_meet(route, app, issuer)


def read(app):
    """The routes as a table for the eye: what is admitted by method and path."""
    return {f"{route.method} {route.path}": route for route in look_at(app).routes}


def view():
    """Make a view of its own, because a decorator marks the very function."""

    async def ran(request):
        return PlainTextResponse("ran")

    return ran


def starlette(*middleware, routes=None):
    return Starlette(routes=routes or [Route("/x", view())], middleware=list(middleware))


@pytest.fixture
def guarding(guard):
    return Middleware(BearerAuthMiddleware, guard=guard)


def test_what_nobody_decided_is_told_from_what_somebody_did(guard):
    """A need, @public, @optional, a path list or a rule is a decision; the default is none."""
    routes = read(apps.starlette(guard))

    undecided = {name for name, route in routes.items() if not route.is_decided}
    assert undecided == {
        *("GET /orders", "GET /plain", "POST /plain", "PUT /plain"),
        *("* /application", "* /mounted/deep/*", "GET /twice/free"),
        "* /mount/{c:breaks_in_the_tests}/*",
    }


def test_what_the_framework_made_is_told_from_views(guard):
    of_flask, of_fastapi = read(apps.flask_app(guard)), read(apps.fastapi(guard))

    assert {name for name, route in of_flask.items() if route.is_builtin} == {
        "GET /static/<path:filename>"
    }
    assert {name for name, route in of_fastapi.items() if route.is_builtin} == {
        *("GET /openapi.json", "GET /docs", "GET /docs/oauth2-redirect", "GET /redoc"),
    }


@pytest.mark.parametrize(
    ("name", "framework"),
    [
        ("starlette", "Starlette"),
        ("fastapi", "FastAPI"),
        ("flask", "Flask"),
        ("asgi", "ASGI"),
        ("wsgi", "WSGI"),
        ("rules around flask", "Flask"),
    ],
)
def test_the_framework_and_the_guard_are_told(name, framework, guard):
    found = look_at(apps.APPLICATIONS[name](guard))

    assert (found.framework, found.guard) == (framework, guard)


def test_middleware_is_named_from_the_outside_in(guard, guarding):
    """Whether CORS stands outside is the question of many a first hour."""
    inside = starlette(Middleware(CORSMiddleware), guarding)
    around = flask.Flask("x")
    for_flask.BearerGuard(around, guard=guard)
    around.wsgi_app = wsgi.BearerAuthMiddleware(around.wsgi_app, guard=guard)

    assert look_at(inside).middleware == ["CORSMiddleware", "BearerAuthMiddleware"]
    assert look_at(CORSMiddleware(inside)).middleware[0] == "CORSMiddleware"
    assert look_at(around).middleware == ["BearerAuthMiddleware", "BearerGuard"]


def test_a_server_of_mcp_is_decided_about_by_its_middleware(guard):
    """Its one endpoint is nobody's view that could be decorated."""
    assert {
        name: (route.admits, route.is_decided) for name, route in read(apps.mcp(guard)).items()
    } == {"* /mcp": ("token", True), "GET /healthz": ("public", True)}


def test_of_two_guards_both_are_asked(guard):
    app = flask.Flask("x", static_folder=None)
    for_flask.BearerGuard(app, guard=guard)
    app.add_url_rule("/x", "x", for_flask.requires("view")(lambda: "ran"))
    app.wsgi_app = wsgi.BearerAuthMiddleware(app.wsgi_app, guard=guard, rules={"GET /x": "rule"})

    assert str(read(app)["GET /x"].need) == "scope rule and scope view"


def test_of_two_tables_both_are_asked(guard, issuer):
    inner = asgi.BearerAuthMiddleware(apps.opaque, guard=guard, rules={"GET /x": "x", "* /y": "y"})
    app = asgi.BearerAuthMiddleware(inner, guard=guard, rules={"GET /x": "z", "*": "rest"})

    for route in look_at(app).routes:
        assert_callers_meet(route, app, issuer)
    assert str(read(app)["GET /x"].need) == "scope z and scope x"
    assert str(read(app)["* /y"].need) == "scope rest and scope y"
    assert read(app)["* *"].admits == "nobody"


def test_scopes_that_the_settings_require_belong_to_each_need(issuer):
    guard = issuer.guard(required_scopes=["base"], public=["/open"])
    app = asgi.BearerAuthMiddleware(view(), guard=guard, rules={"GET /x": "more"})
    plain = asgi.BearerAuthMiddleware(view(), guard=guard, optional=["/maybe"])

    assert str(read(app)["GET /x"].need) == "scope base and scope more"
    assert read(app)["* /open"].need is None
    assert str(read(plain)["* *"].need) == "scope base"
    assert read(plain)["* /maybe"].admits == "optional"


@pytest.mark.parametrize(
    "app",
    [
        starlette(),
        starlette(routes=[Route("/x", requires("a")(view()))]),
        flask.Flask("x"),
        lambda environ, start_response: [],
    ],
)
def test_without_a_guard_every_route_is_said_to_be_open(app):
    found = look_at(app)

    assert found.guard is None
    assert found.routes
    assert not any(route.is_guarded for route in found.routes)


def test_a_need_that_nothing_enforces_is_no_guard(guard):
    """Such a view answers 500; a table of paths around it does not read what it needs."""
    app = starlette(routes=[Route("/x", requires("a")(view())), Route("/y", view())])
    around = flask.Flask("x")
    around.add_url_rule("/x", "x", for_flask.requires("a")(lambda: "ran"))
    around.add_url_rule("/y", "y", lambda: "ran")

    of_starlette = read(asgi.BearerAuthMiddleware(app, guard=guard))
    of_flask = read(wsgi.BearerAuthMiddleware(around, guard=guard))

    assert [of_starlette[f"GET {path}"].is_guarded for path in ("/x", "/y")] == [False, True]
    assert [of_flask[f"GET {path}"].is_guarded for path in ("/x", "/y")] == [False, True]


class Hiding:
    """A middleware that does not tell what it wraps."""

    def __init__(self, app):
        self._hidden = app

    async def __call__(self, scope, receive, send):
        await self._hidden(scope, receive, send)


def test_a_guard_behind_a_middleware_that_hides_it_is_found(guarding, guard):
    app = starlette(Middleware(Hiding), guarding, routes=[Route("/x", requires("a")(view()))])
    asyncio.run(status_of(app, "GET", "/x", {}))  # now it runs, and is as hidden

    assert look_at(app).guard is guard
    assert str(read(app)["GET /x"].need) == "scope a"


def test_the_guard_that_runs_is_the_one_that_is_told(issuer, monkeypatch):
    """Not a second one, made of the same settings."""
    monkeypatch.setenv("BEARERGUARD_ISSUER", issuer.url)
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", issuer.audience)
    app = starlette(Middleware(BearerAuthMiddleware))
    asyncio.run(status_of(app, "GET", "/x", {}))

    assert look_at(app).guard is look_at(app).guard


def test_a_guard_below_a_mount_is_found(guard, guarding):
    app = starlette(routes=[Route("/out", view()), Mount("/in", starlette(guarding))])
    by_mount = starlette(routes=[Mount("/in", routes=[Route("/x", view())], middleware=[guarding])])
    by_route = starlette(routes=[Route("/x", requires("a")(view()), middleware=[guarding])])

    assert look_at(app).guard is guard
    assert [route.is_guarded for route in look_at(app).routes] == [False, True]
    assert look_at(by_mount).routes[0].is_guarded
    assert str(read(by_route)["GET /x"].need) == "scope a"


def test_the_metadata_are_public_wherever_they_stand(issuer):
    """RFC 9728 section 3.1: their place is the resource's, below the well-known path."""
    guard = issuer.guard(resource="https://api.example/v1")
    app = starlette(Middleware(BearerAuthMiddleware, guard=guard))

    assert read(app)["GET /.well-known/oauth-protected-resource/v1"].admits == "public"


def test_a_rule_for_every_path_leaves_no_other_row(guard):
    app = asgi.BearerAuthMiddleware(view(), guard=guard, rules={"* /*": "all"})

    assert "* /*" in read(app)
    assert "* *" not in read(app)


def test_a_flask_application_of_several_hosts_names_them(guard):
    app = flask.Flask("x", static_folder=None, subdomain_matching=True)
    for_flask.BearerGuard(app, guard=guard)
    app.add_url_rule("/x", "one", lambda: "ran", subdomain="one")
    app.add_url_rule("/x", "two", for_flask.requires("two")(lambda: "ran"), subdomain="two")

    assert [*read(app)] == ["GET //one/x", "GET //two/x"]


def test_a_method_that_nobody_knows_is_listed(guarding, guard):
    app = starlette(guarding, routes=[Route("/x", view(), methods=["PURGE"])])
    of_flask = flask.Flask("x", static_folder=None)
    of_flask.add_url_rule("/x", "x", lambda: "ran", methods=["PURGE"])

    assert [*read(app)] == ["PURGE /x"]
    assert [*read(of_flask)] == ["PURGE /x"]


def test_needs_that_have_no_hash_are_told_apart(guarding):
    routes = [Route("/x", requires(claim("groups", equals=["a"]))(view()), methods=["GET", "POST"])]

    assert [*read(starlette(guarding, routes=routes))] == ["GET /x", "POST /x"]


def test_settings_that_cannot_be_used_are_told_as_at_the_start(monkeypatch):
    monkeypatch.delenv("BEARERGUARD_ISSUER", raising=False)

    with pytest.raises(ConfigurationError, match="BEARERGUARD_ISSUER is not set"):
        look_at(starlette(Middleware(BearerAuthMiddleware)))


def test_a_guard_that_was_to_be_made_later_is_made_now(issuer, monkeypatch):
    """In a task, before the guard is loaded, making it is put off (see bearerguard.loading)."""
    monkeypatch.setattr(asgi, "would_stop_a_loop", lambda: True)
    app = asgi.BearerAuthMiddleware(view(), guard=issuer.guard())

    assert look_at(app).guard is app.gate.guard


def test_what_cannot_be_called_is_no_application():
    with pytest.raises(TypeError, match="is no ASGI or WSGI application"):
        look_at("main:app")


def test_an_object_that_has_every_attribute_is_not_followed_for_ever():
    assert look_at(MagicMock()).framework == "unknown"


def test_no_framework_is_loaded_for_an_application_of_none(guard, monkeypatch):
    for name in ("starlette", "flask"):
        monkeypatch.delitem(sys.modules, name)

    assert look_at(asgi.BearerAuthMiddleware(view(), guard=guard)).framework == "ASGI"


def test_without_fastapi_its_routers_are_not_looked_for(guarding, monkeypatch):
    monkeypatch.delitem(sys.modules, "fastapi")

    assert [*read(starlette(guarding))] == ["GET /x"]


def test_a_router_of_its_own_is_an_application(guard):
    app = BearerAuthMiddleware(Router([Route("/x", public(view()))]), guard=guard)

    assert read(app)["GET /x"].admits == "public"


ROUTES = GuardedApp(
    "Starlette",
    None,
    [
        GuardedRoute("GET", "/orders/{id}", "one", "token"),
        GuardedRoute("GET", "/orders/new", "new", "token"),
        GuardedRoute("POST", "/orders/<int:n>", "post", "token"),
        GuardedRoute("GET", "/files/{path:path}", "files", "token"),
        GuardedRoute("*", "/static/*", "static", "token"),
        GuardedRoute("GET", "/a.b", "dotted", "token"),
    ],
)


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("GET", "/orders/7", "one"),
        ("HEAD", "/orders/7", "one"),
        ("GET", "/orders/new", "new"),
        ("POST", "/orders/7", "post"),
        ("PUT", "/orders/7", None),
        ("GET", "/orders/7/lines", None),
        ("GET", "/files/a/b.txt", "files"),
        ("DELETE", "/static/a/b", "static"),
        ("GET", "/a.b", "dotted"),
        ("GET", "/axb", None),
    ],
)
def test_the_route_of_a_path_is_the_most_particular_one(method, path, endpoint):
    found = ROUTES.route_for(method, path)

    assert (None if found is None else found.endpoint) == endpoint


def test_what_stands_in_a_mount_is_listed_with_what_the_guards_before_it_ask_for(guard):
    routes = read(apps.mounts(guard))

    assert str(routes["GET /flask/item/<int:n>"].need) == "scope item"
    assert routes["GET /table/inner"].endpoint == "Opaque"
    assert "GET /flask/static/<path:filename>" in routes


def test_a_path_that_a_table_opens_is_listed_beside_the_route_that_takes_it(guard, issuer):
    """A variable part must not hide that one of its paths, or a folder of them, is public."""
    guard = issuer.guard(public=["/orders/open", "/orders/4/*"])
    template = "/orders/{id}/{line:path}"
    of_starlette = Starlette(
        routes=[Route("/orders/{id}", view()), Route(template, view()), Mount("/", apps.opaque)],
        middleware=[Middleware(BearerAuthMiddleware, guard=guard)],
    )
    of_flask = flask_of([("/orders/{x}", "GET", "nothing")], guard, [])

    routes = read(of_starlette)
    assert routes["GET /orders/open"].admits == "public"
    assert routes["GET /orders/4/*"].admits == "public"
    assert routes["GET /orders/{id}"].admits == "token"
    assert read(of_flask)["GET /orders/open"].admits == "public"


def test_a_path_that_another_route_takes_is_listed_as_that_one_alone(issuer):
    guard = issuer.guard(public=["/orders/new"])
    routes = [("/orders/{x}", "GET", "nothing"), ("/orders/new", "GET", "a need")]

    assert {*read(flask_of(routes, guard, []))} == {"GET /orders/new", "GET /orders/<x>"}
    assert read(flask_of(routes, guard, []))["GET /orders/new"].admits == "need"


def test_a_path_that_only_looks_like_a_routes_is_not_listed(issuer):
    """The converter of the route does not take it."""
    guard = issuer.guard(public=["/orders/new"])
    app = flask.Flask("x", static_folder=None)
    for_flask.BearerGuard(app, guard=guard)
    app.add_url_rule("/orders/<int:n>", "x", lambda n: "ran")

    middleware = [Middleware(BearerAuthMiddleware, guard=guard)]
    of_starlette = starlette(*middleware, routes=[Route("/orders/{n:int}", view())])

    assert [*read(app)] == ["GET /orders/<int:n>"]
    assert [*read(of_starlette)] == ["GET /orders/{n:int}"]


def test_a_need_of_a_mounted_view_that_nothing_enforces_is_no_guard(guard, guarding):
    inner = flask.Flask("x", static_folder=None)
    inner.add_url_rule("/x", "x", for_flask.requires("a")(lambda: "ran"))
    inner.add_url_rule("/y", "y", lambda: "ran")
    routes = read(starlette(guarding, routes=[Mount("/in", app=apps.Bridge(inner))]))

    assert [routes[f"GET /in{path}"].is_guarded for path in ("/x", "/y")] == [False, True]


def test_without_flask_nothing_mounted_is_looked_for(guarding, monkeypatch):
    monkeypatch.delitem(sys.modules, "flask")

    assert [*read(starlette(guarding, routes=[Mount("/in", app=apps.opaque)]))] == ["* /in/*"]

"""What only Starlette has: endpoints of every kind, mounts, hosts, and middleware at every level."""

import asyncio
import functools
import inspect

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires as starlette_requires
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from bearerguard import ConfigurationError, claim
from bearerguard.starlette import (
    BearerAuthMiddleware,
    BearerUser,
    any_of,
    optional,
    public,
    requires,
    role,
    scope,
)
from bearerguard.starlette_routing import endpoints


def plain():
    """A view without a mark. Marks stay on a function, so that each test makes its own."""

    async def view(request):
        return JSONResponse({"caller": request.user.identity})

    return view


def opened():
    return public(plain())


@pytest.fixture
def serve(contract, guard):
    """Build a guarded Starlette application of these routes."""

    def made(*routes, middleware=(), **arguments):
        api = contract.Api("starlette")
        guarded = Middleware(BearerAuthMiddleware, guard=guard, **arguments)
        api.app = Starlette(routes=routes, middleware=[guarded, *middleware])
        return api

    return made


def with_wraps(view):
    @functools.wraps(view)
    async def outer(*args):
        return await view(*args)

    return outer


def without_wraps(view):
    async def outer(request):
        return await view(request)

    return outer


def keeping_the_bare_view(decorate):
    """As where the route's decorator stands below ours: it registered the view itself."""

    def decorated(view):
        decorate(view)
        return view

    return decorated


def bound_method(run):
    class Controller:
        async def view(self, request):
            return run()

    return Controller().view


def function(run, decorate):
    async def view(request):
        return run()

    return decorate(view)


def sync_function(run, decorate):
    def view(request):
        return run()

    return decorate(view)


def endpoint_class(run, decorate):
    @decorate
    class View(HTTPEndpoint):
        async def get(self, request):
            return run()

    return View


def subclass(run, decorate):
    class View(endpoint_class(lambda: pytest.fail("the parent's"), decorate)):
        async def get(self, request):
            return run()

    return View


def subclass_with_a_dispatch_of_its_own(run, decorate):
    class View(endpoint_class(run, decorate)):
        async def dispatch(self):
            await run()(self.scope, self.receive, self.send)

    return View


def endpoint_method(run, decorate):
    class View(HTTPEndpoint):
        @decorate
        async def get(self, request):
            return run()

    return View


def sync_endpoint_method(run, decorate):
    class View(HTTPEndpoint):
        @decorate
        def get(self, request):
            return run()

    return View


KINDS = {
    "function": function,
    "sync function": sync_function,
    "bound method": lambda run, decorate: decorate(bound_method(run)),
    "partial": lambda run, decorate: functools.partial(function(run, decorate)),
    "of a partial": lambda run, decorate: function(run, lambda v: decorate(functools.partial(v))),
    "with wraps": lambda run, decorate: with_wraps(function(run, decorate)),
    "over wraps": lambda run, decorate: function(run, lambda view: decorate(with_wraps(view))),
    "class": endpoint_class,
    "subclass": subclass,
    "subclass with dispatch": subclass_with_a_dispatch_of_its_own,
    "method of a class": endpoint_method,
    "sync method of a class": sync_endpoint_method,
    "bare function": lambda run, decorate: function(run, keeping_the_bare_view(decorate)),
    "bare sync function": lambda run, decorate: sync_function(run, keeping_the_bare_view(decorate)),
    "bare bound method": lambda run, decorate: keeping_the_bare_view(decorate)(bound_method(run)),
    "bare over wraps": lambda run, decorate: function(
        run, lambda view: keeping_the_bare_view(decorate)(with_wraps(view))
    ),
}
# What the middleware cannot see: there it asks for a valid token, and the wrapper for the rest.
HIDDEN = {
    "without wraps": lambda run, decorate: without_wraps(function(run, decorate)),
    "hidden class": lambda run, decorate: asgi_of(endpoint_class(run, decorate)),
    "hidden subclass": lambda run, decorate: asgi_of(
        subclass_with_a_dispatch_of_its_own(run, decorate)
    ),
    "hidden method": lambda run, decorate: asgi_of(endpoint_method(run, decorate)),
}


def asgi_of(view_class):
    class Hidden:
        async def __call__(self, scope, receive, send):
            await view_class(scope, receive, send)

    return Hidden()


# A mark on a bound method would stand on the function, and open it for every other object.
OPENABLE = [kind for kind in [*KINDS, *HIDDEN] if "bound method" not in kind]


@pytest.fixture
def runs():
    return []


@pytest.fixture
def run(runs):
    def view():
        runs.append(1)
        return PlainTextResponse("ran")

    return view


@pytest.mark.parametrize("kind", [*KINDS, *HIDDEN])
def test_a_need_is_enforced_on_a_view_of_any_kind(serve, issuer, run, runs, kind):
    """Both orders of decorators, and whatever stands between ours and the view."""
    endpoint = (KINDS | HIDDEN)[kind](run, requires("read"))
    api = serve(Route("/x", endpoint, methods=["GET"]))
    anonymous = api.call("GET", "/x")
    assert anonymous.outcome == (401, None)
    assert anonymous.challenge.get("scope") == (None if kind in HIDDEN else "read")
    weak = api.call("GET", "/x", token=issuer.token("other"))
    assert (weak.outcome, weak.challenge["scope"]) == ((403, "insufficient_scope"), "read")
    assert api.call("HEAD", "/x", token=issuer.token("other")).body == b""
    assert runs == []
    assert api.call("GET", "/x", token=issuer.token("read")).body == b"ran"
    assert runs == [1]


# Not for those that only a middleware could see: Starlette has no hook to look at all requests.
SELF_GUARDED = [kind for kind in [*KINDS, *HIDDEN] if not kind.startswith("bare")]


@pytest.mark.parametrize("kind", SELF_GUARDED)
def test_a_need_that_no_middleware_guards_raises(contract, run, runs, kind):
    """Never silently open."""
    endpoint = (KINDS | HIDDEN)[kind](run, requires("read"))
    api = contract.Api("starlette")
    api.app = Starlette(routes=[Route("/x", endpoint, methods=["GET"])])
    with pytest.raises(ConfigurationError, match="no BearerAuthMiddleware guards it"):
        api.call("GET", "/x")
    assert runs == []


@pytest.mark.parametrize("kind", [kind for kind in OPENABLE if "subclass" not in kind])
@pytest.mark.parametrize(("opening", "bad"), [(public, 200), (optional, 401)])
def test_a_view_of_any_kind_can_be_opened(serve, issuer, run, kind, opening, bad):
    api = serve(Route("/x", (KINDS | HIDDEN)[kind](run, opening), methods=["GET"]))
    expected = (401, 401) if kind in HIDDEN else (200, bad)
    assert (api.call("GET", "/x").status, api.call("GET", "/x", token="garbage").status) == expected
    assert api.call("GET", "/x", token=issuer.token()).status == 200


@pytest.mark.parametrize("opening", [public, optional])
def test_a_subclass_of_an_open_class_is_closed(serve, run, opening):
    """That the parent is open says nothing about what the subclass does."""
    api = serve(Route("/x", subclass(run, opening)))
    assert api.call("GET", "/x").status == 401


@pytest.mark.parametrize("opening", [public, optional])
@pytest.mark.parametrize("kind", [k for k in OPENABLE if k in KINDS or k == "without wraps"])
@pytest.mark.parametrize("need_is_outside", [True, False])
def test_a_need_wins_over_public_and_optional_in_any_order(
    serve, issuer, run, runs, log, opening, kind, need_is_outside
):
    """It is enforced, and the start says so, where the middleware can see it."""

    def decorate(view):
        if need_is_outside:
            return requires("read")(opening(view))
        return opening(requires("read")(view))

    api = serve(Route("/x", (KINDS | HIDDEN)[kind](run, decorate)))
    assert api.call("GET", "/x").status == 401
    assert api.call("GET", "/x", token=issuer.token()).status == 403
    assert runs == []
    assert api.call("GET", "/x", token=issuer.token("read")).status == 200
    conflict = "/x is called open and needs something: the need is enforced"
    # A subclass does not inherit that its parent is open; nobody sees behind a foreign wrapper,
    # nor a mark on a wrapper that no route knows.
    is_lost = kind.startswith("bare") and not need_is_outside
    is_seen = "subclass" not in kind and kind != "without wraps" and not is_lost
    assert (conflict in [record.getMessage() for record in log()]) == is_seen


def test_a_public_function_around_a_need_that_nobody_sees_lets_no_one_in(serve, issuer, run, runs):
    """The need is enforced although the path looks open; for anonymous callers that means 401."""
    api = serve(Route("/x", public(without_wraps(function(run, requires("read"))))))
    assert api.call("GET", "/x").outcome == (401, None)
    assert api.call("GET", "/x").challenge["scope"] == "read"
    assert runs == []


def test_needs_of_a_class_and_of_its_method_add_up(serve, issuer, run):
    @requires("class")
    class View(HTTPEndpoint):
        @requires("get")
        async def get(self, request):
            return run()

        async def post(self, request):
            return run()

    class Sub(View):
        @requires("sub")
        async def put(self, request):
            return run()

    for endpoint in (View, asgi_of(View)):
        api = serve(Route("/x", endpoint))
        refused = api.call("GET", "/x", token=issuer.token("class"))
        assert (refused.status, refused.challenge["scope"]) == (403, "class get")
        assert api.call("GET", "/x", token=issuer.token("class get")).status == 200
        assert api.call("POST", "/x", token=issuer.token("class")).status == 200
        assert api.call("POST", "/x", token=issuer.token("get")).status == 403
    api = serve(Route("/x", requires("outer")(Sub)))
    assert api.call("PUT", "/x", token=issuer.token("outer class sub")).status == 200
    for scopes in ("class sub", "outer sub", "outer class"):
        assert api.call("PUT", "/x", token=issuer.token(scopes)).status == 403
    assert serve(Route("/x", View)).call("POST", "/x", token=issuer.token("class")).status == 200


def test_stacked_decorators_add_up_and_the_challenge_names_them_all(serve, issuer, run):
    view = requires("a")(with_wraps(requires("b")(requires("c")(function(run, lambda v: v)))))
    for endpoint in (view, without_wraps(view)):
        api = serve(Route("/x", endpoint))
        for scopes in ("a", "a b", "b c", ""):
            refused = api.call("GET", "/x", token=issuer.token(scopes))
            assert (refused.status, set(refused.challenge["scope"].split())) == (403, set("abc"))
        assert api.call("GET", "/x", token=issuer.token("c b a")).status == 200


def test_one_view_in_two_routes_has_the_needs_of_each(serve, issuer, run):
    view = function(run, lambda v: v)
    api = serve(Route("/a", requires("a")(view)), Route("/b", requires("b")(view)))
    for path, scopes, status in [
        ("/a", "a", 200),
        ("/b", "b", 200),
        ("/a", "b", 403),
        ("/b", "a", 403),
    ]:
        assert api.call("GET", path, token=issuer.token(scopes)).status == status


def test_values_that_python_takes_for_equal_are_two_needs(serve, issuer, run):
    """``1 == True``, and both needs would be met by the check of one."""
    one, true = claim("level", equals=1), claim("level", equals=True)
    api = serve(Route("/x", requires(one)(requires(true)(function(run, lambda v: v)))))
    assert api.call("GET", "/x", token=issuer.token(level=1)).status == 403
    assert api.call("GET", "/x", token=issuer.token(level=True)).status == 403


def test_needs_are_any_values(serve, issuer):
    view = requires(scope("a") & (scope("b") | role("admin")), any_of("x", "y"))(plain())
    api = serve(Route("/x", view))
    assert api.call("GET", "/x", token=issuer.token("a x", roles=["admin"])).status == 200
    refused = api.call("GET", "/x", token=issuer.token("a x"))
    assert (refused.status, refused.challenge["scope"]) == (403, "a b x y")


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: requires("a b"),
        lambda: requires(""),
        lambda: requires("a")("not a view"),
        lambda: requires("a")(type("NoView", (), {})),
        lambda: requires("a")(StaticFiles(directory=".")),
        lambda: requires("a")(Starlette()),
        lambda: requires("a")(functools.partial(Starlette())),
        lambda: requires(plain()),  # without parentheses
        lambda: requires("a")(len),
        lambda: public("x"),
        lambda: public(bound_method(None)),
        lambda: optional(bound_method(None)),
        lambda: optional(None),
        lambda: public(len),
    ],
)
def test_a_decorator_that_would_guard_nothing_refuses(misuse):
    with pytest.raises(ConfigurationError):
        misuse()


def test_a_view_that_takes_no_request_cannot_be_guarded(contract, serve, issuer):
    async def app(scope, receive, send):
        pytest.fail("ran")

    api = serve(Mount("/x", app=requires("a")(app)))
    with pytest.raises(ConfigurationError, match="takes no request"):
        api.call("GET", "/x/", token=issuer.token("a"))


def test_a_view_may_take_its_request_by_name(serve, issuer):
    @requires("a")
    def inner(*, request):
        return PlainTextResponse(request.user.identity)

    async def view(request):
        return inner(request=request)

    api = serve(Route("/x", view))
    assert api.call("GET", "/x", token=issuer.token("a")).body == b"user-1"
    assert api.call("GET", "/x", token=issuer.token("b")).status == 403


# Where applications are: below mounts, hosts and middleware.


def sub_app(**arguments):
    routes = [Route("/read", requires("read")(function(lambda: PlainTextResponse("ran"), ident)))]
    routes += [Route("/open", opened()), Route("/plain", plain())]
    return Starlette(routes=routes, **arguments)


def ident(view):
    return view


class Shown:
    """Middleware as it is usually written."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


class HidingApp:
    """Middleware that calls what it wraps by another name."""

    def __init__(self, app):
        self.next = app

    async def __call__(self, scope, receive, send):
        await self.next(scope, receive, send)


class WithRoutes(Shown):
    """Middleware with routes that are none of Starlette's."""

    routes = ("/metrics",)


class Base(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


def routes_of_sub_app():
    return sub_app().routes


PLACES = {
    "mount": lambda: Mount("/in", app=sub_app()),
    "mounted routes": lambda: Mount("/in", routes=routes_of_sub_app()),
    "nested mounts": lambda: Mount("", routes=[Mount("/in", app=sub_app())]),
    "mounted router": lambda: Mount("/in", app=Router(routes_of_sub_app())),
    "router with middleware": lambda: Mount(
        "/in", app=Router(routes_of_sub_app(), middleware=[Middleware(Shown)])
    ),
    "mount with middleware": lambda: Mount(
        "/in", routes=routes_of_sub_app(), middleware=[Middleware(HidingApp)]
    ),
    "wrapped application": lambda: Mount("/in", app=Shown(sub_app())),
    "application with middleware": lambda: Mount(
        "/in", app=sub_app(middleware=[Middleware(HidingApp), Middleware(Base)])
    ),
    "host": lambda: Host("testserver", app=Router([Mount("/in", app=sub_app())])),
    "parameter": lambda: Mount("/{name}", app=sub_app()),
}


@pytest.mark.requirement("GEN-3", "9700-2.3-2")
@pytest.mark.parametrize("place", PLACES)
def test_what_is_mounted_is_guarded_like_the_rest(serve, issuer, place):
    api = serve(PLACES[place]())
    host = ("Host", "testserver")
    assert api.call("GET", "/in/plain", host).status == 401
    assert api.call("GET", "/in/none", host).status == 401
    assert api.call("GET", "/in/none", host, token=issuer.token()).status == 404
    assert api.call("GET", "/in/plain", host, token=issuer.token()).status == 200
    assert api.call("GET", "/in/open", host).status == 200
    assert api.call("GET", "/in/read", host).challenge["scope"] == "read"
    assert api.call("GET", "/in/read", host, token=issuer.token()).status == 403
    assert api.call("GET", "/in/read", host, token=issuer.token("read")).status == 200


@pytest.mark.requirement("GEN-3")
@pytest.mark.parametrize("layer", [Shown, HidingApp, WithRoutes, Base], ids=lambda c: c.__name__)
def test_middleware_between_the_guard_and_the_router_changes_nothing(serve, issuer, layer):
    api = serve(Mount("/in", app=sub_app()), middleware=[Middleware(layer)])
    assert api.call("GET", "/in/plain").status == 401
    assert api.call("GET", "/in/open").status == 200
    assert api.call("GET", "/in/read", token=issuer.token()).status == 403
    assert api.call("GET", "/in/read", token=issuer.token("read")).status == 200


def test_the_middleware_may_stand_around_the_application(contract, guard, issuer):
    for app, opens in [(sub_app(), 200), (Shown(sub_app()), 200), (HidingApp(sub_app()), 401)]:
        api = contract.Api("starlette")
        api.app = BearerAuthMiddleware(app, guard=guard)
        assert api.call("GET", "/plain").status == 401
        assert api.call("GET", "/open").status == opens  # behind what hides, nothing opens
        assert api.call("GET", "/read", token=issuer.token()).status == 403
        assert api.call("GET", "/read", token=issuer.token("read")).status == 200


@pytest.mark.parametrize("hidden", [False, True])
def test_the_middleware_may_stand_at_a_mount_a_router_and_a_route(contract, guard, issuer, hidden):
    guarded = [Middleware(BearerAuthMiddleware, guard=guard)]
    if hidden:
        guarded.append(Middleware(HidingApp))
    routes = routes_of_sub_app()
    by_router = Router(routes, middleware=guarded)
    for app in (
        Starlette(routes=[Mount("/in", routes=routes, middleware=guarded)]),
        Starlette(routes=[Mount("/in", app=by_router)]),
        Starlette(routes=[Mount("/in", app=sub_app(middleware=guarded))]),
        Starlette(routes=[Route(f"/in{r.path}", r.endpoint, middleware=guarded) for r in routes]),
    ):
        api = contract.Api("starlette")
        api.app = app
        assert api.call("GET", "/in/plain").status == 401
        assert api.call("GET", "/in/open").status in ({200, 401} if hidden else {200})
        assert api.call("GET", "/in/read", token=issuer.token()).status == 403
        assert api.call("GET", "/in/read", token=issuer.token("read")).status == 200


def test_a_router_alone_is_an_application_too(contract, guard, issuer):
    api = contract.Api("starlette")
    api.app = BearerAuthMiddleware(Router(routes_of_sub_app()), guard=guard)
    assert [api.call("GET", path).status for path in ("/plain", "/open")] == [401, 200]
    assert api.call("GET", "/read", token=issuer.token("read")).status == 200


def test_a_router_with_its_own_middleware_is_an_application_too(contract, guard, issuer):
    api = contract.Api("starlette")
    guarded = Middleware(BearerAuthMiddleware, guard=guard)
    api.app = Router(routes_of_sub_app(), middleware=[guarded])
    assert [api.call("GET", path).status for path in ("/plain", "/open")] == [401, 200]
    assert api.call("GET", "/read", token=issuer.token("read")).status == 200


@pytest.mark.requirement("GEN-3")
def test_a_view_below_a_mount_is_not_taken_for_one_of_that_path_above(contract, guard):
    """Where a middleware hides the routes below, those of the whole application say nothing."""
    layers = [Middleware(BearerAuthMiddleware, guard=guard), Middleware(HidingApp)]
    below = Mount("/in", routes=[Route("/x", plain())], middleware=layers)
    api = contract.Api("starlette")
    api.app = Starlette(routes=[below, Route("/x", opened())])
    assert api.call("GET", "/in/x").status == 401


def test_files_need_a_token_unless_they_are_public(serve, issuer, tmp_path):
    (tmp_path / "a.txt").write_text("secret")
    files = StaticFiles(directory=tmp_path)
    api = serve(
        Mount("/files", app=files), Mount("/free", app=public(StaticFiles(directory=tmp_path)))
    )
    assert api.call("GET", "/files/a.txt").status == 401
    assert api.call("GET", "/files/a.txt", token=issuer.token()).body == b"secret"
    assert api.call("GET", "/free/a.txt").body == b"secret"
    assert api.call("GET", "/free/../files/a.txt").status in (401, 404)


def test_hosts_are_told_apart(serve):
    api = serve(Host("open.example", app=Router([Route("/", opened())])), Route("/", plain()))
    assert api.call("GET", "/", ("Host", "open.example")).status == 200
    assert api.call("GET", "/", ("Host", "api.example")).status == 401
    assert api.call("GET", "/").status == 401


def test_the_first_route_that_matches_decides(serve, issuer):
    api = serve(
        Route("/{name}", opened(), methods=["POST"]),
        Route("/x", requires("read")(plain())),
        Route("/{name}", opened()),
    )
    assert api.call("GET", "/x").status == 401
    assert [api.call("POST", "/x").status, api.call("GET", "/y").status] == [200, 200]
    assert api.call("DELETE", "/y").status == 401  # 405 is for those who may know
    assert api.call("DELETE", "/y", token=issuer.token()).status == 405


def test_a_redirect_to_the_path_with_a_slash_is_for_those_who_may_know(serve, issuer):
    api = serve(Route("/x/", opened()))
    assert api.call("GET", "/x/").status == 200
    assert api.call("GET", "/x").status == 401
    assert api.call("GET", "/x", token=issuer.token()).status == 307


def test_a_route_of_ones_own_kind_is_asked_too(serve):
    class Everything(BaseRoute):
        def matches(self, scope):
            return Match.FULL, {"endpoint": opened()}

        async def handle(self, scope, receive, send):
            await PlainTextResponse("ran")(scope, receive, send)

    assert serve(Everything()).call("GET", "/x").body == b"ran"


def test_the_application_below_a_root_path_is_guarded_alike(serve, issuer):
    api = serve(Mount("/in", app=sub_app()), Route("/open", plain()))
    assert api.call("GET", "/v1/in/open", root_path="/v1").status == 200
    assert api.call("GET", "/v1/open", root_path="/v1").status == 401
    answer = api.call("GET", "/v1/in/read", root_path="/v1", token=issuer.token())
    assert answer.status == 403


def test_every_route_is_found_for_the_log(serve):
    routes = [
        Mount("/in", app=sub_app()),
        Mount("/opaque", app=Shown(HidingApp(None))),
        Host("x.example", app=Router([Route("/h", plain())])),
    ]
    app = Router(routes)
    paths = [path for path, _ in endpoints(app, {})]
    assert paths == ["/in/read", "/in/open", "/in/plain", "/opaque", "/h"]
    assert list(endpoints(HidingApp(app), {})) == []


# Preflights and classes.


def test_a_preflight_runs_no_view_class_with_a_need(serve, issuer, run, runs):
    preflight = (("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET"))

    @requires("a")
    class ByClass(HTTPEndpoint):
        async def options(self, request):
            return run()

    class ByMethod(HTTPEndpoint):
        @requires("a")
        async def options(self, request):
            return run()

    bare = function(run, keeping_the_bare_view(requires("a")))
    own_dispatch = subclass_with_a_dispatch_of_its_own(run, requires("a"))
    cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"])
    for endpoint in (ByClass, ByMethod, bare, own_dispatch, asgi_of(ByClass), asgi_of(ByMethod)):
        methods = ["OPTIONS"] if inspect.isfunction(endpoint) else None
        route = Route("/x", endpoint, methods=methods)
        assert serve(route).call("OPTIONS", "/x", *preflight).outcome == (401, None)
        if endpoint in (ByClass, ByMethod):
            assert serve(route, middleware=[cors]).call("OPTIONS", "/x", *preflight).status == 200
        assert runs == []
        assert serve(route).call("OPTIONS", "/x", token=issuer.token("a")).body == b"ran"
        runs.clear()


# What a view sees.


def test_a_view_sees_who_is_calling(serve, issuer):
    seen = []

    async def view(request):
        seen.append((request.user, request.auth.scopes, request.scope["bearerguard.token"]))
        return PlainTextResponse("")

    api = serve(Route("/x", optional(view)))
    api.call("GET", "/x", token=issuer.token("b a", sub="alice"))
    api.call("GET", "/x")
    (user, scopes, token), (nobody, no_scopes, no_token) = seen
    assert user.is_authenticated
    assert user.identity == user.display_name == "alice"
    assert (user.token, token.subject, scopes) == (token, "alice", ["a", "b"])
    assert not nobody.is_authenticated
    assert (nobody.identity, nobody.display_name, nobody.token) == ("", "", None)
    assert (no_scopes, no_token) == ([], None)


def test_a_view_that_changes_the_scopes_changes_its_own_request(serve, issuer):
    """They are made when they are first read, and stay the same list for the rest of a request."""
    seen = []

    async def view(request):
        request.auth.scopes.append("admin")
        seen.append(request.auth.scopes)
        return PlainTextResponse(str(hasattr(request.auth, "other")))

    api = serve(Route("/x", view))
    token = issuer.token("a")
    assert [api.call("GET", "/x", token=token).body for _ in range(2)] == [b"False", b"False"]
    assert seen == [["a", "admin"], ["a", "admin"]]


def test_the_user_is_a_value_that_does_not_change(guard, issuer):
    token = guard.verify(issuer.token())
    user = BearerUser(token, "alice")
    with pytest.raises(AttributeError):
        user.name = "bob"
    assert user == BearerUser(token, "alice") != BearerUser(None, "alice")
    assert len({user, BearerUser(token, "alice")}) == 1
    assert "name='alice'" in repr(user)


def test_what_an_earlier_layer_said_of_the_user_does_not_count(serve, issuer):
    api = serve(Route("/x", public(functools.partial(plain()))))
    answer = api.call("GET", "/x", user="admin", auth="all")
    assert answer.json == {"caller": ""}


@pytest.mark.parametrize(("raw", "status"), [(None, 403), ("other", 403), ("read", 200)])
def test_starlettes_own_requires_works(serve, issuer, raw, status):
    @starlette_requires("read")
    async def view(request):
        return PlainTextResponse("ran")

    api = serve(Route("/x", optional(view)))
    token = None if raw is None else issuer.token(raw)
    assert api.call("GET", "/x", token=token).status == status


# The start.


def start(app, **scope):
    """Run the lifespan protocol; give what the application sent."""
    sent = []

    async def receive():
        return {"type": "lifespan.startup" if not sent else "lifespan.shutdown"}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "lifespan", "state": {}, **scope}, receive, send))
    return [message["type"] for message in sent]


def test_the_start_logs_every_conflict_once(serve, log):
    class View(HTTPEndpoint):
        @public
        @requires("a")
        async def delete(self, request):
            return PlainTextResponse("")

    api = serve(Mount("/in", routes=[Route("/{id}", View)]), Route("/open", opened()))
    assert start(api.app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [record.getMessage().split()[0] for record in log() if record.levelno > 20] == [
        "/in/{id}"
    ]
    api.call("GET", "/open")
    assert log() == []


def test_the_request_of_a_view_is_the_frameworks_own(serve, issuer):
    kinds = []

    @requires()
    async def view(request):
        kinds.append(type(request))
        return PlainTextResponse("")

    serve(Route("/x", view)).call("GET", "/x", token=issuer.token())
    assert kinds == [Request]


class Reloading:
    """What reloads an application, or picks one of several: it exchanges what it wraps."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


def test_an_application_that_serves_no_more_opens_nothing(contract, guard):
    """Design section 1: what counts are the marks of the views that will run."""
    box = Reloading(Starlette(routes=[Route("/x", opened())]))
    api = contract.Api("starlette")
    api.app = BearerAuthMiddleware(box, guard=guard)
    assert api.call("GET", "/x").status == 200
    box.app = Starlette(routes=[Route("/x", plain())])
    assert api.call("GET", "/x").status == 401
    box.app = Starlette(routes=[Route("/x", opened())])
    assert api.call("GET", "/x").status == 200

"""What only FastAPI has: dependencies in every place, routers in routers, overrides, its own errors."""

import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Security, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security import SecurityScopes
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Mount
from typing_extensions import TypeAliasType

from bearerguard import ConfigurationError, claim
from bearerguard.fastapi import (
    AccessToken,
    BearerGuard,
    any_of,
    optional,
    public,
    requires,
    role,
    scope,
)
from bearerguard.fastapi_routing import IncludedRouter

PREFLIGHT = (("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET"))


@pytest.fixture
def app():
    return FastAPI()


@pytest.fixture
def needs(app, guard):
    """The extension of ``app``."""
    return BearerGuard(app, guard=guard)


@pytest.fixture
def api(contract, app):
    api = contract.Api("fastapi")
    api.app = app
    return api


@pytest.fixture
def scopes_needed(api, issuer):
    """Find out what a path needs: the scopes that a refusal names, each of them really needed."""

    def found(path, method="GET"):
        named = api.call(method, path).challenge.get("scope", "").split()
        for one in named:
            others = " ".join(name for name in named if name != one)
            answer = api.call(method, path, token=issuer.token(others))
            assert (answer.outcome, answer.challenge["scope"].split()) == (
                (403, "insufficient_scope"),
                named,
            )
        assert api.call(method, path, token=issuer.token(" ".join(named))).status == 200
        return set(named)

    return found


def plain():
    """A view without a mark. Marks stay on a function, so that each test makes its own."""

    def view():
        return "ran"

    return view


# The places of a need.


def annotated(app, needs):
    @app.get("/x")
    async def view(token: Annotated[AccessToken, needs.requires("a")]):
        return token.subject


def annotated_sync(app, needs):
    @app.get("/x")
    def view(token: Annotated[AccessToken, needs.requires("a")]):
        return token.subject


def default(app, needs):
    @app.get("/x")
    async def view(token: AccessToken = needs.requires("a")):  # noqa: B008
        return token.subject


def of_the_route(app, needs):
    app.get("/x", dependencies=[needs.requires("a")])(plain())


def of_a_router(app, needs):
    router = APIRouter(dependencies=[needs.requires("a")])
    router.get("/x")(plain())
    app.include_router(router)


def of_an_inclusion(app, needs):
    router = APIRouter()
    router.get("/x")(plain())
    app.include_router(router, dependencies=[needs.requires("a")])


def of_a_dependency(app, needs):
    async def caller(token: Annotated[AccessToken, needs.requires("a")]):
        return token.subject

    @app.get("/x")
    def view(name: Annotated[str, Depends(caller)]):
        return name


def of_a_class(app, needs):
    class Caller:
        def __init__(self, token: Annotated[AccessToken, needs.requires("a")]):
            self.name = token.subject

    @app.get("/x")
    def view(caller: Annotated[Caller, Depends()]):
        return caller.name


def security(app, needs):
    @app.get("/x")
    def view(token: Annotated[AccessToken, Security(needs.token, scopes=["a"])]):
        return token.subject


def security_of_a_router(app, needs):
    router = APIRouter(dependencies=[Security(needs.token, scopes=["a"])])
    router.get("/x")(plain())
    app.include_router(router)


def decorated(app, needs):
    @app.get("/x")
    @requires("a")
    async def view(request: Request):
        return request.user.identity


def decorated_sync(app, needs):
    @app.get("/x")
    @requires("a")
    def view(q: int = 1):
        return q


def decorated_from_above(app, needs):
    @requires("a")
    @app.get("/x")
    async def view():
        return "ran"


def decorated_callable(app, needs):
    class View:
        async def __call__(self, q: int = 1):
            return q

    app.get("/x")(requires("a")(functools.partial(View())))


PLACES = [
    annotated,
    annotated_sync,
    default,
    of_the_route,
    of_a_router,
    of_an_inclusion,
    of_a_dependency,
    of_a_class,
    security,
    security_of_a_router,
    decorated,
    decorated_sync,
    decorated_from_above,
    decorated_callable,
]


@pytest.mark.requirement("GEN-2")
@pytest.mark.parametrize("place", PLACES)
def test_a_need_is_enforced_in_every_place_for_it(app, needs, scopes_needed, place):
    place(app, needs)
    assert scopes_needed("/x") == {"a"}


class Hiding:
    """Middleware that calls what it wraps by another name, so that nobody sees the routes."""

    def __init__(self, app):
        self.next = app

    async def __call__(self, scope, receive, send):
        await self.next({**scope, "copied": True}, receive, send)


# Where the decorator of the route stands below ours, FastAPI knows the bare view alone.
SELF_GUARDED = [place for place in PLACES if place is not decorated_from_above]


@pytest.fixture
def hidden(app, issuer):
    """Build an application behind what nobody can look through, on open paths and on others."""
    inner = FastAPI()
    app.mount("/in", Hiding(inner))
    app.mount("/open", Hiding(inner))
    return inner, BearerGuard(app, guard=issuer.guard(public=["/open/*"]))


@pytest.mark.requirement("GEN-2")
@pytest.mark.parametrize("place", SELF_GUARDED)
def test_a_need_that_the_middleware_cannot_see_is_enforced_all_the_same(hidden, api, issuer, place):
    """By the dependency, with the very answer that the middleware would give."""
    place(*hidden)
    for answer in (
        api.call("GET", "/open/x"),
        api.call("GET", "/open/x", token=issuer.token("a")),  # not looked at: the path is public
    ):
        assert (answer.outcome, answer.challenge["scope"]) == ((401, None), "a")
        assert (answer.body, answer.only("cache-control")) == (b"{}", "no-store")
    weak = api.call("GET", "/in/x", token=issuer.token("b"))
    assert (weak.outcome, weak.challenge["scope"]) == ((403, "insufficient_scope"), "a")
    assert weak.json["error"] == "insufficient_scope"
    assert api.call("GET", "/in/x", token=issuer.token("a")).status == 200


@pytest.mark.parametrize("place", SELF_GUARDED)
def test_a_need_that_nothing_guards_raises(app, api, guard, place):
    """Never silently open."""
    place(app, BearerGuard(guard=guard))
    with pytest.raises(ConfigurationError, match="no BearerGuard guards the application"):
        api.call("GET", "/x")


def test_a_token_that_nothing_verified_raises(app, api, guard):
    """A view would take None for an anonymous caller who may pass."""
    needs = BearerGuard(guard=guard)

    @app.get("/x")
    def view(token: Annotated[AccessToken | None, Depends(needs.token)]):
        pytest.fail("ran")

    with pytest.raises(ConfigurationError, match="no BearerGuard guards the application"):
        api.call("GET", "/x")


def test_the_middleware_for_starlette_alone_guards_no_dependency(app, api, contract, guard, issuer):
    """It would leave the last word to the application's exception handlers."""
    annotated(app, BearerGuard(guard=guard))
    app.add_middleware(contract.our_starlette.BearerAuthMiddleware, guard=guard)
    with pytest.raises(ConfigurationError, match=r"guard\.init_app"):
        api.call("GET", "/x", token=issuer.token("a"))


# Needs add up.


def test_the_needs_of_all_that_a_route_depends_on_add_up(guard, contract, issuer):
    """Application, inclusions, routers, route, view, and what it depends on."""
    needs = BearerGuard(guard=guard)
    app = FastAPI(dependencies=[needs.requires("app")])
    needs.init_app(app)
    inner = APIRouter(prefix="/inner", dependencies=[needs.requires("inner")])
    outer = APIRouter(prefix="/outer", dependencies=[needs.requires("outer")])

    async def caller(token: Annotated[AccessToken, needs.requires("caller")]):
        return token.subject

    @inner.get("/x", dependencies=[needs.requires("route")])
    @requires("decorator")
    async def view(name: Annotated[str, Depends(caller)]):
        return name

    outer.include_router(inner, prefix="/v1", dependencies=[needs.requires("inclusion")])
    app.include_router(outer)
    api = contract.Api("fastapi")
    api.app = app
    named = "decorator app outer inclusion inner route caller"
    assert api.call("GET", "/outer/v1/inner/x").challenge["scope"] == named
    for left_out in named.split():
        token = issuer.token(named.replace(left_out, "other"))
        assert api.call("GET", "/outer/v1/inner/x", token=token).status == 403, left_out
    assert api.call("GET", "/outer/v1/inner/x", token=issuer.token(named)).json == "user-1"


def test_hidden_needs_are_named_together(hidden, api, issuer):
    """RFC 6750 section 3.1: the scope attribute names what the whole route needs."""
    inner, needs = hidden
    inner.get("/x", dependencies=[needs.requires("a"), needs.requires("b")])(plain())
    router = APIRouter(dependencies=[needs.requires("c")])
    router.get("/y", dependencies=[needs.requires("d")])(plain())
    inner.include_router(router, dependencies=[needs.requires("e")])
    assert api.call("GET", "/in/x", token=issuer.token("a")).challenge["scope"] == "a b"
    assert api.call("GET", "/in/y", token=issuer.token("c e")).challenge["scope"] == "e c d"
    assert api.call("GET", "/in/y", token=issuer.token("c d e")).status == 200


def test_the_scopes_of_security_add_up_along_the_chain(app, needs, scopes_needed):
    """FastAPI's own way: whoever asks for SecurityScopes is told all that stand above it."""
    told = []

    async def user(wanted: SecurityScopes, token: Annotated[AccessToken, needs.requires("token")]):
        told.append(wanted.scopes)
        return token.subject

    async def active(name: Annotated[str, Security(user, scopes=["me"])]):
        return name

    @app.get("/x", dependencies=[Security(needs.token, scopes=["apart"])])
    def view(name: Annotated[str, Security(active, scopes=["items"])]):
        return name

    assert scopes_needed("/x") == {"token", "me", "items", "apart"}
    assert told == [["items", "me"]]


def test_of_two_needs_in_one_annotation_none_is_forgotten(app, needs, scopes_needed):
    """FastAPI runs the last dependency of an Annotated, as where an alias is annotated again."""
    reader = Annotated[AccessToken, needs.requires("a")]
    scoped = Annotated[reader, Security(needs.token, scopes=["b"])]

    @app.get("/x")
    def view(token: Annotated[scoped, needs.requires("c")]):
        return token.subject

    def anything():
        return 1

    @app.get("/y")
    def other(token: Annotated[reader, Depends(anything)]):
        return token

    named = TypeAliasType("named", Annotated[reader, Depends(anything)])  # as ``type named = ...``

    @app.get("/z")
    def another(token: named):
        return token

    assert scopes_needed("/x") == {"a", "b", "c"}
    assert scopes_needed("/y") == {"a"}
    assert scopes_needed("/z") == {"a"}


def test_annotations_may_be_texts_and_name_what_is_for_the_type_checker_alone(
    app, needs, scopes_needed
):
    namespace: dict[str, Any] = {"app": app, "needs": needs, "Annotated": Annotated}
    exec(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING: from x import Known\n"
        "from bearerguard.fastapi import AccessToken, requires\n"
        "@app.get('/x')\n"
        "def x(token: Annotated[AccessToken, needs.requires('a')]): return 1\n"
        "@app.get('/y', response_model=None)\n"
        "def y(token: Annotated[AccessToken, needs.requires('a'), needs.requires('b')])"
        " -> Known: return 1\n"
        "@app.get('/z')\n"
        "@requires('c')\n"
        "def z(token: Annotated[AccessToken, needs.requires('d')]): return 1\n",
        namespace,
    )
    assert scopes_needed("/x") == {"a"}
    assert scopes_needed("/y") == {"a", "b"}
    assert scopes_needed("/z") == {"c", "d"}


def test_stacked_decorators_add_up(app, needs, scopes_needed):
    @app.get("/x")
    @requires("a")
    @requires("b")
    async def view(q: int = 1):
        return q

    assert scopes_needed("/x") == {"a", "b"}


def test_a_decorated_view_may_take_whatever_it_is_given(app, needs, api, issuer):
    """FastAPI takes it for a parameter of that name."""

    @app.get("/x")
    @requires("a")
    def view(**rest):
        return rest

    answer = api.call("GET", "/x", token=issuer.token("a"), query_string=b"rest=1")
    assert answer.json == {"rest": "1"}


def test_needs_are_any_values(app, needs, api, issuer):
    @app.get("/x")
    def view(
        token: Annotated[AccessToken, needs.requires(scope("a") & (scope("b") | role("admin")))],
    ):
        return sorted(token.roles)

    assert api.call("GET", "/x", token=issuer.token("a", roles=["admin"])).json == ["admin"]
    refused = api.call("GET", "/x", token=issuer.token("a"))
    assert (refused.status, refused.challenge["scope"]) == (403, "a b")


def test_values_that_python_takes_for_equal_are_two_needs(app, needs, api, issuer):
    """``1 == True``, and both needs would be met by the check of one."""
    both = [needs.requires(claim("level", equals=value)) for value in (1, True)]
    app.get("/x", dependencies=both)(plain())
    assert api.call("GET", "/x", token=issuer.token(level=1)).status == 403
    assert api.call("GET", "/x", token=issuer.token(level=True)).status == 403


def test_an_own_check_runs_once_a_request(app, needs, api, issuer):
    asked = []
    needed = needs.requires(lambda token: asked.append(token) or True)
    app.get("/x", dependencies=[needed, needed])(plain())
    assert api.call("GET", "/x", token=issuer.token()).status == 200
    assert len(asked) == 1


# Public and optional.


def test_an_optional_view_gets_its_token_or_none(app, needs, api, issuer):
    @app.get("/x")
    @optional
    async def view(token: Annotated[AccessToken | None, Depends(needs.token)]):
        return token and token.subject

    assert api.call("GET", "/x").json is None
    assert api.call("GET", "/x", token=issuer.token(sub="ann")).json == "ann"
    assert api.call("GET", "/x", token="garbage").outcome == (401, "invalid_token")


@pytest.mark.parametrize("opening", [public, optional])
def test_an_open_view_is_open_wherever_its_router_is_included(app, needs, api, opening):
    """And only that view: a mark of another one, or of a path that another one serves, is none."""
    inner, outer = APIRouter(prefix="/in"), APIRouter()
    inner.get("/x")(opening(plain()))
    inner.get("/closed")(plain())
    inner.post("/x")(plain())
    outer.include_router(inner, prefix="/a")
    outer.include_router(inner, prefix="/b")
    app.include_router(outer, prefix="/v1")
    app.include_router(outer)
    for prefix in ("/v1/a", "/v1/b", "/a", "/b"):
        assert api.call("GET", f"{prefix}/in/x").status == 200
        assert api.call("POST", f"{prefix}/in/x").status == 401
        assert api.call("GET", f"{prefix}/in/closed").status == 401
        assert api.call("GET", f"{prefix}/in/x/").status == 401  # a redirect
    assert api.call("GET", "/in/x").status == 401


def test_the_first_route_that_matches_decides(app, needs, api):
    """Also where a route has its own idea of what it matches, behind an included router."""

    class OnlyWithHeader(APIRoute):
        def matches(self, scope):
            found = super().matches(scope)
            has_header = any(name == b"x-beta" for name, _ in scope["headers"])
            return found if has_header else (Match.NONE, {})

    beta, stable = APIRouter(route_class=OnlyWithHeader), APIRouter()
    beta.get("/x")(public(plain()))
    stable.get("/x")(plain())
    stable.get("/{name}")(public(plain()))
    app.include_router(beta)
    app.include_router(stable)
    assert api.call("GET", "/x").status == 401
    assert api.call("GET", "/x", ("X-Beta", "1")).status == 200
    assert api.call("GET", "/y").status == 200


@pytest.mark.parametrize("opening", [public, optional])
def test_a_need_wins_over_an_open_view_and_the_start_tells(app, needs, api, issuer, log, opening):
    router = APIRouter(prefix="/in", dependencies=[needs.requires("a")])
    router.get("/x")(opening(plain()))
    app.include_router(router)
    assert api.call("GET", "/in/x").outcome == (401, None)
    assert api.call("GET", "/in/x", token=issuer.token()).status == 403
    told = [record.getMessage() for record in log()]
    assert "/in/x is called open and needs something: the need is enforced" in told


def test_the_pages_of_the_documentation_are_open_only_by_name(app, api, issuer):
    BearerGuard(app, guard=issuer.guard(public=["/docs", "/openapi.json"]))
    paths = ("/docs", "/openapi.json", "/redoc", "/docs/oauth2-redirect")
    assert [api.call("GET", path).status for path in paths] == [200, 200, 401, 401]


# Where applications are: routers, mounts, middleware.


def sub_app(needs):
    app = FastAPI()
    router = APIRouter(prefix="/r")
    for one in (app, router):
        one.get("/read", dependencies=[needs.requires("read")])(plain())
        one.get("/open")(public(plain()))
        one.get("/plain")(plain())
    app.include_router(router)
    return app


def mounted_in_a_router(app, inner):
    router, outer = APIRouter(), APIRouter()
    router.mount("/in", inner)
    outer.include_router(router)
    app.include_router(outer)


def mounted_below_a_prefix(app, inner):
    router = APIRouter()
    router.mount("/in", inner)
    app.include_router(router, prefix="/v1")


MOUNTS = {
    "mount": lambda app, inner: app.mount("/in", inner),
    "router": lambda app, inner: app.mount("/in", inner.router),
    "nested": lambda app, inner: app.mount("", Starlette(routes=[Mount("/in", inner)])),
    "starlette": lambda app, inner: app.mount("/in", Starlette(routes=inner.routes)),
}


if IncludedRouter:  # before FastAPI 0.137 a mount is lost with the router that it is in
    MOUNTS |= {"in a router": mounted_in_a_router, "below a prefix": mounted_below_a_prefix}


@pytest.mark.requirement("GEN-3", "9700-2.3-2")
@pytest.mark.parametrize("place", MOUNTS)
def test_what_is_mounted_is_guarded_like_the_rest(app, needs, api, issuer, place):
    MOUNTS[place](app, sub_app(needs))
    root = "/v1/in" if place == "below a prefix" else "/in"
    for below in (root, f"{root}/r"):
        assert api.call("GET", f"{below}/plain").status == 401
        assert api.call("GET", f"{below}/none", token=issuer.token()).status == 404
        assert api.call("GET", f"{below}/open").status == 200
        assert api.call("GET", f"{below}/read").challenge["scope"] == "read"
        assert api.call("GET", f"{below}/read", token=issuer.token()).status == 403
        assert api.call("GET", f"{below}/read", token=issuer.token("read")).status == 200


def test_a_guarded_application_can_itself_be_mounted(guard, contract, issuer):
    needs = BearerGuard(guard=guard)
    inner = sub_app(needs)
    needs.init_app(inner)
    api = contract.Api("fastapi")
    api.app = Starlette(routes=[Mount("/in", inner)])
    assert api.call("GET", "/in/open").status == 200
    assert api.call("GET", "/in/r/read").challenge["scope"] == "read"
    assert api.call("GET", "/in/r/read", token=issuer.token("read")).status == 200


def test_a_starlette_application_that_mounts_one_can_be_guarded(guard, contract, issuer):
    needs = BearerGuard(guard=guard)
    api = contract.Api("fastapi")
    api.app = Starlette(routes=[Mount("/in", sub_app(needs))])
    needs.init_app(api.app)
    assert api.call("GET", "/in/open").status == 200
    assert api.call("GET", "/in/r/read", token=issuer.token()).status == 403
    assert api.call("GET", "/in/r/read", token=issuer.token("read")).status == 200


@pytest.mark.skipif(not hasattr(FastAPI, "frontend"), reason="this FastAPI serves no frontend")
def test_the_files_of_a_frontend_are_guarded_like_the_rest(app, api, issuer, tmp_path):
    """FastAPI finds them after all routes, and what they depend on is enforced on the way."""
    (tmp_path / "x.txt").write_text("file")
    needs = BearerGuard(app, guard=issuer.guard(public=["/open/*"]))
    router = APIRouter(dependencies=[needs.requires("a")])
    for one, path in ((app, "/files"), (app, "/open"), (router, "/in"), (router, "/open/in")):
        one.frontend(path, directory=tmp_path)
    app.include_router(router)
    assert api.call("GET", "/open/x.txt").body == b"file"
    assert api.call("GET", "/files/x.txt").status == 401
    assert api.call("GET", "/files/x.txt", token=issuer.token()).body == b"file"
    for path in ("/in/x.txt", "/open/in/x.txt"):
        assert api.call("GET", path).status == 401
    assert api.call("GET", "/in/x.txt", token=issuer.token()).challenge["scope"] == "a"
    assert api.call("GET", "/in/x.txt", token=issuer.token("a")).body == b"file"


class Base(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


def test_middleware_between_the_guard_and_the_views_changes_nothing(app, api, guard, issuer):
    app.add_middleware(Base)
    app.mount("/in", sub_app(BearerGuard(app, guard=guard)))
    assert api.call("GET", "/in/open").status == 200
    assert api.call("GET", "/in/r/read", token=issuer.token()).status == 403
    assert api.call("GET", "/in/r/read", token=issuer.token("read")).status == 200


def test_a_route_of_starlette_in_it_has_the_decorator_of_starlette(app, needs, api, contract):
    """Ours raises there, because nobody would give it what it asks for."""

    @requires("a")
    class View(HTTPEndpoint):
        async def get(self, request):
            pytest.fail("ran")

    @contract.our_starlette.requires("a")
    async def view(request):
        pytest.fail("ran")

    app.router.add_route("/class", View)
    app.router.add_route("/view", view)
    assert api.call("GET", "/class").challenge["scope"] == "a"
    assert api.call("GET", "/view").challenge["scope"] == "a"


@pytest.mark.parametrize("is_async", [True, False])
def test_a_view_with_a_need_that_fastapi_did_not_call_raises(app, needs, api, issuer, is_async):
    @requires("a")
    def view(request):
        pytest.fail("ran")

    @requires("a")
    async def async_view(request):
        pytest.fail("ran")

    app.router.add_route("/x", async_view if is_async else view)
    with pytest.raises(ConfigurationError, match="FastAPI did not call it"):
        api.call("GET", "/x", token=issuer.token("a"))


class WithoutSignature:
    """As some functions of the standard library, in one version of Python or another."""

    __signature__ = "none"

    def __call__(self):
        pytest.fail("ran")


@pytest.mark.parametrize(
    "misuse",
    [
        lambda needs: needs.requires("a b"),
        lambda needs: needs.requires(""),
        lambda needs: needs.requires(plain),  # a view, and no check
        lambda needs: requires("a b"),
        lambda needs: requires("a")("no view"),
        lambda needs: requires("a")(type("NoView", (), {})),
        lambda needs: requires("a")(WithoutSignature()),
        lambda needs: public(len),
        lambda needs: BearerGuard(FastAPI(), issuer="https://a.example"),
        lambda needs: BearerGuard(FastAPI(), optional=["/*"], issuer="https://a", audience="a"),
    ],
)
def test_what_would_guard_nothing_refuses(needs, misuse):
    with pytest.raises(ConfigurationError):
        misuse(needs)


def test_an_application_is_guarded_once(app, needs, guard):
    with pytest.raises(ConfigurationError, match="guards this application already"):
        BearerGuard(app, guard=guard)


def test_one_extension_may_guard_several_applications(guard, contract, issuer):
    needs = BearerGuard(guard=guard)
    router = APIRouter()
    router.get("/x", dependencies=[needs.requires("a")])(plain())
    for _ in range(2):
        api = contract.Api("fastapi")
        api.app = FastAPI()
        needs.init_app(api.app)
        api.app.include_router(router)
        assert api.call("GET", "/x", token=issuer.token()).status == 403
        assert api.call("GET", "/x", token=issuer.token("a")).status == 200


def run_lifespan(app):
    sent = []

    async def receive():
        return {"type": "lifespan.startup" if not sent else "lifespan.shutdown"}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "lifespan", "state": {}}, receive, send))
    return sent


def test_a_scope_that_is_none_refuses_the_start(app, needs, api):
    """FastAPI's Security takes any text; nobody could ever have such a scope."""
    for path in ("/x", "/y"):
        app.get(path, dependencies=[Security(needs.token, scopes=["a b"])])(plain())
    with pytest.raises(ConfigurationError) as refusal:
        run_lifespan(app)
    assert [problem.split(":")[0] for problem in refusal.value.problems] == ["/x", "/y"]
    with pytest.raises(ConfigurationError):
        api.call("GET", "/z")


def test_the_start_goes_on_where_all_needs_can_be_meant(app, needs):
    of_a_router(app, needs)
    assert [message["type"] for message in run_lifespan(app)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


# Answers.


def test_a_refusal_precedes_the_body_and_what_is_wrong_with_the_request(app, needs, api, issuer):
    """FastAPI reads and validates the body first; who may not call is told nothing of it."""

    @app.post("/x")
    def view(body: dict[str, int], q: int, token: Annotated[AccessToken, needs.requires("a")]):
        pytest.fail("ran")

    assert api.call("POST", "/x").outcome == (401, None)  # of an Untouchable body
    assert api.call("POST", "/x", token=issuer.token()).outcome == (403, "insufficient_scope")


def test_exception_handlers_never_get_to_see_a_refusal(app, needs, api, issuer):
    for kind in (Exception, 401, 403):
        app.add_exception_handler(kind, lambda *_: PlainTextResponse("welcome"))
    annotated(app, needs)
    assert api.call("GET", "/x").outcome == (401, None)
    assert api.call("GET", "/x", token=issuer.token()).outcome == (403, "insufficient_scope")


def swallowed_by_a_handler(inner, needs):
    inner.add_exception_handler(403, lambda *_: PlainTextResponse("welcome"))
    annotated(inner, needs)


def swallowed_by_a_middleware(inner, needs):
    @inner.middleware("http")
    async def swallow(request, call_next):
        await call_next(request)
        return PlainTextResponse("welcome")

    annotated(inner, needs)


def changed_by_a_dependency(inner, needs):
    async def clean_up() -> AsyncIterator[None]:
        try:
            yield
        except Exception as error:
            raise ZeroDivisionError from error

    inner.get("/x", dependencies=[Depends(clean_up), needs.requires("a")])(plain())


def swallowed_by_a_dependency(inner, needs):
    async def lenient(request: Request):
        try:
            return await needs.requires("a").dependency(connection=request, token=None)
        except Exception:  # noqa: BLE001  too much, as it happens
            return None

    inner.get("/x", dependencies=[Depends(lenient)])(plain())


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize(
    "swallow",
    [
        swallowed_by_a_handler,
        swallowed_by_a_middleware,
        changed_by_a_dependency,
        swallowed_by_a_dependency,
    ],
)
def test_the_refusal_of_a_dependency_is_the_last_word(hidden, api, issuer, swallow):
    """Whatever the application makes of the exception, the caller gets the refusal."""
    swallow(*hidden)
    answer = api.call("GET", "/in/x", token=issuer.token("b"))
    assert (answer.outcome, answer.challenge["scope"]) == ((403, "insufficient_scope"), "a")
    assert answer.json["error"] == "insufficient_scope"
    assert api.call("GET", "/in/x", token=issuer.token("a")).status == 200


def test_what_an_application_refuses_itself_is_left_to_its_handlers(app, needs, api, issuer):
    class TeapotError(Exception):
        pass

    app.add_exception_handler(TeapotError, lambda *_: PlainTextResponse("teapot", 418))

    @app.get("/x")
    def view(token: Annotated[AccessToken, needs.requires("a")]):
        raise TeapotError

    @app.get("/y")
    def fails():
        raise ZeroDivisionError

    assert api.call("GET", "/x", token=issuer.token("a")).body == b"teapot"
    with pytest.raises(ZeroDivisionError):
        api.call("GET", "/y", token=issuer.token())


def test_a_stream_is_sent_as_it_is_made(app, needs, api, issuer):
    @app.get("/x")
    def view(token: Annotated[AccessToken, needs.requires("a")]):
        return StreamingResponse(iter([b"one ", b"two"]))

    assert api.call("GET", "/x", token=issuer.token("a")).body == b"one two"


@pytest.mark.requirement("FETCH-CORS-1")
@pytest.mark.parametrize("place", [annotated, decorated, decorated_from_above])
def test_a_preflight_runs_no_view_with_a_need(contract, guard, issuer, place):
    """A view of its own for OPTIONS is one, and a CORS layer inside the guard answers before it."""
    for has_cors in (False, True):
        app, api = FastAPI(), contract.Api("fastapi")
        api.app = app
        if has_cors:
            app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"])
        app.get = app.options
        place(app, BearerGuard(app, guard=guard))
        answer = api.call("OPTIONS", "/x", *PREFLIGHT)
        is_answered = has_cors and place is not decorated_from_above
        assert answer.status == (200 if is_answered else 401)
        if not has_cors:
            assert answer.challenge["scope"] == "a"
        assert api.call("OPTIONS", "/x", token=issuer.token("a")).status == 200


def test_a_cors_layer_that_is_added_later_stands_around_the_guard(app, needs, api):
    app.add_middleware(
        CORSMiddleware, allow_origins=["https://a.example"], expose_headers=["WWW-Authenticate"]
    )
    annotated(app, needs)
    answer = api.call("GET", "/x", PREFLIGHT[0])
    assert (answer.status, answer.only("access-control-allow-origin")) == (401, PREFLIGHT[0][1])
    assert answer.only("access-control-expose-headers") == "WWW-Authenticate"


# Overrides, which are for tests.


def test_an_override_of_the_token_changes_what_views_get_and_nothing_else(
    app, needs, api, issuer, guard
):
    """``guard.token`` is the key. The caller still has to be somebody who may."""
    annotated(app, needs)
    ann = guard.verify(issuer.token(sub="ann"))
    app.dependency_overrides[needs.token] = lambda: ann
    assert api.call("GET", "/x").outcome == (401, None)
    assert api.call("GET", "/x", token=issuer.token("b")).status == 403
    assert api.call("GET", "/x", token=issuer.token("a")).json == "ann"
    app.dependency_overrides.clear()
    assert api.call("GET", "/x", token=issuer.token("a")).json == "user-1"


def test_an_override_of_what_has_a_need_opens_nothing(app, needs, api, issuer):
    async def caller(token: Annotated[AccessToken, needs.requires("a")]):
        return token.subject

    @app.get("/x")
    def view(name: Annotated[str, Depends(caller)]):
        return name

    app.dependency_overrides[caller] = lambda: "ann"
    assert api.call("GET", "/x", token=issuer.token("b")).status == 403
    assert api.call("GET", "/x", token=issuer.token("a")).json == "ann"


def test_a_need_that_an_override_brings_is_enforced(app, needs, api, issuer):
    def anything():
        return None

    async def stricter(token: Annotated[AccessToken, needs.requires("b")]):
        return token.subject

    app.get("/x", dependencies=[needs.requires("a"), Depends(anything)])(plain())
    app.dependency_overrides[anything] = stricter
    refused = api.call("GET", "/x", token=issuer.token("a"))
    assert (refused.status, refused.challenge["scope"]) == (403, "a b")
    assert api.call("GET", "/x", token=issuer.token("a b")).status == 200


# WebSockets.

ACCEPT, REFUSED = "websocket.accept", {"type": "websocket.close", "code": 1008}


async def echo(websocket: WebSocket, token: Any):
    await websocket.accept()
    await websocket.send_text(token.subject)
    await websocket.close()


def socket(router, needs):
    @router.websocket("/ws")
    async def view(websocket: WebSocket, token: Annotated[AccessToken, needs.requires("a")]):
        await echo(websocket, token)


def socket_of_a_router(app, needs):
    router = APIRouter(dependencies=[needs.requires("a")])

    @router.websocket("/ws")
    async def view(websocket: WebSocket, token: Annotated[AccessToken, Depends(needs.token)]):
        await echo(websocket, token)

    app.include_router(router)


def socket_of_a_decorator(app, needs):
    @app.websocket("/ws")
    @requires("a")
    async def view(websocket: WebSocket, token: Annotated[AccessToken, Depends(needs.token)]):
        await echo(websocket, token)


@pytest.fixture
def open_socket(contract, app, issuer):
    def opened(path, scopes=None, **arguments):
        fields = [] if scopes is None else [("Authorization", f"Bearer {issuer.token(scopes)}")]
        return asyncio.run(contract.websocket(app, path, *fields, **arguments))

    return opened


SOCKETS = [socket, socket_of_a_router, socket_of_a_decorator]


@pytest.mark.requirement("GEN-8")
@pytest.mark.parametrize("place", SOCKETS)
def test_the_need_of_a_socket_is_enforced_at_the_handshake(app, needs, open_socket, place):
    place(app, needs)
    assert open_socket("/ws") == open_socket("/ws", "b") == [REFUSED]
    start, _ = open_socket("/ws", "b", has_denial_response=True)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert [message.get("text") for message in open_socket("/ws", "a")] == [None, "user-1", None]


@pytest.mark.requirement("GEN-8")
@pytest.mark.parametrize("place", SOCKETS)
def test_the_need_of_a_hidden_socket_is_enforced_by_the_dependency(hidden, open_socket, place):
    place(*hidden)
    assert open_socket("/open/ws") == open_socket("/in/ws", "b") == [REFUSED]
    start, body = open_socket("/in/ws", "b", has_denial_response=True)
    assert (start["status"], b"insufficient_scope" in body["body"]) == (403, True)
    assert open_socket("/in/ws", "a")[0]["type"] == ACCEPT


@pytest.mark.requirement("GEN-8")
def test_a_socket_that_was_accepted_too_early_is_closed(hidden, open_socket):
    inner, needs = hidden

    async def accept(websocket: WebSocket):
        await websocket.accept()

    @inner.websocket("/ws", dependencies=[Depends(accept), needs.requires("a")])
    async def view(websocket: WebSocket):
        pytest.fail("ran")

    accepted, closed = open_socket("/in/ws", "b")
    assert (accepted["type"], closed) == (ACCEPT, REFUSED)


def test_an_open_socket_can_be_closed_when_its_token_expires(app, issuer, clock, open_socket):
    guard = issuer.guard()
    decide = guard.aadmit

    async def aadmit(request, access):
        token = await decide(request, access)
        clock.tick(3600)  # right after the handshake
        return token

    guard.aadmit = aadmit
    needs = BearerGuard(app, guard=guard, close_at_expiry=True)

    @app.websocket("/ws")
    async def view(websocket: WebSocket, token: Annotated[AccessToken, needs.requires("a")]):
        await websocket.accept()
        for _ in range(100):  # the close comes while the view waits
            await asyncio.sleep(0)

    accepted, closed = open_socket("/ws", "a")
    assert (accepted["type"], closed) == (ACCEPT, REFUSED | {"reason": "token expired"})


def test_any_of_as_everywhere(app, needs, api, issuer):
    app.get("/x", dependencies=[needs.requires(any_of("a", "b"))])(plain())
    assert [api.call("GET", "/x", token=issuer.token(one)).status for one in "abc"] == [
        200,
        200,
        403,
    ]

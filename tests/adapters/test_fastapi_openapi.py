"""What the OpenAPI document of a FastAPI application says of its routes; parts of it, not its text."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.openapi.utils import get_openapi
from fastapi.security import APIKeyHeader
from starlette.applications import Starlette
from starlette.routing import Mount

from bearerguard import ConfigurationError, claim
from bearerguard import Issuer as IssuerSettings
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

NAME = "bearerAuth"


@pytest.fixture
def app():
    return FastAPI()


@pytest.fixture
def needs(app, issuer):
    return BearerGuard(app, guard=issuer.guard(public=["/healthz", "/files/*"]), optional=["/me"])


def view():
    return "ran"


def opened(opening):
    def own():
        return "ran"

    return opening(own)


def operation(app, path="/x", method="get"):
    return app.openapi()["paths"][path][method]


def alternatives(app, path="/x", method="get"):
    """What the lock of an operation stands for; None where there is no lock."""
    found = operation(app, path, method).get("security")
    return None if found is None else [one.get(NAME) for one in found]


# The lock.


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ((), [[]]),
        (("a",), [["a"]]),
        (("a", "b"), [["a", "b"]]),
        ((scope("a") & "b", "a"), [["a", "b"]]),
        ((any_of("a", "b"),), [["a"], ["b"]]),
        ((any_of("a", scope("b") & "c"),), [["a"], ["b", "c"]]),
        ((any_of("a", "b"), any_of("c", "d")), [["a", "c"], ["a", "d"], ["b", "c"], ["b", "d"]]),
        ((scope("a") & (scope("b") | role("admin")),), [["a", "b"], ["a"]]),
        ((role("admin"),), [[]]),
        ((any_of("a", role("admin")),), [["a"], []]),
        ((any_of("a", "a"),), [["a"]]),
        ((claim("tenant", equals="acme"), lambda token: True), [[]]),
    ],
)
def test_a_need_is_shown_as_alternatives_of_scopes(app, needs, asked, shown):
    """OpenAPI 3.1, Security Requirement Object: a list is "or", an item is "and"."""
    app.get("/x", dependencies=[needs.requires(*asked)])(view)
    assert alternatives(app) == shown


def test_needs_of_all_that_a_route_depends_on_are_shown_together(app, needs):
    router = APIRouter(prefix="/in", dependencies=[needs.requires("router")])

    @router.post("/{name}")
    @requires("decorator")
    def one(name: str, token: Annotated[AccessToken, Security(needs.token, scopes=["s"])]):
        return name

    @requires("bare")
    @router.get("/{name}")
    def other(name: str, token: Annotated[AccessToken, needs.requires(any_of("a", "b"))]):
        return name

    app.include_router(router, prefix="/v1", dependencies=[needs.requires("inclusion")])
    path = "/v1/in/{name}"
    (all_of_them,) = alternatives(app, path, "post")
    assert sorted(all_of_them) == ["decorator", "inclusion", "router", "s"]
    for found, last in zip(alternatives(app, path), "ab", strict=True):
        assert sorted(found) == sorted(["bare", "inclusion", "router", last])


def test_a_route_without_a_need_shows_the_lock_all_the_same(app, needs):
    """Deny by default: it asks for a valid token."""
    app.get("/x")(view)
    app.post("/x")(opened(public))
    assert (alternatives(app), alternatives(app, method="post")) == ([[]], None)


@pytest.mark.parametrize("path", ["/healthz", "/files/{name}", "/open"])
def test_what_is_public_shows_no_lock_and_no_refusal(app, needs, path):
    app.get(path)(opened(public) if path == "/open" else view)
    assert "security" not in operation(app, path)
    assert not {"401", "403", "503"} & {*operation(app, path)["responses"]}


@pytest.mark.parametrize("path", ["/healthz/{x}", "/{name}", "/files", "/Healthz"])
def test_a_path_of_which_not_all_is_public_shows_the_lock(app, needs, path):
    app.get(path)(view)
    assert alternatives(app, path) == [[]]


@pytest.mark.parametrize("path", ["/me", "/x"])
def test_what_is_optional_says_so(app, needs, path):
    """An empty requirement in the list makes the others optional."""
    app.get(path)(opened(optional) if path == "/x" else view)
    assert operation(app, path)["security"] == [{NAME: []}, {}]


@pytest.mark.parametrize("opening", [public, optional])
def test_a_need_of_an_open_view_is_shown_because_it_is_enforced(app, needs, opening):
    app.get("/x", dependencies=[needs.requires("a")])(opened(opening))
    assert operation(app)["security"] == [{NAME: ["a"]}]


def test_scopes_that_every_route_needs_are_shown_with_each(app, issuer):
    needs = BearerGuard(app, guard=issuer.guard(required_scopes=["all"]))
    app.get("/x", dependencies=[needs.requires("a")])(view)
    app.get("/y")(view)
    assert (alternatives(app), alternatives(app, "/y")) == ([["all", "a"]], [["all"]])
    assert "403" in operation(app, "/y")["responses"]


def test_too_many_alternatives_are_shown_as_the_token_that_passes_them_all(app, needs):
    many = [any_of(f"a{number}", f"b{number}") for number in range(40)]
    app.get("/x", dependencies=[needs.requires(*many)])(view)
    app.get("/y", dependencies=[needs.requires(any_of(*(f"s{i}" for i in range(33))))])(view)
    assert [len(found) for found in alternatives(app)] == [80]
    assert [len(found) for found in alternatives(app, "/y")] == [33]


def test_of_two_views_for_one_path_the_first_is_shown_because_it_runs(app, needs):
    app.get("/x", operation_id="one", dependencies=[needs.requires("a")])(view)
    app.get("/x", operation_id="two", dependencies=[needs.requires("b")])(view)
    assert alternatives(app) == [["a"]]


# How it refuses.


def test_the_refusals_are_described(app, needs):
    app.get("/x", dependencies=[needs.requires("a", role("admin"))])(view)
    app.get("/y")(view)
    responses = operation(app)["responses"]
    assert "WWW-Authenticate" in responses["401"]["headers"]
    assert "scope a and role admin" in responses["403"]["description"]
    assert "503" in responses
    assert {*operation(app, "/y")["responses"]} == {"200", "401", "503"}


def test_what_the_application_says_of_a_refusal_is_kept(app, needs):
    said = {"description": "Ask the front desk"}
    app.get("/x", dependencies=[needs.requires("a")], responses={403: said})(view)
    assert operation(app)["responses"]["403"]["description"] == said["description"]


# The scheme.


def scheme_of(app):
    return app.openapi()["components"]["securitySchemes"][NAME]


def test_the_scheme_is_the_metadata_of_the_issuer(app, needs, issuer):
    """Nothing is fetched for it, so that the issuer may be down when the application starts."""
    assert scheme_of(app) == {
        "type": "openIdConnect",
        "openIdConnectUrl": f"{issuer.url}/.well-known/openid-configuration",
    }
    assert issuer.requests == []


def test_a_terminating_slash_of_the_issuer_is_not_doubled(app):
    """OpenID Connect Discovery section 4."""
    BearerGuard(app, issuer="https://a.example/tenant/", audience="x")
    url = scheme_of(app)["openIdConnectUrl"]
    assert url == "https://a.example/tenant/.well-known/openid-configuration"


def test_with_two_urls_the_scheme_is_oauth_with_every_scope_that_is_needed(app, guard):
    urls = {"authorization_url": "https://a.example/authorize", "token_url": "https://a.example/t"}
    needs = BearerGuard(app, guard=guard, **urls)
    app.get("/x", dependencies=[needs.requires("b", any_of("a", "c"))])(view)
    app.get("/y", dependencies=[needs.requires("b")])(view)
    assert scheme_of(app) == {
        "type": "oauth2",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": urls["authorization_url"],
                "tokenUrl": urls["token_url"],
                "scopes": {"a": "", "b": "", "c": ""},
            }
        },
    }


@pytest.mark.parametrize("name", ["authorization_url", "token_url"])
def test_one_url_without_the_other_refuses(guard, name):
    with pytest.raises(ConfigurationError, match="belong together"):
        BearerGuard(FastAPI(), guard=guard, **{name: "https://a.example"})


@pytest.mark.parametrize(
    "issuers",
    [
        {"issuer": "not a URL", "secret": "s" * 32, "profile": "jwt"},
        {"issuers": [IssuerSettings("https://a.example"), IssuerSettings("https://b.example")]},
    ],
    ids=["no URL", "several"],
)
def test_an_issuer_without_metadata_of_its_own_leaves_a_bearer_token(app, issuers):
    BearerGuard(app, audience="x", **issuers)
    assert scheme_of(app) == {"type": "http", "scheme": "bearer"}
    assert app.swagger_ui_init_oauth is None


def test_the_page_with_the_documentation_uses_pkce(issuer):
    """RFC 9700 section 2.1.1: a public client has to. What the application says of it wins."""
    for said in (None, {"clientId": "docs"}, {"usePkceWithAuthorizationCodeGrant": False}):
        app = FastAPI(swagger_ui_init_oauth=said)
        BearerGuard(app, guard=issuer.guard())
        assert app.swagger_ui_init_oauth == {
            "usePkceWithAuthorizationCodeGrant": True,
            **(said or {}),
        }


# Beside what the application does itself.


def test_the_document_is_made_once_and_anew_when_routes_are_added(app, needs, contract):
    app.get("/x")(view)
    first = app.openapi()
    made = app.openapi
    start(app, contract.Api("fastapi"))
    assert (app.openapi() is first, app.openapi is made) == (True, True)
    assert alternatives(app) == [[]]
    app.openapi_schema = None  # as FastAPI's documentation tells to
    app.get("/y", dependencies=[needs.requires("a")])(view)
    assert alternatives(app, "/y") == [["a"]]


def start(app, api):
    """The first request is a start, too."""
    api.app = app
    api.call("GET", "/")


def custom(app):
    """As FastAPI's documentation tells to extend the document."""

    def openapi():
        if not app.openapi_schema:
            app.openapi_schema = get_openapi(title="Own", version="1", routes=app.routes)
        return app.openapi_schema

    app.openapi = openapi


@pytest.mark.parametrize("is_before", [True, False])
def test_a_document_of_ones_own_is_described_too(app, issuer, contract, is_before):
    if is_before:
        custom(app)
    needs = BearerGuard(app, guard=issuer.guard())
    if not is_before:
        custom(app)
    app.get("/x", dependencies=[needs.requires("a")])(view)
    start(app, contract.Api("fastapi"))
    assert app.openapi()["info"]["title"] == "Own"
    assert alternatives(app) == [["a"]]
    assert alternatives(app) == [["a"]]


def test_what_a_document_of_ones_own_takes_away_stays_away(app, needs, contract):
    made = app.openapi

    def without_lock():
        document = dict(made())
        document["paths"]["/x"]["get"].pop("security", None)
        return document

    app.openapi = without_lock
    app.get("/x")(view)
    start(app, contract.Api("fastapi"))
    assert alternatives(app) is None


def test_a_scheme_of_ones_own_of_this_name_is_left_as_it_is(app, needs, contract):
    own = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    made = get_openapi(title="Own", version="1", routes=app.routes)
    app.openapi = lambda: made | {"components": {"securitySchemes": {NAME: own}}}
    start(app, contract.Api("fastapi"))
    assert scheme_of(app) == own


def test_members_of_a_path_that_are_no_operations_are_left_alone(app, needs, contract):
    made = {"paths": {"/x": {"summary": "S", "parameters": [], "get": {}}, "/y": {"trace": {}}}}
    app.openapi = lambda: made
    start(app, contract.Api("fastapi"))
    assert (alternatives(app), alternatives(app, "/y", "trace")) == ([[]], [[]])
    assert (made["paths"]["/x"]["summary"], made["paths"]["/x"]["parameters"]) == ("S", [])


def test_another_scheme_beside_ours_is_needed_as_well(app, needs):
    """FastAPI calls its schemes alternatives; a token is needed with each of them."""
    key = APIKeyHeader(name="X-Key")
    app.get("/x", dependencies=[Depends(key), needs.requires(any_of("a", "b"))])(view)
    assert operation(app)["security"] == [
        {"APIKeyHeader": [], NAME: ["a"]},
        {"APIKeyHeader": [], NAME: ["b"]},
    ]


def test_an_operation_may_say_that_it_shows_no_lock(app, needs):
    app.get("/x", openapi_extra={"security": []})(view)
    assert operation(app)["security"] == []


def test_the_document_is_served_described(app, contract, issuer):
    BearerGuard(app, guard=issuer.guard(public=["/openapi.json"]))
    app.get("/x")(view)
    api = contract.Api("fastapi")
    api.app = app
    document = api.call("GET", "/openapi.json").json
    assert document["paths"]["/x"]["get"]["security"] == [{NAME: []}]
    assert NAME in document["components"]["securitySchemes"]


# Mounted applications have documents of their own.


@pytest.mark.parametrize("outside", [FastAPI, Starlette])
@pytest.mark.parametrize("depth", [1, 2] if IncludedRouter else [1])
def test_the_document_of_a_mounted_application_is_described_too(contract, issuer, outside, depth):
    needs = BearerGuard(guard=issuer.guard(public=[f"{'/in' * depth}/open"]))
    inner, app = FastAPI(), outside()
    inner.get("/x", dependencies=[needs.requires("a")])(view)
    inner.get("/open")(view)
    below = inner
    if depth == 2:
        router = APIRouter()
        router.mount("/in", inner)
        below = FastAPI()
        below.include_router(router)
    needs.init_app(app)
    app.router.routes.append(Mount("/in", below))
    start(app, contract.Api("fastapi"))
    assert (alternatives(inner), alternatives(inner, "/open")) == ([["a"]], None)

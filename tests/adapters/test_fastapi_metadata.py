"""What a FastAPI application says of itself comes out of its dependencies (RFC 9728, RFC 9470)."""

import json
from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Security
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse

from bearerguard.fastapi import AccessToken, BearerGuard, public, scope, step_up

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest.fixture
def api(contract, issuer):
    """An application with needs in several places."""
    app, router = FastAPI(), APIRouter()
    needs = BearerGuard(app, guard=issuer.guard(resource="https://api.example"))

    @app.get("/read")
    async def read(token: Annotated[AccessToken, needs.requires(scope("read") | scope("all"))]):
        return token.subject

    @router.get("/write", dependencies=[needs.requires("write")])
    async def write(token: Annotated[AccessToken, Security(needs.token, scopes=["audit"])]):
        return token.subject

    @app.get("/pay")
    async def pay(token: Annotated[AccessToken, needs.requires(step_up(acr="mfa"))]):
        return token.acr

    app.include_router(router, prefix="/v1")
    made = contract.Api("fastapi")
    made.app = app
    return made


@pytest.mark.requirement("9728-2-4")
def test_the_scopes_of_dependencies_are_published(api):
    """RFC 9728 section 2: scopes_supported is what a client may ask for."""
    answer = api.call("GET", WELL_KNOWN)
    assert answer.status == 200
    assert json.loads(answer.body)["scopes_supported"] == ["all", "audit", "read", "write"]


@pytest.mark.requirement("9728-5.1-1")
def test_every_challenge_leads_to_the_metadata(api):
    """RFC 9728 section 5.1."""
    challenge = api.call("GET", "/v1/write").challenge
    assert challenge["resource_metadata"] == f"https://api.example{WELL_KNOWN}"
    assert set(challenge["scope"].split()) == {"write", "audit"}


@pytest.mark.requirement("9470-3-1")
def test_a_dependency_may_ask_for_a_stronger_login(api, issuer):
    """RFC 9470 section 3."""
    refused = api.call("GET", "/pay", token=issuer.token(acr="pwd"))
    assert refused.outcome == (401, "insufficient_user_authentication")
    assert refused.challenge["acr_values"] == "mfa"
    assert api.call("GET", "/pay", token=issuer.token(acr="mfa")).status == 200


class WithoutDependencies(APIRoute):
    """A class of routes that runs its views by itself."""

    def get_route_handler(self):
        async def handler(_request):
            return PlainTextResponse(self.endpoint())

        return handler


def test_a_preflight_runs_no_view_that_needs_something_whatever_runs_its_dependencies(
    contract, guard
):
    """Fetch standard: a preflight carries no credentials, so that nothing may depend on them."""
    app, ran = FastAPI(), []
    needs = BearerGuard(app, guard=guard)
    router = APIRouter(route_class=WithoutDependencies, dependencies=[needs.requires("x")])
    router.add_api_route("/x", lambda: str(ran.append(1)), methods=["GET", "OPTIONS"])
    app.include_router(router)
    api = contract.Api("fastapi")
    api.app = app
    preflight = (("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET"))
    assert api.call("OPTIONS", "/x", *preflight).status == 401
    assert ran == []


def test_routes_that_share_a_path_show_the_lock_if_one_of_them_has_it(guard):
    """The document has one operation for both."""
    app = FastAPI()
    needs = BearerGuard(app, guard=guard)

    @app.get("/d/{n:int}")
    @public
    def numbers(n): ...

    @app.get("/d/{n}", dependencies=[needs.requires("dd")])
    def texts(n): ...

    assert app.openapi()["paths"]["/d/{n}"]["get"]["security"] == [{"bearerAuth": ["dd"]}]

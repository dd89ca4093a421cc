"""How an application starts, or refuses to: arguments, lifespan, and what is no request."""

import asyncio

import pytest

from bearerguard import ConfigurationError, Guard, asgi, wsgi
from bearerguard import starlette as our_starlette


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in ("BEARERGUARD_ISSUER", "BEARERGUARD_AUDIENCE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def start(contract, adapter):
    """Build the small application with these settings and send it a request."""

    def started(path="/healthz", **settings):
        plan = contract.Plan(guard=settings.pop("guard", None), settings=settings)
        api = contract.make_api(adapter, plan)
        api.call("GET", path)
        return api

    return started


GOOD = {"issuer": "https://issuer.example", "audience": "https://api.example"}


def test_settings_are_arguments_and_come_from_the_environment_where_they_are_missing(
    start, monkeypatch
):
    monkeypatch.setenv("BEARERGUARD_ISSUER", GOOD["issuer"])
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://env.example")
    assert start().call("GET", "/").challenge == {"realm": "https://env.example"}
    assert start(realm="x").call("GET", "/").challenge == {"realm": "x"}


def test_without_settings_every_request_raises_public_paths_included(start):
    with pytest.raises(ConfigurationError) as refusal:
        start("/healthz", public=["/healthz"])
    assert len(refusal.value.problems) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"pubic": ["/healthz"]},
        {"audiences": "x"},
        {"leeway": "soon"},
        {"realm": "a\r\nSet-Cookie: a=b"},
        {"realm": "a\x00"},
        {"required_scopes": 'a"b'},
        {"error_uri": "https://a.example/with space"},
        {"verify": False},
        {"require_https": True},
        {"auto_error": False},
    ],
    ids=repr,
)
@pytest.mark.requirement("6750-3-4", "6750-3-6", "9110-5.5-1")
def test_a_bad_or_unknown_setting_refuses_the_start(start, wrong):
    with pytest.raises(ConfigurationError):
        start(**GOOD, **wrong)


def test_all_problems_are_named_together(contract, adapter):
    plan = contract.Plan(optional=["/*"], settings={"leeway": "soon", "pubic": "x"})
    with pytest.raises(ConfigurationError) as refusal:
        contract.make_api(adapter, plan).call("GET", "/")
    told = str(refusal.value)
    for name in ("BEARERGUARD_ISSUER", "BEARERGUARD_AUDIENCE", "leeway", "pubic", "optional"):
        assert name in told
    assert "did you mean public" in told


@pytest.mark.parametrize("setting", [GOOD, {"audience": "x"}, {"public": ["/healthz"]}, {"x": 1}])
def test_a_ready_guard_beside_any_setting_refuses_the_start(start, guard, setting):
    with pytest.raises(ConfigurationError, match=f"guard= is ready made: give {min(setting)}"):
        start(guard=guard, **setting)


def test_a_ready_guard_goes_with_the_adapters_own_arguments(contract, adapter, guard):
    plan = contract.Plan(guard=guard, optional=("/greeting",))
    api = contract.make_api(adapter, plan)
    assert api.call("GET", "/greeting").status == 200


def test_a_ready_guard_is_made_of_its_arguments_alone(start, issuer, monkeypatch):
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://env.example")
    api = start(guard=issuer.guard())
    assert api.call("GET", "/").challenge == {"realm": issuer.audience}


@pytest.mark.parametrize("adapter", ["starlette", "flask", "fastapi"])
def test_where_routes_say_what_they_need_there_is_no_table_of_rules(start):
    with pytest.raises(ConfigurationError, match="rules"):
        start(**GOOD, rules={})


def test_wsgi_middleware_refuses_at_once():
    with pytest.raises(ConfigurationError):
        wsgi.BearerAuthMiddleware(lambda environ, start_response: [])


# Lifespan and other scopes.


class Lifespan:
    """An application that takes part in the lifespan protocol, and notes what it was given."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})


def run_lifespan(app):
    sent = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message)

    try:
        asyncio.run(app({"type": "lifespan"}, receive, send))
    except ConfigurationError as error:
        return sent, error
    return sent, None


@pytest.fixture(params=[asgi.BearerAuthMiddleware, our_starlette.BearerAuthMiddleware])
def middleware(request):
    return request.param


@pytest.mark.requirement("GEN-9")
def test_lifespan_passes(middleware, guard: Guard):
    app = Lifespan()
    sent, error = run_lifespan(middleware(app, guard=guard))
    assert (sent, error) == ([{"type": "lifespan.startup.complete"}], None)
    assert app.scopes == [{"type": "lifespan"}]  # untouched: nothing was added


@pytest.mark.requirement("GEN-9")
@pytest.mark.parametrize("kind", ["http.something", "mqtt", "x"])
def test_a_scope_of_an_unknown_type_passes_untouched(middleware, guard, kind):
    app = Lifespan()
    scope = {"type": kind}
    asyncio.run(middleware(app, guard=guard)(scope, None, None))
    assert app.scopes == [{"type": kind}]


def test_a_refused_start_is_told_through_the_lifespan_protocol(middleware):
    """Servers stop then, and show the text; the application is not started at all."""
    app = Lifespan()
    sent, error = run_lifespan(middleware(app, optional=["/*"]))
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert sent[0]["message"] == str(error)
    for name in ("BEARERGUARD_ISSUER", "BEARERGUARD_AUDIENCE", "optional"):
        assert name in sent[0]["message"]
    assert app.scopes == []


def test_after_a_refused_start_every_connection_raises(middleware, contract):
    """Also where a server goes on all the same; public paths and WebSockets included."""
    api = contract.Api("asgi")
    api.app = middleware(Lifespan(), public=["/healthz"])
    run_lifespan(api.app)
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            api.call("GET", "/healthz")
    with pytest.raises(ConfigurationError):
        asyncio.run(contract.websocket(api.app, "/healthz"))


def test_building_the_middleware_itself_never_raises(middleware):
    """Starlette builds it in the middle of a request, where a server swallows the exception."""
    assert middleware(Lifespan()).app.scopes == []

"""Protected resource metadata, seen from outside, in every adapter: RFC 9728 and MCP."""

import asyncio
from urllib.parse import quote

import flask
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from bearerguard import ConfigurationError, any_of, asgi, scope, wsgi
from bearerguard import flask as our_flask
from bearerguard import starlette as our_starlette
from bearerguard.gate import Gate

RS = "https://rs.example"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
ORIGIN = ("Origin", "https://app.example")


@pytest.fixture
def publish(make):
    """Build the small application as the resource of a URL."""
    return lambda resource=RS, *routes, **more: make(*routes, resource=resource, **more)


def fetch(api, url, method="GET", *fields):
    """Ask for a URL as a client does: path and query from the root of the host."""
    path, _, query = url.removeprefix(RS).partition("?")
    extra = {"query_string": query.encode()} if api.is_asgi else {"QUERY_STRING": query}
    return api.call(method, path, *fields, **extra)


@pytest.mark.requirement("9728-2-1", "9728-2-2", "9728-3.1-1", "9728-3.2-1", "MCP-PRM-1")
def test_anybody_reads_what_this_api_is(publish, issuer):
    """RFC 9728 sections 3.1 and 3.2: 200, JSON, no authentication."""
    api = publish()
    answer = api.call("GET", WELL_KNOWN)
    assert answer.status == 200
    assert answer.only("content-type").startswith("application/json")
    assert answer.json["resource"] == RS
    assert answer.json["authorization_servers"] == [issuer.url]
    assert api.ran == []


@pytest.mark.requirement("9728-3.1-1")
def test_bad_credentials_are_not_looked_at(publish):
    assert publish().call("GET", WELL_KNOWN, token="garbage").status == 200


@pytest.mark.requirement("9728-3.1-1")
def test_head_has_no_body_and_other_methods_are_not_allowed(publish):
    """RFC 9728 section 3.1, RFC 9110 sections 9.3.2 and 15.5.6."""
    api = publish()
    head, get = (api.call(method, WELL_KNOWN) for method in ("HEAD", "GET"))
    assert (head.status, head.body) == (200, b"")
    assert head.only("content-length") == str(len(get.body))
    for method in ("POST", "PUT", "DELETE"):
        refused = api.call(method, WELL_KNOWN)
        assert (refused.status, refused.only("allow")) == (405, "GET, HEAD, OPTIONS")
    assert api.ran == []


@pytest.mark.requirement("9728-3.2-3")
def test_the_document_may_be_kept_for_a_bounded_time(publish):
    """RFC 9111 section 5.2.2.1."""
    assert publish().call("GET", WELL_KNOWN).only("cache-control") == "max-age=600"


@pytest.mark.requirement("9728-3.1-2")
def test_a_script_of_any_site_may_read_it(publish):
    """Fetch standard: also one that sends a field of its own, which asks first."""
    api = publish()
    assert api.call("GET", WELL_KNOWN, ORIGIN).only("access-control-allow-origin") == "*"
    asked = [
        ORIGIN,
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "mcp-protocol-version"),
    ]
    answer = api.call("OPTIONS", WELL_KNOWN, *asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.only("access-control-allow-origin") == "*"
    assert answer.only("access-control-allow-headers") == "*"
    assert "GET" in answer.only("access-control-allow-methods")
    assert api.ran == []


@pytest.mark.requirement("9728-3-1", "9728-3-2", "9728-3-3", "9728-3-5", "9728-3.3-1")
@pytest.mark.parametrize(
    ("resource", "place"),
    [
        (RS, WELL_KNOWN),
        (f"{RS}/", WELL_KNOWN),
        (f"{RS}/api/v1", f"{WELL_KNOWN}/api/v1"),
        (f"{RS}/api/", f"{WELL_KNOWN}/api/"),
        (f"{RS}/x?y=1", f"{WELL_KNOWN}/x?y=1"),
    ],
)
def test_the_challenge_leads_to_the_document_of_exactly_this_resource(publish, resource, place):
    """RFC 9728 sections 3.1 and 3.3: insertion, and the way back."""
    api = publish(resource)
    url = api.call("GET", "/plain").challenge["resource_metadata"]
    assert url == RS + place
    assert fetch(api, url).json["resource"] == resource


@pytest.mark.requirement("9728-3-1")
@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1{WELL_KNOWN}",
        f"{WELL_KNOWN}/api",
        f"{WELL_KNOWN}/api/v1/",
        f"{WELL_KNOWN}/API/v1",
        f"{WELL_KNOWN}/",
        f"{WELL_KNOWN}x",
        f"/{WELL_KNOWN}",
    ],
)
def test_at_any_other_place_there_is_no_document(publish, path):
    """RFC 9728 section 3.1: it is not appended, nor is a prefix enough; deny by default holds."""
    assert publish(f"{RS}/api/v1").call("GET", path).status == 401


@pytest.mark.requirement("9728-3-3")
@pytest.mark.parametrize("query", ["", "?y=2", "?y=1&z=2"])
def test_a_resource_with_a_query_is_not_one_with_another(publish, query):
    assert fetch(publish(f"{RS}/x?y=1"), f"{WELL_KNOWN}/x{query}").status == 401


def test_a_query_that_is_no_part_of_the_resource_does_not_matter(publish):
    assert fetch(publish(), f"{WELL_KNOWN}?nocache=1").status == 200


def test_a_path_in_other_letters_is_compared_as_it_is_decoded(publish):
    """RFC 3986 section 2.1; ASGI and WSGI hand paths over decoded."""
    api = publish(f"{RS}/caf%C3%A9")
    path = f"{WELL_KNOWN}/café"
    assert api.call("GET", path, raw_path=quote(path)).json["resource"] == f"{RS}/caf%C3%A9"


@pytest.mark.requirement("MCP-PRM-2", "MCP-PRM-3")
def test_the_root_answers_too_for_a_client_that_knows_the_host_alone(publish):
    """MCP authorization: the path of the endpoint is tried, then the root."""
    api = publish(f"{RS}/mcp")
    for path in (f"{WELL_KNOWN}/mcp", WELL_KNOWN):
        assert api.call("GET", path).json["resource"] == f"{RS}/mcp"


@pytest.mark.requirement("9728-3.3-2", "9728-7.1-1")
def test_no_field_of_a_request_changes_what_is_published(publish):
    """RFC 9728 section 7.3: and https it stays behind a proxy that speaks http."""
    api = publish()
    evil = [("Host", "evil.example"), ("X-Forwarded-Host", "evil.example")]
    plain = {"scheme": "http"} if api.is_asgi else {"wsgi.url_scheme": "http"}
    document = api.call("GET", WELL_KNOWN, *evil, **plain).json
    challenge = api.call("GET", "/plain", *evil, **plain).challenge
    assert document["resource"] == RS
    assert challenge["resource_metadata"] == RS + WELL_KNOWN


@pytest.mark.requirement("MCP-URI-1")
def test_a_resource_in_capitals_is_published_in_small_letters(publish):
    """MCP authorization: canonical server URI."""
    api = publish("HTTPS://RS.Example/mcp")
    assert api.call("GET", f"{WELL_KNOWN}/mcp").json["resource"] == f"{RS}/mcp"
    assert api.call("GET", "/plain").challenge["resource_metadata"] == f"{RS}{WELL_KNOWN}/mcp"


def challenges(api, issuer, clock):
    """Every kind of challenge, by its status and error."""
    answers = [
        api.call("GET", "/read"),
        api.call("GET", "/read", ("Authorization", "Basic dTpw")),
        api.call("GET", "/read", token="garbage"),
        api.call("GET", "/read", token=issuer.token("read", exp=int(clock.now) - 3600)),
        api.call("GET", "/read", ("Authorization", "Bearer")),
        api.call("GET", "/read", token=issuer.token("x")),
    ]
    return {answer.outcome: answer.challenge for answer in answers}


@pytest.mark.requirement("9728-5.1-1", "9728-5.1-2", "9728-5.1-3", "9728-5.2-1", "MCP-PRM-2")
def test_every_challenge_says_where_the_document_is(publish, issuer, clock):
    """RFC 9728 section 5.1: it is no error information, so that it is there in any case."""
    found = challenges(publish(), issuer, clock)
    assert found.keys() == {
        (401, None),
        (401, "invalid_token"),
        (400, "invalid_request"),
        (403, "insufficient_scope"),
    }
    assert {c["resource_metadata"] for c in found.values()} == {RS + WELL_KNOWN}


def test_without_a_resource_no_challenge_and_no_path_has_anything_of_it(make, issuer, clock):
    api = make()
    assert not [c for c in challenges(api, issuer, clock).values() if "resource_metadata" in c]
    assert api.call("GET", WELL_KNOWN).status == 401


@pytest.mark.requirement("MCP-SCOPE-1", "MCP-SCOPE-2")
def test_challenges_name_every_scope_of_the_route_and_the_document(publish, issuer):
    """MCP authorization: all scopes of an operation in one challenge."""
    api = publish()
    for token, error in ((None, None), (issuer.token("read"), "insufficient_scope")):
        challenge = api.call("POST", "/write", token=token).challenge
        assert challenge.get("error") == error
        assert challenge["scope"] == "read write"
        assert challenge["resource_metadata"] == RS + WELL_KNOWN


@pytest.mark.requirement("9728-2-4")
def test_the_scopes_of_the_routes_are_those_that_a_client_may_ask_for(publish, contract):
    """RFC 9728 section 2: read from the very needs that are enforced."""
    routes = [
        contract.Route("/a", needs=("b", scope("a"))),
        contract.Route("/b", needs=(any_of("c", "b"),), methods=("POST",)),
        contract.Route("/c", needs=()),
    ]
    api = publish(RS, *routes, required_scopes=["z"])
    assert api.call("GET", WELL_KNOWN).json["scopes_supported"] == ["a", "b", "c", "z"]


@pytest.mark.requirement("9728-3.2-2")
def test_without_scopes_there_is_no_list_of_them(publish, contract):
    """RFC 9728 section 3.2."""
    document = publish(RS, contract.ANYTHING).call("GET", WELL_KNOWN).json
    assert "scopes_supported" not in document
    assert None not in document.values()


@pytest.mark.requirement("MCP-SCOPE-3")
def test_offline_access_is_no_need(contract):
    """MCP authorization (2026-07-28): so that no challenge can ever ask for it."""
    with pytest.raises(ConfigurationError, match="refresh token"):
        scope("offline_access")


@pytest.mark.requirement("MCP-SCOPE-4")
def test_a_broad_scope_is_enough_and_the_challenge_names_the_narrow_one(make, issuer):
    """MCP authorization (2026-07-28): hierarchies of scopes are taken into account."""
    api = make(scope_implies={"admin": ["read"]})
    assert api.call("GET", "/read", token=issuer.token("admin")).status == 200
    assert api.call("GET", "/read", token=issuer.token("x")).challenge["scope"] == "read"


@pytest.mark.requirement("MCP-PRM-1")
def test_an_application_takes_the_arguments_of_a_guard(contract, adapter, issuer):
    """Everything that a guard takes is an argument of the adapter as well."""
    settings = {
        "issuer": issuer.url,
        "audience": issuer.audience,
        "resource": RS,
        "metadata": {"resource_name": "Orders"},
    }
    api = contract.make_api(adapter, contract.Plan(settings=settings))
    assert api.call("GET", WELL_KNOWN).json["resource_name"] == "Orders"


def test_a_gate_publishes_needs_that_an_adapter_finds_by_other_means(issuer):
    """FastAPI, for one, has them in dependencies."""
    gate = Gate(guard=issuer.guard(resource=RS), settings={})
    gate.note_needs([scope("a") & scope("b")])
    assert gate.resource.document()["scopes_supported"] == ["a", "b"]


# Below a mount, and several on one host


async def view(request):
    return PlainTextResponse("ok")


def guarded_starlette(guard, *scopes):
    return Starlette(
        routes=[Route("/x", our_starlette.requires(*scopes)(view))],
        middleware=[Middleware(our_starlette.BearerAuthMiddleware, guard=guard)],
    )


def guarded_flask(guard, *scopes):
    app = flask.Flask("mounted")
    our_flask.BearerGuard(app, guard=guard)
    app.add_url_rule("/x", view_func=our_flask.requires(*scopes)(lambda: "ok"))
    return app


@pytest.mark.requirement("9728-3.1-3")
def test_a_guard_around_the_whole_application_answers_at_the_root_of_the_host(issuer):
    """RFC 9728 section 3.1: what is mounted where makes no difference."""
    guard = issuer.guard(resource=f"{RS}/api")
    layers = [Middleware(our_starlette.BearerAuthMiddleware, guard=guard)]
    inner = Starlette(routes=[Route("/x", our_starlette.requires("read")(view))])
    client = TestClient(Starlette(routes=[Mount("/api", inner)], middleware=layers))
    answer = client.get(f"{WELL_KNOWN}/api")
    assert (answer.status_code, answer.json()["scopes_supported"]) == (200, ["read"])
    assert client.get(f"/api{WELL_KNOWN}").status_code == 401


@pytest.fixture
def hosts(issuer):
    """Two resources below mounts of one host, and their metadata at its root."""
    guards = [issuer.guard(resource=f"{RS}/{name}") for name in ("one", "two")]
    mounts = [
        Mount("/one", guarded_starlette(guards[0], "read")),
        Mount("/two", guarded_starlette(guards[1], "write")),
    ]
    for_starlette = Starlette(routes=[our_starlette.metadata_route(*guards), *mounts])
    for_flask = DispatcherMiddleware(
        flask.Flask("root"),
        {
            WELL_KNOWN: wsgi.ProtectedResourceMetadata(*guards),
            "/one": guarded_flask(guards[0], "read"),
            "/two": guarded_flask(guards[1], "write"),
        },
    )
    return {"starlette": TestClient(for_starlette), "flask": Client(for_flask)}


@pytest.mark.requirement("9728-3-4", "9728-3.1-3", "9728-3.3-3")
@pytest.mark.parametrize("framework", ["starlette", "flask"])
def test_each_of_several_resources_has_a_document_and_a_challenge_of_its_own(hosts, framework):
    """RFC 9728 section 3.1: and the document is that of the URL that the client asked for."""
    client = hosts[framework]
    for name in ("one", "two"):
        refused = client.get(f"/{name}/x")
        assert refused.status_code == 401
        assert f'"{RS}{WELL_KNOWN}/{name}"' in refused.headers["www-authenticate"]
        found = client.get(f"{WELL_KNOWN}/{name}")
        document = found.json() if callable(found.json) else found.json
        assert (found.status_code, document["resource"]) == (200, f"{RS}/{name}")


@pytest.mark.requirement("9728-3-4", "MCP-PRM-3")
@pytest.mark.parametrize("framework", ["starlette", "flask"])
@pytest.mark.parametrize("path", [WELL_KNOWN, f"{WELL_KNOWN}/three", f"{WELL_KNOWN}/one/x"])
def test_a_resource_that_is_not_here_is_not_found(hosts, framework, path):
    """With several, nobody can say which of them the root would be."""
    assert hosts[framework].get(path).status_code == 404


@pytest.mark.requirement("9728-3.1-3")
def test_a_single_resource_below_a_mount_answers_at_the_root_too(issuer):
    guard = issuer.guard(resource=f"{RS}/one")
    routes = [our_starlette.metadata_route(guard), Mount("/one", guarded_starlette(guard, "read"))]
    client = TestClient(Starlette(routes=routes))
    for path in (WELL_KNOWN, f"{WELL_KNOWN}/one"):
        assert client.get(path).json()["resource"] == f"{RS}/one"
    assert client.get(f"/one{WELL_KNOWN}").status_code == 401
    assert client.post(WELL_KNOWN).status_code == 405


@pytest.mark.parametrize("serve", [asgi, wsgi])
@pytest.mark.parametrize("resources", [[], [None], [RS, None]])
def test_metadata_of_no_resource_cannot_be_served(issuer, serve, resources):
    guards = [issuer.guard(**({"resource": url} if url else {})) for url in resources]
    with pytest.raises(ConfigurationError, match="the setting resource"):
        serve.ProtectedResourceMetadata(*guards)


@pytest.mark.requirement("9728-3.1-3")
@pytest.mark.parametrize("path", [f"/api{WELL_KNOWN}/api", f"{WELL_KNOWN}/api"])
def test_a_server_that_was_told_of_a_prefix_serves_what_its_proxy_hands_on(contract, issuer, path):
    """uvicorn --root-path writes the prefix before every path, others before none."""
    api = contract.Api("asgi")
    api.app = asgi.BearerAuthMiddleware(None, guard=issuer.guard(resource=f"{RS}/api"))
    assert api.call("GET", path, root_path="/api").status == 200


@pytest.mark.requirement("9728-3.1-3")
@pytest.mark.parametrize(
    ("mounted_at", "path", "status"),
    [
        (WELL_KNOWN, "/api", 200),
        ("", f"{WELL_KNOWN}/api", 200),
        ("/api", WELL_KNOWN, 401),
        ("/api", f"{WELL_KNOWN}/api", 401),
    ],
)
def test_wsgi_compares_the_path_from_the_root_of_the_host(
    contract, issuer, mounted_at, path, status
):
    """PEP 3333: SCRIPT_NAME and PATH_INFO together."""
    api = contract.Api("wsgi")
    api.app = wsgi.BearerAuthMiddleware(None, guard=issuer.guard(resource=f"{RS}/api"))
    assert api.call("GET", path, SCRIPT_NAME=mounted_at).status == status


@pytest.mark.parametrize("path", [WELL_KNOWN, "/plain"])
def test_a_websocket_is_no_request_for_metadata(contract, issuer, path):
    """It is refused as everywhere without a token."""
    app = asgi.BearerAuthMiddleware(None, guard=issuer.guard(resource=RS))
    (closed,) = asyncio.run(contract.websocket(app, path))
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)

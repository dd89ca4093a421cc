"""Our middleware around the SDK's application: every refusal is ours, and the SDK knows the caller."""

import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse

from bearerguard.mcp import BearerAuthMiddleware
from bearerguard.starlette import public
from bearerguard.testing import bad_tokens

SECOND_CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
CALL_SCOPES = SECOND_CALL | {"method": "tools/call", "params": {"name": "scopes", "arguments": {}}}


@pytest.fixture
def url(issuer, mcp_server, serve):
    """A server that asks for a scope, with a guarded view and an open one beside it."""
    server = mcp_server()

    @server.custom_route("/me", methods=["GET", "POST"])
    async def me(request):
        user = request.user
        return JSONResponse({"identity": user.identity, "issuer": user.token.issuer})

    @server.custom_route("/open", methods=["POST", "OPTIONS"])
    @public
    async def opened(request):
        return JSONResponse({"known": request.user.is_authenticated})

    @server.custom_route("/healthz", methods=["GET", "OPTIONS"])
    async def healthz(request):
        return JSONResponse({"status": "ok"})

    guard = issuer.guard(required_scopes="notes", public=["/healthz"])
    return serve(lambda _: BearerAuthMiddleware(server.streamable_http_app(), guard=guard))


@pytest.fixture
def endpoint(url):
    return f"{url}/mcp"


def test_a_real_client_calls_a_tool_that_reads_the_token(issuer, endpoint, whoami):
    """The SDK did not verify the token, and knows it all the same."""
    told = whoami(endpoint, issuer.token("notes more"))

    assert (told["subject"], told["client_id"]) == ("user-1", "client-1")
    assert told["scopes"] == ["more", "notes"]
    assert told["resource"] == issuer.audience
    assert told["claims"]["iss"] == issuer.url


@pytest.mark.requirement("MCP-TOK-1", "MCP-ERR-1")
def test_no_bad_token_gets_in(issuer, endpoint, knock):
    """MCP authorization, "Token Handling": only tokens issued for this server are accepted."""
    answers = {name: knock(endpoint, bad).status_code for name, bad in bad_tokens(issuer).items()}

    assert set(answers.values()) == {401}, answers


@pytest.mark.requirement("MCP-ERR-1")
def test_without_a_token_the_challenge_names_the_scope_and_no_error(endpoint, knock):
    """RFC 6750 section 3.1, MCP authorization, "Scope Selection Strategy"."""
    answer = knock(endpoint)

    assert answer.status_code == 401
    assert 'scope="notes"' in answer.headers["www-authenticate"]
    assert "error=" not in answer.headers["www-authenticate"]


@pytest.mark.requirement("MCP-ERR-1")
def test_a_good_token_without_the_scope_is_told_which_one_it_lacks(issuer, endpoint, knock):
    """RFC 6750 section 3.1, MCP authorization, "Runtime Insufficient Scope Errors"."""
    answer = knock(endpoint, issuer.token("other"))

    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="notes"' in answer.headers["www-authenticate"]


@pytest.mark.requirement("MCP-ERR-1")
def test_two_header_fields_are_a_malformed_request(issuer, endpoint, knock):
    """RFC 9110 section 5.3, RFC 6750 section 3.1; the SDK itself would take the first."""
    first = ("Authorization", f"Bearer {issuer.token('notes')}")

    assert knock(endpoint, "second", headers=[first]).status_code == 400


@pytest.mark.requirement("MCP-TOK-4")
def test_a_token_in_the_query_counts_as_none(issuer, endpoint, knock):
    """MCP authorization, "Access Token Usage": never in the URI query string."""
    answer = knock(f"{endpoint}?access_token={issuer.token('notes')}")

    assert answer.status_code == 401
    assert "error=" not in answer.headers["www-authenticate"]


def test_clocks_may_differ_by_the_leeway(issuer, endpoint, knock):
    """RFC 7519 section 4.1.4; the SDK itself would refuse this one."""
    token = issuer.token("notes", exp=int(issuer.clock()) - 10)

    assert knock(endpoint, token).status_code == 200


def test_an_outage_of_the_issuer_is_not_blamed_on_the_token(issuer, endpoint, knock):
    """RFC 9110 section 15.6.4; a client throws away what gets 401."""
    issuer.is_down = True

    answer = knock(endpoint, issuer.token("notes"))

    assert answer.status_code == 503
    assert "www-authenticate" not in answer.headers


@pytest.fixture
def session(issuer, endpoint, knock):
    """An open session, as the field that names it."""
    opened = knock(endpoint, issuer.token("notes"))
    assert opened.status_code == 200
    return ("Mcp-Session-Id", opened.headers["mcp-session-id"])


def test_whoever_opened_a_session_goes_on_in_it_with_a_newer_token(
    issuer, endpoint, session, knock
):
    answer = knock(endpoint, issuer.token("notes"), headers=[session], message=SECOND_CALL)

    assert answer.status_code == 200


def test_a_tool_sees_the_token_of_the_very_request(issuer, endpoint, session, knock):
    """A session goes on with newer tokens, whose scopes may be others."""
    newer = issuer.token("notes newer")

    answer = knock(endpoint, newer, headers=[session], message=CALL_SCOPES)

    assert "newer notes" in answer.text


@pytest.mark.requirement("MCP-TOK-3")
def test_a_session_is_no_credential(endpoint, session, knock):
    """MCP authorization, "Access Token Usage": with every request, also within one session."""
    assert knock(endpoint, headers=[session], message=SECOND_CALL).status_code == 401


def test_a_session_belongs_to_the_caller_who_opened_it(issuer, endpoint, session, knock):
    """MCP security best practices, "Session Hijacking"."""
    other = issuer.token("notes", sub="user-2")

    answer = knock(endpoint, other, headers=[session], message=SECOND_CALL)

    assert answer.status_code == 404


def test_a_preflight_opens_no_session(endpoint, http):
    """Fetch standard: it carries no token; version 1 of the SDK keeps a session for each."""
    answer = http.options(endpoint, headers=PREFLIGHT)

    assert answer.status_code == 401
    assert "mcp-session-id" not in answer.headers


def test_nor_does_one_where_nobody_can_look_into_the_application(issuer, mcp_server, serve, http):
    """Deny by default: an opaque layer hides which endpoint would answer."""
    app = mcp_server().streamable_http_app()

    async def opaque(scope, receive, send):
        await app(scope, receive, send)

    url = serve(lambda _: BearerAuthMiddleware(opaque, guard=issuer.guard()))

    assert http.options(f"{url}/mcp", headers=PREFLIGHT).status_code == 401


@pytest.mark.parametrize("path", ["/open", "/healthz"])
def test_a_preflight_gets_to_an_open_view(url, path, http):
    """Open is open, whoever calls."""
    assert http.options(url + path, headers=PREFLIGHT).status_code == 200


def test_a_cors_layer_around_it_answers_a_preflight(issuer, mcp_server, serve, http):
    """Fetch standard, section 3.3."""
    app = BearerAuthMiddleware(mcp_server().streamable_http_app(), guard=issuer.guard())
    layers = {"allow_origins": ["https://app.example"], "allow_methods": ["POST"]}
    url = serve(lambda _: CORSMiddleware(app, **layers))

    assert http.options(f"{url}/mcp", headers=PREFLIGHT).status_code == 200


def test_a_view_beside_the_endpoint_is_guarded_and_knows_the_caller(issuer, url, knock):
    answer = knock(f"{url}/me", issuer.token("notes"))

    assert answer.json() == {"identity": "user-1", "issuer": issuer.url}
    assert knock(f"{url}/me").status_code == 401


def test_a_view_that_is_called_public_is_open_and_knows_nobody(issuer, url, knock):
    assert knock(f"{url}/open", issuer.token("notes")).json() == {"known": False}


def test_an_application_without_an_issuer_does_not_start(mcp_server, serve, monkeypatch):
    """MCP authorization: there is at least one authorization server."""
    monkeypatch.delenv("BEARERGUARD_ISSUER", raising=False)
    app = BearerAuthMiddleware(mcp_server().streamable_http_app(), audience="a")

    with pytest.raises(OSError, match="did not start"):
        serve(lambda _: app)

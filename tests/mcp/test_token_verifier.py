"""The SDK reads the header and asks us about the token: what it makes of our answers."""

import importlib
import logging
import sys
from datetime import UTC, datetime

import pytest
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from bearerguard import ConfigurationError, UnavailableError
from bearerguard.mcp import BearerAuthMiddleware, UnavailableMiddleware, token_verifier
from bearerguard.starlette import requires
from bearerguard.testing import bad_tokens


@pytest.fixture
def url(issuer, mcp_server, serve):
    """A server guarded as the documentation of the SDK has it, and by our verifier."""

    def make_app(base):
        issuer.audience = f"{base}/mcp"
        auth = AuthSettings(
            issuer_url="https://issuer.example",
            resource_server_url=issuer.audience,
            required_scopes=["notes"],
            validate_token_resource=True,
        )
        server = mcp_server(token_verifier=token_verifier(issuer.guard()), auth=auth)
        app = server.streamable_http_app()
        app.add_middleware(UnavailableMiddleware)
        return app

    return f"{serve(make_app)}/mcp"


@pytest.fixture
def verified(issuer):
    """What the SDK is told of a token."""

    async def verify(raw, **settings):
        return await token_verifier(issuer.guard(**settings)).verify_token(raw)

    return verify


@pytest.mark.requirement("MCP-TOK-1")
def test_a_real_client_calls_a_tool_that_reads_the_token(issuer, url, whoami):
    """MCP authorization, "Token Handling": only tokens issued for this server are accepted."""
    told = whoami(url, issuer.token("notes more"))

    assert told["subject"] == "user-1"
    assert told["client_id"] == "client-1"
    assert told["scopes"] == ["more", "notes"]
    assert told["resource"] == url
    assert told["claims"]["iss"] == issuer.url


@pytest.mark.requirement("MCP-TOK-1")
def test_no_bad_token_gets_in(issuer, url, knock):
    """MCP authorization, "Token Handling": invalid or expired tokens get 401."""
    answers = {name: knock(url, token).status_code for name, token in bad_tokens(issuer).items()}

    assert set(answers.values()) == {401}, answers


def test_without_a_token_the_challenge_leads_to_the_metadata(url, knock, http):
    """RFC 9728 section 5.1: the SDK publishes them."""
    challenge = knock(url).headers["www-authenticate"]

    about = url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
    assert f'resource_metadata="{about}"' in challenge
    document = http.get(about).json()
    assert document["resource"] == url
    assert [server.rstrip("/") for server in document["authorization_servers"]] == [
        "https://issuer.example"
    ]


@pytest.mark.requirement("MCP-ERR-1")
def test_a_good_token_without_the_scope_is_forbidden(issuer, url, knock):
    """RFC 6750 section 3.1: this is the SDK's own answer."""
    answer = knock(url, issuer.token("other"))

    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_an_outage_of_the_issuer_is_not_blamed_on_the_token(issuer, url, knock):
    """RFC 9110 section 15.6.4; a client throws away what gets 401."""
    issuer.is_down = True

    answer = knock(url, issuer.token("notes"))

    assert answer.status_code == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "www-authenticate" not in answer.headers


def test_without_the_middleware_an_outage_still_is_not_401(issuer, mcp_server, serve, knock):
    """What the SDK makes of an exception: 500, and nobody gets in."""
    issuer.is_down = True
    auth = AuthSettings(issuer_url="https://issuer.example", resource_server_url=None)
    server = mcp_server(token_verifier=token_verifier(issuer.guard()), auth=auth)

    url = serve(lambda _: server.streamable_http_app())

    assert knock(f"{url}/mcp", issuer.token()).status_code == 500


def test_a_refusal_is_logged_by_its_reason_and_without_the_token(issuer, verified, caplog, run):
    """RFC 6750 section 5.2: tokens do not belong into logs."""
    caplog.set_level(logging.INFO, logger="bearerguard")
    token = issuer.token(aud="https://other.example")

    assert run(verified(token)) is None

    refusals = [line for line in caplog.messages if line.startswith("refused")]
    assert ["audience_mismatch" in line for line in refusals] == [True]
    assert not [line for line in caplog.messages if token[-20:] in line]


@pytest.mark.parametrize("raw", ["", " ", "a b", "Bearer", "\xe9", "a,Bearer b", "\n"])
def test_whatever_the_sdk_finds_after_the_scheme_raises_nothing(verified, run, raw):
    """RFC 6750 section 2.1; the SDK hands over the rest of the field as it is."""
    assert run(verified(raw)) is None


def test_an_outage_is_raised_and_not_called_a_bad_token(issuer, verified, run):
    """None means a bad token to the SDK, and nobody knows that."""
    issuer.is_down = True

    with pytest.raises(UnavailableError):
        run(verified(issuer.token()))


def test_the_token_is_not_in_its_text(issuer, verified, run):
    """RFC 6750 section 5.2; a model of pydantic prints its fields."""
    raw = issuer.token()
    token = run(verified(raw))

    assert isinstance(token, AccessToken)
    assert token.token == raw
    assert raw[-20:] not in repr(token) + str(token)


def test_times_are_whole_seconds_as_the_sdk_has_them(issuer, verified, run):
    now = int(issuer.clock())

    assert run(verified(issuer.token(exp=now + 60.75))).expires_at == now + 60


def test_a_token_without_a_client_names_none(issuer, verified, run):
    """A subject in this place could pass for a client's name (RFC 9068 section 5)."""
    raw = issuer.token(without=["client_id"], header={"typ": "JWT"})

    assert run(verified(raw, profile="jwt")).client_id == ""


def test_the_resource_is_this_apis_name_among_those_in_the_token(issuer, verified, run):
    """RFC 8707 section 2: the SDK compares it with the URL of the server."""
    raw = issuer.token(aud=["https://first.example", "https://second.example"])

    token = run(verified(raw, audience=["https://third.example", "https://second.example"]))

    assert token.resource == "https://second.example"


@pytest.mark.requirement("MCP-PRM-1")
def test_a_verifier_without_an_issuer_is_not_made(monkeypatch):
    """RFC 9728 section 2, MCP authorization: there is at least one authorization server."""
    monkeypatch.delenv("BEARERGUARD_ISSUER", raising=False)
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://mcp.example/mcp")

    with pytest.raises(ConfigurationError, match="BEARERGUARD_ISSUER"):
        token_verifier()


def test_settings_come_from_the_environment_and_from_arguments(monkeypatch):
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://issuer.example")

    settings = token_verifier(audience="https://mcp.example/mcp").guard.settings

    assert (settings.issuer, settings.audience) == (
        "https://issuer.example",
        ("https://mcp.example/mcp",),
    )


def test_a_guard_beside_settings_is_refused(guard):
    with pytest.raises(ConfigurationError, match="leeway"):
        token_verifier(guard, leeway=1)


def test_required_scopes_are_left_to_the_sdk_which_can_answer_403(issuer):
    """RFC 6750 section 3.1: a good token without the scope is not an invalid one."""
    with pytest.raises(ConfigurationError, match="AuthSettings"):
        token_verifier(issuer.guard(required_scopes="notes"))


def test_without_the_sdk_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.delitem(sys.modules, "bearerguard.mcp")
    for name in [name for name in sys.modules if name.startswith("mcp.")]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(ImportError, match=r"pip install 'bearerguard\[mcp\]'"):
        importlib.import_module("bearerguard.mcp")


def in_report_mode(issuer):
    day = datetime.fromtimestamp(issuer.clock() + 86400, UTC)
    return issuer.guard(mode="report-without-enforcing", report_until=day)


def test_a_verifier_cannot_be_in_report_mode(issuer):
    """It answers "no token" to the SDK, which then refuses: nothing could be let through."""
    with pytest.raises(ConfigurationError, match="a verifier cannot let through"):
        token_verifier(in_report_mode(issuer))


@pytest.mark.parametrize("raw", [None, "garbage"])
def test_our_middleware_lets_a_caller_pass_to_the_sdk_in_report_mode(
    issuer, mcp_server, serve, knock, raw
):
    app = BearerAuthMiddleware(mcp_server().streamable_http_app(), guard=in_report_mode(issuer))
    assert knock(serve(lambda _: app) + "/mcp", raw).status_code == 200


def test_a_tool_knows_nobody_where_only_the_view_finds_out_that_a_need_is_not_met(issuer):
    """Design section 2: the user is anonymous unless every check passed, for the SDK as well."""
    seen = []

    @requires("admin")
    async def view(request):
        seen.append((request.user.is_authenticated, get_access_token()))
        return PlainTextResponse("ok")

    inner = Starlette(routes=[Route("/", view)])

    async def opaque(scope, receive, send):
        await inner(scope, receive, send)

    app = BearerAuthMiddleware(
        Starlette(routes=[Mount("/in", opaque)]), guard=in_report_mode(issuer)
    )
    headers = {"Authorization": f"Bearer {issuer.token('other')}"}

    assert TestClient(app).get("/in/", headers=headers).status_code == 200
    assert seen == [(False, None)]

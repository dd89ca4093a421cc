"""Options that do not exist, on purpose, seen from outside: the default holds in every adapter.

``tests/not_offered.md`` gives the reason for each.
"""

import asyncio
import io
from dataclasses import fields

import pytest

from bearerguard import ConfigurationError
from bearerguard.settings import Settings

FORM = ("Content-Type", "application/x-www-form-urlencoded")


@pytest.mark.requirement(
    "6750-2-1",
    "6750-2.2-1",
    "6750-2.2-3",
    "6750-2.3-1",
    "6750-2.3-2",
    "6750-3-6",
    "6750-5.2-2",
    "9110-15.5.4-1",
    "OAuth21-5.1-1",
)
@pytest.mark.parametrize(
    "word", ["form", "body", "query", "cookie", "error_uri", "https", "hide", "404", "auto_error"]
)
def test_no_setting_of_this_kind_exists(issuer, word):
    """A made-up one is not ignored in silence, which would feel like an option."""
    assert not [spec.name for spec in fields(Settings) if word in spec.name]
    with pytest.raises(ConfigurationError, match=f"{word}.*is not a setting"):
        issuer.guard(**{f"{word}_tokens": "on"})


@pytest.mark.requirement("6750-2-1", "6750-2.2-1", "6750-2.2-3")
@pytest.mark.parametrize("field", [FORM, ("Content-Type", "multipart/form-data; boundary=x")])
def test_a_form_is_not_even_read(api, issuer, field):
    """RFC 6750 section 2.2 is optional: a body is no place for a token, nor a second method.

    The small application has a body that fails when somebody touches it.
    """
    assert api.call("POST", "/plain", field).outcome == (401, None)
    assert api.call("POST", "/plain", field, token=issuer.token()).status == 200


def with_body(api, method, body, issuer):
    """Send a body that can be read once; give what the views made of it."""
    fields = [
        ("Authorization", f"Bearer {issuer.token()}"),
        FORM,
        ("Content-Length", str(len(body))),
    ]
    if not api.is_asgi:
        extra = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return api.call(method, "/x", *fields, CONTENT_TYPE=FORM[1], **extra)
    return asyncio.run(_send(api, method, body, fields))


async def _send(api, method, body, fields):
    contract = api.contract
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    sent = []

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message)

    await api.app(contract.http_scope(method, "/x", fields), receive, send)
    return contract.Answer(sent[0]["status"], [], b"".join(m.get("body", b"") for m in sent[1:]))


@pytest.fixture
def echo(contract, adapter, guard):
    """An application that gives back the body of its request."""
    api = contract.Api(adapter)
    api.contract = contract

    async def asgi(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (await receive())["body"]})

    def wsgi(environ, start_response):
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    async def starlette(request):
        return contract.JSONResponse(sorted((await request.body()).decode().split("&")))

    if adapter == "asgi":
        api.app = contract.our_asgi.BearerAuthMiddleware(asgi, guard=guard)
    elif adapter == "wsgi":
        api.app = contract.our_wsgi.BearerAuthMiddleware(wsgi, guard=guard)
    elif adapter == "starlette":
        layer = contract.Middleware(contract.our_starlette.BearerAuthMiddleware, guard=guard)
        route = contract.StarletteRoute("/x", starlette, methods=["POST"])
        api.app = contract.Starlette(routes=[route], middleware=[layer])
    elif adapter == "fastapi":
        api.app = contract.FastAPI(openapi_url=None)
        contract.our_fastapi.BearerGuard(api.app, guard=guard)
        api.app.router.add_route("/x", starlette, methods=["POST"])
    else:
        api.app = contract.flask.Flask("guarded", static_folder=None)
        contract.our_flask.BearerGuard(api.app, guard=guard)

        @api.app.post("/x")
        def view():
            return contract.flask.request.get_data()

    return api


@pytest.mark.requirement("6750-2.2-2")
def test_the_body_is_left_to_the_application_whole(echo, issuer):
    """Nothing of it was read, so nothing of it is missing and nothing of it is kept."""
    answer = with_body(echo, "POST", b"a=1&access_token=junk", issuer)
    assert answer.status == 200
    assert b"a=1" in answer.body
    assert b"access_token=junk" in answer.body


@pytest.mark.requirement("6750-2.3-1", "6750-2.3-2", "FAPI2-5.3.4-2")
def test_a_query_never_authenticates_so_that_no_answer_to_it_needs_to_be_private(api, issuer):
    """RFC 6750 section 2.3 asks for Cache-Control only where such requests are served."""
    query = f"access_token={issuer.token()}"
    extra = {"query_string": query.encode()} if api.is_asgi else {"QUERY_STRING": query}
    assert api.call("GET", "/plain", **extra).outcome == (401, None)
    assert api.call("GET", "/plain", token=issuer.token()).all("cache-control") == []


@pytest.mark.requirement("9110-15.5.4-1")
def test_what_is_forbidden_is_not_hidden(api, issuer):
    """RFC 9110 section 15.5.4 allows 404 instead; a client could not ask for more scope then."""
    answer = api.call("GET", "/read", token=issuer.token())
    assert answer.outcome == (403, "insufficient_scope")


@pytest.mark.requirement("6750-5.2-2")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_scheme_of_the_last_hop_decides_nothing(api, issuer, scheme):
    """TLS ends at a proxy as a rule, and no header that says so is trusted without being told."""
    extra = {"scheme": scheme} if api.is_asgi else {"wsgi.url_scheme": scheme}
    assert api.call("GET", "/plain", token=issuer.token(), **extra).status == 200
    assert api.call("GET", "/plain", **extra).status == 401


@pytest.mark.requirement("9110-11.6.1-2")
def test_a_challenge_of_the_applications_own_is_kept(contract, guard, issuer):
    """Only Bearer is offered; what the application adds to its own 401 is not overwritten."""

    async def app(scope, receive, send):
        fields = [(b"www-authenticate", b'Basic realm="x"'), (b"www-authenticate", b'Other a="b"')]
        await send({"type": "http.response.start", "status": 401, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    api = contract.Api("asgi")
    api.app = contract.our_asgi.BearerAuthMiddleware(app, guard=guard)
    answer = api.call("GET", "/", token=issuer.token())
    assert answer.all("www-authenticate") == ['Basic realm="x"', 'Other a="b"']

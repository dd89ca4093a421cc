"""What a plain ASGI or WSGI application finds in its scope or environ."""

import asyncio

import pytest
import trio

from bearerguard import asgi, wsgi


@pytest.fixture
def environ_of(contract, guard):
    """Send a request through WSGI middleware; give the environ that the application saw."""

    def seen(path, *fields, **extra):
        environs = []

        def app(environ, start_response):
            environs.append(environ)
            start_response("200 OK", [])
            return []

        guarded = wsgi.BearerAuthMiddleware(app, guard=guard, optional=["/maybe"])
        guarded(contract.wsgi_environ("GET", path, fields) | extra, lambda *_: None)
        return environs[0] if environs else None

    return seen


def bearer(token):
    return ("Authorization", f"Bearer {token}")


def test_asgi_finds_its_fields_in_any_case_and_keeps_repeated_ones_apart():
    """The ASGI specification asks for lower case, which some test clients do not write."""
    fields = [
        (b"host", b"a.example"),
        (b"Authorization", b"Bearer a"),
        (b"authorizatiom", b"Bearer b"),
        (b"AUTHORIZATION", b"Bearer c"),
        (b"accept", b"*/*"),
        (b"Origin", b"https://a.example"),
        (b"access-control-Request-method", b"GET"),
    ]
    view = asgi.view_of({"type": "http", "method": "OPTIONS", "path": "/", "headers": fields})
    assert view.field("authorization") == ["Bearer a", "Bearer c"]
    assert (view.field("origin"), len(view.headers)) == (["https://a.example"], 4)


def test_wsgi_names_the_caller_as_servers_do(environ_of, issuer):
    environ = environ_of("/x", bearer(issuer.token("a", sub="alice")))
    assert environ["REMOTE_USER"] == "alice"
    assert environ["bearerguard.token"].scopes == {"a"}


def test_wsgi_leaves_no_name_for_an_anonymous_caller(environ_of):
    """A name that a layer in front set would be taken for the caller's."""
    environ = environ_of("/maybe", REMOTE_USER="admin")
    assert "REMOTE_USER" not in environ
    assert environ["bearerguard.token"] is None


def test_wsgi_replaces_a_name_that_was_there(environ_of, issuer):
    environ = environ_of("/x", bearer(issuer.token()), REMOTE_USER="admin")
    assert environ["REMOTE_USER"] == "user-1"


def test_wsgi_takes_a_path_that_is_missing_for_an_empty_one(contract, guard):
    """PEP 3333 lets a server leave it out."""
    app = wsgi.BearerAuthMiddleware(lambda *_: pytest.fail("ran"), guard=guard)
    environ = contract.wsgi_environ("GET", "/")
    del environ["PATH_INFO"]
    started = []
    app(environ, lambda status, headers: started.append(status))
    assert started == ["401 Unauthorized"]


@pytest.mark.parametrize(
    ("raw", "line"),
    [(None, "401 Unauthorized"), ("a b", "400 Bad Request"), ("good", "403 Forbidden")],
)
def test_a_wsgi_status_line_has_its_phrase(contract, guard, issuer, raw, line):
    app = wsgi.BearerAuthMiddleware(lambda *_: pytest.fail("ran"), guard=guard, rules={})
    token = issuer.token() if raw == "good" else raw
    fields = [] if raw is None else [bearer(token)]
    started = []
    app(contract.wsgi_environ("GET", "/x", fields), lambda status, headers: started.append(status))
    assert started == [line]


@pytest.fixture(params=["asyncio", "trio"])
def run(request):
    """Either event loop that ASGI servers use."""

    def ran(function):
        return asyncio.run(function()) if request.param == "asyncio" else trio.run(function)

    return ran


def test_asgi_puts_the_token_into_the_scope(contract, guard, issuer, run):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)

    async def ask():
        guarded = asgi.BearerAuthMiddleware(app, guard=guard, optional=["/maybe"])
        good = [bearer(issuer.token(sub="alice"))]
        await guarded(contract.http_scope("GET", "/x", good), None, None)
        await guarded(contract.http_scope("GET", "/maybe"), None, None)

    run(ask)
    assert scopes[0]["bearerguard.token"].subject == "alice"
    assert scopes[1]["bearerguard.token"] is None


def test_what_a_client_or_a_layer_left_under_our_name_does_not_count(contract, guard):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)

    guarded = asgi.BearerAuthMiddleware(app, guard=guard, optional=["/maybe"])
    scope = contract.http_scope("GET", "/maybe") | {"bearerguard.token": "forged"}
    asyncio.run(guarded(scope, None, None))
    assert scopes[0]["bearerguard.token"] is None


def test_two_applications_have_two_guards(contract, adapter, issuer):
    apis = [
        contract.make_api(adapter, contract.Plan(guard=issuer.guard(audience=audience)))
        for audience in ("https://one.example", "https://two.example")
    ]
    token = issuer.token(aud="https://one.example")
    assert [api.call("GET", "/plain", token=token).status for api in apis] == [200, 401]

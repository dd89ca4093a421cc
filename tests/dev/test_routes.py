"""What is told of an application's routes is what requests to it meet."""

import asyncio
import importlib.util
import re
from pathlib import Path

import flask
import pytest
from werkzeug.test import Client

from bearerguard import wsgi
from bearerguard.dev.routes import look_at
from bearerguard.gate import METHODS

spec = importlib.util.spec_from_file_location("apps", Path(__file__).with_name("applications.py"))
apps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(apps)

PUBLIC = ["/healthz", "/docs/*", "/openapi.json"]
# What stands in the place of a variable part.
PARTS = {"int": "4", "uuid": "00000000-0000-4000-8000-000000000000", "path": "a/b"}
PARTS |= {"colour_of_the_tests": "red", "": "4"}


@pytest.fixture
def guard(issuer):
    return issuer.guard(public=PUBLIC)


def path_of(template):
    """Write a path for a template of either framework; a folder and "*" are the table's."""
    host, template = re.fullmatch(r"(?://([^/]+))?(.*)", template).groups()
    path = re.sub(r"\{\w+:?(\w*)\}", lambda m: PARTS.get(m[1], "4"), template)
    path = re.sub(r"<(?:(\w+):)?\w+>", lambda m: PARTS[m[1] or ""], path)
    return host, "/nobody/named/this" if path == "*" else path.replace("*", "below")


def outcome(app, method, template, token):
    """Say what a caller meets: the status, or 200 for a handshake that was accepted."""
    host, path = path_of(template)
    fields = {"Version": "1"} | ({"Authorization": f"Bearer {token}"} if token else {})
    if isinstance(app, flask.Flask | wsgi.BearerAuthMiddleware):
        return Client(app).open(path, method=method, headers=fields).status_code
    return asyncio.run(status_of(app, method, path, fields | {"Host": host or "testserver"}))


async def status_of(app, method, path, fields):
    """Call an ASGI application; an accepted handshake counts as 200."""
    kind = {"type": "http", "method": method}
    if method == "WEBSOCKET":
        kind = {"type": "websocket", "extensions": {"websocket.http.response": {}}}
    headers = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    more = {"query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1"}
    sent = []

    async def receive():
        return {"type": "http.request" if method != "WEBSOCKET" else "websocket.connect"}

    async def send(message):
        sent.append(message)

    scope = {**kind, **more, "path": path, "raw_path": path.encode(), "headers": headers}
    await app(scope, receive, send)
    return sent[0].get("status", 200)


def expected_of(route):
    """Give what callers meet: without a token, with a bad one, without scopes, with all of them."""
    return {
        "public": (200, 200, 200, 200),
        "optional": (200, 401, 200, 200),
        "token": (401, 401, 200, 200),
        "need": (401, 401, 403, 200),
        "nobody": (401, 401, 403, 403),
    }[route.admits]


@pytest.mark.parametrize("name", sorted(apps.APPLICATIONS))
def test_each_route_admits_whom_it_is_said_to_admit(name, guard, issuer):
    app = apps.APPLICATIONS[name](guard)
    routes = look_at(app).routes

    assert routes
    for route in routes:
        for method in METHODS if route.method == "*" else [route.method]:
            scopes = " ".join(route.need.scopes()) if route.need is not None else ""
            tokens = [None, "garbage", issuer.token(), issuer.token(scopes)]
            met = tuple(outcome(app, method, route.path, token) for token in tokens)
            # No file is there, and whoever gets that far may know it.
            met = tuple(200 if status == 404 and route.is_builtin else status for status in met)
            assert met == expected_of(route), f"{method} {route.path}: {route}"

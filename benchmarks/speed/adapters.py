"""What an adapter adds to a request in one process: no server, no socket, a token that is known.

An application is called as a server calls it, guarded and unguarded; the difference is what the
adapter takes, with everything behind it.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from functools import partial
from typing import Any

import flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from werkzeug.test import EnvironBuilder

from bearerguard.flask import BearerGuard
from bearerguard.flask import requires as requires_in_flask
from bearerguard.guard import Guard
from bearerguard.starlette import BearerAuthMiddleware, requires

from .rounds import fastest

FRAMEWORKS = STARLETTE, FLASK = ("Starlette", "Flask")
PATH, SCOPE = "/orders", "orders:read"
ANSWER = {"for": "you"}
Asked = MutableMapping[str, Any]
ASGIApp = Callable[[Asked, Any, Any], Awaitable[None]]


class UnfitError(Exception):
    """An application that does not do its job is not measured."""


class Adapters:
    """Both frameworks, guarded and unguarded, and a turn for each."""

    def __init__(self, guard: Guard, good: str) -> None:
        self.asgi = {False: starlette_app(None), True: starlette_app(guard)}
        self.wsgi = {False: flask_app(None), True: flask_app(guard)}
        self.tokens: list[list[str]] = []
        self._check(good)

    def turns(self) -> dict[str, Callable[[], float]]:
        """Give the turns, named by :func:`named`."""
        turns: dict[str, Callable[[], float]] = {}
        for is_guarded in (False, True):
            turns[named(STARLETTE, is_guarded=is_guarded)] = partial(
                self.asgi_turn, self.asgi[is_guarded]
            )
            turns[named(FLASK, is_guarded=is_guarded)] = partial(
                self.wsgi_turn, self.wsgi[is_guarded]
            )
        return turns

    def asgi_turn(self, app: ASGIApp) -> float:
        """Give the seconds of a request to an ASGI application."""
        return asyncio.run(_fastest(app, [list(map(asgi_scope, some)) for some in self.tokens]))

    def wsgi_turn(self, app: flask.Flask) -> float:
        """Give the seconds of a request to a WSGI application."""
        batches = [[(environ,) for environ in map(wsgi_environ, some)] for some in self.tokens]
        return fastest(partial(call_wsgi, app), batches)

    def _check(self, good: str) -> None:
        """Raise UnfitError where somebody answers otherwise than it should."""
        for is_guarded in (False, True):
            for raw, expected in ((good, 200), ("bad", 401 if is_guarded else 200)):
                statuses = (
                    asyncio.run(_status(self.asgi[is_guarded], asgi_scope(raw))),
                    call_wsgi(self.wsgi[is_guarded], wsgi_environ(raw)),
                )
                if statuses != (expected, expected):
                    raise UnfitError(f"guarded: {is_guarded}, expected {expected}: {statuses}")


def named(framework: str, *, is_guarded: bool) -> str:
    """Name a turn."""
    return f"{framework}, {'guarded' if is_guarded else 'unguarded'}"


def starlette_app(guard: Guard | None) -> Starlette:
    """Make an application, which nobody guards where there is no guard."""

    async def orders(_: Request) -> JSONResponse:
        return JSONResponse(ANSWER)

    if guard is None:
        return Starlette(routes=[Route(PATH, orders)])
    guarded = [Middleware(BearerAuthMiddleware, guard=guard)]
    return Starlette(routes=[Route(PATH, requires(SCOPE)(orders))], middleware=guarded)


def flask_app(guard: Guard | None) -> flask.Flask:
    """Make an application, which nobody guards where there is no guard."""

    def orders() -> dict[str, str]:
        return ANSWER

    app = flask.Flask("orders")
    if guard is not None:
        BearerGuard(app, guard=guard)
        orders = requires_in_flask(SCOPE)(orders)
    app.add_url_rule(PATH, view_func=orders)
    return app


def asgi_scope(raw: str) -> Asked:
    """Write a request as an ASGI server does."""
    fields = [(b"host", b"127.0.0.1:8000"), (b"authorization", f"Bearer {raw}".encode())]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "headers": fields,
        "state": {},
    }


def wsgi_environ(raw: str) -> Asked:
    """Write a request as a WSGI server does."""
    return ENVIRON | {"HTTP_AUTHORIZATION": f"Bearer {raw}"}


def call_wsgi(app: flask.Flask, environ: dict[str, Any]) -> int:
    """Call a WSGI application; give the status."""
    found: list[int] = []

    def start_response(status: str, *_: object) -> Callable[[bytes], object]:
        found.append(int(status[:3]))
        return bytes

    answer: Iterable[bytes] = app(environ, start_response)
    b"".join(answer)
    if (close := getattr(answer, "close", None)) is not None:
        close()
    return found[0]


ENVIRON = EnvironBuilder(PATH).get_environ()


async def _fastest(app: ASGIApp, batches: Sequence[Sequence[Asked]]) -> float:
    """Do what :func:`benchmarks.speed.rounds.fastest` does, for what has to be awaited."""
    best = math.inf
    for batch in batches:
        began = time.perf_counter_ns()
        for scope in batch:
            await app(scope, _receive, _send)
        best = min(best, (time.perf_counter_ns() - began) / len(batch))
    return best / 1e9


async def _status(app: ASGIApp, scope: Asked) -> int:
    sent: list[Asked] = []

    async def send(message: Asked) -> None:
        sent.append(message)

    await app(scope, _receive, send)
    return int(sent[0]["status"])


async def _receive() -> Asked:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Asked) -> None:
    _ = message

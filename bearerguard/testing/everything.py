"""``assert_all_protected``: whether anything of an application is open that nobody meant to open.

Only requests that have to be refused are sent, so that no view runs and nothing is changed.
"""

import asyncio
import inspect
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from bearerguard.dev.routes import (
    EVERY_METHOD,
    PARTS,
    SAMPLE,
    WEBSOCKET,
    GuardedApp,
    GuardedRoute,
    look_at,
)
from bearerguard.testing.bearer import Bearer
from bearerguard.testing.protection import UNAUTHORIZED
from bearerguard.testing.requests_by import Answered, answered, send

# One that says nothing, one that is nobody's, and one that was good.
TRIED = ("garbage", "forged", "expired")
NOBODY = ("public", "optional")


class AssertAllProtected:
    """Fails where a route of an application can be reached without a good token.

    What the application itself calls public or optional may be; with ``public=[...]`` only those
    paths may be, and each of them must be. ``app`` is the application, or a client of it.

    Raises:
        AssertionError: naming every route that is open, or that no guard stands before.
    """

    def __init__(self, bearer: Bearer) -> None:
        self._bearer = bearer

    def __call__(self, app: Any, *, public: Iterable[str] | None = None) -> None:
        """Examine every route."""
        __tracebackhide__ = True
        app = _app_of(app)
        found = look_at(app)
        named = None if public is None else set(public)
        bearer = self._bearer if found.guard is None else Bearer(self._bearer.issuer, [found.guard])
        bad = bearer.all_bad()
        tried = {"no token": {}, **{name: bad[name] for name in TRIED}}
        problems = [] if found.routes else ["no route could be read from it"]
        for route in found.routes:
            problems += _problems_of(app, route, named, tried)
        problems += _problems_of_nowhere(app, found)
        if named:
            open_paths = {route.path for route in found.routes if route.admits in NOBODY}
            problems += [f"{path} is not open" for path in sorted(named - open_paths)]
        if problems:
            raise AssertionError("\n  ".join(["not everything is protected:", *problems]))


def _problems_of(
    app: Any,
    route: GuardedRoute,
    named: Collection[str] | None,
    tried: Mapping[str, Mapping[str, str]],
) -> list[str]:
    name = f"{route.method} {route.path} ({route.endpoint})"
    if not route.is_guarded:
        return [f"{name}: no guard stands before it"]
    if route.admits in NOBODY and named is not None and route.path not in named:
        return [f"{name}: it is {route.admits}, and not among public"]
    if route.admits == "public" or route.method == WEBSOCKET:
        return []  # of a handshake is_guarded says the same
    method = "GET" if route.method == EVERY_METHOD else route.method
    path = "/" + PARTS.sub(SAMPLE, route.path).lstrip("/")
    answers = {
        what: _ask(app, method, path, headers)
        for what, headers in tried.items()
        if headers or route.admits != "optional"
    }
    return [
        f"{name}: {answer} with {what}, and not 401"
        for what, answer in answers.items()
        if answer.status != UNAUTHORIZED
    ]


def _problems_of_nowhere(app: Any, found: GuardedApp) -> list[str]:
    """What no route names is refused, too, unless it is among what is open."""
    path = f"/{token_hex(16)}"
    if any(route.admits in NOBODY and route.takes("GET", path) for route in found.routes):
        return []
    answer = _ask(app, "GET", path, {})
    if answer.status == UNAUTHORIZED:
        return []
    return [f"GET {path}, which is no route: {answer} with no token, and not 401"]


def _app_of(client: Any) -> Any:
    """Give the application behind a client of Starlette, Flask or httpx; else what was given."""
    transport = getattr(client, "_transport", None)
    for holder, name in ((client, "application"), (client, "app"), (transport, "app")):
        is_client = hasattr(client, "open") or hasattr(client, "request")
        if is_client and callable(getattr(holder, name, None)):
            return getattr(holder, name)
    return client


def _ask(app: Any, method: str, path: str, headers: Mapping[str, str]) -> Answered:
    """Send one request into the application itself, without its start and without a server."""
    import httpx  # noqa: PLC0415  it takes a while to load

    url = f"http://testserver{quote(path)}"
    if not _is_asgi(app):
        with httpx.Client(transport=httpx.WSGITransport(app)) as client:
            return answered(send(client, method, url, headers, {}))

    async def ask() -> Answered:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return answered(await send(client, method, url, headers, {}))

    with ThreadPoolExecutor(1) as thread:  # the test may run an event loop of its own
        return thread.submit(asyncio.run, ask()).result()


def _is_asgi(app: Any) -> bool:
    return any(map(inspect.iscoroutinefunction, (app, getattr(app, "__call__", None))))  # noqa: B004

"""What takes long to load never stops an event loop, wherever a framework builds its middleware."""

import asyncio
import subprocess
import sys
import textwrap

import pytest

import bearerguard.asgi
import bearerguard.gate
from bearerguard import ConfigurationError
from bearerguard.asgi import BearerAuthMiddleware

PATIENCE_S = 60

# Starlette builds its middleware at the first request where no server speaks the lifespan protocol
# to it: under a mount, behind serverless adapters.
FIRST_REQUEST = """
    import asyncio, sys, threading
    import trio
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Mount
    from bearerguard.starlette import BearerAuthMiddleware

    names = {"issuer": "https://issuer.example", "audience": "https://api.example"}
    below = Starlette(middleware=[Middleware(BearerAuthMiddleware, **names)])
    app = Starlette(routes=[Mount("/api", below)])
    scope = {"type": "http", "method": "GET", "path": "/api/x", "root_path": "", "headers": [],
             "query_string": b"", "server": ("127.0.0.1", 80), "scheme": "http"}
    loop_thread = threading.get_ident()
    heavy = []

    def watch(event, arguments):
        if event == "import" and threading.get_ident() == loop_thread:
            name = arguments[0].partition(".")[0]
            if name in ("jwt", "cryptography") and arguments[0] not in sys.modules:
                heavy.append(arguments[0])

    async def receive():
        return {"type": "http.request"}

    answers = []

    async def send(message):
        answers.append(message.get("status"))

    async def in_asyncio():
        await asyncio.gather(*(app(dict(scope), receive, send) for _ in range(2)))

    async def in_trio():
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(app, dict(scope), receive, send)

    assert "bearerguard.gate" not in sys.modules
    sys.addaudithook(watch)
    asyncio.run(in_asyncio()) if sys.argv[1] == "asyncio" else trio.run(in_trio)
    assert [status for status in answers if status] == [401, 401], answers
    assert "bearerguard.gate" in sys.modules
    assert heavy == [], heavy
"""


@pytest.mark.process
@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_the_first_request_loads_nothing_heavy_on_its_event_loop(kind):
    """Design section 4: the event loop is never blocked, lazy imports included."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(FIRST_REQUEST), kind],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def built_later(monkeypatch):
    """Build middleware as where loading the gate would stop the loop."""
    monkeypatch.setattr(bearerguard.asgi, "would_stop_a_loop", lambda: True)


async def ask(app, path="/"):
    answers = []

    async def send(message):
        answers.append(message)

    async def receive():
        return {"type": "lifespan.startup"}

    scope = (
        {"type": "lifespan"} if path is None else {"type": "http", "method": "GET", "path": path}
    )
    await app(scope | {"headers": []}, receive, send)
    return answers[0]


async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})
    else:
        await send({"type": "lifespan.startup.complete"})


def test_middleware_that_is_built_later_guards_from_its_first_request_on(built_later, guard):
    app = BearerAuthMiddleware(application, guard=guard)

    async def both():
        return [answer["status"] for answer in await asyncio.gather(ask(app), ask(app))]

    assert asyncio.run(both()) == [401, 401]


def test_middleware_that_is_built_later_starts_and_refuses_the_start(
    built_later, guard, monkeypatch
):
    """Its problems are found before the server is told that the application has started."""
    app = BearerAuthMiddleware(application, guard=guard)
    assert asyncio.run(ask(app, None))["type"] == "lifespan.startup.complete"
    monkeypatch.delenv("BEARERGUARD_ISSUER", raising=False)
    app = BearerAuthMiddleware(application)
    with pytest.raises(ConfigurationError):
        asyncio.run(ask(app, "/"))
    app = BearerAuthMiddleware(application)
    with pytest.raises(ConfigurationError):
        asyncio.run(ask(app, None))


def test_a_fault_while_it_is_built_lets_nobody_in(built_later, guard, monkeypatch):
    """Whoever waits hears of it, and so does the next one."""

    def fail(*_, **__):
        raise ZeroDivisionError

    app = BearerAuthMiddleware(application, guard=guard)
    monkeypatch.setattr(bearerguard.gate, "Gate", fail)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            asyncio.run(ask(app))

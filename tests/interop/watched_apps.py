"""Guarded applications, WSGI and ASGI, that say which worker answered and what it did for it.

Each answer has the worker's process id in a header. What happens to its keys becomes a line of the
file that the environment names as WATCHED_EVENTS: process id, monotonic time, what, and for how many
seconds it went on. "asking" and "answered" are requests to the issuer; "fetched", "shared" (keys
from another worker) and "failed" end a fetch as the guard tells it.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bearerguard import Guard
from bearerguard.asgi import BearerAuthMiddleware as AsgiMiddleware
from bearerguard.events import Event, FetchEnded
from bearerguard.jwks.fetch import Fetched, HttpFetcher
from bearerguard.wsgi import BearerAuthMiddleware as WsgiMiddleware

EVENTS = Path(os.environ["WATCHED_EVENTS"])


def note(what: str, duration_s: float = 0.0) -> None:
    with EVENTS.open("a") as file:
        file.write(f"{os.getpid()} {time.monotonic()} {what} {duration_s}\n")


def on_event(event: Event) -> None:
    if isinstance(event, FetchEnded):
        what = "shared" if event.is_shared else "fetched"
        note("failed" if event.error is not None else what, event.duration_s)


class WatchedFetcher(HttpFetcher):
    def fetch(
        self, url: str, *, headers: Mapping[str, str], timeout_s: float, max_bytes: int
    ) -> Fetched:
        note("asking")
        answer = super().fetch(url, headers=headers, timeout_s=timeout_s, max_bytes=max_bytes)
        note("answered")
        return answer


guard = Guard.from_env(fetcher=WatchedFetcher(), on_event=on_event)


def hello_wsgi(_environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


async def hello_asgi(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


guarded_wsgi = WsgiMiddleware(hello_wsgi, guard=guard)
guarded_asgi = AsgiMiddleware(hello_asgi, guard=guard)


def wsgi(environ: Any, start_response: Any) -> Any:
    def start(status: str, headers: list[tuple[str, str]], *args: Any) -> Any:
        return start_response(status, [*headers, ("X-Worker", str(os.getpid()))], *args)

    return guarded_wsgi(environ, start)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    async def send_signed(message: Any) -> None:
        if message["type"] == "http.response.start":
            worker = (b"x-worker", str(os.getpid()).encode())
            message = {**message, "headers": [*message["headers"], worker]}
        await send(message)

    await guarded_asgi(scope, receive, send_signed)

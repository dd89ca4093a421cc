"""An open WebSocket is closed when the token by which it was opened expires."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from bearerguard.core.request import RequestView

if TYPE_CHECKING:
    from bearerguard.asgi import ASGIApp, Message, Receive, Scope, Send
    from bearerguard.core.access_token import AccessToken
    from bearerguard.guard import Guard

# RFC 6455 section 7.4.1: policy violation.
CLOSE_EXPIRED = 1008


def seconds_left(guard: "Guard", request: RequestView, token: "AccessToken | None") -> float | None:
    """Tell how long a connection may stay open; None: for good, because nobody was needed.

    In report mode nothing ends before the date on which it enforces.
    """
    if token is None:
        return guard.reports_for_s() if request.is_reported else None
    left_s = token.expires_at + guard.settings.leeway - guard.clock()
    return max(left_s, guard.reports_for_s())


async def run_until_expiry(
    app: "ASGIApp", scope: "Scope", receive: "Receive", send: "Send", left_s: float
) -> None:
    """Serve a connection, and close it after ``left_s`` seconds."""
    is_closed = False

    async def send_while_open(message: "Message") -> None:
        if is_closed:  # the ASGI specification: sending after a close raises an OSError
            raise ConnectionAbortedError("the access token of this WebSocket expired")
        await send(message)

    async def close() -> None:
        nonlocal is_closed
        await asyncio.sleep(left_s)
        is_closed = True
        with contextlib.suppress(Exception):  # the peer or the application was faster
            await send(
                {"type": "websocket.close", "code": CLOSE_EXPIRED, "reason": "token expired"}
            )

    closing = asyncio.create_task(close())
    try:
        await app(scope, receive, send_while_open)
    finally:
        closing.cancel()

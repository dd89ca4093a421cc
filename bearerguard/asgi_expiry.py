"""An open WebSocket is closed when the token by which it was opened expires."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bearerguard.asgi import ASGIApp, Message, Receive, Scope, Send

# RFC 6455 section 7.4.1: policy violation.
CLOSE_EXPIRED = 1008


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

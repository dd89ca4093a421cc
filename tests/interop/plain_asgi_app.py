"""The smallest guarded ASGI application, without any framework."""

from typing import Any

from bearerguard.asgi import BearerAuthMiddleware


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


app = BearerAuthMiddleware(hello, rules={"GET /hello": "orders:read"})

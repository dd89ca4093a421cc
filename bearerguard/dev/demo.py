"""A guarded API beside a local issuer, and a tour that shows what its callers see."""

import logging
import os
import runpy
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

import httpx

from bearerguard.dev.issuer import Issuer, SigningKey
from bearerguard.dev.local_issuer import LocalIssuer
from bearerguard.dev.server import LocalServer
from bearerguard.log import logger
from bearerguard.settings import PREFIX

AUDIENCE = "https://orders.example"
APP_FILE = Path(__file__).with_name("demo_app.py")
SHOWN_HEADERS = ("www-authenticate", "retry-after")
RECOVERY_WITHIN_S = 15.0
LIFETIME_S = 3600


@dataclass(frozen=True)
class Result:
    """One request of the tour and its answer. Tokens are not in it."""

    title: str
    method: str
    path: str
    note: str
    expected_status: int
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    is_as_expected: bool = False


class Demo:
    """The servers of the demo, on 127.0.0.1 only, from ``__enter__`` to ``__exit__``."""

    def __init__(self, port: int = 0) -> None:
        self.issuer = Issuer(audience=AUDIENCE)
        self._port = port
        self._until_the_end = ExitStack()

    def __enter__(self) -> Self:
        with self._until_the_end as stack:
            self._start_issuer()
            stack.callback(self._stop_issuer)
            self.api = self._start_api(self._port)
            self._client = stack.enter_context(httpx.Client(trust_env=False))
            # What the tour shows is the answer; the operator's log would stand between the lines.
            logger.addHandler(logging.NullHandler())
            self._until_the_end = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._until_the_end.close()

    def tour(self) -> Iterator[Result]:
        """Send each request when the one before has been shown."""
        token = self.issuer.token
        yield self._call(401, "No token")
        yield self._call(401, "An expired token", token("orders:read", exp=int(time.time()) - 60))
        yield self._call(
            401, "A token for another API", token("orders:read", aud="https://x.example")
        )
        forged = token("orders:read", key=SigningKey.generate(kid=self.issuer.key.kid))
        yield self._call(401, "A forged signature", forged)
        read, write = token("orders:read"), token("orders:read orders:write")
        order = {"item": "apples", "quantity": 3}
        yield self._call(403, "A good token with too little scope", read, order=order)
        yield self._call(201, "A good token with enough scope", write, order=order)
        yield self._call(200, "Reading", read)
        self.issuer.rotate()
        new = token("orders:read")
        yield self._call(200, "The issuer signs with a new key from now on", new)
        yield from self._outage(new)

    def invitation(self) -> str:
        """Give commands to try by hand; the token in them lasts an hour."""
        exp = int(time.time()) + LIFETIME_S
        token = self.issuer.token("orders:read orders:write", exp=exp)
        order = '{"item": "pears", "quantity": 2}'
        return f"""
The API serves at {self.api.url}, the issuer at {self.issuer.url}: its page mints and breaks
tokens, rotates keys, goes down and answers slowly. Try, for an hour:

  TOKEN={token}
  curl -i {self.api.url}/orders
  curl -i {self.api.url}/orders -H "Authorization: Bearer $TOKEN"
  curl -i {self.api.url}/orders -H "Authorization: Bearer $TOKEN" -d '{order}'
  curl -i {self.api.url}/reports -H "Authorization: Bearer $TOKEN"

Ctrl+C ends it."""

    def serve_until_interrupted(self) -> None:
        """Keep the servers running; KeyboardInterrupt ends it."""
        while True:
            time.sleep(3600)

    def _start_issuer(self, port: int = 0) -> None:
        self._issuer_server = LocalIssuer(port, issuer=self.issuer)
        self._issuer_server.start()

    def _stop_issuer(self) -> None:
        self._issuer_server.stop()

    def _outage(self, token: str) -> Iterator[Result]:
        self._stop_issuer()
        yield self._call(200, "The issuer is down, and a good token is still good", token)
        fresh = self._start_api()
        yield self._call(503, "A new worker that has no keys yet cannot know", token, api=fresh)
        self._start_issuer(self._issuer_server.port)
        ends_at = time.monotonic() + RECOVERY_WITHIN_S
        title = "The issuer is back, and that worker recovers by itself"
        while True:
            result = self._call(200, title, token, api=fresh)
            if result.is_as_expected or time.monotonic() > ends_at:
                yield result
                return
            time.sleep(0.2)

    def _call(
        self,
        expected_status: int,
        title: str,
        token: str | None = None,
        *,
        order: dict[str, Any] | None = None,
        api: LocalServer | None = None,
    ) -> Result:
        method = "GET" if order is None else "POST"
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"{(api or self.api).url}/orders"
        answer = self._client.request(method, url, headers=headers, json=order)
        return Result(
            title=title,
            method=method,
            path="/orders",
            note="Authorization: Bearer ..." if token else "without credentials",
            expected_status=expected_status,
            status=answer.status_code,
            headers={
                name: answer.headers[name] for name in SHOWN_HEADERS if name in answer.headers
            },
            body=answer.text,
            is_as_expected=answer.status_code == expected_status,
        )

    def _start_api(self, port: int = 0) -> LocalServer:
        """Start the application anew, as a worker of its own would: configured by two variables."""
        ours = {"BEARERGUARD_ISSUER": self.issuer.url, "BEARERGUARD_AUDIENCE": AUDIENCE}
        others = {name: "" for name in os.environ if name.startswith(PREFIX)}
        server = LocalServer(_load_app(), port)
        with patch.dict(os.environ, others | ours):
            server.start()
        self._until_the_end.callback(server.stop)
        return server


def _load_app() -> Any:
    return runpy.run_path(str(APP_FILE))["app"]

"""Django's test client, behind the guard.

Django's own client calls Django's handler and never sees the WSGI application, so that a guard
around it would not be asked. This one asks the very middleware of ``wsgi.py`` first, and only what
it lets through goes to the handler, with everything else that Django's client does.
"""

import copy
from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse
from django.test import Client as DjangoClient

from bearerguard.wsgi import BearerAuthMiddleware


class Client(DjangoClient):  # type: ignore[misc]  # Django brings no types
    """``Client(application)``, with the guarded application that ``wsgi.py`` exports.

    The other arguments are those of django.test.Client.
    """

    def __init__(self, application: BearerAuthMiddleware, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.handler: Any = _Guarded(application, self.handler)


class _Guarded:
    """Django's handler for tests behind a guard."""

    def __init__(self, guarded: BearerAuthMiddleware, handler: Any) -> None:
        self._guarded = guarded
        self._handler = handler

    def __call__(self, environ: dict[str, Any]) -> Any:
        """Answer one request: the guard, or, where it lets the request pass, Django."""
        let_through: list[Any] = []
        started: list[Any] = []

        def django(passed: dict[str, Any], _start_response: Any) -> Iterable[bytes]:
            let_through.append(self._handler(passed))
            return []

        guarded = copy.copy(self._guarded)  # with the same gate, and so the same guard
        guarded.app = django
        body = b"".join(guarded(environ, lambda *answer: started.extend(answer)))
        return let_through[0] if let_through else self._refusal(environ, started, body)

    def _refusal(self, environ: dict[str, Any], started: list[Any], body: bytes) -> Any:
        status, headers = started[:2]
        response = HttpResponse(body, status=int(status[:3]), headers=dict(headers))
        response.wsgi_request = None
        response.request = environ
        return response

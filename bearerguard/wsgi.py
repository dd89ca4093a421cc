"""Guards any WSGI application. The token of a request is ``environ["bearerguard.token"]``.

app = BearerAuthMiddleware(app, rules={"GET /orders": "orders:read"}, public=["/healthz"])
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from bearerguard.core.metadata import NOT_FOUND, WELL_KNOWN, Resource, first_answer, resources_of
from bearerguard.core.needs import all_of, any_of, authenticated, claim, role, scope, step_up
from bearerguard.core.request import FIELDS, RequestView
from bearerguard.errors import RejectedError, UnavailableError

if TYPE_CHECKING:
    from bearerguard.core.challenge import Answer
    from bearerguard.guard import Guard

__all__ = [
    "BearerAuthMiddleware",
    "ProtectedResourceMetadata",
    "all_of",
    "any_of",
    "authenticated",
    "claim",
    "role",
    "scope",
    "step_up",
]

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

# As WSGI spells them (PEP 3333).
VARIABLES = [(f"HTTP_{name.upper().replace('-', '_')}", name) for name in FIELDS]


class BearerAuthMiddleware:
    """Lets a request pass to ``app`` only with a token that is good enough for its path.

    Without ``rules`` any valid token is; with them, a path that they do not name is refused.
    ``public`` and ``optional`` are lists of exact paths, or of folders such as ``/docs/*``;
    ``readiness`` is the path of a readiness probe, which is answered here (:meth:`Guard.ready`).
    Everything else is a setting, read from the environment where it is not given; or give a ready
    ``guard``. With a token, ``REMOTE_USER`` is its subject; without one it is not set.

    Raises:
        ConfigurationError: naming every problem of the settings, the paths and the rules.
    """

    def __init__(
        self,
        app: WSGIApp,
        *,
        guard: "Guard | None" = None,
        optional: Sequence[str] = (),
        rules: Mapping[str, Any] | None = None,
        readiness: str | None = None,
        **settings: Any,
    ) -> None:
        from bearerguard.gate import Gate  # noqa: PLC0415  see there

        self.app = app
        self.gate = Gate(
            guard=guard, settings=settings, optional=optional, rules=rules, readiness=readiness
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        gate = self.gate
        request = view_of(environ)
        if gate.resource is not None:
            about = metadata_answer(environ, gate.resource)
            if about is not None:
                return refuse(about, request, start_response)
        if gate.readiness is not None and gate.asks_if_ready(request):
            answer = gate.answer_probe(is_ready=gate.guard.ready())
            return refuse(answer, request, start_response)
        access = gate.table.access(request)
        try:
            token = gate.guard.admit(request, access)
        except (RejectedError, UnavailableError) as refusal:
            return refuse(gate.guard.answer(refusal, access), request, start_response)
        environ["bearerguard.token"] = token
        environ.pop("REMOTE_USER", None)
        name = gate.identity(token) if token is not None else ""
        if name and name.isprintable():  # a line break in it would go into somebody's log
            environ["REMOTE_USER"] = name.encode().decode("latin-1")  # PEP 3333: octets as latin-1
        return self.app(environ, start_response)


class ProtectedResourceMetadata:
    """An application that serves nothing but the metadata of these guards' resources (RFC 9728).

    For the root of the host, where metadata stand, when the guarded applications are mounted below.
    Every guard needs the setting ``resource``, else a ConfigurationError is raised.
    """

    def __init__(self, *guards: "Guard") -> None:
        self._resources = resources_of(guards)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        answer = metadata_answer(environ, *self._resources) or NOT_FOUND
        return refuse(answer, view_of(environ), start_response)


def metadata_answer(environ: Environ, *resources: Resource) -> "Answer | None":
    """Answer a request for the metadata of one of these resources; None for any other.

    The path is the one from the root of the host, whatever is mounted where.
    """
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if WELL_KNOWN not in path:
        return None
    query = environ.get("QUERY_STRING", "")
    return first_answer(resources, environ["REQUEST_METHOD"], (_decoded(path),), query)


def view_of(environ: Environ) -> RequestView:
    """Translate a WSGI request."""
    headers = []
    for key, name in VARIABLES:
        value = environ.get(key)
        if value is not None:
            headers.append((name, value))
    path, raw = environ.get("PATH_INFO", ""), environ.get("REQUEST_URI") or environ.get("RAW_URI")
    return RequestView(
        environ["REQUEST_METHOD"],
        path if path.isascii() else _decoded(path),
        raw.partition("?")[0] if raw else None,
        headers,
    )


def refuse(answer: "Answer", request: RequestView, start_response: StartResponse) -> list[bytes]:
    """Send the answer to a refused request, before its body is read."""
    phrase = HTTPStatus(answer.status).phrase
    start_response(f"{answer.status} {phrase}", list(answer.headers))
    return [] if request.method == "HEAD" else [answer.body]


def _decoded(path: str) -> str:
    """PEP 3333 hands octets over as latin-1; what is not UTF-8 becomes U+FFFD, as in ASGI."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")

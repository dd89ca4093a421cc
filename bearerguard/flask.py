"""Guards a Flask application.

    guard = BearerGuard(app)

    @app.get("/orders")
    @requires("orders:read")
    def orders(): ...

The extension authenticates each request before anything else, and enforces what the decorators left
on the view that was matched. The wrapper that a decorator returns enforces it again, and an
application without the extension refuses to run a view that needs something.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import flask
import flask.views

from bearerguard.core.marks import (
    ATTRIBUTE,
    UNMARKED,
    Mark,
    View,
    decorator,
    mark_of,
    mark_wrapper,
    optional,
    public,
)
from bearerguard.core.needs import (
    Need,
    NeedLike,
    all_of,
    any_of,
    authenticated,
    claim,
    needs_of,
    role,
    scope,
    step_up,
)
from bearerguard.core.request import RequestView
from bearerguard.errors import ConfigurationError, RejectedError, UnavailableError
from bearerguard.flask_request import PASSED, UNGUARDED, current_token, passed, this_request
from bearerguard.wsgi import metadata_answer, view_of

if TYPE_CHECKING:
    from bearerguard.core.challenge import Answer
    from bearerguard.gate import Gate
    from bearerguard.guard import Guard

__all__ = [
    "BearerGuard",
    "all_of",
    "any_of",
    "authenticated",
    "claim",
    "current_token",
    "optional",
    "public",
    "requires",
    "role",
    "scope",
    "step_up",
]

EXTENSION = "bearerguard"


class BearerGuard:
    """The Flask extension: every request needs a valid token unless its view or path is open.

    ``BearerGuard(app)``, or ``BearerGuard()`` and later ``init_app(app)``. ``optional`` is a list
    of paths, ``readiness`` the path of a probe, answered here. Everything else is a setting, read
    from ``app.config`` (keys ``BEARERGUARD_*``) and the environment; or give a ready ``guard``.

    Raises:
        ConfigurationError: naming every problem, as soon as there is an application.
    """

    def __init__(
        self,
        app: flask.Flask | None = None,
        *,
        guard: "Guard | None" = None,
        optional: Sequence[str] = (),
        readiness: str | None = None,
        **settings: Any,
    ) -> None:
        paths = {"optional": optional, "readiness": readiness}
        self._arguments: dict[str, Any] = {"guard": guard, "settings": settings, **paths}
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Guard an application; raises ConfigurationError naming every problem."""
        from bearerguard.gate import Gate  # noqa: PLC0415  see there

        gate = Gate(**self._arguments, app_config=app.config)
        if EXTENSION in app.extensions:
            raise ConfigurationError("a BearerGuard guards this application already")
        app.extensions[EXTENSION] = gate
        # Before whatever else wants to look at the request, its body above all.
        admit = functools.partial(_admit, app, gate)
        app.before_request_funcs.setdefault(None, []).insert(0, admit)


def requires(*needs: NeedLike) -> Callable[[View], View]:
    """Let a view run only for a token that has every one of the needs.

    A text is a scope; ``requires()`` asks for any valid token. It goes above or below the route's
    decorator, on functions, sync and async, and on methods and classes of views.

    Raises:
        ConfigurationError: a need that cannot be meant, or a target that is no view; and at the
            request, when no BearerGuard guards the application.
    """
    return decorator(
        needs_of(needs),
        guard_class=_guard_class,
        guard_async=_guard_async,
        guard_sync=_guard_sync,
    )


def _admit(app: flask.Flask, gate: "Gate") -> flask.Response | None:
    """Decide before the view is run; a response ends the request."""
    flask_request = this_request()
    if not gate.has_looked:  # at the first request, when all routes are known
        rules = app.url_map.iter_rules()
        gate.log_conflicts((r.rule, app.view_functions.get(r.endpoint)) for r in rules)
    request = view_of(flask_request.environ)
    flask_request.environ[PASSED] = (gate, request, None, ())
    if gate.resource is not None:
        about = metadata_answer(flask_request.environ, gate.resource)
        if about is not None:
            return _response(about)
    if gate.readiness is not None and gate.asks_if_ready(request):
        return _response(gate.answer_probe(is_ready=gate.guard.ready()))
    found = mark_of_view(app, flask_request.url_rule, request)
    access = found.on(gate.table.access(request))
    try:
        token = gate.guard.admit(request, access)
    except (RejectedError, UnavailableError) as refusal:
        return _response(gate.guard.answer(refusal, access))
    flask_request.environ[PASSED] = (gate, request, token, found.needs if token else ())
    return None


def mark_of_view(app: flask.Flask, rule: Any, request: RequestView) -> Mark:
    """Tell what the view says that Flask has matched; nothing for 404, 405 and redirects."""
    if rule is None:
        return UNMARKED
    found = mark_of(app.view_functions.get(rule.endpoint), request.method)
    if request.method != "OPTIONS" or found.is_wrapper:
        return found
    is_automatic = getattr(rule, "provide_automatic_options", False)
    return found if is_automatic else replace(found, answers_options=True)


def _guard_async(view: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(view)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        refusal = _refusal(getattr(guarded, ATTRIBUTE))
        return await view(*args, **kwargs) if refusal is None else refusal

    return guarded


def _guard_sync(view: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        refusal = _refusal(getattr(guarded, ATTRIBUTE))
        return view(*args, **kwargs) if refusal is None else refusal

    return guarded


def _guard_class(view: Any, need: Need) -> None:
    if not issubclass(view, flask.views.View):
        raise ConfigurationError(f"{view!r} is neither a View nor a MethodView")
    # Not its dispatch_request(), which a subclass usually replaces.
    as_view = view.as_view.__func__

    @functools.wraps(as_view)
    def guarded_as_view(cls: Any, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        inner = as_view(cls, *args, **kwargs)

        @functools.wraps(inner)
        def guarded(**path_parts: Any) -> Any:
            refusal = _refusal(mark_of(inner, flask.request.method))
            return inner(**path_parts) if refusal is None else refusal

        return cast("Callable[..., Any]", mark_wrapper(guarded, inner, need))

    view.as_view = classmethod(guarded_as_view)


def _refusal(found: Mark) -> flask.Response | None:
    """Enforce what the extension could not see; None when nothing is missing."""
    gate, _, _, enforced = let_through = passed()
    answer = None if enforced is found.needs else gate.refusal(let_through, found.needs)
    return None if answer is None else _response(answer)


def _refuse_unguarded(app: flask.Flask, **_: Any) -> None:
    """A view with a need in an application without the extension must never be simply open.

    Where the route's decorator stands below ``requires``, Flask runs the bare function; only its
    mark tells. So every request of every application is looked at before it is dispatched.
    """
    if EXTENSION not in app.extensions and flask.request.url_rule is not None:
        view = app.view_functions.get(flask.request.url_rule.endpoint)
        if mark_of(view, flask.request.method).needs:
            raise ConfigurationError(UNGUARDED)


flask.request_started.connect(_refuse_unguarded)


def _response(answer: "Answer") -> flask.Response:
    return flask.Response(answer.body, answer.status, list(answer.headers))

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
from typing import Any, TypeVar, cast

import flask
from werkzeug.local import LocalProxy

from bearerguard.core.access_token import AccessToken
from bearerguard.core.challenge import Answer
from bearerguard.core.marks import UNMARKED, Mark, check_is_view, is_async, mark, mark_need, mark_of
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
)
from bearerguard.core.request import RequestView
from bearerguard.errors import ConfigurationError, RejectedError, UnavailableError
from bearerguard.gate import Gate, Passed
from bearerguard.guard import Guard
from bearerguard.settings import from_app_config
from bearerguard.wsgi import view_of

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
]

View = TypeVar("View", bound=Callable[..., Any])
EXTENSION = "bearerguard"
# There until the first request, when all routes are known.
UNSTARTED = "bearerguard.unstarted"


class BearerGuard:
    """The Flask extension: every request needs a valid token unless its view or path is open.

    ``BearerGuard(app)``, or ``BearerGuard()`` and later ``init_app(app)``. ``optional`` is a list
    of paths. Everything else is a setting, read from ``app.config`` (keys ``BEARERGUARD_*``) and
    the environment where it is not given; or give a ready ``guard``.

    Raises:
        ConfigurationError: naming every problem, as soon as there is an application.
    """

    def __init__(
        self,
        app: flask.Flask | None = None,
        *,
        guard: Guard | None = None,
        optional: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        self._guard = guard
        self._optional = optional
        self._settings = settings
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Guard an application; raises ConfigurationError naming every problem."""
        gate = Gate(
            guard=self._guard,
            settings=self._settings,
            optional=self._optional,
            app_config=from_app_config(app.config),
        )
        app.extensions[EXTENSION] = gate
        app.extensions[UNSTARTED] = True
        # Before whatever else wants to look at the request, its body above all.
        app.before_request_funcs.setdefault(None, []).insert(0, _admit)


def _find_token() -> AccessToken | None:
    passed: Passed | None = flask.g.get(EXTENSION)
    if passed is None:
        raise ConfigurationError("no BearerGuard has looked at this request")
    return passed.token


current_token: AccessToken = cast(
    "AccessToken",
    LocalProxy(_find_token, unbound_message="current_token is there only within a request"),
)


def requires(*needs: NeedLike) -> Callable[[View], View]:
    """Let a view run only for a token that has every one of the needs.

    A text is a scope; ``requires()`` asks for any valid token. It goes above or below the route's
    decorator, on functions, sync and async, and on methods and classes of views.

    Raises:
        ConfigurationError: a need that cannot be meant, or a target that is no view; and at the
            request, when no BearerGuard guards the application.
    """
    need = needs_of(needs)

    def decorate(view: View) -> View:
        check_is_view(view)
        if isinstance(view, type):
            return cast("View", mark(view, Mark(needs=(need,))))
        wrapper: Any = _guard_async(view, need) if is_async(view) else _guard_sync(view, need)
        mark_need(view, need, wrapper)
        return cast("View", wrapper)

    return decorate


def public(view: View) -> View:
    """Let anybody reach this view; credentials are not looked at."""
    return cast("View", mark(view, Mark(public=True)))


def optional(view: View) -> View:
    """Let callers without credentials reach this view; bad credentials are still refused."""
    return cast("View", mark(view, Mark(optional=True)))


def _admit() -> flask.Response | None:
    """Decide before the view is run; a response ends the request."""
    app = flask.current_app
    gate: Gate = app.extensions[EXTENSION]
    if app.extensions.pop(UNSTARTED, False):
        rules = app.url_map.iter_rules()
        gate.log_conflicts(
            (r.rule, mark_of(app.view_functions.get(r.endpoint), "GET")) for r in rules
        )
    request = view_of(flask.request.environ)
    found = _mark_of_view(request)
    access = gate.access(request, found)
    try:
        token = gate.guard.admit(request, access)
    except (RejectedError, UnavailableError) as refusal:
        return _response(gate.guard.answer(refusal, access), request)
    flask.g.bearerguard = Passed(gate, request, token, found.needs if token else ())
    return None


def _mark_of_view(request: RequestView) -> Mark:
    """Tell what the view says that Flask has matched; nothing for 404, 405 and redirects."""
    rule = flask.request.url_rule
    if rule is None:
        return UNMARKED
    view = flask.current_app.view_functions.get(rule.endpoint)
    automatic = request.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False)
    return replace(mark_of(view, request.method), answers_options=not automatic)


def _guard_async(view: Callable[..., Any], need: Need) -> Callable[..., Any]:
    @functools.wraps(view)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        refusal = _refusal(need)
        return await view(*args, **kwargs) if refusal is None else refusal

    return guarded


def _guard_sync(view: Callable[..., Any], need: Need) -> Callable[..., Any]:
    @functools.wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        refusal = _refusal(need)
        return view(*args, **kwargs) if refusal is None else refusal

    return guarded


def _refusal(need: Need) -> flask.Response | None:
    """Enforce a need that the extension could not see; None when it is satisfied."""
    passed: Passed | None = flask.g.get(EXTENSION)
    if passed is None:
        raise _unguarded()
    answer = passed.refusal(need)
    return None if answer is None else _response(answer, passed.request)


def _refuse_unguarded(app: flask.Flask, **_: Any) -> None:
    """A view with a need in an application without the extension must never be simply open.

    Where the route's decorator stands below ``requires``, Flask runs the bare function; only its
    mark tells. So every request of every application is looked at before it is dispatched.
    """
    if EXTENSION not in app.extensions and flask.request.url_rule is not None:
        view = app.view_functions.get(flask.request.url_rule.endpoint)
        if mark_of(view, flask.request.method).needs:
            raise _unguarded()


flask.request_started.connect(_refuse_unguarded)


def _unguarded() -> ConfigurationError:
    return ConfigurationError(
        "a view needs something of its callers, and no BearerGuard guards the application: "
        "write BearerGuard(app)"
    )


def _response(answer: Answer, request: RequestView) -> flask.Response:
    body = b"" if request.method == "HEAD" else answer.body
    response = flask.Response(body, answer.status, list(answer.headers))
    response.automatically_set_content_length = False
    return response

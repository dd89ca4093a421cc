"""What the decorators leave on a view, and how to find it again from the endpoint that matched.

``requires``, ``public`` and ``optional`` mark the very object that they are put on and the wrapper
that they return. So it does not matter whether the framework's own decorator got to see the view
before or after: whichever of the two it registered carries the mark.
"""

import functools
import inspect
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar, cast

from bearerguard.core.access import GUARDED, Access
from bearerguard.core.needs import Need, both, needs_of
from bearerguard.errors import ConfigurationError

View = TypeVar("View", bound=Callable[..., Any])
ATTRIBUTE = "__bearerguard_mark__"
# The methods of classes of views that run the one for the request: Starlette's and Flask's.
DISPATCHERS = ("__await__", "dispatch_request")


@dataclass(frozen=True)
class Mark:
    """What decorators said about a view.

    ``is_wrapper`` tells a wrapper of ours from a view: it enforces the needs by itself.
    ``answers_options`` is found out by the adapter: this OPTIONS request would run a view, and
    neither a CORS layer nor a wrapper stands before it.
    """

    needs: tuple[Need, ...] = ()
    public: bool = False
    optional: bool = False
    is_wrapper: bool = False
    answers_options: bool = False
    _alone: ClassVar[Access | None] = None  # until it was asked for

    def plus(self, other: "Mark") -> "Mark":
        """Add another mark: needs add up, and win over public and optional when they meet."""
        if other is UNMARKED or self is UNMARKED:
            return self if other is UNMARKED else other
        return Mark(
            needs=(*self.needs, *missing(other.needs, self.needs)),
            public=self.public or other.public,
            optional=self.optional or other.optional,
            is_wrapper=self.is_wrapper or other.is_wrapper,
        )

    def on(self, access: Access) -> Access:
        """Add what the view says to what the paths say."""
        if access is GUARDED:
            return self._alone or self.alone
        if self is UNMARKED:
            return access
        return Access(
            need=both(access.need, self.alone.need),
            public=access.public or self.public,
            optional=access.optional or self.optional,
            unruled=access.unruled,
            answers_options=access.answers_options or self.answers_options,
        )

    @property
    def alone(self) -> Access:
        """What the view says where no path says anything, as for nearly all of them."""
        kept = self._alone
        if kept is None:
            need = needs_of(self.needs) if self.needs else None
            kept = Access(need, self.public, self.optional, answers_options=self.answers_options)
            vars(self)["_alone"] = kept  # cached_property has a lock that a fork may hold for good
        return kept


UNMARKED = Mark()


def missing(needs: Iterable[Need], among: Iterable[Need]) -> tuple[Need, ...]:
    """Give the needs that are not among others.

    The very same object is looked for: ``claim("a", equals=1) == claim("a", equals=True)``.
    """
    known = {id(need) for need in among}
    return tuple(need for need in needs if id(need) not in known)


def public(view: View) -> View:
    """Let anybody reach this view, on every route that it serves; credentials are not looked at."""
    return _open(view, Mark(public=True))


def optional(view: View) -> View:
    """Let callers without credentials reach this view; bad credentials are still refused."""
    return _open(view, Mark(optional=True))


def _open(view: View, added: Mark) -> View:
    if hasattr(view, "__func__"):
        # Its mark would stand on the function, and open the method of every other object too.
        raise ConfigurationError(f"{view!r} is a bound method; open it by its path or in its class")
    return mark(view, added)


def mark(view: View, added: Mark) -> View:
    """Mark a view, a class of views or an application, and give it back."""
    check_is_view(view)
    # A bound method cannot carry a mark, and is another object each time; its function can.
    owner = getattr(view, "__func__", view)
    try:
        setattr(owner, ATTRIBUTE, own_mark(owner).plus(added))
    except AttributeError:
        raise ConfigurationError(f"{view!r} cannot be marked; put it into a function") from None
    return view


def decorator(
    need: Need,
    *,
    guard_class: Callable[[Any, Need], None],
    guard_async: Callable[[Any], Any],
    guard_sync: Callable[[Any], Any],
) -> Callable[[View], View]:
    """Make the decorator that ``requires`` gives, out of a framework's ways to guard a view."""

    def decorate(view: View) -> View:
        check_is_view(view)
        guarded: Any = view
        if isinstance(view, type):
            guard_class(view, need)
        else:
            wrapper = guard_async(view) if is_async(view) else guard_sync(view)
            guarded = mark_wrapper(wrapper, view, need)
        mark(view, Mark(needs=(need,)))
        return cast("View", guarded)

    return decorate


def mark_wrapper(wrapper: Any, view: Any, need: Need) -> Any:
    """Mark the wrapper of a view with all that it enforces, and give it back."""
    inner = own_mark(view)
    # A plain view may serve several routes, each with a wrapper and a need of its own; only what a
    # wrapper of ours already needed belongs to the new one too.
    if not inner.is_wrapper:
        inner = replace(inner, needs=())
    setattr(wrapper, ATTRIBUTE, inner.plus(Mark(needs=(need,), is_wrapper=True)))
    return wrapper


def own_mark(view: Any) -> Mark:
    """Give the mark on this very object; a class does not have its parent's."""
    of_class = isinstance(view, type)
    found = vars(view).get(ATTRIBUTE) if of_class else getattr(view, ATTRIBUTE, None)
    return found if isinstance(found, Mark) else UNMARKED


def mark_of(endpoint: Any, method: str) -> Mark:
    """Give what the decorators said about the endpoint that a router matched.

    Looks through ``functools.partial``, into classes of views, and at the method of such a class
    that will handle the request.
    """
    if type(endpoint) is types.FunctionType and "view_class" not in endpoint.__dict__:
        # As for most views; what follows would find the same.
        own = endpoint.__dict__.get(ATTRIBUTE)
        return own if isinstance(own, Mark) else UNMARKED
    found = UNMARKED
    while isinstance(endpoint, functools.partial):
        found = found.plus(own_mark(endpoint))
        endpoint = endpoint.func
    # Flask's as_view() makes a function that knows its class.
    view_class = endpoint if isinstance(endpoint, type) else getattr(endpoint, "view_class", None)
    if endpoint is not view_class:
        found = found.plus(own_mark(endpoint))
    if isinstance(view_class, type):
        found = found.plus(_class_mark(view_class, method))
    return found


def check_is_view(view: Any) -> None:
    """A decorator that was put on something else would guard nothing; raise ConfigurationError."""
    if not callable(view):
        raise ConfigurationError(f"{view!r} is no view: write the decorator right above it")


def is_async(view: Any) -> bool:
    """Tell whether calling the view gives something to await."""
    while isinstance(view, functools.partial):
        view = view.func
    return inspect.iscoroutinefunction(view) or inspect.iscoroutinefunction(
        getattr(type(view), "__call__", None)  # noqa: B004  the function behind it is asked for
    )


def _class_mark(view_class: type, method: str) -> Mark:
    """A subclass inherits what is needed; that its parent is open says nothing about it."""
    found = own_mark(view_class)
    for parent in view_class.__mro__[1:]:
        inherited = own_mark(parent).needs
        if inherited:
            found = found.plus(Mark(needs=inherited))
    handler = getattr(view_class, method.lower(), None)
    if handler is None and method == "HEAD":
        handler = getattr(view_class, "get", None)
    dispatchers = [getattr(view_class, name, None) for name in DISPATCHERS]
    for function in (handler, *dispatchers):
        found = found.plus(own_mark(function))
    return found

"""What the decorators leave on a view, and how to find it again from the endpoint that matched.

``requires``, ``public`` and ``optional`` mark the very object that they are put on and the wrapper
that they return. So it does not matter whether the framework's own decorator got to see the view
before or after: whichever of the two it registered carries the mark.
"""

import functools
import inspect
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from bearerguard.core.access import Access
from bearerguard.core.needs import Need, needs_of
from bearerguard.errors import ConfigurationError

ATTRIBUTE = "__bearerguard_mark__"


@dataclass(frozen=True)
class Mark:
    """What decorators said about a view.

    ``is_wrapper`` tells a wrapper of ours from a view. ``answers_options`` is found out by the
    adapter: the view itself, and not a CORS layer, would answer this OPTIONS request.
    """

    needs: tuple[Need, ...] = ()
    public: bool = False
    optional: bool = False
    is_wrapper: bool = False
    answers_options: bool = False

    def plus(self, other: "Mark") -> "Mark":
        """Add another mark: needs add up, and win over public and optional when they meet."""
        return Mark(
            needs=(*self.needs, *(need for need in other.needs if need not in self.needs)),
            public=self.public or other.public,
            optional=self.optional or other.optional,
            is_wrapper=self.is_wrapper or other.is_wrapper,
        )

    def on(self, access: Access) -> Access:
        """Add what the view says to what the paths say."""
        needs = self.needs if access.need is None else (access.need, *self.needs)
        return replace(
            access,
            need=needs_of(needs) if needs else None,
            public=access.public or self.public,
            optional=access.optional or self.optional,
            answers_options=access.answers_options or self.answers_options,
        )


UNMARKED = Mark()


def mark_need(view: Any, need: Need, wrapper: Any) -> None:
    """Mark a view and its wrapper with a need."""
    added = Mark(needs=(need,))
    before = _own(view)
    # A plain view may serve several routes, each with a wrapper and a need of its own; only what a
    # wrapper of ours already carried belongs to the new one too.
    inner = before if before.is_wrapper else UNMARKED
    setattr(wrapper, ATTRIBUTE, replace(inner.plus(added), is_wrapper=True))
    with suppress(AttributeError):  # a bound method cannot carry a mark; its wrapper does
        setattr(view, ATTRIBUTE, before.plus(added))


def mark(view: Any, added: Mark) -> Any:
    """Mark a view, a class of views or an application, and give it back."""
    check_is_view(view)
    try:
        setattr(view, ATTRIBUTE, _own(view).plus(added))
    except AttributeError:
        raise ConfigurationError(f"{view!r} cannot be marked; put it into a function") from None
    return view


def mark_of(endpoint: Any, method: str) -> Mark:
    """Give what the decorators said about the endpoint that a router matched.

    Looks through ``functools.partial``, into classes of views, and at the method of such a class
    that will handle the request.
    """
    while isinstance(endpoint, functools.partial) and ATTRIBUTE not in vars(endpoint):
        endpoint = endpoint.func
    # Flask's as_view() makes a function that knows its class.
    view_class = endpoint if isinstance(endpoint, type) else getattr(endpoint, "view_class", None)
    if not isinstance(view_class, type):
        return _own(endpoint)
    found = _class_mark(view_class)
    if endpoint is not view_class:
        found = found.plus(_own(endpoint))
    handler = getattr(view_class, method.lower(), None)
    if handler is None and method == "HEAD":
        handler = getattr(view_class, "get", None)
    return found.plus(_own(handler))


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


def _own(view: Any) -> Mark:
    """Give the mark on this very object; a class does not have its parent's."""
    of_class = isinstance(view, type)
    found = vars(view).get(ATTRIBUTE) if of_class else getattr(view, ATTRIBUTE, None)
    return found if isinstance(found, Mark) else UNMARKED


def _class_mark(view_class: type) -> Mark:
    """A subclass inherits what is needed; that its parent is open says nothing about it."""
    found = _own(view_class)
    for parent in view_class.__mro__[1:]:
        found = found.plus(Mark(needs=_own(parent).needs))
    return found

"""What the decorators leave on a view, and how it is found again."""

import functools

import pytest

from bearerguard import ConfigurationError, claim, scope
from bearerguard.core.access import Access
from bearerguard.core.marks import (
    UNMARKED,
    Mark,
    check_is_view,
    is_async,
    mark,
    mark_of,
    mark_wrapper,
    missing,
    optional,
    own_mark,
    public,
)

A, B, C = scope("a"), scope("b"), scope("c")


def needing(view, need):
    return mark(view, Mark(needs=(need,)))


def new_view():
    return lambda: None


def test_a_view_without_a_mark_says_nothing():
    assert mark_of(new_view(), "GET") == mark_of(None, "GET") == mark_of(5, "GET") == UNMARKED


def test_a_mark_stays_on_the_view_and_marks_add_up():
    view = new_view()
    assert needing(optional(public(needing(view, A))), B) is view
    assert mark_of(view, "GET") == Mark(needs=(A, B), public=True, optional=True)


def test_something_else_under_the_name_of_the_mark_is_no_mark():
    view = new_view()
    view.__bearerguard_mark__ = {"public": True}
    assert own_mark(view) == UNMARKED


def test_the_same_need_counts_once_and_an_equal_one_twice():
    """``1 == True``: equal needs may ask for different things."""
    one, true = claim("x", equals=1), claim("x", equals=True)
    assert one == true
    assert missing([one, true, A], [one]) == (true, A)
    assert Mark(needs=(one,)).plus(Mark(needs=(one, true))).needs == (one, true)


def test_a_need_of_a_view_joins_what_its_path_needs():
    on_path = Access(need=A, public=True)
    assert Mark(needs=(B,), optional=True).on(on_path) == Access(
        need=A & B, public=True, optional=True
    )
    assert Mark(needs=(B,)).on(Access()) == Access(need=B)
    assert Mark(public=True).on(Access()) == Access(public=True)
    assert Mark(answers_options=True).on(Access()) == Access(answers_options=True)
    assert UNMARKED.on(on_path) == on_path


def test_a_wrapper_has_its_own_need_and_not_that_of_other_wrappers_of_the_view():
    view = new_view()
    needing(view, A)
    wrapper = mark_wrapper(new_view(), view, B)
    assert own_mark(wrapper) == Mark(needs=(B,), is_wrapper=True)


def test_a_wrapper_of_a_wrapper_has_both_needs_and_an_open_view_stays_called_open():
    view = public(new_view())
    inner = mark_wrapper(new_view(), view, A)
    outer = mark_wrapper(new_view(), inner, B)
    assert own_mark(outer) == Mark(needs=(A, B), public=True, is_wrapper=True)


def test_partials_are_looked_through_and_may_carry_marks():
    view = needing(new_view(), A)
    partial = public(functools.partial(view))
    assert mark_of(functools.partial(partial), "GET") == Mark(needs=(A,), public=True)


class Bound:
    def view(self):
        pass


def test_a_bound_method_is_marked_at_its_function():
    """Each access makes another object."""
    needing(Bound().view, A)
    assert mark_of(Bound().view, "GET").needs == (A,)


@pytest.mark.parametrize("opening", [public, optional])
def test_a_bound_method_is_not_opened(opening):
    """Its mark would open the same method of every other object too."""
    with pytest.raises(ConfigurationError, match="bound method"):
        opening(Bound().view)


@pytest.mark.parametrize("target", [len, functools.partial(len).func, object.__init__])
def test_what_cannot_carry_a_mark_is_refused(target):
    with pytest.raises(ConfigurationError, match="cannot be marked"):
        public(target)


@pytest.mark.parametrize("target", ["x", None, 5, []])
def test_what_is_no_view_is_refused(target):
    for decorate in (check_is_view, public, optional):
        with pytest.raises(ConfigurationError, match="is no view"):
            decorate(target)


def new_class():
    class Views:
        def get(self):
            pass

        def post(self):
            pass

    return Views


def test_a_class_has_its_own_mark_and_that_of_the_method():
    views = needing(new_class(), A)
    needing(views.get, B)
    public(views.post)
    assert mark_of(views, "GET").needs == (A, B)
    assert mark_of(views, "HEAD").needs == (A, B)
    assert mark_of(views, "POST") == Mark(needs=(A,), public=True)
    assert mark_of(views, "PUT").needs == (A,)


def test_a_method_for_head_is_asked_where_there_is_one():
    class Views(new_class()):
        def head(self):
            pass

    needing(Views.get, A)
    needing(Views.head, B)
    assert mark_of(Views, "HEAD").needs == (B,)


@pytest.mark.parametrize("name", ["__await__", "dispatch_request"])
def test_the_method_that_runs_the_others_counts_for_all(name):
    views = new_class()
    setattr(views, name, needing(new_view(), C))
    assert mark_of(views, "GET").needs == mark_of(views, "PUT").needs == (C,)


def test_a_subclass_inherits_needs_and_not_that_its_parent_is_open():
    parent = public(optional(needing(new_class(), A)))
    child = type("Child", (parent,), {})
    assert mark_of(child, "GET") == Mark(needs=(A,))
    assert mark_of(needing(child, B), "GET").needs == (B, A)


def test_a_function_that_knows_its_class_has_the_marks_of_both():
    """As Flask's ``as_view()`` makes it."""
    view = needing(new_view(), A)
    view.view_class = needing(new_class(), B)
    assert mark_of(view, "GET").needs == (A, B)
    view.view_class = "no class"
    assert mark_of(view, "GET").needs == (A,)


class AsyncCall:
    async def __call__(self):
        pass


async def coroutine():
    pass


@pytest.mark.parametrize(
    "view", [coroutine, functools.partial(functools.partial(coroutine)), AsyncCall()]
)
def test_async_views_are_told(view):
    assert is_async(view)


@pytest.mark.parametrize("view", [new_view(), functools.partial(len), AsyncCall, new_class()])
def test_other_views_are_not_async(view):
    assert not is_async(view)

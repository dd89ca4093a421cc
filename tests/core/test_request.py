"""What the core knows of a request."""

import pytest

from bearerguard.core.request import RequestView


def test_a_field_is_found_in_any_case_with_all_its_values():
    view = RequestView("GET", "/", None, [("A", "1"), ("b", "2"), ("a", "3")])
    assert (view.field("a"), view.field("b"), view.field("c")) == (["1", "3"], ["2"], [])


PREFLIGHT = [("Origin", "https://a.example"), ("access-control-request-method", "GET")]


@pytest.mark.requirement("FETCH-CORS-1")
def test_a_preflight_is_told_by_its_method_and_two_fields():
    """The Fetch standard; with credentials it is none."""
    assert RequestView("OPTIONS", "/", None, PREFLIGHT).is_preflight()
    for method, fields in [
        ("GET", PREFLIGHT),
        ("options", PREFLIGHT),
        ("OPTIONS", PREFLIGHT[:1]),
        ("OPTIONS", PREFLIGHT[1:]),
        ("OPTIONS", []),
        ("OPTIONS", [*PREFLIGHT, ("AUTHORIZATION", "")]),
    ]:
        assert not RequestView(method, "/", None, fields).is_preflight()


@pytest.mark.requirement("6749-10.3-1")
def test_the_header_fields_are_not_shown():
    view = RequestView("GET", "/x", None, [("Authorization", "Bearer secret-token")])
    assert "secret-token" not in repr(view)
    assert "/x" in repr(view)

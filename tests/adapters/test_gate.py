"""What the wrappers of views enforce beyond what was enforced on the way in."""

import json

import pytest

from bearerguard import scope
from bearerguard.core.needs import need_of
from bearerguard.core.request import RequestView
from bearerguard.gate import Gate, Passed

A, B = scope("a"), scope("b")
REQUEST = RequestView("GET", "/x", None, ())


@pytest.fixture
def gate(guard):
    return Gate(guard=guard, settings={})


def test_what_was_enforced_is_not_asked_again(gate, guard, issuer):
    """An application's own check may be slow, and runs once a request."""
    asked = []
    own = need_of(lambda token: asked.append(token) or True)
    token = guard.verify(issuer.token())
    assert Passed(gate, REQUEST, token, (own,)).refusal((own,)) is None
    assert asked == []


def test_an_equal_need_is_not_the_one_that_was_enforced(gate, guard, issuer):
    token = guard.verify(issuer.token())
    assert Passed(gate, REQUEST, token, (scope("a"),)).refusal((A,)).status == 403


@pytest.mark.parametrize(("scopes", "refused"), [("b", None), ("a", 403), ("", 403)])
def test_what_was_not_enforced_is(gate, guard, issuer, scopes, refused):
    token = guard.verify(issuer.token(scopes))
    answer = Passed(gate, REQUEST, token, (A,)).refusal((A, B))
    assert (None if answer is None else answer.status) == refused


def test_the_answer_names_all_that_the_view_needs(gate, guard, issuer):
    """RFC 6750 section 3.1: also what was enforced already, for the client's next token."""
    token = guard.verify(issuer.token("a"))
    answer = Passed(gate, REQUEST, token, (A,)).refusal((A, B))
    assert 'scope="a b"' in dict(answer.headers)["WWW-Authenticate"]


def test_an_anonymous_caller_is_told_how_to_authenticate(gate):
    answer = Passed(gate, REQUEST, None, ()).refusal((A,))
    assert (answer.status, json.loads(answer.body)) == (401, {})
    assert dict(answer.headers)["WWW-Authenticate"].endswith(', scope="a"')

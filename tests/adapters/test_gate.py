"""What the wrappers of views enforce beyond what was enforced on the way in."""

import json
import logging

import pytest

from bearerguard import ConfigurationError, scope, step_up
from bearerguard.core.needs import need_of
from bearerguard.core.request import RequestView
from bearerguard.flask import public, requires
from bearerguard.gate import Gate

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
    assert gate.refusal((gate, REQUEST, token, (own,)), (own,)) is None
    assert asked == []


def test_an_equal_need_is_not_the_one_that_was_enforced(gate, guard, issuer):
    token = guard.verify(issuer.token())
    assert gate.refusal((gate, REQUEST, token, (scope("a"),)), (A,)).status == 403


@pytest.mark.parametrize(("scopes", "refused"), [("b", None), ("a", 403), ("", 403)])
def test_what_was_not_enforced_is(gate, guard, issuer, scopes, refused):
    token = guard.verify(issuer.token(scopes))
    answer = gate.refusal((gate, REQUEST, token, (A,)), (A, B))
    assert (None if answer is None else answer.status) == refused


def test_the_answer_names_all_that_the_view_needs(gate, guard, issuer):
    """RFC 6750 section 3.1: also what was enforced already, for the client's next token."""
    token = guard.verify(issuer.token("a"))
    answer = gate.refusal((gate, REQUEST, token, (A,)), (A, B))
    assert 'scope="a b"' in dict(answer.headers)["WWW-Authenticate"]


@pytest.mark.requirement("9470-3-1", "9470-3-4")
def test_a_weak_login_is_seen_by_the_wrappers_too(gate, guard, issuer, clock):
    """RFC 9470 section 3: with what was enforced already, for the client's next token."""
    token = guard.verify(issuer.token("a", acr="1", auth_time=int(clock.now)))
    fresh = step_up(max_age=5)
    assert gate.refusal((gate, REQUEST, token, (A,)), (A, fresh)) is None
    clock.tick(6)
    answer = gate.refusal((gate, REQUEST, token, (A,)), (A, fresh, step_up(acr="1")))
    written = dict(answer.headers)["WWW-Authenticate"]
    assert answer.status == 401
    assert 'acr_values="1", max_age="5", scope="a"' in written


def test_an_anonymous_caller_is_told_how_to_authenticate(gate):
    answer = gate.refusal((gate, REQUEST, None, ()), (A,))
    assert (answer.status, json.loads(answer.body)) == (401, {})
    assert dict(answer.headers)["WWW-Authenticate"].endswith(', scope="a"')


# What the start tells


def test_an_open_view_on_several_paths_is_told(guard, caplog):
    """Whoever opened one of them may not know of the other."""
    gate = Gate(guard=guard, settings={})

    def view():
        return "ok"

    with caplog.at_level(logging.WARNING, logger="bearerguard"):
        gate.log_conflicts([("/a", public(view)), ("/b", view), ("/c", public(lambda: ""))])
    assert caplog.messages == ["one open view serves /a, /b: all of them are open"]


def test_a_need_that_wins_over_an_open_view_is_told(guard, caplog):
    gate = Gate(guard=guard, settings={})
    with caplog.at_level(logging.WARNING, logger="bearerguard"):
        gate.log_conflicts([("/a", public(requires("read")(lambda: "")))])
    assert caplog.messages == ["/a is called open and needs something: the need is enforced"]


# The path of a readiness probe


@pytest.mark.parametrize("rule", ["GET /readyz", "* /readyz"])
def test_a_rule_and_a_probe_for_one_path_refuse_the_start(guard, rule):
    """The rule asks for a token and a probe has none: one of them is a mistake."""
    with pytest.raises(ConfigurationError) as refusal:
        Gate(guard=guard, settings={}, rules={rule: "a", "*": "b"}, readiness="/readyz")
    (problem,) = refusal.value.problems
    assert problem.startswith("readiness: ")
    assert repr(rule) in problem


@pytest.mark.parametrize("rule", ["POST /readyz", "GET /readyz/*", "GET /*", "*"])
def test_a_rule_for_something_else_beside_a_probe_is_none_of_its_business(guard, rule):
    gate = Gate(guard=guard, settings={}, rules={rule: "a"}, readiness="/readyz")
    assert gate.asks_if_ready(RequestView("GET", "/readyz", None, ()))
    assert not gate.asks_if_ready(RequestView("POST", "/readyz", None, ()))


def test_what_is_wrong_with_the_probe_and_with_the_rules_is_told_together(guard):
    with pytest.raises(ConfigurationError) as refusal:
        Gate(guard=guard, settings={}, optional=["x"], rules=["x"], readiness="readyz")
    told = str(refusal.value)
    assert "optional: 'x' is no path" in told
    assert "rules: write" in told
    assert "readiness: 'readyz' is no path" in told


def test_a_view_behind_a_probe_is_told_at_the_start(guard, caplog):
    gate = Gate(guard=guard, settings={}, readiness="/readyz")
    with caplog.at_level(logging.WARNING, logger="bearerguard"):
        gate.log_conflicts([("/readyz", None), ("/other", None)])
    assert caplog.messages == ["readiness answers GET /readyz: the view of this path does not"]


def test_without_a_probe_no_path_is_one(guard):
    gate = Gate(guard=guard, settings={})
    assert not gate.asks_if_ready(RequestView("GET", "/readyz", None, ()))


# What stands where the metadata do

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(
    "paths", [{"readiness": f"{WELL_KNOWN}/mcp"}, {"rules": {f"GET {WELL_KNOWN}": "a"}}]
)
def test_nothing_else_is_answered_where_the_metadata_are(issuer, paths):
    """RFC 9728 section 3.1: they need no token, so that no need could be enforced there."""
    guard = issuer.guard(resource="https://rs.example/mcp")
    with pytest.raises(ConfigurationError, match="where the metadata of the resource do"):
        Gate(guard=guard, settings={}, **paths)
    Gate(guard=issuer.guard(), settings={}, **paths)


def test_a_view_where_the_metadata_are_is_told_of(issuer, caplog):
    gate = Gate(guard=issuer.guard(resource="https://rs.example"), settings={})
    caplog.clear()
    gate.log_conflicts([(WELL_KNOWN, lambda request: None)])
    assert caplog.messages == [
        f"the metadata answer at {WELL_KNOWN}: the view of this path does not"
    ]

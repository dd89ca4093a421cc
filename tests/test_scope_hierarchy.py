"""Broad scopes that stand for narrow ones: Guard(scope_implies=...)."""

import pytest

from bearerguard import ConfigurationError, Guard
from bearerguard import Issuer as IssuerSettings
from bearerguard.scope_hierarchy import read_hierarchy


@pytest.mark.requirement("MCP-SCOPE-4")
def test_a_token_has_what_its_scopes_stand_for_through_every_step(issuer):
    """MCP authorization (2026-07-28): broad implies narrow, and never the reverse."""
    guard = issuer.guard(scope_implies={"admin": ["write", "audit"], "write": "read,list"})

    def scopes(text):
        return set(guard.verify(issuer.token(text)).scopes)

    assert scopes("admin") == {"admin", "write", "audit", "read", "list"}
    assert scopes("write x") == {"write", "read", "list", "x"}
    assert scopes("read") == {"read"}
    assert scopes("Admin") == {"Admin"}


def test_a_circle_ends():
    assert read_hierarchy({"a": ["b"], "b": ["a"]}) == {"a": {"a", "b"}, "b": {"a", "b"}}


@pytest.mark.requirement("MCP-SCOPE-4")
def test_scopes_that_every_route_needs_may_be_implied(issuer):
    guard = issuer.guard(scope_implies={"admin": ["api"]}, required_scopes=["api"])
    assert guard.verify(issuer.token("admin")).scopes == {"admin", "api"}


@pytest.mark.parametrize(
    ("allowed", "granted"),
    [
        (["admin", "read"], {"admin", "read"}),
        (["admin"], {"admin"}),
        (["read"], set()),
    ],
)
def test_an_issuer_that_may_not_grant_a_scope_does_not_imply_it(issuer, allowed, granted):
    """Neither what stands in the token nor what follows from it counts beyond scopes_allowed."""
    own = IssuerSettings(issuer.url, audience=issuer.audience, scopes_allowed=allowed)
    guard = Guard(
        issuers=[own],
        scope_implies={"admin": ["read", "write"]},
        fetcher=issuer,
        clock=issuer.clock,
    )
    assert guard.verify(issuer.token("admin")).scopes == granted


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (["admin"], "no mapping"),
        ({"a b": ["read"]}, "is not a scope"),
        ({5: ["read"]}, "must be text"),
        ({"admin": ["a b"]}, "is not a scope"),
        ({"admin": 5}, "must be a list"),
        ({"admin": [""]}, "empty item"),
    ],
)
def test_a_hierarchy_that_cannot_be_meant_refuses_the_start(issuer, wrong, problem):
    with pytest.raises(ConfigurationError, match=problem):
        issuer.guard(scope_implies=wrong)


def test_from_env_takes_a_hierarchy_and_metadata_too(issuer):
    guard = Guard.from_env(
        environ={
            "BEARERGUARD_ISSUER": issuer.url,
            "BEARERGUARD_AUDIENCE": issuer.audience,
            "BEARERGUARD_RESOURCE": "https://rs.example",
        },
        metadata={"resource_name": "Orders"},
        scope_implies={"admin": ["read"]},
        fetcher=issuer,
        clock=issuer.clock,
    )
    assert "read" in guard.verify(issuer.token("admin")).scopes
    assert guard.resource.document()["resource_name"] == "Orders"

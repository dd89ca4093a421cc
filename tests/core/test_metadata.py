"""Protected resource metadata, as values: RFC 9728 sections 2 and 3."""

import json
from dataclasses import fields

import pytest

from bearerguard.core.metadata import (
    NOT_ALLOWED,
    OPTIONS,
    ResourceMetadata,
    answer_by,
    answer_with,
    canonical,
    metadata_url,
)
from bearerguard.core.metadata_members import TOLD_BY_SETTINGS, problems_of_members

RS = "https://rs.example"
WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest.mark.requirement("9728-3-1", "9728-3-2", "9728-3-3", "9728-3-5")
@pytest.mark.parametrize(
    ("resource", "place"),
    [
        (RS, WELL_KNOWN),
        (f"{RS}/", WELL_KNOWN),
        (f"{RS}/api/v1", f"{WELL_KNOWN}/api/v1"),
        (f"{RS}/api/", f"{WELL_KNOWN}/api/"),
        (f"{RS}/x?y=1", f"{WELL_KNOWN}/x?y=1"),
        (f"{RS}/x?y=/a?b", f"{WELL_KNOWN}/x?y=/a?b"),
        (f"{RS}?y=1", f"{WELL_KNOWN}?y=1"),
        (f"{RS}/?y=1", f"{WELL_KNOWN}?y=1"),
        (f"{RS}/caf%C3%A9", f"{WELL_KNOWN}/caf%C3%A9"),
        (f"{RS}//a", f"{WELL_KNOWN}//a"),
    ],
)
def test_the_well_known_path_is_inserted_between_host_and_path(resource, place):
    """RFC 9728 section 3.1: only the slash right after the host is removed."""
    assert metadata_url(resource) == RS + place


@pytest.mark.requirement("MCP-URI-1", "9728-6-1")
@pytest.mark.parametrize(
    ("configured", "published"),
    [
        ("HTTPS://RS.Example/mcp", "https://rs.example/mcp"),
        ("https://RS.example:8443/Mcp?A=B", "https://rs.example:8443/Mcp?A=B"),
        ("https://RS.example?A=B", "https://rs.example?A=B"),
        ("https://RS.example", "https://rs.example"),
        ("https://rs.example/Mcp/", "https://rs.example/Mcp/"),
    ],
)
def test_scheme_and_host_are_published_in_lower_case_and_the_rest_as_it_stands(
    configured, published
):
    """RFC 9728 section 6: clients compare by code point."""
    assert canonical(configured) == published


@pytest.mark.requirement("9728-3.2-2", "9728-2-5")
def test_what_has_no_value_is_left_out():
    """RFC 9728 section 3.2: no empty arrays, no nulls, no defaults."""
    assert ResourceMetadata(resource=RS).document() == {
        "resource": RS,
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.requirement("9728-3.2-2", "9728-2-5")
def test_an_empty_array_is_written_where_it_says_something():
    """RFC 9728 section 2: bearer tokens by no way at all."""
    document = ResourceMetadata(resource=RS, bearer_methods_supported=()).document()
    assert document["bearer_methods_supported"] == []


@pytest.mark.requirement("9728-3.2-2", "9728-2-9", "9728-2-11", "9728-2-12")
def test_one_value_is_an_array_of_one_and_bound_tokens_are_told():
    """RFC 9728 section 2."""
    document = ResourceMetadata(
        resource=RS,
        scopes_supported=("read",),
        authorization_servers=("https://as.example",),
        tls_client_certificate_bound_access_tokens=True,
        dpop_signing_alg_values_supported=("ES256",),
        dpop_bound_access_tokens_required=True,
        more={"resource_name": "Orders"},
    ).document()
    assert document == {
        "resource": RS,
        "authorization_servers": ["https://as.example"],
        "scopes_supported": ["read"],
        "bearer_methods_supported": ["header"],
        "tls_client_certificate_bound_access_tokens": True,
        "dpop_signing_alg_values_supported": ["ES256"],
        "dpop_bound_access_tokens_required": True,
        "resource_name": "Orders",
    }


@pytest.mark.requirement("9728-3.2-1", "9728-3.2-3", "9728-3.1-2")
def test_the_answer_is_json_for_anybody_for_a_bounded_time():
    """RFC 9728 section 3.2, RFC 9111 section 5.2.2.1."""
    answer = answer_with({"resource": RS})
    fields = dict(answer.headers)
    assert (answer.status, json.loads(answer.body)) == (200, {"resource": RS})
    assert fields == {
        "Content-Type": "application/json",
        "Content-Length": str(len(answer.body)),
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": "max-age=600",
    }


@pytest.mark.requirement("9728-3.1-1")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "get", "QUERY"])
def test_other_methods_are_not_allowed(method):
    """RFC 9110 section 15.5.6: with the methods that are."""
    assert answer_by(method, answer_with({})) is NOT_ALLOWED
    assert NOT_ALLOWED.status == 405
    assert dict(NOT_ALLOWED.headers)["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.requirement("9728-3.1-1", "9728-3.1-2")
def test_get_and_head_get_the_document_and_options_what_a_preflight_asks():
    """Fetch standard: a script may send MCP-Protocol-Version, which asks for a preflight."""
    document = answer_with({})
    assert answer_by("GET", document) is answer_by("HEAD", document) is document
    assert answer_by("OPTIONS", document) is OPTIONS
    fields = dict(OPTIONS.headers)
    assert (OPTIONS.status, OPTIONS.body) == (204, b"")
    assert fields["Access-Control-Allow-Origin"] == fields["Access-Control-Allow-Headers"] == "*"
    assert fields["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"


def problems(members, *, http_allowed=False):
    return list(problems_of_members(members, http_allowed=http_allowed))


@pytest.mark.requirement("9728-2-7", "9728-2-8", "9728-2-10", "9396-10-1", "9728-2-3", "9728-2-6")
def test_every_member_that_an_operator_may_add():
    """RFC 9728 sections 2 and 2.1."""
    good = {
        "authorization_servers": ["https://as.example"],
        "scopes_supported": ("read",),
        "jwks_uri": "https://rs.example/jwks",
        "resource_name": "Orders",
        "resource_name#it": "Ordini",
        "resource_name#zh-Hant-TW": "訂單",
        "resource_documentation": "http://docs.example/orders#start",
        "resource_policy_uri#de": "https://docs.example/de/policy",
        "resource_tos_uri": "https://docs.example/tos",
        "authorization_details_types_supported": ["payment"],
        "resource_signing_alg_values_supported": ["ES256"],
        "signed_metadata": lambda claims: "a.b.c",
    }
    assert problems(good) == []
    assert problems({}) == []


@pytest.mark.requirement("9728-2-3", "9728-2-6", "9728-3.2-2", "9728-2-7", "MCP-SCOPE-3")
@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("jwks_uri", "http://rs.example/jwks", "does not begin with https://"),
        ("jwks_uri", "https://rs.example/jwks#a", "has a fragment"),
        ("jwks_uri", "/jwks", "is not an absolute URL"),
        ("jwks_uri", 5, "must be a URL"),
        ("resource_documentation", "orders", "is not an absolute URL"),
        ("resource_tos_uri", None, "must be a URL"),
        ("resource_name", None, "must be text"),
        ("resource_name", " ", "must be text"),
        ("resource_name#", "Orders", "no language tag"),
        ("resource_name#i t", "Orders", "no language tag"),
        ("jwks_uri#it", "https://rs.example/jwks", "no language tag"),
        ("scopes_supported", [], "at least one"),
        ("scopes_supported", "read", "must be a list"),
        ("scopes_supported", ["read write"], "not a scope"),
        ("scopes_supported", ["read", "offline_access"], "refresh token"),
        ("scopes_supported", [5], "must be a list of texts"),
        ("authorization_servers", [], "at least one"),
        ("authorization_details_types_supported", [""], "must be a list of texts"),
        ("resource_signing_alg_values_supported", ["ES256", "None"], "'none'"),
        ("resource_signing_alg_values_supported", [], "at least one"),
        ("signed_metadata", "a.b.c", "must be a function"),
        ("resource_nam", "Orders", "did you mean 'resource_name'?"),
        ("x", "Orders", "known are authorization_servers"),
        (5, "Orders", "no member of RFC 9728"),
    ],
)
def test_a_member_that_cannot_be_published_is_named(name, value, problem):
    """RFC 9728 section 2; nothing empty and no null, section 3.2."""
    (told,) = problems({name: value})
    assert told.startswith(f"metadata[{name!r}] ")
    assert problem in told


def test_http_is_for_loopback_or_as_allowed():
    assert problems({"jwks_uri": "http://localhost/jwks"}) == []
    assert problems({"jwks_uri": "http://rs.example/jwks"}, http_allowed=True) == []


@pytest.mark.parametrize("name", TOLD_BY_SETTINGS)
def test_what_the_settings_tell_is_not_told_twice(name):
    """So that a document cannot promise what is not done."""
    (told,) = problems({name: ["x"]})
    assert f"follows from {TOLD_BY_SETTINGS[name]}" in told


def test_every_member_of_the_class_but_two_is_told_by_settings_alone():
    """The issuers and scopes may be shortened by the operator, everything else is as it is."""
    names = {spec.name for spec in fields(ResourceMetadata)} - {"more"}
    assert names - {*TOLD_BY_SETTINGS} == {"authorization_servers", "scopes_supported"}


@pytest.mark.parametrize("members", [[("resource_name", "x")], "resource_name", 5])
def test_members_are_a_mapping(members):
    (told,) = problems(members)
    assert "no mapping" in told

"""What a guard publishes of the API that it guards: RFC 9728, and what MCP asks of it."""

import json
import logging

import jwt
import pytest

from bearerguard import ConfigurationError, Guard
from bearerguard.testing import SigningKey

A, B, RS = "https://a.example", "https://b.example", "https://rs.example/mcp"
GOOD = {"issuer": A, "audience": RS, "resource": RS}


def document(**settings):
    return Guard(**GOOD | settings).resource.document()


def problems(**settings):
    """Everything that is wrong, one message a problem."""
    with pytest.raises(ConfigurationError) as refusal:
        Guard(**GOOD | settings)
    return list(refusal.value.problems)


@pytest.mark.requirement("9728-2-1", "9728-2-2", "9728-2-3", "9728-2-5", "9728-3.2-2")
def test_the_settings_alone_make_a_document():
    """RFC 9728 section 2: nothing of the issuer's keys, no empty lists."""
    assert document() == {
        "resource": RS,
        "authorization_servers": [A],
        "bearer_methods_supported": ["header"],
    }


def test_without_a_resource_nothing_is_published():
    assert Guard(issuer=A, audience=RS).resource is None


@pytest.mark.requirement("9728-2-9", "9728-2-11", "9728-2-12")
def test_no_bound_tokens_are_promised_while_none_are_accepted():
    """RFC 9728 section 2; DPOP and MTLS take nothing but off in this release."""
    bound = {"tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens_required"}
    assert document().keys().isdisjoint(bound | {"dpop_signing_alg_values_supported"})


@pytest.mark.requirement("9728-1.2-1", "9728-7.1-1")
@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        ("http://rs.example", "does not begin with https://"),
        ("HTTP://rs.example", "does not begin with https://"),
        ("https://rs.example/#x", "has a fragment"),
        ("https://rs.example#", "has a fragment"),
        ("rs.example", "is not an absolute URL"),
        ("/mcp", "is not an absolute URL"),
        ("https://", "is not an absolute URL"),
        ("https://me@rs.example", "carries a user name"),
        ("https://rs.example/a b", "is not an absolute URL"),
        ('https://rs.example/a"b', "is not an absolute URL"),
        ("urn:example:mcp", "is not an absolute URL"),
        ("https://rs.example/a/../b", "has a '.' or '..' in its path"),
        ("https://rs.example/.", "has a '.' or '..' in its path"),
    ],
)
def test_a_resource_that_no_client_can_reach_refuses_the_start(resource, problem):
    """RFC 9728 section 1.2: an https URL without a fragment."""
    (told,) = problems(resource=resource)
    assert told.startswith("resource='")
    assert problem in told


@pytest.mark.requirement("9728-1.2-1")
@pytest.mark.parametrize(
    "settings",
    [{"resource": "http://localhost:8000/mcp"}, {"resource": "http://rs", "allow_http": True}],
)
def test_http_is_for_this_very_machine_or_as_allowed(settings):
    assert document(**settings)["resource"] == settings["resource"]


def test_a_problem_of_the_resource_is_told_once_however_many_issuers_there_are():
    (told,) = problems(issuer=[A, B], resource="http://rs.example")
    assert told.startswith("resource='http://rs.example' (argument)")


@pytest.mark.ml_dsa  # else the start warns of that, too
@pytest.mark.requirement("9728-1.2-2", "9728-3-3")
def test_a_query_is_taken_with_a_warning(caplog):
    """RFC 9728 section 1.2."""
    resource = Guard(**GOOD | {"resource": "https://rs.example/x?y=1"}).resource
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == [
        "resource 'https://rs.example/x?y=1' has a query: RFC 9728 section 1.2 advises against"
    ]
    assert resource.metadata_url.endswith("/.well-known/oauth-protected-resource/x?y=1")


@pytest.mark.requirement("9728-3.3-3")
def test_the_start_tells_that_one_document_serves_all(caplog):
    """RFC 9728 section 3.3: a strict client takes it for the resource itself alone."""
    caplog.set_level(logging.INFO, logger="bearerguard")
    Guard(**GOOD)
    told = [r.getMessage() for r in caplog.records if "described" in r.getMessage()]
    assert told == [
        f"{RS} is described at https://rs.example/.well-known/oauth-protected-resource/mcp, "
        "all of it by one document"
    ]


@pytest.mark.requirement("9728-2-2", "MCP-PRM-1", "9728-6-1")
def test_issuers_are_named_exactly_as_they_are_configured():
    """RFC 9728 section 2."""
    assert document(issuer=[f"{B}/", A])["authorization_servers"] == [f"{B}/", A]


@pytest.mark.requirement("MCP-PRM-1")
@pytest.mark.parametrize("issuer", [None, "", []])
def test_a_resource_without_an_issuer_refuses_the_start(issuer):
    """MCP authorization: authorization_servers has one entry at least."""
    (told,) = problems(issuer=issuer)
    assert told.startswith("issuer is not set")


RESOLVING = {"issuer": None, "resolve_issuer": lambda name: None}


@pytest.mark.requirement("MCP-PRM-1", "9728-2-2")
def test_issuers_that_come_and_go_are_named_where_they_have_a_name():
    """A template is no issuer; what is left open the operator fills in."""
    allowed = ["https://{tenant}.b.example", A]
    assert document(**RESOLVING, issuers_allowed=allowed)["authorization_servers"] == [A]
    metadata = {"authorization_servers": ["https://x.b.example"]}
    named = document(**RESOLVING, issuers_allowed=allowed[:1], metadata=metadata)
    assert named["authorization_servers"] == ["https://x.b.example"]
    (told,) = problems(**RESOLVING, issuers_allowed=allowed[:1])
    assert "resource needs an issuer to name" in told


@pytest.mark.requirement("9728-2-2")
def test_fewer_issuers_may_be_named_than_there_are():
    """RFC 9728 section 2: some may be left out."""
    named = document(issuer=[A, B], metadata={"authorization_servers": [B]})
    assert named["authorization_servers"] == [B]


@pytest.mark.parametrize("more", [{}, {**RESOLVING, "issuers_allowed": ["https://{x}.b.example"]}])
def test_an_issuer_whose_tokens_are_refused_is_not_named(more):
    (told,) = problems(metadata={"authorization_servers": [f"{A}/"]}, **more)
    assert f"names '{A}/', whose tokens are not accepted here" in told


@pytest.mark.requirement("9728-2-4", "9728-3.2-2")
def test_scopes_are_those_that_something_needs_unless_the_operator_says_less():
    """RFC 9728 section 2: hidden ones may be left out."""
    guard = Guard(**GOOD, required_scopes=["api"])
    guard.resource.note_scopes(["write", "read"])
    guard.resource.note_scopes(["read"])
    assert guard.resource.document()["scopes_supported"] == ["api", "read", "write"]

    hiding = Guard(**GOOD, required_scopes=["api"], metadata={"scopes_supported": ["read"]})
    hiding.resource.note_scopes(["write"])
    assert hiding.resource.document()["scopes_supported"] == ["read"]


@pytest.mark.requirement("9728-2-7", "9728-2-8", "9728-2-10", "9396-10-1")
def test_further_members_stand_in_the_document_as_they_were_written():
    """RFC 9728 sections 2 and 2.1, RFC 9396 section 10."""
    more = {
        "resource_name": "Orders",
        "resource_name#it": "Ordini",
        "resource_documentation": "https://docs.example",
        "resource_policy_uri": "https://docs.example/policy",
        "resource_tos_uri": "https://docs.example/tos",
        "authorization_details_types_supported": ["payment"],
        "jwks_uri": "https://rs.example/jwks",
    }
    assert document(metadata=more).items() >= more.items()


@pytest.mark.requirement("9728-2-6")
def test_all_problems_are_named_at_once():
    """RFC 9728 section 2: none is no signature."""
    metadata = {"resource_signing_alg_values_supported": ["none"], "resourcename": "x"}
    told = problems(audience=None, metadata=metadata, scope_implies={"a b": ["c"]})
    assert [text.partition(" ")[0] for text in told] == [
        "audience",
        "scope_implies['a",
        "metadata['resource_signing_alg_values_supported']",
        "metadata['resourcename']",
    ]


def test_metadata_without_a_resource_refuse_the_start():
    (told,) = problems(resource=None, metadata={"resource_name": "x"})
    assert "set resource" in told


@pytest.mark.requirement("MCP-SCOPE-3")
@pytest.mark.parametrize(
    "wrong",
    [
        {"required_scopes": "offline_access"},
        {"metadata": {"scopes_supported": ["offline_access"]}},
        {"scope_implies": {"admin": ["offline_access"]}},
    ],
)
def test_a_scope_that_allows_nothing_here_is_never_asked_for(wrong):
    """MCP authorization (2026-07-28): not in challenges, not in scopes_supported."""
    (told,) = problems(**wrong)
    assert "offline_access" in told


# Signed metadata


@pytest.fixture(scope="module")
def key():
    return SigningKey.generate("ES256", kid="rs-1")


@pytest.fixture
def sign(key):
    return lambda claims: jwt.encode(claims, key.private_key, "ES256", headers={"kid": key.kid})


def read(signed, key):
    verified = jwt.decode(signed, key.private_key.public_key(), ["ES256"])
    return verified.pop("iss"), verified


@pytest.mark.requirement("9728-2.2-1", "9728-2.2-2")
def test_signed_metadata_hold_the_same_members_and_never_themselves(sign, key):
    """RFC 9728 section 2.2: a JWT with iss, here the resource itself."""
    resource = Guard(**GOOD, metadata={"resource_name": "x", "signed_metadata": sign}).resource
    for scope in ("read", "write"):
        resource.note_scopes([scope])
        path = "/.well-known/oauth-protected-resource/mcp"
        served = json.loads(resource.answer("GET", [path], "", is_alone=True).body)
        issuer, claims = read(served.pop("signed_metadata"), key)
        assert issuer == RS
        assert claims == served == resource.document()
        assert scope in served["scopes_supported"]


def fail(claims):
    raise ZeroDivisionError


@pytest.mark.requirement("9728-2.2-1")
@pytest.mark.parametrize("broken", [fail, lambda claims: None, lambda claims: "abc"])
def test_a_function_that_cannot_sign_refuses_the_start(broken):
    (told,) = problems(metadata={"signed_metadata": broken})
    assert told.startswith("metadata['signed_metadata'] failed: ")


def test_a_function_that_fails_later_costs_the_signed_copy_alone(sign, caplog):
    """Some key service hangs up: the plain members are as good as ever, and nobody gets a 500."""
    answers = [sign, fail]

    def sign_once(claims):
        return answers.pop(0)(claims)

    guard = Guard(**GOOD, metadata={"signed_metadata": sign_once})
    guard.resource.note_scopes(["read"])
    path = "/.well-known/oauth-protected-resource"
    answer = guard.resource.answer("GET", [path], "", is_alone=True)
    assert answer is guard.resource.answer("HEAD", [path], "", is_alone=True)
    assert b'"scopes_supported": ["read"]' in answer.body
    assert b"signed_metadata" not in answer.body
    assert "metadata['signed_metadata'] failed" in caplog.text

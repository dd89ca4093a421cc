"""A key id that is a path, a query, a URL or a monster. Source: RFC 8725 section 3.10."""

import pytest

INJECTIONS = [
    "../../x",
    "../../../../dev/null",
    "/dev/null",
    "C:\\Windows\\win.ini",
    "' OR 1=1",
    "x' UNION SELECT 'secret",
    "https://evil.example/jwks.json",
    "file:///etc/passwd",
    "$(id)",
    "| id",
    "%2e%2e%2f",
    "{0.__class__}",
    "%s%n",
    "key-1\x00",
    "key-1\r\nSet-Cookie: a=b",
    " key-1",
    "KEY-1",
    "",
    "é",
    "\U0001f600",
    "x" * 8000,
]


@pytest.mark.requirement("7515-4.1.4-1", "8725-3.10-1")
@pytest.mark.parametrize("kid", INJECTIONS)
def test_a_key_id_is_an_opaque_name_of_a_published_key(issuer, guard, reason, kid):
    """RFC 7515 section 4.1.4: compared, and used for nothing else."""
    guard.verify(issuer.token())
    assert reason(issuer.token(header={"kid": kid})) == "key_unknown"
    known = {issuer.jwks_uri, "https://issuer.example/.well-known/oauth-authorization-server"}
    assert set(issuer.requests) == known


@pytest.mark.requirement("7515-4.1.4-1")
@pytest.mark.parametrize("kid", [5, 0, True, ["a"], [], {"kid": "key-1"}, 1.5])
def test_a_key_id_that_is_no_string_is_refused(issuer, reason, kid):
    assert reason(issuer.token(header={"kid": kid})) == "header_malformed"


@pytest.mark.requirement("7515-4.1.4-1")
def test_a_key_id_of_a_megabyte_is_refused_by_its_length(issuer, reason):
    assert reason(issuer.token(header={"kid": "x" * 1_000_000})) == "token_too_large"

"""A token that brings its own key, or says where to fetch it.

Source: RFC 7515 sections 4.1.2 to 4.1.6, RFC 8725 section 3.10, FAPI 2.0 section 6.
"""

import socket
from dataclasses import replace

import pytest

from bearerguard.testing import SigningKey

KIDS = ["key-1", "forged", None]


@pytest.fixture
def forger():
    return SigningKey.generate("RS256", kid="forged")


@pytest.fixture
def listener():
    """A port that would notice a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.requirement("7515-4.1.3-1", "7515-4.1.6-1")
@pytest.mark.parametrize("kid", KIDS)
@pytest.mark.parametrize("parameter", ["jwk", "x5c", "both"])
def test_a_key_in_the_header_is_never_used(issuer, reason, forger, kid, parameter):
    """RFC 7515 sections 4.1.3 and 4.1.6: signed by that very key."""
    brought = {"jwk": dict(forger.jwk), "x5c": ["MIIB", forger.public_pem().decode()]}
    header = brought if parameter == "both" else {parameter: brought[parameter]}
    raw = issuer.token(key=forger, header={**header, "kid": kid})
    assert reason(raw) in ("signature_invalid", "key_unknown")


@pytest.mark.requirement("7515-4.1.2-1", "7515-4.1.5-1", "8725-3.10-1", "FAPI2-6-2")
@pytest.mark.parametrize("kid", KIDS)
@pytest.mark.parametrize("parameter", ["jku", "x5u"])
def test_a_url_in_the_header_is_not_followed(
    issuer, guard, reason, forger, listener, parameter, kid
):
    """RFC 7515 sections 4.1.2 and 4.1.5: signed by the key that the URL would give."""
    port = listener.getsockname()[1]
    header = {parameter: f"http://127.0.0.1:{port}/jwks.json", "kid": kid}
    guard.verify(issuer.token())
    asked = list(issuer.requests)
    assert reason(issuer.token(key=forger, header=header)) in ("signature_invalid", "key_unknown")
    assert all(str(port) not in url for url in issuer.requests)
    assert set(asked) == set(issuer.requests)  # an unknown kid asks the issuer, and nobody else
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.requirement("7515-4.1.2-1", "7515-4.1.3-1", "7515-4.1.6-1")
@pytest.mark.parametrize("value", ["https://evil.example", 5, None, {}, ["x"], ""])
@pytest.mark.parametrize("parameter", ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256"])
def test_such_a_parameter_in_a_good_token_changes_nothing(issuer, guard, parameter, value):
    """Not even its form is looked at: SAP and others send jku with every token."""
    assert guard.verify(issuer.token(header={parameter: value})).subject == "user-1"


def test_a_forger_does_not_profit_from_the_thumbprint_of_a_real_key(issuer, reason, forger):
    pretender = replace(forger, jwk={**forger.jwk, "kid": issuer.key.kid})
    assert reason(issuer.token(key=pretender)) == "signature_invalid"


def test_the_issuer_of_an_unverified_token_is_never_asked(issuer, reason, forger):
    """RFC 8725 section 3.10: no network for a name that a stranger wrote."""
    raw = issuer.token(key=forger, iss="https://evil.example")
    assert reason(raw) == "issuer_mismatch"
    assert issuer.requests == []

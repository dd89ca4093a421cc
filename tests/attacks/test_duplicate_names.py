"""One name twice: two readers see two documents. Source: RFC 7515 section 4, RFC 7519 section 4."""

import json

import pytest


def with_text(document: dict, text: str) -> bytes:
    """Write a JSON object and add members as they stand."""
    return f"{json.dumps(document)[:-1]},{text}}}".encode()


@pytest.mark.requirement("7519-4-1")
@pytest.mark.parametrize(
    ("name", "twice"),
    [
        ("exp", '"exp":1,"exp":1800000300'),
        ("exp", '"exp":1800000300,"exp":1'),
        ("sub", '"sub":"user-1","sub":"admin"'),
        ("sub", '"sub":"user-1","sub":"user-1"'),
        ("sub", r'"sub":"user-1","s\u0075b":"admin"'),
        ("scope", '"scope":"read","scope":"admin"'),
        ("aud", '"aud":"https://api.example","aud":"https://api.example"'),
        ("x", '"x":{"y":1,"y":2}'),
        ("x", '"x":[[{"y":1,"y":2}]]'),
    ],
)
def test_a_claim_that_is_there_twice_refuses_the_token(issuer, reason, name, twice):
    """RFC 7519 section 4 permits "the last one wins"; we take the other choice."""
    payload = with_text(issuer.claims(without=[name]), twice)
    assert reason(issuer.sign(payload)) == "claims_malformed"


@pytest.mark.requirement("7515-4-1")
@pytest.mark.parametrize(
    ("name", "twice"),
    [
        ("alg", '"alg":"RS256","alg":"RS256"'),
        ("typ", '"typ":"at+jwt","typ":"at+jwt"'),
        ("kid", '"kid":"key-1","kid":"key-1"'),
        ("kid", '"kid":"x","kid":"key-1"'),
        ("alg", r'"\u0061lg":"none","alg":"RS256"'),
        ("x", '"x":{"y":1,"y":1}'),
    ],
)
def test_a_header_parameter_that_is_there_twice_refuses_it(issuer, reason, sign_bytes, name, twice):
    """RFC 7515 section 4."""
    good = {"alg": "RS256", "typ": "at+jwt", "kid": "key-1"}
    header = with_text({n: value for n, value in good.items() if n != name}, twice)
    raw = sign_bytes(header, json.dumps(issuer.claims()).encode())
    assert reason(raw) == "header_malformed"

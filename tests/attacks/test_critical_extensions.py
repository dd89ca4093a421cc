"""Extensions that change what a signature means. Source: RFC 7515 section 4.1.11, RFC 7797."""

import json

import pytest

from bearerguard.core.encoding import base64url_encode


@pytest.mark.requirement("7515-4.1.11-1", "7515-4.1.11-2", "7797-6-1")
@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["x"], "x": 1},
        {"crit": ["x"]},
        {"crit": []},
        {"crit": "x", "x": 1},
        {"crit": ["alg"]},
        {"crit": ["b64", "b64"], "b64": True},
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"crit": ["exp"], "exp": 1},
        {"crit": {"x": 1}, "x": 1},
        {"crit": [1]},
        {"crit": 1},
        {"crit": False},
        {"crit": "unset"},
        {"b64": False},
        {"b64": 0},
        {"b64": "false"},
        {"b64": []},
    ],
    ids=str,
)
def test_an_extension_is_refused(issuer, reason, header):
    """RFC 7515 section 4.1.11: we support none, so each one is unknown or malformed."""
    assert reason(issuer.token(header=header)) == "extension_not_supported"


@pytest.mark.requirement("7515-4.1.11-2")
def test_a_list_of_extensions_that_is_null_is_refused(issuer, reason, sign_bytes):
    header = b'{"typ":"at+jwt","alg":"RS256","kid":"key-1","crit":null}'
    raw = sign_bytes(header, json.dumps(issuer.claims()).encode())
    assert reason(raw) == "extension_not_supported"


@pytest.mark.requirement("7797-6-1")
@pytest.mark.parametrize("crit", [{}, {"crit": ["b64"]}])
def test_an_unencoded_payload_is_refused(issuer, reason, crit):
    """RFC 7797 section 6: signed as that document says; JWTs must not use it."""
    header = {"typ": "at+jwt", "alg": "RS256", "kid": "key-1", "b64": False, **crit}
    first = base64url_encode(json.dumps(header).encode())
    payload = b"x"  # any text without a dot
    signature = base64url_encode(issuer.key.sign(first + b"." + payload))
    raw = b".".join((first, base64url_encode(payload), signature)).decode()
    assert reason(raw) == "extension_not_supported"


def test_an_encoded_payload_that_says_so_is_ordinary(issuer, guard):
    """``b64: true`` is what every JWS is; without crit it changes nothing."""
    assert guard.verify(issuer.token(header={"b64": True})).subject == "user-1"

"""Another spelling of the same token, to slip past whoever compares raw tokens.

Source: RFC 7515 section 2; CVE-2026-102269 of PyJWT: characters after the signature were ignored.
"""

import pytest

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.requirement("7515-2-2", "7515-2-1")
@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA", "ML-DSA-44"])
def test_no_other_last_character_gives_the_same_token(issuer, guard, reason, keys, alg):
    """RFC 7515 section 2: unused bits must be zero."""
    issuer.keys = [keys(alg)]
    raw = issuer.token()
    assert guard.verify(raw).subject == "user-1"
    for last in ALPHABET.replace(raw[-1], ""):
        assert reason(raw[:-1] + last) in ("token_malformed", "signature_invalid")


@pytest.mark.requirement("7515-2-1", "7519-7.2-1")
@pytest.mark.parametrize(
    "added", ["A", "AA", "AAA", "AAAA", "=", "==", ".", ".A", "\n", " ", "\x00"]
)
@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_nothing_can_be_added_at_an_end(issuer, reason, keys, alg, added):
    issuer.keys = [keys(alg)]
    raw = issuer.token()
    assert reason(raw + added) in ("token_malformed", "signature_invalid")
    assert reason(added + raw) in ("token_malformed", "header_malformed")


@pytest.mark.requirement("7515-2-1")
@pytest.mark.parametrize(("place", "new"), [("-", "+"), ("_", "/")])
def test_the_other_alphabet_of_base64_is_refused(issuer, reason, place, new):
    raw = issuer.token(filler="\u00fb\u00ff\u00fe~~~???>>>" * 3)
    while place not in raw:
        raw = issuer.token()
    assert reason(raw.replace(place, new)) == "token_malformed"


@pytest.mark.requirement("7515-2-1")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_leading_zero_octet_is_no_other_spelling_of_a_signature(issuer, reason, keys, alg):
    issuer.keys = [keys(alg)]
    head, _, signature = issuer.token().rpartition(".")
    assert reason(f"{head}.AA{signature}") in ("token_malformed", "signature_invalid")
    assert reason(f"{head}.AAAA{signature}") == "signature_invalid"

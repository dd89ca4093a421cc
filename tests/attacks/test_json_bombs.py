"""Documents that are made to exhaust whoever reads them. Source: RFC 8725 section 3, RFC 8259 9."""

import json

import pytest

from bearerguard.core.encoding import base64url_encode

ROOM = {"max_token_bytes": 1 << 20}


def deep(opening: str, inner: str, closing: str, depth: int) -> bytes:
    return (opening * depth + inner + closing * depth).encode()


SHAPES = [("[", "", "]"), ('{"a":', "1", "}"), ('[{"a":', "[]", "}]")]


@pytest.mark.requirement("7519-7.2-3", "GEN-11")
@pytest.mark.parametrize("length", [16_385, 1_000_000, 20_000_000])
def test_a_huge_token_is_refused_by_its_length(reason, length):
    assert reason("x" * length) == "token_too_large"


@pytest.mark.requirement("7519-7.2-3")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("settings", [{}, ROOM])
def test_a_hundred_thousand_levels_are_refused(issuer, reason, shape, settings):
    """Whether the limit of size stops them, or the limit of depth behind it."""
    payload = json.dumps(issuer.claims()).encode()[:-1] + b',"x":' + deep(*shape, 100_000) + b"}"
    by = issuer.guard(**settings)
    assert reason(issuer.sign(payload), by=by) in ("token_too_large", "claims_malformed")


@pytest.mark.requirement("7519-7.2-3")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("depth", [40, 500, 5_000])
def test_deep_claims_within_the_limit_of_size_are_refused(issuer, guard, reason, shape, depth):
    """Below and beyond the recursion limit of the interpreter; explain says the same."""
    payload = json.dumps(issuer.claims()).encode()[:-1] + b',"x":' + deep(*shape, depth) + b"}"
    raw = issuer.sign(payload)
    by = issuer.guard(**ROOM)
    assert reason(raw, by=by) == "claims_malformed"
    assert by.explain(raw).first_failure.reason == "claims_malformed"


@pytest.mark.requirement("7519-7.2-3")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_deep_header_is_refused(issuer, reason, sign_bytes, shape):
    header = b'{"typ":"at+jwt","alg":"RS256","kid":"key-1","x":' + deep(*shape, 2_000) + b"}"
    raw = sign_bytes(header, json.dumps(issuer.claims()).encode())
    assert reason(raw, by=issuer.guard(**ROOM)) == "header_malformed"


@pytest.mark.requirement("7519-7.2-3")
@pytest.mark.parametrize(
    ("claim", "why"),
    [
        (b'"x":' + b"9" * 10_000, "claims_malformed"),
        (b'"exp":' + b"9" * 129, "claims_malformed"),
        (b'"exp":1e999', "claims_malformed"),
        (b'"exp":1' + b"0" * 127, "claim_malformed"),
    ],
)
def test_a_number_of_thousands_of_digits_is_refused(issuer, reason, claim, why):
    """Their conversion is quadratic."""
    payload = json.dumps(issuer.claims(without=["exp"])).encode()[:-1] + b"," + claim
    payload += b"}" if b"exp" in claim else b',"exp":1800000300}'
    assert why == reason(issuer.sign(payload))


def test_many_names_and_long_strings_are_only_long(issuer):
    """No limit of their own: the limit of size is theirs."""
    guard = issuer.guard(**ROOM)
    claims = {f"claim-{n}": "x" * 10 for n in range(5_000)}
    assert guard.verify(issuer.token(**claims)).subject == "user-1"


def test_names_that_collide_in_a_hash_table_cost_no_more(issuer, reason):
    """Strings are hashed with a random seed, and numbers are no names in JSON."""
    names = json.dumps({str(n * (2**61 - 1)): 0 for n in range(400)}).encode()
    header = base64url_encode(b'{"alg":"RS256","typ":"at+jwt"}')
    assert reason(f"{header.decode()}.{base64url_encode(names).decode()}.AA") == "claim_missing"

"""ECDSA signatures with r or s out of range (CVE-2022-21449 and its kin).

Source: RFC 7518 section 3.4, FIPS 186-5 section 6.4.2: r and s are from 1 to n - 1.
"""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bearerguard.core.encoding import base64url_decode, base64url_encode

# The order n of each curve, and the octets of a coordinate.
ORDERS = {
    "ES256": (ec.SECP256R1.group_order, 32),
    "ES384": (ec.SECP384R1.group_order, 48),
    "ES512": (ec.SECP521R1.group_order, 66),
}


def signed_with(raw: str, r: int, s: int, size: int) -> str:
    signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return raw.rpartition(".")[0] + "." + base64url_encode(signature).decode()


def signature_of(raw: str, size: int) -> tuple[int, int]:
    octets = base64url_decode(raw.rpartition(".")[2].encode())
    return int.from_bytes(octets[:size], "big"), int.from_bytes(octets[size:], "big")


@pytest.mark.requirement("7518-3.4-2")
@pytest.mark.parametrize("alg", ORDERS)
@pytest.mark.parametrize(
    ("r", "s"), [("0", "0"), ("0", "s"), ("r", "0"), ("n", "s"), ("r", "n"), ("n", "n"), ("1", "0")]
)
def test_a_half_that_is_zero_or_the_order_is_refused(issuer, reason, keys, alg, r, s):
    issuer.keys = [keys(alg)]
    order, size = ORDERS[alg]
    raw = issuer.token()
    real = signature_of(raw, size)
    halves = {"0": 0, "1": 1, "n": order, "r": real[0], "s": real[1]}
    assert reason(signed_with(raw, halves[r], halves[s], size)) == "signature_invalid"


@pytest.mark.requirement("7518-3.4-2")
@pytest.mark.parametrize("half", [0, 1])
def test_a_half_plus_the_order_is_refused(issuer, reason, keys, half):
    """It is the same number modulo n; the coordinates of P-521 leave room to write it."""
    issuer.keys = [keys("ES512")]
    order, size = ORDERS["ES512"]
    raw = issuer.token()
    halves = list(signature_of(raw, size))
    halves[half] += order
    assert reason(signed_with(raw, *halves, size)) == "signature_invalid"


@pytest.mark.requirement("7518-3.4-2")
@pytest.mark.parametrize("alg", ORDERS)
def test_zeros_of_any_length_are_refused(issuer, reason, keys, alg):
    issuer.keys = [keys(alg)]
    unsigned = issuer.token().rpartition(".")[0]
    for length in (0, 1, 63, 64, 65, 96, 132):
        zeros = base64url_encode(bytes(length)).decode()
        assert reason(f"{unsigned}.{zeros}") == "signature_invalid"


@pytest.mark.parametrize("alg", ORDERS)
def test_the_mirrored_signature_verifies_so_that_a_raw_token_is_no_name(issuer, guard, keys, alg):
    """(r, n - s) is as good as (r, s) in ECDSA: lists of revoked tokens must go by jti."""
    issuer.keys = [keys(alg)]
    order, size = ORDERS[alg]
    raw = issuer.token()
    r, s = signature_of(raw, size)
    twin = signed_with(raw, r, order - s, size)
    assert twin != raw
    assert guard.verify(raw).token_id == guard.verify(twin).token_id

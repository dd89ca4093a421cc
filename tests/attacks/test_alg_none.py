"""A token that calls itself unsecured. Source: RFC 8725 section 3.2, RFC 7519 section 6."""

import json

import pytest

from bearerguard.core.encoding import base64url_encode
from bearerguard.core.signature import REGISTRY

SPELLINGS = ["none", "None", "NONE", "nOnE", "noNE", "none ", "none\x00", "null"]


@pytest.mark.requirement("7518-3.6-1", "9068-2.1-1", "7519-6-1", "8725-3.2-1", "8725bis-3.1-1")
@pytest.mark.parametrize("alg", SPELLINGS)
@pytest.mark.parametrize("signature", ["", "AA", "the real one"])
@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
def test_an_unsecured_token_is_refused(issuer, reason, profile, alg, signature):
    real = issuer.token().rpartition(".")[2]
    header = {"typ": "at+jwt", "alg": alg, "kid": issuer.key.kid}
    parts = [base64url_encode(json.dumps(p).encode()).decode() for p in (header, issuer.claims())]
    raw = ".".join([*parts, real if signature == "the real one" else signature])
    assert reason(raw, by=issuer.guard(profile=profile)) == "algorithm_not_allowed"


@pytest.mark.requirement("7518-3.6-1")
def test_a_good_token_without_its_signature_is_refused(issuer, reason):
    assert reason(issuer.token().rpartition(".")[0] + ".") == "signature_invalid"
    assert reason(issuer.token().rpartition(".")[0]) == "token_malformed"


@pytest.mark.requirement("7515-4-1", "7518-3.6-1")
@pytest.mark.parametrize("order", [("none", "RS256"), ("RS256", "none")])
def test_two_algorithms_in_one_header_are_refused(issuer, reason, sign_bytes, order):
    """RFC 7515 section 4: correctly signed, so that only the repeated name speaks against it."""
    header = f'{{"alg":"{order[0]}","alg":"{order[1]}","typ":"at+jwt","kid":"key-1"}}'
    raw = sign_bytes(header.encode(), json.dumps(issuer.claims()).encode())
    assert reason(raw) == "header_malformed"


@pytest.mark.requirement("8725bis-3.1-1", "7515-4.1.1-1")
@pytest.mark.parametrize("alg", ["hs256", "rs256", "Rs256", "RS256 ", " RS256", "RS\u0406256"])
def test_an_algorithm_is_compared_exactly(issuer, reason, alg):
    """RFC 8725bis section 3.1: an allow-list, case-sensitive."""
    assert reason(issuer.token(header={"alg": alg})) == "algorithm_not_allowed"


@pytest.mark.requirement("7518-3.6-1")
def test_there_is_no_code_that_could_accept_it():
    assert not [alg for alg in REGISTRY if alg.lower() == "none"]

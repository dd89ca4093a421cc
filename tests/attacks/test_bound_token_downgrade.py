"""A token bound to a key of its client, stolen and sent as a plain Bearer token.

Source: RFC 9449 section 7.2, RFC 8705 section 3, RFC 7800 section 3.1.
"""

import pytest

from bearerguard.core.access import Access
from bearerguard.core.request import RequestView
from bearerguard.errors import RejectedError


@pytest.mark.requirement("7800-3.1-2")
@pytest.mark.parametrize("proof", [(), (("DPoP", "eyJ.eyJ.sig"),)])
@pytest.mark.parametrize(
    "cnf", [{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, {"x5t#S256": "A4D"}]
)
def test_a_bound_token_is_refused_as_bearer_with_or_without_a_proof(issuer, guard, cnf, proof):
    headers = [("Authorization", f"Bearer {issuer.token(cnf=cnf)}"), *proof]
    with pytest.raises(RejectedError) as refusal:
        guard.admit(RequestView("GET", "/", None, headers), Access())
    assert (refusal.value.status, refusal.value.error) == (401, "invalid_token")


@pytest.mark.requirement("7800-3.1-1")
@pytest.mark.parametrize("cnf", ["x", [], None, 5, False])
def test_a_confirmation_that_is_no_object_is_refused_and_not_ignored(issuer, reason, cnf):
    assert reason(issuer.token(cnf=cnf)) == "claim_malformed"

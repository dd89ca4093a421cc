"""Every named bad token of bearerguard.testing is refused, by every kind of guard."""

import pytest

from bearerguard.testing import BAD_TOKENS


@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_is_refused(issuer, reason, name, profile):
    """``reason`` asserts 401 invalid_token."""
    assert reason(BAD_TOKENS[name](issuer), by=issuer.guard(profile=profile))


def test_the_good_token_is_accepted_so_that_the_refusals_mean_something(issuer, guard):
    assert guard.verify(issuer.token()).subject == "user-1"

"""The named bad tokens: each is refused, and for the reason that its name says."""

import pytest

from bearerguard import RejectedError
from bearerguard.testing import BAD_TOKENS, Issuer, bad_tokens

# What each name promises, with the strict profile and with the lenient one.
REASONS = {
    "garbage": "token_malformed",
    "unsigned": "algorithm_not_allowed",
    "forged": "signature_invalid",
    "altered": "signature_invalid",
    "signed_with_the_public_key": "algorithm_not_allowed",
    "unknown_key": "key_unknown",
    "own_key_in_header": "signature_invalid",
    "expired": "expired",
    "without_expiry": "claim_missing",
    "expiry_as_text": "claim_malformed",
    "not_yet_valid": "not_yet_valid",
    "issued_in_the_future": "issued_in_the_future",
    "wrong_issuer": "issuer_mismatch",
    "issuer_with_slash": "issuer_mismatch",
    "without_issuer": "issuer_missing",
    "wrong_audience": "audience_mismatch",
    "without_audience": "audience_missing",
    "empty_audience": "audience_mismatch",
    "without_subject": "claim_missing",
    "id_token": ("type_mismatch", "audience_mismatch"),
    "id_token_for_this_api": ("type_mismatch", "wrong_kind_of_token"),
    "logout_token": "type_mismatch",
    "security_event": "type_mismatch",
    "unknown_extension": "extension_not_supported",
    "bound_to_a_key": "token_bound",
    "padded": "token_malformed",
    "four_parts": "token_malformed",
    "oversized": "token_too_large",
}
# The claims that the name speaks of, where the reason alone could be another one's.
MISSING = {"without_expiry": "exp", "without_subject": ["sub"]}


def test_every_name_has_a_reason():
    assert REASONS.keys() == BAD_TOKENS.keys()


@pytest.mark.parametrize("name", REASONS)
@pytest.mark.parametrize(("profile", "column"), [("rfc9068", 0), ("jwt", -1)])
def test_a_bad_token_is_refused_for_the_reason_that_its_name_says(issuer, name, profile, column):
    with pytest.raises(RejectedError) as refusal:
        issuer.guard(profile=profile).verify(BAD_TOKENS[name](issuer))

    reasons = REASONS[name]
    assert refusal.value.reason == (reasons if isinstance(reasons, str) else reasons[column])
    assert MISSING.get(name) in (None, refusal.value.expected)


@pytest.mark.parametrize("alg", ["ES256", "Ed25519", "ML-DSA-44"])
def test_the_names_hold_for_issuers_with_other_keys(clock, alg):
    issuer = Issuer(clock=clock, alg=alg)
    guard = issuer.guard()
    assert guard.verify(issuer.token()).subject == "user-1"
    for name, raw in bad_tokens(issuer).items():
        with pytest.raises(RejectedError) as refusal:
            guard.verify(raw)
        assert refusal.value.reason in REASONS[name]


# Where one defect is seen by two checks: no issuer is also a required claim that is missing.
ALSO = {
    "without_issuer": ["required"],
    "without_audience": ["required"],
    "without_expiry": ["required"],
    "unsigned": ["signature"],
    "signed_with_the_public_key": ["signature"],
    "id_token": ["audience"],  # an ID token is for its client
}


@pytest.mark.parametrize("name", sorted(REASONS.keys() - {"oversized", "garbage"}))
def test_nothing_but_the_named_defect_is_wrong(issuer, name):
    """Otherwise a guard that misses the defect would refuse the token for something else."""
    guard = issuer.guard()
    guard.verify(issuer.token())

    report = guard.explain(BAD_TOKENS[name](issuer))

    failed = [check.name for check in report.checks if check.passed is False]
    assert failed[1:] == ALSO.get(name, [])


def test_the_oversized_token_is_good_but_for_its_size(issuer):
    """As the module says: whoever raises the limit asks for it."""
    raw = BAD_TOKENS["oversized"](issuer)
    assert issuer.guard(max_token_bytes=1 << 16).verify(raw).subject == "user-1"


def test_they_are_made_anew_for_each_issuer(issuer, clock):
    other = Issuer("https://other.example", clock=clock, alg="ES256")
    assert bad_tokens(issuer).keys() == bad_tokens(other).keys()
    assert bad_tokens(issuer)["expired"] != bad_tokens(other)["expired"]

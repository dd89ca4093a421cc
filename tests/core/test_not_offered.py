"""Options that do not exist, on purpose: the safe default holds and nothing switches it off.

``tests/not_offered.md`` gives the reason for each.
"""

from dataclasses import fields

import pytest

from bearerguard import ConfigurationError, RejectedError
from bearerguard.core.access import Access
from bearerguard.settings import Settings

NAMES = {spec.name for spec in fields(Settings)}


@pytest.mark.requirement("9068-4-2", "9068-4-3", "7519-4.1.7-1", "7800-3.1-2", "FAPI2-5.4-1")
@pytest.mark.parametrize(
    "word",
    [
        "jwe",
        "crypt",
        "jti",
        "once",
        "replay",
        "cnf",
        "bound",
        "bearer",
        "fapi",
        "query",
        "form",
        "body",
        "cookie",
        "insecure",
        "disable",
        "skip",
        "verify",
        "debug",
        "jku",
        "x5u",
        "x5c",
    ],
)
def test_no_setting_switches_such_a_thing_on(word):
    assert not [name for name in NAMES if word in name]


@pytest.mark.requirement("9068-4-2", "9068-4-3", "7519-4.1.7-1", "7800-3.1-2")
@pytest.mark.parametrize(
    "name", ["decryption_key", "require_encryption", "one_time", "allow_bound_tokens", "fapi"]
)
def test_a_made_up_setting_refuses_the_start(issuer, name):
    """It is not ignored in silence, which would feel like an option."""
    with pytest.raises(ConfigurationError, match=f"{name}.*is not a setting"):
        issuer.guard(**{name: "on"})


@pytest.mark.requirement("FAPI2-5.4-1")
@pytest.mark.parametrize("profile", ["fapi", "fapi2"])
def test_there_is_no_fapi_profile(issuer, profile):
    with pytest.raises(ConfigurationError, match="is no profile"):
        issuer.guard(profile=profile)


@pytest.mark.requirement("FAPI2-5.4-1")
@pytest.mark.parametrize(
    ("alg", "accepted"),
    [("PS256", True), ("ES256", True), ("EdDSA", True), ("RS256", False), ("ES384", False)],
)
def test_the_algorithms_of_fapi_can_be_set(issuer, keys, reason, alg, accepted):
    """FAPI 2.0 security profile, section 5.4."""
    issuer.keys = [keys(alg)]
    guard = issuer.guard(algorithms="PS256,ES256,EdDSA,Ed25519")
    if accepted:
        assert guard.verify(issuer.token()).subject == "user-1"
    else:
        assert reason(issuer.token(), by=guard) == "algorithm_not_allowed"


@pytest.mark.requirement("7519-4.1.7-1")
def test_a_token_may_be_used_until_it_expires(issuer, guard):
    """No mode of one use: jti is for the application, which sees it as token_id."""
    raw = issuer.token(jti="one")
    assert [guard.verify(raw).token_id for _ in range(2)] == ["one", "one"]


@pytest.mark.requirement("7800-3.1-2", "9700-2.2.1-1")
@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {"x5t#S256": "x"}, {"kid": "x"}, {"unknown": 1}, {}])
@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
def test_a_bound_token_is_never_taken_as_plain_bearer(issuer, reason, profile, cnf):
    """RFC 7800 section 3.1 would let an unknown method pass: that is a downgrade, and no setting."""
    assert reason(issuer.token(cnf=cnf), by=issuer.guard(profile=profile)) == "token_bound"


@pytest.mark.requirement("9700-2.2.1-1")
@pytest.mark.parametrize("name", ["dpop", "mtls"])
def test_sender_constraint_is_off_and_says_that_it_is_still_to_come(issuer, name):
    """It is refused rather than accepted without effect."""
    assert getattr(issuer.guard().settings, name) == "off"
    with pytest.raises(ConfigurationError, match="not available yet"):
        issuer.guard(**{name: "require"})


@pytest.mark.requirement("9068-4-2", "9068-4-3")
def test_signed_tokens_are_what_this_api_takes_and_encrypted_ones_are_refused(issuer, guard):
    """RFC 9068 section 4: nothing was agreed at registration, so nothing is decrypted."""
    assert guard.verify(issuer.token()).subject == "user-1"
    with pytest.raises(RejectedError) as refusal:
        guard.verify("a.b.c.d.e")
    assert (refusal.value.reason, refusal.value.error) == ("token_encrypted", "invalid_token")
    assert guard.answer(refusal.value, Access()).status == 401

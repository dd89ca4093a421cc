"""The three ways to fail, and the fixed texts that a caller may see."""

import copy
import pickle
import re

import pytest

import bearerguard
from bearerguard import errors
from bearerguard.errors import (
    REASONS,
    BearerguardError,
    ConfigurationError,
    RejectedError,
    UnavailableError,
)


def test_the_errors_are_exported_at_the_root():
    for name in ("RejectedError", "UnavailableError", "ConfigurationError"):
        assert getattr(errors, name) is getattr(bearerguard, name)


def test_one_except_clause_can_catch_them_all():
    for error in (RejectedError("expired"), UnavailableError("down"), ConfigurationError("x")):
        assert isinstance(error, BearerguardError)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_status_and_an_error_of_rfc_6750(reason):
    """RFC 6750 section 3.1, and the one of RFC 9470 section 3."""
    refusal = RejectedError(reason)
    by_error = {
        None: 401,
        "invalid_request": 400,
        "invalid_token": 401,
        "insufficient_scope": 403,
        "insufficient_user_authentication": 401,
    }
    assert by_error[refusal.error] == refusal.status
    assert (refusal.error is None) == (refusal.description is None)
    assert reason == refusal.reason == str(refusal)


def test_only_a_request_without_credentials_gets_no_error():
    """RFC 6750 section 3.1: no error code for whoever did not know that a token is needed."""
    assert [name for name in REASONS if RejectedError(name).error is None] == ["no_credentials"]


@pytest.mark.requirement("6750-3-5")
def test_every_description_has_only_the_characters_that_rfc_6750_allows():
    """RFC 6750 section 3."""
    texts = {kind.description for kind in REASONS.values()} - {None}
    for text in texts | {UnavailableError.description}:
        assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", text)


def test_one_text_serves_every_invalid_token_but_an_expired_one():
    """Otherwise a forger would learn from the text how far a forgery got."""
    texts = {n: k.description for n, k in REASONS.items() if k.error == "invalid_token"}
    assert texts.pop("expired") == "The access token expired"
    assert len(set(texts.values())) == 1


def test_facts_are_kept_apart_from_what_a_caller_sees():
    refusal = RejectedError("audience_mismatch", expected=("a",), found=["<b>"])
    assert (refusal.expected, refusal.found) == (("a",), ["<b>"])
    assert "<b>" not in f"{refusal} {refusal!r} {refusal.description}"


def test_a_reason_that_is_not_in_the_table_cannot_be_given():
    with pytest.raises(KeyError):
        RejectedError("because")


@pytest.mark.parametrize(
    ("given", "told"),
    [(0, 1), (0.1, 1), (1, 1), (1.01, 2), (59.5, 60), (60, 60), (61, 60), (1e9, 60), (-5, 1)],
)
def test_a_caller_is_told_to_come_back_after_1_to_60_whole_seconds(given, told):
    """Never earlier than it makes sense; RFC 9110 section 10.2.3."""
    retry_after = UnavailableError("down", retry_after=given).retry_after
    assert told == retry_after
    assert isinstance(retry_after, int)


def test_an_unavailable_issuer_is_nothing_that_the_token_is_blamed_for():
    error = UnavailableError("no answer")
    assert (error.status, error.error) == (503, "temporarily_unavailable")
    assert (error.reason, error.detail) == ("issuer_unavailable", "no answer")
    assert str(error) == "no answer"
    assert error.retry_after == 1


@pytest.mark.parametrize(
    "error",
    [
        RejectedError("audience_mismatch", expected=("a",), found=["b"]),
        UnavailableError("down", retry_after=7.5),
        ConfigurationError("one", "two"),
        ConfigurationError(),
    ],
)
def test_an_error_survives_pickle_and_copy(error):
    """Pools of processes and test runners hand errors over in this way."""
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(error) is type(other)
        assert str(error) == str(other)
        assert vars(error) == vars(other)


def test_the_repr_of_a_configuration_error_shows_the_problems():
    """Test runners and debuggers show no more than this."""
    assert repr(ConfigurationError("one", "two")) == "ConfigurationError('one', 'two')"

"""From a refusal to the answer that a caller gets."""

import json
import re

import pytest

from bearerguard import RejectedError, UnavailableError
from bearerguard.core.challenge import answer_to, challenge
from bearerguard.errors import REASONS

REGISTERED = {
    "invalid_request",
    "invalid_token",
    "insufficient_scope",
    "insufficient_user_authentication",
}


@pytest.mark.requirement("6750-3-2", "6750-3.1-1", "6750-3-8")
def test_without_credentials_nothing_but_the_realm_and_the_scopes():
    """RFC 6750 section 3.1."""
    refusal = RejectedError("no_credentials")
    assert challenge(refusal, "example") == 'Bearer realm="example"'
    assert challenge(refusal, "example", ("a", "b")) == 'Bearer realm="example", scope="a b"'
    assert answer_to(refusal, "example").body == b"{}"


@pytest.mark.requirement("6750-3-3", "9110-11.2-1", "6750-3.1-7", "6750-3-5", "6750-3-6")
@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_makes_a_challenge_that_keeps_the_rules(reason):
    """RFC 6750 section 3: registered errors, each parameter once, characters that need no escape."""
    written = challenge(RejectedError(reason, expected="x", found="y"), "example", ("a", "b"))
    parameters = re.findall(r'(?:^Bearer |, )([a-z_]+)="([\x20-\x21\x23-\x5B\x5D-\x7E]*)"', written)
    rebuilt = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters)
    assert rebuilt == written
    names = [name for name, _ in parameters]
    assert len(set(names)) == len(names)
    assert set(names) <= {"realm", "error", "error_description", "scope"}
    assert dict(parameters).get("error", "invalid_token") in REGISTERED


@pytest.mark.requirement("6750-3.1-3", "6750-3.1-4", "6750-3.1-5", "9110-15.5.2-1", "9068-4-8")
def test_each_status_has_its_error():
    """RFC 6750 section 3.1, RFC 9110 sections 15.5.2 and 15.5.4."""
    kinds = {(kind.status, kind.error) for kind in REASONS.values()}
    assert kinds == {
        (400, "invalid_request"),
        (401, None),
        (401, "invalid_token"),
        (403, "insufficient_scope"),
        (401, "insufficient_user_authentication"),
    }


def test_one_text_for_every_invalid_token_except_an_expired_one():
    """A forger learns nothing; a client learns to refresh."""
    texts = {r: k.description for r, k in REASONS.items() if k.error == "invalid_token"}
    assert texts.pop("expired") == "The access token expired"
    assert set(texts.values()) == {"The access token is not valid for this resource"}


@pytest.mark.requirement("9110-11.5-1", "9110-5.6.4-1")
@pytest.mark.parametrize(
    ("realm", "written"),
    [("a", '"a"'), ('a"b\\c', '"a\\"b\\\\c"'), ("", '""'), ("a b, c=d", '"a b, c=d"')],
)
def test_the_realm_is_a_quoted_string(realm, written):
    """RFC 9110 sections 11.5 and 5.6.4."""
    assert challenge(RejectedError("no_credentials"), realm) == f"Bearer realm={written}"


@pytest.mark.requirement("9728-5.1-1", "9728-5.1-2", "9728-5.1-3")
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize(("scheme", "algs"), [("Bearer", ()), ("DPoP", ("ES256", "PS256"))])
def test_every_challenge_of_every_scheme_names_the_metadata(reason, scheme, algs):
    """RFC 9728 section 5.1: no error information, so that it is there without credentials too."""
    url = "https://rs.example/.well-known/oauth-protected-resource"
    written = challenge(RejectedError(reason), "api", metadata_url=url, scheme=scheme, algs=algs)
    assert written.startswith(f'{scheme} realm="api"')
    assert f', resource_metadata="{url}"' in written
    assert written.endswith(', algs="ES256 PS256"') is (scheme == "DPoP")


def test_a_malformed_request_is_not_told_about_scopes():
    """Another scope would not mend it."""
    assert "scope" not in challenge(RejectedError("credentials_malformed"), "x", ("a",))


@pytest.mark.requirement("9111-3.5-1", "6750-3-9")
@pytest.mark.parametrize("reason", REASONS)
def test_the_answer_is_json_that_no_cache_keeps(reason):
    refusal = RejectedError(reason)
    answer = answer_to(refusal, "example", ("a",))
    fields = dict(answer.headers)
    assert len(fields) == len(answer.headers)
    assert fields["Cache-Control"] == "no-store"
    assert fields["Content-Type"] == "application/json"
    assert fields["Content-Length"] == str(len(answer.body))
    assert fields["WWW-Authenticate"].startswith("Bearer ")
    assert answer.status == refusal.status
    body = json.loads(answer.body)
    assert (body.get("error"), body.get("error_description")) == (
        refusal.error,
        refusal.description,
    )


@pytest.mark.requirement("GEN-7")
@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "1"), (0.2, "1"), (1, "1"), (1.1, "2"), (59.5, "60"), (9999, "60")]
)
def test_when_nobody_can_know_there_is_no_challenge_but_a_time_to_come_back(seconds, told):
    answer = answer_to(UnavailableError("x", retry_after=seconds), "example", ("a",))
    fields = dict(answer.headers)
    assert (answer.status, fields["Retry-After"]) == (503, told)
    assert "WWW-Authenticate" not in fields
    assert fields["Cache-Control"] == "no-store"
    assert json.loads(answer.body)["error"] == "temporarily_unavailable"


class TeapotError(RejectedError):
    """What an application may raise out of a check of its own."""

    status = 418


def test_an_applications_own_refusal_keeps_its_status():
    """Answers are remembered by their reason; another class may say something else by it."""
    assert answer_to(RejectedError("scope_insufficient"), "api").status == 403
    assert answer_to(TeapotError("scope_insufficient"), "api").status == 418
    assert answer_to(RejectedError("scope_insufficient"), "api").status == 403

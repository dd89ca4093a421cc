"""Opaque tokens behind every adapter: the table of answers is the same as for JWTs."""

import pytest

CLIENT = {"introspection_client_id": "api", "introspection_client_secret": "hush"}


@pytest.fixture
def opaque_api(make):
    return make(**CLIENT)


@pytest.mark.requirement("7662-2.2-1")
def test_an_opaque_token_gets_in_and_its_scope_is_enforced(opaque_api, issuer):
    assert opaque_api.call("GET", "/read", token=issuer.opaque_token("read")).status == 200
    assert opaque_api.call("GET", "/plain", token=issuer.opaque_token()).status == 200
    short = opaque_api.call("GET", "/read", token=issuer.opaque_token("write"))
    assert short.outcome == (403, "insufficient_scope")
    assert [view for view, _ in opaque_api.ran] == ["/read", "/plain"]


@pytest.mark.requirement("7662-2.3-3", "7662-2.2-8")
@pytest.mark.parametrize(
    "claims",
    [{"exp": 0}, {"aud": "https://other.example"}, {"token_type": "DPoP"}, {"cnf": {"jkt": "x"}}],
    ids=repr,
)
def test_a_token_that_is_not_good_is_refused_with_the_text_for_all(opaque_api, issuer, claims):
    answers = [
        opaque_api.call("GET", "/plain", token=token)
        for token in ("nobody", issuer.opaque_token(**claims))
    ]
    assert [answer.outcome for answer in answers] == [(401, "invalid_token")] * 2
    assert answers[0].json == answers[1].json
    assert opaque_api.ran == []


@pytest.mark.requirement("7662-2.3-1", "7662-2.3-2", "GEN-7")
def test_that_the_issuer_cannot_be_asked_is_503_without_a_challenge(opaque_api, issuer):
    """design.md section 3: no answer is never an answer."""
    token = issuer.opaque_token()
    issuer.is_down = True
    answer = opaque_api.call("GET", "/plain", token=token)

    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")
    assert 1 <= int(answer.only("retry-after")) <= 60
    assert answer.all("www-authenticate") == []
    assert opaque_api.ran == []


def test_the_log_tells_the_reason_and_never_the_token(opaque_api, log):
    opaque_api.call("GET", "/plain", token="nobody-knows-me")

    record = log()[-1]
    assert record.bearerguard["reason"] == "token_inactive"
    assert "nobody-knows-me" not in record.getMessage()


@pytest.mark.requirement("7662-4-5")
def test_a_token_seen_before_is_served_while_the_issuer_is_down(opaque_api, issuer):
    token = issuer.opaque_token()
    assert opaque_api.call("GET", "/plain", token=token).status == 200
    issuer.is_down = True
    assert opaque_api.call("GET", "/plain", token=token).status == 200

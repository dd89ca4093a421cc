"""The operator learns why a request was refused, and nobody finds the token in what is written."""

import logging

import pytest

from bearerguard import RejectedError
from bearerguard.core.access import Access
from bearerguard.testing import BAD_TOKENS
from bearerguard.wsgi import view_of

REASONS = {
    "garbage": "token_malformed",
    "expired": "expired",
    "wrong_audience": "audience_mismatch",
    "wrong_issuer": "issuer_mismatch",
    "unknown_key": "key_unknown",
    "forged": "signature_invalid",
    "not_yet_valid": "not_yet_valid",
    "id_token": "type_mismatch",
    "unsigned": "algorithm_not_allowed",
    "bound_to_a_key": "token_bound",
}


def pieces(token):
    """The token, its parts, and long stretches of them."""
    parts = [part for part in token.split(".") if len(part) > 8]
    return {token, *parts, *(part[:40] for part in parts), *(part[-40:] for part in parts)}


def everything_in(record):
    """All that a handler could write of a record."""
    facts = {name: repr(value) for name, value in vars(record).items()}
    return logging.Formatter().format(record) + repr(facts)


@pytest.mark.requirement("GEN-12")
@pytest.mark.parametrize(("defect", "reason"), REASONS.items())
def test_each_refusal_is_one_line_with_a_stable_reason(api, issuer, log, defect, reason):
    api.call("GET", "/healthz")
    log()
    api.call("GET", "/read", token=BAD_TOKENS[defect](issuer))
    (record,) = log()
    facts = record.bearerguard
    assert (facts["reason"], facts["method"], facts["path"]) == (reason, "GET", "/read")
    assert facts["status"] == 401
    assert record.levelname == "INFO"
    assert f"reason='{reason}'" in record.getMessage()


@pytest.mark.requirement("GEN-12")
def test_the_line_says_what_was_expected_and_what_was_found(api, issuer, log):
    for token in [issuer.token(aud="https://other.example"), issuer.token("write")]:
        api.call("GET", "/read", token=token)
    audience, scopes = [r.bearerguard for r in log() if hasattr(r, "bearerguard")]
    assert "https://api.example" in audience["expected"]
    assert "https://other.example" in audience["found"]
    assert (scopes["reason"], scopes["status"]) == ("scope_insufficient", 403)
    assert (scopes["expected"], scopes["found"]) == ("scope read", "['write']")


@pytest.mark.requirement("GEN-12")
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([], "no_credentials"),
        ([("Authorization", "Basic dTpw")], "no_credentials"),
        ([("Authorization", "Bearer")], "credentials_malformed"),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], "credentials_repeated"),
    ],
)
def test_a_request_without_a_token_has_a_reason_too(api, log, fields, reason):
    api.call("GET", "/plain", *fields)
    assert [r.bearerguard["reason"] for r in log() if hasattr(r, "bearerguard")] == [reason]


@pytest.mark.requirement("GEN-12", "GEN-7")
def test_an_issuer_at_fault_is_a_warning(api, issuer, log):
    issuer.is_down = True
    api.call("GET", "/plain", token=issuer.token())
    record = [r for r in log() if hasattr(r, "bearerguard")][-1]
    assert (record.levelname, record.bearerguard["reason"]) == ("WARNING", "issuer_unavailable")
    assert record.bearerguard["status"] == 503


def test_a_served_request_writes_nothing(api, issuer, log):
    api.call("GET", "/healthz")
    log()
    assert api.call("GET", "/read", token=issuer.token("read")).status == 200
    assert [record for record in log() if hasattr(record, "bearerguard")] == []


@pytest.mark.requirement("6749-10.3-1", "GEN-12", "9068-6-1")
@pytest.mark.parametrize(
    ("defect", "is_down"),
    [(defect, False) for defect in [*BAD_TOKENS, "short of scope", "two fields"]]
    + [("good", False), ("good", True), ("unknown_key", True)],
)
def test_no_log_record_holds_the_token_or_a_part_of_it(api, issuer, caplog, defect, is_down):
    """RFC 6749 section 10.3; whatever logger wrote it, at whatever level."""
    caplog.set_level(logging.DEBUG)
    issuer.is_down = is_down
    if defect == "good":
        token = issuer.token("read")
    else:
        token = BAD_TOKENS.get(defect, type(issuer).token)(issuer)
    fields = [("Authorization", f"Bearer {token}")] * (1 + (defect == "two fields"))
    api.call("GET", "/read", *fields)
    api.call("GET", "/read", ("Authorization", f"Bearer {token} x"))
    written = "".join(map(everything_in, caplog.records))
    if len(token) > 10:
        assert [piece for piece in pieces(token) if piece in written] == []


@pytest.mark.requirement("GEN-12")
def test_a_line_break_in_a_claim_does_not_begin_a_line(api, issuer, log):
    api.call("GET", "/plain", token=issuer.token(iss="x\nrefused: reason='none'"))
    (record,) = [r for r in log() if hasattr(r, "bearerguard")]
    assert "\n" not in record.getMessage()


@pytest.mark.requirement("6749-10.3-1", "MCP-TOK-2")
def test_nothing_that_a_view_gets_holds_the_token(make, contract, issuer):
    """The claims are there and the token is not, so that no view passes it on by mistake."""
    api = make(contract.Route("/x"))
    token = issuer.token("a")
    api.call("GET", "/x", token=token)
    ((_, seen),) = api.ran
    shown = repr(seen) + str(seen) + repr(vars(seen)) + repr([getattr(seen, n) for n in dir(seen)])
    assert [piece for piece in pieces(token) if piece in shown] == []
    assert not [name for name in dir(seen) if "raw" in name or "forward" in name or name == "token"]


@pytest.mark.requirement("6749-10.3-1")
def test_no_repr_and_no_exception_holds_the_token(contract, issuer, guard):
    """What a debugger, a crash report or an error page would show."""
    token = issuer.token("write")
    fields = [("Authorization", f"Bearer {token}")]
    request = view_of(contract.wsgi_environ("GET", "/x", fields))
    with pytest.raises(RejectedError) as refusal:
        guard.verify(token[:-8] + "AAAAAAAA")
    shown = [repr(request), repr(guard), str(refusal.value), repr(refusal.value)]
    shown += [repr(vars(refusal.value)), repr(guard.explain(token)), repr(Access())]
    assert [piece for piece in pieces(token) for text in shown if piece in text] == []


@pytest.mark.requirement("GEN-12")
@pytest.mark.parametrize("adapter", ["starlette", "flask", "fastapi"])
def test_a_wrapper_that_refuses_writes_the_line_too(
    make, contract, adapter, issuer, log, monkeypatch
):
    """Once, and only where the way in has not: here it sees no need."""
    api = make(contract.Route("/x", needs=("read",)))
    api.call("GET", "/healthz")
    monkeypatch.setattr(contract.READS_MARKS[adapter], lambda *_: contract.our_asgi.UNMARKED)
    log()
    assert api.call("GET", "/x", token=issuer.token("write")).status == 403
    (record,) = log()
    assert record.bearerguard["reason"] == "scope_insufficient"
    assert record.bearerguard["found"] == "['write']"
    assert api.call("GET", "/x", token=issuer.token("read")).status == 200
    assert log() == []

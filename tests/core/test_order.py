"""The order of the checks is a contract: a token with several defects is refused for the first.

size, shape, header, typ, alg, times, iss, aud, key, signature, remaining claims; with one issuer or
several, configured or looked up.
"""

import json
from dataclasses import dataclass

import pytest

from bearerguard import RejectedError
from bearerguard.core.access import Access
from bearerguard.core.encoding import base64url_encode
from bearerguard.core.explain import CHECKS, explain
from bearerguard.core.flow import IssuerQuery, authenticate
from bearerguard.core.revocation import Mark
from bearerguard.core.standing import check_standing
from bearerguard.core.trust import Trust

NOW = 1_800_000_000


@dataclass(frozen=True)
class Stage:
    """A check, the reason of its refusal, and what makes a token fail it."""

    check: str
    reason: str
    header: dict | None = None
    claims: dict | None = None
    other: str | None = None


STAGES = [
    Stage("size", "token_too_large", claims={"filler": "x" * 16384}),
    Stage("shape", "token_malformed", other="a fourth part"),
    Stage("header", "header_malformed", header={"kid": 5}),
    Stage("type", "type_mismatch", header={"typ": "logout+jwt"}),
    Stage("algorithm", "algorithm_not_allowed", header={"alg": "none"}),
    Stage("claims", "claims_malformed", other="text after the claims"),
    Stage("expiry", "expired", claims={"exp": NOW - 3600}),
    Stage("not_before", "not_yet_valid", claims={"nbf": NOW + 3600}),
    Stage("issued_at", "issued_in_the_future", claims={"iat": NOW + 3600}),
    Stage("issuer", "issuer_mismatch", claims={"iss": "https://another.example"}),
    Stage("audience", "audience_mismatch", claims={"aud": "https://another.example"}),
    Stage("key", "key_unknown", header={"kid": "unknown"}),
    Stage("signature", "signature_invalid", other="a bad signature"),
    Stage("kind", "wrong_kind_of_token", claims={"nonce": "n"}),
    Stage("required", "claim_missing", claims={"sub": ...}),
    Stage("strings", "claim_malformed", claims={"jti": 5}),
    Stage("auth_time", "claim_malformed", claims={"auth_time": "x"}),
    Stage("binding", "token_bound", claims={"cnf": {}}),
    Stage("client", "client_not_allowed", claims={"client_id": "another"}),
    Stage("match", "claim_mismatch", claims={"tenant": "another"}),
    Stage("authorization", "scope_insufficient", claims={"scope": "other"}),
    Stage("revocation", "revoked", claims={"sid": "ended"}),
    Stage(
        "status",
        "status_uri_not_allowed",
        claims={"status": {"status_list": {"idx": 0, "uri": "https://another.example/list"}}},
    ),
]


def token_with(issuer, stages):
    """Sign a token that has the defects of all these stages, and none of the others."""
    header, claims, others = (
        {"typ": "JWT", "alg": "RS256", "kid": "key-1"},
        {"scope": "a", "tenant": "acme"},
        set(),
    )
    for stage in reversed(stages):
        header |= stage.header or {}
        claims |= stage.claims or {}
        others |= {stage.other}
    claims = {n: v for n, v in (issuer.claims() | claims).items() if v is not ...}
    payload = json.dumps(claims).encode() + b"x" * ("text after the claims" in others)
    signing_input = b".".join(map(base64url_encode, (json.dumps(header).encode(), payload)))
    signature = b"x" * 256 if "a bad signature" in others else issuer.key.sign(signing_input)
    parts = [signing_input, base64url_encode(signature)] + [b"x"] * ("a fourth part" in others)
    return b".".join(parts).decode()


@pytest.fixture
def order_guard(issuer):
    rules = {"clients": "client-1", "match": "tenant=acme", "required_scopes": "a"}
    guard = issuer.guard(profile="jwt", **rules)
    guard.revoke(session_id="ended")
    guard.verify(token_with(issuer, []))  # the keys are there from here on
    return guard


@pytest.mark.parametrize("first", range(len(STAGES)), ids=[stage.check for stage in STAGES])
def test_a_token_with_several_defects_is_refused_for_the_first(issuer, order_guard, first):
    """It has the defect of one check and of every later one."""
    with pytest.raises(RejectedError) as refusal:
        order_guard.verify(token_with(issuer, STAGES[first:]))
    assert STAGES[first].reason == refusal.value.reason


@pytest.mark.parametrize("only", range(len(STAGES)), ids=[stage.check for stage in STAGES])
def test_each_defect_alone_refuses(issuer, order_guard, only):
    with pytest.raises(RejectedError) as refusal:
        order_guard.verify(token_with(issuer, [STAGES[only]]))
    assert STAGES[only].reason == refusal.value.reason


def test_the_stages_above_are_all_the_checks_in_their_order():
    assert tuple(stage.check for stage in STAGES) == CHECKS


@pytest.mark.requirement("GEN-5")
def test_refusals_before_and_at_the_signature_look_alike_from_outside(issuer, order_guard):
    """An anonymous forger learns nothing: one answer, but for a token that has expired."""
    answers = {}
    for stage in STAGES[: [s.check for s in STAGES].index("signature") + 1]:
        with pytest.raises(RejectedError) as refusal:
            order_guard.verify(token_with(issuer, [stage]))
        answers[stage.check] = order_guard.answer(refusal.value, Access())
    assert b"The access token expired" in answers.pop("expiry").body
    assert len(set(answers.values())) == 1


@pytest.mark.parametrize("first", range(11), ids=[stage.check for stage in STAGES[:11]])
def test_a_hopeless_token_costs_no_key(issuer, first):
    """Whatever precedes the key in the order is decided without asking for one."""
    with pytest.raises(RejectedError):
        issuer.guard(profile="jwt").verify(token_with(issuer, [STAGES[first]]))
    assert issuer.requests == []


# With several issuers.


@pytest.fixture(params=["configured", "looked up"])
def trust(request, issuer, driver, policy, order_guard):
    """The guard's own policy among others, or as the answer of a look-up."""
    driver.publish(issuer)
    driver.marks = {"sid ended": Mark(NOW + 1, NOW + 60, is_exact=True)}
    own = order_guard.trust.only
    another = policy("https://b.example")
    if request.param == "configured":
        return Trust.of([another, own])
    driver.policies = {issuer.url: own}
    return Trust.of([another, policy("https://c.example", profile=own.profile)], [issuer.url])


def whole_way(raw, trust):
    yield from check_standing((yield from authenticate(raw, trust, NOW)), NOW)


def test_a_token_without_a_defect_passes_with_several_issuers(issuer, driver, trust):
    flow = authenticate(token_with(issuer, []), trust, NOW)
    assert driver.run(flow).token.issuer == issuer.url


@pytest.mark.parametrize("first", range(len(STAGES)), ids=[stage.check for stage in STAGES])
def test_with_several_issuers_a_token_is_refused_for_the_same_defect(issuer, driver, trust, first):
    """Although its claims are read before its header is judged."""
    for stages in (STAGES[first:], [STAGES[first]]):
        refusal = driver.outcome(whole_way(token_with(issuer, stages), trust))
        assert STAGES[first].reason == refusal.reason


@pytest.mark.parametrize("first", range(len(STAGES)), ids=[stage.check for stage in STAGES])
def test_with_several_issuers_the_report_names_the_same_defect(issuer, driver, trust, first):
    report = driver.run(explain(token_with(issuer, STAGES[first:]), trust, NOW))
    assert tuple(check.name for check in report.checks) == CHECKS
    assert STAGES[first].check == report.first_failure.name
    assert STAGES[first].reason == report.first_failure.reason


@pytest.mark.parametrize("first", range(11), ids=[stage.check for stage in STAGES[:11]])
def test_with_several_issuers_a_hopeless_token_costs_no_key(issuer, driver, trust, first):
    driver.outcome(authenticate(token_with(issuer, [STAGES[first]]), trust, NOW))
    assert all(isinstance(query, IssuerQuery) for query in driver.queries)
    if first < [stage.check for stage in STAGES].index("type"):
        assert driver.queries == []


def test_with_one_issuer_a_header_is_judged_before_the_claims_are_parsed(
    issuer, order_guard, driver, monkeypatch
):
    """So that one issuer costs what it did."""
    monkeypatch.setattr("bearerguard.core.flow.read_claims", None)
    raw = token_with(issuer, [STAGES[3]])
    refusal = driver.outcome(authenticate(raw, order_guard.trust, NOW))
    assert refusal.reason == "type_mismatch"

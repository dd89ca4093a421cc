"""Several issuers: the unverified iss selects one of them, and decides nothing more."""

from dataclasses import replace

import pytest

from bearerguard import ConfigurationError, RejectedError, UnavailableError
from bearerguard.core.explain import explain
from bearerguard.core.flow import IssuerQuery, KeyQuery, authenticate
from bearerguard.core.known_token import KnownToken
from bearerguard.core.profile import JWT, RFC9068
from bearerguard.core.trust import Trust
from bearerguard.testing import Issuer

A, B, C = "https://a.example", "https://b.example", "https://c.example"
TEMPLATE = "https://login.example/{tenant}/v2.0"
TENANT = "https://login.example/tenant-1/v2.0"
ABSENT = object()


@pytest.fixture
def a(clock, same_kid):
    return Issuer(A, key=same_kid("ES256"), clock=clock)


@pytest.fixture
def b(clock, same_kid):
    return Issuer(B, key=same_kid("ES256"), clock=clock)


@pytest.fixture
def trust(policy):
    return Trust.of([policy(A), policy(B)])


@pytest.fixture
def verify(driver, a, b, trust, clock):
    """Verify a token with the keys that both issuers publish."""
    driver.publish(a, b)
    return lambda raw, by=trust: driver.run(authenticate(raw, by, clock())).token


@pytest.fixture
def refused(driver, verify, trust, clock):
    """Say why a token is refused."""
    return lambda raw, by=trust: driver.refusal(raw, by, clock())


@pytest.mark.requirement("8725-3.8-1", "JWKS-5")
def test_a_token_of_one_issuer_signed_by_the_key_of_another_is_refused(a, b, verify, refused):
    """RFC 8725 section 3.8: both publish a key of this kid, and both good tokens pass."""
    assert [verify(issuer.token()).issuer for issuer in (a, b)] == [A, B]
    assert a.key.kid == b.key.kid
    assert refused(a.token(key=b.key)) == "signature_invalid"
    assert refused(b.token(key=a.key)) == "signature_invalid"


@pytest.mark.requirement("8725-3.8-1", "JWKS-5")
def test_keys_are_asked_for_only_from_the_issuer_of_the_token(a, b, driver, verify, refused):
    verify(a.token())
    assert [KeyQuery(A, "key-1", "ES256")] == driver.queries
    refused(b.token(key=a.key))
    assert [KeyQuery(B, "key-1", "ES256")] == driver.queries


@pytest.mark.requirement("8725-3.8-1", "JWKS-5")
def test_without_a_kid_only_the_keys_of_the_issuer_are_tried(a, b, driver, verify, refused):
    assert verify(a.token(header={"kid": None})).issuer == A
    assert refused(a.token(key=b.key, header={"kid": None})) == "signature_invalid"
    assert [query.issuer for query in driver.queries] == [A, A]


@pytest.mark.requirement("8725-3.1-4")
def test_an_algorithm_of_another_issuer_is_refused(clock, driver, policy, keys):
    """RFC 8725 section 3.1: A allows ES256 and B RS256, and each publishes keys for both."""
    trust = Trust.of(
        [
            policy(A, algorithms=frozenset({"ES256"})),
            policy(B, algorithms=frozenset({"RS256"})),
        ]
    )
    issuers = [Issuer(url, key=keys("ES256"), clock=clock) for url in (A, B)]
    for issuer in issuers:
        issuer.keys.append(keys("RS256"))
    driver.publish(*issuers)
    outcomes = {
        (issuer.url, alg): driver.outcome(authenticate(issuer.token(key=keys(alg)), trust, clock()))
        for issuer in issuers
        for alg in ("ES256", "RS256")
    }
    accepted = {of for of, outcome in outcomes.items() if isinstance(outcome, KnownToken)}
    assert {(A, "ES256"), (B, "RS256")} == accepted
    for of in outcomes.keys() - accepted:
        refusal = outcomes[of]
        assert (refusal.status, refusal.reason) == (401, "algorithm_not_allowed")


@pytest.mark.parametrize(
    ("rules", "claims", "header", "reason"),
    [
        ({"audiences": ("https://other-api.example",)}, {}, {}, "audience_mismatch"),
        ({}, {"without": ["client_id"]}, {}, "claim_missing"),
        ({"leeway_s": 0.0}, {"exp": 1_799_999_990}, {}, "expired"),
        ({"max_age_s": 60}, {"iat": 1_799_999_000}, {}, "too_old"),
        ({}, {"scope": "a"}, {"typ": "JWT"}, "type_mismatch"),
        ({"required_scopes": ("b",)}, {"scope": "a"}, {}, "scope_insufficient"),
    ],
)
def test_a_token_is_judged_by_the_rules_of_its_own_issuer(
    a, b, verify, policy, rules, claims, header, reason
):
    """Not by the laxer ones of its neighbour, by which the same token passes."""
    lax = replace(JWT, required_claims=frozenset({"exp", "iss", "aud"}))
    trust = Trust.of([policy(A, **rules), policy(B, profile=lax)])
    assert verify(b.token(header=header, **claims), trust).issuer == B
    with pytest.raises(RejectedError) as refusal:
        verify(a.token(header=header, **claims), trust)
    assert reason == refusal.value.reason


NEITHER = [
    C,
    f"{A}/",
    "https://A.example",
    "http://a.example",
    f"{A}:443",
    f" {A}",
    "",
    f"{A},{B}",
]


@pytest.mark.requirement("GEN-10", "9068-4-4")
@pytest.mark.parametrize("iss", NEITHER)
def test_a_token_of_an_unknown_issuer_asks_nobody_anything(a, driver, refused, iss):
    """RFC 9068 section 4: names are compared exactly, and nothing is looked up for others."""
    assert refused(a.token(iss=iss)) == "issuer_mismatch"
    assert driver.queries == []


@pytest.mark.parametrize(
    ("iss", "reason"),
    [
        (ABSENT, "issuer_missing"),
        (None, "claim_malformed"),
        (5, "claim_malformed"),
        (True, "claim_malformed"),
        ([A], "claim_malformed"),
        ({A: B}, "claim_malformed"),
    ],
)
def test_an_issuer_that_is_no_text_asks_nobody_anything(a, driver, refused, policy, iss, reason):
    by = Trust.of([policy(A), policy(B)], [TEMPLATE])
    raw = a.token(without=["iss"]) if iss is ABSENT else a.token(iss=iss)
    assert reason == refused(raw, by)
    assert driver.queries == []


def test_the_operator_is_told_which_issuers_there_are(a, driver, policy, clock):
    driver.publish(a)
    trust = Trust.of([policy(A), policy(B)], [TEMPLATE])
    for raw in (a.token(iss=C), a.token(without=["iss"])):
        with pytest.raises(RejectedError) as refusal:
            driver.run(authenticate(raw, trust, clock()))
        assert refusal.value.expected == (A, B, TEMPLATE)


def test_a_token_of_nobody_is_refused_for_its_issuer_and_not_for_the_rules_of_one(
    clock, driver, policy, keys
):
    """Each of the two issuers has a rule that the token breaks, and the other has none."""
    policies = [
        policy(A, algorithms=frozenset({"RS256"}), profile=JWT, leeway_s=0.0),
        policy(B, algorithms=frozenset({"ES256"}), profile=RFC9068, leeway_s=60.0),
    ]
    stranger = Issuer(C, key=keys("ES256"), clock=clock)
    raw = stranger.token(header={"typ": "JWT"}, exp=int(clock()) - 50, iat=5)
    assert driver.refusal(raw, Trust.of(policies), clock()) == "issuer_mismatch"


def test_the_policy_of_no_issuer_accepts_nothing_at_all(a, driver, policy, clock):
    """Whatever keys there are, it never comes to a question about them."""
    driver.publish(a)
    nobody = Trust.of([policy(A), policy(B)]).fallback
    for token_of in (A, None, ""):
        driver.keys[token_of] = driver.keys[A]
        raw = a.token(iss=token_of)
        for trust in (
            replace(Trust.of([policy(A), policy(B)]), policies={A: nobody, "": nobody}),
            replace(Trust.of([policy(A)]), only=nobody),
        ):
            assert driver.refusal(raw, trust, clock()) in ("issuer_mismatch", "claim_malformed")
            assert driver.queries == []


def test_no_key_is_asked_for_under_a_policy_of_no_issuer(a, driver, policy, clock, monkeypatch):
    """The second wall, should the check of the issuer ever be gone."""
    monkeypatch.setattr("bearerguard.core.flow.EARLY_RULES", ())
    trust = Trust.of([policy(A), policy(B)])
    assert driver.refusal(a.token(iss=C), trust, clock()) == "key_unknown"
    assert driver.queries == []


def test_a_query_names_the_issuer_of_the_policy_whatever_the_token_says(
    a, driver, policy, clock, monkeypatch
):
    monkeypatch.setattr("bearerguard.core.flow.EARLY_RULES", ())
    driver.publish(a)
    assert (
        driver.run(authenticate(a.token(iss=C), Trust.of([policy(A)]), clock())).token.issuer == C
    )
    assert [query.issuer for query in driver.queries] == [A]


def test_with_one_issuer_nothing_is_chosen(policy):
    one = policy(A, max_bytes=600)
    trust = Trust.of([one])
    assert trust.only is one
    assert trust.max_bytes == 600
    assert Trust.of([one], [TEMPLATE]).only is None
    assert Trust.of([one, policy(B)]).only is None
    assert Trust.of([], [TEMPLATE]).only is None


def test_the_size_is_limited_before_anybody_knows_the_issuer(a, policy, verify, refused):
    raw = a.token()
    policies = [policy(A), policy(B)]
    assert verify(raw, Trust.of(policies, max_bytes=len(raw))).issuer == A
    assert refused(raw, Trust.of(policies, max_bytes=len(raw) - 1)) == "token_too_large"
    assert Trust.of([policy(A, max_bytes=600), policy(B, max_bytes=700)]).max_bytes == 700
    assert Trust.of([], [TEMPLATE]).max_bytes == 16384


def test_a_policy_cannot_be_put_under_the_name_of_another_later(trust, policy):
    with pytest.raises(TypeError):
        trust.policies[C] = policy(C)


def test_policies_that_would_be_lost_refuse_the_start(policy):
    """All problems at once."""
    with pytest.raises(ConfigurationError) as refusal:
        Trust.of([policy(A), policy(A), policy(None), policy(B), policy(B)])
    problems = refusal.value.problems
    assert len(problems) == 3
    assert all(text in str(refusal.value) for text in (A, B, "twice", "without a name"))


def test_nobody_to_trust_refuses_the_start():
    with pytest.raises(ConfigurationError, match="at least one issuer"):
        Trust.of([])


def test_bad_patterns_refuse_the_start(policy):
    with pytest.raises(ConfigurationError, match="last two labels"):
        Trust.of([policy(A)], ["https://{x}.example"])
    http = "http://login.example/{tenant}"
    with pytest.raises(ConfigurationError, match="https"):
        Trust.of([policy(A)], [http])
    assert Trust.of([policy(A)], [http], http_allowed=True).patterns.allows(
        "http://login.example/t"
    )


# Issuers that are looked up.


@pytest.fixture
def tenant(clock, same_kid):
    return Issuer(TENANT, key=same_kid("ES256"), clock=clock)


@pytest.fixture
def open_trust(policy, driver, a, tenant):
    """A is configured; tenants are looked up, and so is whoever else the template allows."""
    driver.publish(a, tenant)
    driver.policies = {TENANT: policy(TENANT)}
    return Trust.of([policy(A)], [TEMPLATE])


def test_an_issuer_that_a_pattern_allows_is_looked_up(driver, verify, open_trust, tenant):
    assert verify(tenant.token(), open_trust).issuer == TENANT
    assert [IssuerQuery(TENANT), KeyQuery(TENANT, "key-1", "ES256")] == driver.queries


def test_a_configured_issuer_is_not_looked_up(driver, verify, policy, a):
    """Not even where a pattern would allow it."""
    driver.publish(a)
    assert verify(a.token(), Trust.of([policy(A)], [A, TEMPLATE])).issuer == A
    assert [KeyQuery(A, "key-1", "ES256")] == driver.queries


@pytest.mark.requirement("GEN-10")
@pytest.mark.parametrize(
    "iss", [C, f"{TENANT}/", "https://login.example/a/b/v2.0", "https://login.example//v2.0"]
)
def test_an_issuer_that_no_pattern_allows_is_not_looked_up(driver, refused, open_trust, a, iss):
    assert refused(a.token(iss=iss), open_trust) == "issuer_mismatch"
    assert driver.queries == []


def test_an_issuer_that_the_look_up_does_not_know_is_refused(driver, refused, open_trust, tenant):
    driver.policies[TENANT] = None
    assert refused(tenant.token(), open_trust) == "issuer_mismatch"
    assert [IssuerQuery(TENANT)] == driver.queries


def test_a_look_up_that_fails_leaves_the_token_undecided(driver, open_trust, tenant, clock):
    """Whose fault it is decides: 503 and not 401."""
    driver.policies[TENANT] = UnavailableError("the registry is down")
    with pytest.raises(UnavailableError):
        driver.run(authenticate(tenant.token(), open_trust, clock()))
    assert [IssuerQuery(TENANT)] == driver.queries


@pytest.mark.requirement("8725-3.8-1")
@pytest.mark.parametrize("answer", [A, C, f"{TENANT}/", None])
def test_a_look_up_that_answers_with_the_policy_of_another_admits_nobody(
    driver, refused, open_trust, policy, tenant, answer
):
    """A mistake in the look-up must not lend the token another issuer's keys."""
    driver.policies[TENANT] = policy(answer)
    assert refused(tenant.token(), open_trust) == "issuer_mismatch"
    assert [IssuerQuery(TENANT)] == driver.queries


@pytest.mark.requirement("8725-3.1-4")
def test_an_issuer_that_was_looked_up_is_judged_by_its_own_rules(
    driver, verify, refused, open_trust, policy, tenant
):
    """Those that its policy has, wider or narrower than the rules of the configured ones."""
    raw = tenant.token(header={"typ": "JWT"})
    assert refused(raw, open_trust) == "type_mismatch"
    driver.policies[TENANT] = policy(TENANT, profile=JWT)
    assert verify(raw, open_trust).issuer == TENANT
    driver.policies[TENANT] = policy(TENANT, algorithms=frozenset({"RS256"}))
    assert refused(tenant.token(), open_trust) == "algorithm_not_allowed"


def test_with_nobody_configured_a_stranger_is_refused_for_its_issuer(driver, a, clock):
    trust = Trust.of([], [TEMPLATE])
    assert driver.refusal(a.token(), trust, clock()) == "issuer_mismatch"
    assert driver.queries == []


def test_what_came_of_a_token_names_the_policy_by_which_it_was_judged(
    driver, open_trust, tenant, a, clock
):
    for issuer in (tenant, a):
        known = driver.run(authenticate(issuer.token(), open_trust, clock()))
        assert issuer.url == known.token.issuer == known.policy.issuer == known.query.issuer


# The report says the same.


@pytest.mark.parametrize("answer", ["its policy", "another's policy", None, "unavailable"])
@pytest.mark.parametrize(
    ("claims", "header"), [({}, {}), ({"aud": "x"}, {}), ({}, {"typ": "JWT"}), ({"exp": 5}, {})]
)
def test_explain_agrees_with_the_flow_about_an_issuer_that_was_looked_up(
    driver, open_trust, policy, tenant, clock, answer, claims, header
):
    driver.policies[TENANT] = {
        "its policy": policy(TENANT),
        "another's policy": policy(C),
        None: None,
        "unavailable": UnavailableError("the registry is down"),
    }[answer]
    raw = tenant.token(header=header, **claims)
    report = driver.run(explain(raw, open_trust, clock()))
    outcome = driver.outcome(authenticate(raw, open_trust, clock()))
    assert report.accepted is isinstance(outcome, KnownToken)
    if isinstance(outcome, RejectedError):
        assert report.first_failure.reason == outcome.reason
    elif isinstance(outcome, UnavailableError):
        undecided = [(check.name, check.reason) for check in report.checks if check.reason]
        assert undecided == [("issuer", "issuer_unavailable")]
        assert report.first_failure is None


def test_the_report_on_a_token_of_nobody_asks_nobody_anything(driver, trust, a, clock):
    report = driver.run(explain(a.token(iss=C, cnf={}), trust, clock()))
    failed = [(check.name, check.reason) for check in report.checks if check.passed is False]
    assert failed == [
        ("issuer", "issuer_mismatch"),
        ("key", "key_unknown"),
        ("binding", "token_bound"),
    ]
    assert driver.queries == []


@pytest.mark.parametrize(
    ("iss", "words"),
    [
        (f"{B}/", "trailing slash"),
        ("https://B.example", "upper and lower case"),
        (C, "another issuer"),
        ("", "another issuer"),
    ],
)
def test_a_near_miss_is_looked_for_among_all_issuers(driver, trust, a, clock, iss, words):
    report = driver.run(explain(a.token(iss=iss), trust, clock()))
    assert words in report.first_failure.hint

"""Every claim rule: accepted at the edge, refused just beyond it."""

import itertools

import pytest

from bearerguard import ConfigurationError, Guard
from bearerguard.core import claims as rules
from bearerguard.errors import REASONS
from bearerguard.testing import Issuer

NOW = 1_800_000_000  # where the simulated clock stands
LAST = 253402300799  # the last second of the year 9999
ISS, AUD = "https://issuer.example", "https://api.example"
JWT = {"profile": "jwt"}
ZERO = {"leeway": 0}


def edge(name, rows, good, bad, reason, **settings):
    return pytest.param(good, bad, reason, settings, id=name, marks=pytest.mark.requirement(*rows))


EXPIRY = ("7519-4.1.4-1", "9068-4-7")
# fmt: off
EDGES = [
    edge("expiry", EXPIRY, {"exp": NOW + 1}, {"exp": NOW}, "expired", leeway=0),
    edge("expiry, a fraction", EXPIRY, {"exp": NOW + 0.5}, {"exp": NOW - 0.5}, "expired", leeway=0),
    edge("expiry, leeway", ("7519-4.1.4-2", *EXPIRY), {"exp": NOW - 29}, {"exp": NOW - 30}, "expired", leeway=30),
    edge("expiry, default leeway", ("7519-4.1.4-2",), {"exp": NOW - 29}, {"exp": NOW - 30}, "expired"),
    edge("start", ("7519-4.1.5-1",), {"nbf": NOW}, {"nbf": NOW + 1}, "not_yet_valid", leeway=0),
    edge("start, leeway", ("7519-4.1.5-1",), {"nbf": NOW + 30}, {"nbf": NOW + 31}, "not_yet_valid", leeway=30),
    edge("issue", ("7519-4.1.6-1",), {"iat": NOW}, {"iat": NOW + 1}, "issued_in_the_future", leeway=0),
    edge("issue, leeway", ("7519-4.1.6-1",), {"iat": NOW + 30}, {"iat": NOW + 31}, "issued_in_the_future"),
    edge("age", ("7519-4.1.6-1",), {"iat": NOW - 59}, {"iat": NOW - 60}, "too_old", leeway=0, max_token_age=60),
    edge("age, leeway", ("7519-4.1.6-1",), {"iat": NOW - 89}, {"iat": NOW - 90}, "too_old", max_token_age="60s"),
    edge("year 9999", ("7519-2-1",), {"exp": LAST}, {"exp": LAST + 1}, "claim_malformed"),
    edge("year 1970", ("7519-2-1",), {"nbf": 0}, {"nbf": -1}, "claim_malformed"),
    edge("issuer", ("9068-4-4", "7519-4.1.1-1"), {"iss": ISS}, {"iss": ISS + "/"}, "issuer_mismatch"),
    edge("audience", ("9068-4-5", "7519-4.1.3-2"), {"aud": AUD}, {"aud": AUD + "/"}, "audience_mismatch"),
    edge("audiences", ("9068-4-5", "7519-4.1.3-2"), {"aud": ["x", AUD]}, {"aud": ["x"]}, "audience_mismatch"),
    edge("subject", ("7519-4.1.2-1",), {"sub": "0"}, {"sub": ""}, "claim_malformed"),
    edge("acr", ("9068-2.2.1-1",), {"acr": "0"}, {"acr": ""}, "claim_malformed"),
    edge("amr", ("9068-2.2.1-1",), {"amr": []}, {"amr": [1]}, "claim_malformed"),
    edge("auth_time", ("9068-2.2.1-1",), {"auth_time": 0}, {"auth_time": -0.1}, "claim_malformed"),
    edge("kind", ("8725-3.12-1",), {"typ": "Bearer"}, {"typ": "ID"}, "wrong_kind_of_token", **JWT),
    edge("foreign", ("8725-3.12-1",), {"Nonce": "n"}, {"nonce": "n"}, "wrong_kind_of_token", **JWT),
    edge("binding", ("7800-3.1-2",), {"CNF": {}}, {"cnf": {}}, "token_bound"),
]
# fmt: on


@pytest.mark.parametrize(("good", "_bad", "_reason", "settings"), EDGES)
def test_a_token_at_the_edge_is_accepted(issuer, good, _bad, _reason, settings):
    token = issuer.guard(**settings).verify(issuer.token(**good))
    assert good.get("sub", "user-1") == token.subject


@pytest.mark.parametrize(("_good", "bad", "why", "settings"), EDGES)
def test_a_token_just_beyond_the_edge_is_refused(issuer, reason, _good, bad, why, settings):
    assert why == reason(issuer.token(**bad), by=issuer.guard(**settings))


WRONG_TYPES = {
    "exp": ["9999999999", True, None, [1], {}, ""],
    "nbf": ["0", True, None, [1], {}],
    "iat": ["x", "1", True, None, [1], {}],
    "auth_time": ["1", True, None, [1], {}],
    "iss": [[ISS], 5, None, {}, True],
    "aud": [{AUD: 1}, [AUD, 1], 5, None, True, [[AUD]], [None]],
    "sub": [5, None, True, ["a"], {}, ""],
    "client_id": [5, None, True, ["a"], {}, ""],
    "jti": [5, None, True, ["a"], {}, ""],
    "acr": [5, None, True, ["a"], {}, ""],
    "amr": ["mfa", 5, None, True, {}, ["a", 1], [["a"]]],
    "cnf": ["x", [], None, 5, True, ""],
}
ROWS_OF = {
    "exp": ("7519-2-1",),
    "nbf": ("7519-2-1",),
    "iat": ("7519-2-1", "7519-4.1.6-1"),
    "auth_time": ("9068-2.2.1-1",),
    "iss": ("7519-4.1.1-1",),
    "aud": ("7519-4.1.3-2",),
    "sub": ("7519-4.1.2-1",),
    "client_id": ("9068-2.2-1",),
    "jti": ("7519-4.1.7-1",),
    "acr": ("9068-2.2.1-1",),
    "amr": ("9068-2.2.1-1",),
    "cnf": ("7800-3.1-1",),
}


@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, marks=pytest.mark.requirement(*ROWS_OF[name]))
        for name, values in WRONG_TYPES.items()
        for value in values
    ],
)
def test_a_claim_of_the_wrong_type_refuses_the_token(issuer, reason, profile, name, value):
    """RFC 7519 sections 2 and 4.1, RFC 9068 section 2.2: it is not treated as absent."""
    by = issuer.guard(profile=profile)
    assert reason(issuer.token(**{name: value}), by=by) == "claim_malformed"


@pytest.mark.requirement("7519-2-1")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "auth_time"])
def test_times_beyond_the_year_9999_are_refused(issuer, reason, name):
    """They would break the application's arithmetic, and no issuer means them."""
    for far in (1e30, LAST + 0.5, 10**100, 1e308):
        assert reason(issuer.token(**{name: far})) == "claim_malformed"


@pytest.mark.requirement("7519-2-1")
def test_a_time_may_have_a_fraction(token):
    assert token(exp=NOW + 300.5).expires_at == NOW + 300.5


@pytest.mark.requirement("7519-4.1.6-1")
def test_an_issue_far_in_the_future_is_refused(issuer, reason):
    """Our rule: RFC 7519 section 4.1.6 sets none."""
    assert reason(issuer.token(iat=NOW + 3600)) == "issued_in_the_future"


@pytest.mark.requirement("7519-4.1.4-2")
@pytest.mark.parametrize("leeway", [-1, "-1s", 301, "6m", True])
def test_a_leeway_below_zero_or_beyond_minutes_refuses_the_start(leeway):
    with pytest.raises(ConfigurationError, match="leeway"):
        Guard(issuer=ISS, audience=AUD, leeway=leeway)


@pytest.mark.requirement("7519-4.1.4-2")
def test_the_default_leeway_is_half_a_minute():
    assert Guard(issuer=ISS, audience=AUD).trust.only.leeway_s == 30


@pytest.mark.requirement("9068-2.2-1")
@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ("iss", "issuer_missing"),
        ("exp", "claim_missing"),
        ("aud", "audience_missing"),
        ("sub", "claim_missing"),
        ("client_id", "claim_missing"),
        ("iat", "claim_missing"),
        ("jti", "claim_missing"),
    ],
)
def test_the_strict_profile_demands_every_claim_of_rfc_9068(issuer, reason, missing, why):
    """RFC 9068 section 2.2."""
    assert why == reason(issuer.token(without=[missing]))


@pytest.mark.requirement("9068-2.2-1")
def test_the_jwt_profile_demands_all_but_the_client_and_the_token_id(issuer, reason):
    guard = issuer.guard(profile="jwt")
    token = guard.verify(issuer.token(without=["client_id", "jti"]))
    assert (token.client_id, token.token_id) == (None, None)
    for missing in ("iss", "exp", "aud", "sub", "iat"):
        assert reason(issuer.token(without=[missing]), by=guard).endswith("_missing")


def test_a_greatest_age_needs_an_issue_time(issuer, reason):
    by = issuer.guard(profile="jwt", max_token_age=60)
    assert reason(issuer.token(without=["iat"]), by=by) == "claim_missing"


@pytest.mark.requirement("7519-4-2")
def test_an_unknown_claim_is_ignored(token):
    """RFC 7519 section 4."""
    assert token(foo={}).claims["foo"] == {}


@pytest.mark.requirement("9068-4-4")
@pytest.mark.parametrize(
    "iss",
    [
        ISS + "/",
        "https://ISSUER.example",
        "HTTPS://issuer.example",
        ISS + ":443",
        "http://issuer.example",
        ISS + "?",
        ISS + "#",
        " " + ISS,
        ISS + "\u0000",
        ISS[:-1],
        "",
    ],
)
def test_an_issuer_that_differs_in_any_character_is_refused(issuer, reason, iss):
    """RFC 9068 section 4: an exact match."""
    assert reason(issuer.token(iss=iss)) == "issuer_mismatch"


@pytest.mark.requirement("7519-4.1.3-1", "7519-4.1.3-2", "9068-4-5", "9700-2.3-1", "MCP-TOK-1")
@pytest.mark.parametrize(
    "aud",
    [
        "other",
        [],
        ["x"],
        AUD + "/",
        "https://API.example",
        AUD[:-1],
        AUD + "x",
        "",
        [""],
        AUD + "#",
        " " + AUD,
        ["https://api", ".example"],
        [AUD + "/", AUD.upper()],
    ],
)
def test_a_token_for_another_api_is_refused(issuer, reason, aud):
    """RFC 7519 section 4.1.3, RFC 9700 section 2.3: exact, case-sensitive, never by prefix."""
    assert reason(issuer.token(aud=aud)) == "audience_mismatch"


@pytest.mark.requirement("8725-3.9-1", "9700-2.3-1", "MCP-TOK-1")
@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
def test_a_token_without_an_audience_is_refused(issuer, reason, profile):
    """RFC 8725 section 3.9: configured means required, in every profile."""
    raw = issuer.token(without=["aud"])
    assert reason(raw, by=issuer.guard(profile=profile)) == "audience_missing"


@pytest.mark.requirement("8725-3.9-1", "9700-2.3-1", "MCP-TOK-1")
@pytest.mark.parametrize("audience", [{}, {"audience": ""}, {"audience": []}, {"audience": None}])
def test_a_guard_without_an_audience_does_not_start(audience):
    with pytest.raises(ConfigurationError, match="audience"):
        Guard(issuer=ISS, **audience)


@pytest.mark.requirement("9068-4-5", "7519-4.1.3-2")
def test_an_api_may_have_several_names(issuer, reason):
    guard = issuer.guard(audience="one,two")
    for aud in ("one", "two", ["x", "two"], ["one", "two"]):
        assert guard.verify(issuer.token(aud=aud)).subject == "user-1"
    for aud in ("three", "one,two", "One"):
        assert reason(issuer.token(aud=aud), by=guard) == "audience_mismatch"


@pytest.mark.requirement("8707-2-1")
@pytest.mark.parametrize("setting", [{"audience": "https://rs.example#x"}, {"resource": "/api"}])
def test_a_resource_identifier_with_a_fragment_or_no_scheme_refuses_the_start(setting):
    """RFC 8707 section 2."""
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        Guard(**{"issuer": ISS, "audience": AUD} | setting)


@pytest.mark.ml_dsa
@pytest.mark.requirement("8707-2-2")
def test_an_audience_with_a_query_starts_with_a_warning(caplog):
    """RFC 8707 section 2 advises against it."""
    Guard(issuer=ISS, audience="https://rs.example?x=1")
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert ["8707" in warning.getMessage() for warning in warnings] == [True]


@pytest.mark.requirement("9068-4-8", "9068-4-1", "9068-4-5", "9068-4-6", "9068-2.1-1")
@pytest.mark.parametrize(
    "broken",
    [
        {"header": {"typ": "JWT"}},
        {"header": {"alg": "none"}},
        {"iss": "https://another.example"},
        {"aud": "https://another.example"},
        {"exp": NOW - 3600},
        {"without": ["jti"]},
        {"stranger": True},
    ],
    ids=str,
)
def test_every_failure_of_rfc_9068_section_4_answers_invalid_token(issuer, reason, keys, broken):
    """``reason`` asserts the status 401 and the error invalid_token."""
    if broken.pop("stranger", False):
        broken["key"] = keys("RS384")
        broken["header"] = {"kid": issuer.key.kid, "alg": "RS256"}
    assert REASONS[reason(issuer.token(**broken))].error == "invalid_token"


def test_one_issuers_tokens_mean_nothing_to_another_ones_guard(clock, signing_key, reason):
    """Even where both sign with one key."""
    here, there = (Issuer(f"https://{n}.example", key=signing_key, clock=clock) for n in "ab")
    assert reason(there.token(), by=here.guard()) == "issuer_mismatch"


def test_no_rule_can_be_forgotten():
    """Each function of the module that begins with check_ is in one of the three lists."""
    listed = itertools.chain(
        rules.HEADER_RULES, rules.RULES_BEFORE_SIGNATURE, rules.RULES_AFTER_SIGNATURE
    )
    defined = {name for name in vars(rules) if name.startswith("check_")}
    assert defined == {rule.__name__ for rule in listed}


ABOUT_ONE = {claim: rule for rule, claim in rules.ABOUT_ONE_CLAIM.items()}


@pytest.mark.parametrize("claim", ["nbf", "auth_time", "cnf"])
@pytest.mark.parametrize("value", [None, False, "", []], ids=repr)
def test_a_claim_that_one_rule_is_about_is_looked_at_whatever_its_value_is(
    reason, issuer, claim, value
):
    """Null and false are values: only a claim that is not there spares its rule the call."""
    assert reason(issuer.token(**{claim: value})) == "claim_malformed"


def test_a_rule_that_is_spared_would_have_had_nothing_to_say(policy):
    assert set(ABOUT_ONE) == {"nbf", "auth_time", "cnf"}
    assert [rule({}, policy("https://a.example"), 0) for rule in ABOUT_ONE.values()] == [None] * 3

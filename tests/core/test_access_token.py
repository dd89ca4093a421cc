"""What a handler gets: scopes and roles from their places, and everything else typed."""

import dataclasses
import gc
import json
import types

import pytest

from bearerguard import RejectedError, role, scope
from bearerguard.core.access import Access
from bearerguard.core.admission import enforce
from bearerguard.core.flow import authenticate
from bearerguard.core.needs import check_need, need_of, needs_of
from bearerguard.core.pointer import find
from bearerguard.core.trust import Trust

AUD = "https://api.example"


def status_of(token, *needs) -> int:
    """Say what a route with these needs answers."""
    try:
        check_need(needs_of(needs), token, 0)
    except RejectedError as refusal:
        return refusal.status
    return 200


@pytest.mark.requirement("7519-4.1.2-1")
def test_the_claims_are_there_with_their_types(token):
    verified = token(
        "a b", aud=[AUD, "x"], auth_time=1_799_999_000, acr="mfa", amr=["pwd", "otp"], jti="t-1"
    )
    assert verified.principal == ("https://issuer.example", "user-1")
    assert (verified.issuer, verified.subject) == verified.principal
    assert (
        verified.client_id,
        verified.audience,
        verified.token_id,
    ) == ("client-1", (AUD, "x"), "t-1")
    assert (frozenset({"a", "b"}), frozenset()) == (verified.scopes, verified.roles)
    assert (verified.expires_at, verified.issued_at) == (1_800_000_300, 1_800_000_000)
    assert (
        verified.auth_time,
        verified.acr,
        verified.amr,
    ) == (1_799_999_000, "mfa", ("pwd", "otp"))
    assert verified.tenant is None


def test_what_the_token_lacks_is_none_or_empty(token):
    verified = token(settings={"profile": "jwt"}, without=["client_id", "jti"])
    missing = (verified.client_id, verified.token_id, verified.auth_time, verified.acr)
    assert missing == (None, None, None, None)
    assert ((AUD,), (), frozenset()) == (verified.audience, verified.amr, verified.scopes)


def test_an_access_token_cannot_be_changed(token):
    verified = token("read")
    with pytest.raises(dataclasses.FrozenInstanceError):
        verified.scopes = frozenset({"admin"})
    claims = verified.claims
    claims["scope"] = "admin"
    assert verified.claims["scope"] == "read"


SCOPES = ("6749-3.3-1", "6749-3.3-2", "6749-3.3-3")


@pytest.mark.requirement(*SCOPES)
@pytest.mark.parametrize(
    ("carried", "needed", "status"),
    [
        ("b a", ("a", "b"), 200),
        ("a b", ("b", "a"), 200),
        ("a  b ", ("a", "b"), 200),
        ("READ", ("read",), 403),
        ("read", ("READ",), 403),
        ("a\twrite", ("write",), 403),
        ("a\u00a0write", ("write",), 403),
        ("a,write", ("write",), 403),
        ("a\nwrite", ("write",), 403),
        ("a\u2003write", ("write",), 403),
        ("readwrite", ("read",), 403),
        ("readwrite", ("write",), 403),
        ("read", ("readwrite",), 403),
        ("a", ("a", "b"), 403),
        ("", ("a",), 403),
        (None, ("a",), 403),
        ("", (), 200),
    ],
)
def test_scopes_are_whole_names_split_at_spaces(token, carried, needed, status):
    """RFC 6749 section 3.3: case-sensitive, in any order, no other separator."""
    assert status == status_of(token(carried), *needed)


@pytest.mark.requirement("9068-2.2.3-1")
def test_a_list_of_scopes_gives_none_unless_a_setting_asks_for_it(token):
    """RFC 9068 section 2.2.3 says one string; some issuers send a list, or scp."""
    assert status_of(token(scope=["a", "b"]), "a") == 403
    assert status_of(token(settings={"scope_claims": "scope"}, scope=["a", "b"]), "a", "b") == 200
    assert status_of(token(scp="a"), "a") == 403
    assert status_of(token(settings={"scope_claims": "scope,scp"}, scp=["a"]), "a") == 200


def test_two_places_give_the_union(token):
    verified = token("a b", settings={"scope_claims": ["scope", "scp"]}, scp=["b", "c d"])
    assert frozenset({"a", "b", "c d"}) == verified.scopes


@pytest.mark.requirement("9068-2.2.3-1", "9068-2.2.3.1-1")
@pytest.mark.parametrize("settings", [{}, {"scope_claims": "scope,scp"}])
@pytest.mark.parametrize(
    "claims",
    [
        {"scope": 5},
        {"scope": None},
        {"scope": True},
        {"scope": {"a": 1}},
        {"scope": ["a", 5]},
        {"scope": [["a"]]},
        {"scope": [{"value": "a"}]},
        {"roles": 5},
        {"roles": None},
        {"roles": {"admin": True}},
        {"roles": ["admin", None]},
        {"roles": [{"value": 5}]},
        {"roles": [{"name": "admin"}]},
        {"groups": [[]]},
        {"entitlements": False},
    ],
    ids=str,
)
def test_any_other_shape_refuses_the_token(issuer, reason, settings, claims):
    """It is never taken as an empty set: somebody meant something by it."""
    raw = issuer.sign(json.dumps(issuer.claims(**claims)).encode())
    assert reason(raw, by=issuer.guard(**settings)) == "claim_malformed"


@pytest.mark.requirement("9068-2.2.3.1-1", "9068-4-9")
@pytest.mark.parametrize("name", ["roles", "groups", "entitlements"])
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (["admin"], {"admin"}),
        ([{"value": "admin"}], {"admin"}),
        ([{"value": "admin", "display": "Admin", "$ref": 5}, "staff"], {"admin", "staff"}),
        ("admin", {"admin"}),
        ("admin staff", {"admin", "staff"}),
        ([], set()),
    ],
)
def test_roles_groups_and_entitlements_are_read_into_roles(token, name, value, found):
    """RFC 9068 section 2.2.3.1: in the forms of SCIM."""
    verified = token(**{name: value})
    assert found == verified.roles
    assert (200 if "admin" in found else 403) == status_of(verified, role("admin"))
    assert status_of(verified, role("a")) == 403
    assert status_of(token(), role("admin")) == 403


PLACES = {
    "realm_access": {"roles": ["r1"]},
    "cognito:groups": ["r2"],
    "https://slack.com/team_id": "r3",
    "urn:roles": {"r4": {"org": "x"}, "r5": {}},
    "a/b": {"c~d": {"e": "r6 r7"}},
    "tenants": [{"roles": ["r8"]}, {"roles": ["r9"]}],
    "resource_access": {AUD: {"roles": ["r10"]}, "x": {"roles": ["r11"]}},
    AUD: ["r12"],
}


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("/realm_access/roles", {"r1"}),
        ("cognito:groups", {"r2"}),
        ("https://slack.com/team_id", {"r3"}),
        ("urn:roles/*", {"r4", "r5"}),
        ("/urn:roles/*", {"r4", "r5"}),
        ("/a~1b/c~0d/e", {"r6", "r7"}),
        ("/tenants/1/roles", {"r9"}),
        ("/tenants/2/roles", set()),
        ("/tenants/01/roles", set()),
        ("/tenants/-/roles", set()),
        ("/resource_access/{audience}/roles", {"r10"}),
        ("{audience}", {"r12"}),
        ("/realm_access/roles,cognito:groups,nowhere", {"r1", "r2"}),
        ("/realm_access/roles/deeper", set()),
        ("/nowhere/roles", set()),
        ("realm_access.roles", set()),
    ],
)
def test_a_place_is_a_claims_name_or_a_json_pointer(token, place, found):
    """RFC 6901; a place that is not there gives nothing."""
    assert found == token(settings={"role_claims": place}, **PLACES).roles


@pytest.mark.parametrize("place", ["realm_access", "cognito:groups/*", "/a~1b", "/tenants/*"])
def test_keys_are_taken_of_an_object_and_only_where_asked(issuer, reason, place):
    by = issuer.guard(role_claims=place)
    assert reason(issuer.token(**PLACES), by=by) == "claim_malformed"


def test_a_pointer_leads_to_null_as_to_any_value():
    assert find({"a": {"b": None}}, "/a/b") is None
    assert find({"a": {"b": [1]}}, "/a/b") == [1]
    assert find({"a": {"": [0, 1]}}, "/a//1") == 1


@pytest.mark.requirement("9068-2.2.3-2")
def test_the_scope_of_another_api_grants_nothing_here(issuer, token, reason):
    """RFC 9068 section 2.2.3: a scope means something to the resources in aud alone.

    With two audiences nobody can tell whose a scope is, so it is a name like every other: it opens
    what a route of ours asks for by that very name.
    """
    both = token("other:write", aud=[AUD, "https://other.example"])
    assert status_of(both, "orders:write") == 403
    assert reason(issuer.token("orders:write", aud="https://other.example")) == "audience_mismatch"


@pytest.mark.requirement("9068-5-2", "9700-4.15-1")
@pytest.mark.parametrize(
    ("claims", "is_client"),
    [({}, False), ({"sub": "client-1"}, True), ({"without": ["client_id"]}, False)],
)
def test_a_client_on_its_own_behalf_is_told_from_a_user(token, claims, is_client):
    """RFC 9068 section 5, RFC 9700 section 4.15."""
    assert is_client == token(settings={"profile": "jwt"}, **claims).is_client


@pytest.mark.requirement("8725-3.8-2")
def test_an_application_can_refuse_subjects_that_it_does_not_know(token):
    """RFC 8725 section 3.8: a need of its own looks at the pair; the answer is 403."""
    accounts = {("https://issuer.example", "user-1")}

    def known(token) -> bool:
        return token.principal in accounts

    assert status_of(token(), known) == 200
    assert status_of(token(sub="user-2"), known) == 403


@pytest.mark.requirement("8693-4.1-1", "8693-4.3-1")
def test_actors_are_data_and_grant_nothing(token):
    """RFC 8693 section 4.1: neither the present actor nor those before add to anybody's rights."""
    admin = {"sub": "admin", "scope": "admin", "roles": ["admin"]}
    verified = token("read", act={"sub": "service", "act": admin}, may_act=admin)
    assert verified.subject == "user-1"
    assert (frozenset({"read"}), frozenset()) == (verified.scopes, verified.roles)
    assert status_of(verified, role("admin")) == 403
    assert status_of(verified, lambda token: token.subject == "admin") == 403


def may_pay(token) -> bool:
    return any(
        detail["type"] == "payment"
        and "https://bank.example" in detail.get("locations", [])
        and "initiate" in detail.get("actions", [])
        for detail in token.authorization_details
    )


PAYMENT = {"type": "payment", "locations": ["https://bank.example"], "actions": ["initiate"]}


@pytest.mark.requirement("9396-9.1-1", "9396-2-1", "9396-2-2")
@pytest.mark.parametrize(
    ("details", "status"),
    [
        ([PAYMENT], 200),
        ([PAYMENT | {"unknown": 5}, {"type": "other"}], 200),
        ([PAYMENT | {"type": "payment2"}], 403),
        ([PAYMENT | {"locations": []}, PAYMENT | {"actions": []}], 403),
        ([PAYMENT | {"type": 5}], 403),
        ([{"locations": ["https://bank.example"], "actions": ["initiate"]}], 403),
        ([None, 5, "payment", [PAYMENT]], 403),
        ([], 403),
        ({}, 403),
        (PAYMENT, 403),
        ("payment", 403),
        (None, 403),
    ],
)
def test_authorization_details_are_independent_elements_with_a_type(token, details, status):
    """RFC 9396 sections 2 and 9.1: data for the application; a broken one grants nothing."""
    assert status == status_of(token(authorization_details=details), may_pay)


@pytest.mark.requirement("9396-9.1-1")
def test_only_well_formed_authorization_details_are_shown(token):
    assert token().authorization_details == ()
    details = [{"type": 5}, {"type": None}, {}, "a", {"type": "a", "x": 1}]
    assert token(authorization_details=details).authorization_details == ({"type": "a", "x": 1},)


@pytest.mark.requirement("9068-6-1")
@pytest.mark.parametrize(
    "claims",
    [{"aud": "secret-x"}, {"iss": "secret-x"}, {"jti": ["secret-x"]}, {"roles": {"secret-x": 1}},
     {"header": {"typ": "secret-x"}}, {"header": {"kid": "secret-x"}}],
    ids=str,
)  # fmt: skip
def test_an_answer_holds_no_value_out_of_the_token(issuer, guard, claims):
    """RFC 9068 section 6."""
    with pytest.raises(RejectedError) as refusal:
        guard.verify(issuer.token(**claims))
    assert b"secret" not in guard.answer(refusal.value, Access()).body
    assert "secret" not in str(guard.answer(refusal.value, Access()).headers)


def reachable(*roots: object) -> list[object]:
    """Everything that these objects keep alive, code and modules aside."""
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    seen: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and not isinstance(thing, code):
            seen[id(thing)] = thing
            waiting += gc.get_referents(thing)
    return list(seen.values())


@pytest.mark.requirement("9700-4.9.3-1")
def test_nothing_keeps_the_raw_token(issuer, guard):
    """RFC 9700 section 4.9.3: neither the guard nor the access token, whole or in parts."""
    raw = issuer.token("read", filler="f" * 100)
    verified = guard.verify(raw)
    guard.explain(raw)
    texts = [text for text in reachable(guard, verified) if isinstance(text, str | bytes)]
    assert verified.payload in texts  # the search finds what is there
    texts = [text if isinstance(text, bytes) else text.encode() for text in texts]
    for part in [raw, *raw.split(".")[1:]]:
        assert not any(part.encode() in text for text in texts)
    assert raw.rpartition(".")[2] not in repr(verified) + repr(guard)
    assert "ffff" not in repr(verified)


@pytest.mark.requirement("9700-4.9.3-1")
def test_a_refusal_does_not_hold_the_token(issuer, guard):
    raw = issuer.token(aud="other")
    with pytest.raises(RejectedError) as refusal:
        guard.verify(raw)
    facts = [str(fact) for fact in (*refusal.value.args, *vars(refusal.value).values())]
    assert not any(part in fact for fact in facts for part in raw.split("."))


@pytest.mark.requirement("FAPI2-5.3.4-4")
def test_scopes_that_every_route_needs_are_checked_with_the_token(issuer):
    """RFC 6750 section 3.1: 403, because the token itself is good."""
    guard = issuer.guard(required_scopes=["a", "b"])
    assert guard.verify(issuer.token("b a")).subject == "user-1"
    with pytest.raises(RejectedError) as refusal:
        guard.verify(issuer.token("a"))
    assert (refusal.value.status, refusal.value.error) == (403, "insufficient_scope")
    challenge = dict(guard.answer(refusal.value, Access(need=scope("c"))).headers)
    assert 'scope="a b c"' in challenge["WWW-Authenticate"]
    assert need_of("a") == scope("a")


@pytest.mark.parametrize(
    ("allowed", "kept"),
    [
        (None, {"read", "write"}),
        (frozenset({"read", "admin"}), {"read"}),
        (frozenset({"read", "write"}), {"read", "write"}),
        (frozenset({"READ"}), set()),
        (frozenset(), set()),
    ],
)
def test_an_issuer_grants_no_more_than_the_operator_lets_it(
    issuer, driver, policy, clock, allowed, kept
):
    """Scopes and roles each by their own list, and what a list names is granted by no list."""
    driver.publish(issuer)
    raw = issuer.token("read write", roles=["read", "write"])

    def verified(**rules):
        trust = Trust.of([policy(issuer.url, **rules)])
        return driver.run(authenticate(raw, trust, clock())).token

    token = verified(scopes_allowed=allowed)
    assert (token.scopes, token.roles) == (kept, {"read", "write"})
    token = verified(roles_allowed=allowed)
    assert (token.scopes, token.roles) == ({"read", "write"}, kept)


def test_a_scope_that_an_issuer_may_not_grant_opens_no_route(issuer, driver, policy, clock):
    driver.publish(issuer)
    raw = issuer.token("read write")
    own = {"required_scopes": ("write",)}

    def admit(trust, access):
        known = yield from authenticate(raw, trust, clock())
        enforce(access, known.token, 0)

    for rules, access in (({}, Access(need=scope("write"))), (own, Access())):
        for allowed, reason in (("read", "scope_insufficient"), ("write", None)):
            rule = policy(issuer.url, scopes_allowed=frozenset({allowed}), **rules)
            outcome = driver.outcome(admit(Trust.of([rule]), access))
            assert reason == getattr(outcome, "reason", None)


def test_a_shape_that_nobody_can_read_is_refused_whatever_may_be_granted(
    issuer, driver, policy, clock
):
    driver.publish(issuer)
    trust = Trust.of([policy(issuer.url, scopes_allowed=frozenset())])
    assert driver.refusal(issuer.token(roles=[1]), trust, clock()) == "claim_malformed"

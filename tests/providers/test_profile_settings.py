"""The settings out of which profiles are made: each value, and what it can never do."""

import pytest

from bearerguard import ConfigurationError, Guard, RejectedError
from bearerguard import profile_parsers as h
from bearerguard.core.provider_hosts import HOSTS, guess_of_path, profile_of_host
from bearerguard.core.providers import PROFILES


def refusal(parse, value):
    with pytest.raises(ValueError) as refused:
        parse(value)
    return str(refused.value)


def problems(of, **settings):
    with pytest.raises(ConfigurationError) as refused:
        of.guard(**settings)
    return refused.value.problems


def reason(guard, raw):
    with pytest.raises(RejectedError) as refused:
        guard.verify(raw)
    return refused.value.reason


# Reading them.


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("fapi", "is no profile; known are auto, rfc9068, jwt, logto"),
        ("RFC9068", "is no profile; did you mean 'rfc9068'?"),
        ("keycloack", "did you mean 'keycloak'?"),
        (5, "must be text"),
    ],
)
def test_a_profile_that_is_not_there_is_told_so(value, told):
    assert told in refusal(h.profile, value)


@pytest.mark.parametrize("name", ["auto", *PROFILES])
def test_every_profile_can_be_named(name):
    assert h.profile(name) == name


@pytest.mark.requirement("8725-3.11-1")
@pytest.mark.parametrize("typ", sorted(h.FOREIGN_TYPES))
def test_a_type_of_another_kind_of_token_can_never_be_accepted(typ):
    """RFC 8725 section 3.11: explicit types keep the kinds of tokens apart."""
    assert f"has {typ}, which is no type" in refusal(
        h.token_types, ["at+jwt", f"application/{typ}"]
    )


def test_a_header_without_a_type_is_none_in_code_and_in_text():
    assert h.token_types([None, "JWT"]) == h.token_types("none,jwt") == (None, "jwt")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("repository", "'repository' is no pair; write 'claim=value'"),
        ("=octo", "is no pair"),
        ("repository=", "has no value for 'repository'"),
        ("/a~2b=c", "is no JSON Pointer"),
        ({"a": [1]}, "has [1] for 'a'; write texts, such as 'true'"),
        ({"a": True}, "has True for 'a'; write texts, such as 'true'"),
        ({}, "is empty, which would allow all"),
        ({"a": []}, "has no value for 'a'"),
        ({"a": "b", "c": ()}, "has no value for 'c'"),
        ((("a",),), "has an item that is no pair"),
        (((["a"], "b"),), "must be text"),
        (5, "must be a list or a text with commas"),
    ],
)
def test_a_pair_that_could_not_hold_is_refused(value, told):
    assert told in refusal(h.match, value)


def test_pairs_may_be_a_mapping_of_claims_to_one_value_or_several():
    assert h.match({"a": "1", "b": ["2", "3"]}) == h.match("a=1,b=2,b=3")


def test_pairs_that_were_read_once_add_up_when_they_are_read_again():
    assert h.match((("a", "1"), ("a", frozenset({"2"})))) == (("a", frozenset({"1", "2"})),)


def test_a_value_may_hold_an_equals_sign():
    assert h.match("a=b=c") == (("a", frozenset({"b=c"})),)


@pytest.mark.parametrize("value", ["a/b", "a.b", "", "x" * 65, "{tid}"])
def test_a_tenant_cannot_leave_its_hole(value):
    assert "is no tenant" in refusal(h.tenants, [f"{value}"]) if value else refusal(h.tenants, "")


def test_a_thousand_tenants_are_enough_for_a_list():
    assert len(h.tenants([str(n) for n in range(1000)])) == 1000
    assert "resolve_issuer is for so many" in refusal(h.tenants, [str(n) for n in range(1001)])


def test_a_missing_audience_has_three_answers():
    assert "must be one of refuse, client, issuer" in refusal(h.missing_audience, "accept")


# Whose host it is.


@pytest.mark.parametrize(
    ("host", "profile"),
    [
        ("tenant.auth0.com", "auth0"),
        ("TENANT.eu.Auth0.com", "auth0"),
        ("cognito-idp.eu-west-1.amazonaws.com", "cognito"),
        ("gitlab.com", "gitlab-ci"),
        ("shop.authentication.eu10.hana.ondemand.com", "xsuaa"),
        ("auth0.com", None),
        ("evilauth0.com", None),
        ("tenant.auth0.com.evil.example", None),
        ("x.gitlab.com", None),
        ("cognito-idp.amazonaws.com", None),
        ("cognito-idp.a.b.amazonaws.com", None),
        (".auth0.com", "auth0"),
        ("", None),
    ],
)
def test_a_provider_is_told_by_whole_labels_of_its_host(host, profile):
    assert profile_of_host(host) == profile


def test_every_host_belongs_to_a_profile():
    assert {*HOSTS.values()} <= PROFILES.keys()


@pytest.mark.parametrize(
    "issuer", ["https://evil.example/tenant.auth0.com/", "https://tenant.auth0.com@evil.example/"]
)
def test_a_path_or_a_user_name_chooses_no_profile(issuer, make_issuer):
    """The start may fail for other reasons; where it does not, the strict profile is in force."""
    assert (
        make_issuer(issuer)
        .guard(jwks_uri="https://k.example")
        .issuers.all()[0]
        .settings.profile_in_force()
        == "rfc9068"
    )


@pytest.mark.parametrize(
    ("issuer", "told"),
    [
        ("https://sso.example/realms/shop", "set PROFILE=keycloak"),
        ("https://sso.example/application/o/shop/", "set PROFILE=authentik"),
        ("https://sso.example", "set PROFILE=jwt, or the provider's name"),
    ],
)
def test_the_start_names_the_setting_where_no_host_tells_the_provider(
    issuer, told, make_issuer, caplog
):
    caplog.set_level("INFO")
    make_issuer(issuer).guard()
    assert told in caplog.text


def test_a_guess_is_no_more_than_a_hint():
    assert guess_of_path("https://sso.example/realms/shop") == "keycloak"


def test_the_start_says_what_a_profile_relaxes_and_what_it_checks_instead(make_issuer, caplog):
    caplog.set_level("INFO")
    make_issuer("https://sso.example/realms/shop").guard(
        profile="keycloak", missing_audience="client", clients="shop", match="env=live"
    )
    assert (
        "beyond RFC 9068 it takes typ jwt; no aud, client_id; it checks env=live; typ=Bearer; "
        "one of the clients; nothing with at_hash, c_hash, events, nonce" in caplog.text
    )


def test_the_start_says_the_same_of_kubernetes_and_of_entra(make_issuer, caplog):
    caplog.set_level("INFO")
    make_issuer("https://k.example").guard(profile="kubernetes", match="sub=a")
    make_issuer("https://login.microsoftonline.com/t-1/v2.0").guard()
    assert "sub=system:serviceaccount:..." in caplog.text
    assert "roles or scp; appid or azp" in caplog.text


def test_the_start_warns_where_id_tokens_are_taken(make_issuer, caplog):
    make_issuer("https://accounts.google.com").guard()
    assert "ID tokens are taken" in caplog.text


def test_a_strict_profile_has_nothing_to_say(make_issuer, caplog):
    caplog.set_level("INFO")
    make_issuer("https://shop.logto.app/oidc").guard()
    assert "beyond RFC 9068" not in caplog.text


# What they do to tokens.


def test_only_the_listed_clients_may_call(issuer):
    guard = issuer.guard(clients="shop,batch")
    assert guard.verify(issuer.token(client_id="batch")).client_id == "batch"
    assert reason(guard, issuer.token(client_id="Batch")) == "client_not_allowed"


@pytest.mark.parametrize("azp", ["", 5, ["a"], None])
def test_a_client_that_nobody_can_read_is_refused(issuer, azp):
    guard = issuer.guard(profile="jwt", client_claims="azp,client_id")
    assert reason(guard, issuer.token(azp=azp)) == "claim_malformed"


def test_the_first_place_of_a_client_counts(issuer):
    guard = issuer.guard(profile="jwt", client_claims="/o/client,azp")
    assert guard.verify(issuer.token(azp="a", o={"client": "o"})).client_id == "o"
    assert guard.verify(issuer.token(azp="a")).client_id == "a"
    assert guard.verify(issuer.token()).client_id is None


@pytest.mark.parametrize(
    ("found", "expected", "fits"),
    [
        ("live", "live", True),
        ("Live", "live", False),
        (True, "true", True),
        ("true", "true", True),
        (1, "1", True),
        (True, "1", False),
        (["live"], "live", False),
        ({"live": 1}, "live", False),
        (None, "null", False),
    ],
)
def test_a_pinned_claim_holds_exactly_that_value(issuer, found, expected, fits):
    guard, raw = issuer.guard(match=f"env={expected}"), issuer.token(env=found)
    if fits:
        assert guard.verify(raw).claims["env"] == found
    else:
        assert reason(guard, raw) == "claim_mismatch"


def test_a_claim_that_is_pinned_must_be_there(issuer):
    assert reason(issuer.guard(match="env=live"), issuer.token()) == "claim_mismatch"


@pytest.mark.parametrize(
    ("sub", "why"),
    [
        (5, "claim_malformed"),
        ("system:serviceaccount", "claim_mismatch"),
        (None, "claim_malformed"),
    ],
)
def test_a_claim_that_must_begin_with_something_does(issuer, sub, why):
    guard = issuer.guard(profile="kubernetes", match="sub=5,sub=system:serviceaccount")
    raw = issuer.token(header={"typ": None}, sub=sub)
    assert reason(guard, raw) == why


@pytest.mark.requirement("8725-3.12-1")
def test_a_type_that_says_little_brings_the_marks_of_other_kinds_with_it(issuer):
    """RFC 8725 section 3.12: where the type cannot tell, claims must."""
    guard = issuer.guard(token_types="at+jwt,JWT")
    assert guard.verify(issuer.token(header={"typ": "JWT"}))
    for claims in ({"nonce": "n"}, {"events": {}}, {"token_use": "id"}, {"typ": "Refresh"}):
        assert reason(guard, issuer.token(header={"typ": "JWT"}, **claims)) == "wrong_kind_of_token"
    assert reason(guard, issuer.token(header={"typ": None})) == "type_mismatch"


def test_an_expiry_and_an_issuer_are_required_whatever_is_set(issuer):
    """Decision 8 of our rows: no setting lets a token live for ever."""
    guard = issuer.guard(required_claims="sub")
    assert guard.verify(issuer.token(without=["jti", "client_id", "iat"])).token_id is None
    for claim, why in [
        ("exp", "claim_missing"),
        ("iss", "issuer_missing"),
        ("sub", "claim_missing"),
    ]:
        assert reason(guard, issuer.token(without=[claim])) == why
    assert reason(guard, issuer.token(without=["aud"])) == "audience_missing"


@pytest.mark.parametrize("how", ["client", "issuer"])
def test_a_missing_audience_is_nobody_elses_audience(issuer, how):
    """RFC 9068 section 4: an audience that is there must fit in every case."""
    guard = issuer.guard(missing_audience=how, clients="client-1")
    assert guard.verify(issuer.token(without=["aud"])).audience == ()
    for aud in ("https://other.example", [], [""], ["https://other.example"]):
        assert reason(guard, issuer.token(aud=aud)) == "audience_mismatch"
    assert reason(guard, issuer.token(aud=None)) == "claim_malformed"
    assert reason(guard, issuer.token(without=["aud"], client_id="x")) == "client_not_allowed"


def test_a_client_cannot_stand_in_for_the_audience_unless_it_is_listed(issuer):
    (problem,) = problems(issuer, missing_audience="client")
    assert problem == (
        "missing_audience='client' (argument) lets the client stand in for the audience: "
        "set clients to those that may"
    )


def test_a_greatest_age_may_replace_that_of_the_profile(make_issuer, clock):
    clerk = make_issuer("https://a.clerk.accounts.dev")
    raw = clerk.token(azp="https://app.example", exp=int(clock()) + 3600)
    clock.tick(700)
    assert reason(clerk.guard(clients="https://app.example"), raw) == "too_old"
    assert clerk.guard(clients="https://app.example", max_token_age="1h").verify(raw)


def test_a_token_for_this_api_is_not_named_by_a_prefix_of_another(make_issuer):
    """An application called "orders" must not get the scopes of "orders.extra", nor lose its own."""
    xsuaa = make_issuer("https://s.authentication.eu10.hana.ondemand.com/oauth/token")
    raw = xsuaa.token(aud=["orders"], scope=["orders.read", "ordersX.write", "x.orders.admin"])
    token = xsuaa.guard(audience="orders").verify(raw)
    assert token.scopes == {"read", "ordersX.write", "x.orders.admin"}


def test_a_tenant_that_is_no_text_is_none(make_issuer):
    logto = make_issuer("https://shop.logto.app/oidc")
    assert logto.guard().verify(logto.token(organization_id=5)).tenant is None


# One issuer for many tenants.

TEMPLATE = "https://login.microsoftonline.com/{tid}/v2.0"


def entra(make_issuer, tenant, **claims):
    name = TEMPLATE.replace("{tid}", tenant)
    return make_issuer(name).token(
        header={"typ": "JWT"}, tid=tenant, scp="read", azp="app", **claims
    )


@pytest.fixture
def tenants(make_issuer):
    """A guard for two tenants, and the fetcher of all of them."""

    class All:
        def fetch(self, url, **limits):
            tenant = url.split("/")[3 if "well-known" not in url.split("/")[3] else 5]
            return make_issuer(TEMPLATE.replace("{tid}", tenant)).fetch(url, **limits)

    first = make_issuer(TEMPLATE)
    return Guard(
        issuer=TEMPLATE,
        audience=first.audience,
        tenants="tenant-1,tenant-2",
        fetcher=All(),
        clock=first.clock,
    )


def test_each_tenant_of_a_template_is_an_issuer_of_its_own(tenants, make_issuer):
    """RFC 8725 section 3.8: the issuer is one of a list, and the keys are its own."""
    for tenant in ("tenant-1", "tenant-2"):
        assert tenants.verify(entra(make_issuer, tenant)).tenant == tenant
    assert set(tenants.status()) == {
        "https://login.microsoftonline.com/tenant-1/v2.0",
        "https://login.microsoftonline.com/tenant-2/v2.0",
    }


def test_a_tenant_that_is_not_listed_is_nobody(tenants, make_issuer):
    assert reason(tenants, entra(make_issuer, "tenant-3")) == "issuer_mismatch"


def test_the_claim_of_the_hole_names_the_tenant_of_the_issuer(make_issuer):
    issuer = make_issuer("https://id.example/acme")
    guard = issuer.guard(issuer="https://id.example/{org}", tenants="acme", match="env=live")
    assert guard.verify(issuer.token(org="acme", env="live")).issuer == "https://id.example/acme"
    for claims in ({"org": "other"}, {}, {"org": ["acme"]}):
        assert reason(guard, issuer.token(env="live", **claims)) == "claim_mismatch"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"issuer": TEMPLATE}, "is a template for any tenant; set tenants to those"),
        ({"issuer": "https://{a}.example/", "tenants": "x"}, "anybody could fit"),
        ({"issuer": "https://id.example/{a}/{b}", "tenants": "x"}, "has more than one hole"),
        ({"issuer": "https://id.example/{a", "tenants": "x"}, "is not an absolute URL"),
        ({"tenants": "x"}, "is for an issuer template such as"),
        (
            {"issuer": "https://login.microsoftonline.com/common/v2.0"},
            "is no issuer of the profile entra: write",
        ),
        ({"issuer": "https://login.microsoftonline.com/t-1/"}, "no issuer of the profile entra"),
        ({"issuer": "https://sts.windows.net/t-1/v2.0"}, "no issuer of the profile entra"),
        (
            {"issuer": TEMPLATE.replace("tid", "tenantid"), "tenants": "x"},
            "has a hole of another name than {tid}",
        ),
        (
            {"issuer": TEMPLATE, "tenants": "x", "match": "tid=y"},
            "names the claim of the hole",
        ),
        (
            {
                "issuer": "https://id.example/{org}",
                "tenants": "a,b",
                "introspection_client_id": "api",
                "introspection_client_secret": "hush",
            },
            "nothing tells whom of its tenants to ask about an opaque token",
        ),
        ({"issuer": "https://tenant.auth0.com"}, "no issuer of the profile auth0: end it with '/'"),
    ],
)
def test_an_issuer_that_could_be_anybody_refuses_the_start(issuer, settings, told):
    assert told in problems(issuer, **settings)[0]


@pytest.mark.parametrize(
    ("name", "match", "told"),
    [
        ("https://ref.supabase.co/auth/v1", "role=anon", "another role than the profile supabase"),
        (
            "https://login.microsoftonline.com/t-1/v2.0",
            "tid=t-2",
            "another tid than the profile entra, which is t-1",
        ),
    ],
)
def test_what_a_profile_pins_down_cannot_be_set_otherwise(make_issuer, name, match, told):
    """It pays for what the profile takes beyond RFC 9068."""
    assert told in problems(make_issuer(name), match=match)[0]


def test_what_a_profile_pins_down_may_be_narrowed_and_repeated(make_issuer):
    supabase = make_issuer("https://ref.supabase.co/auth/v1")
    guard = supabase.guard(match="role=authenticated,aal=aal2")
    header = {"typ": "JWT"}
    assert guard.verify(supabase.token(header=header, role="authenticated", aal="aal2"))
    assert reason(guard, supabase.token(header=header, role="authenticated")) == "claim_mismatch"


@pytest.mark.parametrize("profile", ["jwt", "rfc9068"])
def test_whoever_takes_the_tokens_that_everybody_gets_names_the_own_ones(make_issuer, profile):
    """Whatever the profile is called: every workflow on GitHub may choose its audience."""
    github = make_issuer("https://token.actions.githubusercontent.com")
    assert "needs match about repository" in problems(github, profile=profile)[0]
    assert github.guard(profile=profile, match="repository=octo-org/octo-repo")


def test_the_subdomain_of_xsuaa_is_told_by_the_claim_that_holds_it(make_issuer):
    name = "https://shop.authentication.eu10.hana.ondemand.com/oauth/token"
    xsuaa = make_issuer(name)
    guard = xsuaa.guard(issuer=name.replace("shop", "{subdomain}"), tenants="shop")
    found = guard.verify(xsuaa.token(ext_attr={"zdn": "shop"}, zid="zone-1"))
    assert (found.issuer, found.tenant) == (name, "zone-1")
    assert reason(guard, xsuaa.token(ext_attr={"zdn": "other"})) == "claim_mismatch"


def test_a_profile_whose_keys_have_to_be_set_says_no_more_than_that(make_issuer):
    (problem,) = problems(make_issuer("http://adfs.example/adfs/services/trust"), profile="adfs")
    assert "needs jwks_uri or jwks_file" in problem


def test_a_relaxation_without_a_check_instead_is_told_as_one(issuer, caplog):
    caplog.set_level("INFO")
    issuer.guard(required_claims="exp")
    assert "it checks nothing else instead" in caplog.text


def test_tenants_in_a_file_keep_their_keys_in_files_of_their_own(make_issuer, tmp_path):
    config = tmp_path / "guard.toml"
    config.write_text(
        f'jwks_snapshot = "{tmp_path}/keys"\n[[issuer]]\nissuer = "{TEMPLATE}"\n'
        'audience = "a"\ntenants = ["tenant-1", "tenant-2"]\n'
    )
    known = Guard(config=str(config)).issuers.all()
    files = [one.settings.jwks_snapshot for one in known]
    assert len(files) == len(set(files)) == 2


@pytest.mark.parametrize("name", ["clients", "tenants", "match"])
def test_an_empty_list_of_what_is_allowed_is_not_taken_for_everybody(issuer, name):
    assert "is an empty list, which would allow all" in problems(issuer, **{name: []})[0]


# A file of settings.


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('tennants = ["a"]', "tennants"),
        ("match = 5", "match=5 (guard.toml [[issuer]] 1) must be a list or a text with commas"),
        ("match = {}", "is empty, which would allow all"),
        ("match = { protected = true }", "has True for 'protected'; write texts, such as 'true'"),
        ('match = ["repository"]', "is no pair; write 'claim=value'"),
        ("missing_audience = true", "must be text"),
        ('profile = "cognito"', "which needs clients"),
        ("clients = []", "clients"),
    ],
)
def test_a_mistake_in_a_file_names_the_file_the_key_and_the_remedy(
    line, told, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.toml").write_text(
        f'audience = "a"\n[[issuer]]\nissuer = "https://i.example"\n{line}\n'
    )
    with pytest.raises(ConfigurationError) as refused:
        Guard(config="guard.toml")
    assert told in str(refused.value)
    assert "guard.toml [[issuer]] 1" in str(refused.value)

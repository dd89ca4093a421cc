"""The table of rules around plain ASGI and WSGI applications."""

import pytest

from bearerguard import ConfigurationError, any_of, authenticated, role, scope


@pytest.fixture(params=["asgi", "wsgi"])
def adapter(request):
    return request.param


@pytest.fixture
def ruled(make, contract):
    """An application that answers everything, behind a table of rules."""

    def made(rules, public=(), optional=(), **settings):
        return make(contract.ANYTHING, rules=rules, public=public, optional=optional, **settings)

    return made


TABLE = {
    "GET /orders": "orders:read",
    "POST /orders": ["orders:read", "orders:write"],
    "* /admin/*": "admin",
    "* /admin/reports/*": "reports",
    "GET /admin/reports/today": any_of("today", role("boss")),
    "GET /me": authenticated,
}


@pytest.mark.requirement("9700-2.3-2")
@pytest.mark.parametrize(
    ("method", "path", "scopes", "status"),
    [
        ("GET", "/orders", "orders:read", 200),
        ("GET", "/orders", "orders:write", 403),
        ("POST", "/orders", "orders:read", 403),
        ("POST", "/orders", "orders:write orders:read", 200),
        ("GET", "/me", "", 200),
        ("GET", "/admin/", "admin", 200),
        ("DELETE", "/admin/users", "admin", 200),
        ("DELETE", "/admin/users", "reports", 403),
        ("GET", "/admin/reports/x", "reports", 200),
        ("GET", "/admin/reports/x", "admin", 403),
        ("GET", "/admin/reports", "admin", 200),
        ("GET", "/admin/reports/today", "today", 200),
        ("GET", "/admin/reports/today", "reports admin", 403),
        ("POST", "/admin/reports/today", "reports", 200),
        ("POST", "/admin/reports/today", "today", 403),
    ],
)
def test_the_longest_rule_decides(ruled, issuer, method, path, scopes, status):
    """RFC 9700 section 2.3: for this action on this resource."""
    api = ruled(TABLE)
    assert api.call(method, path, token=issuer.token(scopes)).status == status
    assert len(api.ran) == (status == 200)
    assert api.call(method, path).outcome == (401, None)


def test_head_takes_the_rule_of_get(ruled, issuer):
    api = ruled(TABLE)
    assert api.call("HEAD", "/orders", token=issuer.token("orders:read")).status == 200
    assert api.call("HEAD", "/orders", token=issuer.token("orders:write")).status == 403
    with pytest.raises(ConfigurationError, match="HEAD takes the rule of GET"):
        ruled({"HEAD /orders": "x"}).call("GET", "/")


@pytest.mark.requirement("9700-2.3-2")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/orders/1"),
        ("GET", "/orders/"),
        ("GET", "/Orders"),
        ("PUT", "/orders"),
        ("OPTIONS", "/orders"),
        ("GET", "/admin"),
        ("GET", "/administrator"),
    ],
)
def test_what_no_rule_names_is_refused(ruled, issuer, method, path):
    """With 403, whatever the token can do; without one with 401."""
    api = ruled(TABLE, public=["/healthz"])
    everything = issuer.token("orders:read orders:write admin reports today")
    answer = api.call(method, path, token=everything)
    assert (answer.outcome, "scope" in answer.challenge) == ((403, "insufficient_scope"), False)
    assert api.call(method, path).outcome == (401, None)
    assert api.call(method, path, token="garbage").outcome == (401, "invalid_token")
    assert api.ran == []
    assert api.call("GET", "/healthz").status == 200


def test_an_empty_table_refuses_everything(ruled, issuer):
    assert ruled({}).call("GET", "/", token=issuer.token()).status == 403


@pytest.mark.parametrize("need", [authenticated, "api"])
def test_a_star_alone_speaks_of_all_other_paths(ruled, issuer, need):
    api = ruled({"GET /orders": "orders:read", "*": need})
    assert api.call("PUT", "/x", token=issuer.token("api")).status == 200
    assert api.call("GET", "/x").status == 401
    assert api.call("GET", "/orders", token=issuer.token("api")).status == 403


@pytest.mark.requirement("GEN-3")
@pytest.mark.parametrize(
    "path",
    [
        "//admin/x",
        "/admin//x",
        "/admin/./x",
        "/admin/../orders",
        "/x/../orders",
        "/admin/%2e%2e/orders",
        "/admin\\x",
        "/orders\x00",
        "/orders%2f",
        "orders",
    ],
)
@pytest.mark.parametrize("rules", [TABLE, {**TABLE, "*": authenticated}])
def test_an_odd_spelling_matches_no_rule(ruled, issuer, path, rules):
    """Not even the star: it might be another rule's path for whoever reads it next."""
    api = ruled(rules)
    token = issuer.token("orders:read orders:write admin reports")
    assert (api.call("GET", path, token=token).status, api.call("GET", path).status) == (403, 401)
    assert api.ran == []


def test_a_path_that_came_encoded_in_an_odd_way_matches_no_rule(ruled, issuer):
    api = ruled(TABLE)
    answer = api.call("GET", "/admin/x", token=issuer.token("admin"), raw_path="/admin%2fx")
    assert answer.status == 403


def test_a_rule_wins_over_public_and_optional_and_the_start_says_so(ruled, issuer, log):
    rules = {"* /a/*": "read", "GET /b": "read", "GET /c/d": "read", "GET /e": "read"}
    api = ruled(rules, public=["/a/open", "/b", "/f"], optional=["/c/*", "/a/b/*"])
    api.call("GET", "/f")
    told = [record.getMessage() for record in log() if "called open" in record.getMessage()]
    assert [line.split(" is called")[0] for line in told] == ["GET /c/d", "* /a/", "GET /b"]
    for path in ("/a/open", "/a/b/c", "/b", "/c/d"):
        assert api.call("GET", path).status == 401
        assert api.call("GET", path, token=issuer.token("read")).status == 200
    assert [api.call("GET", path).status for path in ("/f", "/c/x")] == [200, 200]


@pytest.mark.parametrize(
    "rules",
    [
        {"GET /x": "a", "* /x": "b"},
        {"GET /x/*": "a", "* /x/*": "a"},
        {"get /x": "a"},
        {"/x": "a"},
        {"GET x": "a"},
        {"GET": "a"},
        {"GET  /x": "a"},
        {"GET /x y": "a"},
        {"GET,POST /x": "a"},
        {"**": "a"},
        {"": "a"},
        {5: "a"},
        {"GET /x*": "a"},
        {"GET //x": "a"},
        {"GET /x/../y": "a"},
        {"GET /%2e": "a"},
        {"GET /x": ""},
        {"GET /x": "a b"},
        {"GET /x": []},
        {"GET /x": ["a", ""]},
        {"GET /x": None},
        {"GET /x": 5},
        {"GET /x": {"a"}},
        {"*": ""},
        ["GET /x"],
        "GET /x",
    ],
    ids=repr,
)
def test_a_table_that_says_nothing_or_two_things_refuses_the_start(ruled, rules):
    with pytest.raises(ConfigurationError, match="rule"):
        ruled(rules).call("GET", "/")


def test_all_mistakes_are_named_together(ruled):
    with pytest.raises(ConfigurationError) as refusal:
        ruled({"x": "a", "GET /a": "a b"}, optional=("/*", "y")).call("GET", "/")
    assert len(refusal.value.problems) == 4


def test_rules_that_cannot_both_speak_of_a_request_are_fine(ruled, issuer):
    api = ruled({"GET /x": "a", "POST /x": "b", "* /x/*": "c", "* /*": "d"})
    statuses = [
        api.call(method, path, token=issuer.token(scopes)).status
        for method, path, scopes in [
            ("GET", "/x", "a"),
            ("POST", "/x", "b"),
            ("PUT", "/x", "d"),
            ("GET", "/x/", "c"),
            ("GET", "/", "d"),
            ("GET", "/y", "a b c"),
        ]
    ]
    assert statuses == [200, 200, 200, 200, 200, 403]


def test_a_rule_can_be_any_need(ruled, issuer):
    rules = {
        "GET /a": scope("x") & (scope("y") | role("admin")),
        "GET /b": lambda token: token.client_id == "shop",
        "GET /c": ("x", role("admin")),
    }
    api, paths = ruled(rules), ["/a", "/b", "/c"]
    admin = issuer.token("x", roles=["admin"], client_id="shop")
    assert [api.call("GET", path, token=admin).status for path in paths] == [200] * 3
    plain = issuer.token("x")
    assert [api.call("GET", path, token=plain).status for path in paths] == [403] * 3
    assert api.call("GET", "/a").challenge["scope"] == "x y"

"""Every request needs a valid token, unless its path or its view says otherwise, in so many words."""

import pytest

from bearerguard import ConfigurationError


@pytest.mark.requirement("9700-2.3-2", "GEN-3")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_without_a_token_nothing_runs(api, method):
    """RFC 9700 section 2.3: what nobody decided about is closed."""
    for path in ("/", "/plain", "/no-such-path", "/docs", "/static/x", "/favicon.ico"):
        answer = api.call(method, path)
        assert answer.challenge == {"realm": "https://api.example"}
        assert answer.status == 401
    assert api.ran == []


@pytest.mark.requirement("9700-2.3-2")
def test_an_unknown_path_is_unknown_only_to_those_who_may_know(make, contract, issuer):
    api = make(contract.Route("/plain"))
    assert api.call("GET", "/no-such-path").status == 401
    assert api.call("GET", "/no-such-path", token="garbage").status == 401
    assert api.call("GET", "/no-such-path", token=issuer.token()).status == 404


@pytest.mark.parametrize(
    "path", ["/healthz", "/docs/", "/docs/a", "/docs/a/b", "/docs/a/", "/open"]
)
@pytest.mark.parametrize("token", [None, "garbage", "good"])
def test_on_a_public_path_credentials_are_not_looked_at(api, issuer, path, token):
    """The user is anonymous, whoever it is."""
    raw = issuer.token() if token == "good" else token
    answer = api.call("GET", path, token=raw)
    assert (answer.status, answer.json["subject"]) == (200, None)
    assert issuer.requests == []


@pytest.mark.parametrize("path", ["/greeting", "/shop/a", "/maybe"])
def test_on_an_optional_path_a_caller_may_be_anonymous_but_not_wrong(api, issuer, path):
    assert api.call("GET", path).json["subject"] is None
    assert api.call("GET", path, ("Authorization", "Basic dTpw")).json["subject"] is None
    assert api.call("GET", path, token=issuer.token(sub="alice")).json["subject"] == "alice"
    assert api.call("GET", path, token="garbage").outcome == (401, "invalid_token")
    assert api.call("GET", path, ("Authorization", "Bearer")).outcome == (400, "invalid_request")
    assert len(api.ran) == 3


@pytest.mark.parametrize(
    "path", ["/conflict/public", "/conflict/optional", "/docs/private", "/shop/private"]
)
def test_a_need_wins_over_public_and_optional(api, issuer, path):
    """It is enforced, for anonymous callers with 401."""
    assert api.call("GET", path).outcome == (401, None)
    assert api.call("GET", path, token=issuer.token()).outcome == (403, "insufficient_scope")
    assert api.call("GET", path, token=issuer.token("read")).json["subject"] == "user-1"


@pytest.mark.ml_dsa  # otherwise the start warns of that too
def test_the_start_logs_where_a_need_wins(make, log):
    """Whoever wrote both should learn which one holds; with a server, at its start."""
    api = make()
    api.call("GET", "/healthz")
    told = [record.getMessage() for record in log() if record.levelname == "WARNING"]
    conflicts = {line.split(" is called open")[0].removeprefix("GET ") for line in told}
    assert conflicts == {
        "/conflict/public",
        "/conflict/optional",
        "/docs/private",
        "/shop/private",
    }
    assert len(told) == len(conflicts)
    api.call("GET", "/healthz")
    assert log() == []


@pytest.mark.parametrize(
    ("route", "public", "optional"),
    [
        ("/orders/*", ["/orders/1"], []),
        ("/orders/*", [], ["/orders/latest"]),
        ("/orders/*", ["/orders/*"], []),
        ("/orders/*", ["/orders/public/*"], []),
        ("/*", ["/docs/*"], []),
        ("/orders/new", ["/orders/*"], []),
    ],
)
def test_a_conflict_is_seen_through_the_variable_parts_of_a_path(
    make, contract, log, route, public, optional
):
    api = make(contract.Route(route, needs=("read",)), public=public, optional=optional)
    path = (public or optional)[0].replace("*", "x")
    assert api.call("GET", path.replace("/orders/x", "/orders/new")).status == 401
    assert [r.levelname for r in log() if "is called open" in r.getMessage()] == ["WARNING"]


@pytest.mark.ml_dsa  # otherwise the start warns of that too
def test_where_nothing_is_at_odds_nothing_is_logged(make, contract, log):
    routes = [
        contract.Route("/a", needs=("read",)),
        contract.Route("/b/*"),
        contract.Route("/c", public=True),
    ]
    api = make(*routes, public=["/b/*"], optional=["/d"])
    api.call("GET", "/c")
    assert [record for record in log() if record.levelname == "WARNING"] == []


# Each is a spelling that somebody between here and there could take for /healthz or for something
# below /docs/ or /shop/. The small application would answer every one of them.
OTHER_SPELLINGS = [
    "/healthz/",
    "//healthz",
    "///healthz",
    "/HEALTHZ",
    "/Healthz",
    "/healthz ",
    " /healthz",
    "/./healthz",
    "/x/../healthz",
    "/healthz/.",
    "/healthz/..",
    "/healthz%00",
    "/healthz\x00",
    "/healthz\\",
    "\\healthz",
    "/healthz%2f",
    "/healthz?",
    "/healthz;x",
    "/healthz.json",
    "/healthz/plain",
    "/%68ealthz",
    "healthz",
    "",
    "*",
    "https://api.example/healthz",
    "/docs",
    "//docs/a",
    "/docs//a",
    "/docs/./a",
    "/docs/../plain",
    "/docs/a/../../plain",
    "/docs/..",
    "/docs/.",
    "/docs/a\\b",
    "/docs/..\\plain",
    "/docs/a\x00",
    "/docs/%2e%2e/plain",
    "/docs/%2E%2e/plain",
    "/docs/..%2fplain",
    "/docs/%2fplain",
    "/docs/%5cplain",
    "/docs/a%00",
    "/docs/%252e%252e/plain",
    "/docs/%25252e%25252e/plain",
    "/docs/%252fplain",
    "/docs/\udcff",
    "/docs/.\udcff./plain",
    "/Docs/a",
    "/docs/\ufffd",
]


def as_decoded_by_a_server(api, path):
    """An ASGI server hands over text, in which bad octets are already replaced."""
    if not api.is_asgi:
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def opened(api, paths):
    """The paths for which an anonymous caller gets anything but 401."""
    calls = {
        path: api.call("GET", as_decoded_by_a_server(api, path), raw_path="/") for path in paths
    }
    return [path for path, answer in calls.items() if answer.outcome != (401, None)]


@pytest.mark.requirement("GEN-3")
def test_only_the_exact_spelling_of_a_public_path_is_public(api):
    """Case-sensitive, never normalised; an odd spelling is never public."""
    assert (opened(api, OTHER_SPELLINGS), api.ran) == ([], [])


@pytest.mark.requirement("GEN-3")
def test_only_the_exact_spelling_of_an_optional_path_is_optional(api):
    paths = [p.replace("healthz", "greeting").replace("docs", "shop") for p in OTHER_SPELLINGS]
    assert (opened(api, paths), api.ran) == ([], [])


@pytest.mark.requirement("GEN-3")
@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/docs/../plain", "/docs/%2e%2e/plain"),
        ("/docs/a", "/docs/%2e/a"),
        ("/docs/a", "/x/%2E%2E/docs/a"),
        ("/docs/a/b", "/docs/a%2fb"),
        ("/docs/a/b", "/docs/a%2Fb"),
        ("/docs/a", "/docs%2fa"),
        ("/docs/a", "/docs/a%5c"),
        ("/docs/a", "/docs/a%00"),
        ("/docs/a", "/docs/%252e%252e/plain"),
        ("/healthz", "/%2e/healthz"),
        ("/healthz", "%2fhealthz"),
        ("/healthz", "/healthz%2f"),
        ("/healthz", "https://api.example/%2e/healthz"),
    ],
)
@pytest.mark.parametrize("query", ["", "?a=b"])
def test_a_path_that_came_over_the_wire_encoded_in_an_odd_way_is_not_public(
    api, path, raw_path, query
):
    """``raw_path`` in ASGI, ``REQUEST_URI`` or ``RAW_URI`` in WSGI, where the server gives it."""
    if not api.is_asgi:
        raw_path += query
    assert api.call("GET", path, raw_path=raw_path).outcome == (401, None)
    if not api.is_asgi:
        assert api.call("GET", path, RAW_URI=raw_path).outcome == (401, None)
    assert api.ran == []


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/healthz", "/healthz"),
        ("/healthz", "/healthz?next=%2Fplain&x=%2e%2e"),
        ("/healthz", "https://api.example/healthz"),
        ("/healthz", "/%68ealthz"),
        ("/docs/a b", "/docs/a%20b"),
        ("/docs/é", "/docs/%C3%A9"),
        ("/docs/a.b..c", "/docs/a.b..c"),
        ("/docs/100%", "/docs/100%25"),
    ],
)
def test_an_ordinary_way_to_write_a_public_path_is_public(api, path, raw_path):
    if api.is_asgi:
        raw_path = raw_path.partition("?")[0]
    assert api.call("GET", path, raw_path=raw_path).status == 200


@pytest.mark.requirement("GEN-3")
def test_below_a_mount_the_path_is_what_is_left_of_it(api):
    """ASGI: ``path`` less ``root_path``. WSGI: ``PATH_INFO``, without ``SCRIPT_NAME``."""
    if not api.is_asgi:
        assert api.call("GET", "/healthz", SCRIPT_NAME="/v1").status == 200
        assert api.call("GET", "/v1/healthz", SCRIPT_NAME="/v1").status == 401
        assert api.call("GET", "/plain", SCRIPT_NAME="/healthz").status == 401
        return
    assert api.call("GET", "/v1/healthz", root_path="/v1").status == 200
    assert api.call("GET", "/v1/healthz").status == 401
    assert api.call("GET", "/healthz", root_path="/health").status == 200  # not below it
    for path, root in [
        ("/v1healthz", "/v1"),
        ("/v1//healthz", "/v1"),
        ("/v1/healthz", "/v1/"),
        ("/healthz/plain", "/v1"),
        ("/healthz", "/healthz"),
        ("/v1/v1/healthz", "/v1"),
    ]:
        assert api.call("GET", path, root_path=root).status == 401, (path, root)


@pytest.mark.parametrize(
    "entry",
    [
        "/*",
        "*",
        "healthz",
        "/docs*",
        "/*/docs",
        "/docs/*/x",
        "/docs/**",
        "//docs",
        "/docs//*",
        "/docs/./x",
        "/docs/../*",
        "/docs\\x",
        "/docs/%2e",
        "/docs/%2F/*",
        "/docs\x00",
        "https://api.example/docs",
    ],
)
@pytest.mark.parametrize("setting", ["public", "optional"])
def test_an_entry_that_opens_all_or_can_never_match_refuses_the_start(
    contract, adapter, issuer, entry, setting
):
    if setting == "public":
        with pytest.raises(ConfigurationError, match=r"public=.*argument"):
            start(contract, adapter, contract.Plan(guard=issuer.guard(public=[entry])))
    else:
        plan = contract.Plan(guard=issuer.guard(), optional=[entry])
        with pytest.raises(ConfigurationError, match="optional: "):
            start(contract, adapter, plan)


@pytest.mark.parametrize("optional", ["/greeting", {"/greeting": 1}, [5], [None], 5])
def test_a_list_of_paths_that_is_no_list_refuses_the_start(contract, adapter, guard, optional):
    with pytest.raises(ConfigurationError, match="optional: "):
        start(contract, adapter, contract.Plan(guard=guard, optional=optional))


def test_there_is_no_switch_that_makes_a_whole_application_optional(contract, adapter, guard):
    for optional in (True, "*", ["/*"], ["*"]):
        with pytest.raises(ConfigurationError):
            start(contract, adapter, contract.Plan(guard=guard, optional=optional))


def start(contract, adapter, plan):
    """Build the application and send a request: ASGI middleware raises at the first one."""
    contract.make_api(adapter, plan).call("GET", "/healthz")


@pytest.mark.requirement("GEN-3")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_no_spelling_of_a_guarded_path_gets_around_the_token(api, method):
    spellings = [
        "/read",
        "/READ",
        "/read/",
        "//read",
        "/./read",
        "/read%2f",
        "/x/../read",
        "/read\\",
    ]
    assert {path: api.call(method, path).status for path in spellings} == dict.fromkeys(
        spellings, 401
    )
    assert api.ran == []


def test_a_guard_without_any_open_path_opens_none(make):
    api = make(public=(), optional=())
    for path in ("/", "/healthz", "/docs/a", "/greeting"):
        assert api.call("GET", path).status == 401

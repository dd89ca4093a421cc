"""What a caller sees: the table of answers, alike in every adapter.

RFC 6750 sections 2 and 3, RFC 9110 sections 11 and 15.5, RFC 9111 section 3.5.
"""

import json

import pytest

from bearerguard.errors import REASONS
from bearerguard.testing import BAD_TOKENS, bad_tokens

JSON = "application/json"
TEXT = "The access token is not valid for this resource"


def authorization(value):
    return ("Authorization", value)


@pytest.mark.requirement("6750-2.1-1", "FAPI2-5.3.4-1", "GEN-2")
def test_a_good_token_in_the_header_is_served(api, issuer):
    """RFC 6750 section 2.1."""
    answer = api.call("GET", "/plain", token=issuer.token(sub="alice"))
    assert (answer.status, answer.json) == (200, {"view": "/plain", "subject": "alice"})


@pytest.mark.requirement("OAuth21-5.1.1-1", "9110-11.1-1", "6750-2.1-2")
@pytest.mark.parametrize("scheme", ["bearer ", "BEARER ", "bEaReR ", "Bearer  ", "Bearer    "])
def test_the_scheme_is_read_in_any_case_and_one_space_or_more_follow(api, issuer, scheme):
    """RFC 9110 section 11.1."""
    assert api.call("GET", "/plain", authorization(scheme + issuer.token())).status == 200


@pytest.mark.requirement("6750-3-1", "6750-3-2", "6750-3.1-1", "9110-11.6.1-1", "MCP-ERR-1")
def test_without_credentials_the_challenge_says_how_to_authenticate_and_nothing_else(api):
    """RFC 6750 section 3.1: no error code, no other error information."""
    answer = api.call("GET", "/plain")
    assert answer.status == 401
    assert answer.only("www-authenticate") == 'Bearer realm="https://api.example"'
    assert answer.body == b"{}"
    assert api.ran == []


@pytest.mark.requirement("6750-3-8", "9110-11.5-1")
def test_the_realm_is_the_one_that_is_configured_and_quoted(make):
    """RFC 9110 section 11.5."""
    answer = make(realm="example").call("GET", "/plain")
    assert answer.only("www-authenticate") == 'Bearer realm="example"'


@pytest.mark.requirement("9110-5.6.4-1", "9110-5.5-1")
def test_a_quote_and_a_backslash_in_the_realm_are_escaped(make):
    """RFC 9110 section 5.6.4."""
    answer = make(realm='a"b\\c').call("GET", "/plain")
    assert answer.only("www-authenticate") == 'Bearer realm="a\\"b\\\\c"'
    assert answer.challenge == {"realm": 'a"b\\c'}


@pytest.mark.requirement("6750-3.1-2", "6750-3.1-1")
@pytest.mark.parametrize(
    "value",
    ["Basic dTpw", "Negotiate x", "DPoP abc", "Digest a=b, c=d", "Bearerx abc", "Token abc", "x"],
)
def test_another_scheme_counts_as_no_credentials(api, value):
    """RFC 6750 section 3.1."""
    answer = api.call("GET", "/plain", authorization(value))
    assert (answer.outcome, answer.body, api.ran) == ((401, None), b"{}", [])


@pytest.mark.requirement("6750-2.1-2", "6750-2.1-3", "6750-3.1-3", "MCP-ERR-1", "6750-3-7")
@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Bearer\t{}",
        "Bearer {} b",
        "Bearer {},b",
        "Bearer é",
        "Bearer =",
        "Bearer a=b",
        'Bearer "{}"',
        "Bearer,{}",
        "Bearer={}",
        "Bearer \x00{}",
        "Bearer {}\x00",
        "Bearer {}\n",
        "",
        " ",
        "\xff",
    ],
)
def test_malformed_credentials_are_a_bad_request(api, issuer, value):
    """RFC 6750 section 3.1."""
    answer = api.call("GET", "/read", authorization(value.format(issuer.token("read"))))
    assert answer.outcome == (400, "invalid_request")
    assert answer.json["error"] == "invalid_request"
    assert "scope" not in answer.challenge
    assert api.ran == []


@pytest.mark.requirement("6750-2.1-4", "GEN-2")
@pytest.mark.parametrize(
    "values",
    [
        ("Bearer {}", "Bearer {}"),
        ("Bearer {}, Bearer {}",),
        ("Bearer {},Bearer {}",),
        ("Bearer {}", "Basic dTpw"),
        ("Basic dTpw", "Bearer {}"),
        ("Basic dTpw,\tbearer {}",),
        ("Bearer {}", ""),
        ("", "Bearer {}"),
    ],
)
def test_two_authorization_fields_are_a_bad_request(api, issuer, values):
    """RFC 6750 section 2.1; ASGI keeps them apart, and WSGI joins them with a comma."""
    token = issuer.token()
    fields = [authorization(value.replace("{}", token)) for value in values]
    answer = api.call("GET", "/plain", *fields)
    assert (answer.outcome, api.ran) == ((400, "invalid_request"), [])


@pytest.mark.requirement(
    "6750-2.2-1",
    "6750-2.3-1",
    "6750-5.3-1",
    "OAuth21-5.1-1",
    "9700-4.3.2-1",
    "FAPI2-5.3.4-2",
    "MCP-TOK-4",
)
@pytest.mark.parametrize("place", ["query", "cookie", "form", "header of another name"])
def test_a_token_elsewhere_than_in_the_authorization_field_is_not_seen(api, issuer, place):
    """RFC 6750 section 5.3, RFC 9700 section 4.3.2. The body of a form is not even read."""
    pair, fields, extra = f"access_token={issuer.token()}", [], {}
    if place == "query":
        extra = {"query_string": pair.encode()} if api.is_asgi else {"QUERY_STRING": pair}
    if place == "cookie":
        fields = [("Cookie", pair)]
    if place == "form":
        fields = [("Content-Type", "application/x-www-form-urlencoded")]
    if place == "header of another name":
        fields = [("X-Access-Token", issuer.token()), ("Proxy-Authorization", f"Bearer {pair}")]
    answer = api.call("POST", "/plain", *fields, **extra)
    assert (answer.outcome, answer.body, api.ran) == ((401, None), b"{}", [])


@pytest.mark.requirement("OAuth21-5.1-1", "6750-2-1")
def test_what_stands_in_the_query_changes_nothing(api, issuer):
    """It is no second method: nobody reads it, as a token or as anything else."""
    query = "access_token=junk&access_token=more"
    extra = {"query_string": query.encode()} if api.is_asgi else {"QUERY_STRING": query}
    assert api.call("GET", "/plain", token=issuer.token(), **extra).status == 200


@pytest.mark.requirement(
    "6749-7-1",
    "6749-7.2-1",
    "6750-3-1",
    "6750-3-7",
    "6750-3.1-4",
    "6750-5.2-1",
    "9068-4-8",
    "9110-15.5.2-1",
    "MCP-ERR-1",
)
@pytest.mark.parametrize("defect", sorted(BAD_TOKENS))
def test_a_bad_token_is_refused_and_the_view_does_not_run(api, issuer, defect):
    """RFC 6750 section 3.1, RFC 9068 section 4; one text for all, but for the expired one."""
    answer = api.call("GET", "/read", token=BAD_TOKENS[defect](issuer))
    text = "The access token expired" if defect == "expired" else TEXT
    assert answer.status == 401
    assert answer.challenge == {
        "realm": "https://api.example",
        "error": "invalid_token",
        "error_description": text,
        "scope": "read",
    }
    assert answer.json == {"error": "invalid_token", "error_description": text}
    assert api.ran == []


@pytest.mark.requirement(
    "6749-7-1", "6750-3.1-5", "6750-3.1-6", "6750-3-9", "FAPI2-5.3.4-4", "9110-15.5.2-1"
)
def test_a_token_short_of_scope_is_told_all_that_the_route_needs(api, issuer):
    """RFC 6750 section 3.1."""
    answer = api.call("POST", "/write", token=issuer.token("read"))
    assert answer.outcome == (403, "insufficient_scope")
    assert answer.challenge["scope"] == "read write"
    assert answer.json["error"] == "insufficient_scope"
    assert api.ran == []
    assert api.call("POST", "/write", token=issuer.token("write x read")).status == 200


@pytest.mark.requirement("6750-3-4", "6750-3.1-6")
@pytest.mark.parametrize(("path", "scopes"), [("/either", "a b"), ("/read", "read")])
def test_the_scopes_of_a_known_need_stand_in_401_and_in_403(api, issuer, path, scopes):
    """RFC 6750 section 3: names with single spaces between them."""
    assert api.call("GET", path).challenge["scope"] == scopes
    assert api.call("GET", path, token=issuer.token()).challenge["scope"] == scopes


def test_what_every_route_needs_is_asked_for_everywhere(make, issuer):
    api = make(required_scopes=["api"])
    assert api.call("GET", "/plain").challenge["scope"] == "api"
    assert api.call("GET", "/read").challenge["scope"] == "api read"
    answer = api.call("GET", "/plain", token=issuer.token("read"))
    assert (answer.outcome, answer.challenge["scope"]) == ((403, "insufficient_scope"), "api")
    assert api.call("GET", "/read", token=issuer.token("read")).challenge["scope"] == "api read"
    assert api.call("GET", "/read", token=issuer.token("read api")).status == 200


@pytest.mark.parametrize("path", ["/admin", "/acme", "/any-token"])
def test_a_need_that_is_no_scope_names_none(api, path):
    assert "scope" not in api.call("GET", path).challenge


@pytest.mark.requirement("GEN-7", "9110-15.5.2-1")
def test_when_nobody_can_know_the_credentials_are_not_blamed(api, issuer):
    """503 with a time to come back and no challenge; never 401."""
    issuer.is_down = True
    answer = api.call("GET", "/plain", token=issuer.token())
    assert (answer.status, answer.all("www-authenticate")) == (503, [])
    assert 1 <= int(answer.only("retry-after")) <= 60
    assert answer.json["error"] == "temporarily_unavailable"
    assert answer.only("cache-control") == "no-store"
    assert api.ran == []


@pytest.mark.requirement("GEN-7")
def test_the_issuer_is_not_asked_about_a_caller_without_credentials(api, issuer):
    issuer.is_down = True
    assert [api.call("GET", path).status for path in ("/plain", "/healthz")] == [401, 200]
    assert issuer.requests == []


def refusals(api, issuer):
    """An answer of each kind."""
    return [
        api.call("GET", "/read"),
        api.call("GET", "/read", authorization("Bearer")),
        api.call("GET", "/read", token="garbage"),
        api.call("GET", "/read", token=issuer.token("read", exp=int(issuer.clock()) - 60)),
        api.call("GET", "/read", token=issuer.token()),
    ]


@pytest.mark.requirement("9111-3.5-1")
def test_a_refusal_is_json_that_no_cache_keeps(api, issuer):
    """RFC 9111 section 3.5."""
    answers = refusals(api, issuer)
    assert [answer.status for answer in answers] == [401, 400, 401, 401, 403]
    for answer in answers:
        assert answer.only("cache-control") == "no-store"
        assert answer.only("content-type") == JSON
        assert int(answer.only("content-length")) == len(answer.body)
        assert set(json.loads(answer.body)) in (set(), {"error", "error_description"})


@pytest.mark.requirement("6750-3-6", "6750-3.1-7", "6750-3-3", "9110-11.2-1")
def test_challenges_hold_registered_errors_and_known_parameters(api, issuer):
    """RFC 6750 section 3.1; ``challenge`` also checks that no name occurs twice."""
    for answer in refusals(api, issuer):
        challenge = answer.challenge
        assert challenge.get("error") in {
            None,
            "invalid_request",
            "invalid_token",
            "insufficient_scope",
        }
        assert set(challenge) <= {"realm", "error", "error_description", "scope"}


@pytest.mark.requirement("9110-11.6.1-2")
def test_there_is_one_challenge_in_one_field(api, issuer):
    """RFC 9110 section 11.6.1 allows several; only Bearer is offered."""
    for answer in refusals(api, issuer):
        assert len(answer.all("www-authenticate")) == 1


@pytest.mark.requirement("6750-3-5", "9068-6-1")
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": '"x\r\nSet-Cookie: a=b'},
        {"iss": "é"},
        {"aud": 'secret-claim"\\'},
        {"nbf": "secret-claim"},
        {"sub": {"secret-claim": 1}},
        {"scope": "secret-claim"},
        {"roles": ["secret-claim"]},
    ],
)
def test_nothing_out_of_a_token_is_repeated_to_the_caller(api, issuer, claims):
    """RFC 6750 section 3: texts of a fixed set; RFC 9068 section 6: claims are private."""
    answer = api.call("GET", "/read", token=issuer.token(**claims))
    assert answer.status in (401, 403)
    descriptions = {kind.description for kind in REASONS.values()}
    assert answer.challenge["error_description"] in descriptions
    assert "set-cookie" not in {name.lower() for name, _ in answer.fields}
    everything = answer.body + repr(answer.fields).encode()
    assert b"secret-claim" not in everything
    assert b"Set-Cookie" not in everything


@pytest.mark.requirement("GEN-2")
def test_all_adapters_give_the_same_answers(contract, issuer):
    """The same request, the same status, challenge and body, whatever framework took it."""
    guard = issuer.guard(public=[*contract.PUBLIC, "/open", "/conflict/public"])
    tokens = [None, "a b", *bad_tokens(issuer).values(), issuer.token(), issuer.token("read a")]
    paths = [route.path for route in contract.ROUTES] + ["/healthz", "/docs/x", "/greeting", "/?"]
    tables = []
    for adapter in contract.ADAPTERS:
        api = contract.make_api(adapter, contract.Plan(guard=guard))
        table = {}
        for path in paths:
            for number, token in enumerate(tokens):
                answer = api.call("GET", path, token=token)
                fields = [
                    answer.all(name)
                    for name in ("www-authenticate", "cache-control", "retry-after")
                ]
                body = answer.body if answer.status >= 400 else answer.json
                table[path, number] = answer.status, fields, body
        tables.append(table)
    assert all(table == tables[0] for table in tables)
    assert {status for status, *_ in tables[0].values()} == {200, 400, 401, 403}


@pytest.mark.requirement("GEN-3")
@pytest.mark.parametrize(("token", "status"), [(None, 401), ("", 403), ("read", 200)])
def test_head_is_guarded_as_get_and_has_no_body(api, issuer, token, status):
    """RFC 9110 section 9.3.2."""
    raw = None if token is None else issuer.token(token)
    answer = api.call("HEAD", "/read", token=raw)
    assert answer.status == status
    if status != 200:
        assert answer.body == b""
        assert answer.challenge["scope"] == "read"
        assert answer.all("content-length") == api.call("GET", "/read", token=raw).all(
            "content-length"
        )
        assert api.ran == []


@pytest.mark.requirement("MCP-TOK-3", "9700-2.3-2")
def test_a_token_counts_for_its_own_request_only(api, issuer):
    """Each request is decided anew; nothing is remembered of a session."""
    cookie = ("Cookie", "session=one")
    assert api.call("GET", "/plain", cookie, token=issuer.token()).status == 200
    assert api.call("GET", "/plain", cookie).outcome == (401, None)
    assert api.call("GET", "/plain", cookie, token="garbage").outcome == (401, "invalid_token")
    assert len(api.ran) == 1


@pytest.mark.requirement("6749-7-1")
def test_a_token_that_expires_between_two_requests_is_refused_at_the_second(api, issuer, clock):
    token = issuer.token()
    assert api.call("GET", "/plain", token=token).status == 200
    clock.tick(300 + 31)  # its lifetime, and the leeway
    answer = api.call("GET", "/plain", token=token)
    assert answer.challenge["error_description"] == "The access token expired"


@pytest.mark.requirement("9700-4.13-1")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-User", "admin"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Access-Token", "{}"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Prefix", "/healthz"),
        ("X-Forwarded-Host", "localhost"),
        ("Forwarded", "for=127.0.0.1;proto=https"),
        ("X-Original-URL", "/healthz"),
        ("X-Rewrite-URL", "/healthz"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("Client-Cert", ":MIIB:"),
        ("X-SSL-Client-Verify", "SUCCESS"),
        ("Remote-User", "admin"),
        ("X-Remote-User", "admin"),
    ],
)
def test_no_header_of_a_proxy_stands_in_for_a_token(api, issuer, name, value):
    """RFC 9700 section 4.13: no proxy is named as trusted, and none can be."""
    answer = api.call("GET", "/read", (name, value.format(issuer.token("read"))))
    assert (answer.outcome, api.ran) == ((401, None), [])


@pytest.mark.requirement("8725-3.8-2", "9068-4-9")
def test_an_application_can_ask_who_the_caller_is(make, issuer, contract):
    """RFC 8725 section 3.8: issuer and subject must mean somebody here."""
    known = {(issuer.url, "alice")}
    api = make(contract.Route("/known", needs=(lambda token: token.principal in known,)))
    assert api.call("GET", "/known", token=issuer.token(sub="alice")).status == 200
    answer = api.call("GET", "/known", token=issuer.token(sub="mallory"))
    assert answer.outcome == (403, "insufficient_scope")
    assert len(api.ran) == 1

"""The control page and its JSON: what can be minted, broken and pressed, and by whom."""

import pytest

from bearerguard import Guard, RejectedError
from bearerguard.dev import loopback_only
from bearerguard.dev.accounts import is_on_loopback
from bearerguard.dev.broken import BAD_TOKENS
from bearerguard.dev.local_state import MOST_KEYS, Seen
from bearerguard.dev.minting import LONGEST_LIFETIME_S

ORIGIN = "http://127.0.0.1:9000"


def test_a_token_is_minted_as_it_was_asked_for(visitor):
    wish = {"sub": "zoe", "scope": "a b", "audience": "orders", "lifetime": 60, "acr": "mfa"}
    raw = visitor.control("token", wish).json["access_token"]
    guard = Guard(
        issuer=visitor.issuer.url,
        audience="orders",
        fetcher=visitor.issuer,
        clock=visitor.issuer.clock,
    )
    token = guard.verify(raw)
    assert (token.subject, token.scopes, token.acr) == ("zoe", {"a", "b"}, "mfa")
    assert token.expires_at - token.issued_at == 60


def test_without_wishes_it_is_a_good_one_for_an_hour(visitor):
    token = visitor.issuer.guard().verify(visitor.control("token").json["access_token"])
    assert (token.subject, token.expires_at - token.issued_at) == ("alice", 3600)


def test_userinfo_knows_whom_a_minted_token_is_for(visitor):
    wish = {"sub": "zoe", "scope": "openid"}
    assert visitor.userinfo(visitor.control("token", wish).json["access_token"]).json == {
        "sub": "zoe"
    }


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_each_bad_token_can_be_had_by_its_name(visitor, name):
    raw = visitor.control("token", {"broken": name, "scope": "a"}).json["access_token"]
    with pytest.raises(RejectedError):
        visitor.issuer.guard().verify(raw)


def test_all_bad_tokens_come_at_once_for_any_audience(visitor):
    tokens = visitor.get("/control/bad-tokens?audience=orders").json
    assert tokens.keys() == BAD_TOKENS.keys()
    guard = visitor.issuer.guard(audience="orders")
    report = guard.explain(tokens["expired"])
    assert [check.name for check in report.checks if check.passed is False] == ["expiry"]


def test_what_is_good_in_a_providers_shape_is_not_offered_as_bad(visitor_of):
    visitor = visitor_of("cognito")
    assert "without_audience" not in visitor.get("/control/bad-tokens").json
    assert "without audience" not in visitor.get("/").text


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"scop": "a"}, "there is no 'scop'"),
        ({"scope": 'a"b'}, "scope is a list"),
        ({"scope": ["a"]}, "scope is a text"),
        ({"sub": ""}, "sub is not empty"),
        ({"sub": "x" * 2001}, "at most 2000"),
        ({"lifetime": 0}, "lifetime is a whole number"),
        ({"lifetime": True}, "lifetime is a whole number"),
        ({"lifetime": "60"}, "lifetime is a whole number"),
        ({"lifetime": LONGEST_LIFETIME_S + 1}, "lifetime is a whole number"),
        ({"broken": "x"}, "the names are garbage"),
    ],
)
def test_a_wish_that_cannot_be_meant_says_what_can(visitor, wish, told):
    answer = visitor.control("token", wish)
    assert answer.status_code == 400
    assert told in answer.json["error"]


def test_what_is_null_was_not_asked_for(visitor):
    assert visitor.control("token", {"acr": None}).status_code == 200


def test_a_long_audience_is_refused(visitor):
    assert visitor.get(f"/control/bad-tokens?audience={'x' * 2001}").status_code == 400


def test_rotation_keeps_the_old_keys_unless_told_otherwise(visitor):
    first = visitor.issuer.key.kid
    assert visitor.post("/control/rotate").json["keys"][0] == first
    assert first not in visitor.control("rotate", {"keep": False}).json["keys"]
    assert visitor.control("rotate", {"keep": "no"}).status_code == 400


def test_the_published_keys_are_bounded(visitor, signing_key, monkeypatch):
    visitor.issuer.keys = [signing_key] * MOST_KEYS
    visitor.control("rotate")
    assert len(visitor.get("/jwks.json").json["keys"]) == MOST_KEYS


def test_down_is_the_issuer_and_not_its_page(visitor):
    """Otherwise nobody could end it."""
    assert visitor.control("down", {"down": True}).json["down"] is True
    down = ["/jwks.json", "/.well-known/openid-configuration", "/authorize", "/userinfo"]
    assert {visitor.get(path).status_code for path in down} == {503}
    assert visitor.post("/token").status_code == 503
    assert visitor.get("/").status_code == visitor.get("/static/style.css").status_code == 200
    visitor.control("down", {"down": False})
    assert visitor.get("/jwks.json").status_code == 200


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("down", {}),
        ("down", {"down": 1}),
        ("slow", {}),
        ("slow", {"seconds": True}),
        ("slow", {"seconds": 61}),
        ("slow", {"seconds": -1}),
        ("slow", []),
        ("slow", "x"),
    ],
)
def test_a_button_is_not_pressed_by_half(visitor, name, body):
    assert visitor.control(name, body).status_code == 400


def test_slow_is_as_many_seconds_as_were_asked_for(visitor, monkeypatch):
    waited = []
    monkeypatch.setattr(loopback_only.time, "sleep", waited.append)
    visitor.control("slow", {"seconds": 2.5})
    visitor.get("/jwks.json")
    visitor.get("/")
    assert waited == [2.5]


@pytest.mark.parametrize(
    ("kind", "status"), [("application/json", 400), ("text/plain", 415), (None, 415)]
)
def test_a_body_is_json_by_its_type(visitor, kind, status):
    """Fetch Standard: a form of another site cannot send this type without being asked first."""
    answer = visitor.post("/control/down", data=b"[" * 30_000, content_type=kind)
    assert answer.status_code == status


# The same by forms.


def test_the_form_mints(visitor):
    page = visitor.press("/mint", sub="alice", scope="a", lifetime="60", audience="", acr="")
    assert page.status_code == 200
    assert "&#34;scope&#34;: &#34;a&#34;" in page.text


@pytest.mark.parametrize("name", ["garbage", "oversized", "altered"])
def test_the_form_shows_what_can_be_read_of_a_broken_token(visitor, name):
    page = visitor.press("/mint", broken=name)
    assert "No API may take it" in page.text


@pytest.mark.parametrize("lifetime", ["x", "0", "1" * 10, "²"])
def test_the_form_says_what_was_wrong(visitor, lifetime):
    page = visitor.press("/mint", lifetime=lifetime)
    assert page.status_code == 400
    assert "Not done" in page.text


def test_the_form_takes_no_markup(visitor):
    page = visitor.press("/mint", sub="<script>", scope="<b>", broken="<i>")
    assert "<script>" not in page.text.replace('<script src="/static/copy.js">', "")
    assert "<i>" not in page.text


def test_the_buttons_do_what_they_say(visitor):
    first = visitor.issuer.key.kid
    assert visitor.press("/rotate").status_code == 303
    assert first not in [key.kid for key in visitor.issuer.keys]
    visitor.press("/down", down="yes")
    assert "Come back" in visitor.get("/").text
    visitor.press("/down", down="no")
    visitor.press("/slow", seconds="3")
    assert "takes 3 s" in visitor.get("/").text
    assert visitor.press("/slow", seconds="61").status_code == 400
    assert visitor.press("/slow", seconds="x").status_code == 400
    assert visitor.state.slow_s == 3


def test_the_page_says_how_to_set_up_an_api(visitor_of):
    page = visitor_of("kubernetes").get("/").text
    assert "export BEARERGUARD_PROFILE=kubernetes" in page
    assert "export BEARERGUARD_MATCH=/kubernetes.io/namespace=shop" in page


def test_the_last_requests_are_bounded_and_carry_nothing(visitor, clock):
    for _ in range(40):
        visitor.get("/jwks.json?access_token=eyJx")
    assert len(visitor.state.seen) == 30
    assert visitor.state.seen[-1] == Seen(clock(), "GET", "/jwks.json", 200)
    assert "eyJx" not in visitor.get("/").text


# Who may speak with it.


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:9001", "evil.example:9000"]
)
@pytest.mark.parametrize("path", ["/", "/jwks.json", "/control/state", "/static/style.css"])
def test_another_name_is_not_answered(visitor, host, path):
    """DNS rebinding: a site makes its own name lead to this machine."""
    assert visitor.get(path, headers={"Host": host}).status_code == 421


def test_localhost_is_this_machine_too(visitor):
    assert visitor.get("/", headers={"Host": "localhost:9000"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8000", "x"])
def test_another_page_presses_no_button(visitor, origin):
    """Fetch Standard: every POST of a page carries its origin. Other ports are other pages."""
    headers = {"Origin": origin}
    assert visitor.control("rotate", headers=headers).status_code == 403
    answer = visitor.post("/rotate", data={"csrf": visitor.state.csrf}, headers=headers)
    assert answer.status_code == 403


def test_its_own_page_presses_every_button(visitor):
    headers = {"Origin": ORIGIN}
    answer = visitor.post("/rotate", data={"csrf": visitor.state.csrf}, headers=headers)
    assert answer.status_code == 303


@pytest.mark.parametrize("csrf", [None, "", "x", "é"])
def test_a_form_without_the_pages_token_is_refused(visitor, csrf):
    """Programs that send no origin included."""
    answer = visitor.post("/rotate", data={} if csrf is None else {"csrf": csrf})
    assert answer.status_code == 403


def test_the_token_of_the_form_stands_in_the_page(visitor):
    assert visitor.csrf_of(visitor.get("/")) == visitor.state.csrf


PATHS = ["/.well-known/openid-configuration", "/jwks.json", "/userinfo"]


@pytest.mark.parametrize("path", PATHS)
def test_applications_in_a_browser_of_this_machine_may_read(visitor, path):
    """Fetch Standard, CORS protocol."""
    headers = visitor.get(path, headers={"Origin": "http://localhost:8000"}).headers
    assert headers["Access-Control-Allow-Origin"] == "http://localhost:8000"
    assert headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", PATHS)
def test_other_sites_may_not(visitor, path):
    answer = visitor.get(path, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_preflight_says_what_may_be_sent(visitor):
    headers = {"Origin": "http://localhost:8000", "Access-Control-Request-Method": "POST"}
    answer = visitor.web.options("/token", base_url=ORIGIN, headers=headers)
    assert answer.status_code == 204
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "path", ["/", "/authorize", "/control/state", "/static/copy.js", "/nowhere"]
)
def test_a_browser_is_told_to_load_nothing_else(visitor, path):
    """Content Security Policy Level 3."""
    headers = visitor.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_body_that_is_too_long_is_refused(visitor):
    assert visitor.control("token", {"sub": "x" * 70_000}).status_code == 413


# The metadata.


@pytest.mark.parametrize("profile", ["rfc9068", "entra", "auth0", "okta"])
def test_the_metadata_name_every_endpoint_and_stand_at_both_places(visitor_of, profile):
    """RFC 8414 sections 2 and 3.1, OpenID Connect Discovery section 4."""
    visitor = visitor_of(profile)
    prefix = visitor.state.prefix
    one = visitor.get(f"/.well-known/oauth-authorization-server{prefix}").json
    other = visitor.get(f"{prefix}/.well-known/openid-configuration").json
    assert one == other
    assert one["issuer"] == visitor.issuer.url
    for name, url in one.items():
        if name.endswith(("_endpoint", "_uri")):
            assert visitor.get(url.removeprefix(ORIGIN)).status_code != 404, name


def test_half_a_character_is_no_user(visitor):
    """No token can hold it: JSON would, UTF-8 does not."""
    assert visitor.control("token", {"sub": "\ud800"}).status_code == 400


def test_another_sites_page_cannot_make_it_sign(visitor):
    """A request without CORS has no Origin; Fetch Metadata tell where it comes from."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert visitor.get("/control/bad-tokens", headers=headers).status_code == 403
    assert visitor.get("/control/bad-tokens").status_code == 200


def test_an_address_with_something_behind_it_is_not_this_machine():
    assert not is_on_loopback("http://[::1].evil.example/")
    assert is_on_loopback("http://[::1]:8000/")

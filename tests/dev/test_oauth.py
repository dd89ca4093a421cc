"""The local issuer as an OAuth 2.0 server: what it gives, to whom, and what it refuses."""

import pytest

from bearerguard.core.encoding import base64url_decode, read_json_object

OTHER = "https://orders.example"


def claims_of(token):
    return read_json_object(base64url_decode(token.split(".")[1].encode()))


# The authorization code.


def test_a_code_becomes_a_token_that_the_guard_takes(visitor):
    """RFC 6749 section 4.1, RFC 9068 section 2.2."""
    given = visitor.tokens()
    token = visitor.issuer.guard().verify(given["access_token"])
    assert (token.subject, token.client_id) == ("alice", "local-app")
    assert token.scopes == {"openid", "orders:read"}
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)


def test_the_answer_names_the_issuer(visitor):
    """RFC 9207 section 2."""
    back = visitor.consent()
    assert (back["iss"], back["state"]) == (visitor.issuer.url, "s")


def test_an_error_names_the_issuer_too(visitor):
    """RFC 9207 section 2: in error responses as well."""
    answer = visitor.authorize(code_challenge=None, code_challenge_method=None)
    assert answer.status_code == 302
    assert "error=invalid_request" in answer.location
    assert "iss=http" in answer.location


@pytest.mark.parametrize("method", [None, "plain"])
def test_without_s256_there_is_no_code(visitor, method):
    """RFC 9700 section 2.1.1."""
    assert "error=invalid_request" in visitor.authorize(code_challenge_method=method).location


def test_a_wrong_verifier_gets_nothing(visitor):
    """RFC 7636 section 4.6."""
    answer = visitor.exchange(visitor.consent()["code"], code_verifier="x" * 43)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")


def test_a_code_that_is_used_twice_ends_what_it_gave(visitor):
    """RFC 6749 section 4.1.2."""
    code = visitor.consent()["code"]
    first = visitor.exchange(code).json
    assert visitor.exchange(code).json["error"] == "invalid_grant"
    assert visitor.introspect(first["access_token"]).json == {"active": False}
    assert visitor.refresh(first["refresh_token"]).json["error"] == "invalid_grant"


def test_a_code_dies_after_a_minute(visitor, clock):
    """RFC 6749 section 4.1.2."""
    code = visitor.consent()["code"]
    clock.tick(61)
    assert visitor.exchange(code).json["error"] == "invalid_grant"


def test_the_redirect_uri_is_repeated_exactly(visitor):
    """RFC 6749 section 4.1.3."""
    answer = visitor.exchange(visitor.consent()["code"], redirect_uri="http://127.0.0.1:1/callback")
    assert answer.json["error"] == "invalid_grant"


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:1", "[::1]:9999", "127.0.0.1"])
def test_any_port_of_this_machine_can_be_come_back_to(visitor, host):
    """RFC 8252 section 7.3."""
    assert visitor.authorize(redirect_uri=f"http://{host}/back").status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1:x/",
        "http://[::1/",
        "http://127.0.0.1/#fragment",
        "http://127.0.0.1\\@evil.example/",
        "javascript:alert(1)",
        'http://127.0.0.1/"quoted"',
        "http://127.0.0.1/é",
    ],
)
def test_nothing_is_sent_anywhere_else(visitor, uri):
    """RFC 6749 section 4.1.2.1: no redirect to a URI that is not allowed."""
    answer = visitor.authorize(redirect_uri=uri)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert "cannot go on" in answer.text


@pytest.mark.parametrize("changes", [{"client_id": "stranger"}, {"client_id": None}])
def test_a_client_that_nobody_knows_is_told_on_the_page(visitor, changes):
    assert visitor.authorize(**changes).status_code == 400


def test_a_service_has_no_business_with_users(visitor):
    """RFC 6749 section 4.1.2.1: unauthorized_client."""
    assert "unauthorized_client" in visitor.authorize(client_id="local-service").location


@pytest.mark.parametrize("scope", ["a\\b", "a  b", "x" * 2001, 'a"b'])
def test_a_scope_that_is_none_is_refused(visitor, scope):
    """RFC 6749 section 3.3."""
    assert "error=invalid_scope" in visitor.authorize(scope=scope).location


def test_a_request_without_scopes_gets_a_token_without(visitor):
    given = visitor.tokens(scope=None)
    assert "scope" not in claims_of(given["access_token"])


def test_who_denies_sends_the_browser_back_without_a_code(visitor):
    assert visitor.consent(decision="deny")["error"] == "access_denied"


def test_a_user_who_is_not_there_is_a_denial(visitor):
    assert visitor.consent(user="mallory")["error"] == "access_denied"


def test_only_what_was_ticked_is_granted(visitor):
    """RFC 6749 section 3.3; what was not asked for cannot be ticked."""
    given = visitor.tokens(granted=["openid", "admin"])
    assert given["scope"] == "openid"


@pytest.mark.parametrize(("more", "scope"), [(" orders:read  b ", "a orders:read b"), ('"', "a")])
def test_the_user_can_give_more(visitor, more, scope):
    """RFC 6749 section 3.3: by the owner's instructions; the answer says what was given."""
    assert visitor.tokens(scope="a", more=more)["scope"] == scope


def test_a_form_of_nobodys_page_is_refused(visitor):
    """OWASP: a token in the form that another site cannot read."""
    answer = visitor.post("/authorize", query_string=visitor.request(), data={"decision": "allow"})
    assert answer.status_code == 403


def test_a_changed_request_is_no_request_to_decide(visitor):
    answer = visitor.press("/authorize?client_id=stranger", decision="allow")
    assert answer.status_code == 400


def test_prompt_none_cannot_log_anybody_in(visitor):
    """OpenID Connect Core section 3.1.2.6."""
    assert "error=login_required" in visitor.authorize(prompt="none").location


def test_a_login_hint_chooses_the_user(visitor):
    """OpenID Connect Core section 3.1.2.1."""
    page = visitor.authorize(login_hint="carol").text
    assert 'value="carol" checked' in page


def test_the_level_of_login_that_was_asked_for_is_in_the_tokens(visitor, clock):
    """RFC 9470 section 5."""
    given = visitor.tokens(acr_values="mfa pwd")
    claims = claims_of(given["access_token"])
    assert (claims["acr"], claims["auth_time"]) == ("mfa", int(clock()))


# OpenID Connect.


def test_openid_gives_an_id_token_too(visitor):
    """OpenID Connect Core section 2."""
    given = visitor.tokens(nonce="n-1")
    claims = claims_of(given["id_token"])
    assert (claims["aud"], claims["sub"], claims["nonce"]) == ("local-app", "alice", "n-1")
    assert len(claims["at_hash"]) == 22


def test_without_openid_there_is_none(visitor):
    assert "id_token" not in visitor.tokens(scope="orders:read")


def test_userinfo_says_what_the_scopes_allow(visitor):
    """OpenID Connect Core section 5.3."""
    some = visitor.tokens()["access_token"]
    more = visitor.tokens(scope="openid profile email", user="bob")["access_token"]
    assert visitor.userinfo(some).json == {"sub": "alice"}
    assert visitor.userinfo(more).json["email"] == "bob@example.com"


@pytest.mark.parametrize(("scope", "status"), [("openid", 401), ("orders:read", 403)])
def test_userinfo_wants_a_good_token_with_openid(visitor, clock, scope, status):
    """RFC 6750 section 3.1."""
    token = visitor.tokens(scope=scope)["access_token"]
    if status == 401:
        clock.tick(3600)
    assert visitor.userinfo(token).status_code == status


# Refresh.


def test_a_refresh_token_is_good_once(visitor):
    """RFC 9700 section 4.14.2: rotation, and the end of the family where one comes twice."""
    first = visitor.tokens()
    second = visitor.refresh(first["refresh_token"]).json
    assert visitor.issuer.guard().verify(second["access_token"]).subject == "alice"
    assert claims_of(second["id_token"])["sub"] == "alice"

    assert visitor.refresh(first["refresh_token"]).json["error"] == "invalid_grant"

    assert visitor.refresh(second["refresh_token"]).json["error"] == "invalid_grant"
    assert visitor.introspect(second["access_token"]).json == {"active": False}


def test_the_end_of_one_consent_is_not_that_of_another(visitor):
    """RFC 9700 section 4.14.2: the family, and nobody else."""
    one, other = visitor.tokens(), visitor.tokens()
    visitor.refresh(one["refresh_token"])
    visitor.refresh(one["refresh_token"])
    assert visitor.introspect(one["access_token"]).json == {"active": False}
    assert visitor.introspect(other["access_token"]).json["active"]


def test_a_refresh_can_ask_for_less_and_not_for_more(visitor):
    """RFC 6749 section 6."""
    first = visitor.tokens()
    assert visitor.refresh(first["refresh_token"], scope="admin").json["error"] == "invalid_scope"
    less = visitor.refresh(first["refresh_token"], scope="orders:read").json
    assert less["scope"] == "orders:read"


# Client credentials.


def service(visitor, **form):
    form = {"grant_type": "client_credentials", **form}
    return visitor.post("/token", data=form, auth=("local-service", "local-service-secret"))


def test_a_service_gets_a_token_for_itself(visitor):
    """RFC 6749 section 4.4, RFC 9068 section 2.2: sub is the client."""
    given = service(visitor, scope="orders:read").json
    token = visitor.issuer.guard().verify(given["access_token"])
    assert (token.subject, token.scopes) == ("local-service", {"orders:read"})
    assert "refresh_token" not in given


@pytest.mark.parametrize("secret", ["wrong", "é", ""])
def test_a_wrong_secret_gets_nothing(visitor, secret):
    form = {"grant_type": "client_credentials"}
    answer = visitor.post("/token", data=form, auth=("local-service", secret))
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_a_public_client_has_no_credentials(visitor):
    form = {"grant_type": "client_credentials", "client_id": "local-app"}
    assert visitor.post("/token", data=form).json["error"] == "invalid_client"


# Resources.


def test_a_resource_is_the_audience(visitor):
    """RFC 8707 section 2."""
    assert claims_of(service(visitor, resource=OTHER).json["access_token"])["aud"] == OTHER


def test_several_resources_are_several_audiences(visitor):
    given = service(visitor, resource=[OTHER, "urn:x:y"]).json
    assert claims_of(given["access_token"])["aud"] == [OTHER, "urn:x:y"]


@pytest.mark.parametrize("resource", ["orders", "https://a.example/#x", "http://[", "https://a b"])
def test_what_is_no_uri_is_no_resource(visitor, resource):
    """RFC 8707 section 2: invalid_target."""
    assert service(visitor, resource=resource).json["error"] == "invalid_target"


def test_a_resource_that_is_none_is_told_before_the_consent(visitor):
    assert "error=invalid_target" in visitor.authorize(resource="orders").location


def test_a_code_is_for_the_resources_of_the_consent(visitor):
    """RFC 8707 section 2.2: at the token endpoint some of them, and no other."""
    code = visitor.consent(resource=[OTHER, "urn:x:y"])["code"]
    assert visitor.exchange(code, resource="urn:z").json["error"] == "invalid_target"
    given = visitor.exchange(code, resource=OTHER).json
    assert claims_of(given["access_token"])["aud"] == OTHER
    renewed = visitor.refresh(given["refresh_token"], resource="urn:x:y").json
    assert claims_of(renewed["access_token"])["aud"] == "urn:x:y"


# Introspection and revocation.


def test_introspection_says_what_the_token_says(visitor):
    """RFC 7662 section 2.2."""
    given = visitor.tokens()
    told = visitor.introspect(given["access_token"]).json
    assert told == {"active": True, "token_type": "Bearer", **claims_of(given["access_token"])}


def test_introspection_is_for_the_client_that_may(visitor):
    """RFC 7662 section 2.1."""
    answer = visitor.post(
        "/introspect", data={"token": "x"}, auth=("local-service", "local-service-secret")
    )
    assert answer.status_code == 401


def test_a_token_of_the_control_page_is_known_too(visitor):
    token = visitor.control("token", {"scope": "orders:read"}).json["access_token"]
    assert visitor.introspect(token).json["scope"] == "orders:read"


def test_an_unknown_or_expired_token_is_inactive(visitor, clock):
    token = visitor.tokens()["access_token"]
    clock.tick(3600)
    assert visitor.introspect("x").json == visitor.introspect(token).json == {"active": False}


@pytest.mark.parametrize(
    ("name", "refreshes"), [("access_token", "access_token"), ("refresh_token", "error")]
)
def test_a_revoked_token_is_inactive(visitor, name, refreshes):
    """RFC 7009 section 2.1: the refresh token takes all of the consent with it."""
    given = visitor.tokens()
    form = {"token": given[name], "client_id": "local-app", "token_type_hint": name}
    assert visitor.post("/revoke", data=form).status_code == 200
    assert visitor.introspect(given["access_token"]).json == {"active": False}
    assert refreshes in visitor.refresh(given["refresh_token"]).json


def test_a_stranger_revokes_nothing(visitor):
    """RFC 7009 section 2.1."""
    token = visitor.tokens()["access_token"]
    answer = visitor.post(
        "/revoke", data={"token": token}, auth=("local-service", "local-service-secret")
    )
    assert answer.status_code == 400
    assert visitor.introspect(token).json["active"]


# Whatever else arrives.


@pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect", "/authorize", "/userinfo"])
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"grant_type": "password"},
        {"grant_type": "é\n", "client_id": '"'},
        {"grant_type": "authorization_code", "client_id": "local-app"},
        {"grant_type": "authorization_code", "client_id": "local-app", "code": "x"},
        {"grant_type": "refresh_token", "client_id": "local-app", "refresh_token": "\x00"},
        {"token": "x", "token_type_hint": "y", "client_id": "local-app"},
        {"grant_type": ["a", "b"], "scope": ["c", "d"]},
    ],
)
def test_nothing_that_is_sent_is_a_mistake_of_ours(visitor, path, form):
    assert visitor.post(path, data=form).status_code < 500
    assert visitor.get("/authorize", query_string=form).status_code < 500


def test_a_description_that_cannot_be_quoted_is_an_error_all_the_same(visitor, monkeypatch):
    """RFC 6749 section 5.2: the characters of error_description."""

    def refuse(*_):
        raise ValueError("forbidden characters")

    monkeypatch.setattr("bearerguard.dev.oauth.Server.create_endpoint_response", refuse)
    monkeypatch.setattr("bearerguard.dev.oauth.Server.create_token_response", refuse)
    assert visitor.post("/token").json["error"] == "invalid_request"

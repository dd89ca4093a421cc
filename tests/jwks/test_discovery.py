"""From an issuer's name to its keys."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerguard import Guard, RejectedError, UnavailableError
from bearerguard.jwks.discovery import IssuerKeys
from bearerguard.jwks.fetch import Fetched, FetchError
from bearerguard.jwks.keys import LoadError
from bearerguard.testing import Issuer, SigningKey

ISS = "https://as.example"
OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
KEYS = f"{ISS}/keys"
# One key for the module: what matters here is the way to it.
EC_KEY = SigningKey.generate("ES256", kid="ec")


def json_answer(document, status=200, **headers):
    headers = {"content-type": "application/json"} | headers
    return Fetched(status, headers, json.dumps(document).encode())


def metadata(issuer=ISS, jwks_uri=KEYS, **others):
    return json_answer({"issuer": issuer, "jwks_uri": jwks_uri, **others})


def jwks(*keys, **headers):
    return json_answer({"keys": [dict(key.jwk) for key in keys or (EC_KEY,)]}, **headers)


@pytest.fixture
def load(script, clock):
    """Make a loader for an issuer whose URLs answer as given: load(answers) -> (loader, script)."""

    def make(answers, issuer=ISS, **changes):
        fetcher = script(answers)
        settings = {"timeout_s": 5.0, "clock": clock} | changes
        return IssuerKeys(issuer=issuer, fetcher=fetcher, **settings), fetcher

    return make


def kids(loaded):
    return [key.kid for key in loaded.keys.keys]


@pytest.mark.requirement("8414-3-1", "8414-3-2", "OIDD-4-1", "OIDD-4-2")
@pytest.mark.parametrize(
    ("issuer", "places"),
    [
        (ISS, [ISS + OAUTH, ISS + OPENID]),
        (f"{ISS}/", [ISS + OAUTH, ISS + OPENID]),
        (f"{ISS}/t1", [f"{ISS}{OAUTH}/t1", f"{ISS}{OPENID}/t1", f"{ISS}/t1{OPENID}"]),
        (f"{ISS}/t1/", [f"{ISS}{OAUTH}/t1", f"{ISS}{OPENID}/t1", f"{ISS}/t1{OPENID}"]),
    ],
)
def test_metadata_are_looked_for_at_the_well_known_places_in_order(load, issuer, places):
    """RFC 8414 sections 3.1 and 5; OpenID Connect Discovery section 4."""
    for number, place in enumerate(places, 1):
        keys, fetcher = load({place: metadata(issuer), KEYS: jwks()}, issuer)

        assert kids(keys()) == ["ec"]
        assert [*places[:number], KEYS] == fetcher.urls


@pytest.mark.requirement("OIDD-4-2")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410])
def test_an_answer_that_says_not_here_leads_to_the_next_place(load, status):
    """Cognito answers 400 for a place it does not have, object stores 403, gateways 401 or 405."""
    keys, _ = load(
        {ISS + OAUTH: Fetched(status), ISS + OPENID: metadata(), KEYS: jwks()},
    )

    assert kids(keys()) == ["ec"]


@pytest.mark.requirement("8414-3.2-1", "OIDD-4-2")
@pytest.mark.parametrize(
    "answer",
    [
        Fetched(500),
        Fetched(503),
        Fetched(429),
        Fetched(302, {"location": ISS + OPENID}),
        Fetched(204),
        Fetched(304),
        Fetched(200, {"content-type": "text/html"}, b"<html>404</html>"),
        Fetched(200, {"content-type": "text/html"}, metadata().body),
        Fetched(200, {"content-type": "application/json-seq"}, metadata().body),
        Fetched(200, {}, metadata().body),
        Fetched(200, {"content-type": "application/json"}, b"<html></html>"),
        Fetched(200, {"content-type": "application/json"}, b""),
        json_answer([{"issuer": ISS, "jwks_uri": KEYS}]),
        json_answer("text"),
        Fetched(200, {"content-type": "application/json"}, b'{"issuer":"x","issuer":"y"}'),
        FetchError("connection refused"),
    ],
    ids=lambda answer: f"{getattr(answer, 'status', 'no answer')} {getattr(answer, 'body', b'')!r}",
)
def test_anything_else_is_an_error_and_not_a_reason_to_look_on(load, answer):
    """RFC 8414 section 3.2: 200 with application/json, or there are no metadata."""
    keys, fetcher = load({ISS + OAUTH: answer, ISS + OPENID: metadata(), KEYS: jwks()})

    with pytest.raises(FetchError):
        keys()

    assert fetcher.urls == [ISS + OAUTH]


def test_a_parameter_of_the_media_type_does_not_matter(load):
    answer = metadata()
    answer = Fetched(200, {"content-type": "Application/JSON; charset=utf-8"}, answer.body)
    keys, _ = load({ISS + OAUTH: answer, KEYS: jwks()})

    assert kids(keys()) == ["ec"]


def test_without_metadata_anywhere_the_error_names_every_place_and_its_answer(load):
    keys, fetcher = load({ISS + OPENID: Fetched(403)})

    with pytest.raises(FetchError) as error:
        keys()

    assert fetcher.urls == [ISS + OAUTH, ISS + OPENID]
    assert f"{ISS}{OAUTH} (404), {ISS}{OPENID} (403)" in str(error.value)


@pytest.mark.requirement("8414-3.3-1", "8414-4-1", "OIDD-4.3-1", "OIDD-4-2")
@pytest.mark.parametrize(
    ("configured", "named"),
    [
        (f"{ISS}/t1", f"{ISS}/t1/"),
        (f"{ISS}/t1/", f"{ISS}/t1"),
        (f"{ISS}/t1", f"{ISS}/t2"),
        (f"{ISS}/t1", f"{ISS}/{{tenantid}}"),
        (f"{ISS}/t1", f"{ISS}/T1"),
        (f"{ISS}/t1", f"{ISS}:443/t1"),
        (f"{ISS}/caf\u00e9", f"{ISS}/cafe\u0301"),
        (f"{ISS}/t1", None),
        (f"{ISS}/t1", 1),
        (f"{ISS}/t1", [f"{ISS}/t1"]),
    ],
)
def test_metadata_of_another_issuer_are_an_error_and_their_keys_are_not_used(
    load, configured, named
):
    """RFC 8414 sections 3.3 and 4: identical, code point by code point; no other place is tried."""
    places = [f"{ISS}{OAUTH}{configured.removeprefix(ISS).rstrip('/')}"]
    keys, fetcher = load(
        {
            places[0]: metadata(named),
            f"{configured.rstrip('/')}{OPENID}": metadata(configured),
            KEYS: jwks(),
        },
        configured,
    )

    with pytest.raises(FetchError, match="the metadata are those of"):
        keys()

    assert places == fetcher.urls


@pytest.mark.requirement("8414-2-2", "8725-3.10-2", "FAPI2-6-3")
@pytest.mark.parametrize(
    "uri",
    [
        "http://as.example/keys",
        "HTTP://as.example/keys",
        "http://127.0.0.1/keys",
        "file:///etc/passwd",
        "ftp://as.example/keys",
        "https://127.0.0.1/keys",
        "https://localhost/keys",
        "https://10.0.0.1/keys",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/keys",
        "https://2130706433/keys",
        "https://127.1/keys",
        "https://user:password@as.example/keys",
        "//as.example/keys",
        "/keys",
        "",
        None,
        7,
        [KEYS],
    ],
)
def test_a_jwks_uri_that_points_where_it_should_not_is_never_asked(load, uri):
    """RFC 8414 section 2: https. RFC 8725 section 3.10: no neighbour unless configured."""
    keys, fetcher = load({ISS + OAUTH: metadata(jwks_uri=uri), str(uri): jwks()})

    with pytest.raises(FetchError, match="jwks_uri"):
        keys()

    assert fetcher.urls == [ISS + OAUTH]


@pytest.mark.requirement("8725-3.10-2")
def test_an_internal_address_is_asked_where_the_operator_configured_it(load):
    keys, fetcher = load({"https://10.0.0.1/keys": jwks()}, jwks_uri="https://10.0.0.1/keys")

    assert kids(keys()) == ["ec"]
    assert fetcher.urls == ["https://10.0.0.1/keys"], "no metadata are asked for"


def test_http_is_followed_where_the_operator_allowed_it(load):
    answers = {ISS + OAUTH: metadata(jwks_uri="http://as.example/k"), "http://as.example/k": jwks()}
    keys, _ = load(answers, http_allowed=True)

    assert kids(keys()) == ["ec"]


@pytest.mark.requirement("8725-3.10-2")
def test_a_redirect_of_the_keys_is_an_error_that_says_so(load):
    moved = Fetched(302, {"location": "http://127.0.0.1/"})
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: moved})

    with pytest.raises(FetchError, match=r"answered 302 .*redirects are not followed"):
        keys()

    assert fetcher.urls == [ISS + OAUTH, KEYS]


def test_metadata_are_kept_for_a_day(load, clock):
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: jwks()})
    keys()

    clock.tick(24 * 3600)
    keys()
    assert fetcher.urls == [ISS + OAUTH, KEYS, KEYS]
    clock.tick(1)
    keys()
    assert fetcher.urls == [ISS + OAUTH, KEYS, KEYS, ISS + OAUTH, KEYS]


@pytest.mark.parametrize("problem", [Fetched(503), FetchError("refused"), Fetched(200, {}, b"")])
def test_a_failure_is_no_reason_to_forget_where_the_keys_are(load, problem):
    """Metadata count for a day: that they are down later must not cost anybody the keys."""
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: jwks()})
    keys()
    fetcher.answers |= {KEYS: problem, ISS + OAUTH: Fetched(503)}

    with pytest.raises(FetchError):
        keys()
    fetcher.answers[KEYS] = jwks()

    assert kids(keys()) == ["ec"]
    assert fetcher.urls == [ISS + OAUTH, KEYS, KEYS, KEYS]


@pytest.mark.parametrize("gone", [Fetched(404), Fetched(410)])
def test_keys_that_are_gone_from_their_place_are_looked_for_anew(load, gone):
    """An issuer that moves its keys is found again, and not a day later."""
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: jwks()})
    keys()
    new = f"{ISS}/new-keys"
    fetcher.answers |= {KEYS: gone, ISS + OAUTH: metadata(jwks_uri=new), new: jwks()}

    with pytest.raises(FetchError):
        keys()

    assert kids(keys()) == ["ec"]
    assert new == fetcher.urls[-1]


def test_four_requests_at_most_share_one_deadline(load, clock):
    """Each takes 2 s of the five: the fourth is not begun."""
    issuer = f"{ISS}/t1"

    def slow(answer):
        def answer_late():
            clock.tick(2)
            return answer

        return answer_late

    answers = {
        f"{ISS}{OAUTH}/t1": slow(Fetched(404)),
        f"{ISS}{OPENID}/t1": slow(Fetched(404)),
        f"{issuer}{OPENID}": slow(metadata(issuer)),
        KEYS: jwks(),
    }
    keys, fetcher = load(answers, issuer)

    with pytest.raises(FetchError, match="no time was left"):
        keys()

    assert fetcher.timeouts == [5.0, 3.0, 1.0]


def test_unchanged_keys_are_not_sent_again(load):
    """RFC 9110 section 13.1.2."""
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: jwks(etag='W/"1"')})
    first = keys()
    fetcher.answers[KEYS] = Fetched(304, {"cache-control": "max-age=120"})

    second = keys()

    assert fetcher.requests[-1][1] == {"If-None-Match": 'W/"1"'}
    assert first.keys is second.keys
    assert second.max_age_s == 120


def test_what_an_unchanged_answer_does_not_say_stays_as_it_was(load):
    """RFC 9111 section 4.3.4."""
    first = Fetched(200, {"etag": '"1"', "cache-control": "max-age=77"}, jwks().body)
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: first})
    keys()
    fetcher.answers[KEYS] = Fetched(304)

    assert keys().max_age_s == 77


def test_metadata_are_kept_although_the_first_key_request_fails(load):
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: Fetched(503)})
    for _ in range(2):
        with pytest.raises(FetchError):
            keys()

    assert fetcher.urls == [ISS + OAUTH, KEYS, KEYS]


def test_changed_keys_replace_the_old_ones_and_their_tag(load):
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: jwks(etag='"1"')})
    keys()
    other = SigningKey.generate("ES256", kid="other")
    fetcher.answers[KEYS] = jwks(other, etag='"2"')

    assert kids(keys()) == ["other"]
    keys()
    assert fetcher.requests[-1][1] == {"If-None-Match": '"2"'}


@pytest.mark.parametrize(
    "etag", ["", "1", '"\N{SNOWMAN}"', '"a b"', '"a"\r\nX: y', '"a", "b"', '"' + "x" * 600 + '"']
)
def test_a_tag_that_is_none_is_not_sent_back(load, etag):
    """The client would refuse to write some of them, and every later refresh would fail."""
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: jwks(etag=etag)})
    keys()

    keys()

    assert fetcher.requests[-1][1] == {}


def test_not_modified_is_an_error_where_nobody_asked(load):
    keys, _ = load({ISS + OAUTH: metadata(), KEYS: Fetched(304)})

    with pytest.raises(FetchError, match="answered 304"):
        keys()


def test_a_tag_belongs_to_its_url(load, clock):
    keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: jwks(etag='"1"')})
    keys()
    moved = f"{ISS}/moved"
    fetcher.answers |= {ISS + OAUTH: metadata(jwks_uri=moved), moved: jwks()}
    clock.tick(24 * 3600 + 1)

    keys()

    assert (moved, {}) == fetcher.requests[-1]


def test_a_load_that_was_given_up_does_not_undo_what_a_newer_one_learnt(load):
    """Its thread may come back at any time, with what was true long ago."""
    new = f"{ISS}/new-keys"
    keys, fetcher = load({})

    def meanwhile():
        fetcher.answers |= {ISS + OAUTH: metadata(jwks_uri=new), new: jwks(etag='"new"')}
        keys()
        return jwks(etag='"old"')

    fetcher.answers |= {ISS + OAUTH: metadata(), KEYS: meanwhile}
    keys()
    fetcher.requests.clear()

    keys()

    assert [(new, {"If-None-Match": '"new"'})] == fetcher.requests


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"<html>"])
def test_a_document_that_is_no_jwk_set_is_an_error(load, body):
    keys, _ = load({ISS + OAUTH: metadata(), KEYS: Fetched(200, {}, body)})

    with pytest.raises(FetchError, match=KEYS):
        keys()


class TestTokenFile:
    """BEARERGUARD_JWKS_TOKEN_FILE, as Kubernetes asks for it."""

    @pytest.fixture
    def file(self, tmp_path):
        file = tmp_path / "token"
        file.write_text("first.token\n")
        return file

    def test_it_is_sent_and_read_anew_each_time(self, load, file):
        """Kubernetes replaces it every hour or so."""
        keys, fetcher = load({ISS + OAUTH: metadata(), KEYS: jwks()}, token_file=str(file))
        keys()
        file.write_text("second.token")
        keys()

        sent = [headers["Authorization"] for _, headers in fetcher.requests]
        assert sent == ["Bearer first.token"] * 2 + ["Bearer second.token"]

    @pytest.mark.parametrize(
        "uri", ["https://keys.example/", "https://as.example:8443/keys", "https://as.example.evil/"]
    )
    def test_it_is_not_sent_to_another_origin_that_the_metadata_name(self, load, file, uri):
        keys, fetcher = load(
            {ISS + OAUTH: metadata(jwks_uri=uri), uri: jwks()}, token_file=str(file)
        )
        keys()

        assert [(ISS + OAUTH, True), (uri, False)] == [
            (url, "Authorization" in headers) for url, headers in fetcher.requests
        ]

    def test_the_default_port_is_no_other_origin(self, load, file):
        uri = "https://as.example:443/keys"
        keys, fetcher = load(
            {ISS + OAUTH: metadata(jwks_uri=uri), uri: jwks()}, token_file=str(file)
        )
        keys()

        assert "Authorization" in fetcher.requests[-1][1]

    def test_it_is_sent_to_a_configured_url_wherever_that_is(self, load, file):
        uri = "https://keys.example/jwks"
        keys, fetcher = load({uri: jwks()}, jwks_uri=uri, token_file=str(file))
        keys()

        assert [(uri, {"Authorization": "Bearer first.token"})] == fetcher.requests

    @pytest.mark.parametrize(
        "content", [None, b"", b"two\nlines", b"secret\x00", b"\xff\xfe", "sécret".encode(), b"a b"]
    )
    def test_what_is_no_token_is_an_error_that_does_not_quote_it(self, load, file, content):
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        keys, fetcher = load({ISS + OAUTH: metadata()}, token_file=str(file))

        with pytest.raises(FetchError, match="jwks_token_file") as error:
            keys()

        assert fetcher.requests == []
        assert not any(part in str(error.value) for part in ("secret", "lines", "cret"))


# Bytes that get past the first checks more often than chance would.
DOCUMENTS = st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["keys", "kty", "kid", "alg", "n", "e", "crv", "x", "use", "key_ops"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
).map(lambda value: json.dumps(value).encode())
URIS = (
    st.sampled_from([KEYS, "https://[", "https://as.example:x/", "http://", "a\x00b"]) | st.text()
)


@given(document=DOCUMENTS, uri=URIS, of_metadata=st.booleans())
def test_whatever_an_issuer_answers_nothing_but_a_load_error_comes_out(
    script, document, uri, of_metadata
):
    answer = Fetched(200, {"content-type": "application/json"}, document)
    first = answer if of_metadata else metadata(jwks_uri=uri)
    fetcher = script({ISS + OAUTH: first, uri: answer, KEYS: answer})

    with contextlib.suppress(LoadError):
        assert IssuerKeys(issuer=ISS, fetcher=fetcher, timeout_s=5.0)().keys.keys


ISSUER = Issuer(ISS, key=EC_KEY)
TOKEN = ISSUER.token()


@given(document=DOCUMENTS, of_metadata=st.booleans())
def test_whatever_an_issuer_answers_a_guard_refuses_or_says_it_cannot_know(
    script, document, of_metadata
):
    answer = Fetched(200, {"content-type": "application/json"}, document)
    fetcher = script({ISS + OAUTH: answer if of_metadata else metadata(), KEYS: answer})
    guard = Guard(issuer=ISS, audience=ISSUER.audience, fetcher=fetcher)

    with pytest.raises((RejectedError, UnavailableError)):
        guard.verify(TOKEN)


@pytest.mark.parametrize("error", [OSError("disk"), ValueError(), SystemExit(), RecursionError()])
def test_whatever_a_fetcher_raises_a_guard_says_it_cannot_know(script, error):
    guard = Guard(issuer=ISS, audience=ISSUER.audience, fetcher=script({ISS + OAUTH: error}))

    with pytest.raises(UnavailableError):
        guard.verify(TOKEN)


@pytest.mark.requirement("9728-4-1", "9728-6-1")
@pytest.mark.parametrize(
    ("listed", "is_warned"),
    [
        (["https://rs.example"], False),
        (["https://other.example", "https://rs.example"], False),
        (["https://rs.example/"], True),
        (["https://RS.example", 5, None], True),
        ([], True),
        ("https://rs.example", False),
        (None, False),
    ],
)
def test_an_issuer_that_lists_its_resources_without_this_one_is_told_of(
    load, caplog, listed, is_warned
):
    """RFC 9728 section 4: a cross-check that warns; the keys are taken all the same."""
    answers = {ISS + OAUTH: metadata(protected_resources=listed), KEYS: jwks()}
    keys, _ = load(answers, resource="https://rs.example")

    assert kids(keys()) == ["ec"]
    warning = f"{ISS} lists its resources, and 'https://rs.example' is not one"
    assert [record.getMessage() for record in caplog.records] == [warning] * is_warned


@pytest.mark.requirement("9728-4-1")
def test_an_api_without_a_name_is_not_looked_for_in_the_list(load, caplog):
    keys, _ = load({ISS + OAUTH: metadata(protected_resources=[]), KEYS: jwks()})

    assert kids(keys()) == ["ec"]
    assert caplog.records == []


@pytest.mark.requirement("9728-4-1")
def test_a_guard_compares_its_resource_with_the_list(issuer, monkeypatch, caplog):
    listing = {**issuer.metadata(), "protected_resources": []}
    monkeypatch.setattr(issuer, "metadata", lambda: listing)
    guard = issuer.guard(resource="https://rs.example")

    guard.verify(issuer.token())

    assert "'https://rs.example' is not one" in caplog.text

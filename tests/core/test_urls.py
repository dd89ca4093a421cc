"""What a URL must look like before anybody fetches it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerguard import ConfigurationError, Guard
from bearerguard.core.urls import (
    is_loopback,
    problem_of_found_url,
    problem_of_issuer,
    problem_of_url,
    same_origin,
    well_known_urls,
)

ISS = "https://as.example/t1"


@pytest.mark.parametrize(
    "url",
    [
        "https://as.example",
        "https://as.example/",
        "https://as.example:8443/t1?x=1",
        "HTTPS://AS.example",
        "https://10.0.0.1/",
        "https://[2001:db8::1]:8443/",
        "http://localhost:8080/",
        "http://keycloak.localhost/",
        "http://127.0.0.1:9000/realms/x",
        "http://[::1]/",
    ],
)
def test_https_anywhere_and_http_on_this_machine_can_be_fetched_from(url):
    assert problem_of_url(url, http_allowed=False) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://as.example/", "does not begin with https://"),
        ("http://localhost.as.example/", "does not begin with https://"),
        ("ftp://as.example/", "does not begin with https://"),
        ("file:///etc/passwd", "is not an absolute URL"),
        ("as.example", "is not an absolute URL"),
        ("/t1", "is not an absolute URL"),
        ("", "is not an absolute URL"),
        ("https://", "is not an absolute URL"),
        ("https://[::1", "is not an absolute URL"),
        ("https://as.example:port/", "is not an absolute URL"),
        ("https://as.example:99999/", "is not an absolute URL"),
        ("https://as.example /", "is not an absolute URL"),
        (" https://as.example/", "is not an absolute URL"),
        ("https://as.example/\n", "is not an absolute URL"),
        ("https://as.example\\.evil/", "is not an absolute URL"),
        ("https://as%2eexample/", "is not an absolute URL"),
        ("https://as.example;x/", "is not an absolute URL"),
        ("https://127\u30020\u30020\u30021/", "is not an absolute URL"),
        ("https://caf\u00e9.example/", "is not an absolute URL"),
        ("https://as.example/\x7f", "is not an absolute URL"),
        ("https://user@as.example/", "carries a user name or a password"),
        ("https://user:password@as.example/", "carries a user name or a password"),
        ("https://@as.example/", "carries a user name or a password"),
        ("https://as.example/#x", "has a fragment"),
        ("https://as.example/#", "has a fragment"),
    ],
)
def test_other_urls_cannot_and_the_problem_is_named(url, problem):
    assert problem == problem_of_url(url, http_allowed=False)


def test_http_anywhere_is_for_those_who_allowed_it():
    assert problem_of_url("http://keycloak:8080/", http_allowed=True) is None
    assert problem_of_url("ftp://keycloak:8080/", http_allowed=True) is not None


@pytest.mark.requirement("8414-2-1")
@pytest.mark.parametrize(
    ("issuer", "problem"),
    [
        ("http://as.example", "does not begin with https://"),
        ("https://as.example?x", "has a query"),
        ("https://as.example/t1?", "has a query"),
        ("https://as.example#x", "has a fragment"),
        ("as.example", "is not an absolute URL"),
    ],
)
def test_an_issuer_that_cannot_be_one_refuses_the_start(issuer, problem):
    """RFC 8414 section 2: https, no query, no fragment."""
    assert problem == problem_of_issuer(issuer, http_allowed=False)

    with pytest.raises(ConfigurationError, match=problem):
        Guard(issuer=issuer, audience="https://api.example")


@pytest.mark.parametrize("issuer", ["http://localhost:8000", "http://127.0.0.1:8000/realms/x"])
def test_an_issuer_on_this_machine_may_do_without_tls(issuer):
    assert problem_of_issuer(issuer, http_allowed=False) is None


@pytest.mark.parametrize(
    ("issuer", "uri"),
    [
        (ISS, "https://as.example/keys"),
        (ISS, "https://keys.example/keys"),
        (ISS, "https://8.8.8.8/keys"),
        ("https://10.0.0.1:6443", "https://10.0.0.1:8443/keys"),
        ("https://localhost:8443", "https://127.0.0.1:8443/keys"),
        ("http://localhost:8080", "http://127.0.0.1:8080/keys"),
        ("http://localhost:8080", "https://keys.example/keys"),
    ],
)
def test_a_jwks_uri_where_it_may_be_is_followed(issuer, uri):
    assert problem_of_found_url(uri, issuer, http_allowed=False) is None


INTERNAL = "is an internal address; to allow it, set jwks_uri to it"


@pytest.mark.requirement("8725-3.10-2", "8414-2-2")
@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        (None, "is missing or not a string"),
        (["https://as.example"], "is missing or not a string"),
        ("http://as.example/keys", "does not begin with https://"),
        ("http://localhost/keys", "does not begin with https://"),
        ("HTTP://127.0.0.1/keys", "does not begin with https://"),
        ("file:///keys", "is not an absolute URL"),
        ("https://127.0.0.1/", INTERNAL),
        ("https://localhost/", INTERNAL),
        ("https://localhost./", INTERNAL),
        ("https://x.localhost/", INTERNAL),
        ("https://[::1]/", INTERNAL),
        ("https://[::ffff:127.0.0.1]/", INTERNAL),
        ("https://[fe80::1]/", INTERNAL),
        ("https://[fd00::1]/", INTERNAL),
        ("https://10.1.2.3/", INTERNAL),
        ("https://172.16.0.1/", INTERNAL),
        ("https://192.168.0.1/", INTERNAL),
        ("https://100.64.0.1/", INTERNAL),
        ("https://169.254.169.254/", INTERNAL),
        ("https://0.0.0.0/", INTERNAL),
        ("https://127.1/", INTERNAL),
        ("https://127.0.0.01/", INTERNAL),
        ("https://0x7f.0.0.1/", INTERNAL),
        ("https://0x7F000001/", INTERNAL),
        ("https://2130706433/", INTERNAL),
        ("https://127.0.0.1./", INTERNAL),
    ],
)
def test_a_jwks_uri_where_it_may_not_be_is_not_followed(uri, problem):
    """RFC 8725 section 3.10, in every spelling that a resolver takes for an address."""
    assert problem == problem_of_found_url(uri, ISS, http_allowed=False)


@pytest.mark.parametrize(
    ("issuer", "uri"),
    [
        ("http://localhost:8080", "http://as.example/keys"),
        ("http://127.0.0.1:8080", "http://10.0.0.1/keys"),
        ("https://as.example", "http://as.example/keys"),
    ],
)
def test_http_out_of_metadata_goes_from_loopback_to_loopback_only(issuer, uri):
    assert problem_of_found_url(uri, issuer, http_allowed=False) == "does not begin with https://"


def test_permission_for_http_is_no_permission_for_internal_addresses():
    assert problem_of_found_url("http://keys:80/", "http://as:80", http_allowed=True) is None
    assert problem_of_found_url("http://10.0.0.1/", "http://as:80", http_allowed=True) == INTERNAL


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost", True),
        ("http://LOCALHOST.:80", True),
        ("http://a.localhost/", True),
        ("http://127.8.8.8/", True),
        ("http://[::1]:80/", True),
        ("http://localhost.example/", False),
        ("http://notlocalhost/", False),
        ("http://10.0.0.1/", False),
        ("http://0.0.0.0/", False),
        ("http://[::", False),
        ("", False),
    ],
)
def test_loopback_is_known_by_its_names_and_addresses(url, expected):
    assert expected is is_loopback(url)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("https://as.example/a", "https://AS.example/b?c", True),
        ("https://as.example", "https://as.example:443/", True),
        ("http://as.example", "http://as.example:80/", True),
        ("https://as.example", "https://as.example:0/", False),
        ("https://as.example", "https://as.example:8443/", False),
        ("https://as.example", "http://as.example/", False),
        ("http://as.example:443", "https://as.example", False),
        ("https://as.example", "https://as.example.evil", False),
        ("https://[", "https://[", False),
        ("https://[", "https://as.example", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one, other, expected):
    """RFC 6454 section 5; what cannot be read has no origin in common with anything."""
    assert expected is same_origin(one, other)
    assert expected is same_origin(other, one)


@pytest.mark.requirement("8414-3-1", "8414-3-2", "OIDD-4-1")
@pytest.mark.parametrize(
    ("issuer", "places"),
    [
        (
            "https://as/t1",
            (
                "https://as/.well-known/oauth-authorization-server/t1",
                "https://as/.well-known/openid-configuration/t1",
                "https://as/t1/.well-known/openid-configuration",
            ),
        ),
        (
            "https://as/",
            (
                "https://as/.well-known/oauth-authorization-server",
                "https://as/.well-known/openid-configuration",
            ),
        ),
    ],
)
def test_the_well_known_places_of_an_issuer(issuer, places):
    """RFC 8414 section 3.1 inserts, OpenID Connect Discovery section 4 appends."""
    assert places == well_known_urls(issuer)
    assert places[1:] == well_known_urls(issuer.rstrip("/") + "/")[1:]


@given(url=st.text(max_size=40) | st.from_regex(r"https?://[^/]{0,20}/?.{0,10}", fullmatch=True))
def test_any_text_at_all_is_judged_and_never_raises(url):
    problem_of_issuer(url, http_allowed=True)
    problem_of_found_url(url, ISS, http_allowed=False)
    problem_of_found_url("https://as.example/", url, http_allowed=True)
    same_origin(url, ISS)

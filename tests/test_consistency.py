"""What settings must be together, and the values that are refused for what they would allow."""

import json
import re

import pytest

from bearerguard import ConfigurationError, Guard
from bearerguard.configuration import configure
from bearerguard.core import signature
from bearerguard.core.policy import HMAC_KEY_BYTES
from bearerguard.settings import Source, from_arguments

GOOD = {"issuer": "https://issuer.example", "audience": "https://api.example"}
SECRET = "a secret of more than thirty-two bytes"


def merged(*sources):
    """The settings of the API as a whole, which are those of its one issuer too."""
    return configure(*sources).settings


def load(**arguments):
    return merged(from_arguments(arguments))


def problems_with(*others, **arguments):
    """Everything that is wrong with these arguments beside good ones, one message a problem."""
    with pytest.raises(ConfigurationError) as refusal:
        merged(from_arguments(GOOD | arguments), *others)
    return refusal.value.problems


@pytest.mark.requirement("8414-2-1")
@pytest.mark.parametrize(
    ("issuer", "problem"),
    [
        ("http://issuer.example", "does not begin with https://"),
        ("https://issuer.example?x", "has a query"),
        ("https://issuer.example/?", "has a query"),
        ("https://issuer.example#x", "has a fragment"),
        ("https://issuer.example/#", "has a fragment"),
        ("issuer.example", "is not an absolute URL"),
        ("ftp://issuer.example", "does not begin with https://"),
        ("https://", "is not an absolute URL"),
        ("https://user@issuer.example", "carries a user name or a password"),
        ("https://issuer.example/.well-known/openid-configuration", "is the address of metadata"),
    ],
)
def test_an_issuer_that_cannot_be_asked_for_its_keys_refuses_the_start(issuer, problem):
    """RFC 8414 section 2."""
    (told,) = problems_with(issuer=issuer)
    assert told.startswith("issuer='")
    assert f"(argument) {problem}; " in told


@pytest.mark.requirement("8414-2-1")
@pytest.mark.parametrize(
    "issuer",
    ["http://localhost:8080", "http://127.0.0.1/realms/a", "http://[::1]:9", "https://a.example/"],
)
def test_an_issuer_on_this_machine_may_do_without_tls(issuer):
    assert issuer == load(**GOOD | {"issuer": issuer}).issuer


def test_http_elsewhere_is_for_those_who_set_allow_http():
    http = "http://issuer.internal"
    (told,) = problems_with(issuer=http)
    assert told.endswith("; http is for this very machine, or with allow_http on")

    assert http == load(**GOOD | {"issuer": http, "allow_http": True}).issuer
    keys = {"jwks_uri": f"{http}/keys"}
    assert "does not begin with https://" in problems_with(**keys)[0]
    assert f"{http}/keys" == load(**GOOD, **keys, allow_http="on").jwks_uri


@pytest.mark.parametrize(
    "name", ["accounts.google.example", "my-issuer", "http://issuer.example?x"]
)
def test_an_issuer_that_nobody_asks_may_have_any_name(name, tmp_path, issuer):
    """RFC 7519 section 4.1.1: a string or a URI. The keys come from elsewhere."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(issuer.jwks()))
    assert name == load(**GOOD | {"issuer": name, "jwks_file": file}).issuer
    elsewhere = GOOD | {"issuer": name, "jwks_uri": "https://keys.example/jwks"}
    assert name == load(**elsewhere).issuer
    assert name == load(**GOOD | {"issuer": name, "secret": SECRET}).issuer


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://keys.example/jwks", "does not begin with https://"),
        ("keys.example", "is not an absolute URL"),
        ("https://keys.example/#x", "has a fragment"),
    ],
)
def test_a_jwks_uri_that_cannot_be_fetched_refuses_the_start(url, problem):
    (told,) = problems_with(jwks_uri=url)
    assert told.startswith(f"jwks_uri={url!r} (argument) {problem}; write the URL")


def test_a_bad_value_causes_no_second_message():
    """Whoever set jwks_uri or secret, however badly, did not mean the issuer to be asked."""
    named = {"issuer": "my-issuer"}
    assert list(problems_with(**named, jwks_uri=5)) == ["jwks_uri=5 (argument) must be text"]
    assert len(problems_with(**named, secret="short", algorithms="HS512")) == 1
    assert len(problems_with(issuer="http://issuer.internal", allow_http="perhaps")) == 1
    assert len(problems_with(algorithms="HS257", secret=SECRET)) == 1


@pytest.mark.requirement("8707-2-1")
@pytest.mark.parametrize(
    "audience", ["https://rs.example#x", "https://rs.example/#", "a,https://b#c"]
)
def test_an_audience_with_a_fragment_refuses_the_start(audience):
    """RFC 8707 section 2."""
    (told,) = problems_with(audience=audience)
    assert f"audience={audience!r} (argument) has a fragment (RFC 8707 section 2)" in told


@pytest.mark.requirement("8707-2-1")
@pytest.mark.parametrize("resource", ["/api", "https://rs.example#x"])
def test_a_resource_is_an_absolute_uri_without_a_fragment(resource):
    """RFC 8707 section 2."""
    (told,) = problems_with(resource=resource)
    assert f"resource={resource!r} (argument) " in told


@pytest.mark.parametrize(
    "audience", ["api", "/api", "api#1", "urn:api:1", "00-11-22", "https://a/b"]
)
def test_an_audience_may_be_any_other_text(audience):
    """RFC 7519 section 4.1.3: many issuers take a bare client id."""
    assert (audience,) == load(**GOOD | {"audience": audience}).audience


@pytest.mark.ml_dsa
@pytest.mark.requirement("8707-2-2")
@pytest.mark.parametrize(
    ("audience", "warns"),
    [("https://rs.example?x", True), ("https://rs.example", False), ("what?", False)],
)
def test_an_audience_with_a_query_is_warned_about(audience, warns, caplog):
    """RFC 8707 section 2: it should not have one."""
    Guard(**GOOD | {"audience": audience})
    assert [f"audience {audience!r} has a query: RFC 8707 section 2 advises against"] * warns == [
        record.getMessage() for record in caplog.records if record.levelname == "WARNING"
    ]


@pytest.mark.requirement("8725-3.1-1", "8725-3.2-1", "9068-2.1-2")
def test_the_default_algorithms_are_asymmetric_and_current():
    """RFC 8725 sections 3.1 and 3.2, RFC 9068 section 2.1."""
    allowed = load(**GOOD).policy().algorithms
    assert {"RS256", "ES256", "EdDSA"} <= allowed
    assert not [a for a in allowed if a.lower() == "none" or a.startswith(("HS", "RSA", "ES256K"))]


@pytest.mark.requirement("7518-3.6-1", "8725-3.2-1")
@pytest.mark.parametrize("name", ["none", "None", "NONE", "RS256,none", "nOnE", ["none"]])
def test_none_in_the_algorithms_refuses_the_start(name):
    """RFC 7518 section 3.6, RFC 8725 section 3.2."""
    for more in ({}, {"secret": SECRET}):
        (told,) = problems_with(algorithms=name, **more)
        assert "allows tokens without a signature, which is impossible" in told


@pytest.mark.parametrize("name", ["rs256", "RSA1_5", "ES256K", "HS1", "RS256, ES2567", "*", "RS*"])
def test_an_unknown_algorithm_is_told_with_those_that_are_known(name):
    (told,) = problems_with(algorithms=name)
    assert "does not know '" in told
    assert "known are RS256, " in told


@pytest.mark.requirement("FAPI2-5.4-1")
def test_the_algorithms_can_be_narrowed_to_those_of_fapi():
    """FAPI 2.0 security profile, section 5.4; the tokens are in the tests of the core."""
    settings = load(**GOOD, algorithms="PS256,ES256,EdDSA,Ed25519")
    assert {"PS256", "ES256", "EdDSA", "Ed25519"} == settings.policy().algorithms


@pytest.mark.requirement("7518-3.2-1", "8725-3.5-1")
@pytest.mark.parametrize(
    "secret", ["x" * 31, b"x" * 31, "é" * 15, "base64:" + "QUFB" * 10, "hunter2"]
)
def test_a_secret_shorter_than_the_hash_refuses_the_start(secret):
    """RFC 7518 section 3.2, RFC 8725 section 3.5: a password that a human remembers is shorter."""
    (told,) = problems_with(secret=secret)
    assert re.search(r"secret=\*\*\* \(argument\) has \d+ bytes; HS256 needs 32 or more", told)


@pytest.mark.requirement("7518-3.2-1", "8725-3.5-1")
@pytest.mark.parametrize("alg", HMAC_KEY_BYTES)
def test_each_hmac_algorithm_needs_a_secret_as_long_as_its_hash(alg):
    """RFC 7518 section 3.2."""
    least = HMAC_KEY_BYTES[alg]
    assert {alg} == load(**GOOD, secret="x" * least, algorithms=alg).policy().algorithms
    if alg != "HS256":
        (told,) = problems_with(secret="x" * (least - 1), algorithms=alg)
        assert f"the secret has {least - 1} bytes; {alg} needs {least}" in told


def test_a_secret_allows_the_hmac_algorithms_that_it_is_long_enough_for_and_no_others():
    def allowed(size):
        return load(**GOOD, secret="x" * size).policy().algorithms

    assert {"HS256"} == allowed(47)
    assert {"HS256", "HS384"} == allowed(48)
    assert {"HS256", "HS384", "HS512"} == allowed(64)


def test_algorithms_and_secret_must_fit_together():
    (told,) = problems_with(algorithms="RS256,HS256,HS384")
    assert "HS256, HS384 need the setting secret; set it, or leave them out" in told
    for mixed in ("RS256", "HS256,ES256"):
        (told,) = problems_with(algorithms=mixed, secret="x" * 64)
        assert "with the setting secret only HS256, HS384 and HS512 are possible" in told


@pytest.mark.parametrize("name", ["jwks_uri", "jwks_token_file"])
def test_a_secret_and_a_place_of_keys_exclude_each_other(name):
    place = "https://keys.example"
    environment = Source("environment", "BEARERGUARD_", {f"BEARERGUARD_{name.upper()}": place})
    (told,) = problems_with(environment, secret=SECRET)
    named = f"BEARERGUARD_{name.upper()}={place!r} (environment)"
    assert f"secret=*** (argument) and {named} exclude each other; keep one" == told


def test_ml_dsa_is_refused_by_name_where_openssl_lacks_it(monkeypatch):
    """In the default list it is left out; whoever names it means it."""
    monkeypatch.setattr(signature, "ml_dsa_is_supported", lambda: False)
    (told,) = problems_with(algorithms="RS256,ML-DSA-65")
    assert "needs an OpenSSL with ML-DSA; this one has none" in told
    assert load(**GOOD, algorithms="RS256").algorithms == ("RS256",)

"""The settings of introspection, and what refuses the start."""

import json

import pytest
from jwt.algorithms import ECAlgorithm

from bearerguard import Guard
from bearerguard.configuration import configure
from bearerguard.errors import ConfigurationError
from bearerguard.settings import from_arguments
from bearerguard.testing import SigningKey

GOOD = {"issuer": "https://issuer.example", "audience": "https://api.example"}
ID, SECRET = {"introspection_client_id": "api"}, {"introspection_client_secret": "hush hush"}


def load(**arguments):
    return configure(from_arguments(GOOD | arguments)).settings


def problems(**arguments):
    with pytest.raises(ConfigurationError) as refusal:
        load(**arguments)
    return list(refusal.value.problems)


def test_introspection_is_on_with_a_client_id_and_off_without():
    assert load(**ID, **SECRET).policy().opaque_prefix == ""
    assert load(**ID, **SECRET, token_prefix="at_").policy().opaque_prefix == "at_"
    assert load().policy().opaque_prefix is None


@pytest.mark.parametrize(
    "setting",
    [
        {"introspection_uri": "https://issuer.example/ask"},
        {"introspection_client_secret": "hush"},
        {"introspection_auth": "client_secret_basic"},
        {"introspection_signed": True},
        {"token_prefix": "at_"},
    ],
)
def test_what_is_for_opaque_tokens_needs_a_client_id(setting):
    (problem,) = problems(**setting)
    assert "is for opaque tokens; set introspection_client_id, or leave it out" in problem
    assert "'hush'" not in problem


def test_defaults_may_be_written_out_without_a_client_id():
    assert not load(introspection_ttl="60s", introspection_signed="off").introspects


def test_a_client_needs_something_to_prove_itself_with():
    (problem,) = problems(**ID)
    assert "set introspection_client_secret or introspection_key_file" in problem


@pytest.mark.parametrize(
    ("auth", "needed"),
    [
        ("client_secret_basic", "introspection_client_secret"),
        ("client_secret_post", "introspection_client_secret"),
        ("private_key_jwt", "introspection_key_file"),
    ],
)
def test_each_way_to_authenticate_needs_its_own(auth, needed):
    (problem,) = problems(**ID, introspection_auth=auth)
    assert f"introspection_auth='{auth}' (argument) needs {needed}; set it" == problem


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "client.jwk"
    file.write_text(json.dumps(private_jwk()))
    return file


def private_jwk():
    return json.loads(ECAlgorithm.to_jwk(SigningKey.generate("ES256").private_key))


def test_a_secret_and_a_key_exclude_each_other(key_file):
    (problem,) = problems(**ID, **SECRET, introspection_key_file=key_file)
    assert "exclude each other; keep one" in problem
    assert "introspection_client_secret=***" in problem


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"introspection_auth": "tls_client_auth"}, "is not offered; known are client_secret_basic"),
        ({"introspection_client_id": "ä"}, "must be visible ASCII"),
        ({"introspection_client_secret": "ä"}, "introspection_client_secret=*** (argument) must be"),
        ({"introspection_client_secret": 5}, "introspection_client_secret=*** (argument) must be"),
        ({"introspection_ttl": "2h"}, "must be from 0s to 3600s"),
        ({"token_prefix": "a b"}, "is no beginning of a token"),
        ({"introspection_key_file": "/absent"}, "cannot be read"),
        ({"introspection_uri": "ask"}, "write the URL of the issuer's introspection endpoint"),
        ({"introspection_uri": "https://u:p@x.example/"}, "carries a user name or a password"),
    ],
)  # fmt: skip
def test_a_bad_value_is_told_with_how_to_mend_it(setting, told):
    whole = ID | ({} if "introspection_key_file" in setting else SECRET) | setting
    assert [told in problem for problem in problems(**whole)] == [True]


@pytest.mark.requirement("7662-4-1")
def test_an_endpoint_without_tls_refuses_the_start():
    """RFC 7662 section 4; only this very machine is excepted, and what a setting names."""
    (problem,) = problems(**ID, **SECRET, introspection_uri="http://issuer.example/ask")
    assert "does not begin with https://" in problem
    for url in ("http://127.0.0.1:9/ask", "https://issuer.example/ask"):
        assert load(**ID, **SECRET, introspection_uri=url).introspection_uri == url
    allowed = load(**ID, **SECRET, introspection_uri="http://as/ask", allow_http=True)
    assert allowed.introspection_uri == "http://as/ask"


def test_an_issuer_that_is_no_url_needs_the_endpoint():
    named = {"issuer": "our issuer", "jwks_uri": "https://keys.example/"}
    (problem,) = problems(**named, **ID, **SECRET)
    assert "the issuer is not an absolute URL, so that its metadata cannot be found" in problem
    assert load(**named, **ID, **SECRET, introspection_uri="https://issuer.example/ask")
    assert load(**ID, **SECRET, jwks_uri="https://keys.example/").introspects


def test_a_bad_issuer_is_told_once():
    assert len(problems(issuer="nonsense", **ID, **SECRET)) == 1


def test_the_secret_is_shown_nowhere(key_file, caplog):
    guard = Guard(**GOOD, **ID, **SECRET)
    assert "hush" not in repr(guard.settings)
    assert "hush" not in caplog.text
    assert "introspection_client_secret=***" in repr(guard.settings)
    assert load(**ID, introspection_client_secret=guard.settings.introspection_client_secret)


def test_a_key_in_a_file_means_that_file_after_a_change_of_directory(key_file, monkeypatch):
    monkeypatch.chdir(key_file.parent)
    settings = load(**ID, introspection_key_file=key_file.name)
    assert settings.introspection_key_file == str(key_file)


@pytest.mark.requirement("8705-5-1")
def test_certificates_of_our_own_are_no_way_to_authenticate(monkeypatch):
    """RFC 8705 section 5: an alias for mutual TLS is for those who use it; see not_offered.md."""
    for method in ("tls_client_auth", "self_signed_tls_client_auth"):
        (problem,) = problems(**ID, **SECRET, introspection_auth=method)
        assert "is not offered" in problem
    for name in ("introspection_cert_file", "client_cert_file", "introspection_certificate"):
        assert "is not a setting" in problems(**{name: "x"})[0]

"""Settings: names, sources and their order, and messages that let an operator mend everything."""

import dataclasses
import json
import logging
import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerguard import ConfigurationError, Guard
from bearerguard.configuration import configure
from bearerguard.core.profile import ROLE_FORMS
from bearerguard.settings import (
    Settings,
    from_app_config,
    from_arguments,
    from_environment,
)
from bearerguard.sources import LARGEST_FILE

NAMES = [spec.name for spec in fields(Settings)]
LATER = [spec.name for spec in fields(Settings) if spec.metadata["parse"] is None]
NO_STORE = "is no store; 'memory://' is"
FROM_FILE = ["secret", "introspection_client_secret", "store_url"]
GOOD = {"issuer": "https://issuer.example", "audience": "https://api.example"}
SECRET = "a secret of more than thirty-two bytes"

# A value of each setting that works, as the environment spells it, and what becomes of it.
EXAMPLES = {
    "issuer": ("https://other.example", "https://other.example"),
    "audience": ("a, b", ("a", "b")),
    "profile": ("jwt", "jwt"),
    "algorithms": ("RS256,ES256", ("RS256", "ES256")),
    "jwks_uri": ("https://keys.example/jwks", "https://keys.example/jwks"),
    "jwks_token_file": ("/run/token", "/run/token"),
    "jwks_ttl": ("5m", 300.0),
    "jwks_stale_for": ("0", 0.0),
    "jwks_timeout": ("2s", 2.0),
    "allow_http": ("on", True),
    "scope_claims": ("scp,/realm/scopes", ("scp", "/realm/scopes")),
    "role_claims": ("groups", ("groups",)),
    "token_types": ("at+jwt, application/JWT, none", ("at+jwt", "jwt", None)),
    "required_claims": ("sub,jti", ("sub", "jti")),
    "match": ("env=live,env=test,/a/b=c", (("env", {"live", "test"}), ("/a/b", {"c"}))),
    "clients": ("shop,batch", ("shop", "batch")),
    "client_claims": ("azp,/o/client", ("azp", "/o/client")),
    "missing_audience": ("issuer", "issuer"),
    "required_scopes": ("read,write", ("read", "write")),
    "public": ("/healthz,/docs/*", ("/healthz", "/docs/*")),
    "realm": ("Orders", "Orders"),
    "resource": ("HTTPS://API.Example/Orders", "https://api.example/Orders"),
    "leeway": ("1m", 60.0),
    "max_token_age": ("1h", 3600.0),
    "max_token_bytes": ("4096", 4096),
    "token_cache": ("0", 0),
    "introspection_uri": ("https://issuer.example/ask", "https://issuer.example/ask"),
    "introspection_client_id": ("api", "api"),
    "introspection_auth": ("client_secret_post", "client_secret_post"),
    "introspection_ttl": ("10s", 10.0),
    "introspection_signed": ("on", True),
    "token_prefix": ("opaque_", "opaque_"),
}
# Without these there is nobody to ask.
CLIENT = {"introspection_client_id": "api", "introspection_client_secret": "hush"}


def good_with(name, value):
    """The least that is required beside a setting, and the setting."""
    company = CLIENT if name.startswith(("introspection", "token_prefix")) else {}
    return GOOD | company | {name: value}


def merged(*sources):
    """The settings of the API as a whole, which are those of its one issuer too."""
    return configure(*sources).settings


def load(**arguments):
    return merged(from_arguments(arguments))


def in_environment(values):
    return {f"BEARERGUARD_{name.upper()}": value for name, value in values.items()}


def problems(*sources):
    """Everything that is wrong, one message a problem."""
    with pytest.raises(ConfigurationError) as refusal:
        merged(*sources)
    return refusal.value.problems


def problems_with(**arguments):
    return problems(from_arguments(GOOD | arguments))


# What the names are


# The first columns of the table of settings, as the operator's documentation has them.
TABLE = """
    ISSUER AUDIENCE PROFILE ALGORITHMS SECRET JWKS_URI JWKS_FILE JWKS_TOKEN_FILE JWKS_TTL
    JWKS_STALE_FOR JWKS_TIMEOUT JWKS_SNAPSHOT CA_FILE ALLOW_HTTP SCOPE_CLAIMS ROLE_CLAIMS
    TOKEN_TYPES REQUIRED_CLAIMS MATCH CLIENTS CLIENT_CLAIMS TENANTS MISSING_AUDIENCE
    REQUIRED_SCOPES PUBLIC REALM RESOURCE LEEWAY MAX_TOKEN_AGE MAX_TOKEN_BYTES TOKEN_CACHE
    INTROSPECTION_URI INTROSPECTION_CLIENT_ID INTROSPECTION_CLIENT_SECRET INTROSPECTION_AUTH
    INTROSPECTION_KEY_FILE INTROSPECTION_TTL INTROSPECTION_SIGNED TOKEN_PREFIX STORE_URL DPOP MTLS TRUSTED_PROXIES CLIENT_CERT_HEADER MODE
    REPORT_UNTIL CONFIG
"""
# What only an issuer among several can have.
MEMBERS = ["scopes_allowed", "roles_allowed"]


def test_the_settings_are_those_of_the_table_and_no_others():
    assert sorted([*TABLE.lower().split(), *MEMBERS]) == sorted(NAMES)


def test_the_defaults_are_those_of_the_table():
    settings = load(**GOOD)
    stated = {
        "profile": "auto",
        "jwks_stale_for": 3600.0,
        "jwks_timeout": 5.0,
        "allow_http": False,
        "leeway": 30.0,
        "max_token_bytes": 16384,
        "token_cache": 4096,
        "introspection_ttl": 60.0,
        "introspection_signed": False,
        "store_url": "memory://",
        "dpop": "off",
        "mtls": "off",
        "mode": "enforce",
        "required_scopes": (),
        "public": (),
    }
    unset = {name: None for name in NAMES if name not in {**stated, **GOOD}}
    assert stated | unset == {n: v for n, v in vars(settings).items() if n not in GOOD}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_setting_is_an_argument_an_environment_name_and_a_key_of_app_config(name):
    raw, value = EXAMPLES[name]
    named = in_environment(good_with(name, raw))

    assert value == getattr(load(**good_with(name, raw)), name)
    assert value == getattr(merged(from_environment(named)), name)
    assert value == getattr(merged(from_app_config(named)), name)


@pytest.mark.parametrize("name", sorted({*NAMES} - EXAMPLES.keys() - {*LATER, *MEMBERS}))
def test_the_settings_without_an_example_take_a_file_or_a_secret_or_need_a_template(name):
    files = ("ca_file", "jwks_file", "jwks_snapshot", "config", "introspection_key_file")
    assert name in (*files, *FROM_FILE, "tenants")


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_parsed_value_is_taken_again_as_it_is(name):
    """Guard.from_env merges first and hands the merged values to Guard(...)."""
    _, value = EXAMPLES[name]
    assert value == getattr(load(**good_with(name, value)), name)


@pytest.mark.requirement("6750-3-6")
@pytest.mark.parametrize("value", ["https://errors.example/a b", "https://errors.example/a"])
def test_there_is_no_setting_for_an_error_uri(value):
    """RFC 6750 section 3: what cannot be set cannot be set to a text that breaks the challenge."""
    (problem,) = problems_with(error_uri=value)
    assert "error_uri (argument) is not a setting" in problem


@pytest.mark.requirement("8414-6.1-1")
@pytest.mark.parametrize(
    "name", ["verify", "verify_tls", "tls_verify", "ssl_verify", "insecure", "no_check_certificate"]
)
def test_no_setting_switches_the_check_of_certificates_off(name):
    """RFC 8414 section 6.1: a set of certificates can be chosen, and that is all."""
    assert not [
        n for n in NAMES if n != "mtls" and re.search("tls|ssl|verif|insecure|certificate", n)
    ]
    for off in (False, "off", "0"):
        assert "is not a setting" in problems_with(**{name: off})[0]
        assert "ca_file" in problems_with(ca_file=off)[0]


# Where values come from


def test_an_argument_wins_over_app_config_and_that_over_the_environment():
    def realm(argument, config, environment):
        return merged(
            from_arguments(GOOD | {"realm": argument}),
            from_app_config({"BEARERGUARD_REALM": config}),
            from_environment({"BEARERGUARD_REALM": environment}),
        ).realm

    assert realm("argument", "config", "environment") == "argument"
    assert realm(None, "config", "environment") == "config"
    assert realm(None, None, "environment") == "environment"
    assert realm(None, None, "") is None


@pytest.mark.parametrize("empty", ["", "  ", "\t", [], (), set(), frozenset(), b"", None])
@pytest.mark.parametrize("name", ["realm", "secret", "jwks_file", "secret_file", "audience"])
def test_an_empty_value_is_the_same_as_not_set(name, empty):
    settings = merged(from_arguments({name: empty}), from_arguments(GOOD))
    assert vars(load(**GOOD)) == vars(settings)


@pytest.mark.parametrize("name", ["issuer", "audience"])
@pytest.mark.requirement("GEN-6")
def test_an_empty_required_value_is_missing(name):
    (problem,) = problems_with(**{name: ""})
    assert problem.startswith(f"{name} is not set")


def test_only_names_with_the_prefix_are_read():
    environ = in_environment(GOOD) | {"ISSUER": "x", "bearerguard_leeway": "x", "REALM": "x"}
    assert vars(load(**GOOD)) == vars(merged(from_environment(environ)))
    config = in_environment(GOOD) | {"SECRET_KEY": "x", 7: "x", "REALM": "x"}
    assert vars(load(**GOOD)) == vars(merged(from_app_config(config)))


def test_a_guard_reads_its_arguments_only(monkeypatch):
    for name, value in in_environment(GOOD | {"leeway": "0", "nonsense": "x"}).items():
        monkeypatch.setenv(name, value)

    assert Guard(**GOOD).settings.leeway == 30.0
    with pytest.raises(ConfigurationError, match=r"issuer is not set.*Guard\.from_env\(\)"):
        Guard()


def test_from_env_reads_the_environment_of_the_process(monkeypatch, issuer):
    for name, value in in_environment(GOOD | {"leeway": "0"}).items():
        monkeypatch.setenv(name, value)

    guard = Guard.from_env(fetcher=issuer, clock=issuer.clock)

    assert guard.settings.leeway == 0.0
    assert guard.verify(issuer.token()).subject == "user-1"


def test_nothing_reads_a_dotenv_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("BEARERGUARD_ISSUER=https://issuer.example\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="BEARERGUARD_ISSUER is not set"):
        Guard.from_env(environ={})


@pytest.mark.parametrize(
    "link",
    [
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_HTTP",
        "PORT",
        "PORT_8080_TCP",
        "PORT_8080_TCP_ADDR",
    ],
)
def test_a_service_link_of_kubernetes_is_ignored_with_a_log_line(link, caplog):
    """A service named "bearerguard" puts these into each container of its namespace."""
    environ = in_environment(GOOD) | {f"BEARERGUARD_{link}": "tcp://10.0.0.1:8080"}

    with caplog.at_level(logging.INFO, "bearerguard"):
        settings = merged(from_environment(environ))

    assert vars(load(**GOOD)) == vars(settings)
    assert [f"ignoring BEARERGUARD_{link}: it looks like a Kubernetes service link"] == [
        record.getMessage() for record in caplog.records
    ]


@pytest.mark.parametrize("name", ["PORTS", "SERVICE_HOSTS", "MY_PORT", "PORT_TCP", "SERVICE"])
def test_what_only_looks_a_little_like_a_service_link_is_refused(name):
    (problem,) = problems(from_environment(in_environment(GOOD) | {f"BEARERGUARD_{name}": "1"}))
    assert f"BEARERGUARD_{name} (environment) is not a setting" in problem


# Secrets and files


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (f"{SECRET}", SECRET),
        (f"{SECRET}\n", SECRET),
        (f"{SECRET}\r\n", SECRET),
        (f"{SECRET}\n\n", f"{SECRET}\n"),
        (f"{SECRET}\r\n\r\n", f"{SECRET}\r\n"),
        (f"{SECRET}\r", f"{SECRET}\r"),
        (f"{SECRET} ", f"{SECRET} "),
        (f"a\r\nb\n{SECRET}", f"a\r\nb\n{SECRET}"),
    ],
)
def test_one_line_break_at_the_end_of_a_secret_file_is_dropped(tmp_path, content, secret):
    file = tmp_path / "secret"
    file.write_bytes(content.encode())

    for source in (
        from_arguments(GOOD | {"secret_file": file}),
        from_environment(in_environment(GOOD | {"secret_file": str(file)})),
    ):
        assert secret.encode() == merged(source).secret.value


def test_a_secret_and_its_file_together_refuse_the_start(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET)
    both = GOOD | {"secret": SECRET, "secret_file": str(file)}
    told = "are both set; keep one"

    assert [f"secret and secret_file (argument) {told}"] == list(problems(from_arguments(both)))
    names = "BEARERGUARD_SECRET and BEARERGUARD_SECRET_FILE (environment)"
    assert [f"{names} {told}"] == list(problems(from_environment(in_environment(both))))


def test_a_secret_wins_over_the_file_of_a_later_source(tmp_path):
    settings = merged(
        from_arguments(GOOD | {"secret": SECRET}),
        from_environment({"BEARERGUARD_SECRET_FILE": str(tmp_path / "absent")}),
    )
    assert SECRET.encode() == settings.secret.value


@pytest.mark.parametrize("name", FROM_FILE)
def test_the_names_of_files_are_known(name, tmp_path):
    """A value that is not available yet is refused for that, not for its name."""
    file = tmp_path / "file"
    file.write_text(SECRET)
    company = {"introspection_client_id": "api"} if name.startswith("introspection") else {}
    source = from_environment(in_environment(GOOD | company | {f"{name}_file": str(file)}))
    if name == "store_url":
        assert problems(source) == (
            f"BEARERGUARD_STORE_URL_FILE='{file}' (environment) {NO_STORE}",
        )
    elif name not in LATER:
        assert SECRET.encode() == getattr(merged(source), name).value
    else:
        (problem,) = problems(source)
        assert f"BEARERGUARD_{name.upper()}_FILE='{file}' (environment) is not available" in problem


def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path):
    for name, content in {"empty": b"", "break": b"\n", "binary": b"\xff" * 40}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "long").write_text("x" * (LARGEST_FILE + 1))

    def problem(file):
        (told,) = problems_with(secret_file=file)
        return told.removeprefix(f"secret_file={str(file)!r} (argument) ")

    assert (
        problem(str(tmp_path / "absent"))
        == "cannot be read: No such file or directory; name a text file"
    )
    assert problem(str(tmp_path)) == "cannot be read: Is a directory; name a text file"
    assert "cannot be read: UnicodeDecodeError" in problem(str(tmp_path / "binary"))
    assert "cannot be read: ValueError" in problem("a\0b")
    assert "cannot be read: TypeError" in problem(7)
    assert problem(str(tmp_path / "empty")) == "names an empty file"
    assert problem(str(tmp_path / "break")) == "names an empty file"
    assert f"is longer than {LARGEST_FILE // 1024} KiB" in problem(str(tmp_path / "long"))


def test_a_file_of_the_greatest_length_is_read_whole(tmp_path):
    (tmp_path / "long").write_text("x" * LARGEST_FILE)
    assert len(load(**GOOD, secret_file=tmp_path / "long").secret.value) == LARGEST_FILE


def test_a_secret_is_shown_as_three_stars_everywhere(caplog):
    with caplog.at_level(logging.DEBUG):
        settings = Guard(**GOOD, secret=SECRET).settings
    shown = [
        *(repr(settings), str(settings), f"{settings.secret}", f"{settings.secret!r}"),
        *(str(dataclasses.asdict(settings)), json.dumps(vars(settings), default=str)),
        *(repr(from_arguments({"secret": SECRET})), caplog.text),
    ]
    assert not [text for text in shown if "thirty-two" in text]
    assert "secret=***" in repr(settings)


@pytest.mark.parametrize("name", FROM_FILE)
@pytest.mark.parametrize(
    "value", ["hush hush", b"hush", 5551234, ["hush"], "base64:hush!", "\ud800"]
)
def test_a_bad_secret_is_not_shown_in_the_message(name, value):
    for problem in problems_with(**{name: value}):
        assert problem.startswith(f"{name}=*** (argument) ")
        assert not re.search("hush|555|ud800", problem)


def test_an_unknown_name_is_told_without_its_value():
    """BEARERGUARD_SECERT=..."""
    (problem,) = problems_with(secert="hush hush")
    assert "hush" not in problem
    assert problem == "secert (argument) is not a setting; did you mean secret?"


def test_a_password_in_a_url_is_not_shown():
    for name in ("issuer", "jwks_uri"):
        (problem,) = problems_with(**{name: "https://user:hush@issuer.example"})
        assert "carries a user name or a password" in problem
        assert "hush" not in problem


# Messages


def test_every_problem_is_named_at_once():
    found = problems(
        from_arguments({"leeway": "soon", "nonsense": 1}),
        from_app_config({"BEARERGUARD_JWKS_TTL": "0s", "BEARERGUARD_DPOP": "require"}),
        from_environment({"BEARERGUARD_ALGORITHMS": "none", "BEARERGUARD_AUDIENCE": "a,,b"}),
    )
    begin = [problem.split(" (")[0] for problem in found]
    assert begin == [
        "nonsense",
        "BEARERGUARD_AUDIENCE='a,,b'",
        "BEARERGUARD_ALGORITHMS='none'",
        "BEARERGUARD_JWKS_TTL='0s'",
        "leeway='soon'",
        "BEARERGUARD_DPOP='require'",
        found[-1].split(" (")[0],
    ]
    assert found[-1].startswith("BEARERGUARD_ISSUER is not set: ")


def test_the_error_shows_every_problem_on_a_line_of_its_own():
    with pytest.raises(ConfigurationError) as refusal:
        load(leeway="soon")
    first, *lines = str(refusal.value).splitlines()
    assert first == "bearerguard cannot start:"
    assert [f"  - {problem}" for problem in refusal.value.problems] == lines


@pytest.mark.requirement("GEN-6")
@pytest.mark.parametrize(
    ("name", "example"),
    [("issuer", "https://login.example.com"), ("audience", "https://api.example.com")],
)
def test_a_missing_issuer_or_audience_is_told_with_its_meaning_and_an_example(name, example):
    given = {key: value for key, value in GOOD.items() if key != name}
    (told,) = problems(from_arguments({}), from_environment(in_environment(given)))
    key = f"BEARERGUARD_{name.upper()}"
    assert told.startswith(f"{key} is not set: it names ")
    assert told.endswith(f"; write {key}={example}")

    (told,) = problems(from_arguments(given))
    assert told.startswith(f"{name} is not set: it names ")
    assert f"; write {name}={example!r}; " in told
    assert "Guard.from_env()" in told


@pytest.mark.parametrize("name", ["issuer", "audience"])
@pytest.mark.parametrize("bad", [5, ["a", ""], "' '", {}, '"https://a.example"', "a, ,b"])
def test_a_bad_issuer_or_audience_is_not_also_called_missing(name, bad):
    (problem,) = problems_with(**{name: bad})
    assert "is not set" not in problem


def test_the_word_of_one_setting_in_the_message_of_another_hides_nothing():
    """The message about the realm holds "issuer=", and the issuer is missing all the same."""
    found = problems(from_arguments({"realm": "issuer=é", "audience": "a"}))
    assert [p.split(" ")[0] for p in found] == ["realm='issuer=é'", "issuer"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("isuer", "issuer"),
        ("AUDIENCE", "audience"),
        ("BEARERGUARD_ISSUER", "issuer"),
        ("aud", "audience"),
        ("jwks_url", "jwks_uri"),
        ("secret_fil", "secret_file"),
        ("algorithm", "algorithms"),
    ],
)
def test_an_unknown_name_is_told_with_what_was_perhaps_meant(name, meant):
    (problem,) = problems_with(**{name: "x"})
    assert f"{name} (argument) is not a setting; did you mean {meant}?" == problem


def test_an_unknown_name_of_the_environment_is_told_in_its_spelling():
    environ = in_environment(GOOD | {"isuer": "x", "Realm": "x"}) | {"BEARERGUARD_Leeway": "1s"}
    assert list(problems(from_environment(environ | {"BEARERGUARD_ZZZZ": ""}))) == [
        "BEARERGUARD_ISUER (environment) is not a setting; did you mean BEARERGUARD_ISSUER?",
        "BEARERGUARD_Leeway (environment) is not a setting; did you mean BEARERGUARD_LEEWAY?",
        "BEARERGUARD_ZZZZ (environment) is not a setting; leave it out",
    ]


def test_a_long_value_is_cut_in_the_message():
    (problem,) = problems_with(leeway="x" * 10_000)
    assert len(problem) < 400


def test_a_line_break_in_a_value_begins_no_line_of_the_message():
    (problem,) = problems_with(leeway="1s\n  - all is well")
    assert "\n" not in problem


# Settings whose feature is still to come


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dpop", "accept"),
        ("mtls", "require"),
        ("trusted_proxies", "10.0.0.0/8"),
        ("client_cert_header", "Client-Cert"),
    ],
)
def test_a_setting_of_a_later_feature_takes_nothing_but_its_default(name, value):
    """Taken in silence it would promise a protection that is not there."""
    assert name in LATER
    (problem,) = problems_with(**{name: value})
    assert "is not available yet" in problem


def test_the_store_is_the_memory_of_each_process():
    assert load(**GOOD | {"store_url": "memory://"}).store_url == "memory://"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("redis://:hush@localhost", "is not available yet; leave it out, or write 'memory://'"),
        ("rediss://localhost", "is not available yet; leave it out, or write 'memory://'"),
        ("memory:", NO_STORE),
        ("postgres://:hush@localhost", NO_STORE),
    ],
)
def test_another_store_is_refused_and_its_password_not_shown(value, why):
    assert problems_with(store_url=value) == (f"store_url=*** (argument) {why}",)


@pytest.mark.parametrize(
    "name", [name for name in LATER if getattr(load(**GOOD), name) is not None]
)
def test_the_default_of_a_later_feature_may_be_written_out(name):
    default = getattr(load(**GOOD), name)
    assert default == getattr(load(**GOOD | {name: default}), name)
    assert default == getattr(load(**GOOD | {name: str(default)}), name)


def test_a_list_of_one_issuer_is_that_issuer():
    assert GOOD["issuer"] == load(**GOOD | {"issuer": [GOOD["issuer"]]}).issuer


# What becomes of settings


def test_places_of_claims_become_places_of_the_policy():
    policy = load(**GOOD, scope_claims="scp", role_claims="/a/b,groups").policy()
    assert [place.path for place in policy.scope_places] == ["scp"]
    assert [place.path for place in policy.role_places] == ["/a/b", "groups"]
    assert {ROLE_FORMS} == {place.forms for place in policy.role_places}


@pytest.mark.parametrize(
    ("settings", "realm"),
    [
        ({}, "https://api.example"),
        ({"audience": ["one", "two"]}, "one"),
        ({"realm": "Orders"}, "Orders"),
        ({"audience": "bücher"}, "api"),
        ({"audience": "bücher", "realm": "Books"}, "Books"),
    ],
)
def test_the_realm_is_the_audience_where_a_header_can_hold_it(settings, realm):
    assert realm == load(**GOOD | settings).challenge_realm()


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(**GOOD).leeway = 1e9


# fmt: off
ODD_TEXTS = [
    "0", "1s", "on", "none", "RS256", "https://a.example", "a,b", ",", "/", "/*", "base64:", "'x'",
    "9" * 5000, "٣s", "٣", "auto", "-1", "1e9s", "nan", "\0", "\ud800", "/a\0b", "{audience}",
]
# fmt: on
ANY_TEXT = st.text() | st.sampled_from(ODD_TEXTS)
ANY_VALUE = (
    ANY_TEXT
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary()
    | st.lists(ANY_TEXT | st.integers() | st.none(), max_size=3)
    | st.sets(st.integers() | ANY_TEXT, max_size=3)
    | st.dictionaries(st.text(), st.integers(), max_size=2)
)


def settings_or_error(source):
    """Nothing but these two may come of a source."""
    try:
        return merged(source)
    except ConfigurationError as error:
        return error


@given(st.sampled_from([*NAMES, *(f"{name}_file" for name in FROM_FILE)]), ANY_TEXT)
def test_any_text_in_the_environment_gives_settings_or_a_configuration_error(name, text):
    environ = in_environment(GOOD | {name: text})
    assert settings_or_error(from_environment(environ))


@given(st.dictionaries(st.sampled_from([*NAMES, "nonsense"]), ANY_VALUE, max_size=4))
def test_any_values_give_settings_or_a_configuration_error_with_one_line_a_problem(values):
    result = settings_or_error(from_arguments(GOOD | values))
    if isinstance(result, Settings):
        assert vars(result) == vars(merged(from_arguments(vars(result))))
    else:
        assert result.problems
        assert all(problem.isprintable() for problem in result.problems)


def test_a_secret_that_was_taken_for_a_file_is_not_shown():
    pasted = "c2VjcmV0IHRoYXQgc29tZWJvZHkgcGFzdGVk"
    environ = {
        "BEARERGUARD_ISSUER": "https://issuer.example",
        "BEARERGUARD_AUDIENCE": "api",
        "BEARERGUARD_SECRET_FILE": pasted,
    }

    with pytest.raises(ConfigurationError) as refused:
        Guard.from_env(environ=environ)

    assert pasted not in str(refused.value)
    assert "BEARERGUARD_SECRET_FILE=***" in str(refused.value)

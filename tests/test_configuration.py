"""Several issuers: what holds for all of them, what for one, and where each may stand."""

import dataclasses
import hashlib
import json
import pickle
import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerguard import ConfigurationError, testing
from bearerguard.config_file import LARGEST_FILE
from bearerguard.configuration import Configuration, configure
from bearerguard.issuer import Issuer
from bearerguard.settings import About, Settings, from_arguments, from_environment, names_about

A, B, C = "https://a.example", "https://b.example", "https://c.example"
API = "https://api.example"
API_OF_README = "https://api.example.com"
SECRET = "a secret of more than thirty-two bytes"
LATER = {spec.name for spec in fields(Settings) if spec.metadata["parse"] is None}

# They need one another; tests/introspection/test_settings.py is about them.
INTROSPECTION = {name for name in names_about(About.ONE) if name.startswith("introspection")}
INTROSPECTION |= {"token_prefix"}

# A value of each setting that is given to an issuer, and what becomes of it.
ABOUT_ONE = {
    "profile": ("jwt", "jwt"),
    "jwks_uri": ("https://keys.example/jwks", "https://keys.example/jwks"),
    "jwks_token_file": ("/run/token", "/run/token"),
    "scope_claims": ("scp", ("scp",)),
    "role_claims": (["groups"], ("groups",)),
    "token_types": (["at+jwt", "jwt"], ("at+jwt", "jwt")),
    "required_claims": ("sub", ("sub",)),
    "match": (["env=live", "env=test"], (("env", frozenset({"live", "test"})),)),
    "clients": (["shop"], ("shop",)),
    "client_claims": ("azp", ("azp",)),
    "missing_audience": ("issuer", "issuer"),
}
ABOUT_ALL = {
    "audience": ("x,y", ("x", "y")),
    "algorithms": ("ES256", ("ES256",)),
    "jwks_ttl": ("1h", 3600.0),
    "jwks_stale_for": (0, 0.0),
    "jwks_timeout": ("2s", 2.0),
    "allow_http": (True, True),
    "max_token_age": ("5m", 300.0),
}
MEMBERS = {
    "scopes_allowed": ("read,write", ("read", "write")),
    "roles_allowed": (["staff"], ("staff",)),
}
ABOUT_THE_API = {
    "required_scopes": ("read", ("read",)),
    "public": ("/healthz", ("/healthz",)),
    "realm": ("Orders", "Orders"),
    "resource": ("https://api.example/orders", "https://api.example/orders"),
    "leeway": ("1m", 60.0),
    "max_token_bytes": (4096, 4096),
    "token_cache": (0, 0),
}


def configured(*issuers, resolves=False, **arguments) -> Configuration:
    return configure(from_arguments(arguments), issuers=issuers, resolves=resolves)


def problems(*issuers, resolves=False, **arguments) -> list[str]:
    """Everything that is wrong, one message a problem."""
    with pytest.raises(ConfigurationError) as refusal:
        configured(*issuers, resolves=resolves, **arguments)
    return list(refusal.value.problems)


def problems_of_resolved(configuration, issuer) -> list[str]:
    with pytest.raises(ConfigurationError) as refusal:
        configuration.of_issuer(issuer)
    return list(refusal.value.problems)


def names(configuration) -> list[str]:
    return [settings.issuer for settings in configuration.issuers]


@pytest.fixture
def toml(tmp_path):
    """Write a file of settings and give its name."""

    def write(text: str) -> str:
        file = tmp_path / "config.toml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write


@pytest.fixture
def key_file(tmp_path, issuer) -> str:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(issuer.jwks()))
    return str(file)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that a snapshot may be in, whatever the umask."""
    folder = tmp_path / "snapshots"
    folder.mkdir()
    folder.chmod(0o700)
    return folder


# One issuer


def test_one_issuer_at_the_top_level_has_everything_there():
    configuration = configured(issuer=A, audience=API, profile="jwt", leeway="1m")

    assert (configuration.settings,) == configuration.issuers
    assert (
        configuration.settings.issuer,
        configuration.settings.profile,
        configuration.settings.leeway,
    ) == (A, "jwt", 60.0)


@pytest.mark.parametrize("issuer", [A, [A], (A,), f" {A} "])
def test_a_list_of_one_issuer_is_one_issuer(issuer):
    configuration = configured(issuer=issuer, audience=API, profile="jwt")
    assert configuration.settings.issuer == A


def test_an_issuer_of_its_own_is_given_by_code_by_a_table_and_at_the_top_level_alike(toml):
    """But for where it is told: the settings of its tokens are the same ones."""
    text = f'[[issuer]]\nissuer = "{A}"\naudience = "{API}"\nprofile = "jwt"'
    file = toml(text)
    by_code = configured(Issuer(A, audience=API, profile="jwt")).issuers
    by_name = configured(issuer=A, audience=API, profile="jwt").issuers
    (by_table,) = configured(config=file).issuers

    assert by_code == by_name == (dataclasses.replace(by_table, config=None),)


# The three kinds of settings


def test_each_setting_has_a_place_of_its_own():
    """One table holds which; here it stands once more, as the contract has it."""
    one = """
        issuer profile secret jwks_uri jwks_file jwks_token_file scope_claims role_claims
        token_types required_claims match clients client_claims tenants missing_audience
        introspection_uri introspection_client_id introspection_client_secret introspection_auth
        introspection_key_file introspection_ttl introspection_signed token_prefix
    """
    all_or_one = """
        audience algorithms jwks_ttl jwks_stale_for jwks_timeout jwks_snapshot ca_file allow_http
        max_token_age
    """
    api = """
        required_scopes public realm resource leeway max_token_bytes token_cache store_url dpop mtls
        trusted_proxies client_cert_header mode report_until config
    """
    assert sorted(one.split()) == sorted(names_about(About.ONE))
    assert sorted(all_or_one.split()) == sorted(names_about(About.ALL))
    assert sorted(api.split()) == sorted(names_about(About.API))
    assert names_about(About.MEMBER) == ("scopes_allowed", "roles_allowed")


def test_every_setting_has_an_example_here():
    tried = {*ABOUT_ONE, *ABOUT_ALL, *MEMBERS, *ABOUT_THE_API}
    files = {"secret", "jwks_file", "jwks_snapshot", "ca_file", "config", "issuer", "tenants"}
    files |= {"store_url", "mode", "report_until"}
    assert {spec.name for spec in fields(Settings)} == tried | files | LATER | INTROSPECTION


@pytest.mark.parametrize("name", [*ABOUT_ONE, *ABOUT_ALL, *MEMBERS])
def test_what_is_given_to_one_issuer_holds_for_that_one_alone(name, toml):
    raw, value = (ABOUT_ONE | ABOUT_ALL | MEMBERS)[name]
    first, second = {"issuer": A, "audience": "a", name: raw}, {"issuer": B, "audience": "b"}
    tables = "".join(
        "[[issuer]]\n" + "".join(f"{key} = {json.dumps(there)}\n" for key, there in table.items())
        for table in (first, second)
    )
    alone = getattr(configured(**second).settings, name)

    for configuration in (
        configured(Issuer(**first), Issuer(**second)),
        configured(config=toml(tables)),
    ):
        assert [value, alone] == [getattr(each, name) for each in configuration.issuers]


@pytest.mark.parametrize("name", [*ABOUT_ALL, *ABOUT_THE_API])
@pytest.mark.parametrize("how", ["list", "code", "table", "resolved"])
def test_what_stands_at_the_top_level_holds_for_every_issuer(name, how, toml):
    raw, value = (ABOUT_ALL | ABOUT_THE_API)[name]
    top = {"audience": API, name: raw}
    tables = f'[[issuer]]\nissuer = "{A}"\n[[issuer]]\nissuer = "{B}"'
    configuration = {
        "list": lambda: configured(issuer=[A, B], **top),
        "code": lambda: configured(Issuer(A), Issuer(B), **top),
        "table": lambda: configured(config=toml(tables), **top),
        "resolved": lambda: configured(resolves=True, **top),
    }[how]()
    settings = configuration.issuers or (configuration.of_issuer(Issuer(A)),)

    assert [value] * len(settings) == [getattr(each, name) for each in settings]
    assert value == getattr(configuration.settings, name)
    assert configuration.settings.issuer == ""


@pytest.mark.parametrize("name", [*ABOUT_ONE, "secret"])
@pytest.mark.parametrize("how", ["list", "code", "table", "resolver", "issuer and resolver"])
def test_what_is_about_one_issuer_is_refused_at_the_top_level_beside_several(name, how, toml):
    """It would give every issuer the keys or the claims that were meant for one."""
    raw = SECRET if name == "secret" else ABOUT_ONE[name][0]
    top = {"audience": API, name: raw}
    table = f'[[issuer]]\nissuer = "{A}"'
    told = {
        "list": lambda: problems(issuer=f"{A},{B}", **top),
        "code": lambda: problems(Issuer(A), **top),
        "table": lambda: problems(config=toml(table), **top),
        "resolver": lambda: problems(resolves=True, **top),
        "issuer and resolver": lambda: problems(issuer=A, resolves=True, **top),
    }[how]()

    shown = "***" if name == "secret" else repr(raw)
    place = "put it into the [[issuer]] table or the Issuer(...) that it is about"
    assert told == [f"{name}={shown} (argument) is about one issuer; {place}"]


def test_a_value_in_the_environment_and_in_a_table_refuses_the_start(toml):
    """Whoever reads the file would believe in it."""
    file = toml(f'[[issuer]]\nissuer = "{A}"\naudience = "x"\nprofile = "jwt"')
    environ = {"CONFIG": file, "AUDIENCE": API, "PROFILE": "rfc9068"}
    source = from_environment({f"BEARERGUARD_{name}": value for name, value in environ.items()})

    with pytest.raises(ConfigurationError) as refusal:
        configure(source)

    misplaced, twice = refusal.value.problems
    assert misplaced.startswith("BEARERGUARD_PROFILE='rfc9068' (environment) is about one issuer; ")
    assert twice == (
        f"BEARERGUARD_AUDIENCE='{API}' (environment) and audience='x' ({file} [[issuer]] 1) "
        "exclude each other; set it for all issuers, or with each"
    )


@pytest.mark.parametrize("name", ABOUT_ALL)
def test_a_value_for_all_and_for_one_issuer_refuses_the_start(name):
    raw, _ = ABOUT_ALL[name]
    top = {"audience": API, name: raw}
    (told,) = problems(Issuer(A), Issuer(B, **{name: raw}), **top)
    both = f"{name}={raw!r} (argument) and {name}={raw!r} (issuers[1])"
    assert told == f"{both} exclude each other; set it for all issuers, or with each"


@pytest.mark.parametrize("name", [*ABOUT_THE_API, "config", "store_url", "dpop", "mode"])
def test_what_is_about_the_whole_api_is_refused_with_an_issuer(name):
    raw = ABOUT_THE_API.get(name, ("memory://" if name == "store_url" else "x",))[0]
    told = problems(Issuer(A, **{name: raw}), audience=API)
    shown = "***" if name == "store_url" else repr(raw)
    where = f"{name}={shown} (issuers[0])"
    assert told[-1] == f"{where} is about the whole API; put it at the top level"


@pytest.mark.parametrize("name", MEMBERS)
def test_what_an_issuer_may_grant_is_no_setting_of_the_top_level(name, toml):
    raw, _ = MEMBERS[name]
    one = {"issuer": A, "audience": API}
    environ = {f"BEARERGUARD_{key.upper()}": value for key, value in one.items()}
    environ[f"BEARERGUARD_{name.upper()}"] = "x"
    place = "put it into the [[issuer]] table or the Issuer(...) that it is about"

    (told,) = problems(**one, **{name: raw})
    assert told == f"{name} (argument) is not a setting of the top level; {place}"
    with pytest.raises(ConfigurationError, match=f"{name.upper()} .environment. is not a setting"):
        configure(from_environment(environ))
    file = toml(f'{name} = "x"')
    assert problems(config=file, **one) == [
        f"{name} ({file}) is not a setting of the top level; {place}"
    ]


def test_what_an_issuer_may_grant_becomes_part_of_its_policy():
    limited, free = configured(
        Issuer(A, scopes_allowed="read", roles_allowed=["staff", "guest"]), Issuer(B), audience=API
    ).issuers

    assert limited.policy().scopes_allowed == {"read"}
    assert limited.policy().roles_allowed == {"staff", "guest"}
    assert free.policy().scopes_allowed is None
    assert free.policy().roles_allowed is None


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("empty", [[], "", (), set()])
def test_an_empty_list_of_what_may_be_granted_is_not_taken_for_everything(name, empty):
    """Elsewhere empty means not set; here that would allow all where nothing was named."""
    (told,) = problems(Issuer(A, **{name: empty}), audience=API)
    assert told == (
        f"{name} (issuers[0]) is an empty list, which would allow all; "
        "leave it out if that is meant"
    )
    assert getattr(configured(Issuer(A, **{name: None}), audience=API).issuers[0], name) is None


# Who the issuers are


@pytest.mark.parametrize("issuer", [f"{A},{B}", f"{A}, {B}", [A, B], (A, B), {A, B}])
def test_a_list_of_issuers_makes_several_that_share_everything(issuer):
    configuration = configured(issuer=issuer, audience=API, algorithms="ES256")

    assert names(configuration) == [A, B]
    first, second = configuration.issuers
    assert first == dataclasses.replace(second, issuer=A)


def test_a_list_of_issuers_may_come_from_the_environment_and_from_the_file(toml):
    source = from_environment({"BEARERGUARD_ISSUER": f"{A},{B}", "BEARERGUARD_AUDIENCE": API})
    assert names(configure(source)) == [A, B]

    for written in (f'"{A},{B}"', f'["{A}", "{B}"]'):
        assert names(configured(config=toml(f'issuer = {written}\naudience = "{API}"'))) == [A, B]


@pytest.mark.parametrize("bad", ["http://b.example", "b.example", "https://b.example?x"])
def test_one_bad_name_in_a_list_of_issuers_is_told_by_name(bad):
    (told,) = problems(issuer=f"{A},{bad}", audience=API)
    assert told.startswith(f"issuer='{A},{bad}' (argument): {bad!r} ")


def test_an_empty_item_in_a_list_of_issuers_refuses_the_start():
    (told,) = problems(issuer=f"{A},,{B}", audience=API)
    assert "has an empty item" in told


def test_the_same_issuer_twice_refuses_the_start(toml):
    (told,) = problems(issuer=[A, B, A], audience=API)
    assert f"{A!r} is named twice" in told
    (told,) = problems(Issuer(A), Issuer(B), Issuer(A), audience=API)
    assert told == (
        f"issuer={A!r} (issuers[2]) is named twice: issuer={A!r} (issuers[0]); keep one"
    )
    file = toml(f'[[issuer]]\nissuer = "{A}"\n[[issuer]]\nissuer = "{A}"')
    (told,) = problems(config=file, audience=API)
    assert f"({file} [[issuer]] 2) is named twice" in told


def test_issuers_that_differ_in_one_character_are_two():
    """RFC 9068 section 4: the names are compared exactly."""
    assert names(configured(issuer=[A, f"{A}/"], audience=API)) == [A, f"{A}/"]


def test_issuers_are_named_in_one_place(toml):
    """Two places would be merged by some and overlooked by others."""
    table = toml(f'[[issuer]]\nissuer = "{A}"')
    told = "exclude each other; name all issuers in one place"

    assert problems(Issuer(B), issuer=C, audience=API) == [
        f"issuers[0] and issuer={C!r} (argument) {told}"
    ]
    assert problems(config=table, issuer=C, audience=API) == [
        f"{table} [[issuer]] 1 and issuer={C!r} (argument) {told}"
    ]
    assert problems(Issuer(B), config=table, audience=API) == [
        f"{table} [[issuer]] 1 and issuers[0] {told}"
    ]
    (three,) = problems(Issuer(B), config=table, issuer=C, audience=API)
    assert three.startswith(f"{table} [[issuer]] 1 and issuers[0] and issuer={C!r} (argument) ")


@pytest.mark.parametrize(
    "issuers", [[A], [None], [{"issuer": A}], [testing.Issuer(A, audience=API)]]
)
def test_what_is_no_issuer_is_told_with_what_to_write(issuers):
    (told,) = problems(*issuers, audience=API)
    kind = f"{type(issuers[0]).__module__}.{type(issuers[0]).__name__}"
    assert told.startswith(f"issuers[0] is a {kind}; write Issuer('https://...', audience='...')")


@pytest.mark.parametrize("issuers", [A, Issuer(A), {A: API}, {Issuer(A)}, None])
def test_what_is_no_list_of_issuers_is_told_so(issuers):
    with pytest.raises(ConfigurationError) as refusal:
        configure(from_arguments({"audience": API}), issuers=issuers)
    kind = type(issuers).__name__
    assert refusal.value.problems == (f"issuers is no list: {kind}; write [Issuer(...)]",)


def test_an_issuer_without_an_audience_refuses_the_start(toml):
    """RFC 8725 section 3.9: several issuers do not make the audience optional."""
    meaning = "audience is not set: it names this API"
    file = toml(f'[[issuer]]\nissuer = "{A}"\naudience = "x"\n[[issuer]]\nissuer = "{B}"')

    (told,) = problems(Issuer(A), Issuer(B, audience="x"))
    assert told.startswith(f"issuers[0]: {meaning}")
    assert told.endswith("; write audience='https://api.example.com'")
    (told,) = problems(config=file)
    assert told.startswith(f"{file} [[issuer]] 2: {meaning}")
    (told,) = problems(issuer=[A, B])
    assert told.startswith(meaning)
    (told,) = problems(issuer=A, resolves=True)
    assert told.startswith(meaning)


def test_an_issuer_without_a_name_refuses_the_start(toml):
    file = toml(f'[[issuer]]\nissuer = "{A}"\n[[issuer]]\nprofile = "jwt"')
    (told,) = problems(config=file, audience=API)
    assert told.startswith(f"{file} [[issuer]] 2: issuer is not set: it names the server")
    (told,) = problems(Issuer(""), audience=API)
    assert told.startswith("issuers[0]: issuer is not set")


def test_no_issuer_at_all_refuses_the_start_unless_they_are_resolved():
    issuer, audience = problems()
    assert issuer.startswith("issuer is not set")
    assert audience.startswith("audience is not set")
    assert configured(resolves=True).issuers == ()


def test_a_name_of_an_issuer_is_one_text(toml):
    file = toml(f'[[issuer]]\nissuer = ["{A}", "{B}"]')
    assert problems(config=file, audience=API) == [
        f"issuer=['{A}', '{B}'] ({file} [[issuer]] 1) must be text"
    ]
    (told,) = problems(Issuer(5), audience=API)
    assert told == "issuer=5 (issuers[0]) must be text"


def test_each_issuer_that_is_asked_for_its_keys_is_an_https_url(key_file):
    """RFC 8414 section 2; one whose keys come from elsewhere may have any name."""
    (told,) = problems(Issuer(A), Issuer("my-issuer"), audience=API)
    assert told.startswith("issuer='my-issuer' (issuers[1]) is not an absolute URL; ")

    for keys in ({"secret": SECRET}, {"jwks_uri": "https://k.example"}, {"jwks_file": key_file}):
        assert names(configured(Issuer("my-issuer", **keys), audience=API)) == ["my-issuer"]


def test_algorithms_for_all_must_fit_the_keys_of_each():
    """RFC 8725 section 3.1: the allow-list is the issuer's, whoever else shares it."""
    (told,) = problems(Issuer(A, secret=SECRET), Issuer(B), audience=API, algorithms="HS256")
    assert told == (
        "issuers[1]: algorithms='HS256' (argument): HS256 need the setting secret; "
        "set it, or leave them out"
    )
    first, second = configured(
        Issuer(A, secret=SECRET, algorithms="HS256"), Issuer(B, algorithms="ES256"), audience=API
    ).issuers
    assert first.policy().algorithms == {"HS256"}
    assert second.policy().algorithms == {"ES256"}


def test_the_realm_of_an_api_without_an_audience_of_its_own_is_a_word():
    assert configured(resolves=True).settings.challenge_realm() == "api"
    assert configured(resolves=True, realm="Orders").settings.challenge_realm() == "Orders"


# Issuers that are resolved later


def test_a_resolved_issuer_has_what_holds_for_all_and_what_is_its_own():
    configuration = configured(resolves=True, leeway="1m", algorithms="ES256")
    settings = configuration.of_issuer(Issuer(A, audience="x", profile="jwt", scopes_allowed="a"))

    assert (
        settings.issuer,
        settings.audience,
        settings.profile,
        settings.scopes_allowed,
    ) == (A, ("x",), "jwt", ("a",))
    assert (settings.leeway, settings.algorithms) == (60.0, ("ES256",))


@pytest.mark.parametrize("resolves", [True, False])
def test_a_resolved_issuer_stands_beside_those_that_are_configured(resolves):
    configuration = configured(issuer=[A, B], audience=API, resolves=resolves)
    assert dataclasses.replace(configuration.issuers[0], issuer=C) == configuration.of_issuer(
        Issuer(C)
    )


def test_every_problem_of_a_resolved_issuer_is_named_at_once():
    configuration = configured(resolves=True, algorithms="ES256")
    told = problems_of_resolved(
        configuration,
        Issuer("http://t.example", leeway="1m", profile="x", algorithms="RS256", nonsense=1),
    )
    where = "(resolved issuer 'http://t.example')"
    begins = [
        f"nonsense {where} is not a setting",
        f"profile='x' {where} is no profile",
        f"leeway='1m' {where} is about the whole API",
        f"algorithms='ES256' (argument) and algorithms='RS256' {where} exclude each other",
        "resolved issuer 'http://t.example': audience is not set",
        f"issuer='http://t.example' {where} does not begin with https://",
    ]
    assert len(begins) == len(told)
    assert all(text.startswith(begin) for text, begin in zip(told, begins, strict=True))


def test_what_a_resolver_gave_instead_of_an_issuer_is_told():
    (told,) = problems_of_resolved(configured(resolves=True), A)
    assert told.startswith("resolved issuer is a builtins.str; write Issuer(")


def test_an_issuer_that_is_configured_is_not_resolved_to_another_one():
    configuration = configured(issuer=A, audience=API, resolves=True)
    (told,) = problems_of_resolved(configuration, Issuer(A, profile="jwt"))
    assert told.endswith(f"is named twice: issuer={A!r} (argument); keep one")


# Files of keys


def test_keys_may_come_from_a_file(key_file):
    assert configured(issuer="any name", audience=API, jwks_file=key_file).settings.jwks_file
    (told,) = problems(issuer=A, audience=API, jwks_file="/absent/keys.json")
    assert told == (
        "jwks_file='/absent/keys.json' (argument) cannot be read: No such file or directory"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("secret", "jwks_uri"),
        ("secret", "jwks_file"),
        ("secret", "jwks_token_file"),
        ("secret", "jwks_snapshot"),
        ("jwks_file", "jwks_uri"),
        ("jwks_file", "jwks_token_file"),
        ("jwks_file", "jwks_snapshot"),
    ],
)
def test_keys_come_from_one_place(one, other, key_file, folder):
    values = {
        "secret": SECRET,
        "jwks_uri": "https://keys.example",
        "jwks_file": key_file,
        "jwks_token_file": "/run/token",
        "jwks_snapshot": str(folder / "snapshot"),
    }
    pair = {one: values[one], other: values[other]}
    told = rf"{one}=\S+ \(\S+\) and {other}=\S+ \(\S+\) exclude each other; keep one"

    for found in (
        problems(issuer=A, audience=API, **pair),
        problems(Issuer(A, **pair), audience=API),
    ):
        assert len(found) == 1
        assert re.fullmatch(told, found[0])


def test_a_url_of_keys_with_a_token_and_a_snapshot_is_one_place(folder):
    assert configured(
        issuer=A,
        audience=API,
        jwks_uri="https://keys.example",
        jwks_token_file="/run/token",
        jwks_snapshot=folder / "snapshot",
    )


def snapshot_of(file, issuer):
    return f"{file}.{hashlib.sha256(issuer.encode()).hexdigest()[:16]}"


def test_one_issuer_at_the_top_level_has_the_snapshot_as_it_is_named(folder):
    file = str(folder / "snapshot")
    assert file == configured(issuer=A, audience=API, jwks_snapshot=file).settings.jwks_snapshot


@pytest.mark.parametrize("how", ["list", "code", "table", "resolved"])
def test_issuers_that_share_a_snapshot_get_a_file_each(how, folder, toml):
    """One file would hold the keys of whoever wrote last."""
    file = str(folder / "snapshot")
    top = {"audience": API, "jwks_snapshot": file}
    tables = f'[[issuer]]\nissuer = "{A}"\n[[issuer]]\nissuer = "{B}"'
    settings = {
        "list": lambda: configured(issuer=[A, B], **top).issuers,
        "code": lambda: configured(Issuer(A), Issuer(B), **top).issuers,
        "table": lambda: configured(config=toml(tables), **top).issuers,
        "resolved": lambda: [
            configured(resolves=True, **top).of_issuer(Issuer(name)) for name in (A, B)
        ],
    }[how]()

    assert [snapshot_of(file, A), snapshot_of(file, B)] == [each.jwks_snapshot for each in settings]


def test_a_snapshot_of_an_issuer_of_its_own_is_named_by_it(folder):
    one, other = str(folder / "one"), str(folder / "other")
    settings = configured(
        Issuer(A, jwks_snapshot=one), Issuer(B, jwks_snapshot=other), Issuer(C), audience=API
    ).issuers
    assert [one, other, None] == [each.jwks_snapshot for each in settings]


def test_two_issuers_with_one_snapshot_refuse_the_start(folder):
    file, same = str(folder / "snapshot"), str(folder / ".." / folder.name / "snapshot")
    (told,) = problems(Issuer(A, jwks_snapshot=file), Issuer(B, jwks_snapshot=same), audience=API)
    assert told == (
        f"jwks_snapshot={file!r} (issuers[0]) and jwks_snapshot={same!r} (issuers[1]) name the "
        "same file; give each issuer one of its own"
    )
    configuration = configured(Issuer(A, jwks_snapshot=file), audience=API, resolves=True)
    (told,) = problems_of_resolved(configuration, Issuer(B, jwks_snapshot=file))
    assert "name the same file" in told


def test_a_snapshot_that_others_could_write_refuses_the_start(folder):
    """A key in it would be taken for the issuer's: it is trusted as code is."""
    file = folder / "snapshot"
    Path(snapshot_of(file, B)).symlink_to(folder / "elsewhere")
    (told,) = problems(issuer=[A, B], audience=API, jwks_snapshot=str(file))
    assert told == (
        f"jwks_snapshot='{file}' (argument): '{snapshot_of(file, B)}' is a link; "
        "name the file itself"
    )

    folder.chmod(0o777)
    (told,) = problems(issuer=A, audience=API, jwks_snapshot=str(file))
    assert "writable by others" in told


# The file of settings


def test_a_file_of_settings_has_their_names_in_lower_case(toml):
    file = toml(f"""
        issuer = "{A}"
        audience = ["x", "y"]
        leeway = 60
        jwks_ttl = "10m"
        allow_http = true
        public = ["/healthz"]
    """)
    settings = configured(config=file).settings
    assert (settings.issuer, settings.audience, settings.leeway) == (A, ("x", "y"), 60.0)
    assert (
        settings.jwks_ttl,
        settings.allow_http,
        settings.public,
    ) == (600.0, True, ("/healthz",))


def test_the_file_that_the_readme_prints_is_taken(toml):
    readme = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")
    (printed,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)

    own, partner = configured(config=toml(printed)).issuers

    assert (own.audience, own.leeway, own.scopes_allowed) == ((API_OF_README,), 60.0, None)
    assert (partner.audience, partner.profile) == (("orders",), "jwt")
    assert partner.policy().scopes_allowed == {"orders:read"}


def test_the_environment_wins_over_the_file(toml):
    file = toml(f'issuer = "{A}"\naudience = "{API}"\nrealm = "file"\nleeway = "1m"')
    environ = {"BEARERGUARD_CONFIG": file, "BEARERGUARD_REALM": "environment"}

    settings = configure(from_arguments({}), from_environment(environ)).settings

    assert (settings.realm, settings.leeway, settings.config) == ("environment", 60.0, file)


def test_an_argument_names_the_file_as_text_or_as_a_path(toml):
    file = toml(f'issuer = "{A}"\naudience = "{API}"')
    assert configured(config=file) == configured(config=Path(file))


def test_a_secret_of_the_file_may_stand_in_a_file_of_its_own(toml, tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    line = f'secret_file = "{tmp_path / "secret"}"'
    at_top = configured(config=toml(f'issuer = "{A}"\naudience = "{API}"\n{line}'))
    with_one = configured(config=toml(f'audience = "{API}"\n[[issuer]]\nissuer = "{A}"\n{line}'))

    for (settings,) in (at_top.issuers, with_one.issuers):
        assert settings.secret.value == SECRET.encode()


def test_an_unknown_name_in_the_file_is_told_with_what_was_perhaps_meant(toml):
    file = toml(
        f'audiense = "x"\nREALM = "x"\n"a\\nb" = 1\n[[issuer]]\nissuer = "{A}"\nprofil = "jwt"\n'
    )
    assert problems(config=file, audience=API) == [
        f"REALM ({file}) is not a setting; did you mean realm?",
        f"'a\\nb' ({file}) is not a setting; leave it out",
        f"audiense ({file}) is not a setting; did you mean audience?",
        f"profil ({file} [[issuer]] 1) is not a setting; did you mean profile?",
    ]


def test_a_setting_below_the_tables_belongs_to_the_last_of_them(toml):
    """TOML has no way out of a table: what was meant for all would hold for one."""
    file = toml(f'audience = "{API}"\n[[issuer]]\nissuer = "{A}"\n\nleeway = "1m"')
    assert problems(config=file) == [
        f"leeway='1m' ({file} [[issuer]] 1) is about the whole API; put it at the top level"
    ]


def test_the_file_names_no_further_file(toml):
    for other in ('"other.toml"', '""', "5"):
        file = toml(f'config = {other}\nissuer = "{A}"\naudience = "{API}"')
        assert problems(config=file) == [f"config ({file}) cannot name another file; leave it out"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("audience = 5", "audience=5 ({}) must be a list or a text with commas"),
        ("audience = [5]", "audience=[5] ({}) must be text"),
        ("realm = 2026-01-01", "realm=datetime.date(2026, 1, 1) ({}) must be visible ASCII"),
        ("leeway = true", "leeway=True ({}) must be a duration"),
        ("leeway = nan", "leeway=nan ({}) must be from 0s to 300s"),
        ("max_token_bytes = 1e4", "max_token_bytes=10000.0 ({}) must be a whole number"),
        ("secret = 5", "secret=*** ({}) must be text"),
        ("public = {a = 1}", "public={...} ({}) must be a list or a text"),
        ("public = [{a = 1}]", "public=[...] ({}) must be text"),
        ("[secret]\nhush = 1", "secret=*** ({}) must be text"),
        ("[realm]\nsecret = 'hush'", "realm={...} ({}) must be visible ASCII"),
        ("[nonsense]\nx = 'hush'", "nonsense ({}) is not a setting"),
    ],
)
def test_a_value_of_a_wrong_type_in_the_file_is_told_with_the_file(line, told, toml):
    file = toml(line)
    given = {} if line.startswith("audience") else {"audience": API}
    (problem,) = problems(config=file, issuer=A, **given)
    assert problem.startswith(told.replace("{}", file))
    assert "hush" not in problem


def test_what_is_no_table_of_an_issuer_is_told(toml):
    file = toml(f'[issuer]\nissuer = "{A}"\nsecret = "hush"')
    told = problems(config=file, audience=API)
    assert told[0] == f"[issuer] ({file}) is a single table; write [[issuer]]"
    assert "hush" not in str(told)

    file = toml(f'issuer = [{{issuer = "{A}"}}, "{B}"]')
    assert problems(config=file, audience=API) == [
        f"{file} [[issuer]] 2 is no table; write all issuers as tables, or all as names"
    ]
    file = toml("issuer = 5")
    assert problems(config=file, audience=API) == [
        f"issuer=5 ({file}) must be a list or a text with commas"
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"issuer = 'a'\nleeway = \n", "is not TOML: Invalid value (at line 2, column 10)"),
        (b"issuer = 'a'\nissuer = 'b'\n", "is not TOML: Cannot overwrite a value (at line 2"),
        (b"issuer = 'a'\n[[issuer]]\n", "is not TOML: "),
        (b"issuer = 'a'\n\n# \xff\n", "is not UTF-8 text (line 3)"),
        (b"leeway = " + b"9" * 5000, "is not TOML: "),
        (b"public = " + b"[" * 100_000, "is not a file of settings: it is nested too deeply"),
    ],
)
def test_a_file_that_is_not_toml_is_told_with_the_line(content, told, tmp_path):
    """Alone: what is missing may stand in it."""
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    (problem,) = problems(config=str(file))
    assert problem.startswith(f"config='{file}' (argument) {told}")
    assert problem.isprintable()


def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path):
    absent = str(tmp_path / "absent.toml")
    assert problems(config=absent) == [
        f"config={absent!r} (argument) cannot be read: No such file or directory"
    ]
    (told,) = problems(config=5)
    assert told == "config=5 (argument) must be text"
    (told,) = problems(config=str(tmp_path), leeway="1m")
    assert told.endswith("cannot be read: Is a directory")


def test_no_more_than_a_mebibyte_of_the_file_is_read(tmp_path):
    file = tmp_path / "config.toml"
    begin = f'issuer = "{A}"\naudience = "{API}"\n'.encode()
    file.write_bytes(begin + b"#" * (LARGEST_FILE - len(begin)))
    assert names(configured(config=file)) == [A]

    file.write_bytes(begin + b"#" * (LARGEST_FILE - len(begin) + 1))
    (told,) = problems(config=file)
    assert told.endswith("is longer than 1024 KiB; is it this file?")


def test_a_name_of_a_file_with_a_line_break_begins_no_line_of_the_message(tmp_path):
    file = tmp_path / "a\nb.toml"
    file.write_text("leeway = 'soon'")
    told = problems(config=str(file), issuer=A, audience=API)
    assert all(problem.isprintable() for problem in told)


def test_every_problem_of_everything_is_named_at_once(toml):
    file = toml(f"""
        leeway = "soon"
        nonsense = 1

        [[issuer]]
        issuer = "{A}"
        profile = "x"
        realm = "x"

        [[issuer]]
        issuer = "http://b.example"
        secret = "short"
    """)
    environ = {"BEARERGUARD_CONFIG": file, "BEARERGUARD_JWKS_URI": "https://k.example"}
    with pytest.raises(ConfigurationError) as refusal:
        configure(from_arguments({"max_token_bytes": 1}), from_environment(environ))
    told = "\n".join(refusal.value.problems)
    for begin in (
        f"nonsense ({file}) is not a setting",
        f"leeway='soon' ({file}) must be",
        "max_token_bytes=1 (argument) must be",
        "BEARERGUARD_JWKS_URI='https://k.example' (environment) is about one issuer",
        f"profile='x' ({file} [[issuer]] 1) is no profile",
        f"realm='x' ({file} [[issuer]] 1) is about the whole API",
        f"{file} [[issuer]] 1: audience is not set",
        f"secret=*** ({file} [[issuer]] 2) has 5 bytes",
        f"{file} [[issuer]] 2: audience is not set",
    ):
        assert re.search(f"^{re.escape(begin)}", told, re.MULTILINE), begin
    assert len(refusal.value.problems) == len({*refusal.value.problems})


def test_a_problem_at_the_top_level_is_told_once_however_many_issuers_there_are():
    (told,) = problems(*(Issuer(f"{A}/{n}") for n in range(9)), audience=API, leeway="soon")
    assert told.startswith("leeway='soon'")


# The value that code names an issuer by


def test_an_issuer_is_named_by_its_first_argument_or_as_issuer():
    assert Issuer(A, profile="jwt") == Issuer(profile="jwt", issuer=A)
    assert Issuer(A).issuer == A


def test_issuers_that_say_the_same_are_equal():
    one = Issuer(A, audience=["x"], profile="jwt")
    assert one == Issuer(A, profile="jwt", audience=["x"])
    assert hash(one) == hash(Issuer(A, profile="jwt", audience=["x"]))
    assert pickle.loads(pickle.dumps(one)) == one
    for other in (Issuer(B, audience=["x"], profile="jwt"), Issuer(A, audience=["x"]), A):
        assert one != other


def test_an_issuer_cannot_be_changed():
    audience, roles = ["x"], {"staff"}
    issuer = Issuer(A, audience=audience, roles_allowed=roles)
    audience.append("y")
    roles.add("admin")

    (settings,) = configured(issuer).issuers
    assert (settings.audience, settings.roles_allowed) == (("x",), ("staff",))
    with pytest.raises(dataclasses.FrozenInstanceError):
        issuer.issuer = B


@pytest.mark.parametrize("values", [{"nonsense": object()}, {"leeway": 1}, {"audience": 5}])
def test_nothing_is_checked_before_a_guard_takes_an_issuer(values):
    assert Issuer(5, **values)


def test_an_issuer_shows_what_is_no_secret():
    assert repr(Issuer(A, profile="jwt", audience=["x"])) == (
        f"Issuer({A!r}, audience=('x',), profile='jwt')"
    )
    hidden = Issuer("https://me:hush@a.example", secret="hush", secert="hush", secret_file="hush")
    assert repr(hidden) == (
        "Issuer('https://***@a.example', secert=***, secret=***, secret_file=***)"
    )


def test_a_configuration_shows_no_secret():
    configuration = configured(Issuer(A, secret=SECRET), audience=API)
    assert "thirty-two" not in repr(configuration)
    assert "secret=***" in repr(configuration)


# Whatever is given


ANY = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.text(max_size=3))
)
ANY_SETTINGS = st.dictionaries(
    st.sampled_from([spec.name for spec in fields(Settings)]) | st.text(min_size=1, max_size=3),
    ANY | st.sampled_from([A, B, f"{A},{B}", "jwt", "ES256", SECRET, "1m"]),
    max_size=4,
)


@given(ANY_SETTINGS, st.lists(ANY_SETTINGS, max_size=3), st.booleans())
def test_any_values_give_a_configuration_or_an_error_with_one_line_a_problem(top, own, resolves):
    issuers = [Issuer(**{"issuer": f"{A}/{n}", **each}) for n, each in enumerate(own)]
    try:
        configuration = configured(*issuers, resolves=resolves, **{"audience": API, **top})
    except ConfigurationError as error:
        told = list(error.problems)
    else:
        assert len({*names(configuration)}) == len(configuration.issuers)
        assert all(settings.issuer and settings.audience for settings in configuration.issuers)
        assert configuration.issuers or resolves
        return
    assert told
    assert all(problem.isprintable() for problem in told)
    assert len({*told}) == len(told)


@pytest.mark.parametrize("name", ["jwks_file", "jwks_snapshot", "config", "jwks_token_file"])
@pytest.mark.parametrize(
    "pasted", ["-----BEGIN PRIVATE KEY-----\nSECRET", '{"d":"SECRET"}', "eyJSECRET"]
)
def test_keys_pasted_in_place_of_a_files_name_are_not_shown(name, pasted):
    given = {"issuer": "https://a.example#b", "audience": "x", "secret": "x" * 40, name: pasted}
    with pytest.raises(ConfigurationError) as refusal:
        configure(from_arguments(given))
    assert "SECRET" not in str(refusal.value)


def test_an_issuer_with_a_fragment_is_refused_however_its_keys_come():
    """Else one issuer could name the subjects of another: a#b#c."""
    given = {"issuer": "https://a.example#b", "audience": "x", "secret": "x" * 40}
    with pytest.raises(ConfigurationError, match="has a fragment"):
        configure(from_arguments(given))

"""``bearerguard settings``: values, where they came from, and never a secret."""

import base64
import json
import os

import pytest

from bearerguard import cli
from bearerguard.settings import Settings

SECRET = "0123456789-a-secret-of-the-api-0123456789"


@pytest.fixture
def environ(monkeypatch):
    """Nothing of ours in the environment but what the test puts there."""
    for name in [name for name in os.environ if name.startswith("BEARERGUARD_")]:
        monkeypatch.delenv(name)

    def put(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"BEARERGUARD_{name}", str(value))

    put(ISSUER="https://login.example.com", AUDIENCE="https://api.example.com")
    return put


@pytest.fixture
def shown(capsys):
    """Run the command; give its exit code, and its rows by place and name."""

    def run():
        code = cli.main(["settings", "--json"])
        document = json.loads(capsys.readouterr().out)
        rows = {(row["place"], row["name"]): row for row in document["settings"]}
        return code, rows, document["problems"]

    return run


def test_a_value_of_the_environment_names_its_variable(environ, shown):
    environ(LEEWAY="10s")

    code, rows, problems = shown()

    assert (code, problems) == (0, [])
    row = rows["", "BEARERGUARD_LEEWAY"]
    assert (row["value"], row["origin"]) == ("10s", "BEARERGUARD_LEEWAY (environment)")
    assert row["is_set"]


def test_every_setting_of_the_top_level_is_there_with_its_default(environ, shown):
    _, rows, _ = shown()

    defaults = {name: row["value"] for (_, name), row in rows.items() if not row["is_set"]}
    assert defaults["BEARERGUARD_LEEWAY"] == "30s"
    assert defaults["BEARERGUARD_JWKS_STALE_FOR"] == "1h"
    assert defaults["BEARERGUARD_ALLOW_HTTP"] == "off"
    assert defaults["BEARERGUARD_PUBLIC"] == "not set"
    assert defaults["BEARERGUARD_PROFILE"] == "auto"
    among_several = {"scopes_allowed", "roles_allowed"}  # they stand with an issuer alone
    assert len(rows) == len(Settings.__dataclass_fields__.keys() - among_several)


def test_a_file_names_itself_and_its_tables(environ, shown, tmp_path, monkeypatch):
    file = tmp_path / "api.toml"
    file.write_text(
        'required_scopes = ["a", "b"]\n'
        '[[issuer]]\nissuer = "https://one.example"\naudience = "x"\n'
        '[[issuer]]\nissuer = "https://two.example"\naudience = "y"\nscopes_allowed = ["a"]\n'
    )
    monkeypatch.delenv("BEARERGUARD_ISSUER")
    monkeypatch.delenv("BEARERGUARD_AUDIENCE")
    environ(CONFIG=file)

    code, rows, problems = shown()

    assert (code, problems) == (0, [])
    scopes = rows["", "BEARERGUARD_REQUIRED_SCOPES"]
    assert (scopes["value"], scopes["origin"]) == ("a, b", f"required_scopes ({file})")
    assert rows[f"{file} [[issuer]] 1", "issuer"]["value"] == "https://one.example"
    assert rows[f"{file} [[issuer]] 2", "scopes_allowed"]["value"] == "a"
    assert (f"{file} [[issuer]] 1", "leeway") not in rows


def test_every_problem_is_told_beside_the_values_that_are_there(environ, capsys):
    environ(LEEWAY="soon", LEWAY="1s")

    code = cli.main(["settings"])

    told = capsys.readouterr()
    assert code == 1
    assert "https://login.example.com" in told.out
    assert "soon" in told.out
    assert "BEARERGUARD_LEEWAY='soon' (environment)" in told.err
    assert "did you mean BEARERGUARD_LEEWAY?" in told.err


def test_what_is_set_comes_before_what_is_not(environ, capsys):
    environ(STORE_URL="memory://")

    cli.main(["settings"])

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == [
        "setting",
        "BEARERGUARD_ISSUER",
        "BEARERGUARD_AUDIENCE",
        "BEARERGUARD_STORE_URL",
    ]


@pytest.mark.parametrize("as_json", [True, False])
def test_no_secret_is_shown_in_any_form(environ, capsys, tmp_path, as_json):
    """Settings that may be secret are *** everywhere, whatever else is wrong with them."""
    (tmp_path / "secret").write_text(SECRET)
    environ(
        SECRET=SECRET,
        INTROSPECTION_CLIENT_ID="api",
        INTROSPECTION_CLIENT_SECRET_FILE=tmp_path / "secret",
        STORE_URL=f"redis://:{SECRET}@127.0.0.1/0",
        JWKS_FILE=f"-----BEGIN PRIVATE KEY-----{SECRET}",
        JWKS_URI=f"https://user:{SECRET}@keys.example/jwks",
        REALM='"' + "x" * 300,
    )

    code = cli.main(["settings", *(["--json"] if as_json else [])])

    told = "".join(capsys.readouterr())
    assert code == 1
    assert "***" in told
    for form in (SECRET, SECRET[4:30], base64.b64encode(SECRET.encode()).decode()[:20]):
        assert form not in told


def test_a_long_value_is_cut_in_the_table(environ, capsys):
    environ(REQUIRED_CLAIMS="a" * 100)

    cli.main(["settings"])

    assert "a" * 60 + "..." in capsys.readouterr().out


def test_a_file_that_cannot_be_had_does_not_hide_the_rest(environ, shown, tmp_path):
    environ(INTROSPECTION_CLIENT_SECRET_FILE=tmp_path / "nowhere", CONFIG=tmp_path / "gone")

    code, rows, problems = shown()

    assert code == 1
    assert rows["", "BEARERGUARD_INTROSPECTION_CLIENT_SECRET"]["value"] == "***"
    assert any("gone" in problem for problem in problems)


def test_values_of_a_file_that_are_no_text_are_written_as_they_are(environ, shown, tmp_path):
    file = tmp_path / "api.toml"
    file.write_text("token_cache = 0\nallow_http = true\nreport_until = 2026-12-10\n")
    environ(CONFIG=file)

    _, rows, _ = shown()

    assert rows["", "BEARERGUARD_TOKEN_CACHE"]["value"] == "0"
    assert rows["", "BEARERGUARD_ALLOW_HTTP"]["value"] == "on"
    assert rows["", "BEARERGUARD_REPORT_UNTIL"]["value"] == "2026-12-10"

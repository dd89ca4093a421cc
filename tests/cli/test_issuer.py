"""The commands issuer and token: what they print, and what they say when it cannot be."""

import json
import re
import socket
import sys

import httpx
import pytest

from bearerguard import Guard, RejectedError, cli
from bearerguard.cli import issuer as issuer_command
from bearerguard.dev.local_issuer import LocalIssuer


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command until it serves, do something then, and end it."""

    def ran(*arguments, meanwhile=lambda shown: None):
        seen = []

        def serve():
            shown = capsys.readouterr().out
            seen.append(shown)
            meanwhile(shown)
            return 0

        monkeypatch.setattr(issuer_command, "_serve_until_interrupted", serve)
        code = cli.main(["issuer", "--port", "0", *arguments])
        return code, "".join(seen), capsys.readouterr().err

    return ran


@pytest.fixture(scope="module")
def local():
    with LocalIssuer() as served:
        yield served


def token(local, *arguments):
    return cli.main(["token", "--issuer", local.issuer.url, *arguments])


def test_it_prints_what_an_api_has_to_set_the_page_and_the_clients(run):
    code, shown, _ = run("--profile", "cognito", "--audience", "orders")
    assert code == 0
    url = re.search(r"Control page: (http://127\.0\.0\.1:\d+)", shown)[1]
    assert f"export BEARERGUARD_ISSUER={url}/local_pool\n" in shown
    assert "export BEARERGUARD_AUDIENCE=orders\n" in shown
    assert "export BEARERGUARD_PROFILE=cognito\n" in shown
    assert "export BEARERGUARD_CLIENTS=local-app,local-service\n" in shown
    assert "local-service-secret" in shown


def test_the_settings_that_it_prints_are_good_for_its_tokens(run, monkeypatch, capsys):
    def meanwhile(shown):
        for name, value in re.findall(r"^export (\w+)=(.*)$", shown, re.MULTILINE):
            monkeypatch.setenv(name, value)
        guard = Guard.from_env()
        where = re.search(r"--issuer (\S+)\)", shown)[1]
        assert cli.main(["token", "--scope", "orders:read", "--issuer", where]) == 0
        assert guard.verify(capsys.readouterr().out.strip()).scopes == {"orders:read"}

    code, _, _ = run("--profile", "entra", meanwhile=meanwhile)
    assert code == 0


def test_what_a_shell_would_read_is_quoted(run):
    _, shown, _ = run("--audience", "urn:a b;c")
    assert "export BEARERGUARD_AUDIENCE='urn:a b;c'\n" in shown


def test_as_json_it_is_one_document(run):
    _, shown, _ = run("--json")
    told = json.loads(shown)
    assert told["settings"]["BEARERGUARD_ISSUER"] == told["issuer"] == told["control"]
    assert told["clients"]["local-app"] is None


def test_on_its_own_port_the_command_for_a_token_is_short(monkeypatch):
    with LocalIssuer() as local:
        monkeypatch.setattr(issuer_command, "PORT", local.port)
        assert issuer_command._command(local) == 'TOKEN=$(bearerguard token --scope "orders:read")'


def test_it_refuses_other_machines_with_exit_code_2(run):
    code, shown, told = run("--host", "0.0.0.0")
    assert (code, shown) == (2, "")
    assert "this machine only" in told


def test_serving_goes_on_until_it_is_interrupted(monkeypatch):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(issuer_command.time, "sleep", nap)
    assert issuer_command._serve_until_interrupted() == 0
    assert len(naps) == 2


def test_without_the_extra_it_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "bearerguard.dev.local_issuer", None)
    assert cli.main(["issuer"]) == 2
    assert "pip install 'bearerguard[demo]'" in capsys.readouterr().err


def test_token_prints_the_token_and_nothing_else(local, capsys):
    """So that TOKEN=$(bearerguard token ...) works."""
    wish = ["--scope", "a b", "--sub", "bob", "--lifetime", "60", "--acr", "mfa"]
    assert token(local, *wish) == 0
    shown = capsys.readouterr()
    assert shown.out.count("\n") == 1
    verified = local.issuer.guard().verify(shown.out.strip())
    assert (verified.subject, verified.scopes, verified.acr) == ("bob", {"a", "b"}, "mfa")
    assert shown.err == ""


def test_token_breaks_one_as_it_is_told(local, capsys):
    assert token(local, "--broken", "expired") == 0
    with pytest.raises(RejectedError, match="expired"):
        local.issuer.guard().verify(capsys.readouterr().out.strip())


def test_token_as_json(local, capsys):
    assert token(local, "--json") == 0
    assert json.loads(capsys.readouterr().out).keys() == {"access_token"}


def test_an_unknown_way_to_break_names_the_known_ones(local, capsys):
    assert token(local, "--broken", "x") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "the names are garbage, unsigned" in shown.err


def test_without_an_issuer_token_says_how_to_start_one(capsys):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert cli.main(["token", "--issuer", f"http://127.0.0.1:{port}"]) == 1
    assert "start one with: bearerguard issuer" in capsys.readouterr().err


def test_token_asks_no_other_machine(capsys):
    assert cli.main(["token", "--issuer", "https://login.example.com"]) == 2
    assert "does not lead to this machine" in capsys.readouterr().err


# A terminal would obey it.
NO_TOKEN = (b'{"access_token": "a\\u001b[2J"}', "not that of a local issuer")


@pytest.mark.parametrize(
    ("answer", "told"),
    [(b"<html>", "is no local issuer"), (b"[1]", "not that of a local issuer"), NO_TOKEN],
)
def test_what_is_no_local_issuer_is_told_so(monkeypatch, capsys, answer, told):
    def respond(self, url, **_):
        return httpx.Response(200, content=answer)

    monkeypatch.setattr(httpx.Client, "post", respond)
    assert cli.main(["token"]) == 1
    assert told in capsys.readouterr().err


def test_a_token_is_for_the_api_that_is_configured_here(monkeypatch):
    asked = []

    def respond(self, url, json, **_):
        asked.append(json)
        return httpx.Response(200, json={"access_token": "a"})

    monkeypatch.setattr(httpx.Client, "post", respond)
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "orders, other")

    assert cli.main(["token"]) == 0
    assert cli.main(["token", "--audience", "x"]) == 0
    assert [wish["audience"] for wish in asked] == ["orders", "x"]


def test_a_port_that_is_none_is_wrong_usage(capsys):
    assert cli.main(["issuer", "--port", "99999"]) == 2
    assert "there is no port 99999" in capsys.readouterr().err


def test_a_port_that_is_taken_says_what_to_do(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["issuer", "--port", str(port)]) == 2
    assert "is another issuer running? --port 0 takes a free one" in capsys.readouterr().err

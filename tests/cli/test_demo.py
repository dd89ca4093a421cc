"""The demo command: a tour of real requests, judged by the command itself."""

import importlib
import json
import socket
import subprocess
import sys

import pytest

from bearerguard import cli
from bearerguard.dev import demo as demos
from bearerguard.dev import local_issuer
from bearerguard.dev.server import LocalServer


@pytest.fixture(scope="module")
def rows():
    """One real tour for all tests of this module, as a program would read it."""
    command = [sys.executable, "-m", "bearerguard", "demo", "--once", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.process
def test_the_tour_shows_each_promised_situation_with_its_answer(rows):
    answers = [(row["status"], row["title"]) for row in rows[:-1]]

    assert [row[0] for row in answers] == [401, 401, 401, 401, 403, 201, 200, 200, 200, 503, 200]
    for word in (
        "No token",
        "expired",
        "another API",
        "forged",
        "too little scope",
        "new key",
        "down",
    ):
        assert any(word in title for _, title in answers), word


@pytest.mark.process
def test_each_refusal_of_the_tour_carries_the_challenge_that_explains_it(rows):
    challenges = [row["headers"].get("www-authenticate", "") for row in rows[:5]]

    assert "error=" not in challenges[0]
    assert "expired" in challenges[1]
    assert all('error="invalid_token"' in challenge for challenge in challenges[1:4])
    assert 'scope="orders:read orders:write"' in challenges[4]


@pytest.mark.process
def test_the_last_line_counts_what_was_unexpected(rows):
    assert rows[-1] == {"requests": 11, "unexpected": 0}


@pytest.mark.process
def test_no_token_is_printed_during_the_tour(rows):
    assert "eyJ" not in json.dumps(rows)


def test_an_unexpected_answer_ends_with_exit_code_1(monkeypatch, capsys):
    result = demos.Result("Broken", "GET", "/orders", "", 200, 401)
    monkeypatch.setattr(demos.Demo, "tour", lambda _: iter([result]))

    code = cli.main(["demo", "--once"])

    assert code == 1
    assert "EXPECTED 200" in capsys.readouterr().out


def test_the_tour_reads_as_text_and_invites_when_somebody_watches(monkeypatch, capsys):
    """Ctrl+C ends the demo as it should: with exit code 0 and closed ports."""
    served = []

    def interrupt(demo):
        served.append(demo)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(demos.Demo, "serve_until_interrupted", interrupt)

    code = cli.main(["demo"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "11 requests, all as expected." in shown
    assert f"curl -i {served[0].api.url}/orders" in shown
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", served[0].api.port)):
        pass


def test_the_token_of_the_invitation_works():
    with demos.Demo() as demo:
        token = demo.invitation().split("TOKEN=")[1].split()[0]

        assert demo._call(200, "by hand", token).status == 200


def test_a_worker_that_never_recovers_is_reported(monkeypatch):
    monkeypatch.setattr(demos, "RECOVERY_WITHIN_S", 0)
    monkeypatch.setattr(local_issuer, "local_app", lambda _: _refuse_everything)

    with demos.Demo() as demo:
        last = list(demo._outage("x"))[-1]

    assert not last.is_as_expected


def _refuse_everything(environ, start_response):
    start_response("500 Internal Server Error", [])
    return [b""]


def test_serving_goes_on_until_it_is_interrupted(monkeypatch):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(demos.time, "sleep", nap)

    with pytest.raises(KeyboardInterrupt):
        demos.Demo().serve_until_interrupted()

    assert len(naps) == 2


def test_without_the_extra_the_command_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "bearerguard.dev.demo", raising=False)
    monkeypatch.delitem(sys.modules, "bearerguard.dev.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    code = cli.main(["demo"])

    assert code == 2
    assert "pip install 'bearerguard[demo]'" in capsys.readouterr().err


def test_an_unknown_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["nonsense"])

    assert exit_.value.code == 2


def test_a_port_that_is_taken_is_reported(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code = cli.main(["demo", "--once", "--port", str(taken.getsockname()[1])])

    assert code == 1
    assert "in use" in capsys.readouterr().err


def test_an_application_that_refuses_to_start_is_not_waited_for():
    async def refuse(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    server = LocalServer(refuse)

    with pytest.raises(OSError, match="did not start"):
        server.start()
    server.stop()


def test_importing_the_main_module_runs_nothing():
    sys.modules.pop("bearerguard.__main__", None)

    assert importlib.import_module("bearerguard.__main__").main is cli.main

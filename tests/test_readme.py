"""Every printed example is executed, with good and with bad tokens, and each table is compared.

``python tests/test_readme.py`` prints the table of settings as it has to stand in the README.
"""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from werkzeug.test import Client

from bearerguard.errors import REASONS
from bearerguard.settings import About, Settings
from bearerguard.testing import BAD_TOKENS, Issuer, trust

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SERVERS = (ROOT / "docs/servers.md").read_text("utf-8")
BLOCKS = {
    re.findall(r"^#+ (.+)$", README[: match.start()], re.MULTILINE)[-1]: match[1]
    for match in re.finditer(r"```python\n(.*?)```", README, re.DOTALL)
}
GUARDED = ("Starlette", "FastAPI", "Flask", "Any ASGI or WSGI application")


def settings_table() -> str:
    """Write the table of settings that work, from the dataclass that is their only source."""
    rows = []
    for spec in fields(Settings):
        if spec.metadata["parse"] is not None and spec.metadata["about"] is not About.MEMBER:
            shown = (
                "required" if spec.name in ("issuer", "audience") else shown_default(spec.default)
            )
            rows.append(f"| `{spec.name.upper()}` | {shown} | {spec.metadata['meaning']} |")
    return "\n".join(rows)


def reserved_names() -> list[str]:
    return [spec.name.upper() for spec in fields(Settings) if spec.metadata["parse"] is None]


def shown_default(value: object) -> str:
    if value in (None, (), ""):
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"`{value / 3600:g}h`" if value >= 3600 else f"`{value:g}s`"
    return f"`{value}`"


@pytest.fixture
def run(monkeypatch):
    """Execute a block as a reader would: with the two variables set, and nothing else."""
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example.com")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://api.example.com")
    issuer = Issuer("https://login.example.com", audience="https://api.example.com")

    def execute(heading):
        namespace = {"__name__": "readme"}
        exec(compile(BLOCKS[heading], f"README.md: {heading}", "exec"), namespace)
        return namespace, issuer

    with trust(issuer):
        yield execute


@pytest.fixture
def run_cors(monkeypatch):
    """The application that docs/servers.md prints."""
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example.com")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://api.example.com")
    block = re.search(r"```python\n(.*?)```", SERVERS, re.DOTALL)
    namespace: dict[str, object] = {}
    exec(compile(block[1], "docs/servers.md", "exec"), namespace)
    return namespace["app"]


def call(app, path, token=None):
    """Send one GET to a Starlette, a Flask or a plain WSGI application."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    client = TestClient(app) if isinstance(app, Starlette) else Client(app)
    return client.get(path, headers=headers).status_code


@pytest.mark.parametrize("heading", BLOCKS)
def test_each_printed_block_runs_as_it_stands(run, heading):
    namespace, _ = run(heading)

    assert len(namespace) > 1


@pytest.mark.parametrize("heading", GUARDED)
def test_a_printed_application_lets_good_tokens_in(run, heading):
    namespace, issuer = run(heading)

    assert call(namespace["app"], "/orders", issuer.token("orders:read")) == 200


@pytest.mark.parametrize("heading", GUARDED)
def test_a_printed_application_refuses_every_bad_token(run, heading):
    namespace, issuer = run(heading)

    answers = {
        name: call(namespace["app"], "/orders", bad(issuer)) for name, bad in BAD_TOKENS.items()
    }

    assert set(answers.values()) <= {400, 401}, answers


@pytest.mark.parametrize("heading", GUARDED)
def test_a_printed_application_is_closed_but_for_its_public_path(run, heading):
    namespace, issuer = run(heading)
    app = namespace["app"]

    assert call(app, "/healthz") == 200
    assert call(app, "/orders") == 401
    assert call(app, "/unknown") == 401
    assert call(app, "/orders", issuer.token("orders:write")) == 403


def test_the_printed_function_without_a_framework_tells_good_from_bad(run, capsys):
    namespace, issuer = run("No framework")

    assert namespace["whose"](issuer.token()) == "user-1"
    assert namespace["whose"](BAD_TOKENS["expired"](issuer)) is None
    assert "refused: expired" in capsys.readouterr().out


@pytest.mark.requirement("FETCH-CORS-2")
def test_the_printed_recipe_for_cors_exposes_the_challenge_of_a_refusal(run_cors):
    """Fetch standard, section 3.3: a script reads only the header fields that are exposed."""
    answer = TestClient(run_cors).get("/", headers={"Origin": "https://app.example.com"})

    assert answer.status_code == 401
    assert answer.headers["access-control-expose-headers"] == "WWW-Authenticate"
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "www-authenticate" in answer.headers


def test_the_printed_needs_ask_for_what_the_text_says(run):
    namespace, _ = run("What a route can need")

    @namespace["mixed"]
    async def view(request): ...

    assert "orders:read" in str(view.__bearerguard_mark__.needs[0])


def test_the_table_of_settings_is_that_of_the_code():
    assert settings_table() in README, f"the table has to be:\n{settings_table()}"


def test_every_reserved_setting_is_named():
    missing = [name for name in reserved_names() if f"`{name}`" not in README]

    assert not missing


def test_the_table_of_answers_names_every_status_and_error_of_the_code():
    answers = README[README.index("## What a caller sees") : README.index("## What is not checked")]

    for kind in REASONS.values():
        assert str(kind.status) in answers
        assert kind.error is None or f"`{kind.error}`" in answers


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile():
    commands = re.findall(r"^\$ make (\w+)", README, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text("utf-8")

    assert commands == ["demo", "test"]
    assert all(f"\n{command}:" in makefile for command in commands)


def test_links_of_the_readme_lead_to_files_that_are_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_demo_guards_the_application_that_the_examples_show():
    shown = (ROOT / "examples/starlette_app/app.py").read_text("utf-8")

    assert shown == (ROOT / "bearerguard/dev/demo_app.py").read_text("utf-8")


if __name__ == "__main__":
    print(settings_table())
    print(", ".join(f"`{name}`" for name in reserved_names()))

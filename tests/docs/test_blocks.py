"""Every block that README and docs print is executed, or is plain text and says so."""

import contextlib
import io
import json
import re
import shlex
import tomllib
from dataclasses import fields
from itertools import chain

import pytest

from bearerguard import Guard, cli
from bearerguard.settings import Settings
from bearerguard.sources import FROM_FILE
from bearerguard.testing import Issuer, trust

# What runs where it stands, here or, for these pages, in a test of their own.
ELSEWHERE = {
    ("docs/mcp.md", "python"): "tests/mcp/test_docs_of_mcp.py",
    ("docs/any-application.md", "python"): "tests/docs/test_any_application.py",
    ("docs/local-issuer.md", "python"): "tests/test_docs_local_issuer.py",
    ("docs/metadata.md", "http"): "tests/test_docs_of_metadata.py",
    ("docs/step-up.md", "http"): "tests/test_docs_of_metadata.py",
    ("docs/observability.md", "python"): "tests/test_docs_of_observability.py",
    ("docs/observability.md", "yaml"): "tests/test_docs_of_observability.py",
    ("docs/testing.md", "python"): "tests/testing/test_docs_testing.py",
    ("docs/doctor.md", "console"): "tests/cli/test_doctor.py",
    ("docs/tutorial-starlette.md", "*"): "tests/docs/test_tutorials.py",
    ("docs/tutorial-fastapi.md", "*"): "tests/docs/test_tutorials.py",
    ("docs/tutorial-flask.md", "*"): "tests/docs/test_tutorials.py",
}
HERE = {"python", "toml", "json", "console"}


def where(block):
    """The test that executes a block instead of this one, if any."""
    return ELSEWHERE.get((block.page, "*")) or ELSEWHERE.get((block.page, block.language))


def here(language):
    return lambda block: block.language == language and where(block) is None


IS_ABOUT = {
    "test_the_python_of_a_page_runs_in_its_order": here("python"),
    "test_a_printed_file_of_settings_makes_a_guard": here("toml"),
    "test_a_printed_document_is_json": here("json"),
    "test_a_printed_command_is_one_that_is_there": here("console"),
}
SETTINGS = {f"BEARERGUARD_{spec.name.upper()}" for spec in fields(Settings)}
SETTINGS |= {f"BEARERGUARD_{name.upper()}_FILE" for name in FROM_FILE}


def test_every_block_is_executed_or_is_text(block, pages):
    test = where(block)
    if test is not None:
        name = block.page.rpartition("/")[2]
        assert name in (pages.ROOT / test).read_text("utf-8"), f"{test} does not speak of {name}"
    else:
        assert block.language in HERE | {"text"}, "no test executes it: call it text, or add one"


def test_every_test_that_is_named_has_blocks_to_execute(pages):
    found = {
        (block.page, block.language) for page in pages.pages() for block in pages.blocks_of(page)
    }
    found |= {(page, "*") for page, _ in found}

    assert not ELSEWHERE.keys() - found


def test_no_fence_escapes_the_list_of_blocks(page, pages):
    """A fence in a form that is not looked for would be a block that nobody executes."""
    fences = re.findall(r"^ *(?:```|~~~)", page.read_text("utf-8"), re.MULTILINE)

    assert len(fences) == 2 * len(pages.blocks_of(page))


def test_the_python_of_a_page_runs_in_its_order(page, pages, monkeypatch):
    """As a reader would run it, with the two variables set and an issuer that is there."""
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example.com")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://api.example.com")
    issuer = Issuer("https://login.example.com", audience="https://api.example.com", alg="ES256")
    namespace = {"__name__": "printed"}
    with trust(issuer), contextlib.redirect_stdout(io.StringIO()):
        for block in filter(here("python"), pages.blocks_of(page)):
            source = "\n" * block.line + block.text  # so that a traceback names the page's lines
            exec(compile(source, block.page, "exec"), namespace)


def test_a_printed_file_of_settings_makes_a_guard(block, tmp_path):
    file = tmp_path / "bearerguard.toml"
    file.write_text(block.text, "utf-8")

    assert tomllib.loads(block.text)
    assert Guard(config=str(file)).issuers.all()


def test_a_printed_document_is_json(block):
    assert isinstance(json.loads(block.text), dict)


def test_a_printed_command_is_one_that_is_there(block, pages):
    lines = block.text.replace("\\\n", " ").splitlines()
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    commands += [line for line in lines if re.match(r"BEARERGUARD_\w+=", line)]
    assert commands, "a console block begins its commands with '$ '"
    # VARIABLE=$(command) is looked at as the command.
    commands = [re.sub(r"^[A-Z]+=\$\((.*)\)$", r"\1", command) for command in commands]
    words = [shlex.split(command, comments=True) for command in commands]
    for command in words:
        check_command(command, pages.ROOT)
    assigned = dict(word.split("=", 1) for word in chain(*words) if word.startswith("BEARERGUARD_"))
    if {"BEARERGUARD_ISSUER", "BEARERGUARD_AUDIENCE"} <= assigned.keys():
        assert Guard.from_env(environ=assigned).issuers.all()


def check_command(words, root):
    """Each word that could be wrong is looked up where it is defined."""
    program, *arguments = [word for word in words if word != "export"]
    if "=" in program:
        assert all(word.partition("=")[0] in SETTINGS for word in (program, *arguments)), words
    elif program == "make":
        makefile = (root / "Makefile").read_text("utf-8")
        assert f"\n{arguments[0]}:" in makefile, words
    elif program == "pip":
        extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"][
            "optional-dependencies"
        ]
        for named in re.findall(r"bearerguard\[([\w,]+)\]", " ".join(arguments)):
            assert set(named.split(",")) <= extras.keys(), words
        assert arguments[0] == "install"
    elif program == "bearerguard":
        check_own_command(arguments)
    elif program == "curl":  # at a reader's own API; the tutorials run theirs
        assert arguments[0].startswith("http://127.0.0.1:"), words
    elif program == "python":
        assert (root / arguments[0]).is_file(), words
    else:
        pytest.fail(f"nobody looks whether {program!r} is there: {words}")


def check_own_command(arguments):
    """The command's own help names each option."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as end:
        cli.main([arguments[0], "--help"])
    assert end.value.code == 0, arguments
    options = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    assert all(option in printed.getvalue() for option in options), arguments


@pytest.mark.parametrize(
    "command",
    ["make tea", "pip install 'bearerguard[tea]'", "BEARERGUARD_TEA=1", "bearerguard tea", "tea"],
)
def test_a_command_that_is_not_there_is_found(command, pages):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check_command(shlex.split(command), pages.ROOT)

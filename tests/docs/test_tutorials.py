"""The tutorials are executed as they stand: tutorial-starlette.md, tutorial-fastapi.md, tutorial-flask.md.

What they change in an application that is there is counted, too.
"""

import shlex
import shutil
import tomllib

import pytest

pytestmark = pytest.mark.untraced

TUTORIALS = ("starlette", "fastapi", "flask")
SPECIAL = {"@requires(", "@public"}


@pytest.fixture(scope="session")
def tutorial(load):
    return load("tutorial")


@pytest.fixture(scope="session")
def blocks(pages):
    return {name: pages.blocks_of(pages.ROOT / f"docs/tutorial-{name}.md") for name in TUTORIALS}


@pytest.mark.process
def test_the_tutorials_run_as_they_stand(blocks, tutorial, tmp_path):
    """One after the other, with one issuer; what fails is told with its page and line."""
    ports = {port: tutorial.free_port() for port in ("8000", "9000")}
    has_curl = shutil.which("curl") is not None
    programs = tutorial.programs_for(tmp_path / "bin", ports["9000"], with_curl=not has_curl)
    reader = tutorial.Reader(tmp_path, ports, programs)
    try:
        for name in TUTORIALS:
            reader.walk(blocks[name], tmp_path / name)
            assert "reason='audience_mismatch'" in reader.log(), f"{name}: as its page promises"
    finally:
        reader.close()


@pytest.mark.parametrize("name", TUTORIALS)
def test_an_application_is_guarded_by_two_lines_and_one_for_each_special_route(
    name, blocks, tutorial
):
    """Issue 6: the lines that a user changes to guard an application that is there."""
    (diff,) = [block.text for block in blocks[name] if block.language == "diff"]
    changed = [line[1:] for line in diff.splitlines() if line[:1] in ("+", "-")]
    special = [line for line in changed if any(line.startswith(mark) for mark in SPECIAL)]

    assert len(changed) - len(special) == 2
    assert len(special) == len(set(special_routes(tutorial.after(diff))))


def special_routes(source):
    """The functions below a line of ours."""
    lines = source.splitlines()
    return [
        lines[number + 1]
        for number, line in enumerate(lines)
        if any(line.startswith(mark) for mark in SPECIAL)
    ]


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_installs_extras_that_are_there(name, blocks, pages):
    project = tomllib.loads((pages.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    install = [block.text for block in blocks[name] if "pip install" in block.text]
    (wanted,) = [shlex.split(text, comments=True)[-1] for text in install]

    named = wanted.removeprefix("bearerguard[").removesuffix("]").split(",")
    assert set(named) <= project["optional-dependencies"].keys()


@pytest.mark.parametrize(
    ("expected", "output", "is_fit"),
    [
        ("", "whatever", True),
        ("a\n", "a", True),
        ("a\n", "b", False),
        ("a\n...\nc\n", "a\nb\nb\nc", True),
        ("a\n...\nc\n", "a\nb", False),
        ("a.c\n", "abc", False),
    ],
)
def test_what_a_page_prints_is_compared_with_what_comes(tutorial, expected, output, is_fit):
    assert tutorial.fits(expected, output) is is_fit

"""``module:app`` names the user's application, as it does for servers."""

import sys

import pytest

from bearerguard.cli.user_app import AppError, load_app


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with one module, forgotten after the test."""
    (tmp_path / "a_users_module.py").write_text(
        "class box:\n    app = 'inner'\napp = 'the app'\ndef create_app():\n    return 'made'\n"
    )
    (tmp_path / "in_need.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("a_users_module", "in_need"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a_users_module:app", "the app"),
        ("a_users_module:create_app()", "made"),
        ("a_users_module:box.app", "inner"),
    ],
)
def test_an_application_is_found_from_the_working_directory(project, name, expected):
    assert load_app(name) == expected


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a_users_module", "write module:app"),
        (":app", "write module:app"),
        ("a_users_module:other", "has no other"),
        ("not_there:app", "there is no module not_there"),
        ("not_there.inner:app", "there is no module not_there.inner"),
        ("in_need:app", "needs a_package_that_nobody_has, which is not installed"),
    ],
)
def test_a_name_that_leads_nowhere_says_why(project, name, told):
    with pytest.raises(AppError, match=told):
        load_app(name)


def test_the_working_directory_is_put_on_the_path_once(project):
    load_app("a_users_module:app")
    load_app("a_users_module:app")

    assert sys.path.count(str(project)) == 1

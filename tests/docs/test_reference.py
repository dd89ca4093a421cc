"""The generated pages say what the code says, and leave nothing public out."""

import re
from dataclasses import fields
from importlib import import_module

import pytest

from bearerguard.settings import Settings


@pytest.mark.parametrize("name", ["settings.md", "answers.md", "api.md"])
def test_a_generated_page_is_the_one_that_the_code_makes(reference, name):
    written = (reference.FOLDER / name).read_text("utf-8")

    assert written == reference.PAGES[name](), f"write it anew: {reference.COMMAND}"


def test_every_setting_has_a_section(reference):
    sections = re.findall(r"^## (\w+)$", reference.settings_page(), re.MULTILINE)
    works = [spec.name.upper() for spec in fields(Settings) if spec.metadata["parse"] is not None]

    assert sections == works


def test_every_public_name_is_described(reference):
    """Also where a module gives a name on that another one describes."""
    page = reference.api_page()

    for module in reference.MODULES:
        for name in reference.public_names(import_module(module)):
            assert f"### {name}\n" in page, f"{module}.{name}"


def test_no_markup_of_docstrings_is_left_over(reference):
    assert not re.findall(
        r":(?:class|meth|func|data|mod|exc):`|(?<!`)``(?!`)", reference.api_page()
    )

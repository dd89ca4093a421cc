"""The pictures can be read: by eyes in light and dark, by screen readers, and beside the code."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bearerguard.jwks.states import State

FOLDER = Path(__file__).parents[2] / "docs/pictures"
PICTURES = sorted(FOLDER.glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"
# Pictures are made 560 units wide and shown on a phone at two thirds of that: 10 px at the least.
SMALLEST_TEXT = 15


@pytest.fixture(params=PICTURES, ids=lambda file: file.stem)
def picture(request):
    return request.param


def test_a_picture_says_in_words_what_it_shows(picture):
    root = ET.fromstring(picture.read_text("utf-8"))

    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title desc"
    assert len(root.findtext(f"{SVG}title")) > 10
    assert len(root.findtext(f"{SVG}desc")) > 100


def test_a_picture_is_readable_in_the_dark_and_on_a_phone(picture):
    text = picture.read_text("utf-8")

    assert "@media (prefers-color-scheme: dark)" in text
    assert min(map(int, re.findall(r"font-size: (\d+)px", text))) >= SMALLEST_TEXT
    assert int(ET.fromstring(text).get("viewBox").split()[2]) <= 560


def test_each_colour_of_the_light_has_one_for_the_dark(picture):
    light, _, dark = picture.read_text("utf-8").partition("@media")
    names = set(re.findall(r"^\s+(\.?\w+) \{.*#", light, re.MULTILINE))

    assert names == set(re.findall(r"^\s+(\.?\w+) \{.*#", dark, re.MULTILINE))


def test_a_picture_is_shown_on_a_page_with_an_alternative_text(picture, pages):
    shown = [
        alternative
        for page in pages.pages()
        for alternative in re.findall(
            rf"!\[([^]]*)\]\([^)]*{picture.name}\)", page.read_text("utf-8")
        )
    ]

    assert shown
    assert all(len(alternative) > 30 for alternative in shown)


def test_the_picture_of_the_key_cache_has_its_states_in_their_order():
    texts = [
        element.text
        for element in ET.fromstring((FOLDER / "key-states.svg").read_text("utf-8")).iter(
            f"{SVG}text"
        )
        if element.get("class") == "strong"
    ]

    assert texts[: len(State)] == [state.value.replace("_", " ") for state in State]

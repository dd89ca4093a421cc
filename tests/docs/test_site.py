"""The site: every page is reached, every link leads somewhere, and nothing comes from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIG = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]


def entries(nav):
    for item in nav:
        if isinstance(item, str):
            yield item
        else:
            for value in item.values():
                yield from [value] if isinstance(value, str) else entries(value)


def test_the_navigation_has_every_page_once():
    found = sorted(entries(CONFIG["nav"]))

    assert found == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def test_every_link_leads_to_a_page_and_a_heading(page, pages):
    for path, anchor in pages.links_of(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} is not there"
        if anchor:
            assert anchor in pages.anchors_of(target), f"{path} has no heading #{anchor}"


def test_no_page_of_the_site_links_to_a_file_outside_of_it(page, pages):
    """What is on GitHub only would be a dead link on the site."""
    if page.is_relative_to(DOCS):
        for path, _ in pages.links_of(page):
            assert (page.parent / path).resolve().is_relative_to(DOCS), path


def test_each_page_begins_with_its_title(page):
    assert re.match(r"# \S.*\n", page.read_text("utf-8"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages as "make docs" builds them, in a folder of their own: a warning is an error."""
    if find_spec("zensical") is None:
        if os.environ.get("CI"):
            pytest.fail("zensical is not installed: pip install --group docs")
        pytest.skip("the site is built by zensical: pip install --group docs")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / CONFIG["site_dir"]


@pytest.mark.process
def test_the_site_is_built_without_a_warning(site):
    for page in entries(CONFIG["nav"]):
        assert (site / page).with_suffix(".html").is_file(), page


@pytest.mark.process
def test_nothing_on_the_site_is_loaded_from_another_host(site):
    """A reader of the documentation tells nobody else what they read."""
    loads = re.compile(
        r"<(?:script|link|img|iframe|source|object|video)\b[^>]*?"
        r"\b(?:src|href|data|srcset)=[\"']?((?:https?:)?//[^\"'>\s]+)"
    )
    styles = re.compile(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')\s]+)")
    found = {
        f"{file.name}: {url}"
        for file in [*site.rglob("*.html"), *site.rglob("*.css"), *site.rglob("*.svg")]
        for pattern in (loads, styles)
        for url in pattern.findall(file.read_text("utf-8"))
    }

    assert not found

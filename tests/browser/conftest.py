"""A headless Chromium, and what the tests in it need. What is missing is told in one line.

Chromium and its driver are Debian's packages ``chromium`` and ``chromium-driver``; what the pages of
the tests load besides is listed in ``package.json``. Where ``CI`` is ``true``, what is missing fails
the tests instead of skipping them. ``TEST_PICTURES`` names a folder where the tests put their
screenshots: ``docs/pictures`` for those of the documentation. It does not begin with
``BEARERGUARD_``: such names are settings, and an unknown one refuses the start.
"""

import os
import shutil
from pathlib import Path

import pytest
from selenium import webdriver

HOW = "apt-get install chromium chromium-driver"
HOW_NODE = "npm install --prefix tests/browser --no-package-lock"
ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars"),
)


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.untraced)


def missing(what, how):
    told = f"{what} is not here: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """One browser for all tests; it opens no connection but those of the pages."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        missing("Chromium", HOW)

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    service = webdriver.ChromeService(driver)
    started = webdriver.Chrome(options=options, service=service)
    started.set_page_load_timeout(20)
    yield started
    started.quit()


@pytest.fixture
def browser(chromium):
    """The browser, in the size of a desk, at an empty page."""
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.set_window_size(1200, 900)
    chromium.get("about:blank")
    return chromium


@pytest.fixture(scope="session")
def node_modules():
    folder = Path(__file__).with_name("node_modules")
    if not (folder / "axe-core/axe.min.js").exists():
        missing("axe-core", HOW_NODE)
    if not (folder / "swagger-ui-dist/swagger-ui-bundle.js").exists():
        missing("swagger-ui-dist", HOW_NODE)
    return folder


@pytest.fixture
def picture(browser):
    """Keep a picture of the page, where somebody asked for pictures."""

    def taken(name, width=960, height=None):
        folder = os.environ.get("TEST_PICTURES")
        if folder:
            browser.set_window_size(width, 600)
            whole = browser.execute_script("return document.documentElement.scrollHeight")
            browser.set_window_size(width, (height or whole) + 140)
            browser.execute_script("window.scrollTo(0, 0)")
            Path(folder).mkdir(parents=True, exist_ok=True)
            browser.find_element("css selector", "body").screenshot(
                str(Path(folder) / f"{name}.png")
            )

    return taken

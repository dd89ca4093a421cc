"""The local issuer's pages in a real browser: by mouse, by keyboard, on a phone, and read aloud."""

import http.server
import threading
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from bearerguard import Guard, RejectedError
from bearerguard.dev.local_issuer import LocalIssuer


class Application(http.server.BaseHTTPRequestHandler):
    """Where the browser comes back to."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>back</title>")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def redirect_uri():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/callback"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def served():
    with LocalIssuer() as local:
        yield local


@pytest.fixture
def local(served):
    """The issuer, up and quick again."""
    served.issuer.is_down, served.state.slow_s = False, 0.0
    return served


@pytest.fixture
def authorize(local, redirect_uri):
    request = {
        "response_type": "code",
        "client_id": "local-app",
        "redirect_uri": redirect_uri,
        "scope": "openid profile orders:read orders:write",
        "state": "of the application",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    return f"{local.issuer.url}/authorize?{urlencode(request)}"


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def press(browser, text):
    """Press a button and wait until its page is there."""
    button = browser.find_element(By.XPATH, f"//button[normalize-space()={text!r}]")
    button.click()
    WebDriverWait(browser, 5).until(lambda _: is_gone(button))


def is_gone(element):
    try:
        element.is_enabled()
    except WebDriverException:
        return True
    return False


def answer(browser):
    WebDriverWait(browser, 5).until(lambda b: "/callback" in b.current_url)
    return {name: value[0] for name, value in parse_qs(urlsplit(browser.current_url).query).items()}


def token_for(local, redirect_uri, code):
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "local-app",
        "redirect_uri": redirect_uri,
        "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    }
    given = httpx.post(f"{local.issuer.url}/token", data=form, trust_env=False).json()
    return local.issuer.guard().verify(given["access_token"])


def test_who_was_chosen_gets_the_scopes_that_were_ticked(
    browser, local, authorize, redirect_uri, picture
):
    """RFC 6749 section 3.3: the issued scope may be less than what was asked for."""
    browser.get(authorize)
    picture("consent", 640)
    find(browser, "input[value=bob]").click()
    find(browser, "input[value='orders:write']").click()
    press(browser, "Allow")

    back = answer(browser)
    token = token_for(local, redirect_uri, back["code"])

    assert back["state"] == "of the application"
    assert back["iss"] == local.issuer.url
    assert token.subject == "bob"
    assert token.scopes == {"openid", "profile", "orders:read"}


def test_who_denies_is_sent_back_without_a_code(browser, local, authorize):
    """RFC 6749 section 4.1.2.1."""
    browser.get(authorize)
    press(browser, "Deny")

    back = answer(browser)

    assert (back["error"], back["iss"]) == ("access_denied", local.issuer.url)
    assert "code" not in back


def test_a_request_of_nobody_knows_whom_shows_a_page(browser, local):
    """RFC 6749 section 4.1.2.1: no redirect where the client or its URI is in doubt."""
    browser.get(f"{local.issuer.url}/authorize?response_type=code&client_id=stranger")
    assert "cannot go on" in find(browser, "h1").text


def test_consent_can_be_given_with_the_keyboard_alone(browser, local, authorize, redirect_uri):
    """WCAG 2.2, 2.1.1 and 2.4.3: every control is reached, in the order in which it is read."""
    browser.get(authorize)
    walked = []
    keys = [Keys.TAB, Keys.ARROW_DOWN, *[Keys.TAB] * 4, Keys.SPACE, Keys.TAB, Keys.TAB]
    for key in keys:
        browser.switch_to.active_element.send_keys(key)
        focused = browser.switch_to.active_element
        walked.append(focused.get_attribute("value"))
    assert walked[:2] == ["alice", "bob"]
    assert walked[-1] == "allow"
    browser.switch_to.active_element.send_keys(Keys.ENTER)

    token = token_for(local, redirect_uri, answer(browser)["code"])

    assert (token.subject, "orders:write" in token.scopes) == ("bob", False)


def test_a_minted_token_is_what_the_form_asked_for(browser, local, picture):
    browser.get(local.url)
    for name, text in {
        "sub": "carol",
        "scope": "orders:read reports:read",
        "audience": "https://orders.example",
        "lifetime": "120",
        "acr": "mfa",
    }.items():
        field = browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)
    press(browser, "Mint")
    picture("control", 1160)

    raw = find(browser, "#token").get_attribute("value")
    guard = Guard(fetcher=local.issuer, issuer=local.issuer.url, audience="https://orders.example")
    token = guard.verify(raw)

    assert (token.subject, token.acr, token.roles) == ("carol", "mfa", {"staff", "admin"})
    assert token.scopes == {"orders:read", "reports:read"}
    assert token.expires_at - token.issued_at == 120


def test_a_token_is_broken_in_the_way_that_was_chosen(browser, local):
    browser.get(local.url)
    Select(browser.find_element(By.NAME, "broken")).select_by_visible_text("expired")
    press(browser, "Mint")

    raw = find(browser, "#token").get_attribute("value")

    with pytest.raises(RejectedError, match="expired"):
        local.issuer.guard().verify(raw)
    assert "Broken: expired" in find(browser, "#token-card").text


def test_the_keys_rotate_at_the_press_of_a_button(browser, local):
    before = local.issuer.key.kid
    browser.get(local.url)
    press(browser, "Rotate")

    assert local.issuer.key.kid != before
    assert find(browser, ".keys").text.count("RS256") == len(local.issuer.keys) > 1


def test_it_goes_down_and_comes_back_while_its_page_stays(browser, local):
    browser.get(local.url)
    press(browser, "Go down")
    down = httpx.get(local.issuer.jwks_uri, trust_env=False).status_code
    assert "Down." in find(browser, "main").text
    press(browser, "Come back")

    assert (down, httpx.get(local.issuer.jwks_uri, trust_env=False).status_code) == (503, 200)


def test_it_is_as_slow_as_it_was_told(browser, local):
    browser.get(local.url)
    field = browser.find_element(By.NAME, "seconds")
    field.clear()
    field.send_keys("3")
    press(browser, "Be slow")

    assert local.state.slow_s == 3
    assert "Slow." in find(browser, "main").text


def test_the_copy_button_tells_what_it_did(browser, local):
    browser.get(local.url)
    press(browser, "Mint")
    find(browser, "#copy").click()
    WebDriverWait(browser, 5).until(lambda b: find(b, "#copied").text)


def test_the_last_requests_are_shown_without_what_they_carried(browser, local):
    httpx.get(f"{local.issuer.jwks_uri}?secret=1", trust_env=False)
    browser.get(local.url)

    shown = find(browser, "[aria-labelledby=requests]").text

    assert "GET /jwks.json" in shown
    assert "secret" not in shown


@pytest.fixture
def pages(local, authorize):
    return {
        "consent": authorize,
        "refused": f"{local.issuer.url}/authorize",
        "control": local.url,
    }


@pytest.fixture
def open_page(browser, pages):
    def opened(name):
        browser.get(pages[name.removeprefix("minted ")])
        if name.startswith("minted"):
            press(browser, "Mint")

    return opened


PAGES = ["consent", "refused", "control", "minted control"]


@pytest.mark.parametrize("page", PAGES)
def test_nothing_has_to_be_scrolled_sideways_on_a_phone(browser, open_page, page):
    """WCAG 2.2, 1.4.10: 320 CSS pixels is the limit there; 360 is a small phone."""
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    open_page(page)
    assert browser.execute_script("return innerWidth") == 360
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_to_mend(browser, open_page, node_modules, page, scheme):
    """WCAG 2.2, as far as a program can tell."""
    feature = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
    open_page(page)
    browser.execute_script((node_modules / "axe-core/axe.min.js").read_text("utf-8"))

    found = browser.execute_async_script("axe.run().then(arguments[0])")

    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]] == []
    assert len(found["passes"]) > 10


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_nothing_but_its_own(browser, local, open_page, page):
    open_page(page)
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert loaded
    assert [url for url in loaded if not url.startswith((local.url, "data:"))] == []

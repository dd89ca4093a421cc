"""FastAPI's page /docs gets a token of the local issuer: authorization code and PKCE."""

from typing import Annotated

import pytest
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from fastapi.staticfiles import StaticFiles
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

from bearerguard.dev.local_issuer import LocalIssuer
from bearerguard.dev.server import LocalServer
from bearerguard.fastapi import AccessToken, BearerGuard


@pytest.fixture
def local():
    with LocalIssuer() as served:
        yield served


@pytest.fixture(params=["the issuer's URLs", "the issuer alone"])
def docs(request, local, node_modules):
    """An application as docs/fastapi.md prints it, with Swagger UI's files of its own."""
    issuer = local.issuer.url
    urls = {"authorization_url": f"{issuer}/authorize", "token_url": f"{issuer}/token"}
    app = FastAPI(docs_url=None, swagger_ui_init_oauth={"clientId": "local-app"})
    guard = BearerGuard(
        app,
        issuer=local.issuer.url,
        audience=local.issuer.audience,
        public=["/docs", "/docs/*", "/openapi.json"],
        **(urls if request.param == "the issuer's URLs" else {}),
    )

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, guard.requires("orders:read")]):
        return {"for": token.subject}

    @app.get("/docs")
    async def page():
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Orders",
            oauth2_redirect_url="/docs/oauth2-redirect",
            init_oauth=app.swagger_ui_init_oauth,
            swagger_js_url="/docs/files/swagger-ui-bundle.js",
            swagger_css_url="/docs/files/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    @app.get("/docs/oauth2-redirect")
    async def redirect():
        return get_swagger_ui_oauth2_redirect_html()

    app.mount("/docs/files", StaticFiles(directory=node_modules / "swagger-ui-dist"))
    server = LocalServer(app)
    server.start()
    yield f"{server.url}/docs"
    server.stop()


def test_authorize_gets_a_token_with_which_a_route_answers(browser, docs):
    """RFC 6749 section 4.1, RFC 7636: all of it by the buttons that a person would press."""
    wait = WebDriverWait(browser, 10)

    def press(selector, within=browser):
        wait.until(lambda _: within.find_elements(By.CSS_SELECTOR, selector))
        button = within.find_element(By.CSS_SELECTOR, selector)
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        wait.until(expected.element_to_be_clickable(button)).click()

    browser.get(docs)
    press("button.authorize")
    press(".scopes label")
    press(".auth-btn-wrapper .authorize")
    wait.until(expected.number_of_windows_to_be(2))
    page, popup = browser.window_handles
    browser.switch_to.window(popup)
    browser.find_element(By.NAME, "more").send_keys("orders:read")
    press("button[value=allow]")
    wait.until(expected.number_of_windows_to_be(1))
    browser.switch_to.window(page)
    wait.until(lambda _: "Logout" in browser.find_element(By.CSS_SELECTOR, ".modal-ux").text)
    press(".auth-btn-wrapper .btn-done")
    press(".opblock-summary-control")
    press(".try-out__btn")
    press(".execute")
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".live-responses-table .response"))

    answered = browser.find_element(By.CSS_SELECTOR, ".live-responses-table .response")
    assert answered.find_element(By.CSS_SELECTOR, ".response-col_status").text.startswith("200")
    assert '"for": "alice"' in answered.text

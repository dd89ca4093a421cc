"""The example runs against the local issuer, with a browser that is a few lines of ours."""

import importlib.util
import re
import threading
from pathlib import Path

import httpx
import pytest

from bearerguard.dev.local_issuer import LocalIssuer

_spec = importlib.util.spec_from_file_location("client", Path(__file__).with_name("client.py"))
example = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(example)


@pytest.fixture(scope="module")
def issuer():
    with LocalIssuer() as local:
        yield local.issuer.url


def press(button):
    """Open the page, press a button, and follow where it leads, as a browser does."""

    def browse(url):
        with httpx.Client(trust_env=False, follow_redirects=True) as browser:
            page = browser.get(url).text
            csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
            granted = re.findall(r'name="granted" value="([^"]+)"', page)
            form = {"csrf": csrf, "user": "bob", "granted": granted, "decision": button}
            browser.post(url, data=form)

    return lambda url: threading.Thread(target=browse, args=(url,)).start()


def test_three_steps_and_a_refresh_lead_to_who_the_user_is(issuer, capsys):
    answer = example.three_steps(issuer, press("allow"))

    assert answer == {
        "sub": "bob",
        "name": "Bob, of the staff",
        "preferred_username": "bob",
        "email": "bob@example.com",
    }
    shown = capsys.readouterr().out
    assert [line for line in ("1. ", "2. ", "3. ", "After a while") if line not in shown] == []


def test_no_token_is_printed(issuer, capsys):
    example.three_steps(issuer, press("allow"))
    assert "eyJ" not in capsys.readouterr().out


def test_who_denies_ends_it_with_the_answer(issuer):
    with pytest.raises(SystemExit, match="access_denied"):
        example.three_steps(issuer, press("deny"))

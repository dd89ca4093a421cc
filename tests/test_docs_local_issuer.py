"""What docs/local-issuer.md prints runs and does what it says."""

import re
from pathlib import Path

import pytest

from bearerguard.cli import issuer as command
from bearerguard.core.providers import PROFILES
from bearerguard.dev.accounts import CLIENTS, USERS
from bearerguard.dev.local_issuer import AUDIENCE

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/local-issuer.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def execute(block):
    namespace = {"__name__": "docs"}
    exec(compile(block, "docs/local-issuer.md", "exec"), namespace)
    return namespace


def test_the_printed_test_runs():
    assert execute(BLOCKS[0])["token"].subject == "bob"


def test_the_printed_application_offers_what_its_routes_need():
    app = execute(BLOCKS[1])["app"]
    scheme = app.openapi()["components"]["securitySchemes"]["bearerAuth"]
    flow = scheme["flows"]["authorizationCode"]
    assert flow["authorizationUrl"] == "http://127.0.0.1:9000/authorize"
    assert list(flow["scopes"]) == ["orders:read"]
    assert app.swagger_ui_init_oauth == {
        "clientId": "local-app",
        "usePkceWithAuthorizationCodeGrant": True,
    }


def test_every_block_is_run():
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_every_client_is_in_the_table(client):
    assert f"| `{client.client_id}` | {f'`{client.secret}`' if client.secret else 'none'} |" in PAGE


def test_the_page_names_the_users_the_defaults_and_a_profile_that_is_there():
    assert [user for user in USERS if f"`{user}`" not in PAGE] == []
    assert f"BEARERGUARD_ISSUER=http://127.0.0.1:{command.PORT}\n" in PAGE
    assert f"BEARERGUARD_AUDIENCE={AUDIENCE}\n" in PAGE
    assert re.search(r"--profile (\S+)", PAGE)[1] in PROFILES

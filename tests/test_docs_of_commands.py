"""What docs/command-line.md shows is what the commands print."""

import functools
import io
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from bearerguard import Guard, cli
from bearerguard.dev.server import LocalServer
from bearerguard.starlette import BearerAuthMiddleware
from bearerguard.testing import Issuer, bad_tokens, trust

PAGE = (Path(__file__).parents[1] / "docs/command-line.md").read_text("utf-8")
SHOWN = re.findall(r"```console\n(\$ .*?)```", PAGE, re.DOTALL)
NOW = 1_800_000_000
CLAIMS = {
    "iss": "https://login.example.com",
    "aud": "https://api.example.com",
    "sub": "user-1",
    "client_id": "client-1",
    "jti": "5a1e9c",
    "iat": NOW,
    "exp": NOW + 300,
    "scope": "orders:read",
}


@pytest.fixture(scope="module")
def issuer(signing_key):
    return Issuer(
        "https://login.example.com",
        audience="https://api.example.com",
        key=signing_key,
        clock=lambda: NOW,
    )


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch, issuer):
    """The application of the page in the working directory, a token, and two variables."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "orders_api.py").write_text(block)
    (tmp_path / "token.txt").write_text(issuer.sign(json.dumps(CLAIMS).encode()) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("BEARERGUARD_ISSUER", issuer.url)
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", issuer.audience)
    at_that_time = functools.partial(Guard.from_env, clock=lambda: NOW)
    monkeypatch.setattr(Guard, "from_env", at_that_time)
    with trust(issuer):
        yield
    sys.modules.pop("orders_api", None)


@pytest.fixture(scope="module")
def servers(issuer):
    """The local issuer and an API on this machine, which speak of the present."""

    async def token(request):
        broken = (await request.json()).get("broken")
        made = bad[broken] if broken else today.token("orders:read")
        return JSONResponse({"access_token": made})

    async def every_bad(request):
        return JSONResponse(bad)

    async def orders(request):
        return JSONResponse([])

    async def lax(request):
        """Decodes what it is given, and verifies nothing."""
        has_token = "authorization" in request.headers
        return JSONResponse([], 200 if has_token else 403)

    today = Issuer(issuer.url, audience=issuer.audience, key=issuer.key)
    bad = bad_tokens(today)
    guarding = Middleware(BearerAuthMiddleware, guard=today.guard())
    routes = [
        Route("/control/token", token, methods=["POST"]),
        Route("/control/bad-tokens", every_bad),
    ]
    apps = {
        "http://127.0.0.1:9000": Starlette(routes=routes),
        "http://127.0.0.1:8000": Starlette(
            routes=[Route("/orders", orders)], middleware=[guarding]
        ),
        "http://127.0.0.1:8001": Starlette(routes=[Route("/orders", lax)]),
    }
    running = {url: LocalServer(app) for url, app in apps.items()}
    for server in running.values():
        server.start()
    yield {url: server.url for url, server in running.items()}
    for server in running.values():
        server.stop()


def matches(shown, printed):
    """Compare line by line; a line "..." stands for any others."""
    pattern = r"(?:.*\n)*?".join(map(re.escape, shown.split("...\n")))
    return re.fullmatch(pattern, printed) is not None


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.splitlines()[0][2:])
def test_each_command_prints_what_the_page_shows(block, servers, monkeypatch, capsys):
    first, shown = block.split("\n", 1)
    command, _, file = first.removeprefix("$ bearerguard ").partition(" < ")
    if file:
        monkeypatch.setattr(sys, "stdin", io.StringIO(Path(file).read_text()))
    for url, actual in servers.items():
        command = command.replace(url, actual)
    more = ["--issuer", servers["http://127.0.0.1:9000"]] if "attack" in command else []

    cli.main([*shlex.split(command), *more])

    written = capsys.readouterr()
    assert matches(shown, written.out + written.err), written.out + written.err


def test_every_command_is_in_the_list(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])

    names = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert len(names) > 3
    for name in names:
        assert f"| `{name}" in PAGE

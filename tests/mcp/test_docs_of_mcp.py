"""What docs/mcp.md prints is executed, served and called, with good and with bad tokens."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from bearerguard.testing import Issuer, bad_tokens, trust

DOCS = (Path(__file__).parents[2] / "docs/mcp.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
HAS_VERSION_1 = version("mcp").startswith("1.")


@pytest.fixture(params=range(len(BLOCKS)), ids=["middleware", "verifier", "FastMCP"])
def printed(request, monkeypatch):
    """Execute a block as a reader would, with the variables set that are printed above it."""
    block = BLOCKS[request.param]
    if HAS_VERSION_1 and "fastmcp import" in block:
        pytest.skip("FastMCP wants a newer SDK than this one")
    if "fastmcp import" in block:
        pytest.importorskip("fastmcp", reason="the page's FastMCP server: pip install fastmcp")
    if HAS_VERSION_1:
        block = block.replace("mcp.server.mcpserver import", "mcp.server.fastmcp import FastMCP as")
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example.com")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://mcp.example.com/mcp")
    monkeypatch.setenv("BEARERGUARD_RESOURCE", "https://mcp.example.com/mcp")
    namespace = {"__name__": "docs"}
    exec(compile(block, "docs/mcp.md", "exec"), namespace)
    return namespace["app"]


@pytest.fixture
def issuer():
    issuer = Issuer(
        "https://login.example.com", audience="https://mcp.example.com/mcp", alg="ES256"
    )
    with trust(issuer):
        yield issuer


def test_a_printed_server_answers_each_token_as_the_page_says(issuer, printed, serve, knock):
    url = serve(lambda _: printed) + "/mcp"

    assert knock(url, issuer.token("notes")).status_code == 200
    assert knock(url, issuer.token("other")).status_code == 403
    bad = {name: knock(url, token).status_code for name, token in bad_tokens(issuer).items()}
    assert set(bad.values()) == {401}, bad

"""What the pages of docs/ and the README's file of settings print runs and does what they say."""

import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bearerguard import Guard, RejectedError
from bearerguard.core.security_event import SESSION_REVOKED
from bearerguard.testing import Issuer, bad_tokens, trust

ROOT = Path(__file__).parents[1]
PAGES = {name: (ROOT / f"docs/{name}.md").read_text("utf-8") for name in ("keys", "revocation")}
INTROSPECTION = (ROOT / "docs/introspection.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def run(monkeypatch):
    """Execute the first block below a heading, as a reader would with the two variables set."""
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example.com")
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://api.example.com")

    def execute(heading, page="keys"):
        text = PAGES[page]
        block = re.search(r"```python\n(.*?)```", text[text.index(f"## {heading}") :], re.DOTALL)
        namespace = {"__name__": "docs"}
        exec(compile(block[1], f"docs/{page}.md: {heading}", "exec"), namespace)
        return namespace

    return execute


def test_the_printed_resolver_admits_a_tenants_tokens_and_nobody_elses(run):
    acme = Issuer("https://acme.login.example.com", audience="acme-api")
    with trust(acme):
        guard = run("Several issuers")["guard"]

        assert guard.verify(acme.token()).subject == "user-1"
        for token in bad_tokens(acme).values():
            with pytest.raises(RejectedError):
                guard.verify(token)
        for stranger in ("https://other.login.example.com", "https://acme.login.example.com.evil"):
            with pytest.raises(RejectedError, match="issuer_mismatch"):
                guard.verify(acme.token(iss=stranger))


def test_the_printed_application_tells_a_probe_when_it_is_ready(run, capsys):
    issuer = Issuer("https://login.example.com", audience="https://api.example.com")
    with trust(issuer):
        client = TestClient(run("Watching")["app"])
        issuer.is_down = True

        assert client.get("/readyz").status_code == 503
        assert client.get("/orders").status_code == 401

    assert "did not give its keys" in capsys.readouterr().out


def test_the_printed_file_of_settings_makes_a_guard_of_two_issuers(tmp_path):
    """And what a partner writes into its tokens grants no more than the file lets it."""
    file = tmp_path / "config.toml"
    file.write_text(re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1], "utf-8")
    partner = Issuer("https://partner.example", audience="orders")
    with trust(partner):
        guard = Guard(config=str(file))

        token = guard.verify(partner.token("orders:read orders:write", header={"typ": "JWT"}))

    assert list(guard.status()) == ["https://login.example.com", "https://partner.example"]
    assert token.scopes == {"orders:read"}


def test_the_printed_revocations_end_what_their_names_say(run):
    issuer = Issuer("https://login.example.com", audience="https://api.example.com")
    with trust(issuer):
        printed = run("In your code", "revocation")
        guard = printed["guard"]
        raw = {name: issuer.token(sub=name) for name in ("one", "two", "three")}
        tokens = {name: guard.verify(token) for name, token in raw.items()}

        def good():
            return [name for name, token in raw.items() if is_good(guard, token)]

        printed["stolen"](tokens["one"])
        assert good() == ["two", "three"]
        printed["password_changed"]("two")
        assert good() == ["three"]
        printed["everybody_out"](tokens["three"].issued_at + 1)
        assert good() == []


def test_the_printed_receiver_takes_events_without_a_token_and_guards_the_rest(run):
    issuer = Issuer("https://login.example.com", audience="https://api.example.com")
    with trust(issuer):
        printed = run("Events from the issuer", "revocation")
        client, raw = TestClient(printed["app"]), issuer.token()
        event = {
            "iss": issuer.url,
            "aud": "https://api.example.com/events",
            "jti": "1",
            "iat": int(issuer.clock()),
            "events": {SESSION_REVOKED: {}},
            "sub_id": {"format": "iss_sub", "iss": issuer.url, "sub": "user-1"},
        }
        body = issuer.sign(json.dumps(event).encode(), header={"typ": "secevent+jwt"})

        assert is_good(printed["guard"], raw)
        headers = {"Content-Type": "application/secevent+jwt"}
        assert client.post("/events", content=body, headers=headers).status_code == 202
        assert not is_good(printed["guard"], raw)
        assert client.get("/orders").status_code == 401


def is_good(guard, raw):
    try:
        guard.verify(raw)
    except RejectedError:
        return False
    return True


def test_every_link_leads_to_a_file_that_is_there():
    for page in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_printed_test_with_opaque_tokens_runs_as_it_stands():
    (block,) = re.findall(r"```python\n(.*?)```", INTROSPECTION, re.DOTALL)
    namespace = {"__name__": "docs"}
    exec(compile(block, "docs/introspection.md", "exec"), namespace)

    assert namespace["issuer"].introspection_uri in namespace["issuer"].requests

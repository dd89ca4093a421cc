"""The local issuer on a real port: of this machine only, and gone when it is stopped."""

import socket

import httpx
import pytest

from bearerguard import ConfigurationError, Guard
from bearerguard.dev.local_issuer import LocalIssuer


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "", "localhost."])
def test_it_refuses_to_answer_other_machines(host):
    with pytest.raises(ConfigurationError, match="this machine only"):
        LocalIssuer(host=host)


def test_every_problem_is_told_at_once():
    with pytest.raises(ConfigurationError) as refusal:
        LocalIssuer(host="0.0.0.0", profile="entre")
    assert len(refusal.value.problems) == 2
    assert "the names are adfs, apple" in refusal.value.problems[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "::1"])
def test_a_guard_with_the_settings_it_names_takes_its_tokens(host):
    """Over real sockets, discovery included (RFC 8414 section 3)."""
    try:
        local = LocalIssuer(host=host)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with local:
        state = local.state
        guard = Guard(issuer=local.issuer.url, audience=local.issuer.audience)
        url = f"{local.url}/control/token"
        token = httpx.post(url, json={"scope": "a"}, trust_env=False).json()["access_token"]
        assert guard.verify(token).scopes == {"a"}
        assert state.settings == {
            "BEARERGUARD_ISSUER": local.issuer.url,
            "BEARERGUARD_AUDIENCE": "https://api.example",
        }


def test_the_port_is_free_again_after_the_end():
    with LocalIssuer() as local:
        port = local.port
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port)):
        pass
    LocalIssuer(port).stop()


def test_a_port_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        LocalIssuer(taken.getsockname()[1])


def test_requests_are_written_to_no_terminal(capfd):
    with LocalIssuer() as local:
        httpx.get(local.url, trust_env=False)
    assert capfd.readouterr() == ("", "")

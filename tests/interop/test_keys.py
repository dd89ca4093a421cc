"""What happens to tokens when a real authorization server changes its keys, or goes away.

An API may ask its issuer twice at once, then once in ten seconds. Each test therefore begins with
fresh APIs and is written so that two fetches are enough: nothing here waits for the third.
"""

import time

import pytest

pytestmark = [pytest.mark.process, pytest.mark.untraced]

# The shortest time to live that a setting can ask for.
SHORTEST_TTL_S = 1.0
# Short, and so long that no first fetch, however slow the machine, reaches the last fifth of it:
# that would begin the second fetch before the test wants it.
OUTAGE_TTL_S = 5.0


@pytest.mark.requirement("OIDC-10.1.1-1")
def test_the_first_token_of_a_new_key_is_accepted(authorization_server, start_apis, both):
    """OpenID Connect Core section 10.1.1: an unknown key id leads to one refetch of the keys."""
    apis = start_apis(authorization_server.url)
    old = authorization_server.token("orders:read")
    assert apis.statuses("/orders", old) == both(200)

    authorization_server.rotate(keep_old=True)
    new = authorization_server.token("orders:read")

    assert apis.statuses("/orders", new) == both(200)
    assert apis.statuses("/orders", old) == both(200)


@pytest.mark.requirement("JWKS-2")
def test_a_withdrawn_key_stops_verifying(authorization_server, start_apis, both, wait_for):
    """The tokens of a key die with it, after the keys' time to live."""
    apis = start_apis(authorization_server.url, JWKS_TTL=f"{SHORTEST_TTL_S:g}s")
    old = authorization_server.token("orders:read")
    assert apis.statuses("/orders", old) == both(200)

    authorization_server.rotate(keep_old=False)

    wait_for(lambda: apis.statuses("/orders", old) == both(401))
    for refusal in apis.get("/orders", old):
        assert 'error="invalid_token"' in refusal.headers["www-authenticate"]
    new = authorization_server.token("orders:read")
    assert apis.statuses("/orders", new) == both(200)


def test_an_outage_of_the_issuer_refuses_no_good_token(
    start_authorization_server, start_apis, both
):
    """Keys past their time to live serve on; a key that nobody can ask for is nobody's fault."""
    authorization_server = start_authorization_server()
    apis = start_apis(authorization_server.url, JWKS_TTL=f"{OUTAGE_TTL_S:g}s")
    good = authorization_server.token("orders:read")
    assert apis.statuses("/orders", good) == both(200)
    fresh_until = time.monotonic() + OUTAGE_TTL_S
    authorization_server.rotate(keep_old=True)
    of_new_key = authorization_server.token("orders:read")

    authorization_server.server.stop()

    for answer in apis.get("/orders", of_new_key):
        assert answer.status_code == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert "www-authenticate" not in answer.headers
    while time.monotonic() < fresh_until:
        assert apis.statuses("/orders", good) == both(200)
    assert apis.statuses("/orders", good) == both(200)


def test_an_api_starts_while_its_issuer_hangs_and_recovers_by_itself(
    start_authorization_server, start_apis, both, wait_for
):
    """The order in which two services start must not matter, nor how the other one fails."""
    authorization_server = start_authorization_server()
    token = authorization_server.token("orders:read")
    authorization_server.server.pause()
    apis = start_apis(authorization_server.url, JWKS_TIMEOUT="1s")
    assert apis.statuses("/healthz") == both(200)
    assert apis.statuses("/orders", token) == both(503)

    authorization_server.server.resume()

    wait_for(lambda: apis.statuses("/orders", token) == both(200))

"""Behind every adapter a revoked token is refused, whether it was seen before or not."""

import pytest


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("what", [{"subject": "user-1"}, {"token_id": "t"}, {"session_id": "s"}])
def test_a_revoked_token_is_refused(make, adapter, contract, issuer, is_known, what):
    """RFC 6750 section 3.1: revoked is one of the meanings of invalid_token."""
    public = contract.public_paths(adapter, contract.Plan(), contract.PUBLIC)
    guard, token = issuer.guard(public=public), issuer.token("read", jti="t", sid="s")
    api = make(guard=guard)
    if is_known:
        assert api.call("GET", "/read", token=token).status == 200
    guard.revoke(**what)
    ran = len(api.ran)
    for _ in range(2):
        assert api.call("GET", "/read", token=token).outcome == (401, "invalid_token")
        assert api.call("GET", "/maybe", token=token).outcome == (401, "invalid_token")
    assert len(api.ran) == ran
    other = issuer.token("read", sub="user-2")
    assert api.call("GET", "/read", token=other).status == 200


def test_a_status_that_nobody_can_tell_is_503(make, issuer):
    """The issuer in memory publishes no list."""
    reference = {"status_list": {"idx": 0, "uri": f"{issuer.url}/lists/1"}}
    api, token = make(), issuer.token("read", status=reference)
    for _ in range(2):
        answer = api.call("GET", "/read", token=token)
        assert answer.status == 503
        assert 1 <= int(answer.only("retry-after")) <= 60
    assert api.ran == []

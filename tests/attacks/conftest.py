"""What the tests of the attacks share: one key an algorithm, and the reason of a refusal."""

import functools
from collections.abc import Callable

import pytest

from bearerguard import AccessToken, Guard, RejectedError
from bearerguard.core.encoding import base64url_encode
from bearerguard.testing import Issuer, SigningKey


@pytest.fixture(scope="session")
def keys() -> Callable[[str], SigningKey]:
    """One key an algorithm, made when it is first asked for."""
    return functools.cache(lambda alg: SigningKey.generate(alg, kid=f"key-{alg}"))


@pytest.fixture
def reason(guard: Guard) -> Callable[..., str]:
    """Say why a token is refused; the answer must be 401 invalid_token whatever the reason."""

    def of(raw: str, by: Guard = guard) -> str:
        with pytest.raises(RejectedError) as refusal:
            by.verify(raw)
        assert (refusal.value.status, refusal.value.error) == (401, "invalid_token")
        return refusal.value.reason

    return of


@pytest.fixture
def token(issuer: Issuer) -> Callable[..., AccessToken]:
    """Sign an access token and verify it, with the settings under ``settings``."""

    def verified(scope: str | None = None, *, settings=None, **claims) -> AccessToken:
        return issuer.guard(**(settings or {})).verify(issuer.token(scope, **claims))

    return verified


@pytest.fixture
def sign_bytes(signing_key: SigningKey) -> Callable[[bytes, bytes], str]:
    """Sign a header and a payload of any octets with the session's RS256 key."""

    def signed(header: bytes, payload: bytes) -> str:
        signing_input = base64url_encode(header) + b"." + base64url_encode(payload)
        signature = base64url_encode(signing_key.sign(signing_input))
        return (signing_input + b"." + signature).decode()

    return signed

"""For the tests of guarded applications: an issuer in memory, and tokens that must be refused.

    issuer = Issuer("https://issuer.example", audience="https://api.example")
    with trust(issuer):
        header = f"Bearer {issuer.token('orders:read')}"
        assert client.get("/orders", headers={"Authorization": header}).status_code == 200

The tokens are signed and verified for real; nothing in here accepts just anything.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from bearerguard import guard as guards
from bearerguard.dev.issuer import Issuer, SigningKey
from bearerguard.jwks.fetch import Fetcher
from bearerguard.jwks.keys import Keys
from bearerguard.settings import Settings
from bearerguard.testing.broken import BAD_TOKENS, bad_tokens

__all__ = ["BAD_TOKENS", "Issuer", "SigningKey", "bad_tokens", "trust"]

Clock = Callable[[], float]
# As the runtime has it, however many blocks are open.
make_keys = guards.keys_of


@contextmanager
def trust(issuer: Issuer) -> Iterator[Issuer]:
    """Let every guard of this process get its keys from ``issuer``, without any network.

    It holds for guards that are there and for those that are made meanwhile, and ends with the
    block for both. The guards' own issuer and audience stay in force: make the tokens for them.
    """
    outside = guards.keys_of
    afterwards: dict[Keys, Keys] = {}

    def keys_of(settings: Settings, fetcher: Fetcher | None, clock: Clock) -> Keys:
        keys = _keys_from(issuer, settings, clock)
        afterwards[keys] = outside(settings, fetcher, clock)
        return keys

    with patch.object(guards, "keys_of", keys_of):
        for guard in list(guards.LIVE_GUARDS):
            keys = _keys_from(issuer, guard.settings, guard.clock)
            afterwards[keys] = _exchange(guard, keys)
        try:
            yield issuer
        finally:
            for guard in list(guards.LIVE_GUARDS):
                _exchange(guard, afterwards[guard._keys])  # noqa: SLF001  the runtime has no switch


def _keys_from(issuer: Issuer, settings: Settings, clock: Clock) -> Keys:
    """Make keys as the guard would, but of this issuer, wherever the guard would look for them."""
    there = replace(settings, jwks_uri=issuer.jwks_uri, jwks_token_file=None)
    return make_keys(there, issuer, clock)


def _exchange(guard: guards.Guard, keys: Keys) -> Keys:
    former = guard._keys  # noqa: SLF001
    guard._keys = keys  # noqa: SLF001
    return former

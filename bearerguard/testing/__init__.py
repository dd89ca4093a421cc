"""For the tests of guarded applications: an issuer in memory, and tokens that must be refused.

issuer = Issuer(audience="https://api.example")
with trust(issuer):
client.get("/orders", headers={"Authorization": f"Bearer {issuer.token('orders:read')}"})
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from bearerguard import guard as guards
from bearerguard.dev.issuer import Issuer, SigningKey
from bearerguard.jwks.source import Keys
from bearerguard.settings import Settings
from bearerguard.testing.broken import BAD_TOKENS, bad_tokens

__all__ = ["BAD_TOKENS", "Issuer", "SigningKey", "bad_tokens", "trust"]


@contextmanager
def trust(issuer: Issuer) -> Iterator[Issuer]:
    """Let every guard of this process get its keys from ``issuer``, without any network.

    It holds for guards that are there and for those that are made meanwhile, and ends with the
    block. The guards' own issuer and audience stay in force.
    """

    def keys_of(settings: Settings, _fetcher: object, clock: Callable[[], float]) -> Keys:
        return make_keys(settings, issuer, clock)

    make_keys = guards.keys_of
    with ExitStack() as until_the_end:
        until_the_end.enter_context(patch.object(guards, "keys_of", keys_of))
        for guard in list(guards.LIVE_GUARDS):
            keys = make_keys(guard.settings, issuer, guard.clock)
            until_the_end.enter_context(patch.object(guard, "_keys", keys))
        yield issuer

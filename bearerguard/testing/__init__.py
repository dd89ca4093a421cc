"""For the tests of guarded applications: an issuer in memory, and tokens that must be refused.

    issuer = Issuer("https://issuer.example", audience="https://api.example")
    with trust(issuer):
        header = f"Bearer {issuer.token('orders:read')}"
        assert client.get("/orders", headers={"Authorization": header}).status_code == 200

The tokens are signed and verified for real; nothing in here accepts just anything.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from bearerguard import issuers
from bearerguard.dev.issuer import Issuer, SigningKey
from bearerguard.issuers import LIVE_ISSUERS, KnownIssuer, Means
from bearerguard.jwks.keys import Keys
from bearerguard.settings import Settings
from bearerguard.testing.broken import BAD_TOKENS, bad_tokens

__all__ = ["BAD_TOKENS", "Issuer", "SigningKey", "bad_tokens", "trust"]

# As the runtime has it, however many blocks are open.
make_keys = issuers.keys_of


@contextmanager
def trust(issuer: Issuer) -> Iterator[Issuer]:
    """Let every guard of this process get its keys from ``issuer``, without any network.

    It holds for guards that are there and for those that are made meanwhile, and ends with the
    block for both. The guards' own issuers and audiences stay in force: make the tokens for them.
    """
    outside = issuers.keys_of
    afterwards: dict[Keys, Keys] = {}

    def keys_of(settings: Settings, means: Means) -> Keys:
        keys = _keys_from(issuer, settings, means)
        afterwards[keys] = outside(settings, means)
        return keys

    with patch.object(issuers, "keys_of", keys_of):
        for known in list(LIVE_ISSUERS):
            keys = _keys_from(issuer, known.settings, known.means)
            afterwards[keys] = _exchange(known, keys)
        try:
            yield issuer
        finally:
            for known in list(LIVE_ISSUERS):
                # An issuer that another thread was just making at the start has its own already.
                _exchange(known, afterwards.get(known.keys, known.keys))


def _keys_from(issuer: Issuer, settings: Settings, means: Means) -> Keys:
    """Make keys as the guard would, but of this issuer, wherever the guard would look for them."""
    there = replace(
        settings,
        jwks_uri=issuer.jwks_uri,
        jwks_token_file=None,
        jwks_file=None,
        jwks_snapshot=None,
    )
    return make_keys(there, replace(means, fetcher=issuer))


def _exchange(known: KnownIssuer, keys: Keys) -> Keys:
    former, known.keys = known.keys, keys
    return former

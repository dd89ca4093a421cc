"""For the tests of guarded applications: an issuer in memory, and tokens that must be refused.

    issuer = Issuer("https://issuer.example", audience="https://api.example")
    with trust(issuer):
        header = f"Bearer {issuer.token('orders:read')}"
        assert client.get("/orders", headers={"Authorization": header}).status_code == 200

Where a guard takes opaque tokens, it asks the issuer about them: ``issuer.opaque_token(...)``.

The tokens are signed and verified for real; nothing in here accepts just anything.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from bearerguard import issuers
from bearerguard.dev.issuer import Issuer, SigningKey
from bearerguard.introspection.introspector import Introspector
from bearerguard.issuers import LIVE_ISSUERS, KnownIssuer, Means
from bearerguard.jwks.keys import Keys
from bearerguard.settings import Settings
from bearerguard.testing.broken import BAD_TOKENS, bad_tokens

__all__ = ["BAD_TOKENS", "Issuer", "SigningKey", "bad_tokens", "trust"]

# As the runtime has it, however many blocks are open.
make_keys = issuers.keys_of
make_introspector = issuers.introspector_of


@contextmanager
def trust(issuer: Issuer) -> Iterator[Issuer]:
    """Let every guard of this process ask ``issuer`` for keys and tokens, without any network.

    It holds for guards that are there and for those that are made meanwhile, and ends with the
    block for both. The guards' own issuers and audiences stay in force: make the tokens for them.
    """
    outside = issuers.keys_of
    afterwards: dict[Keys, Keys] = {}

    def keys_of(settings: Settings, means: Means) -> Keys:
        keys = _keys_from(issuer, settings, means)
        afterwards[keys] = outside(settings, means)
        return keys

    with _trust_for_opaque(issuer), patch.object(issuers, "keys_of", keys_of):
        for known in list(LIVE_ISSUERS):
            keys = _keys_from(issuer, known.settings, known.means)
            afterwards[keys] = _exchange(known, keys)
        try:
            yield issuer
        finally:
            for known in list(LIVE_ISSUERS):
                # An issuer that another thread was just making at the start has its own already.
                _exchange(known, afterwards.get(known.keys, known.keys))


@contextmanager
def _trust_for_opaque(issuer: Issuer) -> Iterator[None]:
    """Do the same for opaque tokens, with the guards that take them."""
    outside = issuers.introspector_of
    afterwards: dict[Introspector | None, Introspector | None] = {None: None}

    def introspector_of(settings: Settings, means: Means, *more: Any) -> Introspector:
        there = replace(settings, introspection_uri=issuer.introspection_uri)
        introspector = make_introspector(there, replace(means, fetcher=issuer), *more)
        afterwards[introspector] = outside(settings, means, *more)
        return introspector

    with patch.object(issuers, "introspector_of", introspector_of):
        for known in list(LIVE_ISSUERS):
            former = known.introspector
            if former is not None:
                known.introspector = introspector_of(
                    known.settings, known.means, known.policy, known.keys_for
                )
                afterwards[known.introspector] = former
        try:
            yield
        finally:
            for known in list(LIVE_ISSUERS):
                known.introspector = afterwards.get(known.introspector, known.introspector)


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

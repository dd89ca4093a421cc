"""Letting guards trust an issuer in memory, for the length of a test.

The key source of each live guard is replaced from here: the runtime has no switch for it. Nothing
is loosened by that, because tokens are signed and verified as ever, by the keys of another issuer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar
from unittest.mock import patch

from bearerguard import issuers
from bearerguard.dev.issuer import Issuer as InMemory
from bearerguard.guard import Guard
from bearerguard.introspection.introspector import Introspector
from bearerguard.issuers import KnownIssuer, Means
from bearerguard.jwks.keys import Keys
from bearerguard.settings import Settings
from bearerguard.testing.simulated import Clock, Issuer

# The issuers that are trusted now, the innermost block's last.
TRUSTED: list[InMemory] = []
# As the runtime has it, however many blocks are open.
make_keys = issuers.keys_of
make_introspector = issuers.introspector_of


AnyIssuer = TypeVar("AnyIssuer", bound=InMemory)


@contextmanager
def trust(issuer: AnyIssuer) -> Iterator[AnyIssuer]:
    """Let every guard of this process ask ``issuer`` for keys and tokens, without any network.

    It holds for guards that are there and for those that are made meanwhile, and ends with the
    block for both. The guards' own issuers and audiences stay in force: make the tokens for them,
    as :class:`bearerguard.testing.Bearer` does. Where the issuer's clock is a
    :class:`bearerguard.testing.Clock`, it is that of the guards too.
    """
    outside = issuers.keys_of
    afterwards: dict[Keys, Keys] = {}

    def keys_of(settings: Settings, means: Means) -> Keys:
        keys = _keys_from(issuer, settings, means)
        afterwards[keys] = outside(settings, means)
        return keys

    with (
        _time_of(issuer),
        _trust_for_opaque(issuer),
        patch.object(issuers, "keys_of", keys_of),
        _noted(issuer),
    ):
        for known in list(issuers.LIVE_ISSUERS):
            keys = _keys_from(issuer, known.settings, known.means)
            afterwards[keys] = _exchange(known, keys)
        try:
            yield issuer
        finally:
            for known in list(issuers.LIVE_ISSUERS):
                # An issuer that another thread was just making at the start has its own already.
                _exchange(known, afterwards.get(known.keys, known.keys))


@contextmanager
def trusted(issuer: InMemory | None = None) -> Iterator[InMemory]:
    """Trust this issuer, or any, where that is not so already; give the one that is trusted."""
    if TRUSTED and issuer in (None, TRUSTED[-1]):
        yield TRUSTED[-1]
    else:
        with trust(issuer or Issuer(alg="ES256")) as other:
            yield other


OVERLAP = "blocks of trust() overlap: each has to end before the one around it does"


@contextmanager
def _noted(issuer: InMemory) -> Iterator[None]:
    TRUSTED.append(issuer)
    try:
        yield
    finally:
        is_innermost = TRUSTED[-1] is issuer
        TRUSTED.remove(issuer)
    if not is_innermost:
        raise RuntimeError(OVERLAP)


@contextmanager
def _time_of(issuer: InMemory) -> Iterator[None]:
    """Let guards go by the issuer's clock, whatever they were made with.

    On the class, which has no clock: each guard keeps its own, and so finds it again afterwards.
    """
    clock = issuer.clock
    if not isinstance(clock, Clock):
        yield
        return
    simulated = property(
        lambda _: clock, lambda guard, own: guard.__dict__.__setitem__("clock", own)
    )
    with patch.object(Guard, "clock", simulated, create=True):
        yield


@contextmanager
def _trust_for_opaque(issuer: InMemory) -> Iterator[None]:
    """Do the same for opaque tokens, with the guards that take them."""
    outside = issuers.introspector_of
    afterwards: dict[Introspector | None, Introspector | None] = {None: None}

    def introspector_of(settings: Settings, means: Means, *more: Any) -> Introspector:
        there = replace(settings, introspection_uri=issuer.introspection_uri)
        introspector = make_introspector(there, _means_of(issuer, means), *more)
        afterwards[introspector] = outside(settings, means, *more)
        return introspector

    with patch.object(issuers, "introspector_of", introspector_of):
        for known in list(issuers.LIVE_ISSUERS):
            former = known.introspector
            if former is not None:
                known.introspector = introspector_of(
                    known.settings, known.means, known.policy, known.keys_for
                )
                afterwards[known.introspector] = former
        try:
            yield
        finally:
            for known in list(issuers.LIVE_ISSUERS):
                known.introspector = afterwards.get(known.introspector, known.introspector)


def _keys_from(issuer: InMemory, settings: Settings, means: Means) -> Keys:
    """Make keys as the guard would, but of this issuer, wherever the guard would look for them."""
    there = replace(
        settings,
        jwks_uri=issuer.jwks_uri,
        jwks_token_file=None,
        jwks_file=None,
        jwks_snapshot=None,
    )
    return make_keys(there, _means_of(issuer, means))


def _means_of(issuer: InMemory, means: Means) -> Means:
    clock = issuer.clock if isinstance(issuer.clock, Clock) else means.clock
    return replace(means, fetcher=issuer, clock=clock)


def _exchange(known: KnownIssuer, keys: Keys) -> Keys:
    former, known.keys = known.keys, keys
    return former

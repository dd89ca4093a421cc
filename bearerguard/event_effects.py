"""What a verified security event does to a guard: once, however often it is delivered.

An event that cannot be noted, because too many were, is done nevertheless: marks only rise, so that
doing it twice harms nobody, and not doing it would leave tokens in force that were revoked.
"""

from collections.abc import Iterator

from bearerguard.core.revocation import Mark, name_of
from bearerguard.core.security_event import SecurityEvent
from bearerguard.guard import Guard
from bearerguard.stores.base import StoreFullError

# Transmitters try again for hours; what is older does nothing new anyhow.
NOTED_FOR_S = 24 * 3600.0


def apply(guard: Guard, event: SecurityEvent) -> None:
    """Do what an event asks for.

    Raises:
        UnavailableError: the store could not take it, so that it has to come again.
    """
    store, issuer, name = guard.issuers.store, event.issuer, name_of("event", event.event_id)
    try:
        if not store.use_once(issuer, name, guard.clock() + NOTED_FOR_S):
            return
    except StoreFullError:
        pass
    try:
        for mark in _marks(guard, event):
            store.raise_mark(issuer, *mark)
    except BaseException:
        store.give_back(issuer, name)
        raise
    guard.forget_named(issuer, event.changed)


async def aapply(guard: Guard, event: SecurityEvent) -> None:
    """Do the same without blocking the event loop, where the store is not in this process."""
    store, issuer, name = guard.issuers.store, event.issuer, name_of("event", event.event_id)
    try:
        if not await store.ause_once(issuer, name, guard.clock() + NOTED_FOR_S):
            return
    except StoreFullError:
        pass
    try:
        for mark in _marks(guard, event):
            await store.araise_mark(issuer, *mark)
    except BaseException:
        await store.agive_back(issuer, name)
        raise
    guard.forget_named(issuer, event.changed)


def _marks(guard: Guard, event: SecurityEvent) -> Iterator[tuple[str, Mark]]:
    """Give each name that the event revokes, with its mark; one token whenever it was issued."""
    limits = guard.issuers.limits_of(event.issuer)
    for name in event.revoked:
        yield name, limits.mark(event.issued_before)

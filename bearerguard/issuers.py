"""The issuers of one guard: for each of them its rules and the source of its keys.

Nothing is shared between two of them but what :class:`Means` holds: each has keys, a budget and
failures of its own, and the id of a key means something only within its issuer.
"""

import itertools
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import SystemRandom
from typing import Any

from bearerguard.core.jwk import secret_key
from bearerguard.core.key_set import Key, KeySet
from bearerguard.core.policy import Policy
from bearerguard.core.queries import KeyQuery
from bearerguard.core.status_list import check_uri
from bearerguard.errors import UnavailableError
from bearerguard.events import OnEvent
from bearerguard.introspection.cache import KeptAnswers
from bearerguard.introspection.circuit import Circuit
from bearerguard.introspection.client_auth import ClientAuth, KeyAuth, SecretAuth
from bearerguard.introspection.endpoint import Endpoint
from bearerguard.introspection.introspector import Introspector
from bearerguard.jwks.cache import KeyCache
from bearerguard.jwks.discovery import IssuerKeys
from bearerguard.jwks.fetch import Fetcher, HttpFetcher
from bearerguard.jwks.file_keys import FileKeys
from bearerguard.jwks.keys import Keys, Load, StaticKeys
from bearerguard.jwks.snapshot import SharedKeys
from bearerguard.jwks.source import KeySource
from bearerguard.jwks.states import LoadedKeys
from bearerguard.settings import Settings
from bearerguard.status_list.load import ListLoad
from bearerguard.status_list.source import StatusLists

Clock = Callable[[], float]


@dataclass(frozen=True)
class Means:
    """What all issuers of a guard share.

    ``clock`` gives the seconds since 1970, ``supported`` are the asymmetric algorithms that this
    machine can verify, ``implied`` which scope stands for which others.
    """

    fetcher: Fetcher | None
    clock: Clock
    on_event: OnEvent
    supported: Sequence[str]
    implied: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def key_clock(self) -> Clock:
        """The clock for ages: the wall clock may be set back, this one cannot."""
        return time.monotonic if self.clock is time.time else self.clock


class KnownIssuer:
    """An issuer whose tokens a guard takes. ``verified_at`` is when one of them last was good.

    ``number`` counts those of this process: the newest has the highest.
    """

    def __init__(self, settings: Settings, means: Means) -> None:
        self.number = next(NUMBERS)
        self.settings = settings
        self.means = means
        self.policy: Policy = settings.policy(means.supported, means.implied)
        self.keys: Keys = keys_of(settings, means)
        self.status_lists = self._make_status_lists()
        self.introspector: Introspector | None = None
        if settings.introspects:
            self.introspector = introspector_of(settings, means, self.policy, self.keys_for)
        self.verified_at: float | None = None
        LIVE_ISSUERS.add(self)

    def keys_for(self, query: KeyQuery) -> Sequence[Key]:
        """Give the keys that a flow asks for, as :meth:`.jwks.keys.Keys.keys` does."""
        return self.keys.keys(query.kid, query.tried)

    def status(self) -> dict[str, Any]:
        """Describe the keys, and how asking about opaque tokens goes where that is done."""
        described = self.keys.status()
        if self.introspector is not None:
            described["introspection"] = self.introspector.status()
        return described

    def has_keys(self) -> bool:
        """Tell whether there are keys to decide with."""
        try:
            return bool(self.keys.present(None))
        except UnavailableError:
            return False

    def _make_status_lists(self) -> StatusLists:
        settings, means = self.settings, self.means
        hosts = [url for url in (settings.issuer, settings.jwks_uri) if url]
        check = partial(check_uri, hosts=hosts, http_allowed=settings.allow_http)
        load = ListLoad(
            fetcher=means.fetcher,
            ca_file=settings.ca_file,
            policy=self.policy,
            keys=lambda: self.keys,  # those of the moment
            timeout_s=settings.jwks_timeout,
            clock=means.clock,
        )
        return StatusLists(check, load, settings.jwks_timeout, means.key_clock)


NUMBERS = itertools.count(1)
LIVE_ISSUERS: "weakref.WeakSet[KnownIssuer]" = weakref.WeakSet()


def keys_of(settings: Settings, means: Means) -> Keys:
    """Make the source of keys that the settings of an issuer describe."""
    if settings.secret is not None:
        return StaticKeys(KeySet((secret_key(settings.secret.value),)))
    if settings.jwks_file is not None:
        return FileKeys(settings.jwks_file, means.key_clock, means.on_event, settings.issuer)
    load: Load = IssuerKeys(
        issuer=settings.issuer,
        fetcher=means.fetcher or HttpFetcher(settings.ca_file),
        timeout_s=settings.jwks_timeout,
        jwks_uri=settings.jwks_uri,
        token_file=settings.jwks_token_file,
        http_allowed=settings.allow_http,
        clock=means.key_clock,
        resource=settings.resource,
    )
    before: LoadedKeys | None = None
    if settings.jwks_snapshot is not None:
        load = _shared(load, settings.jwks_snapshot, settings, means)
        before = load.restore()
    cache = KeyCache(
        ttl_s=settings.jwks_ttl,
        stale_for_s=settings.jwks_stale_for,
        deadline_s=settings.jwks_timeout,
        jitter=SystemRandom().random,
        issuer=settings.issuer,
    )
    if before is not None:
        cache.restore(before, means.key_clock())
    return KeySource(load, cache, means.key_clock, means.on_event)


def introspector_of(
    settings: Settings, means: Means, policy: Policy, keys: Callable[[KeyQuery], Sequence[Key]]
) -> Introspector:
    """Make what asks an issuer about opaque tokens, as its settings describe it.

    ``keys`` gives its keys, for signed answers.
    """
    endpoint = Endpoint(
        policy=policy,
        client_id=settings.introspection_client_id or "",
        auth=_client_auth(settings, means),
        fetcher=means.fetcher or HttpFetcher(settings.ca_file),
        keys=keys,
        clock=means.key_clock,
        wall_clock=means.clock,
        url=settings.introspection_uri,
        is_signed=settings.introspection_signed,
        http_allowed=settings.allow_http,
    )
    return Introspector(
        issuer=settings.issuer,
        ask=endpoint.ask,
        answers=partial(KeptAnswers, settings.introspection_ttl),
        circuit=Circuit(SystemRandom().random),
        clock=means.key_clock,
        wall_clock=means.clock,
        timeout_s=settings.jwks_timeout,
    )


def _client_auth(settings: Settings, means: Means) -> ClientAuth:
    client_id = settings.introspection_client_id or ""
    if settings.introspection_key_file is not None:
        return KeyAuth(client_id, settings.introspection_key_file, settings.issuer, means.clock)
    secret = settings.introspection_client_secret
    text = "" if secret is None else secret.value.decode()
    return SecretAuth(client_id, text, settings.introspection_auth)


def _shared(load: Load, file: str, settings: Settings, means: Means) -> SharedKeys:
    return SharedKeys(
        load=load,
        file=file,
        issuer=settings.issuer,
        jwks_uri=settings.jwks_uri,
        http_allowed=settings.allow_http,
        ttl_s=settings.jwks_ttl,
        stale_for_s=settings.jwks_stale_for,
        timeout_s=settings.jwks_timeout,
        wall_clock=means.clock,
    )

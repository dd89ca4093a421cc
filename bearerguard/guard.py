"""The guard: settings in, decisions out. The only door from the frameworks to the rest.

Both drivers below run the one flow of :mod:`bearerguard.core.flow`; they differ only in how they
wait for a key.
"""

import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from random import SystemRandom
from typing import Any, TypeVar

from bearerguard.core import signature
from bearerguard.core.access import Access
from bearerguard.core.access_token import AccessToken
from bearerguard.core.challenge import Answer, answer_to
from bearerguard.core.explain import Explanation, explain
from bearerguard.core.flow import Flow, IssuerQuery, Query, admit, authenticate
from bearerguard.core.jwk import Key, KeySet, secret_key
from bearerguard.core.policy import AKP_ALGORITHMS, ASYMMETRIC_ALGORITHMS
from bearerguard.core.request import RequestView
from bearerguard.core.trust import Trust
from bearerguard.errors import RejectedError, UnavailableError
from bearerguard.jwks.cache import KeyCache
from bearerguard.jwks.discovery import IssuerKeys
from bearerguard.jwks.fetch import Fetcher, HttpFetcher
from bearerguard.jwks.keys import Keys, StaticKeys
from bearerguard.jwks.source import KeySource
from bearerguard.log import log_refusal, log_start, logger
from bearerguard.settings import Settings, Source, from_arguments, from_environment

Result = TypeVar("Result")


class Guard:
    """Verifies access tokens for one API. Safe to share between threads, tasks and event loops.

    The arguments are the settings of :class:`bearerguard.settings.Settings`, in lower case and
    without the prefix; the environment is not read (that is :meth:`from_env`). ``fetcher`` replaces
    the HTTP client, ``clock`` the source of the present time in seconds since 1970; then it also
    tells the age of keys, so that tests can simulate time.

    Raises:
        ConfigurationError: naming every problem of the settings.
    """

    def __init__(
        self,
        *,
        fetcher: Fetcher | None = None,
        clock: Callable[[], float] = time.time,
        **settings: Any,
    ) -> None:
        self.settings = Settings.load(from_arguments(settings))
        self.policy = self.settings.policy(_default_algorithms(self.settings))
        self.trust = Trust.of([self.policy])
        self.clock = clock
        self._realm = self.settings.challenge_realm()
        self._keys = keys_of(self.settings, fetcher, clock)
        LIVE_GUARDS.add(self)
        log_start(self.settings, self.policy)

    @classmethod
    def from_env(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        app_config: Source | None = None,
        fetcher: Fetcher | None = None,
        clock: Callable[[], float] = time.time,
        **settings: Any,
    ) -> "Guard":
        """Make a guard from arguments, an app's configuration and the environment, in this order.

        Raises:
            ConfigurationError: naming every problem of the settings.
        """
        environment = from_environment(os.environ if environ is None else environ)
        sources = [from_arguments(settings), app_config, environment]
        merged = Settings.load(*filter(None, sources))
        return cls(fetcher=fetcher, clock=clock, **vars(merged))

    def verify(self, raw: str) -> AccessToken:
        """Verify one access token.

        Raises:
            RejectedError: the token is not good for this API.
            UnavailableError: the issuer's keys cannot be had.
            RuntimeError: the keys must be fetched first, and this thread runs an event loop.
        """
        return self._drive(authenticate(raw, self.trust, self.clock()))

    async def averify(self, raw: str) -> AccessToken:
        """Verify one access token without blocking the event loop; otherwise as :meth:`verify`."""
        return await self._adrive(authenticate(raw, self.trust, self.clock()))

    def admit(self, request: RequestView, access: Access) -> AccessToken | None:
        """Decide about a request: its token, or None for an anonymous caller who may pass.

        Raises what :meth:`verify` raises; each refusal is logged here, and only here.
        """
        try:
            return self._drive(admit(request, access, self.trust, self.clock()))
        except (RejectedError, UnavailableError) as refusal:
            log_refusal(refusal, request)
            raise

    async def aadmit(self, request: RequestView, access: Access) -> AccessToken | None:
        """Decide about a request without blocking the event loop; otherwise as :meth:`admit`."""
        try:
            return await self._adrive(admit(request, access, self.trust, self.clock()))
        except (RejectedError, UnavailableError) as refusal:
            log_refusal(refusal, request)
            raise

    def answer(self, refusal: RejectedError | UnavailableError, access: Access) -> Answer:
        """Write the answer to a refused request (RFC 6750 section 3)."""
        needed = access.need.scopes() if access.need is not None else ()
        scopes = tuple(dict.fromkeys((*self.settings.required_scopes, *needed)))
        return answer_to(refusal, self._realm, scopes)

    def explain(self, raw: str) -> Explanation:
        """Run every check on a token, with the keys that are there; never raises."""
        flow = explain(raw, self.trust, self.clock())
        return _drive(flow, lambda query: self._keys.present(_kid(query)))

    async def aexplain(self, raw: str) -> Explanation:
        """Run every check on a token, fetching the keys where needed; never raises."""
        return await self._adrive(explain(raw, self.trust, self.clock()))

    def status(self) -> dict[str, dict[str, Any]]:
        """Describe the keys of each issuer: state, key ids, age, last error, next refresh."""
        return {self.settings.issuer: self._keys.status()}

    def _drive(self, flow: Flow[Result]) -> Result:
        return _drive(flow, lambda query: self._keys.keys(_kid(query)))

    async def _adrive(self, flow: Flow[Result]) -> Result:
        try:
            query = next(flow)
            while True:
                try:
                    keys = await self._keys.akeys(_kid(query))
                except (RejectedError, UnavailableError) as error:
                    query = flow.throw(error)
                else:
                    query = flow.send(keys)
        except StopIteration as done:
            result: Result = done.value
            return result


LIVE_GUARDS: "weakref.WeakSet[Guard]" = weakref.WeakSet()


def keys_of(settings: Settings, fetcher: Fetcher | None, clock: Callable[[], float]) -> Keys:
    """Make the source of keys that the settings describe."""
    if settings.secret is not None:
        return StaticKeys(KeySet((secret_key(settings.secret.value),)))
    # The wall clock may be set back; the age of keys is measured with one that cannot be.
    key_clock = time.monotonic if clock is time.time else clock
    load = IssuerKeys(
        issuer=settings.issuer,
        fetcher=fetcher or HttpFetcher(settings.ca_file),
        timeout_s=settings.jwks_timeout,
        jwks_uri=settings.jwks_uri,
        token_file=settings.jwks_token_file,
        http_allowed=settings.allow_http,
        clock=key_clock,
    )
    cache = KeyCache(
        ttl_s=settings.jwks_ttl,
        stale_for_s=settings.jwks_stale_for,
        deadline_s=settings.jwks_timeout,
        jitter=SystemRandom().random,
    )
    return KeySource(load, cache, key_clock)


def _default_algorithms(settings: Settings) -> tuple[str, ...]:
    """Leave ML-DSA out where it is only a default that this machine's OpenSSL cannot serve."""
    is_default = settings.algorithms is None and settings.secret is None
    if not is_default or signature.ml_dsa_is_supported():
        return ASYMMETRIC_ALGORITHMS
    logger.warning("this OpenSSL has no ML-DSA: %s are not accepted", ", ".join(AKP_ALGORITHMS))
    return tuple(alg for alg in ASYMMETRIC_ALGORITHMS if alg not in AKP_ALGORITHMS)


def _kid(query: Query) -> str | None:
    if isinstance(query, IssuerQuery) or query.tried:
        raise RejectedError("key_unknown")  # no other issuers, and no newer keys
    return query.kid


def _drive(flow: Flow[Result], keys: Callable[[Query], Sequence[Key]]) -> Result:
    try:
        query = next(flow)
        while True:
            try:
                found = keys(query)
            except (RejectedError, UnavailableError) as error:
                query = flow.throw(error)
            else:
                query = flow.send(found)
    except StopIteration as done:
        result: Result = done.value
        return result

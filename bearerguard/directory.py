"""Who is who: the issuers of a guard by name, and the answers to what the flow asks about them."""

from collections.abc import Iterator, Sequence

from bearerguard.configuration import Configuration, configure
from bearerguard.core import signature
from bearerguard.core.issuer_patterns import IssuerPatterns
from bearerguard.core.key_set import Key
from bearerguard.core.policy import AKP_ALGORITHMS, ASYMMETRIC_ALGORITHMS
from bearerguard.core.queries import (
    IntrospectionQuery,
    KeyQuery,
    Query,
    RevocationQuery,
    StatusQuery,
)
from bearerguard.core.revocation import Limits
from bearerguard.core.trust import Trust
from bearerguard.drivers import Answered
from bearerguard.errors import ConfigurationError, UnavailableError
from bearerguard.introspection.introspector import Introspector
from bearerguard.issuer import Issuer
from bearerguard.issuers import KnownIssuer, Means
from bearerguard.log import log_start, logger
from bearerguard.protected_resource import Members, problems_of_resource
from bearerguard.resolver import Resolve, Resolver
from bearerguard.scope_hierarchy import read_hierarchy
from bearerguard.settings import Source
from bearerguard.shadow_settings import read_shadow
from bearerguard.stores.base import Store
from bearerguard.stores.memory import MemoryStore


class Directory:
    """The configured issuers, and those that are resolved when a token first names them."""

    def __init__(
        self,
        configuration: Configuration,
        means: Means,
        resolve: Resolve | None,
        allowed: Sequence[str],
    ) -> None:
        known = [KnownIssuer(settings, means) for settings in configuration.issuers]
        self._configured = {one.settings.issuer: one for one in known}
        self._settings = configuration.settings
        self.store: Store = MemoryStore(means.clock)
        self._resolver: Resolver | None = None
        if resolve is not None:

            def take(issuer: Issuer) -> KnownIssuer:
                known = KnownIssuer(configuration.of_issuer(issuer), means)
                log_start(known.settings, known.policy)
                return known

            self._resolver = Resolver(resolve, take, means.key_clock)
        self.trust = Trust.of(
            [one.policy for one in known],
            allowed,
            configuration.settings.max_token_bytes,
            http_allowed=configuration.settings.allow_http,
        )

    @property
    def may_grow(self) -> bool:
        """Whether there can be issuers that no setting names."""
        return self._resolver is not None

    def configured(self) -> list[KnownIssuer]:
        """Give the issuers that settings name."""
        return list(self._configured.values())

    def all(self) -> list[KnownIssuer]:
        """Give every issuer that is known now."""
        resolved = [] if self._resolver is None else self._resolver.known()
        return [*self._configured.values(), *resolved]

    def limits_of(self, issuer: str) -> Limits:
        """Give what bounds the life of an issuer's tokens, as far as that is known now."""
        try:
            policy = self._known(issuer).policy
        except UnavailableError:
            return Limits(self._settings.leeway, self._settings.max_token_age)
        return Limits(policy.leeway_s, policy.max_age_s)

    def answer(self, query: Query) -> Answered:
        """Give what the flow asks for; this may wait.

        Raises:
            RejectedError: "key_unknown", "status_uri_not_allowed".
            UnavailableError: nobody can tell at the moment.
            RuntimeError: waiting would stop the event loop that this thread runs.
        """
        if isinstance(query, KeyQuery):
            return self._known(query.issuer).keys.keys(query.kid, query.tried)
        if isinstance(query, IntrospectionQuery):
            return self._introspector(query.issuer).answer(query.raw)
        if isinstance(query, RevocationQuery):
            return self.store.read_marks(query.issuer, query.names)
        if isinstance(query, StatusQuery):
            return self._known(query.issuer).status_lists.find(query.uri)
        known = None if self._resolver is None else self._resolver.find(query.issuer)
        return None if known is None else known.policy

    def at_once(self, query: KeyQuery) -> Sequence[Key] | None:
        """Give the keys that are there and need nothing done; nothing where one has to ask."""
        known = self._configured.get(query.issuer)
        return None if known is None or query.tried else known.keys.at_once(query.kid)

    def answer_at_once(self, query: Query) -> Answered:
        """Do the same for any question."""
        if isinstance(query, KeyQuery):
            return self.at_once(query)
        if isinstance(query, IntrospectionQuery):
            return self._introspector(query.issuer).at_once(query.raw)
        return None

    async def aanswer(self, query: Query) -> Answered:
        """Do the same as :meth:`answer` from a task; never raises RuntimeError."""
        if isinstance(query, KeyQuery):
            return await self._known(query.issuer).keys.akeys(query.kid, query.tried)
        if isinstance(query, IntrospectionQuery):
            return await self._introspector(query.issuer).aanswer(query.raw)
        if isinstance(query, RevocationQuery):
            return await self.store.aread_marks(query.issuer, query.names)
        if isinstance(query, StatusQuery):
            return await self._known(query.issuer).status_lists.afind(query.uri)
        known = None if self._resolver is None else await self._resolver.afind(query.issuer)
        return None if known is None else known.policy

    def present(self, query: Query) -> Answered:
        """Do the same with what is there, without any fetch or question."""
        if isinstance(query, KeyQuery):
            return self._known(query.issuer).keys.present(query.kid, query.tried)
        if isinstance(query, IntrospectionQuery):
            return self._introspector(query.issuer).present(query.raw)
        if isinstance(query, RevocationQuery):
            return self.store.read_marks(query.issuer, query.names)
        if isinstance(query, StatusQuery):
            return self._known(query.issuer).status_lists.present(query.uri)
        known = None if self._resolver is None else self._resolver.present(query.issuer)
        return None if known is None else known.policy

    def note_good_token(self, issuer: str) -> None:
        """Note whose token was good: an issuer that was resolved is kept while it is in use."""
        if self._resolver is not None:
            self._resolver.verified(issuer)

    def forget_answers(self, issuer: str) -> None:
        """Drop what an issuer said of opaque tokens, where it is asked about any."""
        for known in self.all():
            if known.settings.issuer == issuer and known.introspector is not None:
                known.introspector.forget()

    def _introspector(self, issuer: str) -> Introspector:
        introspector = self._known(issuer).introspector
        if introspector is None:
            raise UnavailableError("this issuer is not asked about opaque tokens")
        return introspector

    def _known(self, issuer: str) -> KnownIssuer:
        known = self._configured.get(issuer)
        if known is None and self._resolver is not None:
            known = self._resolver.present(issuer)
        if known is None:
            raise UnavailableError("this issuer is not known")
        return known


def configured(
    sources: Sequence[Source],
    issuers: Sequence[Issuer],
    resolve: object,
    allowed: Sequence[str],
    *,
    metadata: Members | None = None,
    scope_implies: object = None,
    shadow: object = None,
    now: float | None = None,
) -> Configuration:
    """Check everything that a guard is made of; ``now`` is in seconds since 1970.

    Raises:
        ConfigurationError: naming every problem of all of it.
    """
    problems: list[str] = []
    http_allowed = True  # what cannot be read has had its message
    configuration: Configuration | None = None
    try:
        configuration = configure(*sources, issuers=issuers, resolves=resolve is not None, now=now)
        http_allowed = configuration.settings.allow_http
    except ConfigurationError as error:
        problems += error.problems
    problems += _problems_of_resolver(resolve, allowed, http_allowed=http_allowed)
    for read, value in ((read_hierarchy, scope_implies), (read_shadow, shadow)):
        try:
            read(value)
        except ConfigurationError as error:
            problems += error.problems
    problems += problems_of_resource(None if problems else configuration, allowed, metadata)
    if problems or configuration is None:
        raise ConfigurationError(*problems)
    return configuration


def _problems_of_resolver(
    resolve: object, allowed: Sequence[str], *, http_allowed: bool
) -> Iterator[str]:
    if resolve is None:
        if allowed:
            yield "issuers_allowed is for resolve_issuer, which is not set; set both"
        return
    if not callable(resolve):
        yield "resolve_issuer is no function; write one that takes an issuer's name"
    try:
        IssuerPatterns.of(allowed, http_allowed=http_allowed)
    except ConfigurationError as error:
        yield from error.problems


def supported_algorithms(configuration: Configuration) -> tuple[str, ...]:
    """Leave ML-DSA out where it is only a default that this machine's OpenSSL cannot serve."""
    if signature.ml_dsa_is_supported():
        return ASYMMETRIC_ALGORITHMS
    if any(one.algorithms is None and one.secret is None for one in configuration.issuers):
        logger.warning("this OpenSSL has no ML-DSA: %s are not accepted", ", ".join(AKP_ALGORITHMS))
    return tuple(alg for alg in ASYMMETRIC_ALGORITHMS if alg not in AKP_ALGORITHMS)

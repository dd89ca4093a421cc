"""The guard: settings in, decisions out. The only door from the frameworks to the rest.

What is decided, and in which order, stands in :mod:`bearerguard.core.flow`.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bearerguard.admitting import Admitting
from bearerguard.configuration import Configuration
from bearerguard.core.access import Access
from bearerguard.core.access_token import AccessToken, copy_of
from bearerguard.core.challenge import INSUFFICIENT_AUTHENTICATION, Answer, answer_to
from bearerguard.core.flow import decide
from bearerguard.core.known_token import KnownToken
from bearerguard.core.standing import check_standing
from bearerguard.deciding import decisions_of
from bearerguard.directory import Directory, configured, supported_algorithms
from bearerguard.drivers import adrive, drive
from bearerguard.errors import RejectedError, UnavailableError
from bearerguard.events import OnEvent
from bearerguard.issuer import Issuer
from bearerguard.issuers import Means
from bearerguard.jwks.fetch import Fetcher
from bearerguard.key_log import logged
from bearerguard.log import log_start
from bearerguard.protected_resource import protected_resource
from bearerguard.resolver import Resolve
from bearerguard.revoking import Revoking
from bearerguard.scope_hierarchy import read_hierarchy
from bearerguard.settings import Source, from_arguments, from_environment
from bearerguard.stores.verified import VerifiedTokens
from bearerguard.watching import Watched

Clock = Callable[[], float]


class Guard(Admitting, Revoking, Watched):
    """Verifies access tokens for one API. Safe to share between threads, tasks and event loops.

    The arguments are the settings of :class:`bearerguard.settings.Settings`, in lower case and
    without the prefix; the environment is not read (that is :meth:`from_env`). Beside them:

    ``issuers``: several issuers, each a :class:`bearerguard.Issuer` with settings of its own.
    ``resolve_issuer``: a function, sync or async, from the name of an issuer to an Issuer or None,
    asked about those names only that ``issuers_allowed`` lists, exactly or as templates such as
    ``https://login.example/{tenant}``.
    ``metadata``: further members of the metadata of ``resource`` (RFC 9728 section 2).
    ``scope_implies``: which scope stands for which others, as ``{"admin": ["read"]}``.
    ``on_event``: a function that is told of every value of :mod:`bearerguard.events`.
    ``shadow``: settings of a stricter policy, of which :meth:`shadow_report` tells what it would
    refuse (docs/report-mode.md).
    ``fetcher`` replaces the HTTP client, ``clock`` the source of the present time in seconds since
    1970; then it also tells the age of keys, so that tests can simulate time.

    Raises:
        ConfigurationError: naming every problem of the settings.
    """

    def __init__(
        self,
        configuration: Configuration | None = None,
        /,
        *,
        issuers: Sequence[Issuer] = (),
        resolve_issuer: Resolve | None = None,
        issuers_allowed: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        scope_implies: Mapping[str, Sequence[str]] | None = None,
        fetcher: Fetcher | None = None,
        clock: Clock = time.time,
        on_event: OnEvent | None = None,
        shadow: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        if configuration is None:
            sources = [from_arguments(settings)]
            more: dict[str, Any] = {"metadata": metadata, "scope_implies": scope_implies}
            more |= {"shadow": shadow, "now": clock()}
            configuration = configured(sources, issuers, resolve_issuer, issuers_allowed, **more)
        elif settings or issuers or not isinstance(configuration, Configuration):
            raise TypeError("settings have names: write Guard(issuer=..., audience=...)")
        self.settings = configuration.settings
        self.clock = clock
        # The audience of the first issuer, where there are several with audiences of their own.
        self._realm = next(iter(configuration.issuers), self.settings).challenge_realm()
        supported = supported_algorithms(configuration)
        implied = read_hierarchy(scope_implies)
        means = Means(fetcher, clock, logged(on_event), supported, implied)
        self.issuers = Directory(configuration, means, resolve_issuer, issuers_allowed)
        self.trust = self.issuers.trust
        self.resource = protected_resource(configuration, issuers_allowed, metadata)
        self._marks = self.issuers.store
        self._verified = VerifiedTokens(self.settings.token_cache)
        for known in self.issuers.all():
            log_start(known.settings, known.policy)
        self._decisions = decisions_of(self.settings, self.issuers, means, on_event, shadow)

    @classmethod
    def from_env(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        app_config: Source | None = None,
        issuers: Sequence[Issuer] = (),
        resolve_issuer: Resolve | None = None,
        issuers_allowed: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        scope_implies: Mapping[str, Sequence[str]] | None = None,
        fetcher: Fetcher | None = None,
        clock: Clock = time.time,
        on_event: OnEvent | None = None,
        shadow: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> "Guard":
        """Make a guard from arguments, an app's configuration and the environment, in this order.

        Raises:
            ConfigurationError: naming every problem of the settings.
        """
        environment = from_environment(os.environ if environ is None else environ)
        sources = [*filter(None, [from_arguments(settings), app_config]), environment]
        more: dict[str, Any] = {"metadata": metadata, "scope_implies": scope_implies}
        more |= {"shadow": shadow}
        checked = {**more, "now": clock()}
        configuration = configured(sources, issuers, resolve_issuer, issuers_allowed, **checked)
        return cls(
            configuration,
            resolve_issuer=resolve_issuer,
            issuers_allowed=issuers_allowed,
            fetcher=fetcher,
            clock=clock,
            on_event=on_event,
            **more,
        )

    @property
    def has_one_issuer(self) -> bool:
        """Whether every token comes from the same issuer, so that its subject alone is a name."""
        return self.trust.only is not None

    def verify(self, raw: str) -> AccessToken:
        """Verify one access token.

        Raises:
            RejectedError: the token is not good for this API.
            UnavailableError: the issuer's keys cannot be had.
            RuntimeError: the issuer must be asked first, and this thread runs an event loop.
        """
        digest = self._verified.digest_of(raw)
        known = self._verified.find(digest)
        if known is None or not self._holds_at_once(known):
            found = decide(raw, self.trust, self.clock(), self.issuers.at_once, known)
            if not isinstance(found, KnownToken):
                decided = drive(found, self.issuers.answer)
                if isinstance(decided, AccessToken):  # an opaque one: its issuer's word is kept
                    return decided
                found = decided
            self._note(found, known, digest)
            known = found
        if self._marks.in_use or known.status is not None:
            drive(check_standing(known, self.clock()), self.issuers.answer)
        return copy_of(known.token)

    async def averify(self, raw: str) -> AccessToken:
        """Verify one access token without blocking the event loop; otherwise as :meth:`verify`."""
        digest = self._verified.digest_of(raw)
        known = self._verified.find(digest)
        if known is None or not self._holds_at_once(known):
            found = decide(raw, self.trust, self.clock(), self.issuers.at_once, known)
            if not isinstance(found, KnownToken):
                issuers = self.issuers
                decided = await adrive(found, issuers.answer_at_once, issuers.aanswer)
                if isinstance(decided, AccessToken):
                    return decided
                found = decided
            self._note(found, known, digest)
            known = found
        if self._marks.in_use or known.status is not None:
            standing = check_standing(known, self.clock())
            await adrive(standing, self.issuers.answer_at_once, self.issuers.aanswer)
        return copy_of(known.token)

    def answer(self, refusal: RejectedError | UnavailableError, access: Access) -> Answer:
        """Write the answer to a refused request (RFC 6750 section 3)."""
        needed = access.need.scopes() if access.need is not None else ()
        scopes = tuple(dict.fromkeys((*self.settings.required_scopes, *needed)))
        authentication = None
        if access.need is not None and refusal.error == INSUFFICIENT_AUTHENTICATION:
            authentication = access.need.authentication()
        url = None if self.resource is None else self.resource.metadata_url
        return answer_to(
            refusal, self._realm, scopes, authentication=authentication, metadata_url=url
        )

    def _holds_at_once(self, known: KnownToken) -> bool:
        """Tell whether a token is still good by fresh keys, as nearly always; else it is decided.

        This waits for nobody and refuses nothing.
        """
        policy = self.trust.policies.get(known.query.issuer)
        return known.holds(policy, self.issuers.at_once(known.query), self.clock())

    def _note(self, found: KnownToken, known: KnownToken | None, digest: bytes | None) -> None:
        if found is not known:
            self._verified.keep(digest, found)
        self.issuers.note_good_token(found.query.issuer)

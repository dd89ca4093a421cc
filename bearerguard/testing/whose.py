"""For whom a test's tokens are: the guard of one application, or the one that is there.

An application that is built only at the first request, as Starlette does it, has no guard yet when
a test makes its first token. Then the environment says what the guard is going to say.
"""

import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bearerguard import issuers
from bearerguard.core.policy import Policy
from bearerguard.directory import configured, supported_algorithms
from bearerguard.errors import ConfigurationError
from bearerguard.guard import Guard
from bearerguard.issuers import KnownIssuer
from bearerguard.settings import Settings, from_environment
from bearerguard.testing.environment import TEST_AUDIENCE, TEST_ISSUER
from bearerguard.testing.written_for import sample_for

HOW_TO_CHOOSE = "say whose tokens you want: bearer.at(app)(...), or bearer(..., issuer=...)"


@dataclass(frozen=True)
class Addressee:
    """Who takes a token: the rules, the audience to name, and the secret where there is one."""

    policy: Policy
    audience: str | list[str]
    secret: bytes | None = None


def addressee(
    guards: Sequence[Guard], issuer: str | None = None, audience: str | None = None
) -> Addressee:
    """Find for whom a token is: one of these guards, or of those that are there.

    ``issuer`` and ``audience`` choose among several; what no guard knows is taken as it stands.

    Raises:
        ValueError: there are several to choose from, and nobody said which.
    """
    found = _among(guards, issuer) if guards else _live(issuer)
    if not found:
        found = [_of_environment(issuer, audience)]
    first = found[0]
    audiences = list(dict.fromkeys(one.policy.audiences[0] for one in found))
    named = audiences[0] if len(audiences) == 1 else audiences
    secret = first.secret
    policy = first.policy
    if audience is not None:
        policy = replace(policy, audiences=(audience, *policy.audiences))
    return Addressee(policy, audience or named, secret)


def _among(guards: Sequence[Guard], issuer: str | None) -> list[Addressee]:
    """All issuers of an application are as good as the first."""
    known = [one for guard in guards for one in guard.issuers.all()]
    return [_of(one) for one in known if issuer in (None, one.policy.issuer)][:1]


def _live(issuer: str | None) -> list[Addressee]:
    found = _choice(issuer)
    if len({one.policy.issuer for one in found}) > 1:
        gc.collect()  # of the applications of earlier tests
        found = _choice(issuer)
    names = sorted({f"{one.policy.issuer}" for one in found})
    if len(names) > 1:
        raise ValueError(f"there are guards for {', '.join(names)}; {HOW_TO_CHOOSE}")
    newest_first = sorted(found, key=lambda one: -one.number)
    # Of one name the newest counts, and those beside it that take the very same tokens.
    alike = [one for one in newest_first if _kind(one) == _kind(newest_first[0])]
    return [_of(one) for one in reversed(alike)]


def _choice(issuer: str | None) -> list[KnownIssuer]:
    """Give those of one name: the one asked for, that of the environment, else one of a guard."""
    live = list(issuers.LIVE_ISSUERS)
    wanted = {issuer} if issuer else set(os.environ.get("BEARERGUARD_ISSUER", "").split(","))
    named = [one for one in live if one.policy.issuer in wanted]
    if named or issuer:
        live = named
    # The issuers of one guard share their means, and any of them will do.
    least = {id(one.means): min(_names(live, one)) for one in live}
    return [one for one in live if one.policy.issuer == least[id(one.means)]]


def _names(live: Sequence[KnownIssuer], of: KnownIssuer) -> set[str]:
    return {one.policy.issuer or "" for one in live if one.means is of.means}


def _kind(known: KnownIssuer) -> object:
    """Say what kind of token is taken; the audience is no matter, because all can be named."""
    return (sample_for(known.policy), known.policy.algorithms, known.settings.secret)


def _of(known: KnownIssuer) -> Addressee:
    return _of_settings(known.settings, known.policy)


def _of_settings(settings: Settings, policy: Policy) -> Addressee:
    secret = None if settings.secret is None else settings.secret.value
    return Addressee(policy, policy.audiences[0], secret)


def _of_environment(issuer: str | None, audience: str | None) -> Addressee:
    try:
        configuration = configured([from_environment(os.environ)], (), None, ())
        settings = configuration.issuers[0]
        supported = supported_algorithms(configuration)
    except ConfigurationError:
        settings = Settings(issuer=issuer or TEST_ISSUER, audience=(audience or TEST_AUDIENCE,))
        supported = ("RS256", "ES256")
    if issuer is not None and issuer != settings.issuer:
        settings = Settings(issuer=issuer, audience=settings.audience)
    return _of_settings(settings, settings.policy(supported))

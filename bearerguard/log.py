"""What goes to the log: reasons and facts, never a token.

Lines about requests and the start are written by the standard library's logger "bearerguard", those
about an issuer's keys by its child "bearerguard.keys". A start, a refusal and an event also carry
their facts as ``record.bearerguard``, a dict with stable names: docs/observability.md lists them.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bearerguard.core.hints import hint_for
from bearerguard.core.provider_hosts import guess_of_path
from bearerguard.core.request import RequestView
from bearerguard.errors import RejectedError, UnavailableError
from bearerguard.policies import relaxations

if TYPE_CHECKING:
    from bearerguard.core.policy import Policy
    from bearerguard.settings import Settings

logger = logging.getLogger("bearerguard")

# A fact may come from a token: as long as an issuer's URL, no longer.
LONGEST_FACT = 200


def log_start(settings: "Settings", policy: "Policy") -> None:
    """Say what is in force, and what may surprise."""
    algorithms = ", ".join(sorted(policy.algorithms))
    api = ", ".join(settings.audience)
    profile = f"profile {settings.profile_in_force()}, as PROFILE={settings.profile} says"
    facts = {
        "event": "start",
        "issuer": settings.issuer,
        "audience": list(settings.audience),
        "profile": settings.profile_in_force(),
        "algorithms": sorted(policy.algorithms),
    }
    told = {"bearerguard": facts}
    logger.info("guarding %s for tokens of %s, %s", api, settings.issuer, profile, extra=told)
    logger.info("algorithms allowed: %s", algorithms)
    if settings.profile == "auto" and settings.profile_in_force() == "rfc9068":
        logger.info(
            "no provider is known by the host of %s, so that its tokens must follow RFC 9068; "
            "where they do not, set PROFILE=%s",
            settings.issuer,
            guess_of_path(settings.issuer) or "jwt, or the provider's name",
        )
    relaxed = relaxations(policy.profile)
    if relaxed:
        logger.info("%s: %s", settings.issuer, relaxed)
    if policy.profile.takes_id_tokens:
        logger.warning("%s: ID tokens are taken", settings.issuer)
    if settings.introspects:
        where = settings.introspection_uri or "the endpoint that its metadata name"
        logger.info("asking about opaque tokens of %s: %s", settings.issuer, where)
    if settings.allow_http:
        logger.warning("allow_http is on: whoever is on the way can replace the issuer's keys")
    for audience in settings.audience:
        if "://" in audience and "?" in audience:
            logger.warning("audience %r has a query: RFC 8707 section 2 advises against", audience)


def log_refusal(
    refusal: RejectedError | UnavailableError, request: RequestView, *, enforced: bool = True
) -> None:
    """Write the one log line of a refused request: the reason and facts, never the token.

    Of one that passes all the same (MODE), "would refuse", and ``enforced`` is False among the
    facts.
    """
    level = logging.INFO if isinstance(refusal, RejectedError) else logging.WARNING
    if not logger.isEnabledFor(level):
        return
    facts: dict[str, object] = {
        "reason": refusal.reason,
        "status": refusal.status,
        "method": request.method[:16],
        "path": request.path[:LONGEST_FACT],
    }
    if isinstance(refusal, RejectedError):
        facts["expected"] = short(refusal.expected)
        facts["found"] = short(refusal.found)
        facts["hint"] = hint_for(refusal)
    else:
        facts["found"] = short(refusal.detail)
    text = "refused: %s"
    if not enforced:
        text, facts["enforced"] = "would refuse: %s", False
    # As logger.log() does, but for the search for its caller, which is always this line.
    where = (__file__, 0, text, (line(facts),), None, "log_refusal")
    logger.handle(logger.makeRecord(logger.name, level, *where, {"bearerguard": facts}))


def line(facts: Mapping[str, object]) -> str:
    """Write each value with !r: a line break in a claim must not begin a line of its own."""
    return " ".join([f"{name}={value!r}" for name, value in facts.items() if value is not None])


def short(fact: object) -> str | None:
    """Shorten a fact; what comes out of a token may be as long as a token."""
    return None if fact is None else str(fact)[:LONGEST_FACT]

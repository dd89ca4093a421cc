"""What a route needs of a token, and how that is enforced: the names for everybody else."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bearerguard.core.need import (
    AllOf,
    AnyOf,
    Check,
    Custom,
    Need,
    NeedLike,
    Scope,
    all_of,
    any_of,
    authenticated,
    both,
    need_of,
    needs_of,
    scope,
)
from bearerguard.core.need_kinds import Claim, Role, StepUp, claim, role, step_up
from bearerguard.errors import RejectedError

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken

__all__ = [
    "AllOf",
    "AnyOf",
    "Check",
    "Claim",
    "Custom",
    "Need",
    "NeedLike",
    "Role",
    "Scope",
    "StepUp",
    "all_of",
    "any_of",
    "authenticated",
    "both",
    "check_need",
    "check_scopes",
    "claim",
    "need_of",
    "needs_of",
    "role",
    "scope",
    "step_up",
]


def check_need(need: Need, token: "AccessToken", now: float) -> None:
    """Enforce a need.

    Where a better authentication is in the way the client is sent for that first, whatever else is
    short: RFC 9470 section 3 makes it a 401 with all that a new token has to bring.
    Source: RFC 6750 section 3.1, RFC 9068 section 4, RFC 9470 section 3.
    Refuses: "scope_insufficient", "authentication_too_weak", "authentication_too_old".
    """
    if need.satisfied_by(token, now) is True:
        return
    reason = need.shortfall(token, now)
    if reason is None:
        found: object = sorted(token.scopes | token.roles)
        raise RejectedError("scope_insufficient", expected=str(need), found=found)
    found = f"acr {token.acr!r}, auth_time {token.auth_time!r} at {now:.0f}"
    raise RejectedError(reason, expected=str(need), found=found)


def check_scopes(names: Iterable[str], token: "AccessToken") -> None:
    """Enforce the scopes that every route needs, which hold as long as the token does.

    Refuses: "scope_insufficient".
    """
    if not token.scopes.issuperset(names):
        found = sorted(token.scopes | token.roles)
        raise RejectedError("scope_insufficient", expected=str(all_of(*names)), found=found)

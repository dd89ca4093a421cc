"""The claim rules about time, and for how long a token that passed them is good.

Source: RFC 7519 sections 2, 4.1.4 to 4.1.6, RFC 9068 section 2.2.1.
"""

from collections.abc import Mapping
from typing import Any

from bearerguard.core.pointer import ABSENT
from bearerguard.core.policy import Policy
from bearerguard.errors import RejectedError

Claims = Mapping[str, Any]

NUMBER = (int, float)
# 9999-12-31T23:59:59Z, the last second that RFC 3339 and datetime can express: a larger number
# would pass here and break the application's arithmetic.
LAST_SECOND = 253402300799


def check_expiry(claims: Claims, policy: Policy, now: float) -> None:
    """Now must be before exp; exactly at exp the token is expired.

    Source: RFC 7519 section 4.1.4, RFC 9068 section 4.
    Refuses: "claim_missing", "claim_malformed", "expired".
    """
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise RejectedError("claim_missing", expected="exp")
    if now >= expires_at + policy.leeway_s:
        raise RejectedError("expired", expected=f"exp after {now:.0f}", found=expires_at)


def check_not_before(claims: Claims, policy: Policy, now: float) -> None:
    """Now must be at or after nbf.

    Source: RFC 7519 section 4.1.5.
    Refuses: "claim_malformed", "not_yet_valid".
    """
    not_before = _time(claims, "nbf")
    if not_before is not None and now < not_before - policy.leeway_s:
        raise RejectedError("not_yet_valid", expected=f"nbf up to {now:.0f}", found=not_before)


def check_issued_at(claims: Claims, policy: Policy, now: float) -> None:
    """A token cannot come from the future, nor be older than the operator allows.

    Source: RFC 7519 section 4.1.6; the refusal of a future iat and the greatest age are ours.
    Refuses: "claim_malformed", "claim_missing", "issued_in_the_future", "too_old".
    """
    issued_at = _time(claims, "iat")
    if issued_at is None:
        if policy.max_age_s is not None:
            raise RejectedError("claim_missing", expected="iat")
        return
    if now < issued_at - policy.leeway_s:
        raise RejectedError(
            "issued_in_the_future", expected=f"iat up to {now:.0f}", found=issued_at
        )
    if policy.max_age_s is not None and now >= issued_at + policy.max_age_s + policy.leeway_s:
        raise RejectedError("too_old", expected=f"{policy.max_age_s} s at most", found=issued_at)


def check_auth_time(claims: Claims, policy: Policy, _now: float) -> None:
    """The time of the user's authentication is a number, where it is given.

    Source: RFC 9068 section 2.2.1, OpenID Connect Core section 2.
    Refuses: "claim_malformed".
    """
    if "auth_time" not in policy.profile.unread_claims:
        _time(claims, "auth_time")


def validity(claims: Claims, policy: Policy) -> tuple[float, float]:
    """Give the times between which the rules above let these claims pass: from, and until before.

    For claims that passed them once, so that all of these are numbers.
    """
    valid_from = max(claims.get("nbf", 0), claims.get("iat", 0)) - policy.leeway_s
    valid_until = claims["exp"] + policy.leeway_s
    if policy.max_age_s is not None:
        valid_until = min(valid_until, claims["iat"] + policy.max_age_s + policy.leeway_s)
    return valid_from, valid_until


def _time(claims: Claims, name: str) -> float | None:
    """Read a NumericDate: seconds since 1970, a JSON number and nothing else (RFC 7519 2)."""
    value = claims.get(name, ABSENT)
    if value is ABSENT:
        return None
    # bool is an int in Python, and is not a number in JSON.
    if isinstance(value, bool) or not isinstance(value, NUMBER):
        raise RejectedError("claim_malformed", expected=f"{name} as a number")
    if not 0 <= value <= LAST_SECOND:
        raise RejectedError("claim_malformed", expected=f"{name} from 1970 to 9999")
    return value

"""The three ways to fail, told apart by whose fault it is, and the table of reasons.

* :class:`RejectedError`: the caller's fault. The answer is 400, 401 or 403.
* :class:`UnavailableError`: the issuer's or the network's. The answer is 503, because a good
  token must not be thrown away when nobody can know whether it is good.
* :class:`ConfigurationError`: the operator's. The application does not start.

A reason is a stable name for logs, metrics and ``except`` blocks. What a client sees is one of the
few fixed texts below: text out of a token never reaches an answer.
"""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "REASONS",
    "BearerguardError",
    "ConfigurationError",
    "RejectedError",
    "UnavailableError",
]


class Kind(NamedTuple):
    """What a group of reasons looks like from outside (RFC 6750 section 3.1)."""

    status: int
    error: str | None
    description: str | None


# RFC 6750 section 3.1: a request without credentials is told nothing but how to authenticate.
ANONYMOUS = Kind(401, None, None)
MALFORMED_REQUEST = Kind(400, "invalid_request", "The request carries malformed credentials")
INVALID_TOKEN = Kind(401, "invalid_token", "The access token is not valid for this resource")
# The one difference that a caller without a valid signature may see: RFC 6750 section 3 itself
# gives this text, and clients refresh on it.
EXPIRED_TOKEN = Kind(401, "invalid_token", "The access token expired")
INSUFFICIENT_SCOPE = Kind(
    403, "insufficient_scope", "The access token does not allow this operation"
)
# RFC 9470 section 3 gives both texts.
WEAK_AUTHENTICATION = Kind(
    401, "insufficient_user_authentication", "A different authentication level is required"
)
OLD_AUTHENTICATION = Kind(
    401, "insufficient_user_authentication", "More recent authentication is required"
)

REASONS: dict[str, Kind] = {
    "no_credentials": ANONYMOUS,
    "credentials_malformed": MALFORMED_REQUEST,
    "credentials_repeated": MALFORMED_REQUEST,
    "token_too_large": INVALID_TOKEN,
    "token_malformed": INVALID_TOKEN,
    "token_encrypted": INVALID_TOKEN,
    "header_malformed": INVALID_TOKEN,
    "extension_not_supported": INVALID_TOKEN,
    "type_mismatch": INVALID_TOKEN,
    "algorithm_not_allowed": INVALID_TOKEN,
    "claims_malformed": INVALID_TOKEN,
    "expired": EXPIRED_TOKEN,
    "not_yet_valid": INVALID_TOKEN,
    "issued_in_the_future": INVALID_TOKEN,
    "too_old": INVALID_TOKEN,
    "issuer_missing": INVALID_TOKEN,
    "issuer_mismatch": INVALID_TOKEN,
    "audience_missing": INVALID_TOKEN,
    "audience_mismatch": INVALID_TOKEN,
    "key_unknown": INVALID_TOKEN,
    "key_unsuitable": INVALID_TOKEN,
    "signature_invalid": INVALID_TOKEN,
    "claim_missing": INVALID_TOKEN,
    "claim_malformed": INVALID_TOKEN,
    "wrong_kind_of_token": INVALID_TOKEN,
    "token_bound": INVALID_TOKEN,
    "client_not_allowed": INVALID_TOKEN,
    "claim_mismatch": INVALID_TOKEN,
    "key_of_another_issuer": INVALID_TOKEN,
    "status_not_supported": INVALID_TOKEN,
    "status_uri_not_allowed": INVALID_TOKEN,
    "status_unknown": INVALID_TOKEN,
    "suspended": INVALID_TOKEN,
    "revoked": INVALID_TOKEN,
    "token_inactive": INVALID_TOKEN,
    "scheme_mismatch": INVALID_TOKEN,
    "scope_insufficient": INSUFFICIENT_SCOPE,
    "no_rule_for_path": INSUFFICIENT_SCOPE,
    "authentication_too_weak": WEAK_AUTHENTICATION,
    "authentication_too_old": OLD_AUTHENTICATION,
}


class BearerguardError(Exception):
    """The base of everything that bearerguard raises on purpose."""


class RejectedError(BearerguardError):
    """The caller's credentials are missing, malformed, invalid or not enough.

    ``reason`` is a key of :data:`REASONS`; ``error`` the OAuth error code, or None when the request
    carried no credentials (RFC 6750 section 3.1); ``status`` 400, 401 or 403. ``expected`` and
    ``found`` are facts for the operator's log, never the token and never shown to the caller.
    """

    def __init__(self, reason: str, *, expected: object = None, found: object = None) -> None:
        self._kind = REASONS[reason]
        super().__init__(reason)
        self.reason = reason
        self.expected = expected
        self.found = found

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self._kind.status

    @property
    def error(self) -> str | None:
        """The OAuth error code, RFC 6750 section 3.1."""
        return self._kind.error

    @property
    def description(self) -> str | None:
        """The fixed text that a caller may see."""
        return self._kind.description


class UnavailableError(BearerguardError):
    """The issuer or the network is at fault, so nobody knows whether the token is good.

    ``retry_after`` is the number of whole seconds, 1 to 60, after which to try again.
    """

    status = 503
    error = "temporarily_unavailable"
    description = "The access token cannot be checked at the moment"
    reason = "issuer_unavailable"

    def __init__(self, detail: str, *, retry_after: float = 1) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = min(60, max(1, int(retry_after) + (retry_after % 1 > 0)))


class ConfigurationError(BearerguardError):
    """The operator's settings or routes cannot be used; ``problems`` names every one of them."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)  # pickle makes another one of these
        self.problems: Sequence[str] = problems

    def __str__(self) -> str:
        return "bearerguard cannot start:\n" + "\n".join(f"  - {p}" for p in self.problems)

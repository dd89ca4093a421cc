"""The tokens that everybody gets: access tokens as an authorization server writes them."""

from typing import Any

from bearerguard.guard import Guard
from bearerguard.testing import Issuer

ISSUER = "https://login.example/tenants/7d1f0c52"
AUDIENCE = "https://api.example/orders"
SCOPE = "orders:read orders:write invoices:read profile"
# With these an RS256 token of the rfc9068 profile has about 1.1 kB.
CLAIMS: dict[str, Any] = {
    "sub": "5f2b8f0e-9d43-4c1b-8f57-2f6f0f7f1c11",
    "client_id": "0b9b3a7e-2c5f-4c8e-9f0a-6a1d0f6f3c22",
    "name": "Augusta Ada King",
    "email": "ada.king@customer.example",
    "tid": "7d1f0c52-2c5f-4c8e-9f0a-6a1d0f6f3c33",
    "roles": ["buyer", "approver", "auditor"],
}
# A run that pauses must not end in expired tokens.
LIFETIME_S = 86400


def issuer_of(alg: str = "RS256") -> Issuer:
    """Make an issuer in memory, with one key."""
    return Issuer(ISSUER, audience=AUDIENCE, alg=alg)


def token(issuer: Issuer, **changes: Any) -> str:
    """Sign a token that nobody has seen before; ``changes`` as for ``Issuer.token``."""
    expiry = {"exp": int(issuer.clock()) + LIFETIME_S}
    return issuer.token(**({"scope": SCOPE} | CLAIMS | expiry | changes))


def warm_guard(issuer: Issuer, **settings: Any) -> Guard:
    """Make a guard that has its keys."""
    guard = issuer.guard(**settings)
    for key in issuer.keys:
        guard.verify(token(issuer, key=key))
    return guard


def in_batches(items: list[Any], size: int) -> list[list[tuple[Any, ...]]]:
    """Cut a list into batches for :func:`benchmarks.speed.rounds.fastest`, one argument a call."""
    return [[(item,) for item in items[at : at + size]] for at in range(0, len(items), size)]

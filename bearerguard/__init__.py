"""OAuth 2.0 resource-server middleware for Python web APIs, ASGI and WSGI.

Nothing is loaded before it is used (PEP 562): ``import bearerguard`` brings in no framework, no
HTTP client and no cryptography.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken
    from bearerguard.core.needs import (
        Need,
        all_of,
        any_of,
        authenticated,
        claim,
        role,
        scope,
        step_up,
    )
    from bearerguard.errors import ConfigurationError, RejectedError, UnavailableError
    from bearerguard.guard import Guard
    from bearerguard.issuer import Issuer

__all__ = [
    "AccessToken",
    "ConfigurationError",
    "Guard",
    "Issuer",
    "Need",
    "RejectedError",
    "UnavailableError",
    "all_of",
    "any_of",
    "authenticated",
    "claim",
    "role",
    "scope",
    "step_up",
]
__version__ = "0.1.0"

_HOME = {
    "AccessToken": "bearerguard.core.access_token",
    "Guard": "bearerguard.guard",
    "Issuer": "bearerguard.issuer",
    "ConfigurationError": "bearerguard.errors",
    "RejectedError": "bearerguard.errors",
    "UnavailableError": "bearerguard.errors",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'bearerguard' has no attribute {name!r}")
    module = import_module(_HOME.get(name, "bearerguard.core.needs"))
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

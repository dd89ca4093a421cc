"""For the tests of guarded applications: an issuer in memory, and tokens that must be refused.

With pytest nothing has to be imported: its plugin brings the fixtures ``bearer``, ``issuer``,
``bearer_bad_tokens``, ``assert_protected`` and ``assert_all_protected`` (docs/testing.md). Without:

    with trust(Issuer()) as issuer:
        bearer = Bearer(issuer)
        assert client.get("/orders", headers=bearer("orders:read")).status_code == 200

Where a guard takes opaque tokens, it asks the issuer about them: ``issuer.opaque_token(...)``.

The tokens are signed and verified for real; nothing in here accepts just anything. Nothing is
loaded before it is used (PEP 562), because pytest loads the plugin in every project.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bearerguard.dev.signing_key import SigningKey
    from bearerguard.testing.admitted import as_token
    from bearerguard.testing.bad_here import BadTokens
    from bearerguard.testing.bearer import Bearer
    from bearerguard.testing.broken import BAD_TOKENS, bad_tokens
    from bearerguard.testing.environment import fill_environment
    from bearerguard.testing.everything import AssertAllProtected
    from bearerguard.testing.protection import AssertProtected
    from bearerguard.testing.simulated import Clock, Issuer
    from bearerguard.testing.trusting import trust

__all__ = [
    "BAD_TOKENS",
    "AssertAllProtected",
    "AssertProtected",
    "BadTokens",
    "Bearer",
    "Clock",
    "Issuer",
    "SigningKey",
    "as_token",
    "bad_tokens",
    "fill_environment",
    "trust",
]

_HOME = {
    "BAD_TOKENS": "bearerguard.testing.broken",
    "AssertAllProtected": "bearerguard.testing.everything",
    "AssertProtected": "bearerguard.testing.protection",
    "BadTokens": "bearerguard.testing.bad_here",
    "Bearer": "bearerguard.testing.bearer",
    "Clock": "bearerguard.testing.simulated",
    "Issuer": "bearerguard.testing.simulated",
    "SigningKey": "bearerguard.dev.signing_key",
    "as_token": "bearerguard.testing.admitted",
    "bad_tokens": "bearerguard.testing.broken",
    "fill_environment": "bearerguard.testing.environment",
    "trust": "bearerguard.testing.trusting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bearerguard.testing' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value

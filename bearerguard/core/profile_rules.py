"""The rules that an issuer's profile and the operator's settings pay with for what they relax.

Who may call is told by the client, by claims that must hold, and by the key itself.
"""

import json
from typing import Any

from bearerguard.core.key_set import Key
from bearerguard.core.pointer import ABSENT, look_up
from bearerguard.core.policy import Policy
from bearerguard.core.profile import Profile
from bearerguard.core.times import Claims
from bearerguard.errors import RejectedError


def check_client(claims: Claims, policy: Policy, _now: float) -> None:
    """The client must be one of those that may call this API, where the operator listed them.

    Source: RFC 9068 section 2.2 (client_id); the other names are the providers' own.
    Refuses: "claim_malformed", "client_not_allowed".
    """
    client = client_of(claims, policy.profile)
    if policy.clients is not None and client not in policy.clients:
        expected = sorted(policy.clients)
        raise RejectedError("client_not_allowed", expected=expected, found=client)


def check_match(claims: Claims, policy: Policy, _now: float) -> None:
    """What the profile or the operator pinned down must stand in the token exactly.

    Source: RFC 9068 section 4, RFC 8725 section 3.12.
    Refuses: "claim_mismatch".
    """
    for path, values in policy.profile.match.items():
        found = look_up(claims, path)
        if _as_text(found) not in values:
            expected = f"{path} as {' or '.join(sorted(values))}"
            raise RejectedError("claim_mismatch", expected=expected, found=_as_text(found))
    for path, beginning in policy.profile.prefixes.items():
        found = look_up(claims, path)
        if not isinstance(found, str) or not found.startswith(beginning):
            expected = f"{path} that begins with {beginning}"
            raise RejectedError("claim_mismatch", expected=expected, found=_as_text(found))


def check_key_issuer(key: Key, policy: Policy) -> None:
    """A key that names an issuer verifies the tokens of that issuer alone.

    Source: Microsoft Entra, which publishes one set of keys for many tenants.
    Refuses: "key_of_another_issuer".
    """
    accepted = policy.key_issuers
    if accepted is not None and key.issuer is not None and key.issuer not in accepted:
        raise RejectedError("key_of_another_issuer", expected=sorted(accepted), found=key.issuer)


def client_of(claims: Claims, profile: Profile) -> str | None:
    """Give the name of the client: the first that stands where this issuer puts it.

    Refuses: "claim_malformed".
    """
    for path in profile.client_claims:
        client = look_up(claims, path)
        if client is not ABSENT:
            if not client or not isinstance(client, str):
                raise RejectedError("claim_malformed", expected=f"{path} as a non-empty string")
            return client
    return None


def _as_text(value: Any) -> str | None:
    """Write a claim as a setting names it; lists and objects equal nothing."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else None

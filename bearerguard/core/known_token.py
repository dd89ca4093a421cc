"""A token that was verified, and what has to be looked at again each time it comes.

The claims and the signature of a token never change, so that one verification is enough. What can
change is the time, the issuer's keys, and who the issuer is.

A token is tied to its key, by id, thumbprint and algorithms, and not to a count of the changes of
the set (a "generation"): the same keys end what is derived from them, and a rotation that leaves a
key where it is does not cost one verification for each token of that key. The price is a comparison
of two keys at each use.
"""

from collections.abc import Sequence
from typing import NamedTuple

from bearerguard.core.access_token import AccessToken, access_token_of
from bearerguard.core.key_set import Key
from bearerguard.core.policy import Policy
from bearerguard.core.queries import KeyQuery
from bearerguard.core.revocation import session_of
from bearerguard.core.signature import MOST_KEYS_TRIED, VerifiedToken
from bearerguard.core.status_list import StatusReference, status_reference
from bearerguard.core.times import validity


class KnownToken(NamedTuple):
    """A token that passed every check, the policy and the key by which it did, and until when.

    ``valid_from`` and ``valid_until`` are seconds since 1970: what the rules about time allow.
    ``session_id`` and ``status`` are by what the token may be revoked: its claim ``sid``, and its
    place in a status list.
    """

    token: AccessToken
    policy: Policy
    key: Key
    query: KeyQuery
    valid_from: float
    valid_until: float
    session_id: str | None = None
    status: StatusReference | None = None

    def holds(self, policy: Policy | None, keys: Sequence[Key] | None, now: float) -> bool:
        """Tell whether the same token would be verified by the same key and policy now.

        ``keys`` are those that its query finds now: a key that was withdrawn, or an issuer that
        nobody could reach for too long, ends what it vouched for.
        """
        return (
            policy is self.policy
            and self.valid_from <= now < self.valid_until
            and keys is not None
            and self.key in keys[:MOST_KEYS_TRIED]  # a new token gets to no other key
        )


def known_token_of(verified: VerifiedToken, policy: Policy, query: KeyQuery) -> KnownToken:
    """Note what came of a verified token whose claims passed every rule.

    Refuses: "claim_malformed", for scopes, roles or a status in a shape that nobody can read;
    "status_not_supported".
    """
    claims = verified.token.claims
    token = access_token_of(verified, policy)
    valid_from, valid_until = validity(claims, policy)
    status = status_reference(claims) if "status" in claims else None
    known = (token, policy, verified.key, query, valid_from, valid_until)
    return KnownToken(*known, session_of(claims), status)

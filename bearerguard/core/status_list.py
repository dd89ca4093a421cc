"""Token Status List: what a token says of its place in a list, and what the list says there. Pure.

Source: draft-ietf-oauth-status-list, sections 4 (the list), 5.1 (its token), 6 (the reference), 7
(the values) and 8.3 (what to check).

A list that cannot be had or is not what it should be is nobody's fault who calls: that is an
UnavailableError. What the token itself says wrong refuses it.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bearerguard.core.claims import check_algorithm
from bearerguard.core.encoding import EncodingError, base64url_decode
from bearerguard.core.policy import Policy
from bearerguard.core.signature import VerifiedToken
from bearerguard.core.token import UnverifiedToken, read_claims, read_header, split
from bearerguard.core.urls import problem_of_url, same_origin
from bearerguard.errors import RejectedError

MEDIA_TYPE = "statuslist+jwt"
SIZES = (1, 2, 4, 8)
# A million statuses of eight bits, or eight million of one.
MOST_OCTETS = 1 << 20
# Such a list that does not compress, in base64url twice, and its signature.
MOST_BYTES = 2 << 20
VALID, INVALID, SUSPENDED = 0, 1, 2
LONGEST_URI = 2048
# What a list is worth that does not say so, and the limits of what it says.
DEFAULT_TTL_S = 300.0
SHORTEST_TTL_S = 1.0
LONGEST_TTL_S = 24 * 3600.0


class StatusReference(NamedTuple):
    """Where the status of a token stands: the URI of the list, and the place in it."""

    uri: str
    place: int


class Statuses(NamedTuple):
    """A list, unpacked: ``bits`` for each status, and the octets that hold them."""

    bits: int
    octets: bytes

    def at(self, index: int) -> int | None:
        """Give the status at a place, or None beyond the end.

        Source: section 4.1: within an octet the first status is in the least significant bits.
        """
        octet, place = divmod(index, 8 // self.bits)
        if octet >= len(self.octets):
            return None
        return self.octets[octet] >> (place * self.bits) & ((1 << self.bits) - 1)


class StatusList(NamedTuple):
    """What came of a status list token, and for how many seconds it may be used."""

    statuses: Statuses
    lifetime_s: float


def status_reference(claims: Mapping[str, Any]) -> StatusReference | None:
    """Read where a token's status stands, or None where it has none.

    A status that we cannot look up refuses the token: its issuer says that it may be revoked.
    Source: sections 6.2 and 8.3.
    Refuses: "claim_malformed", "status_not_supported".
    """
    if "status" not in claims:
        return None
    status = claims["status"]
    if not isinstance(status, dict):
        raise RejectedError("claim_malformed", expected="status as an object")
    if "status_list" not in status:
        raise RejectedError("status_not_supported", expected="status_list", found=sorted(status))
    reference = status["status_list"]
    if not isinstance(reference, dict):
        raise RejectedError("claim_malformed", expected="status_list as an object")
    uri, index = reference.get("uri"), reference.get("idx")
    # bool is an int in Python, and is not a number in JSON.
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise RejectedError("claim_malformed", expected="idx as a whole number, 0 or more")
    if not isinstance(uri, str) or len(uri) > LONGEST_URI:
        raise RejectedError("claim_malformed", expected="uri as a URI")
    return StatusReference(uri, index)


def check_uri(uri: str, hosts: Sequence[str], *, http_allowed: bool) -> None:
    """A list stands where its issuer does, so that no token sends us to our neighbours.

    ``hosts`` are URLs that the operator has configured: the issuer, and the place of its keys.
    Source: section 8.1; RFC 8725 section 3.10.
    Refuses: "status_uri_not_allowed".
    """
    problem = problem_of_url(uri, http_allowed=http_allowed)
    if problem is None and any(same_origin(uri, host) for host in hosts):
        return
    expected = f"a URL with the origin of {' or '.join(hosts)}"
    raise RejectedError("status_uri_not_allowed", expected=expected, found=uri)


def check_status(statuses: Statuses, reference: StatusReference) -> None:
    """The status of a token must be "valid".

    Source: sections 7.1 and 8.3. A value that is the issuer's own is not "valid", and so refused.
    Refuses: "revoked", "suspended", "status_unknown".
    """
    status = statuses.at(reference.place)
    if status == VALID:
        return
    reason = {INVALID: "revoked", SUSPENDED: "suspended"}.get(-1 if status is None else status)
    found = "an index beyond the list" if status is None else f"status {status}"
    raise RejectedError(reason or "status_unknown", expected="status 0", found=found)


def read_list_token(body: bytes, policy: Policy) -> UnverifiedToken:
    """Take a status list token apart.

    Source: section 5.1: ``typ`` must be ``statuslist+jwt``.
    Refuses: what no such token is, by RejectedError.
    """
    parts = split(body.decode("latin-1"))
    header = read_header(parts)
    if header.media_type != MEDIA_TYPE:
        raise RejectedError("type_mismatch", expected=MEDIA_TYPE, found=header.typ)
    check_algorithm(header, policy)
    return read_claims(header, parts)


def status_list_of(verified: VerifiedToken, uri: str, policy: Policy, now: float) -> StatusList:
    """Read a status list token whose signature was good.

    Source: sections 5.1 and 8.3: ``sub`` is the URI from which it came, ``iat`` and the list are
    there, and it has not expired, without any leeway. ``ttl`` counts before HTTP's own headers
    (section 13.7), from a second to a day, and never beyond ``exp``.
    Refuses: what no such token is, by RejectedError.
    """
    claims = verified.token.claims
    if claims.get("sub") != uri:
        raise RejectedError("claim_malformed", expected=f"sub {uri}", found=claims.get("sub"))
    if claims.get("iss", policy.issuer) != policy.issuer:
        raise RejectedError("issuer_mismatch", expected=policy.issuer, found=claims["iss"])
    if "iat" not in claims:
        raise RejectedError("claim_missing", expected="iat")
    if _number(claims, "iat", now) > now + policy.leeway_s:
        raise RejectedError("issued_in_the_future", expected=now, found=claims["iat"])
    left_s = _number(claims, "exp", math.inf) - now
    if left_s <= 0:
        raise RejectedError("expired", expected=f"exp after {now:.0f}", found=claims["exp"])
    ttl_s = min(LONGEST_TTL_S, max(SHORTEST_TTL_S, _number(claims, "ttl", DEFAULT_TTL_S)))
    return StatusList(read_statuses(claims.get("status_list")), min(ttl_s, left_s))


def read_statuses(status_list: object) -> Statuses:
    """Unpack a list, as far as that is reasonable.

    Source: section 4.2: ``lst`` is base64url of zlib's format (RFC 1950).
    Refuses: "claim_malformed".
    """
    bits = status_list.get("bits") if isinstance(status_list, dict) else None
    packed = status_list.get("lst") if isinstance(status_list, dict) else None
    if isinstance(bits, bool) or bits not in SIZES or not isinstance(packed, str):
        raise RejectedError("claim_malformed", expected="a status_list with bits and lst")
    try:
        octets = _unpacked(base64url_decode(packed.encode("ascii")))
    except (UnicodeEncodeError, EncodingError, zlib.error):
        raise RejectedError("claim_malformed", expected="lst as base64url of zlib") from None
    return Statuses(int(bits), octets)


def _unpacked(packed: bytes) -> bytes:
    """Decompress no more than is allowed, whatever a few bytes would expand to."""
    inflate = zlib.decompressobj()
    octets = inflate.decompress(packed, MOST_OCTETS + 1)
    if len(octets) > MOST_OCTETS:
        raise RejectedError("claim_malformed", expected=f"at most {MOST_OCTETS} octets of statuses")
    if not inflate.eof or inflate.unused_data:
        raise EncodingError("more or less than one stream")
    return octets


def _number(claims: Mapping[str, Any], name: str, default: float) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RejectedError("claim_malformed", expected=f"{name} as a number")
    return value

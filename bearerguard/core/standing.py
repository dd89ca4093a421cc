"""Whether a token that passed every check is still in force: not revoked, its status valid.

These are asked at every use, for a new token as for one that was seen before, because both may
change at any time and neither stands in the token.
"""

from bearerguard.core.known_token import KnownToken
from bearerguard.core.queries import Flow, RevocationQuery, StatusQuery
from bearerguard.core.revocation import check_revoked, names_of
from bearerguard.core.status_list import check_status


def check_standing(known: KnownToken, now: float) -> Flow[None]:
    """Check what may end a token before its time.

    Refuses: what the two checks below refuse.
    """
    yield from check_revocation(known, now)
    yield from check_listed_status(known)


def check_revocation(known: KnownToken, now: float) -> Flow[None]:
    """Nobody may have revoked the token.

    Refuses: "revoked".
    """
    token = known.token
    marks = yield RevocationQuery(token.issuer, names_of(token, known.session_id))
    check_revoked(token, marks, known.policy.leeway_s, now)


def check_listed_status(known: KnownToken) -> Flow[None]:
    """Where the token names its place in a status list, its status there must be valid.

    Source: draft-ietf-oauth-status-list section 8.3.
    Refuses: "status_uri_not_allowed", "revoked", "suspended", "status_unknown".
    """
    if known.status is not None:
        statuses = yield StatusQuery(known.token.issuer, known.status.uri)
        check_status(statuses, known.status)

"""The two ends of a request's way: what it has to show, and what its route needs of the token.

Between them stands :mod:`bearerguard.core.flow`, which knows nothing of requests and routes.
"""

from bearerguard.core.access import Access
from bearerguard.core.access_token import AccessToken
from bearerguard.core.credentials import read_token
from bearerguard.core.needs import check_need
from bearerguard.core.request import RequestView
from bearerguard.errors import RejectedError


def credentials(request: RequestView, access: Access) -> str | None:
    """Give the token that a request has to show, or None for an anonymous caller who may pass.

    Source: RFC 9700 section 2.3 (deny what nobody allowed), RFC 6750 sections 2.1 and 3.1.
    Refuses: "no_credentials", "credentials_malformed", "credentials_repeated".
    """
    if access.need is None and access.public:
        return None  # on a public path credentials are not looked at
    # The method once more, which spares nearly all requests a call.
    passes_to_cors = request.method == "OPTIONS" and request.is_preflight()
    if passes_to_cors and (access.need is None or not access.answers_options):
        return None  # it never carries credentials (Fetch standard); the CORS layer answers it
    raw = read_token(request.field("authorization"))
    if raw is None and (access.need is not None or not access.optional):
        raise RejectedError("no_credentials")
    return raw


def enforce(access: Access, token: AccessToken, now: float) -> None:
    """Enforce what the route of a request needs; ``now`` is in seconds since 1970.

    Source: RFC 6750 section 3.1, RFC 9068 section 4, RFC 9470 section 3.
    Refuses: "no_rule_for_path", "scope_insufficient", "authentication_too_weak",
    "authentication_too_old".
    """
    if access.unruled:
        raise RejectedError("no_rule_for_path", expected="a path that the rules name")
    if access.need is not None:
        check_need(access.need, token, now)

"""From the Authorization header to a token, to nothing, or to a malformed request.

Source: RFC 6750 section 2.1, RFC 9110 sections 11.4 and 11.6.2.

A token is taken from nowhere else: not from the query, the body or a cookie (RFC 9700 section
4.3.2, RFC 6750 section 5.3).
"""

import re
from collections.abc import Sequence
from string import ascii_letters, digits

from bearerguard.errors import RejectedError

# RFC 9110 section 11.4: scheme, then one or more spaces, then for Bearer a token68. The scheme's
# characters are a "token" of section 5.6.2.
SCHEME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
B64TOKEN = f"{ascii_letters}{digits}-._~+/".encode()
# WSGI servers join repeated fields with a comma, and ASGI servers do not: both must answer alike.
JOINED = re.compile(r",[ \t]*bearer(?:[ \t,]|$)", re.IGNORECASE)


def read_token(fields: Sequence[str]) -> str | None:
    """Give the Bearer token, or None where there are no credentials that concern us.

    ``fields`` are the values of every Authorization header field of the request.
    Source: RFC 6750 sections 2.1 and 3.1; another scheme counts as no credentials.
    Refuses: "credentials_repeated", "credentials_malformed".
    """
    if not fields:
        return None
    if len(fields) > 1 or ("," in fields[0] and JOINED.search(fields[0])):
        raise RejectedError("credentials_repeated", expected="one Authorization header field")
    credentials = fields[0].strip(" \t")
    scheme, _, rest = credentials.partition(" ")
    if scheme.lower() == "bearer":
        token = rest.lstrip(" ")
        # What is left without the characters of RFC 6750 section 2.1: far faster than a pattern.
        octets = token.encode("utf-8", "replace").rstrip(b"=")
        if octets and not octets.translate(None, B64TOKEN):
            return token
        raise RejectedError("credentials_malformed", expected="Bearer, a space, one b64token")
    named = SCHEME.match(credentials)
    if named is None or named[0].lower() == "bearer":
        raise RejectedError("credentials_malformed", expected="a scheme, a space and a token")
    return None

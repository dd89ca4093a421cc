"""Parsers of the settings with which this API is a client of an issuer.

Each raises ValueError saying how to mend, as those of :mod:`bearerguard.parsers` do.
"""

import re
from typing import Any

from bearerguard.parsers import Secret, text

CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")


def client_id(value: Any) -> str:
    """Take the name of a client (RFC 6749 appendix A.1)."""
    name = text(value)
    if not re.fullmatch(r"[\x20-\x7E]+", name):
        raise ValueError("must be visible ASCII (RFC 6749 appendix A.1)")
    return name


def client_secret(value: Any) -> Secret:
    """Take the secret of a client, as the issuer gave it (RFC 6749 appendix A.2)."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[\x20-\x7E]+", value):
        raise ValueError("must be visible ASCII (RFC 6749 appendix A.2)")
    return Secret(value.encode())


def client_auth(value: Any) -> str:
    """Take the name of a way to authenticate as a client (RFC 7591 section 2)."""
    name = text(value)
    if name not in CLIENT_AUTH_METHODS:
        raise ValueError(f"is not offered; known are {', '.join(CLIENT_AUTH_METHODS)}")
    return name


def token_prefix(value: Any) -> str:
    """Take the characters with which opaque tokens begin (RFC 6750 section 2.1)."""
    prefix = text(value)
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]{1,64}", prefix):
        raise ValueError("is no beginning of a token: letters, digits and '-._~+/', 64 at most")
    return prefix

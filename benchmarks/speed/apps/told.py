"""What the benchmark tells the applications, and how those without an adapter find a token."""

import json
import os
from pathlib import Path
from typing import Any

SCOPE = "orders:read"
ISSUER = os.environ["BEARERGUARD_ISSUER"]
AUDIENCE = os.environ["BEARERGUARD_AUDIENCE"]
JWKS: dict[str, Any] = json.loads(Path(os.environ["BEARERGUARD_JWKS_FILE"]).read_text("utf-8"))
# RFC 9068 section 2.2.
REQUIRED = ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"]


def bearer(authorization: str) -> str:
    """Take the token out of a header; the empty string, which is no token, where there is none."""
    scheme, _, token = authorization.partition(" ")
    return token if scheme.lower() == "bearer" else ""

"""Flask and a ``before_request`` around ``jwt.decode``, its key made once."""

import jwt
from flask import Flask, Response, g, jsonify, request

from .told import AUDIENCE, ISSUER, JWKS, REQUIRED, SCOPE, bearer

KEY = jwt.PyJWK(JWKS["keys"][0])

app = Flask(__name__)


@app.before_request
def check() -> Response | None:
    """Do what many applications do: the claims of RFC 9068, and the scope of their one route."""
    try:
        g.claims = jwt.decode(
            bearer(request.headers.get("Authorization", "")),
            KEY,
            algorithms=["RS256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": REQUIRED},
        )
    except jwt.PyJWTError:
        return refusal(401)
    return None if SCOPE in g.claims.get("scope", "").split() else refusal(403)


@app.get("/orders")
def orders() -> dict[str, str]:
    """Answer whom ``check`` let through."""
    return {"for": g.claims["sub"]}


def refusal(status: int) -> Response:
    """Refuse a request."""
    answer = jsonify({"error": "refused"})
    answer.status_code = status
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer

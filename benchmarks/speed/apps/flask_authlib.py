"""Flask and Authlib's protector with its RFC 9068 validator, its keys made once."""

from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from flask import Flask
from joserfc.jwk import KeySet

from .told import AUDIENCE, ISSUER, JWKS, SCOPE

KEYS = KeySet.import_key_set(JWKS)


class Validator(JWTBearerTokenValidator):
    """The look-up of keys is the application's."""

    def get_jwks(self) -> KeySet:
        """Give keys, not JSON, which Authlib would parse for each token."""
        return KEYS


require_oauth = ResourceProtector()
require_oauth.register_token_validator(Validator(issuer=ISSUER, resource_server=AUDIENCE))
app = Flask(__name__)


@app.get("/orders")
@require_oauth(SCOPE)
def orders() -> dict[str, str]:
    """Answer a caller with the scope."""
    return {"for": current_token["sub"]}

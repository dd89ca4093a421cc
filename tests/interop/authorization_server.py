"""A real authorization server, made of Authlib and Flask, to be run as a process of its own.

    python authorization_server.py https://orders.example

The argument is the API that its tokens are for. The first line that it prints names its address,
which is the issuer. Keys, tokens and signatures come from Authlib and joserfc; nothing here imports
bearerguard, so that a mistake in our reading of a specification cannot cancel itself out.

Two clients are registered: ``batch-job`` with the secret ``batch-secret`` (client credentials), and
the public client ``shop`` (authorization code with PKCE, S256 only). The endpoints below ``/test``
are for tests alone.
"""

import os
import secrets
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, InvalidRequestError, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, request
from joserfc.jwk import ECKey, KeySet, RSAKey
from werkzeug.serving import make_server

# Authlib refuses plain http otherwise; this server answers on 127.0.0.1 alone.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

LIFETIME_S = 300


@dataclass(frozen=True)
class Client(ClientMixin):
    client_id: str
    secret: str | None
    grant_type: str
    redirect_uri: str | None
    scopes: frozenset[str]

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(name for name in (scope or "").split() if name in self.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return self.secret is not None and secrets.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == ("none" if self.secret is None else "client_secret_basic")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and self.grant_type == "authorization_code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == self.grant_type


SCOPES = frozenset({"orders:read", "orders:write", "orders:admin", "reports:read"})
CLIENTS = {
    client.client_id: client
    for client in (
        Client("batch-job", "batch-secret", "client_credentials", None, SCOPES),
        Client("shop", None, "authorization_code", "https://shop.example/callback", SCOPES),
    )
}


@dataclass(frozen=True)
class User:
    """Whoever comes to the authorization endpoint is signed in already."""

    user_id: str = "alice"

    def get_user_id(self) -> str:
        return self.user_id


@dataclass(frozen=True)
class Code(AuthorizationCodeMixin):
    code: str
    client_id: str
    redirect_uri: str | None
    scope: str
    code_challenge: str
    code_challenge_method: str
    user: User

    def get_redirect_uri(self) -> str | None:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["none"]
    codes: ClassVar[dict[str, Code]] = {}

    def save_authorization_code(self, code: str, request: Any) -> None:
        sent = request.payload.data
        self.codes[code] = Code(
            code,
            request.client.client_id,
            sent.get("redirect_uri"),
            request.scope,
            sent["code_challenge"],
            sent["code_challenge_method"],
            request.user,
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found = self.codes.get(code)
        return found if found and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> User:
        return authorization_code.user


class S256Only(CodeChallenge):
    """RFC 9700 section 2.1.1: PKCE for every client, and no method that shows the verifier."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar = ["S256"]

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is needed")
        super().validate_code_challenge(grant, redirect_uri)


class Keys:
    """The published keys, oldest first. The newest one of the algorithm in use signs."""

    def __init__(self) -> None:
        self.alg = "RS256"
        self.published = [new_key("RS256"), new_key("ES256")]

    def signing(self) -> KeySet:
        return KeySet([[key for key in self.published if key.alg == self.alg][-1]])

    def rotate(self, *, keep: bool) -> None:
        others = [key for key in self.published if keep or key.alg != self.alg]
        self.published = [*others, new_key(self.alg)]


def new_key(alg: str) -> RSAKey | ECKey:
    parameters = {"alg": alg, "use": "sig"}
    if alg == "ES256":
        return ECKey.generate_key("P-256", parameters, auto_kid=True)
    return RSAKey.generate_key(2048, parameters, auto_kid=True)


class AccessTokens(JWTBearerTokenGenerator):
    """RFC 9068 access tokens, signed with whatever key is the newest when one is asked for."""

    def __init__(self, issuer: str, audience: str, keys: Keys) -> None:
        super().__init__(issuer, expires_generator=lambda *_: LIFETIME_S)
        self.audience = audience
        self.keys = keys

    def access_token_generator(self, **request: Any) -> str:
        self.alg = self.keys.alg
        return super().access_token_generator(**request)

    def get_jwks(self) -> KeySet:
        return self.keys.signing()

    def get_audiences(self, client: Client, user: User | None, scope: str) -> str:
        return self.audience


def authorization_server(app: Flask, issuer: str, audience: str, keys: Keys) -> None:
    """Give an app the endpoints of RFC 6749, RFC 7517, RFC 8414 and OpenID Connect Discovery."""
    server = AuthorizationServer(app, CLIENTS.get, lambda token, request: None)
    server.register_token_generator("default", AccessTokens(issuer, audience, keys))
    server.register_grant(grants.ClientCredentialsGrant)
    server.register_grant(CodeGrant, [S256Only(required=True)])

    @app.get("/authorize")
    def authorize() -> Response:
        user = User()
        try:
            grant = server.get_consent_grant(end_user=user)
        except OAuth2Error as error:
            return server.handle_error_response(None, error)
        return server.create_authorization_response(grant_user=user, grant=grant)

    @app.post("/token")
    def token() -> Response:
        return server.create_token_response()

    @app.get("/jwks")
    def jwks() -> dict[str, Any]:
        return KeySet(list(keys.published)).as_dict(private=False)

    @app.get("/.well-known/oauth-authorization-server")
    @app.get("/.well-known/openid-configuration")
    def metadata() -> dict[str, Any]:
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "scopes_supported": sorted(SCOPES),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
            "code_challenge_methods_supported": ["S256"],
        }


def control(app: Flask, keys: Keys) -> None:
    """What an operator does at a console, tests do here."""

    @app.post("/test/rotate")
    def rotate() -> dict[str, Any]:
        """Sign with a new key from now on; without ``keep`` the old ones are withdrawn."""
        keys.rotate(keep=request.args.get("keep") == "yes")
        return {"published": [key.kid for key in keys.published]}

    @app.post("/test/algorithm/<alg>")
    def algorithm(alg: str) -> dict[str, str]:
        """Sign with the newest key of this algorithm from now on."""
        keys.alg = alg
        return {"alg": keys.alg}


def main(audience: str) -> None:
    app, keys = Flask("authorization_server"), Keys()
    listening = make_server("127.0.0.1", 0, app, threaded=True)
    issuer = f"http://127.0.0.1:{listening.server_port}"
    authorization_server(app, issuer, audience, keys)
    control(app, keys)
    print(f"Listening at: {issuer}", flush=True)
    listening.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])

"""The local issuer's endpoints for programs: metadata, keys, tokens, userinfo and their kin."""

from typing import Any
from urllib.parse import urlsplit

import flask
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6750 import BearerTokenValidator

from bearerguard.core.urls import well_known_urls
from bearerguard.dev.issuer import Issuer
from bearerguard.dev.ledger import Issued, Ledger
from bearerguard.dev.local_state import LocalState
from bearerguard.dev.oauth import Server

OPENID_SCOPES = ("openid", "profile", "email")


class Endpoints:
    """The views below the issuer's path."""

    def __init__(self, app: flask.Flask, state: LocalState, server: Server) -> None:
        self._state, self._server = state, server
        self._protector = ResourceProtector()
        self._protector.register_token_validator(OwnTokens(state.ledger))
        for url in well_known_urls(state.issuer.url):
            app.add_url_rule(urlsplit(url).path, "issuer.metadata", self.metadata)
        add, prefix = app.add_url_rule, state.prefix
        add(f"{prefix}/jwks.json", "issuer.jwks", self.jwks)
        add(f"{prefix}/token", "issuer.token", self.token, methods=["POST"])
        add(f"{prefix}/revoke", "issuer.revoke", self.revoke, methods=["POST"])
        add(f"{prefix}/introspect", "issuer.introspect", self.introspect, methods=["POST"])
        add(f"{prefix}/userinfo", "issuer.userinfo", self.userinfo, methods=["GET", "POST"])

    def metadata(self) -> dict[str, Any]:
        """RFC 8414 section 2, OpenID Connect Discovery section 3."""
        return metadata_of(self._state.issuer)

    def jwks(self) -> dict[str, Any]:
        """RFC 7517 section 5."""
        return self._state.issuer.jwks()

    def token(self) -> flask.Response:
        """RFC 6749 section 3.2. One at a time: a code or a refresh token is good for one."""
        with self._state.ledger.lock:
            return self._answered(self._server.create_token_response)

    def revoke(self) -> flask.Response:
        """RFC 7009 section 2."""
        return self._answered(self._server.create_endpoint_response, "revocation")

    def introspect(self) -> flask.Response:
        """RFC 7662 section 2."""
        return self._answered(self._server.create_endpoint_response, "introspection")

    def userinfo(self) -> dict[str, Any]:
        """OpenID Connect Core section 5.3."""
        with self._protector.acquire("openid") as token:
            user = token.get_user()
            scopes = token.get_scope().split()
        answer = {"sub": user.sub if user else token.client_id}
        if user and "profile" in scopes:
            answer |= {"name": user.name, "preferred_username": user.sub}
        if user and "email" in scopes:
            answer |= {"email": user.email}
        return answer

    def _answered(self, create: Any, *arguments: str) -> flask.Response:
        """Authlib raises for what it can neither take nor quote in an error's description."""
        try:
            response: flask.Response = create(*arguments)
        except OAuth2Error as error:
            response = self._server.handle_error_response(None, error)
        except ValueError:
            error = InvalidRequestError("A parameter has characters that none may have.")
            response = self._server.handle_error_response(None, error)
        return response


class OwnTokens(BearerTokenValidator):
    """RFC 6750, with the tokens that this issuer gave out and remembers."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def authenticate_token(self, token_string: str) -> Issued | None:
        """Find it."""
        return self._ledger.access(token_string)


def metadata_of(issuer: Issuer) -> dict[str, Any]:
    """Say where everything is, and what can be asked for (RFC 8414 section 2)."""
    base = issuer.url.rstrip("/")
    with_secret = ["client_secret_basic", "client_secret_post"]
    return issuer.metadata() | {
        "authorization_endpoint": f"{base}/authorize",
        "userinfo_endpoint": f"{base}/userinfo",
        "revocation_endpoint": f"{base}/revoke",
        "scopes_supported": list(OPENID_SCOPES),
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["none", *with_secret],
        "revocation_endpoint_auth_methods_supported": ["none", *with_secret],
        "introspection_endpoint_auth_methods_supported": with_secret,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [issuer.key.alg],
    }

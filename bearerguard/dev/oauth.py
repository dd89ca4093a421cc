"""The local issuer's OAuth 2.0: Authlib's grants and endpoints, with tokens of our issuer.

Authorization code with PKCE, refresh with rotation, client credentials, revocation, introspection.
What a developer would have to register elsewhere is taken as it comes: scopes, resources, redirect
URIs on this machine. What a client must do right is asked for: PKCE with S256, the same redirect
URI twice, each code and each refresh token once.

Source: RFC 6749, 7636, 7009, 7662, 8707, 9068, 9207; RFC 9700 section 2.
"""

import secrets
from typing import Any, ClassVar
from urllib.parse import urlsplit

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.flask_oauth2.requests import FlaskOAuth2Request
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9207 import IssuerParameter

from bearerguard.dev.accounts import CLIENTS, Client, User
from bearerguard.dev.grants import (
    LIFETIME_S,
    CodeGrant,
    IdTokens,
    RefreshGrant,
    Resources,
    S256Only,
    ServiceGrant,
)
from bearerguard.dev.issuer import Issuer
from bearerguard.dev.ledger import Code, Issued, Ledger


class InvalidTargetError(OAuth2Error):
    """RFC 8707 section 2: a resource that is no URI, or more than was agreed."""

    error = "invalid_target"


class ResourceRequest(FlaskOAuth2Request):
    """A request that may say what its token is for."""

    @property
    def resources(self) -> tuple[str, ...]:
        """What the token shall be for (RFC 8707 section 2)."""
        found = tuple(dict.fromkeys(self.payload.datalist.get("resource", [])))
        for resource in found:
            if not _is_resource(resource):
                raise InvalidTargetError("A resource is an absolute URI without a fragment.")
        return found


def _is_resource(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    is_uri = bool(parts.scheme) and "#" not in text and text.isascii() and text.isprintable()
    return is_uri and " " not in text


class Server(AuthorizationServer):
    """Authlib's server with the clients of this machine, and tokens that our issuer signs."""

    def __init__(self, app: flask.Flask, issuer: Issuer, ledger: Ledger) -> None:
        super().__init__(app, CLIENTS.get, lambda _token, _request: None)
        self.issuer, self.ledger = issuer, ledger
        self.iss = LocalIssuerParameter(issuer)
        self.register_extension(self.iss)
        id_tokens = IdTokens(issuer)
        self.register_grant(CodeGrant, [S256Only(required=True), Resources(), id_tokens])
        self.register_grant(RefreshGrant, [id_tokens])
        self.register_grant(ServiceGrant)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)

    def create_oauth2_request(self, request: Any) -> ResourceRequest:
        """Read the request that Flask has at hand."""
        _ = request
        return ResourceRequest(flask.request)

    def issue(
        self, request: Any, user: User | None, scope: str, *, with_refresh: bool
    ) -> dict[str, Any]:
        """Sign an access token, remember it, and give the token response (RFC 6749 section 5.1)."""
        client: Client = request.client
        basis: Code | Issued | None = request.authorization_code or request.refresh_token
        granted = basis.resources if basis else ()
        resources = request.resources or granted
        if granted and not set(resources) <= set(granted):
            raise InvalidTargetError("The consent was for other resources.")
        claims = self._claims(client, user, basis) | {"aud": list(resources)}
        if len(resources) < 2:  # noqa: PLR2004  RFC 7519 section 4.1.3: one is a string
            claims["aud"] = resources[0] if resources else self.issuer.audience
        claims |= {"scope": scope} if scope else {}
        written = self.issuer.with_claims(**claims).claims()
        issued = Issued(
            access_token=self.issuer.sign(flask.json.dumps(written).encode()),
            claims=written,
            client_id=client.client_id,
            user=user,
            scope=scope,
            resources=granted or resources,
            family=basis.family if isinstance(basis, Issued) else getattr(basis, "code", ""),
            clock=self.issuer.clock,
            refresh_token=secrets.token_urlsafe(32) if with_refresh else None,
            acr=basis.acr if basis else None,
            auth_time=basis.auth_time if basis else None,
        )
        self.ledger.add(issued)
        answer = {"access_token": issued.access_token, "token_type": "Bearer"}
        answer |= {"refresh_token": issued.refresh_token} if issued.refresh_token else {}
        return answer | {"expires_in": LIFETIME_S, "scope": scope}

    def _claims(
        self, client: Client, user: User | None, basis: Code | Issued | None
    ) -> dict[str, Any]:
        """RFC 9068 section 2.2; RFC 9470 for how and when the user logged in."""
        now = int(self.issuer.clock())
        claims = {
            "sub": user.sub if user else client.client_id,
            "client_id": client.client_id,
            "jti": secrets.token_hex(16),
            "exp": now + LIFETIME_S,
            "auth_time": basis and basis.auth_time,
            "acr": basis and basis.acr,
            "roles": list(user.roles) if user and user.roles else None,
        }
        return {name: value for name, value in claims.items() if value is not None}


class LocalIssuerParameter(IssuerParameter):
    """RFC 9207: who answers stands in the answer."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    def get_issuer(self) -> str:
        """Give the issuer's name."""
        return self._issuer.url


class Revocation(RevocationEndpoint):
    """RFC 7009. The refresh token ends all tokens of its consent, the access token itself."""

    CLIENT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post", "none"]

    def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
        """Find it, whatever the hint says (RFC 7009 section 2.1)."""
        _ = token_type_hint
        ledger = self.server.ledger
        return ledger.access(token_string) or ledger.refresh(token_string)

    def revoke_token(self, token: Issued, request: Any) -> None:
        """End it."""
        if request.form["token"] == token.access_token:
            token.is_access_revoked = True
        else:
            self.server.ledger.revoke_family(token.family)


class Introspection(IntrospectionEndpoint):
    """RFC 7662, for the one client that is an API."""

    CLIENT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]

    def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
        """Find an access token, whatever the hint says."""
        _ = token_type_hint
        found: Issued | None = self.server.ledger.access(token_string)
        return found

    def check_permission(self, token: Issued, client: Client, request: Any) -> bool:
        """Whoever may ask at all may ask about every token."""
        _ = token, client, request
        return True

    def introspect_token(self, token: Issued) -> dict[str, Any]:
        """Say what the token says, and what it is."""
        return {"active": True, **token.claims, "token_type": "Bearer"}

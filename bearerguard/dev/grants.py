"""The grants of the local issuer, and what is asked of a request beyond RFC 6749.

Each finds what it needs at its server: ``issue``, ``ledger`` and ``issuer`` (``dev/oauth.py``).
"""

from typing import Any, ClassVar

import flask
from authlib.oauth2.rfc6749 import InvalidRequestError, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from authlib.oidc.core.util import create_half_hash

from bearerguard.dev.accounts import Client, User
from bearerguard.dev.issuer import Issuer
from bearerguard.dev.ledger import Code, Issued

LIFETIME_S = 3600


class S256Only(CodeChallenge):
    """RFC 9700 section 2.1.1: PKCE for every client, by the method that shows no verifier."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar = ["S256"]

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse a request without a challenge."""
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE is needed: code_challenge_method=S256")
        super().validate_code_challenge(grant, redirect_uri)


class Resources:
    """RFC 8707 section 2.1: a resource that is none is told before anybody consents."""

    def __call__(self, grant: Any) -> None:
        """Look at every authorization request."""
        grant.register_hook("after_validate_authorization_request_payload", self.check)

    def check(self, grant: Any, _redirect_uri: str) -> None:
        """Read them, which refuses bad ones."""
        _ = grant.request.resources


class IdTokens(OpenIDCode):
    """OpenID Connect Core section 2: an ID token beside the access token, where openid is asked."""

    def __init__(self, issuer: Issuer) -> None:
        super().__init__()
        self._issuer = issuer

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        """A nonce is for the client to compare; this issuer remembers none."""
        _ = nonce, request
        return False

    def encode_id_token(self, token: dict[str, Any], request: Any) -> str:
        """Sign with the key that signs the access tokens."""
        basis = request.authorization_code or request.refresh_token
        now = int(self._issuer.clock())
        half = create_half_hash(token["access_token"], self._issuer.key.alg)
        claims = {
            "iss": self._issuer.url,
            "aud": request.client.client_id,
            "sub": request.user.sub,
            "iat": now,
            "exp": now + LIFETIME_S,
            "auth_time": basis.auth_time,
            "acr": basis.acr,
            "nonce": getattr(basis, "nonce", None),
            "at_hash": half.decode() if half else None,
        }
        payload = {name: value for name, value in claims.items() if value is not None}
        return self._issuer.sign(flask.json.dumps(payload).encode(), header={"typ": "JWT"})


class OurTokens:
    """What every grant has in common: its tokens come from our issuer."""

    def generate_token(
        self, user: User | None = None, scope: str = "", *, include_refresh_token: bool = True
    ) -> dict[str, Any]:
        """Make the token response."""
        grant: Any = self
        allowed = grant.request.client.get_allowed_scope(scope)
        issued: dict[str, Any] = grant.server.issue(
            grant.request, user, allowed or "", with_refresh=include_refresh_token
        )
        return issued


class CodeGrant(OurTokens, grants.AuthorizationCodeGrant):
    """RFC 6749 section 4.1."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["none"]

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Remember what the user agreed to: of the scopes, those that were ticked."""
        sent, ticked = request.payload.data, flask.request.form.getlist("granted")
        acr = (sent.get("acr_values") or "").split(" ")[0]
        agreed = Code(
            code=code,
            client_id=request.client.client_id,
            redirect_uri=self.redirect_uri,
            scope=" ".join(name for name in request.scope.split() if name in ticked),
            code_challenge=sent["code_challenge"],
            code_challenge_method=sent["code_challenge_method"],
            user=request.user,
            resources=request.resources,
            nonce=sent.get("nonce"),
            auth_time=int(self.server.issuer.clock()),
            acr=acr or None,
        )
        self.server.ledger.add_code(agreed)

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Find a code of this client."""
        found: Code | None = self.server.ledger.code(code)
        return found if found and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Use it up."""
        self.server.ledger.spend(authorization_code)

    def authenticate_user(self, authorization_code: Code) -> User:
        """Give who consented."""
        return authorization_code.user


class RefreshGrant(OurTokens, grants.RefreshTokenGrant):
    """RFC 6749 section 6, with a new refresh token each time (RFC 9700 section 4.14.2)."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["none"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Issued | None:
        """Find one that was not used before."""
        found: Issued | None = self.server.ledger.refresh(refresh_token)
        return found

    def authenticate_user(self, refresh_token: Issued) -> User | None:
        """Give whom it speaks for."""
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Issued) -> None:
        """Use it up."""
        refresh_token.is_refresh_revoked = True


class ServiceGrant(OurTokens, grants.ClientCredentialsGrant):
    """RFC 6749 section 4.4."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]

"""What tokens of real providers look like: one row for each kind of token that was recorded.

A row is the issuer, what an operator has to set beyond issuer and audience, a token in the
provider's shape and what becomes of it, and its neighbours: tokens of the same issuer, signed by
the same keys, that must not pass. ``...`` takes a claim or a header parameter out.
"""

from dataclasses import dataclass, field
from typing import Any

API = "https://api.example"
TID = "5f0e1d2c-1111-4222-8333-0123456789ab"
OTHER_TID = "5f0e1d2c-9999-4222-8333-0123456789ab"
GUID = "6e74172b-be56-4843-9ff4-e66a39bb12e3"


@dataclass(frozen=True)
class Neighbour:
    """A token that differs from the row's own by these, and why it is refused."""

    reason: str
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A provider's tokens, and what the guard makes of them."""

    issuer: str
    settings: dict[str, Any] = field(default_factory=dict)
    audience: str = API
    header: dict[str, Any] = field(default_factory=lambda: {"typ": "JWT"})
    claims: dict[str, Any] = field(default_factory=dict)
    alg: str = "RS256"
    scopes: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    client: str | None = None
    tenant: str | None = None
    neighbours: dict[str, Neighbour] = field(default_factory=dict)
    # The profile in force, and what else refuses the start without.
    profile: str = "rfc9068"
    needed: tuple[str, ...] = ()


def id_token(**claims: Any) -> Neighbour:
    """An ID token, which its nonce gives away."""
    return Neighbour("wrong_kind_of_token", {"nonce": "n-0S6_WzA2Mj", **claims})


OPAQUE = "ya29.a0AfH6SMBx-0123456789_abcdefghijklmnop"
NO_AUDIENCE = {"aud": ...}

ROWS: dict[str, Row] = {
    "Auth0, default profile": Row(
        "https://tenant.eu.auth0.com/",
        claims={
            "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
            "aud": [API, "https://tenant.eu.auth0.com/userinfo"],
            "azp": "my_client_id",
            "scope": "openid profile read:orders",
            "permissions": ["create:orders"],
        },
        scopes={"openid", "profile", "read:orders"},
        roles={"create:orders"},
        client="my_client_id",
        profile="auth0",
        neighbours={
            "its ID token": Neighbour("audience_mismatch", {"aud": "my_client_id"}),
            "its ID token for this API": id_token(),
            "its logout token": Neighbour("wrong_kind_of_token", {"events": {}}),
        },
    ),
    "Auth0, RFC 9068 profile": Row(
        "https://tenant.auth0.com/",
        settings={"profile": "rfc9068"},
        header={"typ": "at+jwt"},
        claims={"sub": "auth0|1", "client_id": "c", "jti": "j", "scope": "read:orders"},
        scopes={"read:orders"},
        client="c",
        neighbours={
            "its token of the default profile": Neighbour("type_mismatch", {}, {"typ": "JWT"})
        },
    ),
    "Okta, custom server": Row(
        "https://dev-1.okta.com/oauth2/default",
        audience="api://default",
        header={},
        claims={
            "ver": 1,
            "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
            "cid": "0oabskvc6442nkvQO0h7",
            "uid": "00ubpxb2wQyrjQ0h7",
            "scp": ["openid", "orders:read"],
            "sub": "user@example.com",
            "groups": ["Everyone"],
        },
        scopes={"openid", "orders:read"},
        roles={"Everyone"},
        client="0oabskvc6442nkvQO0h7",
        profile="okta",
        neighbours={
            "its ID token": id_token(cid=..., scp=...),
            "an ID token without a nonce": Neighbour("claim_missing", {"cid": ...}),
            "a token of the org server": Neighbour(
                "issuer_mismatch", {"iss": "https://dev-1.okta.com"}
            ),
            "a token without an id": Neighbour("claim_missing", {"jti": ...}),
        },
    ),
    "Entra ID v1 token": Row(
        f"https://sts.windows.net/{TID}/",
        audience="api://orders",
        claims={
            "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "oid": "oid-1",
            "tid": TID,
            "appid": GUID,
            "appidacr": "1",
            "scp": "orders.read orders.write",
            "roles": ["Orders.Admin"],
            "groups": ["7a5b1e2c-0000-0000-0000-000000000000"],
            "uti": "fqiBqXLPj0eQa82S-IYFAA",
            "ver": "1.0",
            "amr": ["pwd", "mfa"],
        },
        scopes={"orders.read", "orders.write"},
        roles={"Orders.Admin", "7a5b1e2c-0000-0000-0000-000000000000"},
        client=GUID,
        tenant=TID,
        profile="entra",
        neighbours={
            "another tenant's": Neighbour("claim_mismatch", {"tid": OTHER_TID}),
            "another tenant's, by its issuer": Neighbour(
                "issuer_mismatch", {"iss": f"https://sts.windows.net/{OTHER_TID}/"}
            ),
            "a token for Microsoft Graph": Neighbour("wrong_kind_of_token", {}, {"nonce": "n"}),
        },
    ),
    "Entra ID v2 token": Row(
        f"https://login.microsoftonline.com/{TID}/v2.0",
        audience=GUID,
        claims={
            "sub": "hKdZ",
            "oid": "oid-1",
            "tid": TID,
            "azp": "1f8a9b4c-0000-4000-8000-000000000001",
            "azpacr": "0",
            "scp": "access_as_user",
            "uti": "rH8bH",
            "ver": "2.0",
        },
        scopes={"access_as_user"},
        client="1f8a9b4c-0000-4000-8000-000000000001",
        tenant=TID,
        profile="entra",
        neighbours={
            "its ID token": id_token(scp=..., azp=...),
            "its ID token without a nonce": Neighbour(
                "claim_missing", {"scp": ..., "azp": ..., "roles": ["Orders.Admin"]}
            ),
            "a token that allows nothing": Neighbour("claim_missing", {"scp": ...}),
            "a token without a tenant": Neighbour("claim_mismatch", {"tid": ...}),
            "another tenant's": Neighbour("claim_mismatch", {"tid": OTHER_TID}),
        },
    ),
    "Azure AD B2C": Row(
        f"https://tenant.b2clogin.com/{TID}/v2.0/",
        settings={
            "profile": "jwt",
            "scope_claims": "scp",
            "required_claims": "exp,iat,sub,scp",
        },
        audience=GUID,
        claims={"sub": "s", "azp": "app", "scp": "read", "tfp": "B2C_1_signin", "ver": "1.0"},
        scopes={"read"},
        client="app",
        profile="jwt",
        needed=("profile",),
        neighbours={
            "its ID token": id_token(scp=...),
            "its ID token without a nonce": Neighbour("claim_missing", {"scp": ..., "azp": ...}),
        },
    ),
    "Google": Row(
        "https://accounts.google.com",
        audience="https://orders.example",
        claims={
            "sub": "110169484474386276334",
            "azp": "runner@project.iam.gserviceaccount.com",
            "email": "runner@project.iam.gserviceaccount.com",
            "email_verified": True,
            "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        },
        client="runner@project.iam.gserviceaccount.com",
        profile="google-id",
        neighbours={
            "an ID token for another application": Neighbour("audience_mismatch", {"aud": "x"}),
            "a security event": Neighbour("wrong_kind_of_token", {"events": {}}),
        },
    ),
    "Google IAP": Row(
        "https://cloud.google.com/iap",
        settings={"profile": "google-id", "jwks_uri": "https://www.gstatic.com/iap/public_key-jwk"},
        audience="/projects/123456/apps/my-app",
        alg="ES256",
        claims={"sub": "accounts.google.com:1", "email": "a@example.com", "google": {}},
        profile="google-id",
        needed=("profile",),
        neighbours={
            "another application's": Neighbour("audience_mismatch", {"aud": "/projects/9/apps/x"})
        },
    ),
    "AWS Cognito": Row(
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc",
        settings={"clients": "1example23456789"},
        header={},
        claims={
            "aud": ...,
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "token_use": "access",
            "scope": "api/read openid",
            "client_id": "1example23456789",
            "username": "my-user",
            "jti": "j",
            "cognito:groups": ["admins"],
            "auth_time": 1_800_000_000,
        },
        scopes={"api/read", "openid"},
        roles={"admins"},
        client="1example23456789",
        profile="cognito",
        needed=("clients",),
        neighbours={
            "its ID token": Neighbour(
                "wrong_kind_of_token", {"token_use": "id", "aud": API, "client_id": ...}
            ),
            "a token that does not say what it is": Neighbour("claim_mismatch", {"token_use": ...}),
            "another client's": Neighbour("client_not_allowed", {"client_id": "stranger"}),
            "a token without a client": Neighbour("claim_missing", {"client_id": ...}),
            "a token for another API": Neighbour("audience_mismatch", {"aud": "https://x"}),
            "a token for nobody": Neighbour("audience_mismatch", {"aud": []}),
        },
    ),
    "Keycloak": Row(
        "https://keycloak.example/realms/shop",
        settings={"profile": "keycloak"},
        audience="orders",
        claims={
            "aud": ["orders", "account"],
            "sub": "f:1",
            "typ": "Bearer",
            "azp": "frontend",
            "jti": "onrtac:1",
            "acr": "1",
            "scope": "profile orders",
            "realm_access": {"roles": ["offline_access", "staff"]},
            "resource_access": {
                "orders": {"roles": ["manager"]},
                "account": {"roles": ["manage-account"]},
            },
        },
        scopes={"profile", "orders"},
        roles={"offline_access", "staff", "manager"},
        client="frontend",
        profile="keycloak",
        needed=("profile",),
        neighbours={
            "its ID token": Neighbour("wrong_kind_of_token", {"typ": "ID"}),
            "its refresh token": Neighbour("wrong_kind_of_token", {"typ": "Refresh"}),
            "its logout token": Neighbour("wrong_kind_of_token", {"typ": "Logout", "events": {}}),
            "a token that does not say what it is": Neighbour("claim_mismatch", {"typ": ...}),
            "a token without an audience": Neighbour("audience_missing", {"aud": ...}),
            "a token without a subject": Neighbour("claim_missing", {"sub": ...}),
        },
    ),
    "PingOne": Row(
        "https://auth.pingone.com/env-1/as",
        settings={"profile": "jwt"},
        header={},
        claims={"aud": [API], "sub": "s", "client_id": "app", "env": "env-1", "scope": "read"},
        scopes={"read"},
        client="app",
        profile="jwt",
        needed=("profile",),
        neighbours={"its ID token": id_token()},
    ),
    "PingFederate": Row(
        "https://ping.example",
        settings={
            "profile": "jwt",
            "required_claims": "exp,client_id",
            "missing_audience": "client",
            "clients": "app",
            "jwks_uri": "https://ping.example/ext/tokens/jwks",
        },
        claims={"aud": ..., "iat": ..., "client_id": "app", "scope": "read"},
        scopes={"read"},
        client="app",
        profile="jwt",
        needed=("profile",),
        neighbours={
            "another client's": Neighbour("client_not_allowed", {"client_id": "x"}),
            "its ID token": id_token(),
        },
    ),
    "Zitadel": Row(
        "https://shop-1.zitadel.cloud",
        audience="project-1",
        claims={
            "aud": ["client-9", "project-1"],
            "sub": "170079991923474689",
            "client_id": "170086774599581953@shop",
            "jti": "j",
            "urn:zitadel:iam:org:project:roles": {"everywhere": {"org": "shop.example"}},
            "urn:zitadel:iam:org:project:project-1:roles": {"reader": {"org": "shop.example"}},
            "urn:zitadel:iam:org:project:project-2:roles": {"owner": {"org": "shop.example"}},
        },
        roles={"reader"},
        client="170086774599581953@shop",
        profile="zitadel",
        neighbours={
            "its ID token": id_token(),
            "another project's": Neighbour("audience_mismatch", {"aud": ["project-2"]}),
        },
    ),
    "Authentik": Row(
        "https://sso.example/application/o/orders/",
        settings={"profile": "authentik"},
        audience="client-1",
        alg="ES256",
        claims={
            "sub": "hashed",
            "azp": "client-1",
            "scope": "openid orders",
            "groups": ["admins"],
            "acr": "goauthentik.io/providers/oauth2/default",
        },
        scopes={"openid", "orders"},
        roles={"admins"},
        client="client-1",
        profile="authentik",
        needed=("profile",),
        neighbours={
            "its ID token": Neighbour("claim_missing", {"scope": ...}),
            "its ID token with a nonce": id_token(),
        },
    ),
    "Ory Hydra": Row(
        "https://shop.projects.oryapis.com",
        claims={
            "aud": [API],
            "sub": "s",
            "client_id": "app",
            "jti": "j",
            "scp": ["read"],
            "ext": {"role": "staff"},
        },
        scopes={"read"},
        client="app",
        profile="hydra",
        neighbours={
            "a token for nobody": Neighbour("audience_mismatch", {"aud": []}),
            "its ID token": id_token(),
            "a token without a client": Neighbour("claim_missing", {"client_id": ...}),
        },
    ),
    "FusionAuth": Row(
        "acme.com",
        settings={
            "profile": "fusionauth",
            "clients": "10000000-0000-0002-0000-000000000001",
            "jwks_uri": "https://auth.example/.well-known/jwks.json",
        },
        audience="10000000-0000-0002-0000-000000000001",
        claims={
            "sub": "858a4b01-62c8-4c2f-bfa7-6d018833bea7",
            "jti": "j",
            "applicationId": "10000000-0000-0002-0000-000000000001",
            "roles": ["admin"],
            "tid": "tenant-1",
            "authenticationType": "PASSWORD",
        },
        roles={"admin"},
        client="10000000-0000-0002-0000-000000000001",
        tenant="tenant-1",
        profile="fusionauth",
        needed=("profile", "clients", "jwks_uri"),
        neighbours={
            "its ID token": id_token(),
            "another application's": Neighbour("client_not_allowed", {"applicationId": "x"}),
            "a token of no application": Neighbour("client_not_allowed", {"applicationId": ...}),
        },
    ),
    "Supabase": Row(
        "https://abcdefgh.supabase.co/auth/v1",
        audience="authenticated",
        alg="ES256",
        claims={
            "sub": "a-user",
            "role": "authenticated",
            "aal": "aal1",
            "session_id": "s-1",
            "amr": [{"method": "password", "timestamp": 1_800_000_000}],
            "app_metadata": {"provider": "email", "roles": ["staff"]},
            "user_metadata": {"roles": ["admin"]},
            "is_anonymous": False,
        },
        profile="supabase",
        neighbours={
            "the anon key": Neighbour("claim_missing", {"role": "anon", "sub": ...}),
            "an anonymous user's": Neighbour("claim_mismatch", {"role": "anon"}),
            "the service key": Neighbour("claim_mismatch", {"role": "service_role"}),
        },
    ),
    "Firebase": Row(
        "https://securetoken.google.com/my-project",
        audience="my-project",
        claims={
            "sub": "uid-1",
            "user_id": "uid-1",
            "auth_time": 1_800_000_000,
            "firebase": {"identities": {}, "sign_in_provider": "password", "tenant": "t-1"},
        },
        tenant="t-1",
        profile="firebase",
        neighbours={"another project's": Neighbour("audience_mismatch", {"aud": "other"})},
    ),
    "Clerk": Row(
        "https://clean-mayfly-62.clerk.accounts.dev",
        settings={"clients": "https://app.example"},
        claims={
            "aud": ...,
            "sub": "user_1",
            "azp": "https://app.example",
            "sid": "sess_1",
            "fva": [0, -1],
            "o": {"id": "org_1", "rol": "admin", "per": "manage"},
            "v": 2,
        },
        roles={"admin", "manage"},
        client="https://app.example",
        tenant="org_1",
        profile="clerk",
        needed=("clients",),
        neighbours={
            "another origin's": Neighbour("client_not_allowed", {"azp": "https://evil.example"}),
            "a token of no origin": Neighbour("client_not_allowed", {"azp": ...}),
            "one that has lived too long": Neighbour("too_old", {"iat": 1_799_990_000}),
            "one for another API": Neighbour("audience_mismatch", {"aud": "x"}),
        },
    ),
    "WorkOS, sessions": Row(
        "https://api.workos.com",
        settings={"jwks_uri": "https://api.workos.com/sso/jwks/client_1"},
        header={},
        claims={
            "aud": ...,
            "sub": "user_1",
            "sid": "session_1",
            "jti": "j",
            "org_id": "org_1",
            "role": "member",
            "roles": ["member"],
            "permissions": ["posts:read"],
        },
        roles={"member", "posts:read"},
        tenant="org_1",
        profile="workos",
        needed=("jwks_uri",),
        neighbours={
            "one for another API": Neighbour("audience_mismatch", {"aud": "x"}),
            "one without an id": Neighbour("claim_missing", {"jti": ...}),
        },
    ),
    "WorkOS, Connect / MCP": Row(
        "https://shop.authkit.app",
        claims={
            "aud": API,
            "sub": "user_1",
            "client_id": "app_1",
            "jti": "j",
            "org_id": "org_1",
            "scope": "openid",
        },
        scopes={"openid"},
        client="app_1",
        tenant="org_1",
        profile="workos",
        neighbours={
            "one for another API": Neighbour("audience_mismatch", {"aud": "x"}),
            "one for no API": Neighbour("audience_missing", {"aud": ...}),
        },
    ),
    "Descope": Row(
        "P2abc",
        settings={"profile": "descope", "jwks_uri": "https://api.descope.com/v2/keys/P2abc"},
        claims={
            "aud": ...,
            "sub": "U2abc",
            "drn": "DS",
            "permissions": ["orders:read"],
            "roles": ["staff"],
            "tenants": {"T1": {"roles": ["owner"]}},
            "dct": "T1",
        },
        roles={"orders:read", "staff"},
        tenant="T1",
        profile="descope",
        needed=("profile", "jwks_uri"),
        neighbours={
            "its refresh token": Neighbour("wrong_kind_of_token", {"drn": "DSR"}),
            "a token kept nowhere": Neighbour("claim_mismatch", {"drn": ...}),
        },
    ),
    "Logto": Row(
        "https://shop.logto.app/oidc",
        header={"typ": "at+jwt"},
        alg="ES384",
        claims={"sub": "u", "client_id": "app", "jti": "j", "scope": "read"},
        scopes={"read"},
        client="app",
        profile="logto",
        neighbours={"its ID token": Neighbour("type_mismatch", {"nonce": "n"}, {"typ": "JWT"})},
    ),
    "Curity": Row(
        "https://curity.example/oauth/v2/oauth-anonymous",
        settings={"profile": "jwt"},
        claims={
            "sub": "s",
            "purpose": "access_token",
            "client_id": "app",
            "jti": "j",
            "aud": [API],
            "scope": "read",
        },
        scopes={"read"},
        client="app",
        profile="jwt",
        needed=("profile",),
        neighbours={"its ID token": Neighbour("wrong_kind_of_token", {"purpose": "id"})},
    ),
    "Duende / IdentityServer": Row(
        "https://identity.example",
        settings={"profile": "duende"},
        header={"typ": "at+jwt"},
        claims={
            "sub": "s",
            "client_id": "app",
            "jti": "j",
            "scope": ["read", "write"],
            "amr": ["pwd"],
        },
        scopes={"read", "write"},
        client="app",
        profile="duende",
        neighbours={
            "a token without an audience": Neighbour("audience_missing", {"aud": ...}),
            "its ID token": Neighbour("type_mismatch", {}, {"typ": "JWT"}),
        },
    ),
    "AD FS": Row(
        "http://adfs.example/adfs/services/trust",
        settings={"profile": "adfs", "jwks_uri": "https://adfs.example/adfs/discovery/keys"},
        audience="microsoft:identityserver:orders",
        claims={
            "appid": "app",
            "apptype": "Public",
            "auth_time": "2026-11-28T10:00:00.000Z",
            "scp": "openid user_impersonation",
            "ver": "1.0",
        },
        scopes={"openid", "user_impersonation"},
        client="app",
        profile="adfs",
        needed=("profile", "jwks_uri"),
        neighbours={
            "its ID token": id_token(),
            "its ID token without a nonce": Neighbour("claim_missing", {"appid": ..., "scp": ...}),
        },
    ),
    "SAP XSUAA": Row(
        "https://shop.authentication.eu10.hana.ondemand.com/oauth/token",
        audience="orders!t123",
        header={"typ": "JWT", "jku": "https://shop.authentication.eu10.hana.ondemand.com/keys"},
        claims={
            "aud": ["sb-orders!t123", "orders!t123"],
            "sub": "u",
            "jti": "j",
            "cid": "sb-orders!t123",
            "azp": "sb-orders!t123",
            "client_id": "sb-orders!t123",
            "zid": "zone-1",
            "scope": ["openid", "orders!t123.Display", "billing!t9.Admin"],
            "xs.user.attributes": {},
        },
        scopes={"openid", "Display", "billing!t9.Admin"},
        client="sb-orders!t123",
        tenant="zone-1",
        profile="xsuaa",
        neighbours={
            "another application's": Neighbour("audience_mismatch", {"aud": ["billing!t9"]})
        },
    ),
    "Salesforce": Row(
        "https://shop.my.salesforce.com",
        header={"typ": "JWT", "tty": "sfdc-core-token", "tnk": "core/prod/1", "ver": "1.0"},
        claims={
            "aud": ["https://shop.my.salesforce.com", API],
            "sub": "uid:https://login.salesforce.com/id/1/2",
            "client_id": "3MVG9",
            "scp": "api refresh_token",
            "roles": [],
            "sfi": "s",
            "mty": "oauth",
        },
        scopes={"api", "refresh_token"},
        client="3MVG9",
        profile="salesforce",
        neighbours={"its ID token": id_token()},
    ),
    "GitHub Actions": Row(
        "https://token.actions.githubusercontent.com",
        settings={"match": "repository=octo-org/octo-repo"},
        claims={
            "sub": "repo:octo-org/octo-repo:environment:prod",
            "jti": "j",
            "repository": "octo-org/octo-repo",
            "ref": "refs/heads/main",
            "environment": "prod",
            "job_workflow_ref": "octo-org/octo-repo/.github/workflows/x.yml@refs/heads/main",
        },
        profile="github-actions",
        needed=("match",),
        neighbours={
            "another repository's": Neighbour("claim_mismatch", {"repository": "evil/octo-repo"}),
            "one of no repository": Neighbour("claim_mismatch", {"repository": ...}),
        },
    ),
    "GitLab CI": Row(
        "https://gitlab.com",
        settings={"match": "project_path=group/orders,ref_protected=true"},
        claims={
            "sub": "project_path:group/orders:ref_type:branch:ref:main",
            "jti": "j",
            "project_path": "group/orders",
            "ref": "main",
            "ref_protected": "true",
        },
        profile="gitlab-ci",
        needed=("match",),
        neighbours={
            "another project's": Neighbour("claim_mismatch", {"project_path": "evil/orders"}),
            "one of an unprotected branch": Neighbour("claim_mismatch", {"ref_protected": "false"}),
        },
    ),
    "Kubernetes service account": Row(
        "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
        settings={"match": "/kubernetes.io/namespace=shop"},
        header={},
        claims={
            "aud": [API],
            "sub": "system:serviceaccount:shop:orders",
            "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "orders"}},
        },
        tenant="shop",
        profile="kubernetes",
        needed=("match",),
        neighbours={
            "another namespace's": Neighbour(
                "claim_mismatch", {"kubernetes.io": {"namespace": "other"}}
            ),
            "a user's": Neighbour("claim_mismatch", {"sub": "admin"}),
            "a legacy token": Neighbour("claim_missing", {"exp": ..., "aud": ...}),
        },
    ),
    "Apple": Row(
        "https://appleid.apple.com",
        audience="com.example.app",
        header={},
        claims={
            "sub": "000.abc",
            "email_verified": "true",
            "nonce_supported": True,
            "nonce": "n",
            "c_hash": "c",
            "auth_time": 1_800_000_000,
        },
        profile="apple",
        neighbours={"another application's": Neighbour("audience_mismatch", {"aud": "com.other"})},
    ),
    "LINE": Row(
        "https://access.line.me",
        audience="1234567890",
        alg="ES256",
        claims={"sub": "U1", "amr": ["linesso"], "nonce": "n"},
        profile="line",
        neighbours={"another channel's": Neighbour("audience_mismatch", {"aud": "0987654321"})},
    ),
    "Slack": Row(
        "https://slack.com",
        audience="25259531569.1115258246291",
        claims={"sub": "U1", "https://slack.com/team_id": "T1", "at_hash": "a", "nonce": "n"},
        tenant="T1",
        profile="slack",
        neighbours={"another client's": Neighbour("audience_mismatch", {"aud": "1.2"})},
    ),
}
# Their access tokens are not made for other people's APIs, and no setting can change that.
REFUSED_AT_THE_START = {
    "Okta, org server": ("https://dev-1.okta.com", "the org server are for Okta alone"),
}

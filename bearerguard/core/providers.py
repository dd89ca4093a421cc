"""The habits of real providers, as data: one row for each, and no code.

A strict RFC 9068 validator takes the tokens of very few providers as they come. Each row says what
is taken beyond that, and by which checks it is paid for. The more a profile gives up, the more it
asks for: where ``typ`` cannot tell access tokens from ID tokens, the marks of other kinds are
refused; where no audience is named, the clients are; where everybody gets a token, a claim must
say whose it is. A row holds for its issuer and for no other.

Source: the providers' own documents; RFC 8725 sections 3.11 and 3.12 on telling tokens apart.
"""

from dataclasses import replace
from typing import Any

from bearerguard.core.profile import (
    JWT,
    RFC9068,
    ROLE_FORMS,
    Demand,
    IssuerForm,
    Place,
    Profile,
)


def _provider(*types: str | None, without: str = "", **habits: Any) -> Profile:
    """Write a row: the header types beside at+jwt, and the claims that its tokens lack."""
    required = RFC9068.required_claims - set(without.split())
    own = {"role_places": (), "token_types": frozenset({"at+jwt", *types}), **habits}
    return replace(JWT, required_claims=required, **own)


def _id_tokens(*tenant: str) -> Profile:
    """Write a row for ID tokens: they say who somebody is, and allow nothing."""
    return _provider(
        "jwt",
        None,
        without="client_id jti",
        kind_claims={},
        foreign_claims=frozenset({"events"}),
        scope_places=(),
        tenant_claims=tenant,
        takes_id_tokens=True,
    )


def _roles(*paths: str) -> tuple[Place, ...]:
    return tuple(Place(path, ROLE_FORMS) for path in paths)


def _scopes(*paths: str) -> tuple[Place, ...]:
    return tuple(Place(path) for path in paths)


WORKOS_SESSIONS = r"https://api\.workos\.com(/.*)?"
PROFILES: dict[str, Profile] = {
    "rfc9068": RFC9068,
    "jwt": JWT,
    "logto": replace(RFC9068, tenant_claims=("organization_id",)),
    "duende": replace(RFC9068, scope_places=_scopes("scope")),
    "auth0": _provider(
        "jwt",
        without="client_id jti",
        role_places=_roles("permissions"),
        tenant_claims=("org_id",),
        issuer_form=IssuerForm(pattern=r".+/", how="end it with '/', as the tokens do"),
    ),
    "okta": _provider(
        "jwt",
        None,
        without="client_id",
        one_of=(frozenset({"cid", "client_id"}),),
        scope_places=_scopes("scp"),
        role_places=_roles("groups"),
        issuer_form=IssuerForm(
            pattern=r".+/oauth2/.+",
            how="write that of a custom authorization server, as in '/oauth2/default': the tokens "
            "of the org server are for Okta alone",
        ),
    ),
    "entra": _provider(
        "jwt",
        without="client_id jti",
        # The access tokens name their client, which the ID tokens of the same application do not.
        one_of=(frozenset({"scp", "roles"}), frozenset({"azp", "appid"})),
        refuses_header_nonce=True,
        scope_places=_scopes("scp"),
        role_places=_roles("roles", "groups"),
        tenant_claims=("tid",),
        keys_name_issuers=True,
        issuer_form=IssuerForm(
            pattern=r"https?://(?:(?!sts\.)[^/]+/(?=[^/]+/v2\.0$)|sts\.[^/]+/(?=[^/]+/$))"
            r"(?!common/|organizations/|consumers/)(?P<tid>[0-9A-Za-z-]+)/(?:v2\.0)?",
            how="write 'https://login.microsoftonline.com/TENANT-ID/v2.0', or "
            "'https://sts.windows.net/TENANT-ID/' for tokens of version 1.0; for several tenants "
            "'{tid}' in its place, and tenants",
        ),
    ),
    "cognito": _provider(
        "jwt",
        None,
        without="aud",
        match={"token_use": frozenset({"access"})},
        missing_audience="client",
        role_places=_roles("cognito:groups"),
        demands=(
            Demand(settings=("clients",), why="the access tokens of Cognito name no audience"),
        ),
    ),
    "keycloak": _provider(
        "jwt",
        without="client_id",
        match={"typ": frozenset({"Bearer"})},
        role_places=_roles("/realm_access/roles", "/resource_access/{audience}/roles"),
    ),
    "zitadel": _provider(
        "jwt",
        None,
        without="client_id",
        role_places=(Place("urn:zitadel:iam:org:project:{audience}:roles/*"),),
        tenant_claims=("urn:zitadel:iam:user:resourceowner:id",),
    ),
    "authentik": _provider(
        "jwt",
        without="client_id jti",
        one_of=(frozenset({"scope"}),),  # which its ID tokens, with the same audience, do not have
        role_places=_roles("groups"),
    ),
    "hydra": _provider("jwt", scope_places=_scopes("scp", "scope")),
    "fusionauth": _provider(
        "jwt",
        without="client_id",
        client_claims=("applicationId",),
        role_places=_roles("roles"),
        tenant_claims=("tid",),
        demands=(
            Demand(settings=("clients",), why="applicationId tells whose token of a tenant it is"),
        ),
    ),
    "supabase": _provider(
        "jwt",
        without="client_id jti",
        # The keys that everybody's browser has are tokens too, of the role anon.
        match={"role": frozenset({"authenticated"})},
        scope_places=(),
        unread_claims=frozenset({"amr"}),
    ),
    "clerk": _provider(
        "jwt",
        without="aud client_id jti",
        missing_audience="client",
        client_claims=("azp",),  # the origin of the page that asks
        scope_places=(),
        role_places=_roles("/o/per", "/o/rol"),
        tenant_claims=("/o/id",),
        max_age_s=600.0,
        demands=(Demand(settings=("clients",), why="azp names the origin that a session is of"),),
    ),
    "workos": _provider(
        "jwt",
        None,
        without="aud client_id",
        missing_audience="issuer",
        lack_audience=WORKOS_SESSIONS,  # the tokens of Connect name their resource
        role_places=_roles("permissions", "roles"),
        tenant_claims=("org_id",),
        demands=(
            Demand(
                settings=("jwks_uri", "jwks_file"),
                issuers=r"https://api\.workos\.com/?",
                why="all environments share this issuer, and only the keys tell them apart",
            ),
        ),
    ),
    "descope": _provider(
        "jwt",
        without="aud client_id jti",
        missing_audience="issuer",
        match={"drn": frozenset({"DS"})},  # the refresh token is a JWT too
        role_places=_roles("permissions", "roles"),
        tenant_claims=("dct",),
    ),
    "adfs": _provider(
        "jwt",
        without="client_id jti sub",
        # As with Entra: the ID tokens of the same application name no client.
        one_of=(frozenset({"appid", "client_id"}),),
        scope_places=_scopes("scp"),
        unread_claims=frozenset({"auth_time"}),
        demands=(
            Demand(
                settings=("jwks_uri", "jwks_file"),
                why="the issuer of its tokens is not that of its metadata",
            ),
        ),
    ),
    "xsuaa": _provider(
        "jwt",
        scope_places=_scopes("scope"),
        scopes_begin_with_audience=True,
        tenant_claims=("zid",),
        holes={"subdomain": "/ext_attr/zdn"},
    ),
    "salesforce": _provider("jwt", without="jti", scope_places=_scopes("scp")),
    "kubernetes": _provider(
        None,
        without="client_id jti",
        scope_places=(),
        prefixes={"sub": "system:serviceaccount:"},
        tenant_claims=("/kubernetes.io/namespace",),
        demands=(
            Demand(
                settings=("match",),
                claims=("/kubernetes.io/namespace", "sub"),
                why="every pod of the cluster can get a token; name the namespaces, as in "
                "'/kubernetes.io/namespace=shop'",
            ),
        ),
    ),
    "github-actions": _provider(
        "jwt",
        without="client_id",
        scope_places=(),
        demands=(
            Demand(
                settings=("match",),
                claims=("repository", "repository_id"),
                why="everybody's workflows get tokens; name yours, as in 'repository=OWNER/NAME'",
            ),
        ),
    ),
    "gitlab-ci": _provider(
        "jwt",
        without="client_id",
        scope_places=(),
        demands=(
            Demand(
                settings=("match",),
                claims=("project_path", "project_id"),
                why="everybody's jobs get tokens; name yours, as in 'project_path=GROUP/NAME'",
            ),
        ),
    ),
    "google-id": _id_tokens("hd"),
    "firebase": _id_tokens("/firebase/tenant"),
    "apple": _id_tokens(),
    "line": _id_tokens(),
    "slack": _id_tokens("https://slack.com/team_id"),
}

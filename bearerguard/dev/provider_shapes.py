"""The shapes of real providers' tokens, as data: one row for each name that PROFILE takes.

The other side of ``bearerguard/core/providers.py``: what is accepted there is made here.

Source: the providers' own documents.
"""

from typing import Any

from bearerguard.dev.shapes import Shape

TENANT = "5f0e1d2c-1111-4222-8333-0123456789ab"
# Whose tokens an API takes where no audience says whom they are for.
CLIENTS = "local-app,local-service"


def _shape(without: str = "", good: str = "", **habits: Any) -> Shape:
    return Shape(without=frozenset(without.split()), good=frozenset(good.split()), **habits)


def _id_token(**claims: Any) -> Shape:
    return _shape(
        "jti",
        "id_token_for_this_api",
        scope=None,
        client=None,
        roles=(),
        claims={"at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", **claims},
    )


SHAPES: dict[str, Shape] = {
    "rfc9068": Shape(typ="at+jwt"),
    "jwt": _shape("jti", client="azp"),
    "logto": Shape(typ="at+jwt", alg="ES384", path="/oidc"),
    "duende": Shape(typ="at+jwt", scope_form="list"),
    "auth0": _shape("jti", path="/", client="azp", roles=("permissions",)),
    "okta": Shape(
        path="/oauth2/default",
        typ=None,
        scope="scp",
        scope_form="list",
        client="cid",
        roles=("groups",),
        claims={"ver": 1, "uid": "{sub}"},
    ),
    "entra": _shape(
        "jti",
        path=f"/{TENANT}/v2.0",
        scope="scp",
        client="azp",
        claims={"tid": TENANT, "oid": "{sub}", "uti": "{jti}", "azpacr": "0", "ver": "2.0"},
    ),
    "cognito": _shape(
        "aud",
        "without_audience",
        path="/local_pool",
        typ=None,
        roles=("cognito:groups",),
        claims={"token_use": "access", "username": "{sub}"},
        settings={"CLIENTS": CLIENTS},
    ),
    "keycloak": Shape(
        path="/realms/local",
        client="azp",
        roles=("realm_access", "roles"),
        claims={"typ": "Bearer"},
    ),
    "zitadel": Shape(roles=("urn:zitadel:iam:org:project:{audience}:roles",), roles_form="object"),
    "authentik": _shape("jti", path="/application/o/local/", client="azp", roles=("groups",)),
    "hydra": Shape(scope="scp", scope_form="list", roles=("ext", "roles"), claims={"ext": {}}),
    "fusionauth": Shape(
        client="applicationId",
        claims={"tid": TENANT, "authenticationType": "PASSWORD"},
        settings={"CLIENTS": CLIENTS},
    ),
    "supabase": _shape(
        "jti",
        path="/auth/v1",
        scope=None,
        client=None,
        roles=("app_metadata", "roles"),
        claims={
            "role": "authenticated",
            "aal": "aal1",
            "session_id": "{jti}",
            "amr": [{"method": "password", "timestamp": 1_800_000_000}],
            "app_metadata": {"provider": "email"},
            "user_metadata": {},
            "is_anonymous": False,
        },
    ),
    "clerk": _shape(
        "aud jti",
        "without_audience",
        scope=None,
        client="azp",
        roles=("o", "per"),
        claims={"sid": "{jti}", "fva": [0, -1], "v": 2, "o": {"id": "org_1"}},
        settings={"CLIENTS": CLIENTS},
    ),
    "workos": Shape(roles=("permissions",), claims={"org_id": "org_1", "sid": "{jti}"}),
    "descope": _shape(
        "aud jti",
        "without_audience",
        client=None,
        claims={"drn": "DS", "dct": "T1", "permissions": [], "tenants": {"T1": {"roles": []}}},
    ),
    "adfs": _shape(
        "sub jti",
        "without_subject",
        path="/adfs/services/trust",
        scope="scp",
        client="appid",
        claims={"apptype": "Public", "auth_time": "2026-11-28T10:00:00.000Z", "ver": "1.0"},
        settings={"JWKS_URI": "{url}/jwks.json"},
    ),
    "xsuaa": Shape(
        path="/oauth/token",
        scope_form="list",
        scope_prefix="{audience}.",
        claims={"zid": "zone-1", "cid": "{client}", "azp": "{client}", "xs.user.attributes": {}},
    ),
    "salesforce": _shape("jti", scope="scp", claims={"sfi": "{jti}", "mty": "oauth"}),
    "kubernetes": _shape(
        "jti",
        typ=None,
        scope=None,
        client=None,
        roles=(),
        claims={
            "sub": "system:serviceaccount:shop:{sub}",
            "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "{sub}"}},
        },
        settings={"MATCH": "/kubernetes.io/namespace=shop"},
    ),
    "github-actions": _shape(
        scope=None,
        client=None,
        roles=(),
        claims={
            "sub": "repo:octo-org/octo-repo:environment:{sub}",
            "repository": "octo-org/octo-repo",
            "ref": "refs/heads/main",
            "environment": "{sub}",
            "job_workflow_ref": "octo-org/octo-repo/.github/workflows/x.yml@refs/heads/main",
        },
        settings={"MATCH": "repository=octo-org/octo-repo"},
    ),
    "gitlab-ci": _shape(
        scope=None,
        client=None,
        roles=(),
        claims={
            "sub": "project_path:group/orders:ref_type:branch:ref:{sub}",
            "project_path": "group/orders",
            "ref": "{sub}",
            "ref_type": "branch",
            "ref_protected": "true",
        },
        settings={"MATCH": "project_path=group/orders"},
    ),
    "google-id": _id_token(email="{sub}@example.com", email_verified=True),
    "firebase": _id_token(
        user_id="{sub}", firebase={"identities": {}, "sign_in_provider": "password"}
    ),
    "apple": _id_token(email_verified="true", nonce_supported=True),
    "line": _id_token(amr=["linesso"]),
    "slack": _id_token(**{"https://slack.com/team_id": "T1"}),
}

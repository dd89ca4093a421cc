"""Which provider an issuer belongs to, told by its host alone."""

from bearerguard.core.urls import host_of

# Whose host an issuer stands on, by whole labels: "*" at the beginning is one label or more,
# elsewhere exactly one. Never by a path, which anybody can have.
HOSTS = {
    "*.auth0.com": "auth0",
    "*.okta.com": "okta",
    "*.oktapreview.com": "okta",
    "*.okta-emea.com": "okta",
    "login.microsoftonline.com": "entra",
    "login.microsoftonline.us": "entra",
    "sts.windows.net": "entra",
    "cognito-idp.*.amazonaws.com": "cognito",
    "*.zitadel.cloud": "zitadel",
    "*.oryapis.com": "hydra",
    "*.fusionauth.io": "fusionauth",
    "*.supabase.co": "supabase",
    "*.clerk.accounts.dev": "clerk",
    "api.workos.com": "workos",
    "*.authkit.app": "workos",
    "api.descope.com": "descope",
    "*.logto.app": "logto",
    "*.authentication.*.hana.ondemand.com": "xsuaa",
    "*.my.salesforce.com": "salesforce",
    "oidc.eks.*.amazonaws.com": "kubernetes",
    "kubernetes.default.svc": "kubernetes",
    "kubernetes.default.svc.cluster.local": "kubernetes",
    "container.googleapis.com": "kubernetes",
    "token.actions.githubusercontent.com": "github-actions",
    "gitlab.com": "gitlab-ci",
    "accounts.google.com": "google-id",
    "securetoken.google.com": "firebase",
    "appleid.apple.com": "apple",
    "access.line.me": "line",
    "slack.com": "slack",
}


# Of what runs on anybody's host.
PATHS = {"/realms/": "keycloak", "/application/o/": "authentik", "/adfs": "adfs"}


def profile_of_host(host: str) -> str | None:
    """Give the profile of the provider whose host this is, or None where it is nobody's here."""
    labels = host.lower().split(".")
    return next((name for form, name in HOSTS.items() if _fits(form.split("."), labels)), None)


def profile_name(profile: str, issuer: str) -> str:
    """Give the name of the profile in force: ``auto`` is the provider whose host it is."""
    if profile != "auto":
        return profile
    return profile_of_host(host_of(issuer)) or "rfc9068"


def guess_of_path(issuer: str) -> str | None:
    """Guess the software behind an issuer, for a hint alone: anybody can have such a path."""
    return next((name for path, name in PATHS.items() if path in issuer), None)


def _fits(form: list[str], labels: list[str]) -> bool:
    if form[0] == "*":
        # At least one label of the provider's customer, and then the provider's own.
        own = form[1:]
        return len(labels) > len(own) and _fit_each(own, labels[-len(own) :])
    return len(form) == len(labels) and _fit_each(form, labels)


def _fit_each(form: list[str], labels: list[str]) -> bool:
    return all(part in ("*", label) and label for part, label in zip(form, labels, strict=True))

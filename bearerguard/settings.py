"""Every setting, once: the argument, the environment name, the Flask key and the table in the docs.

A field ``jwks_ttl`` is the argument ``jwks_ttl``, the name ``BEARERGUARD_JWKS_TTL`` and the key
``jwks_ttl`` of a TOML file. Values come as text from the environment and as Python values from
code; the parser beside the default reads both. Whom a setting is about where there are several
issuers stands there too. :mod:`bearerguard.configuration` makes settings out of all this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from bearerguard import client_parsers as c
from bearerguard import file_parsers as f
from bearerguard import parsers as p
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS, HMAC_KEY_BYTES, PROFILES, Place, Policy
from bearerguard.core.policy import ROLE_FORMS as ROLES
from bearerguard.sources import PREFIX, Source, from_app_config, from_arguments, from_environment

__all__ = [
    "PREFIX",
    "About",
    "Settings",
    "Source",
    "from_app_config",
    "from_arguments",
    "from_environment",
    "names_about",
]


class About(Enum):
    """Whom a setting is about, and so where it may stand where there are several issuers."""

    API = "the whole API: at the top level, never with an issuer"
    ALL = "either every issuer, at the top level, or one of them, with it; never both"
    ONE = "one issuer: with it; at the top level only where there is no other"
    MEMBER = "one issuer among several: only ever with it"


ALL, ONE, MEMBER = About.ALL, About.ONE, About.MEMBER


def setting(
    default: Any, parse: Callable[[Any], Any], meaning: str, about: About = About.API
) -> Any:
    """Declare a setting that works."""
    return field(default=default, metadata={"parse": parse, "meaning": meaning, "about": about})


def later(default: Any, meaning: str, about: About = About.API) -> Any:
    """Declare a setting whose feature is still to come: nothing but its default is taken."""
    return field(default=default, metadata={"parse": None, "meaning": meaning, "about": about})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator can say. Durations are seconds, sizes bytes; None means not set."""

    issuer: str = setting(
        "", p.text, "the exact `iss` of the tokens, several in a list; required", ONE
    )
    audience: tuple[str, ...] = setting(
        (), p.audiences, "this API as its tokens name it in `aud`; any one of a list; required", ALL
    )
    profile: str = setting("auto", p.profile, "`rfc9068` (strict; what `auto` takes) or `jwt`", ONE)
    algorithms: tuple[str, ...] | None = setting(
        None, p.algorithms, "the signature algorithms allowed; all asymmetric ones by default", ALL
    )
    secret: p.Secret | None = setting(
        None, p.secret, "an HMAC secret, text or `base64:...`; then only HS* is accepted", ONE
    )
    jwks_uri: str | None = setting(None, p.text, "the URL of the keys, instead of discovery", ONE)
    jwks_file: str | None = setting(
        None, f.keys, "a file with the keys, a JWK Set or PEM, instead of discovery", ONE
    )
    jwks_token_file: str | None = setting(
        None, f.file, "a file with a bearer token for fetching the keys, read anew each time", ONE
    )
    jwks_ttl: float | None = setting(
        None, p.seconds(1, 86400), "how long keys are fresh; else as Cache-Control says", ALL
    )
    jwks_stale_for: float = setting(
        3600.0,
        p.seconds(0, 7 * 86400),
        "how long keys serve after that while the issuer is down",
        ALL,
    )
    jwks_timeout: float = setting(5.0, p.seconds(1, 60), "how long fetching the keys may take", ALL)
    jwks_snapshot: str | None = setting(
        None, f.snapshot, "a file for the last good keys, shared by all workers of a host", ALL
    )
    ca_file: str | None = setting(
        None, f.certificates, "the certificates to trust, not the client's own", ALL
    )
    allow_http: bool = setting(
        default=False, parse=p.switch, meaning="take `http:` anywhere", about=ALL
    )
    scope_claims: tuple[str, ...] | None = setting(
        None, p.places, "where scopes stand: claims' names or JSON Pointers; by profile", ONE
    )
    role_claims: tuple[str, ...] | None = setting(
        None, p.places, "where roles stand, groups and permissions included; by profile", ONE
    )
    token_types: None = later(None, "the accepted `typ`", ONE)
    required_claims: None = later(None, "the claims that must be there", ONE)
    match: None = later(None, "`claim=value` pairs that must hold", ONE)
    clients: None = later(None, "the allowed client ids", ONE)
    client_claims: None = later(None, "where client ids stand", ONE)
    tenants: None = later(None, "the allowed tenants of an issuer template", ONE)
    missing_audience: None = later(None, "what stands in for a missing `aud`", ONE)
    scopes_allowed: tuple[str, ...] | None = setting(
        None, p.scopes, "the scopes that count in this issuer's tokens", MEMBER
    )
    roles_allowed: tuple[str, ...] | None = setting(
        None, p.texts, "the roles that count in this issuer's tokens", MEMBER
    )
    required_scopes: tuple[str, ...] = setting((), p.scopes, "scopes that every route needs")
    public: tuple[str, ...] = setting((), p.paths, "paths without a guard: `/healthz`, `/docs/*`")
    realm: str | None = setting(None, p.quotable, "the realm of challenges; else the audience")
    resource: str | None = later(None, "the URL of this API (RFC 9728)")
    leeway: float = setting(30.0, p.seconds(0, 300), "the tolerance for the clocks of others")
    max_token_age: float | None = setting(
        None, p.seconds(1, 366 * 86400), "the greatest age of a token, by `iat`", ALL
    )
    max_token_bytes: int = setting(16384, p.number(512, 1 << 20), "the longest token looked at")
    token_cache: int = setting(
        4096, p.number(0, 1_000_000), "how many verified tokens are kept; `0`: none"
    )
    introspection_uri: str | None = setting(
        None, p.text, "where to ask about opaque tokens, instead of discovery", ONE
    )
    introspection_client_id: str | None = setting(
        None, c.client_id, "this API's name there; with it opaque tokens are taken (RFC 7662)", ONE
    )
    introspection_client_secret: p.Secret | None = setting(
        None, c.client_secret, "its secret there", ONE
    )
    introspection_auth: str | None = setting(
        None,
        c.client_auth,
        "`client_secret_basic` (taken with a secret), `client_secret_post`, or `private_key_jwt` "
        "(taken with a key)",
        ONE,
    )
    introspection_key_file: str | None = setting(
        None, f.client_key, "a file with its private key, PEM or JWK, instead of a secret", ONE
    )
    introspection_ttl: float = setting(
        60.0, p.seconds(0, 3600), "how long an answer is kept, never past `exp`; `0`: not", ONE
    )
    introspection_signed: bool = setting(
        default=False, parse=p.switch, meaning="demand signed answers (RFC 9701)", about=ONE
    )
    token_prefix: str | None = setting(
        None, c.token_prefix, "what the issuer's opaque tokens begin with; others are refused", ONE
    )
    store_url: str = later("memory://", "what all instances share")
    dpop: str = later("off", "`accept` or `require` proofs of possession (RFC 9449)")
    mtls: str = later("off", "`accept` or `require` client certificates (RFC 8705)")
    trusted_proxies: None = later(None, "the proxies whose forwarded headers count")
    client_cert_header: str | None = later(None, "the header with the client's certificate")
    mode: str = later("enforce", "`report-without-enforcing` decides, logs and lets through")
    report_until: str | None = later(None, "when that ends")
    config: str | None = setting(
        None, f.file, "a TOML file with these settings, and `[[issuer]]` tables"
    )

    def policy(self, supported: Sequence[str] = ASYMMETRIC_ALGORITHMS) -> Policy:
        """Turn the settings into the rules for this issuer's tokens.

        ``supported`` are the asymmetric algorithms that this machine can verify.
        """
        profile = PROFILES[self.profile_in_force()]
        return Policy(
            issuer=self.issuer,
            audiences=self.audience,
            algorithms=frozenset(self.algorithms or self._default_algorithms(supported)),
            profile=profile,
            scope_places=_places(self.scope_claims, {}) or profile.scope_places,
            role_places=_places(self.role_claims, {"forms": ROLES}) or profile.role_places,
            required_scopes=self.required_scopes,
            leeway_s=self.leeway,
            max_age_s=self.max_token_age,
            max_bytes=self.max_token_bytes,
            scopes_allowed=None if self.scopes_allowed is None else frozenset(self.scopes_allowed),
            roles_allowed=None if self.roles_allowed is None else frozenset(self.roles_allowed),
            opaque_prefix=(self.token_prefix or "") if self.introspects else None,
        )

    @property
    def introspects(self) -> bool:
        """Whether the issuer is asked about opaque tokens."""
        return self.introspection_client_id is not None

    def profile_in_force(self) -> str:
        """Give the name of the profile; ``auto`` knows no provider yet, and is strict."""
        return "rfc9068" if self.profile == "auto" else self.profile

    def challenge_realm(self) -> str:
        """Give the realm of challenges: the audience, where a header field can hold it."""
        try:
            return self.realm or p.quotable(self.audience[0] if self.audience else "api")
        except ValueError:
            return "api"

    def _default_algorithms(self, supported: Sequence[str]) -> Sequence[str]:
        if self.secret is None:
            return supported
        size = len(self.secret.value)
        return [alg for alg, least in HMAC_KEY_BYTES.items() if size >= least]


def names_about(*about: About) -> tuple[str, ...]:
    """Give the names of the settings that are about these."""
    return tuple(spec.name for spec in fields(Settings) if spec.metadata["about"] in about)


def _places(paths: tuple[str, ...] | None, forms: dict[str, Any]) -> tuple[Place, ...]:
    return tuple(Place(path, **forms) for path in paths or ())

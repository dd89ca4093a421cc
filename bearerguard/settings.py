"""Every setting, once: the argument, the environment name, the Flask key and the table in the docs.

A field ``jwks_ttl`` is the argument ``jwks_ttl``, the name ``BEARERGUARD_JWKS_TTL`` and the key
``jwks_ttl`` of a TOML file. Values come as text from the environment and as Python values from
code; the parser beside the default reads both. Whom a setting is about where there are several
issuers stands there too. :mod:`bearerguard.configuration` makes settings out of all this.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from typing import Any

from bearerguard import client_parsers as c
from bearerguard import file_parsers as f
from bearerguard import parsers as p
from bearerguard import profile_parsers as h
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS, Policy
from bearerguard.core.provider_hosts import profile_name
from bearerguard.policies import policy_of
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
    profile: str = setting(
        "auto", h.profile, "`rfc9068` (strict), `jwt`, or a provider; `auto` goes by the host", ONE
    )
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
    token_types: tuple[str | None, ...] | None = setting(
        None, h.token_types, "the accepted `typ`; `none` is a header without one; by profile", ONE
    )
    required_claims: tuple[str, ...] | None = setting(
        None, p.texts, "the claims that must be there, `exp` always; by profile", ONE
    )
    match: h.Match | None = setting(
        None, h.match, "`claim=value` pairs that must hold beside the profile's own", ONE
    )
    clients: tuple[str, ...] | None = setting(
        None, p.texts, "the client ids that may call; any by default", ONE
    )
    client_claims: tuple[str, ...] | None = setting(
        None, p.places, "where the client id stands; by profile", ONE
    )
    tenants: tuple[str, ...] | None = setting(
        None, h.tenants, "the tenants of an issuer template such as `https://id.example/{tid}`", ONE
    )
    missing_audience: str | None = setting(
        None, h.missing_audience, "`refuse`, or what stands in: `client`, `issuer`; by profile", ONE
    )
    scopes_allowed: tuple[str, ...] | None = setting(
        None, p.scopes, "the scopes that count in this issuer's tokens", MEMBER
    )
    roles_allowed: tuple[str, ...] | None = setting(
        None, p.texts, "the roles that count in this issuer's tokens", MEMBER
    )
    required_scopes: tuple[str, ...] = setting(
        (), p.required_scopes, "scopes that every route needs"
    )
    public: tuple[str, ...] = setting((), p.paths, "paths without a guard: `/healthz`, `/docs/*`")
    realm: str | None = setting(None, p.quotable, "the realm of challenges; else the audience")
    resource: str | None = setting(None, p.resource, "the URL of this API; publishes its metadata")
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
    store_url: str = setting(
        "memory://", p.store, "where revocations are kept; each process has a memory of its own"
    )
    dpop: str = later("off", "`accept` or `require` proofs of possession (RFC 9449)")
    mtls: str = later("off", "`accept` or `require` client certificates (RFC 8705)")
    trusted_proxies: None = later(None, "the proxies whose forwarded headers count")
    client_cert_header: str | None = later(None, "the header with the client's certificate")
    mode: str = setting(
        "enforce",
        p.mode,
        "`report-without-enforcing`: decides and logs, and lets every request pass",
    )
    report_until: datetime | None = setting(
        None, p.moment, "when that ends, at most 30 days off: `2026-12-24`, in UTC"
    )
    config: str | None = setting(
        None, f.file, "a TOML file with these settings, and `[[issuer]]` tables"
    )

    def policy(
        self,
        supported: Sequence[str] = ASYMMETRIC_ALGORITHMS,
        implied: Mapping[str, frozenset[str]] | None = None,
    ) -> Policy:
        """Turn the settings into the rules for this issuer's tokens.

        ``supported`` are the asymmetric algorithms that this machine can verify, ``implied`` tells
        which scope stands for which others.
        """
        return policy_of(self, supported, implied)

    @property
    def introspects(self) -> bool:
        """Whether the issuer is asked about opaque tokens."""
        return self.introspection_client_id is not None

    def profile_in_force(self) -> str:
        """Give the name of the profile; ``auto`` is the provider whose host the issuer is on."""
        return profile_name(self.profile, self.issuer)

    def challenge_realm(self) -> str:
        """Give the realm of challenges: the audience, where a header field can hold it."""
        try:
            return self.realm or p.quotable(self.audience[0] if self.audience else "api")
        except ValueError:
            return "api"


def names_about(*about: About) -> tuple[str, ...]:
    """Give the names of the settings that are about these."""
    return tuple(spec.name for spec in fields(Settings) if spec.metadata["about"] in about)

"""Every setting, once: the argument, the environment name, the Flask key and the table in the docs.

A field ``jwks_ttl`` is the argument ``jwks_ttl`` and the name ``BEARERGUARD_JWKS_TTL``. Values come
as text from the environment and as Python values from code; the parser beside the default reads
both. Every problem is named at once, with where the value came from and how to mend it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from bearerguard import parsers as p
from bearerguard.consistency import problems_of
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS, HMAC_KEY_BYTES, PROFILES, Place, Policy
from bearerguard.core.policy import ROLE_FORMS as ROLES
from bearerguard.errors import ConfigurationError
from bearerguard.sources import (
    PREFIX,
    Given,
    Source,
    find,
    from_app_config,
    from_arguments,
    from_environment,
    unknown_names,
)

__all__ = [
    "PREFIX",
    "Settings",
    "Source",
    "from_app_config",
    "from_arguments",
    "from_environment",
]


def setting(default: Any, parse: Callable[[Any], Any], meaning: str) -> Any:
    """Declare a setting that works."""
    return field(default=default, metadata={"parse": parse, "meaning": meaning})


def later(default: Any, meaning: str) -> Any:
    """Declare a setting whose feature is still to come: nothing but its default is taken."""
    return field(default=default, metadata={"parse": None, "meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator can say. Durations are seconds, sizes bytes; None means not set."""

    issuer: str = setting("", p.issuer, "the exact `iss` of the tokens; required")
    audience: tuple[str, ...] = setting(
        (), p.texts, "this API as its tokens name it in `aud`; any one of a list; required"
    )
    profile: str = setting("auto", p.profile, "`rfc9068` (strict; what `auto` takes) or `jwt`")
    algorithms: tuple[str, ...] | None = setting(
        None, p.algorithms, "the signature algorithms allowed; all asymmetric ones by default"
    )
    secret: p.Secret | None = setting(
        None, p.secret, "an HMAC secret, text or `base64:...`; then only HS* is accepted"
    )
    jwks_uri: str | None = setting(None, p.text, "the URL of the keys, instead of discovery")
    jwks_file: str | None = later(None, "the keys in a file, instead of discovery")
    jwks_token_file: str | None = setting(
        None, p.text, "a file with a bearer token for fetching the keys, read anew each time"
    )
    jwks_ttl: float | None = setting(
        None, p.seconds(1, 86400), "how long keys are fresh; else as Cache-Control says"
    )
    jwks_stale_for: float = setting(
        3600.0, p.seconds(0, 7 * 86400), "how long keys serve after that while the issuer is down"
    )
    jwks_timeout: float = setting(5.0, p.seconds(1, 60), "how long fetching the keys may take")
    jwks_snapshot: str | None = later(None, "a file for the last good keys, for all workers")
    ca_file: str | None = setting(
        None, p.certificates, "the certificates to trust, not the client's own"
    )
    allow_http: bool = setting(default=False, parse=p.switch, meaning="take `http:` anywhere")
    scope_claims: tuple[str, ...] | None = setting(
        None, p.places, "where scopes stand: claims' names or JSON Pointers; by profile"
    )
    role_claims: tuple[str, ...] | None = setting(
        None, p.places, "where roles stand, groups and permissions included; by profile"
    )
    token_types: None = later(None, "the accepted `typ`")
    required_claims: None = later(None, "the claims that must be there")
    match: None = later(None, "`claim=value` pairs that must hold")
    clients: None = later(None, "the allowed client ids")
    client_claims: None = later(None, "where client ids stand")
    tenants: None = later(None, "the allowed tenants of an issuer template")
    missing_audience: None = later(None, "what stands in for a missing `aud`")
    required_scopes: tuple[str, ...] = setting((), p.scopes, "scopes that every route needs")
    public: tuple[str, ...] = setting((), p.paths, "paths without a guard: `/healthz`, `/docs/*`")
    realm: str | None = setting(None, p.quotable, "the realm of challenges; else the audience")
    resource: str | None = later(None, "the URL of this API (RFC 9728)")
    leeway: float = setting(30.0, p.seconds(0, 300), "the tolerance for the clocks of others")
    max_token_age: float | None = setting(
        None, p.seconds(1, 366 * 86400), "the greatest age of a token, by `iat`"
    )
    max_token_bytes: int = setting(16384, p.number(512, 1 << 20), "the longest token looked at")
    token_cache: int = later(4096, "how many verified tokens are kept")
    introspection_uri: str | None = later(None, "the endpoint for opaque tokens (RFC 7662)")
    introspection_client_id: str | None = later(None, "this API's name at that endpoint")
    introspection_client_secret: str | None = later(None, "its secret there")
    introspection_auth: str | None = later(None, "how it authenticates there")
    introspection_key_file: str | None = later(None, "its key there")
    store_url: str = later("memory://", "what all instances share")
    dpop: str = later("off", "`accept` or `require` proofs of possession (RFC 9449)")
    mtls: str = later("off", "`accept` or `require` client certificates (RFC 8705)")
    trusted_proxies: None = later(None, "the proxies whose forwarded headers count")
    client_cert_header: str | None = later(None, "the header with the client's certificate")
    mode: str = later("enforce", "`report-without-enforcing` decides, logs and lets through")
    report_until: str | None = later(None, "when that ends")
    config: str | None = later(None, "a TOML file with these settings")

    @classmethod
    def load(cls, *sources: Source) -> "Settings":
        """Merge sources, the first one that has a value wins, and check the whole.

        Raises:
            ConfigurationError: naming every problem.
        """
        names = [spec.name for spec in fields(cls)]
        problems = [text for source in sources for text in unknown_names(source, names)]
        given = {name: found for name in names if (found := find(name, sources)) is not None}
        values, unreadable = _read(given)
        problems += unreadable
        problems += problems_of(values, given, sources)
        if problems:
            raise ConfigurationError(*problems)
        return cls(**values)

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
        )

    def profile_in_force(self) -> str:
        """Give the name of the profile; ``auto`` knows no provider yet, and is strict."""
        return "rfc9068" if self.profile == "auto" else self.profile

    def challenge_realm(self) -> str:
        """Give the realm of challenges: the audience, where a header field can hold it."""
        try:
            return self.realm or p.quotable(self.audience[0])
        except ValueError:
            return "api"

    def _default_algorithms(self, supported: Sequence[str]) -> Sequence[str]:
        if self.secret is None:
            return supported
        size = len(self.secret.value)
        return [alg for alg, least in HMAC_KEY_BYTES.items() if size >= least]


def _read(given: Mapping[str, Given]) -> tuple[dict[str, Any], list[str]]:
    """Read what was given; give the values, and what is wrong with the others."""
    values, problems = {}, []
    for spec in fields(Settings):
        if spec.name in given:
            try:
                values[spec.name] = _parse(spec, given[spec.name])
            except ValueError as error:
                problems.append(f"{given[spec.name].where} {error}")
    return values, problems


def _parse(spec: "Field[Any]", given: Given) -> Any:
    if given.problem is not None:
        raise ValueError(given.problem)
    parse = spec.metadata["parse"]
    if parse is not None:
        return parse(given.raw)
    if given.raw != spec.default and (spec.default is None or given.raw != str(spec.default)):
        raise ValueError("is not available yet; leave it out")
    return spec.default


def _places(paths: tuple[str, ...] | None, forms: dict[str, Any]) -> tuple[Place, ...]:
    return tuple(Place(path, **forms) for path in paths or ())

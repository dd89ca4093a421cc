"""Every setting, once: the argument, the environment name, the Flask key and the table in the docs.

A field ``jwks_ttl`` is the argument ``jwks_ttl`` and the name ``BEARERGUARD_JWKS_TTL``. Values come
as text from the environment and as Python values from code; the parser beside the default reads
both. Every problem is named at once, with where the value came from and how to mend it.
"""

import difflib
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bearerguard import parsers as p
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS, HMAC_KEY_BYTES, PROFILES, Place, Policy
from bearerguard.core.policy import ROLE_FORMS as ROLES
from bearerguard.core.urls import problem_of_issuer, problem_of_url
from bearerguard.errors import ConfigurationError

PREFIX = "BEARERGUARD_"
# What Kubernetes puts into every container beside a service named "bearerguard".
SERVICE_LINK = re.compile(r"SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_\d+_.*")
# Settings whose value may stand in a file that their name with _FILE names.
FROM_FILE = ("secret", "introspection_client_secret", "store_url")
LARGEST_FILE = 64 * 1024

logger = logging.getLogger("bearerguard")


@dataclass(frozen=True)
class Source:
    """Where values come from: a name for messages, the spelling of its keys, and the values."""

    name: str
    prefix: str
    values: Mapping[str, Any]

    def spell(self, setting: str) -> str:
        """Write a setting's name as it is written in this source."""
        return self.prefix + (setting.upper() if self.prefix else setting)


def setting(default: Any, parse: Callable[[Any], Any], meaning: str) -> Any:
    """Declare a setting that works."""
    return field(default=default, metadata={"parse": parse, "meaning": meaning})


def later(default: Any, meaning: str) -> Any:
    """Declare a setting whose feature is still to come: nothing but its default is taken."""
    return field(default=default, metadata={"parse": None, "meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator can say. Durations are seconds, sizes bytes; None means not set."""

    issuer: str = setting("", p.text, "the exact `iss` of the tokens; required")
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
    jwks_timeout: float = setting(5.0, p.seconds(0.1, 60), "how long fetching the keys may take")
    jwks_snapshot: str | None = later(None, "a file for the last good keys, for all workers")
    ca_file: str | None = setting(None, p.text, "the certificates to trust, not the client's own")
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
    public: tuple[str, ...] = setting((), p.texts, "paths without a guard: `/healthz`, `/docs/*`")
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
        problems: list[str] = []
        for source in sources:
            problems += _unknown_names(source)
        values: dict[str, Any] = {}
        for spec in fields(cls):
            try:
                found = _find(spec.name, sources)
            except ConfigurationError as error:
                problems += error.problems
                continue
            if found is None:
                continue
            source, raw = found
            try:
                values[spec.name] = _parse(spec, raw)
            except ValueError as error:
                shown = "***" if spec.name in FROM_FILE else repr(raw)
                where = f"{source.spell(spec.name)}={shown} ({source.name})"
                problems.append(f"{where} {error}")
        settings = cls(**values)
        problems += _problems_of(settings, values, sources[0], problems)
        if problems:
            raise ConfigurationError(*problems)
        return settings

    def policy(self, supported: Sequence[str] = ASYMMETRIC_ALGORITHMS) -> Policy:
        """Turn the settings into the rules for this issuer's tokens.

        ``supported`` are the asymmetric algorithms that this machine can verify.
        """
        profile = PROFILES["rfc9068" if self.profile == "auto" else self.profile]
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


def from_environment(environ: Mapping[str, str]) -> Source:
    """Make a source of the process's environment."""
    return Source("environment", PREFIX, _without_service_links(environ))


def from_arguments(arguments: Mapping[str, Any]) -> Source:
    """Make a source of keyword arguments."""
    return Source("argument", "", arguments)


def from_app_config(config: Mapping[str, Any]) -> Source:
    """Make a source of an application's own configuration (Flask's ``app.config``)."""
    values = {key: value for key, value in config.items() if str(key).startswith(PREFIX)}
    return Source("app.config", PREFIX, values)


def _without_service_links(environ: Mapping[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    links = [name for name in ours if SERVICE_LINK.fullmatch(name.removeprefix(PREFIX))]
    for name in links:
        logger.info("ignoring %s: it looks like a Kubernetes service link", name)
        del ours[name]
    return ours


def _unknown_names(source: Source) -> Iterator[str]:
    names = [spec.name for spec in fields(Settings)] + [f"{name}_file" for name in FROM_FILE]
    known = [source.spell(name) for name in names]
    for name in source.values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield f"{name} ({source.name}) is not a setting{hint}"


def _find(name: str, sources: Sequence[Source]) -> tuple[Source, Any] | None:
    """Give the first value that is set; an empty one is the same as not set."""
    for source in sources:
        value = _set(source, name)
        file = _set(source, f"{name}_file") if name in FROM_FILE else None
        if value is not None and file is not None:
            both = f"{source.spell(name)} and {source.spell(name)}_FILE"
            raise ConfigurationError(f"{both} ({source.name}) are both set; keep one")
        if file is not None:
            return source, _read(file, f"{source.spell(f'{name}_file')} ({source.name})")
        if value is not None:
            return source, value
    return None


def _set(source: Source, name: str) -> Any:
    value = source.values.get(source.spell(name))
    is_empty = isinstance(value, str | list | tuple) and not value
    return None if is_empty or (isinstance(value, str) and value.isspace()) else value


def _read(file: Any, where: str) -> str:
    try:
        with Path(file).open(encoding="utf-8") as opened:
            content = opened.read(LARGEST_FILE)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{where} cannot be read: {type(error).__name__}") from None
    content = content.removesuffix("\n").removesuffix("\r")
    if not content:
        raise ConfigurationError(f"{where} names an empty file")
    return content


def _parse(spec: Any, raw: Any) -> Any:
    parse = spec.metadata["parse"]
    if parse is not None:
        return parse(raw)
    if raw not in (spec.default, str(spec.default)):
        raise ValueError("is not available yet")
    return spec.default


def _places(paths: tuple[str, ...] | None, forms: dict[str, Any]) -> tuple[Place, ...]:
    return tuple(Place(path, **forms) for path in paths or ())


def _problems_of(
    settings: Settings, given: Mapping[str, Any], source: Source, so_far: Sequence[str]
) -> Iterator[str]:
    """Name what is wrong with the settings together."""
    told = " ".join(so_far)
    for name in ("issuer", "audience"):
        if name not in given and not re.search(rf"(?i)\b(BEARERGUARD_)?{name}=", told):
            yield f"{source.spell(name)} is not set: {_meaning(name)}"
    yield from _issuer_problems(settings)
    yield from _audience_problems(settings)
    yield from _key_problems(settings)


def _issuer_problems(settings: Settings) -> Iterator[str]:
    issuer = settings.issuer
    if "," in issuer:
        yield f"issuer {issuer!r}: several issuers are not available yet"
    elif issuer and settings.jwks_uri is None and settings.secret is None:
        problem = problem_of_issuer(issuer, http_allowed=settings.allow_http)
        if problem is not None:
            yield f"issuer {issuer!r} {problem}; write it exactly as the tokens name it in iss"


def _audience_problems(settings: Settings) -> Iterator[str]:
    for audience in settings.audience:
        if "://" in audience and "#" in audience:
            yield f"audience {audience!r} has a fragment (RFC 8707 section 2)"


def _key_problems(settings: Settings) -> Iterator[str]:
    symmetric = [alg for alg in settings.algorithms or () if alg in HMAC_KEY_BYTES]
    if settings.secret is None:
        if symmetric:
            yield f"algorithms: {', '.join(symmetric)} need the setting secret"
    else:
        if len(symmetric) != len(settings.algorithms or ()):
            yield "algorithms: with the setting secret only HS256, HS384 and HS512 are possible"
        size = len(settings.secret.value)
        for alg in symmetric:
            if size < HMAC_KEY_BYTES[alg]:
                yield f"secret has {size} bytes; {alg} needs {HMAC_KEY_BYTES[alg]}"
        if settings.jwks_uri is not None or settings.jwks_token_file is not None:
            yield "secret and jwks_uri or jwks_token_file exclude each other; keep one"
    if settings.jwks_uri is not None:
        problem = problem_of_url(settings.jwks_uri, http_allowed=settings.allow_http)
        if problem is not None:
            yield f"jwks_uri {settings.jwks_uri!r} {problem}"


def _meaning(name: str) -> str:
    return str(next(s for s in fields(Settings) if s.name == name).metadata["meaning"])

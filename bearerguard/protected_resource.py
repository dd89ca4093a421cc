"""This API as a protected resource: its metadata, kept up to date and ready to be served.

One document for each guard, and so for each RESOURCE: where a host has several resources, each has
a guard of its own. That could have gone otherwise (one guard with several resources); but a token
for one resource must not be good for another, so that they differ in their audience anyway.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from bearerguard.configuration import Configuration
from bearerguard.core.challenge import Answer
from bearerguard.core.issuer_patterns import IssuerPatterns
from bearerguard.core.metadata import (
    WELL_KNOWN,
    ResourceMetadata,
    answer_by,
    answer_with,
    metadata_url,
)
from bearerguard.core.metadata_members import problems_of_members
from bearerguard.errors import ConfigurationError
from bearerguard.log import logger
from bearerguard.settings import Settings

Members = Mapping[str, Any]
Document = dict[str, Any]


class ProtectedResource:
    """The metadata of one resource (RFC 9728).

    ``url`` is the resource, as it is published; ``metadata_url`` where its metadata stand.

    Raises:
        ConfigurationError: the function for ``signed_metadata`` does not work.
    """

    def __init__(self, settings: Settings, issuers: Iterable[str], members: Members | None) -> None:
        self.url = settings.resource or ""
        self.metadata_url = metadata_url(self.url)
        self._settings = settings
        self._issuers = tuple(issuers)
        self._members = dict(members or {})
        self._sign = self._members.pop("signed_metadata", None)
        _, _, below_host = self.metadata_url.partition("://")
        path, _, self._query = below_host[below_host.index("/") :].partition("?")
        self._path = unquote(path)
        # A frozen set that is replaced as a whole, so that no lock is needed.
        self._scopes = frozenset(settings.required_scopes)
        try:
            self._served = (self._scopes, answer_with(self._signed(self.document())))
        except Exception as error:
            kind = type(error).__name__
            how = "it takes the claims and returns a JWT as text"
            problem = f"metadata['signed_metadata'] failed: {kind}; {how}"
            raise ConfigurationError(problem) from error
        logger.info("%s is described at %s, all of it by one document", self.url, self.metadata_url)
        if "?" in self.url:
            advice = "RFC 9728 section 1.2 advises against"
            logger.warning("resource %r has a query: %s", self.url, advice)

    def serves(self, path: str) -> bool:
        """Tell whether the metadata may be answered at a path from the root of the host."""
        return path in (self._path, WELL_KNOWN)

    def note_scopes(self, scopes: Iterable[str]) -> None:
        """Note scopes that a route needs; the document lists them unless the operator does."""
        more = self._scopes.union(scopes)
        if more != self._scopes:
            self._scopes = more

    def document(self) -> Document:
        """Write the metadata as they are now (RFC 9728 section 2)."""
        metadata = ResourceMetadata(
            resource=self.url,
            authorization_servers=self._issuers,
            scopes_supported=tuple(sorted(self._scopes)),
            tls_client_certificate_bound_access_tokens=self._settings.mtls == "require",
            dpop_bound_access_tokens_required=self._settings.dpop == "require",
            more=self._members,
        )
        return metadata.document()

    def answer(
        self, method: str, paths: Sequence[str], query: str, *, is_alone: bool
    ) -> Answer | None:
        """Answer a request for the metadata; None for any other.

        ``paths`` are the decoded path from the root of the host, in every form that it may have.
        ``is_alone`` tells that no other resource is served here: then the metadata stand at the
        root as well, where a client looks that knows the host alone.
        """
        is_here = self._path in paths and self._query in ("", query)
        if is_here or (is_alone and WELL_KNOWN in paths):
            return answer_by(method, self._answer())
        return None

    def _answer(self) -> Answer:
        scopes, answer = self._served
        if scopes is not self._scopes:
            scopes, document = self._scopes, self.document()
            try:
                answer = answer_with(self._signed(document))
            except Exception:  # noqa: BLE001  whatever the operator's function raises
                # It worked at the start. The plain members are good without it.
                logger.exception("metadata['signed_metadata'] failed")
                answer = answer_with(document)
            self._served = (scopes, answer)
        return answer

    def _signed(self, document: Document) -> Document:
        """Add the same members as a signed JWT, issued by the resource itself.

        Source: RFC 9728 section 2.2; it never holds itself.
        """
        if self._sign is None:
            return document
        signed = self._sign({"iss": self.url, **document})
        if not isinstance(signed, str) or signed.count(".") != 2:  # noqa: PLR2004  RFC 7515 section 3.1
            raise TypeError("no JWS in compact form")
        return {**document, "signed_metadata": signed}


def protected_resource(
    configuration: Configuration, allowed: Sequence[str], members: Members | None
) -> ProtectedResource | None:
    """Make the resource of checked settings, where there is one; ``allowed`` as for a Guard."""
    if configuration.settings.resource is None:
        return None
    issuers = _issuers(configuration, allowed)
    return ProtectedResource(configuration.settings, issuers, members)


def problems_of_resource(
    configuration: Configuration | None, allowed: Sequence[str], members: Members | None
) -> list[str]:
    """Name everything that is wrong with what an operator says of the resource.

    ``configuration`` is None where it could not be read, which had its message.
    """
    http_allowed = configuration is None or configuration.settings.allow_http
    problems = list(
        problems_of_members({} if members is None else members, http_allowed=http_allowed)
    )
    if configuration is None or problems:
        return problems
    named = (members or {}).get("authorization_servers")
    if configuration.settings.resource is None:
        return ["metadata describe a resource: set resource, too"] if members else []
    if named is None and not _issuers(configuration, allowed):
        how = "name some in metadata={'authorization_servers': [...]}"
        return [f"resource needs an issuer to name, and issuers_allowed has only templates; {how}"]
    accepted, patterns = _issuers(configuration, allowed), _patterns(allowed)
    return [
        f"metadata['authorization_servers'] names {name!r}, whose tokens are not accepted here"
        for name in named or ()
        if name not in accepted and not patterns.allows(name)
    ]


def _issuers(configuration: Configuration, allowed: Sequence[str]) -> tuple[str, ...]:
    """Give the issuers that can be named: not those that a template leaves open."""
    configured = [one.issuer for one in configuration.issuers]
    return tuple(dict.fromkeys([*configured, *sorted(_patterns(allowed).exact)]))


def _patterns(allowed: Sequence[str]) -> IssuerPatterns:
    """Read what was checked already."""
    return IssuerPatterns.of(allowed, http_allowed=True) if allowed else IssuerPatterns()

"""What this API says of itself: OAuth 2.0 protected resource metadata, and where it stands.

Source: RFC 9728 sections 2, 3 and 3.2. Everything comes from the operator's settings; nothing out
of a request, its Host field least of all, gets into a document or a URL.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from bearerguard.core.challenge import Answer
from bearerguard.errors import ConfigurationError

WELL_KNOWN = "/.well-known/oauth-protected-resource"
# How long a client may keep a document: a new deployment is seen in time, and a crowd of clients
# costs little. Also how long a browser may keep the answer to a preflight.
MAX_AGE_S = 600
# Fetch standard: any script may read what anybody may. "*" takes in MCP-Protocol-Version.
OPEN_TO_SCRIPTS = ("Access-Control-Allow-Origin", "*")
METHODS = "GET, HEAD, OPTIONS"


@dataclass(frozen=True, kw_only=True)
class ResourceMetadata:
    """The members of RFC 9728 section 2 that follow from how an API is guarded.

    ``more`` are further members as the operator wrote them.
    """

    resource: str
    authorization_servers: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    bearer_methods_supported: tuple[str, ...] = ("header",)
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    dpop_bound_access_tokens_required: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Write the members down; what has no value, or its default, is left out.

        Source: RFC 9728 section 3.2. An empty array has a meaning for
        ``bearer_methods_supported`` alone: no way at all.
        """
        members = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        del members["more"]
        kept = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in members.items()
            if value or name == "bearer_methods_supported"
        }
        return {**kept, **self.more}


def canonical(resource: str) -> str:
    """Write scheme and host in lower case, in which they compare, and the rest as it stands.

    Source: RFC 3986 section 6.2.2.1; clients compare what is published by code point (RFC 9728
    sections 3.3 and 6).
    """
    origin, rest = _split(resource)
    return origin.lower() + rest


def metadata_url(resource: str) -> str:
    """Give the URL of a resource's metadata: the well-known path goes behind the host.

    Only a "/" right after the host is removed first; one that ends a path belongs to the name.
    Source: RFC 9728 section 3.1.
    """
    origin, rest = _split(resource)
    path, mark, query = rest.partition("?")
    return origin + WELL_KNOWN + ("" if path == "/" else path) + mark + query


def _split(resource: str) -> tuple[str, str]:
    """Part scheme and host from path and query."""
    scheme, separator, rest = resource.partition("://")
    end = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    return scheme + separator + rest[:end], rest[end:]


def answer_with(document: Mapping[str, Any]) -> Answer:
    """Build the answer that holds a document (RFC 9728 section 3.2)."""
    return _answer(200, json.dumps(document), ("Cache-Control", f"max-age={MAX_AGE_S}"))


def _answer(status: int, body: str, *more: tuple[str, str]) -> Answer:
    content = body.encode()
    headers = (
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(content))),
        OPEN_TO_SCRIPTS,
        *more,
    )
    return Answer(status, headers, content)


NOT_FOUND = _answer(404, "{}", ("Cache-Control", "no-store"))
NOT_ALLOWED = _answer(405, "{}", ("Allow", METHODS), ("Cache-Control", "no-store"))
# For a preflight, and whoever else asks for the options.
OPTIONS = Answer(
    204,
    (
        ("Allow", METHODS),
        OPEN_TO_SCRIPTS,
        ("Access-Control-Allow-Methods", METHODS),
        ("Access-Control-Allow-Headers", "*"),
        ("Access-Control-Max-Age", str(MAX_AGE_S)),
    ),
    b"",
)


def answer_by(method: str, document: Answer) -> Answer:
    """Choose the answer for a method; whoever sends it leaves the body out for HEAD.

    Source: RFC 9728 section 3.1 (GET), RFC 9110 sections 9.3.2 and 15.5.6.
    """
    if method in ("GET", "HEAD"):
        return document
    return OPTIONS if method == "OPTIONS" else NOT_ALLOWED


class Resource(Protocol):
    """A resource whose metadata are served."""

    def answer(
        self, method: str, paths: Sequence[str], query: str, *, is_alone: bool
    ) -> Answer | None:
        """Answer a request for its metadata; None for any other."""
        ...


class HasResource(Protocol):
    """A guard, as far as metadata go."""

    @property
    def resource(self) -> Resource | None:
        """The resource that it guards, where that was named."""
        ...


def resources_of(guards: Sequence[HasResource]) -> tuple[Resource, ...]:
    """Give the resources of guards; raises ConfigurationError where one has none."""
    found = tuple(guard.resource for guard in guards if guard.resource is not None)
    if not found or len(found) != len(guards):
        raise ConfigurationError("metadata are served for guards with the setting resource")
    return found


def first_answer(
    resources: Sequence[Resource], method: str, paths: Sequence[str], query: str
) -> Answer | None:
    """Answer a request for the metadata of one of these resources; None for any other."""
    is_alone = len(resources) == 1
    answers = (one.answer(method, paths, query, is_alone=is_alone) for one in resources)
    return next(filter(None, answers), None)

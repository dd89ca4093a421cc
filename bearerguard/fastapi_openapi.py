"""Writes into an application's OpenAPI document what its routes need of a token.

Every operation but the public ones shows the lock, because every one needs a valid token. The
document is described after the application made it, whoever made it; one that has a security scheme
of our name already is left as it is.

Source: OpenAPI 3.1.0, Security Scheme Object and Security Requirement Object.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from bearerguard.core.access import Access
from bearerguard.core.alternatives import alternatives
from bearerguard.core.marks import mark_of
from bearerguard.core.needs import Need, all_of, authenticated, both
from bearerguard.core.request import RequestView
from bearerguard.core.urls import problem_of_url, well_known_urls
from bearerguard.errors import ConfigurationError
from bearerguard.fastapi_dependencies import mark_of_dependant
from bearerguard.fastapi_routing import expanded

if TYPE_CHECKING:
    from bearerguard.gate import Gate

SCHEME = "bearerAuth"
# Path Item Object: the members that are operations.
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
UNAUTHORIZED = "No access token, or none that is good for this API"
FORBIDDEN = "The token is short of what this operation needs: {}"
UNAVAILABLE = "The issuer of the token cannot be reached; try again later"
Document = dict[str, Any]


@dataclass(frozen=True)
class DescribedOpenAPI:
    """Stands in the place of an application's ``openapi`` method, around it.

    ``prefix`` is the path at which the application is mounted in the one that is guarded.
    """

    app: FastAPI
    gate: "Gate"
    scheme: Mapping[str, Any]
    prefix: str
    made: Callable[[], Document] = field(repr=False)

    def __call__(self) -> Document:
        """Make the document, or give it as it was made before."""
        document = self.made()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        if SCHEME not in schemes:
            named = dict.fromkeys(self._describe(document), "")
            flows = {kind: {**flow, "scopes": named} for kind, flow in self._flows.items()}
            schemes[SCHEME] = {**self.scheme, "flows": flows} if flows else dict(self.scheme)
        return document

    @property
    def _flows(self) -> Mapping[str, Any]:
        flows: Mapping[str, Any] = self.scheme.get("flows", {})
        return flows

    def _describe(self, document: Document) -> list[str]:
        """Describe every operation, and name the scopes that they need."""
        routes = self._routes()
        scopes: list[str] = []
        for path, operations in document.get("paths", {}).items():
            for method, operation in operations.items():
                if method not in METHODS:
                    continue
                access = self._access(routes.get((path, method), [None]), path, method.upper())
                if access.need is not None or not access.public:
                    need = self._need(access)
                    _lock(operation, need, is_optional=access.need is None and access.optional)
                    scopes += need.scopes()
        return scopes

    def _routes(self) -> dict[tuple[str, str], list[Any]]:
        """Find the routes of each operation: those that differ in converters share a path."""
        found: dict[tuple[str, str], list[Any]] = {}
        for route in (one for several in self.app.routes for one in expanded(several)):
            for method in getattr(route, "methods", None) or ():
                place = getattr(route, "path_format", ""), method.lower()
                found.setdefault(place, []).append(route)
        return found

    def _access(self, routes: Iterable[Any], path: str, method: str) -> Access:
        """Tell what a request has to bring; of several routes, what the first one asks for."""
        every = [self._access_of(route, path, method) for route in routes]
        return next((one for one in every if one.need is not None or not one.public), every[0])

    def _access_of(self, route: Any, path: str, method: str) -> Access:
        """Tell what a request has to bring, as the middleware does when it comes."""
        mark = mark_of(getattr(route, "endpoint", None), method)
        mark = mark.plus(mark_of_dependant(getattr(route, "dependant", None)))
        return mark.on(self.gate.table.access(RequestView(method, self.prefix + path, None, ())))

    def _need(self, access: Access) -> Need:
        required = self.gate.guard.settings.required_scopes
        need = both(all_of(*required) if required else None, access.need)
        return authenticated if need is None else need


def describe(app: Any, gate: "Gate", scheme: Document, prefix: str = "") -> None:
    """Describe the documents of an application and of those that are mounted in it.

    Called again at the start, when they are all there, and whoever has an ``openapi`` of his own
    has put it in its place.
    """
    if isinstance(app, FastAPI) and not isinstance(app.openapi, DescribedOpenAPI):
        vars(app)["openapi"] = DescribedOpenAPI(app, gate, scheme, prefix, app.openapi)
    for route in (one for several in app.routes for one in expanded(several)):
        if isinstance(route, Mount) and isinstance(route.app, Starlette):
            describe(route.app, gate, scheme, prefix + route.path)


def scheme_of(gate: "Gate", authorization_url: str | None, token_url: str | None) -> Document:
    """Say where tokens come from: the two URLs, or else the issuer's metadata.

    Nothing is fetched for it: an application starts while its issuer is down. An issuer that is no
    URL, or one among several, leaves only that a token is needed.

    Raises:
        ConfigurationError: one URL without the other.
    """
    if authorization_url and token_url:
        flow = {"authorizationUrl": authorization_url, "tokenUrl": token_url}
        return {"type": "oauth2", "flows": {"authorizationCode": flow}}
    if authorization_url or token_url:
        raise ConfigurationError("authorization_url and token_url belong together: give both")
    issuer = gate.guard.settings.issuer
    if problem_of_url(issuer, http_allowed=True) is not None:
        return {"type": "http", "scheme": "bearer"}
    # OpenID Connect Discovery section 4 is what a browser reads.
    return {"type": "openIdConnect", "openIdConnectUrl": well_known_urls(issuer)[-1]}


def _lock(operation: Document, need: Need, *, is_optional: bool) -> None:
    """Put the lock on an operation, beside what it asks for already, and tell how it refuses."""
    ours: list[Document] = [{SCHEME: list(scopes)} for scopes in alternatives(need)]
    ours += [{}] if is_optional else []
    theirs = operation.get("security")
    if theirs != []:  # an operation may say that it has none
        operation["security"] = [{**one, **other} for one in theirs or [{}] for other in ours]
    responses = operation.setdefault("responses", {})
    challenge = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    responses.setdefault("401", {"description": UNAUTHORIZED, "headers": challenge})
    if need is not authenticated:
        refused = {"description": FORBIDDEN.format(need), "headers": challenge}
        responses.setdefault("403", refused)
    responses.setdefault("503", {"description": UNAVAILABLE})

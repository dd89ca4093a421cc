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
from bearerguard.core.marks import mark_of
from bearerguard.core.needs import Need, all_of, authenticated, both
from bearerguard.core.openapi import METHODS, SCHEME, Document, lock, scheme_for
from bearerguard.core.request import RequestView
from bearerguard.errors import ConfigurationError
from bearerguard.fastapi_dependencies import mark_of_dependant
from bearerguard.fastapi_routing import expanded

if TYPE_CHECKING:
    from bearerguard.gate import Gate


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
                    lock(operation, need, is_optional=access.need is None and access.optional)
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

    Raises:
        ConfigurationError: one URL without the other.
    """
    if authorization_url and token_url:
        flow = {"authorizationUrl": authorization_url, "tokenUrl": token_url}
        return {"type": "oauth2", "flows": {"authorizationCode": flow}}
    if authorization_url or token_url:
        raise ConfigurationError("authorization_url and token_url belong together: give both")
    return scheme_for(gate.guard.settings.issuer)

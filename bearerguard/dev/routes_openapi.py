"""Writes what routes need as an OpenAPI document, for frameworks that make none themselves.

Source: OpenAPI 3.1.0, Paths Object and Path Item Object. WebSockets, and what a table says of all
paths that it does not name, have no place in such a document.
"""

import re
from collections.abc import Iterator
from typing import Any

from bearerguard.core.needs import authenticated
from bearerguard.core.openapi import METHODS, SCHEME, Document, lock, scheme_for
from bearerguard.dev.routes import EVERY_METHOD, GuardedApp, GuardedRoute

# "{id:int}", "<int:id>" and "<id>": what stands before and after the name, which is kept.
VARIABLE = re.compile(r"\{(?P<of_starlette>\w+)(?::\w+)?\}|<(?:[^<>:]+:)?(?P<of_flask>\w+)>")
FOLDER = "{path}"


def openapi_of(app: Any, found: GuardedApp, title: str) -> Document:
    """Give the application's own document where it makes one, else one that we make."""
    own = getattr(app, "openapi", None)
    if found.framework == "FastAPI" and callable(own):
        document: Document = own()
        return document
    issuer = "" if found.guard is None else found.guard.settings.issuer
    paths: dict[str, Document] = {}
    for route in found.routes:
        for method in _methods(route):
            item = paths.setdefault(_path(route.path), _item(_path(route.path)))
            item.setdefault(method, _operation(route))
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "0"},
        "paths": paths,
        "components": {"securitySchemes": {SCHEME: scheme_for(issuer)}},
    }


def _methods(route: GuardedRoute) -> Iterator[str]:
    if route.path.startswith("/") and not route.path.startswith("//"):
        wanted = METHODS if route.method == EVERY_METHOD else (route.method.lower(),)
        yield from (method for method in wanted if method in METHODS)


def _path(path: str) -> str:
    written = VARIABLE.sub(
        lambda part: "{" + (part["of_starlette"] or part["of_flask"]) + "}", path
    )
    return re.sub(r"/\*$", "/" + FOLDER, written)


def _item(path: str) -> Document:
    """Every variable part has to be declared (Parameter Object)."""
    names = re.findall(r"\{(\w+)\}", path)
    text = {"type": "string"}
    parameters = [{"name": n, "in": "path", "required": True, "schema": text} for n in names]
    return {"parameters": parameters} if parameters else {}


def _operation(route: GuardedRoute) -> Document:
    operation: Document = {"summary": route.endpoint, "responses": {}}
    if route.admits == "public" and route.is_guarded:
        operation["security"] = []
    elif route.is_guarded:
        need = authenticated if route.need is None else route.need
        lock(operation, need, is_optional=route.admits == "optional")
    operation["responses"]["default"] = {"description": "The answer of the application"}
    return operation

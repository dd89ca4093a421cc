"""Who may import whom, what the core may touch, and how long things may be.

Read from the source, so that a mistake in a branch that no test runs is found too.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "bearerguard"
MODULES = {
    path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in PACKAGE.rglob("*.py")
}

# From the bottom up. A module may import its own layer and those before it, and no later one.
LAYERS = (
    ("errors", "events", "files", "forks", "core/*"),
    (
        "sources",
        "trusted_files",
        "mode_consistency",
        "consistency",
        "parsers",
        "profile_parsers",
        "profile_consistency",
        "issuer_template",
        "policies",
        "scope_hierarchy",
        "file_parsers",
        "client_parsers",
        "reading",
        "settings",
        "shadow_settings",
        "issuer",
        "config_file",
        "own",
        "configuration",
        "jwks/budget",
        "jwks/states",
        "jwks/lifetime",
        "jwks/missing",
        "jwks/cache",
        "introspection/rules",
        "introspection/cache",
        "introspection/circuit",
    ),
    ("drivers", "jwks/*", "stores/*", "status_list/*", "introspection/*"),
    (
        "log",
        "reporting",
        "shadow",
        "decisions",
        "deciding",
        "admitting",
        "key_log",
        "issuers",
        "questions",
        "resolved",
        "resolver",
        "protected_resource",
        "directory",
        "readiness",
        "revoking",
        "watching",
        "guard",
    ),
    ("gate", "loading", "event_effects"),
    ("measures", "otel", "prometheus"),
    ("asgi", "asgi_expiry", "wsgi", "receiver"),
    ("starlette", "starlette_routing", "starlette_user", "flask", "flask_request"),
    ("fastapi", "fastapi_*", "mcp"),
    ("dev/*",),
    ("testing/*",),
    ("cli/*",),
    ("__main__",),
)
# An adapter speaks with the door and not with what lies behind it.
ADAPTERS = (
    *("asgi", "asgi_expiry", "wsgi", "starlette", "starlette_routing", "starlette_user"),
    *("flask", "flask_request"),
    *("fastapi", "fastapi_decorator", "fastapi_dependencies", "fastapi_middleware"),
    *("fastapi_openapi", "fastapi_routing", "mcp"),
)
ADAPTERS_MAY_IMPORT = (*ADAPTERS, "gate", "loading", "guard", "settings", "errors", "core/*")
# Everything that is not the standard library: package, and who may import it.
PACKAGES = {
    "jwt": (
        *("core/jwk", "core/key_file", "core/signature", "core/client_key"),
        *("introspection/client_auth", "dev/signing_key"),
    ),
    "cryptography": (
        *("core/jwk", "core/key_file", "core/signature", "core/client_key", "dev/signing_key"),
    ),
    "httpx": ("jwks/fetch", "dev/*", "cli/token", "testing/everything"),
    "cachetools": ("resolved", "stores/verified", "introspection/cache", "dev/ledger"),
    "trio": ("jwks/waiting",),
    "rich": ("cli/output",),
    "opentelemetry": ("otel",),
    "prometheus_client": ("prometheus",),
    "authlib": ("dev/*",),
    "starlette": ("starlette", "starlette_routing", "starlette_user", "fastapi*", "dev/*"),
    "fastapi": ("fastapi", "fastapi_*"),
    "mcp": ("mcp",),
    "pydantic": ("mcp",),
    "flask": ("flask", "flask_request", "dev/*"),
    "werkzeug": ("flask_request", "dev/*"),
    "uvicorn": ("dev/*",),
    "pytest": ("testing/plugin",),
    "django": ("testing/django",),
}
# Only where they are needed: in a function, or for the type checker.
LAZY = {
    ("httpx", "jwks/fetch"),
    ("httpx", "cli/token"),
    ("httpx", "testing/everything"),
    ("trio", "jwks/waiting"),
    ("rich", "cli/output"),
}
# No network, clock, environment, lock or framework. "bearerguard" is for the layers above.
PURE = (
    *("events", "core/*"),
    *("jwks/budget", "jwks/states", "jwks/lifetime", "jwks/missing", "jwks/cache"),
    *("introspection/cache", "introspection/circuit"),
)
PURE_MAY_IMPORT = frozenset(
    [
        "abc",
        "base64",
        "binascii",
        "collections",
        "dataclasses",
        "difflib",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "inspect",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "re",
        "string",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "zlib",
        "bearerguard",
    ]
)
IMPURE_CALLS = {"open", "eval", "exec", "__import__", "input", "print"}
# Only signature checks make the first, only the reading of a verified token the second, only the
# end of the whole way the third, and only who saw "active: true" the fourth.
BUILT_ONLY_IN = {
    "VerifiedToken": "core/signature",
    "AccessToken": "core/access_token",
    "KnownToken": "core/known_token",
    "ActiveToken": "core/introspection",
}
# What makes an object of a class without calling it, or a changed one of an object.
WAYS_AROUND = ("__new__", "_make", "_replace", "replace", "copy", "deepcopy", "__replace__")

LONGEST_MODULE = 250
LONGEST_FUNCTION = 40


@dataclass(frozen=True)
class Import:
    """``name`` is the whole dotted name; ``lazy``: not when the module is loaded."""

    name: str
    lazy: bool

    @property
    def module(self) -> str | None:
        """The module of this package that is meant, as in MODULES, or None."""
        if self.name != "bearerguard" and not self.name.startswith("bearerguard."):
            return None
        inner = self.name.removeprefix("bearerguard").removeprefix(".").replace(".", "/")
        candidates = (inner, f"{inner}/__init__".lstrip("/"), inner.rpartition("/")[0])
        found = [name for name in candidates if name in MODULES]
        return found[0] if found else f"{inner.rpartition('/')[0]}/__init__".lstrip("/")


def imports_of(tree: ast.AST, *, lazy: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "no relative imports"
            yield from (Import(f"{node.module}.{alias.name}", lazy) for alias in node.names)
        else:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            yield from imports_of(node, lazy=lazy or is_function or for_types)


def is_one_of(module: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(module, pattern) for pattern in patterns)


def layer_of(module: str) -> int:
    return next(i for i, patterns in enumerate(LAYERS) if is_one_of(module, patterns))


def problems_of_imports(module: str, source: str) -> Iterator[str]:
    for found in imports_of(ast.parse(source)):
        package = found.name.partition(".")[0]
        if found.module is not None:
            yield from problems_inside(module, found.module)
        elif package in PACKAGES:
            if not is_one_of(module, PACKAGES[package]):
                yield f"{module} imports {package}"
            if (package, module) in LAZY and not found.lazy:
                yield f"{module} imports {package} when it is loaded"
        elif package not in sys.stdlib_module_names:
            yield f"{module} imports {package}, which nobody may"


def problems_inside(module: str, imported: str) -> Iterator[str]:
    if module == "__init__":
        return  # for the type checker alone; test_imports.py shows that nothing is loaded
    if imported == "__init__":
        if layer_of(module) < layer_of("cli/x"):
            yield f"{module} imports the root, which is for users"
    elif layer_of(imported) > layer_of(module):
        yield f"{module} imports {imported}, which stands above it"
    elif module in ADAPTERS and not is_one_of(imported, ADAPTERS_MAY_IMPORT):
        yield f"{module} imports {imported} past the guard"


def problems_of_purity(module: str, source: str) -> Iterator[str]:
    if not is_one_of(module, PURE):
        return
    tree = ast.parse(source)
    for found in imports_of(tree):
        package = found.name.partition(".")[0]
        allowed = {package, found.name, found.name.rpartition(".")[0]} & PURE_MAY_IMPORT
        if package not in PACKAGES and not allowed:
            yield f"{module} imports {found.name}, and is pure"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in IMPURE_CALLS:
            yield f"{module} calls {ast.unparse(node.func)}, and is pure"


def problems_of_types(module: str, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called, _, way = ast.unparse(node.func).rpartition(".")
            named = [way, called.rpartition(".")[2]] if way in WAYS_AROUND else [way]
            if way in WAYS_AROUND:
                named += [ast.unparse(argument).rpartition(".")[2] for argument in node.args]
            for built in {*named} & BUILT_ONLY_IN.keys():
                if module != BUILT_ONLY_IN[built]:
                    yield f"{module} builds a {built}"


def problems_of_size(module: str, source: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > LONGEST_MODULE:
        yield f"{module} has {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{module}.{node.name} has {length} lines"


RULES = (problems_of_imports, problems_of_purity, problems_of_types, problems_of_size)


@pytest.mark.parametrize("module", sorted(MODULES))
@pytest.mark.parametrize("rule", RULES)
def test_every_module_keeps_to_the_rules(rule, module):
    assert list(rule(module, MODULES[module].read_text(encoding="utf-8"))) == []


def test_every_module_has_a_layer():
    assert [m for m in MODULES if m != "__init__" and not is_one_of(m, sum(LAYERS, ()))] == []


def test_every_name_in_these_tables_is_there():
    """A table that names what is gone allows it to come back as something else."""
    names = {
        *ADAPTERS,
        *sum(PACKAGES.values(), ()),
        *sum(LAYERS, ()),
        *PURE,
        *BUILT_ONLY_IN.values(),
    }
    assert [name for name in names if not any(fnmatchcase(m, name) for m in MODULES)] == []


@pytest.mark.parametrize(
    ("module", "source", "problem"),
    [
        ("core/flow", "import httpx", "core/flow imports httpx"),
        ("core/flow", "def f():\n    import jwt.algorithms", "core/flow imports jwt"),
        ("core/flow", "from bearerguard.settings import Settings", "stands above it"),
        ("core/flow", "from bearerguard import settings", "stands above it"),
        ("core/flow", "import bearerguard.jwks.cache", "stands above it"),
        ("core/flow", "from bearerguard import Guard", "imports the root"),
        ("guard", "import requests", "imports requests, which nobody may"),
        ("guard", "from bearerguard.dev.issuer import Issuer", "stands above it"),
        ("guard", "def f():\n    from bearerguard.testing import trust", "stands above it"),
        ("guard", "from bearerguard.asgi import refuse", "stands above it"),
        ("asgi", "from bearerguard.jwks.source import KeySource", "past the guard"),
        ("asgi", "import starlette", "asgi imports starlette"),
        ("flask", "from bearerguard.starlette import requires", None),
        ("starlette", "from bearerguard.mcp import token_verifier", "stands above it"),
        ("starlette", "from mcp.server import MCPServer", "starlette imports mcp"),
        ("dev/issuer", "from bearerguard.testing import trust", "stands above it"),
        ("testing/broken", "from bearerguard.cli import main", "stands above it"),
        ("jwks/fetch", "import httpx", "jwks/fetch imports httpx when it is loaded"),
        ("jwks/fetch", "if TYPE_CHECKING:\n    import httpx", None),
        ("jwks/waiting", "if True:\n    import trio", "imports trio when it is loaded"),
        ("jwks/waiting", "async def f():\n    import trio", None),
        ("core/flow", "import time", "imports time, and is pure"),
        ("core/flow", "from os import environ", "imports os.environ, and is pure"),
        ("core/flow", "from datetime import datetime", "imports datetime.datetime, and is pure"),
        ("core/flow", "import threading, random", "imports random, and is pure"),
        ("core/flow", "import urllib.request", "imports urllib.request, and is pure"),
        ("core/flow", "from urllib.parse import urlsplit", None),
        ("jwks/cache", "def f():\n    from time import monotonic", "and is pure"),
        ("core/flow", "open('x')", "calls open, and is pure"),
        ("guard", "import time", None),
        ("guard", "x = VerifiedToken(token, key)", "guard builds a VerifiedToken"),
        ("core/flow", "x = signature.VerifiedToken(token, key)", "builds a VerifiedToken"),
        ("testing/x", "AccessToken(1)", "testing/x builds a AccessToken"),
        ("core/signature", "VerifiedToken(token, key)", None),
        ("guard", "object.__new__(AccessToken)", "guard builds a AccessToken"),
        ("guard", "x = access_token.AccessToken.__new__(t)", "guard builds a AccessToken"),
        ("core/access_token", "object.__new__(AccessToken)", None),
        ("core/flow", "signature.VerifiedToken._make([token, key])", "builds a VerifiedToken"),
        ("stores/verified", "KnownToken(token, policy)", "builds a KnownToken"),
        ("core/known_token", "KnownToken(token, policy)", None),
        ("core/flow", "introspection.ActiveToken(token)", "core/flow builds a ActiveToken"),
        ("introspection/endpoint", "ActiveToken(t)", "introspection/endpoint builds a ActiveToken"),
        ("core/introspection", "ActiveToken(token)", None),
        ("guard", "x = 1\n" * (LONGEST_MODULE + 1), f"guard has {LONGEST_MODULE + 1} lines"),
        ("guard", "x = 1\n" * LONGEST_MODULE, None),
        ("guard", "def f():\n" + "    pass\n" * LONGEST_FUNCTION, "guard.f has 41 lines"),
        ("guard", "class A:\n  async def f():\n" + "    pass\n" * 40, "guard.f has 41 lines"),
        ("guard", "def f():\n" + "    pass\n" * (LONGEST_FUNCTION - 1), None),
    ],
)
def test_each_rule_finds_what_it_is_there_for(module, source, problem):
    found = [text for rule in RULES for text in rule(module, source)]
    assert found == [] if problem is None else problem in " ".join(found)

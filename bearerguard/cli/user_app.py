"""The user's own application, named on the command line as servers name it: ``module:app``."""

import importlib
import sys
from pathlib import Path
from typing import Any


class AppError(Exception):
    """The application cannot be had; the text says why and what to write."""


def load_app(name: str) -> Any:
    """Import an application, with the working directory on the path as uvicorn and Flask do.

    ``module:app`` is an object of the module, ``module:create_app()`` the result of a function.

    Raises:
        AppError: the name is malformed, or there is no such module or object.
        ConfigurationError: the application makes a guard whose settings have problems.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise AppError(f"{name!r} names no application: write module:app, as main:app")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module = _import(module_name)
    found = module
    for part in attribute.removesuffix("()").split("."):
        if not hasattr(found, part):
            raise AppError(f"the module {module_name} has no {attribute}")
        found = getattr(found, part)
    return found() if attribute.endswith("()") else found


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name and (name == missing.name or name.startswith(f"{missing.name}.")):
            raise AppError(f"there is no module {name} in {Path.cwd()}") from None
        raise AppError(f"the module {name} needs {missing.name}, which is not installed") from None

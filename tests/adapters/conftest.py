"""The adapters, each behind the same way to call it."""

import importlib.util
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bearerguard import Guard
from bearerguard.testing import Issuer

# By its path: test folders are no packages, so that it has no name to import it by.
_spec = importlib.util.spec_from_file_location("contract", Path(__file__).with_name("contract.py"))
CONTRACT = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(CONTRACT)


@pytest.fixture(scope="session")
def contract() -> ModuleType:
    return CONTRACT


@pytest.fixture(params=CONTRACT.ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make(adapter: str, issuer: Issuer) -> Callable[..., Any]:
    """Build the small application, or one of other routes, for one adapter after the other."""

    def made(
        *routes: Any,
        public: Sequence[str] = CONTRACT.PUBLIC,
        optional: Sequence[str] = CONTRACT.OPTIONAL,
        guard: Guard | None = None,
        rules: Any = None,
        has_cors: bool = False,
        **settings: Any,
    ) -> Any:
        plan = CONTRACT.Plan(routes or CONTRACT.Plan().routes, optional, guard, rules, has_cors)
        if guard is None:
            plan.guard = issuer.guard(
                public=CONTRACT.public_paths(adapter, plan, public), **settings
            )
        return CONTRACT.make_api(adapter, plan)

    return made


@pytest.fixture
def api(make: Callable[..., Any]) -> Any:
    """The whole small application."""
    return make()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    """Everything that bearerguard wrote since the last look."""
    caplog.set_level(logging.DEBUG, logger="bearerguard")

    def records() -> list[logging.LogRecord]:
        found = [record for record in caplog.records if record.name == "bearerguard"]
        caplog.clear()
        return found

    return records

"""A project of a user's, in which pytest runs with the plugin of this checkout."""

import sys
import weakref

import django.test
import fastapi.testclient
import httpx
import pytest
import starlette.testclient

import bearerguard.asgi
import bearerguard.fastapi
import bearerguard.flask
import bearerguard.starlette
import bearerguard.testing.django
import bearerguard.wsgi
from bearerguard import issuers, testing

# What a run inside of this process loads first would be loaded anew by the next one.
LOADED = (django, fastapi, httpx, starlette, bearerguard)
LOADED += tuple(getattr(testing, name) for name in testing.__all__)
PLUGIN = ("-p", "no:bearerguard", "-p", "bearerguard.testing.plugin", "-p", "no:cacheprovider")


@pytest.fixture
def project(pytester, monkeypatch):
    """Write files and run pytest on them; nothing is configured but what they say."""
    for name in ("BEARERGUARD_ISSUER", "BEARERGUARD_AUDIENCE", "BEARERGUARD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    # In a process of its own there would be no guards of other tests.
    monkeypatch.setattr(issuers, "LIVE_ISSUERS", weakref.WeakSet())
    monkeypatch.syspath_prepend(pytester.path)

    def run(test, *arguments, app=None, plugin=PLUGIN, **files):
        sys.modules.pop("app", None)
        for name, text in {"app": app, **files}.items():
            if text is not None:
                (pytester.path / f"{name}.py").write_text(text, "utf-8")
        (pytester.path / "test_it.py").write_text(test, "utf-8")
        return pytester.runpytest_inprocess(*plugin, *arguments)

    return run

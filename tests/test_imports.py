"""Nothing is loaded before it is used: looked at from a process of its own."""

import json
import subprocess
import sys

import pytest

import bearerguard

FRAMEWORKS = {"starlette", "flask", "fastapi", "mcp", "werkzeug", "uvicorn", "trio", "anyio"}
HEAVY = {"httpx", "httpcore", "cryptography", "jwt", "ssl", "asyncio", "cachetools"}


def loaded_by(statement: str) -> set[str]:
    """The names in sys.modules after one statement in a fresh interpreter."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(run.stdout))


def test_the_package_alone_loads_no_framework_no_http_client_and_no_cryptography():
    loaded = loaded_by("import bearerguard")
    assert "bearerguard" in loaded
    assert sorted(loaded & (FRAMEWORKS | HEAVY)) == []
    assert sorted(name for name in loaded if name.startswith("bearerguard.")) == []


@pytest.mark.parametrize("adapter", ["asgi", "wsgi"])
def test_a_plain_adapter_loads_no_framework_and_no_http_client(adapter):
    loaded = loaded_by(f"import bearerguard.{adapter}")
    assert f"bearerguard.{adapter}" in loaded
    assert sorted(loaded & (FRAMEWORKS | {"httpx", "httpcore"})) == []


@pytest.mark.parametrize("metrics", ["otel", "prometheus"])
def test_what_makes_metrics_loads_no_framework_and_no_cryptography(metrics):
    loaded = loaded_by(f"import bearerguard.{metrics}")
    assert f"bearerguard.{metrics}" in loaded
    assert sorted(loaded & (FRAMEWORKS | {"httpx", "httpcore", "cryptography", "jwt"})) == []


@pytest.mark.parametrize("framework", ["starlette", "flask", "fastapi"])
def test_the_adapter_of_a_framework_loads_that_framework_alone(framework):
    theirs = {
        "starlette": {"starlette", "anyio"},
        "flask": {"flask", "werkzeug"},
        "fastapi": {"fastapi", "starlette", "anyio"},
    }[framework]
    loaded = loaded_by(f"import bearerguard.{framework}")
    assert framework in loaded
    assert sorted(loaded & (FRAMEWORKS | {"httpx"}) - theirs) == []


def test_a_guard_loads_no_framework_and_no_http_client_before_the_first_fetch():
    made = "from bearerguard import Guard; Guard(issuer='https://a.example', audience='b')"
    loaded = loaded_by(made)
    assert "bearerguard.guard" in loaded
    assert sorted(loaded & (FRAMEWORKS | {"httpx", "httpcore"})) == []


def test_the_runtime_never_loads_what_is_for_development():
    loaded = loaded_by(
        "import bearerguard.asgi, bearerguard.wsgi, bearerguard.starlette, bearerguard.flask, "
        "bearerguard.fastapi"
    )
    for package in ("dev", "testing", "cli"):
        assert [name for name in loaded if name.startswith(f"bearerguard.{package}")] == []


@pytest.mark.parametrize("name", bearerguard.__all__)
def test_every_exported_name_is_there_and_loaded_once(name):
    value = getattr(bearerguard, name)
    assert name == getattr(value, "__name__", name)  # a need is a value without one
    assert value is getattr(bearerguard, name)


def test_the_names_can_be_listed_before_they_are_loaded():
    listed = subprocess.run(
        [sys.executable, "-c", "import bearerguard; print(*dir(bearerguard))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split()
    assert {*bearerguard.__all__, "__version__"} <= {*listed}
    assert sorted({*listed}) == listed
    assert {*bearerguard.__all__} <= {*dir(bearerguard)}


def test_a_name_that_is_not_exported_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'bearerguard' has no attribute 'Gaurd'"):
        _ = bearerguard.Gaurd
    assert not hasattr(bearerguard, "__path_to_nowhere__")

"""The wheel: what is in it, and that it serves plain ASGI and WSGI without any extra."""

import os
import subprocess
import sys
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import bearerguard

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.process, pytest.mark.untraced]

# Run by the interpreter of an environment that holds the wheel and nothing else.
SERVE = """
import asyncio, importlib.util, warnings
warnings.simplefilter("error")

for framework in ("starlette", "flask", "fastapi", "werkzeug", "uvicorn", "trio", "pytest"):
    assert importlib.util.find_spec(framework) is None, f"{framework} is installed"

import bearerguard
from bearerguard.asgi import BearerAuthMiddleware as ForASGI
from bearerguard.testing import Issuer
from bearerguard.wsgi import BearerAuthMiddleware as ForWSGI

assert "site-packages" in bearerguard.__file__, bearerguard.__file__
issuer = Issuer(alg="ES256")
tokens = [issuer.token("read"), issuer.token("other"), issuer.token(aud="x"), "garbage", None]
guard = issuer.guard()
rules = {"GET /orders": "read"}


async def asgi_app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["bearerguard.token"].subject.encode()})


def wsgi_app(environ, start_response):
    start_response("200 OK", [])
    return [environ["REMOTE_USER"].encode()]


async def by_asgi(token):
    headers = [(b"authorization", b"Bearer " + token.encode())] if token else []
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/orders", "headers": headers}
    await ForASGI(asgi_app, guard=guard, rules=rules)(scope, None, send)
    return sent[0]["status"], sent[1]["body"]


def by_wsgi(token):
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/orders", "SCRIPT_NAME": ""}
    if token:
        environ["HTTP_AUTHORIZATION"] = "Bearer " + token
    answers = []
    body = ForWSGI(wsgi_app, guard=guard, rules=rules)(
        environ, lambda status, headers, exc_info=None: answers.append(int(status[:3]))
    )
    return answers[0], b"".join(body)


for serve in (lambda token: asyncio.run(by_asgi(token)), by_wsgi):
    answers = [serve(token) for token in tokens]
    assert [200, 403, 401, 401, 401] == [status for status, _ in answers], answers
    assert b"user-1" == answers[0][1], answers
print("served")
"""


def run(*command, **more):
    """Run a command to its end; its output is in the failure where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **more)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def clean_environment(**more):
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV", "BEARERGUARD"))
    }
    return kept | more


@pytest.fixture(scope="module")
def build_tools(tmp_path_factory):
    """The build backend, from the package index; without an index there is nothing to test."""
    target = tmp_path_factory.mktemp("build_tools")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1"]
    found = subprocess.run(
        [*pip, "--target", str(target), "hatchling>=1.27"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=clean_environment(),
    )
    if found.returncode != 0:
        why = (found.stderr.strip().splitlines() or ["no output"])[-1]
        told = f"no wheel was built: pip found no hatchling ({why})"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)
    return target


@pytest.fixture(scope="module")
def wheel(build_tools, tmp_path_factory):
    """The wheel, built from this checkout."""
    out = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out))
    run(*build, cwd=ROOT, env=clean_environment(PYTHONPATH=str(build_tools)))
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_its_typing_mark_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.partition("/")[0] for name in names}
    metadata = {name for name in top if name.endswith(".dist-info")}

    assert {"bearerguard"} == top - metadata
    assert "bearerguard/py.typed" in names
    sources = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("bearerguard/**/*.py")}
    assert sources == {name for name in names if name.endswith(".py")}
    assert not [name for name in names if "test_" in name or "conftest" in name]


def test_the_wheel_holds_the_pages_of_the_local_issuer(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for folder in ("templates", "static"):
        here = {
            f"bearerguard/dev/{folder}/{p.name}"
            for p in (ROOT / "bearerguard/dev" / folder).iterdir()
        }
        assert here
        assert here <= {*names}


def test_the_metadata_name_what_is_needed_and_leave_the_frameworks_to_the_extras(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = HeaderParser().parsestr(archive.read(name).decode())
        (scripts,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
        assert "bearerguard = bearerguard.cli:main" in archive.read(scripts).decode()
    assert metadata["Version"] == bearerguard.__version__
    required = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    # ASGI and WSGI need nothing but keys, signatures and one GET.
    assert sorted(line.split(">")[0].split("<")[0].strip() for line in required) == [
        "cachetools",
        "cryptography",
        "httpx",
        "pyjwt",
    ]
    extras = {"starlette", "flask", "fastapi", "mcp", "otel", "prometheus", "demo", "all"}
    assert extras <= {*metadata.get_all("Provides-Extra")}


def test_without_extras_plain_asgi_and_wsgi_applications_are_served(wheel, tmp_path):
    home = tmp_path / "env"
    venv.create(home, with_pip=False, symlinks=True)
    python = str(home / ("Scripts" if os.name == "nt" else "bin") / "python")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    run(*pip, str(wheel), env=clean_environment())

    served = run(python, "-I", "-c", SERVE, cwd=tmp_path, env=clean_environment())

    assert served.strip() == "served"

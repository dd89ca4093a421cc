"""The pytest plugin, as a user meets it: in a project of its own, with nothing configured."""

import importlib.util
import json
import logging
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bearerguard.testing import BAD_TOKENS

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]

_spec = importlib.util.spec_from_file_location("projects", Path(__file__).with_name("projects.py"))
projects = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(projects)

USE = """
from app import app

def test_good_and_bad(client, bearer):
    assert client.get("/orders", headers=bearer("orders:read")).status_code == 200
    assert client.get("/orders", headers=bearer("orders:write")).status_code == 403
    assert client.get("/orders", headers=bearer.expired("orders:read")).status_code == 401
    assert client.get("/orders").status_code == 401

def test_every_bad_token(client, bearer_bad_tokens):
    statuses = {client.get("/orders", headers=h).status_code for h in bearer_bad_tokens.values()}
    assert (statuses, len(bearer_bad_tokens) > 20) == ({401}, True)

def test_protected(client, assert_protected):
    assert_protected(client, "GET", "/orders", scopes=["orders:read"])

def test_all(assert_all_protected):
    assert_all_protected(app)
"""
CLIENT = """
import pytest
{imports}

@pytest.fixture
def client():
    return {client}
"""


@pytest.mark.parametrize("framework", projects.CLIENTS)
def test_it_works_with_the_client_of_each_framework_and_no_line_in_a_conftest(project, framework):
    """Issue 6, point 3: an application that reads its settings when it is imported."""
    app, imports, client = projects.CLIENTS[framework]

    ran = project(CLIENT.format(imports=imports, client=client) + USE, app=app)

    ran.assert_outcomes(passed=4)


def test_it_works_with_async_clients(project):
    test = """
import asyncio, httpx
from app import app

def test_it(bearer, assert_protected):
    async def go():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test"
        ) as client:
            answer = await client.get("/orders", headers=bearer("orders:read"))
            assert answer.status_code == 200
            await assert_protected(client, "GET", "/orders", scopes=["orders:read"])
    asyncio.run(go())
"""
    for app in (projects.ASGI, projects.STARLETTE):
        project(test, app=app).assert_outcomes(passed=1)


def test_an_assertion_that_nobody_awaits_fails(project):
    """Nothing was asserted then, which must not look like success."""
    test = """
import httpx
from app import app

def test_it(assert_protected):
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    assert_protected(client, "GET", "/orders").close()
"""
    ran = project(test, app=projects.ASGI)

    ran.assert_outcomes(passed=1, errors=1)
    ran.stdout.fnmatch_lines(["*assert_protected was not awaited: GET /orders*"])


def test_the_names_are_parameters(project):
    test = """
import pytest
from starlette.testclient import TestClient
from bearerguard import issuers
from bearerguard.testing import BAD_TOKENS
from app import app

@pytest.mark.parametrize("name", BAD_TOKENS)
def test_it(bearer, name):
    assert TestClient(app).get("/orders", headers=bearer.bad(name)).status_code == 401
"""
    project(test, app=projects.STARLETTE).assert_outcomes(passed=len(BAD_TOKENS))


TIME = """
import pytest
from app import app

@pytest.fixture
def get(bearer):
    client = app.test_client()
    return lambda headers=None: client.get(
        "/orders", headers=headers or bearer("orders:read")
    ).status_code

def test_rotation(get, issuer):
    assert get() == 200
    issuer.rotate()
    assert get() == 200

def test_withdrawn_keys_end_within_their_time(get, bearer, issuer):
    old = bearer("orders:read", exp=int(issuer.clock()) + 9999)
    assert get(old) == 200
    issuer.rotate(keep=False)
    issuer.clock.tick(301)
    assert get(old) == 401

def test_outage_without_keys(get, issuer):
    with issuer.down():
        assert get() == 503
    issuer.clock.tick(60)
    assert get() == 200

def test_stale_keys_serve_and_then_nobody_knows(get, issuer):
    assert get() == 200
    issuer.down()
    issuer.clock.tick(301)
    assert get() == 200
    issuer.clock.tick(3700)
    assert get() == 503
    issuer.up()
    issuer.clock.tick(60)
    assert get() == 200

def test_slow_but_in_time(get, issuer):
    before = issuer.clock()
    issuer.slow(2)
    assert get() == 200
    assert 2 <= issuer.clock() - before < 5

def test_too_slow(get, issuer):
    with issuer.slow(60):
        assert get() == 503
    issuer.clock.tick(60)
    assert get() == 200

def test_time_makes_tokens_old(get, bearer, issuer):
    token = bearer("orders:read")
    assert get(token) == 200
    issuer.clock.tick(400)
    assert get(token) == 401
    with pytest.raises(ValueError):
        issuer.clock.tick(-1)
"""


def test_rotation_outage_slowness_and_time_are_at_the_tests_command(project):
    """design.md section 4: stale keys serve for a bounded time, then 503; nobody sleeps."""
    project(TIME, app=projects.FLASK).assert_outcomes(passed=7)


def test_the_report_of_a_failed_test_says_what_was_refused_and_why(project, monkeypatch):
    """Whatever level the application logs at, and never with a token."""
    test = """
import logging
from app import app

logging.disable(logging.CRITICAL)
logging.getLogger("bearerguard").setLevel(logging.CRITICAL)

def test_it(bearer):
    headers = bearer("orders:read", aud="https://other.example")
    assert app.test_client().get("/orders", headers=headers).status_code == 200
"""
    monkeypatch.setattr(logging.root.manager, "disable", 0)  # and what is set again afterwards
    monkeypatch.setattr(logging.getLogger("bearerguard"), "level", logging.NOTSET)
    ran = project(test, "--show-capture=all", app=projects.FLASK)

    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(
        [
            "*bearerguard refused*",
            "GET /orders: 401 audience_mismatch",
            "*expected: *https://api.example*",
            "*found: *https://other.example*",
            "*hint: *",
        ]
    )
    # What pytest itself says of the failure, the arguments of the call included, is another section.
    section = ran.stdout.str().partition("bearerguard refused")[2].partition("\n====")[0]
    assert "hint: " in section
    assert "eyJ" not in section


def test_only_the_last_refusals_are_told(project):
    test = """
from app import app

def test_it(bearer):
    for _ in range(30):
        app.test_client().get("/nowhere")
    assert False
"""
    ran = project(test, app=projects.FLASK)
    ran.stdout.fnmatch_lines(["(10 earlier ones left out)", "GET /nowhere: 401 no_credentials"])


def test_listening_changes_nothing_that_is_logged(project):
    test = """
import logging
from app import app

def test_silent(caplog):
    app.test_client().get("/orders")
    assert caplog.records == []

def test_told(caplog):
    caplog.set_level(logging.INFO, "bearerguard")
    app.test_client().get("/orders")
    assert len(caplog.records) == 1
"""
    project(test, app=projects.FLASK).assert_outcomes(passed=2)


def test_what_is_configured_is_left_alone(project, monkeypatch):
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://login.example.com")
    test = """
import os
from app import app

def test_it(bearer):
    assert os.environ["BEARERGUARD_ISSUER"] == "https://login.example.com"
    assert os.environ["BEARERGUARD_AUDIENCE"] == "https://api.example"
    assert app.test_client().get("/orders", headers=bearer("orders:read")).status_code == 200
"""
    project(test, app=projects.FLASK).assert_outcomes(passed=1)
    assert "BEARERGUARD_AUDIENCE" not in os.environ


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [({}, ["-o", "bearerguard_test_environment=false"]), ({"BEARERGUARD_CONFIG": "x.toml"}, [])],
    ids=["turned off", "a file names them"],
)
def test_nothing_is_filled_in_where_that_is_turned_off_or_a_file_says_it(
    project, monkeypatch, environment, arguments
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    test = """
import os

def test_it(bearer):
    assert "BEARERGUARD_ISSUER" not in os.environ
"""
    project(test, *arguments).assert_outcomes(passed=1)


def test_a_conftest_that_imports_the_application_finds_the_settings(project):
    project(
        "def test_it(bearer): assert bearer('a')",
        app=projects.FLASK,
        conftest="from app import app",
    ).assert_outcomes(passed=1)


CODE = """
from flask import Flask
from bearerguard.flask import BearerGuard, requires

def make(**settings):
    app = Flask(__name__)
    BearerGuard(app, **settings)

    @app.get("/orders")
    @requires("orders:read")
    def orders():
        return "ok"

    return app

one = make(issuer="https://one.example", audience="one")
two = make(issuer="https://two.example", audience="two", profile="keycloak")
app = make(issuer="https://two.example", audience="three", profile="keycloak")
"""


def test_among_several_guards_the_application_or_the_issuer_chooses(project, monkeypatch):
    monkeypatch.setenv("BEARERGUARD_ISSUER", "https://of-no-guard.example")
    test = """
import pytest
from app import app, one, two

def get(app, headers):
    return app.test_client().get("/orders", headers=headers).status_code

def test_chosen(bearer, assert_all_protected):
    assert get(one, bearer.at(one)("orders:read")) == 200
    assert get(one, bearer("orders:read", issuer="https://one.example")) == 200
    assert get(two, bearer.at(one)("orders:read")) == 401
    for each in (two, app):
        assert get(each, bearer.at(each)("orders:read")) == 200
        assert get(each, bearer("orders:read", issuer="https://two.example")) == 200
    assert get(app, bearer("orders:read", issuer="https://two.example", audience="two")) == 401
    for each in (one, two, app):
        assert_all_protected(each)

def test_not_chosen(bearer):
    with pytest.raises(ValueError, match="https://one.example, https://two.example; say whose"):
        bearer("orders:read")

def test_no_guard(bearer):
    with pytest.raises(TypeError, match="no BearerAuthMiddleware"):
        bearer.at(lambda environ, start_response: [])
"""
    project(test, app=CODE).assert_outcomes(passed=3)


def test_a_token_that_no_guard_knows_is_made_as_it_is_asked_for(bearer):
    token = bearer.token("a", issuer="https://nobody.example", audience="nothing")
    assert token.count(".") == 2


def test_a_name_that_is_no_bad_token_is_told(project, bearer):
    with pytest.raises(AttributeError, match="no 'expird'"):
        bearer.expird("a")
    with pytest.raises(KeyError, match="no name of a bad token"):
        bearer.bad("expird")
    with pytest.raises(KeyError):
        bearer.all_bad()["expird"]


def test_a_wrong_route_is_told_in_full(project):
    test = """
import pytest
from app import app

@pytest.mark.parametrize("path", ["/healthz", "/orders"])
def test_it(assert_protected, path):
    assert_protected(app.test_client(), "GET", path, scopes=["orders:write"])
"""
    ran = project(test, app=projects.FLASK)

    ran.assert_outcomes(failed=2)
    ran.stdout.fnmatch_lines(
        [
            "*GET /healthz is not protected as it should be:*",
            "*without a token: 200, and not 401 with a Bearer challenge*",
            "*with a token that is bad (forged): 200, and not 401*",
            "*with no scope, of orders:write: 200, and not 403*",
            "*GET /orders is not protected as it should be:*",
            "*with no scope, of orders:write: the challenge does not name orders:write: 403*",
            "*with orders:write: 403 *, and not let in*",
        ]
    )


def test_several_scopes_and_other_needs_can_be_asserted(project):
    test = """
from starlette.testclient import TestClient
from app import app

def test_it(assert_protected):
    client = TestClient(app)
    assert_protected(client, "POST", "/orders", scopes=["orders:read", "orders:write"], json={})
    assert_protected(client, "GET", "/pay", scopes=["pay"], claims={"acr": "mfa"})
    assert_protected(client, "GET", "/forgotten/1")
"""
    project(test, app=projects.STARLETTE).assert_outcomes(passed=1)


OPEN = """
from flask import Flask
from bearerguard.flask import BearerGuard, optional, public

app = Flask(__name__)
BearerGuard(app)

@app.get("/hello")
@optional
def hello():
    return "hello"

@app.get("/healthz")
@public
def healthz():
    return "ok"

naked = Flask("naked")
naked.add_url_rule("/", view_func=lambda: "ok")
"""


def test_what_is_open_and_was_not_meant_to_be_is_told(project):
    test = """
from app import app, naked

def test_declared(assert_all_protected):
    assert_all_protected(app)
    assert_all_protected(app.test_client())

def test_named(assert_all_protected):
    assert_all_protected(app, public=["/hello", "/healthz"])

def test_too_many(assert_all_protected):
    assert_all_protected(app, public=["/healthz", "/orders"])

def test_no_guard(assert_all_protected):
    assert_all_protected(naked)
"""
    ran = project(test, app=OPEN)

    ran.assert_outcomes(passed=2, failed=2)
    ran.stdout.fnmatch_lines(
        [
            "*GET /hello (*: it is optional, and not among public*",
            "*/orders is not open*",
            "*GET / (*: no guard stands before it*",
        ]
    )


def test_as_token_admits_by_the_same_code_and_ends_with_its_block(project):
    test = """
import pytest
from starlette.testclient import TestClient
from bearerguard.testing import as_token
from app import app

@pytest.fixture
def get():
    client = TestClient(app)
    return lambda path="/orders", **kw: client.get(path, **kw)

def test_without_any_fixture_of_the_plugin(get):
    with as_token(app, scope="orders:read", sub="ada"):
        assert get().json() == {"for": "ada"}
        with as_token(app, "orders:read", sub="bob"):
            assert get().json() == {"for": "bob"}
        assert get().json() == {"for": "ada"}
    assert get().status_code == 401

def test_needs_hold(get):
    with as_token(app, scope="orders:write"):
        assert get().status_code == 403
        assert get("/healthz").status_code == 200
    with as_token(app, scope=["pay"], acr="pwd"):
        assert get("/pay").status_code == 401
    with as_token(app, "pay", acr="mfa"):
        assert get("/pay").status_code == 200

def test_credentials_of_a_requests_own_count(get, bearer):
    with as_token(app, "orders:read", sub="ada"):
        assert get(headers=bearer("orders:read", sub="eve")).json() == {"for": "eve"}
        assert get(headers=bearer.expired("orders:read")).status_code == 401

def test_time_does_not_make_it_old(get, issuer):
    with as_token(app, "orders:read"):
        assert get().status_code == 200
        issuer.clock.tick(4000)
        assert get().status_code == 200
        with issuer.down():
            issuer.clock.tick(8000)
            assert get().status_code == 503
"""
    project(test, app=projects.STARLETTE).assert_outcomes(passed=4)


def test_as_token_is_for_one_application_of_several(project):
    test = """
from app import app, one
from bearerguard.testing import as_token

def test_it():
    with as_token(app, "orders:read"):
        assert app.test_client().get("/orders").status_code == 200
        assert one.test_client().get("/orders").status_code == 401
"""
    project(test, app=CODE).assert_outcomes(passed=1)


@pytest.mark.parametrize("framework", ["fastapi", "httpx", "django"])
def test_as_token_holds_for_every_framework(project, framework):
    app, imports, client = projects.CLIENTS[framework]
    test = """
from bearerguard.testing import as_token
from app import app

def test_it(client):
    with as_token(app, "orders:read", sub="ada"):
        assert client.get("/orders").status_code == 200
    with as_token(app, "orders:write"):
        assert client.get("/orders").status_code == 403
"""
    ran = project(CLIENT.format(imports=imports, client=client) + test, app=app)
    ran.assert_outcomes(passed=1)


def test_unittest_classes_get_the_fixtures_by_one_method(project):
    test = """
import unittest
import pytest
from app import app

class OrdersTest(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _tokens(self, bearer, issuer):
        self.bearer = bearer

    def test_reader(self):
        answer = app.test_client().get("/orders", headers=self.bearer("orders:read"))
        self.assertEqual(answer.status_code, 200)
"""
    project(test, app=projects.FLASK).assert_outcomes(passed=1)


def test_unittest_alone_needs_no_pytest(tmp_path):
    """The plain functions that the fixtures are made of."""
    (tmp_path / "app.py").write_text(projects.FLASK, "utf-8")
    (tmp_path / "test_it.py").write_text(
        """
import sys
import unittest
from bearerguard.testing import Bearer, Issuer, fill_environment, trust

fill_environment()
from app import app

class OrdersTest(unittest.TestCase):
    def setUp(self):
        self.issuer = self.enterContext(trust(Issuer()))
        self.bearer = Bearer(self.issuer)

    def test_reader(self):
        get = app.test_client().get
        self.assertEqual(get("/orders", headers=self.bearer("orders:read")).status_code, 200)
        self.assertEqual(get("/orders", headers=self.bearer.forged("a")).status_code, 401)
        self.assertNotIn("pytest", sys.modules)
""",
        "utf-8",
    )
    run_alone(tmp_path, "-m", "unittest", "-q", "test_it")


def run_alone(folder, *arguments, fails=False, **more):
    """Run Python on a project, as its user does, with nothing configured."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BEARERGUARD_")}
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == int(fails), ran.stdout + ran.stderr
    return ran.stdout


def test_an_example_passes_as_a_user_copies_it(project):
    """With nothing but what the plugin does by default."""
    app, test = (
        (ROOT / "examples/flask_app" / file).read_text("utf-8")
        for file in ("app.py", "test_app.py")
    )
    project(test, app=app).assert_outcomes(passed=29)


@pytest.mark.process
def test_it_works_on_several_processes(tmp_path):
    """Each worker of xdist loads the plugin, and tells why a request was refused."""
    (tmp_path / "app.py").write_text(projects.FLASK, "utf-8")
    failing = "def test_fails(client, bearer): assert client.get('/orders', headers=bearer()).json"
    test = CLIENT.format(imports="", client="app.test_client()") + USE + failing + "['no']"
    (tmp_path / "test_it.py").write_text(test, "utf-8")
    plugin = ("-p", "xdist", "-p", "bearerguard.testing.plugin")

    told = run_alone(
        tmp_path, "-m", "pytest", "-n", "2", *plugin, fails=True, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )

    assert "4 passed" in told
    assert "GET /orders: 403 scope_insufficient" in told


@pytest.fixture
def installed(pytester):
    """The entry points as an installation writes them down."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    points = declared["entry-points"]["pytest11"]
    lines = ["[pytest11]", *(f"{name} = {module}" for name, module in points.items())]
    about = pytester.mkdir("bearerguard-0.1.0.dist-info")
    (about / "METADATA").write_text("Metadata-Version: 2.4\nName: bearerguard\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text("\n".join(lines))


def test_pytest_finds_the_plugin_by_itself(project, installed):
    test = "def test_it(bearer): assert bearer('a')"
    project(test, plugin=()).assert_outcomes(passed=1)


def test_the_plugin_can_be_turned_off(project, installed):
    test = "import os\ndef test_it(): assert 'BEARERGUARD_ISSUER' not in os.environ"
    project(test, plugin=("-p", "no:bearerguard")).assert_outcomes(passed=1)


@pytest.mark.process
def test_the_plugin_loads_nothing_heavy(tmp_path):
    """It is loaded in every project of an environment."""
    program = """
import json, sys
import bearerguard.testing.plugin
print(json.dumps(sorted(sys.modules)))
"""
    loaded = set(json.loads(run_alone(tmp_path, "-c", program)))

    heavy = {"httpx", "cryptography", "jwt", "cachetools", "starlette", "flask", "django"}
    assert loaded & heavy == set()
    assert {name for name in loaded if name.startswith("bearerguard.")} == {
        "bearerguard.testing",
        "bearerguard.testing.environment",
        "bearerguard.testing.plugin",
        "bearerguard.testing.refusals",
    }


OPEN_BESIDE = """
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Router
from bearerguard.starlette import BearerAuthMiddleware
from starlette.applications import Starlette

app = Router(routes=[Mount("/in", BearerAuthMiddleware(Starlette()))], default=PlainTextResponse("x"))
"""
OPEN_BELOW = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from bearerguard.starlette import BearerAuthMiddleware, public

@public
async def everything(request):
    return PlainTextResponse("ok")

app = Starlette(
    routes=[Route("/{rest:path}", everything)], middleware=[Middleware(BearerAuthMiddleware)]
)
"""


@pytest.mark.parametrize(("app", "outcome"), [(OPEN_BESIDE, "failed"), (OPEN_BELOW, "passed")])
def test_what_no_route_names_has_to_be_refused_too(project, app, outcome):
    """Design section 1: unknown paths included, unless somebody opened them."""
    test = (
        "from app import app\ndef test_all(assert_all_protected):\n    assert_all_protected(app)\n"
    )
    project(test, app=app).assert_outcomes(**{outcome: 1})


def test_blocks_of_trust_that_overlap_are_told():
    """In a process of its own, because it leaves this one's guards with the wrong keys."""
    program = """
from bearerguard.testing import Issuer, trust
one, other = trust(Issuer(alg="ES256")), trust(Issuer(alg="ES256"))
one.__enter__()
other.__enter__()
try:
    one.__exit__(None, None, None)
except RuntimeError as told:
    print(told)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "overlap" in done.stdout

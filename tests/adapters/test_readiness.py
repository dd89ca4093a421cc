"""readiness="/readyz": a probe that needs no token, and learns one thing."""

import asyncio
import threading

import flask
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import bearerguard
from bearerguard import ConfigurationError, Guard, readiness
from bearerguard import flask as our_flask
from bearerguard import starlette as our_starlette
from bearerguard.testing import Issuer

PATIENCE_S = 20.0
READY, NOT_READY = (200, {"ready": True}), (503, {"ready": False})


class Network:
    """Every issuer of a test, as the one Fetcher of a guard."""

    def __init__(self, *issuers):
        self.issuers = {issuer.url: issuer for issuer in issuers}

    def fetch(self, url, **limits):
        (issuer,) = [i for name, i in self.issuers.items() if url.startswith(f"{name}/")]
        return issuer.fetch(url, **limits)


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """However busy the machine is, a fetch that can end does so before the probe gives up."""
    monkeypatch.setattr(readiness, "PROBE_PATIENCE_S", PATIENCE_S)


@pytest.fixture
def make_probed(contract, adapter):
    """Build a small application of any guard, with a probe."""

    def made(guard, *routes, readiness="/readyz", **more):
        settings = {"readiness": readiness}
        plan = contract.Plan(routes or (contract.ANYTHING,), guard=guard, settings=settings, **more)
        return contract.make_api(adapter, plan)

    return made


@pytest.fixture
def api(make_probed, guard):
    return make_probed(guard)


@pytest.fixture
def probe():
    def probed(api, path="/readyz", **extra):
        answer = api.call("GET", path, **extra)
        return answer.status, answer.json

    return probed


def finish_fetches():
    """Wait for what goes on behind the requests."""
    for thread in threading.enumerate():
        if thread.name.startswith("bearerguard-fetch-"):
            thread.join(PATIENCE_S)


# What a probe learns


def test_a_guard_without_keys_fetches_them_and_is_ready(api, issuer, probe):
    """A pod that nobody sends a request to would never become ready otherwise."""
    assert probe(api) == READY
    assert issuer.jwks_uri in issuer.requests
    assert api.ran == []


def test_a_probe_that_finds_keys_fetches_nothing(api, issuer, probe):
    probe(api)
    issuer.requests.clear()
    assert probe(api) == READY
    assert issuer.requests == []


def test_while_the_issuer_is_down_a_guard_without_keys_is_not_ready_and_recovers(
    api, issuer, probe, clock
):
    issuer.is_down = True
    assert probe(api) == NOT_READY
    assert probe(api) == NOT_READY
    issuer.is_down = False
    clock.tick(60)
    assert probe(api) == READY


def test_with_stale_keys_a_guard_stays_ready_until_they_end(api, issuer, probe, clock):
    """An outage of the issuer must not take every pod out of service at once."""
    probe(api)
    issuer.is_down = True
    clock.tick(3600)
    assert probe(api) == READY
    clock.tick(3600)
    assert probe(api) == NOT_READY


def test_probes_keep_the_keys_fresh(api, guard, issuer, probe, clock):
    """So that the first request after a quiet night does not wait."""
    for _ in range(100):
        assert probe(api) == READY
        finish_fetches()  # time stands still for them
        clock.tick(15)
    assert guard.status()[issuer.url]["age_s"] < 400


def test_a_guard_with_a_secret_is_always_ready(make_probed, issuer, probe):
    guard = issuer.guard(secret="a secret of more than thirty-two bytes")
    assert probe(make_probed(guard)) == READY
    assert issuer.requests == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("is_down", [False, True])
def test_the_answer_tells_nothing_else_and_nobody_keeps_it(api, issuer, method, is_down):
    """No name, no key id and no reason: a stranger may ask, too."""
    issuer.is_down = is_down
    answer = api.call(method, "/readyz")
    assert answer.status == (503 if is_down else 200)
    expected = b"" if method == "HEAD" else (b'{"ready": false}' if is_down else b'{"ready": true}')
    assert answer.body == expected
    assert answer.only("cache-control") == "no-store"
    assert answer.only("content-type") == "application/json"
    assert answer.only("content-length") == ("16" if is_down else "15")
    assert {name.lower() for name, _ in answer.fields} == {
        "cache-control",
        "content-type",
        "content-length",
    }


@pytest.mark.parametrize("field", ["Bearer x", "Bearer", "Basic dTpw", "\x7f"])
def test_credentials_are_not_looked_at(api, field):
    assert api.call("GET", "/readyz", ("Authorization", field)).status == 200


# Several issuers


@pytest.fixture
def two(clock, keys):
    return [
        Issuer(f"https://{name}.example", key=keys("ES256"), clock=clock) for name in ("a", "b")
    ]


@pytest.fixture
def guard_of_two(two, clock):
    named = [bearerguard.Issuer(issuer.url) for issuer in two]
    return Guard(issuers=named, audience="x", fetcher=Network(*two), clock=clock)


@pytest.mark.parametrize("down", [0, 1])
def test_with_several_issuers_it_is_ready_as_soon_as_one_has_keys(
    make_probed, guard_of_two, two, probe, down
):
    """An issuer that is down takes nobody out of service who could serve the others' tokens."""
    two[down].is_down = True
    assert probe(make_probed(guard_of_two)) == READY


def test_with_several_issuers_and_no_keys_at_all_it_is_not_ready(
    make_probed, guard_of_two, two, probe, clock
):
    for issuer in two:
        issuer.is_down = True
    api = make_probed(guard_of_two)
    assert probe(api) == NOT_READY
    two[1].is_down = False
    clock.tick(60)
    assert probe(api) == READY


def test_a_probe_fetches_the_keys_of_every_issuer(make_probed, guard_of_two, two, probe):
    probe(make_probed(guard_of_two))
    for known in guard_of_two.issuers.all():  # it begins all of them, and waits for one
        known.keys._landed.result(20)
    states = [guard_of_two.status()[issuer.url]["state"] for issuer in two]
    assert states == ["fresh", "fresh"]


def test_a_guard_whose_issuers_come_with_their_tokens_is_ready_without_any(make_probed, probe):
    guard = Guard(
        resolve_issuer=bearerguard.Issuer, issuers_allowed=["https://a.example"], audience="x"
    )
    assert probe(make_probed(guard)) == READY


class Hanging:
    """A network on which one issuer accepts connections and does not answer."""

    def __init__(self, network, url):
        self.network, self.url = network, url
        self.released = threading.Event()

    def fetch(self, url, **limits):
        if url.startswith(f"{self.url}/"):
            assert self.released.wait(PATIENCE_S)
        return self.network.fetch(url, **limits)


@pytest.fixture
def hanging(two, monkeypatch):
    """The first of two issuers hangs, and probes have no patience."""
    monkeypatch.setattr(readiness, "PROBE_PATIENCE_S", 0.0)
    network = Hanging(Network(*two), two[0].url)
    yield network
    network.released.set()
    finish_fetches()


def test_an_issuer_that_hangs_does_not_hold_up_a_probe(make_probed, hanging, two, probe, clock):
    """Kubernetes waits for a second; the next probe finds what the fetch has brought."""
    guard = Guard(issuer=two[0].url, audience="x", fetcher=hanging, clock=clock)
    api = make_probed(guard)
    assert probe(api) == NOT_READY
    assert probe(api) == NOT_READY
    hanging.released.set()
    finish_fetches()
    assert probe(api) == READY


def test_beside_an_issuer_that_hangs_another_one_makes_ready(
    make_probed, hanging, two, probe, clock
):
    named = [bearerguard.Issuer(issuer.url) for issuer in two]
    guard = Guard(issuers=named, audience="x", fetcher=hanging, clock=clock)
    guard.verify(two[1].token(aud="x"))
    assert probe(make_probed(guard)) == READY
    assert guard.status()[two[0].url]["state"] == "cold"


# What is no probe


def test_what_runs_after_a_flask_request_may_ask_for_the_token_of_a_probe(guard):
    app = flask.Flask(__name__)
    our_flask.BearerGuard(app, guard=guard, readiness="/readyz")
    seen = []

    @app.after_request
    def note(response):
        seen.append(bool(our_flask.current_token))
        return response

    assert app.test_client().get("/readyz").status_code == 200
    assert seen == [False]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "QUERY"])
def test_another_method_on_that_path_is_guarded_as_usual(api, method):
    assert api.call(method, "/readyz").status in (401, 405)
    assert api.ran == []


def test_a_view_on_that_path_gets_the_other_methods(make_probed, contract, guard, issuer):
    api = make_probed(guard, contract.Route("/readyz", methods=("POST",)))
    assert api.call("POST", "/readyz").status == 401
    assert api.call("POST", "/readyz", token=issuer.token()).status == 200
    assert [view for view, _ in api.ran] == ["/readyz"]


@pytest.mark.parametrize(
    "path",
    ["/readyz/", "/Readyz", "/readyz/x", "//readyz", "/./readyz", "/readyz%2f", "/readyz;x", "/"],
)
def test_only_the_exact_path_is_a_probe(api, path):
    assert api.call("GET", path).status != 200
    assert api.ran == []


def test_without_the_argument_no_path_is_a_probe(make_probed, guard, contract, adapter):
    api = contract.make_api(adapter, contract.Plan((contract.ANYTHING,), guard=guard))
    assert api.call("GET", "/readyz").status == 401


def test_a_view_behind_the_probe_never_runs(make_probed, contract, guard, issuer, caplog):
    """It would answer a stranger; the start tells of it where the adapter knows the views."""
    api = make_probed(guard, contract.Route("/readyz"), contract.Route("/x"))
    assert api.call("GET", "/readyz", token=issuer.token()).json == {"ready": True}
    assert api.ran == []


@pytest.mark.parametrize("adapter", ["starlette", "flask", "fastapi"])
def test_the_start_tells_of_a_view_behind_the_probe(make_probed, contract, guard, log):
    api = make_probed(guard, contract.Route("/readyz"), contract.Route("/x"))
    log()
    api.call("GET", "/x")
    told = [record.getMessage() for record in log() if record.levelname == "WARNING"]
    assert told == ["readiness answers GET /readyz: the view of this path does not"]


def test_beside_a_public_entry_for_the_same_path_the_probe_answers(make_probed, issuer, probe):
    api = make_probed(issuer.guard(public=["/readyz"]))
    assert probe(api) == READY
    assert api.call("POST", "/readyz").status == 200
    assert [view for view, _ in api.ran] == ["/*"]


@pytest.mark.parametrize("adapter", ["asgi", "wsgi"])
def test_a_rule_for_the_same_path_refuses_the_start(make_probed, guard):
    """The rule says that a token is needed, and a probe has none."""
    with pytest.raises(ConfigurationError, match="readiness: a probe needs no token"):
        make_probed(guard, rules={"GET /readyz": "a"}).call("GET", "/")


@pytest.mark.parametrize("path", ["/readyz/*", "/*", "readyz", "", "/a/{b}", "/a//b", "/../x", 5])
def test_what_is_no_exact_path_refuses_the_start(make_probed, guard, path):
    with pytest.raises(ConfigurationError) as refusal:
        make_probed(guard, readiness=path).call("GET", "/")
    (problem,) = refusal.value.problems
    assert problem.startswith("readiness: ")


# Below a mount


@pytest.mark.parametrize("adapter", ["asgi", "starlette", "fastapi"])
def test_the_path_is_the_one_below_root_path(api, probe):
    """As for every other path: the string that the application itself routes on."""
    assert probe(api, "/below/readyz", root_path="/below") == READY
    assert api.call("GET", "/readyz", root_path="/readyz").status == 401


@pytest.mark.parametrize("adapter", ["wsgi", "flask"])
def test_the_path_is_the_one_below_script_name(api, probe):
    assert probe(api, "/readyz", SCRIPT_NAME="/below") == READY
    assert api.call("GET", "/below/readyz", SCRIPT_NAME="").status == 401


@pytest.mark.parametrize("adapter", ["starlette"])
def test_a_mounted_application_has_a_probe_of_its_own(make_probed, guard, contract, probe):
    outside = contract.Api("starlette")
    outside.app = Starlette(routes=[Mount("/below", make_probed(guard).app)])
    assert probe(outside, "/below/readyz") == READY
    assert outside.call("GET", "/below/other").status == 401
    assert outside.call("GET", "/readyz").status == 404


def test_it_is_an_argument_of_init_app_too(guard):
    """Of the extension that gets its application later."""
    app = flask.Flask("late", static_folder=None)
    our_flask.BearerGuard(guard=guard, readiness="/readyz").init_app(app)
    assert app.test_client().get("/readyz").json == {"ready": True}


def test_a_websocket_is_never_a_probe(contract, guard):
    app = our_starlette.BearerAuthMiddleware(Starlette(), guard=guard, readiness="/readyz")
    sent = asyncio.run(contract.websocket(app, "/readyz"))
    assert sent == [{"type": "websocket.close", "code": 1008}]

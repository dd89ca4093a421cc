"""What only Flask has: views of every kind, blueprints, configuration, and ``current_token``."""

import asyncio
import functools

import flask
import pytest
from flask.views import MethodView, View

from bearerguard import ConfigurationError, Guard, scope
from bearerguard.flask import BearerGuard, current_token, optional, public, requires

PREFLIGHT = (("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET"))


class App(flask.Flask):
    """Flask runs async views with asgiref, which is no dependency of ours."""

    def async_to_sync(self, func):
        return lambda *args, **kwargs: asyncio.run(func(*args, **kwargs))


def new_app():
    app = App("guarded", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


@pytest.fixture
def serve(contract, guard):
    """Build a Flask application, guarded unless asked otherwise; ``add`` gets to add its routes."""

    def made(add=None, *, is_guarded=True, **arguments):
        api = contract.Api("flask")
        api.app = new_app()
        if is_guarded:
            BearerGuard(api.app, guard=guard, **arguments)
        if add is not None:
            add(api.app)
        return api

    return made


@pytest.fixture
def runs():
    return []


@pytest.fixture
def run(runs):
    def view(*_):
        runs.append(1)
        return "ran"

    return view


def at_x(view, **options):
    return lambda app: app.add_url_rule("/x", endpoint="x", view_func=view, **options)


def with_wraps(view):
    @functools.wraps(view)
    def outer(**kwargs):
        return flask.current_app.ensure_sync(view)(**kwargs)

    return outer


def without_wraps(view):
    def outer(**kwargs):
        return flask.current_app.ensure_sync(view)(**kwargs)

    return outer


def fresh(run):
    """A view without a mark: marks stay on a function."""
    return lambda **path_parts: run()


def function(run, decorate):
    return decorate(fresh(run))


def async_function(run, decorate):
    async def view():
        return run()

    return decorate(view)


def bound_method(run, decorate):
    class Controller:
        def view(self):
            return run()

    return decorate(Controller().view)


def callable_object(run, decorate):
    class Callable:
        def __call__(self):
            return run()

    return decorate(Callable())


def view_class(run, decorate):
    @decorate
    class Plain(View):
        def dispatch_request(self):
            return run()

    return Plain


def method_view(run, decorate):
    @decorate
    class Methods(MethodView):
        def get(self):
            return run()

    return Methods


def method_of_a_class(run, decorate):
    class Methods(MethodView):
        @decorate
        def get(self):
            return run()

    return Methods


def async_method_of_a_class(run, decorate):
    class Methods(MethodView):
        @decorate
        async def get(self):
            return run()

    return Methods


def dispatch_request(run, decorate):
    class Plain(View):
        @decorate
        def dispatch_request(self):
            return run()

    return Plain


def subclass(run, decorate):
    class Plain(view_class(lambda: pytest.fail("the parent's"), decorate)):
        init_every_request = False

        async def dispatch_request(self):
            return run()

    return Plain


def decorators(run, decorate):
    class Plain(View):
        decorators = (decorate,)

        def dispatch_request(self):
            return run()

    return Plain


def as_view(kind):
    return lambda run, decorate: kind(run, decorate).as_view("x")


def bare(kind):
    """As where the route's decorator stands below ours: it registered the view itself."""

    def kept(run, decorate):
        def keep(view):
            decorate(view)
            return view

        return kind(run, keep)

    return kept


CLASSES = {
    "view class": view_class,
    "method view": method_view,
    "method": method_of_a_class,
    "async method": async_method_of_a_class,
    "dispatch_request": dispatch_request,
    "subclass": subclass,
    "decorators": decorators,
}
FUNCTIONS = {
    "function": function,
    "async function": async_function,
    "bound method": bound_method,
    "callable object": callable_object,
    "partial": lambda run, decorate: functools.partial(function(run, decorate)),
    "of a partial": lambda run, decorate: function(run, lambda v: decorate(functools.partial(v))),
    "with wraps": lambda run, decorate: with_wraps(function(run, decorate)),
    "over wraps": lambda run, decorate: function(run, lambda view: decorate(with_wraps(view))),
    "of as_view": lambda run, decorate: decorate(view_class(run, lambda v: v).as_view("x")),
}
KINDS = FUNCTIONS | {name: as_view(kind) for name, kind in CLASSES.items()}
BARE = {f"bare {name}": bare(kind) for name, kind in FUNCTIONS.items()}
# What the extension cannot see: there it asks for a valid token, and the wrapper for the rest.
HIDDEN = {
    "hidden function": lambda run, decorate: without_wraps(function(run, decorate)),
    **{
        f"hidden {name}": lambda run, decorate, kind=kind: without_wraps(
            kind(run, decorate).as_view("x")
        )
        for name, kind in CLASSES.items()
    },
}
ALL = KINDS | BARE | HIDDEN
# A mark on a bound method would stand on the function, and open it for every other object.
OPENABLE = [kind for kind in ALL if "bound method" not in kind]


@pytest.mark.parametrize("kind", ALL)
def test_a_need_is_enforced_on_a_view_of_any_kind(serve, issuer, run, runs, kind):
    """Both orders of decorators, and whatever stands between ours and the view."""
    api = serve(at_x(ALL[kind](run, requires("read"))))
    anonymous = api.call("GET", "/x")
    assert anonymous.outcome == (401, None)
    assert anonymous.challenge.get("scope") == (None if kind in HIDDEN else "read")
    weak = api.call("GET", "/x", token=issuer.token("other"))
    assert (weak.outcome, weak.challenge["scope"]) == ((403, "insufficient_scope"), "read")
    assert api.call("HEAD", "/x", token=issuer.token("other")).body == b""
    assert runs == []
    assert api.call("GET", "/x", token=issuer.token("read")).body == b"ran"
    assert runs == [1]


@pytest.mark.parametrize("kind", ALL)
def test_a_need_that_no_extension_guards_raises(serve, run, runs, kind):
    """Never silently open, whichever function Flask got to know."""
    api = serve(at_x(ALL[kind](run, requires("read"))), is_guarded=False)
    with pytest.raises(ConfigurationError, match="no BearerGuard guards"):
        api.call("GET", "/x")
    assert runs == []


def test_an_application_without_needs_does_without_an_extension(serve, run):
    api = serve(at_x(run), is_guarded=False)
    assert (api.call("GET", "/x").status, api.call("GET", "/y").status) == (200, 404)


@pytest.mark.parametrize("kind", [kind for kind in OPENABLE if "subclass" not in kind])
@pytest.mark.parametrize(("opening", "bad"), [(public, 200), (optional, 401)])
def test_a_view_of_any_kind_can_be_opened(serve, issuer, run, kind, opening, bad):
    api = serve(at_x(ALL[kind](run, opening)))
    # Flask itself says which class a view is of, if as_view() could; a foreign wrapper does not.
    expected = (401, 401) if kind in HIDDEN else (200, bad)
    assert (api.call("GET", "/x").status, api.call("GET", "/x", token="garbage").status) == expected
    assert api.call("GET", "/x", token=issuer.token()).status == 200


@pytest.mark.parametrize("opening", [public, optional])
def test_a_subclass_of_an_open_class_is_closed(serve, run, opening):
    assert serve(at_x(subclass(run, opening).as_view("x"))).call("GET", "/x").status == 401


@pytest.mark.parametrize("opening", [public, optional])
@pytest.mark.parametrize("kind", OPENABLE)
@pytest.mark.parametrize("need_is_outside", [True, False])
def test_a_need_wins_over_public_and_optional_in_any_order(
    serve, issuer, run, runs, log, opening, kind, need_is_outside
):
    """It is enforced, and the first request says so, where the extension can see it."""

    def decorate(view):
        if need_is_outside:
            return requires("read")(opening(view))
        return opening(requires("read")(view))

    api = serve(at_x(ALL[kind](run, decorate)))
    assert api.call("GET", "/x").status == 401
    assert api.call("GET", "/x", token=issuer.token()).status == 403
    assert runs == []
    assert api.call("GET", "/x", token=issuer.token("read")).status == 200
    conflict = "/x is called open and needs something: the need is enforced"
    is_lost = kind in HIDDEN or kind == "subclass" or (kind in BARE and not need_is_outside)
    assert ([record.getMessage() for record in log()].count(conflict)) == (not is_lost)


@pytest.mark.parametrize("need_is_outside", [True, False])
def test_the_order_of_our_decorator_and_the_routes_does_not_matter(
    serve, issuer, run, need_is_outside
):
    def add(app):
        if need_is_outside:
            requires("read")(app.get("/x")(fresh(run)))
        else:
            app.get("/x")(requires("read")(fresh(run)))

    api = serve(add)
    assert api.call("GET", "/x").challenge["scope"] == "read"
    assert api.call("GET", "/x", token=issuer.token()).status == 403
    assert api.call("GET", "/x", token=issuer.token("read")).status == 200


def test_needs_of_a_class_and_of_its_method_add_up(serve, issuer, run):
    @requires("class")
    class Base(MethodView):
        @requires("get")
        def get(self):
            return run()

        def post(self):
            return run()

    @requires("sub")
    class Sub(Base):
        pass

    for view in (Base.as_view("x"), without_wraps(Base.as_view("x"))):
        api = serve(at_x(view, methods=["GET", "POST"]))
        refused = api.call("GET", "/x", token=issuer.token("class"))
        assert (refused.status, refused.challenge["scope"]) == (403, "class get")
        assert api.call("HEAD", "/x", token=issuer.token("class")).status == 403
        assert api.call("GET", "/x", token=issuer.token("class get")).status == 200
        assert api.call("POST", "/x", token=issuer.token("class")).status == 200
        assert api.call("POST", "/x", token=issuer.token("get")).status == 403
    for view in (Sub.as_view("x"), without_wraps(Sub.as_view("x"))):
        api = serve(at_x(view, methods=["GET", "POST"]))
        for scopes, status in [("class", 403), ("sub", 403), ("class sub", 200)]:
            assert api.call("POST", "/x", token=issuer.token(scopes)).status == status


def test_stacked_decorators_add_up_and_the_challenge_names_them_all(serve, issuer, run):
    view = requires("a")(with_wraps(requires("b")(requires("c")(fresh(run)))))
    for endpoint in (view, without_wraps(view)):
        api = serve(at_x(endpoint))
        for scopes in ("a", "a b", "b c", ""):
            refused = api.call("GET", "/x", token=issuer.token(scopes))
            assert (refused.status, set(refused.challenge["scope"].split())) == (403, set("abc"))
        assert api.call("GET", "/x", token=issuer.token("c b a")).status == 200


def test_one_view_in_two_routes_has_the_needs_of_each(serve, issuer, run):
    def add(app):
        def view():
            return run()

        app.add_url_rule("/a", "a", requires("a")(view))
        app.add_url_rule("/b", "b", requires("b")(view))

    api = serve(add)
    for path, scopes, status in [
        ("/a", "a", 200),
        ("/b", "b", 200),
        ("/a", "b", 403),
        ("/b", "a", 403),
    ]:
        assert api.call("GET", path, token=issuer.token(scopes)).status == status


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: requires("a b"),
        lambda: requires(""),
        lambda: requires("a")("not a view"),
        lambda: requires("a")(type("NoView", (), {})),
        lambda: requires("a")(len),
        lambda: requires("a")(None),
        lambda: requires(lambda: "a view"),  # without parentheses
        lambda: requires(scope("a") and "b"),
        lambda: public("x"),
        lambda: bound_method(None, public),
        lambda: bound_method(None, optional),
        lambda: optional(5),
        lambda: public(type("Slots", (), {"__slots__": (), "__call__": lambda self: ""})()),
    ],
)
def test_a_decorator_that_would_guard_nothing_refuses(misuse):
    with pytest.raises((ConfigurationError, TypeError)):
        misuse()


@pytest.mark.requirement("GEN-3", "9700-2.3-2")
def test_blueprints_are_guarded_like_the_rest(serve, issuer, run):
    inner = flask.Blueprint("inner", __name__, url_prefix="/inner")
    inner.get("/plain", endpoint="plain")(fresh(run))
    inner.get("/open", endpoint="open")(public(fresh(run)))
    inner.get("/read", endpoint="read")(requires("read")(fresh(run)))
    outer = flask.Blueprint("outer", __name__, url_prefix="/outer")
    outer.register_blueprint(inner)
    ran = []
    outer.before_request(lambda: ran.append(1))

    def add(app):
        app.register_blueprint(outer)
        app.register_blueprint(inner, name="again", url_prefix="/again")

    api = serve(add)
    for prefix in ("/outer/inner", "/again"):
        assert api.call("GET", f"{prefix}/plain").status == 401
        assert api.call("GET", f"{prefix}/none").status == 401
        assert api.call("GET", f"{prefix}/open").status == 200
        assert api.call("GET", f"{prefix}/read", token=issuer.token()).status == 403
        assert api.call("GET", f"{prefix}/read", token=issuer.token("read")).status == 200
    assert len(ran) == 2  # the open one and the one with a good token


def test_static_files_are_guarded(contract, guard, issuer, tmp_path):
    (tmp_path / "a.txt").write_text("secret")
    api = contract.Api("flask")
    api.app = flask.Flask("guarded", static_folder=tmp_path, static_url_path="/static")
    BearerGuard(api.app, guard=guard)
    assert api.call("GET", "/static/a.txt").status == 401
    assert api.call("GET", "/static/a.txt", token=issuer.token()).body == b"secret"


@pytest.mark.requirement("GEN-3")
def test_redirects_and_wrong_methods_are_for_those_who_may_know(serve, issuer, run):
    def add(app):
        app.add_url_rule("/x/", "x", public(fresh(run)), methods=["POST"])

    api = serve(add)
    for method, path, status in [("POST", "/x", 308), ("GET", "/x/", 405)]:
        assert api.call(method, path).status == 401
        assert api.call(method, path, token=issuer.token()).status == status
    assert api.call("POST", "/x/").status == 200


@pytest.mark.requirement("FETCH-CORS-1")
@pytest.mark.parametrize("kind", ["function", "bare function", "method view"])
def test_automatic_options_are_guarded_too_but_for_a_preflight(serve, issuer, run, runs, kind):
    """Flask itself answers it, so that no view could run."""
    api = serve(at_x(ALL[kind](run, requires("read"))))
    assert api.call("OPTIONS", "/x").status == 401
    assert api.call("OPTIONS", "/x", token=issuer.token()).status == 403
    assert api.call("OPTIONS", "/x", token=issuer.token("read")).only("allow")
    assert api.call("OPTIONS", "/x", *PREFLIGHT).status == 200
    assert runs == []


@pytest.mark.parametrize(
    "kind", ["function", "bare function", "method view", "hidden function", "hidden method view"]
)
def test_a_preflight_runs_no_view_with_a_need(serve, run, runs, kind):
    def decorate(view):
        if isinstance(view, type):
            view.options = view.get
        return requires("a")(view)

    view = ALL[kind](run, decorate)
    api = serve(at_x(view, methods=["GET", "OPTIONS"], provide_automatic_options=False))
    assert (api.call("OPTIONS", "/x", *PREFLIGHT).outcome, runs) == ((401, None), [])


def test_our_look_at_the_request_comes_first(contract, guard, run, runs):
    """Whatever else wants to see the request, its body above all, sees it later."""
    api = contract.Api("flask")
    api.app = new_app()
    api.app.before_request(run)
    BearerGuard(api.app, guard=guard)
    assert (api.call("GET", "/").status, runs) == (401, [])


# current_token.


def test_current_token_is_the_callers(serve, issuer):
    seen = []

    def view():
        seen.append((bool(current_token), current_token._get_current_object()))
        return current_token.subject if current_token else "nobody"

    api = serve(at_x(optional(view)))
    assert api.call("GET", "/x", token=issuer.token("a", sub="alice")).body == b"alice"
    assert api.call("GET", "/x").body == b"nobody"
    assert [truth for truth, _ in seen] == [True, False]
    assert (seen[0][1].scopes, seen[1][1]) == ({"a"}, None)


@pytest.mark.parametrize("use", [bool, lambda t: t.subject, lambda t: "a" in t.scopes])
@pytest.mark.parametrize("has_app", [False, True])
def test_current_token_raises_outside_a_request(serve, use, has_app):
    if not has_app:
        with pytest.raises(RuntimeError):
            use(current_token)
        return
    with serve().app.app_context(), pytest.raises(RuntimeError, match="within a request"):
        use(current_token)


@pytest.mark.parametrize("use", [bool, lambda token: token.subject])
def test_current_token_raises_where_no_extension_looked(serve, use):
    with (
        serve(is_guarded=False).app.test_request_context("/x"),
        pytest.raises(ConfigurationError, match="BearerGuard"),
    ):
        use(current_token)


def test_what_still_runs_after_a_refusal_sees_an_anonymous_caller(serve):
    """after_request and teardown run for a refusal too, and must not fail there."""
    seen = []

    def add(app):
        app.after_request(lambda response: seen.append(bool(current_token)) or response)
        app.teardown_request(lambda _: seen.append(bool(current_token)))

    assert serve(add).call("GET", "/x", token="garbage").status == 401
    assert seen == [False, False]


def test_an_error_handler_of_the_application_does_not_see_a_refusal(serve, issuer, run):
    def add(app):
        app.register_error_handler(401, lambda _: ("changed", 200))
        app.register_error_handler(403, lambda _: ("changed", 200))
        app.add_url_rule("/x", "x", requires("a")(fresh(run)))

    api = serve(add)
    assert api.call("GET", "/x").status == 401
    assert api.call("GET", "/x", token=issuer.token()).status == 403


# The extension.


def test_an_application_can_be_guarded_later(contract, issuer, monkeypatch):
    """``BearerGuard()`` and ``init_app``; nothing is read before."""
    extension = BearerGuard(optional=["/maybe"])
    api = contract.Api("flask")
    api.app = new_app()
    api.app.config |= {
        "BEARERGUARD_ISSUER": issuer.url,
        "BEARERGUARD_AUDIENCE": "https://of.config",
        "BEARERGUARD_PUBLIC": ["/open"],
        "OTHER": 1,
    }
    monkeypatch.setenv("BEARERGUARD_AUDIENCE", "https://of.environment")
    monkeypatch.setenv("BEARERGUARD_REALM", "of the environment")
    extension.init_app(api.app)
    for path in ("/x", "/open", "/maybe"):
        api.app.add_url_rule(path, path, lambda: "ran")
    assert api.call("GET", "/x").challenge == {"realm": "of the environment"}
    assert [api.call("GET", path).status for path in ("/open", "/maybe")] == [200, 200]
    gate = api.app.extensions["bearerguard"]
    assert gate.guard.settings.audience == ("https://of.config",)


def test_an_argument_beats_the_configuration(issuer):
    app = new_app()
    app.config |= {"BEARERGUARD_ISSUER": issuer.url, "BEARERGUARD_AUDIENCE": "https://config"}
    BearerGuard(app, audience="https://argument")
    assert app.extensions["bearerguard"].guard.settings.audience == ("https://argument",)


def test_one_extension_guards_two_applications(contract, guard, issuer):
    extension = BearerGuard(guard=guard)
    for _ in range(2):
        api = contract.Api("flask")
        api.app = new_app()
        extension.init_app(api.app)
        api.app.add_url_rule("/x", "x", lambda: current_token.subject)
        assert api.call("GET", "/x").status == 401
        assert api.call("GET", "/x", token=issuer.token()).body == b"user-1"


def test_two_applications_have_two_guards(contract, issuer):
    apis = []
    for audience in ("https://one.example", "https://two.example"):
        api = contract.Api("flask")
        api.app = new_app()
        BearerGuard(api.app, guard=issuer.guard(audience=audience))
        apis.append(api)
    one, two = apis
    token = issuer.token(aud="https://one.example")
    assert [api.call("GET", "/", token=token).status for api in (one, two)] == [404, 401]
    assert two.call("GET", "/").challenge == {"realm": "https://two.example"}


def test_one_application_is_not_guarded_twice(guard):
    """The second guard would quietly replace the first."""
    app = new_app()
    BearerGuard(app, guard=guard)
    with pytest.raises(ConfigurationError, match="already"):
        BearerGuard(app, guard=guard)


def test_a_mistake_in_the_configuration_refuses_the_start(issuer):
    app = new_app()
    app.config |= {"BEARERGUARD_ISSUER": issuer.url, "BEARERGUARD_AUDIENCES": "x"}
    with pytest.raises(ConfigurationError, match=r"BEARERGUARD_AUDIENCES.*did you mean") as refusal:
        BearerGuard(app)
    assert len(refusal.value.problems) == 2
    assert "bearerguard" not in app.extensions


def test_a_ready_guard_beside_configured_settings_refuses_the_start(guard: Guard):
    """Nobody could tell which of the two holds."""
    app = new_app()
    app.config["BEARERGUARD_AUDIENCE"] = "https://other.example"
    with pytest.raises(ConfigurationError, match="BEARERGUARD_AUDIENCE"):
        BearerGuard(app, guard=guard)

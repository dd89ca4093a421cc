"""Whatever goes wrong within, nobody is let in.

An unexpected exception reaches the server, which answers 500; a view never runs for it.
"""

import pytest

from bearerguard.core.challenge import _frequent_rejection


class FaultError(Exception):
    """Nobody expects it."""


def fail(*_, **__):
    raise FaultError


# Where a request with a good token passes that was not seen before. Marks are looked at below.
ON_THE_WAY_IN = [
    "bearerguard.core.access_table.AccessTable.access",
    "bearerguard.core.admission.read_token",
    "bearerguard.core.flow.check_size",
    "bearerguard.core.flow.split",
    "bearerguard.core.flow.read_header",
    "bearerguard.core.flow.read_claims",
    "bearerguard.core.flow.KeyQuery",
    "bearerguard.core.flow.verify",
    "bearerguard.core.known_token.access_token_of",
    "bearerguard.core.admission.check_need",
    "bearerguard.core.request.RequestView.field",
    "bearerguard.jwks.cache.KeyCache.fresh",
]


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("where", ON_THE_WAY_IN)
def test_a_fault_on_the_way_in_lets_nobody_in(api, issuer, monkeypatch, where):
    """RFC 9700 section 2.3 begins here: fail closed."""
    assert api.call("GET", "/read", token=issuer.token("read")).status == 200
    api.ran.clear()
    monkeypatch.setattr(where, fail)
    with pytest.raises(FaultError):
        api.call("GET", "/read", token=issuer.token("read"))
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
def test_a_fault_while_telling_a_preflight_lets_nobody_in(api, monkeypatch):
    """Only OPTIONS can be one, and no other method is asked about."""
    monkeypatch.setattr("bearerguard.core.request.RequestView.is_preflight", fail)
    with pytest.raises(FaultError):
        api.call("OPTIONS", "/read")
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("path", ["/healthz", "/greeting", "/docs/private"])
def test_a_fault_while_looking_at_an_open_path_opens_nothing(api, monkeypatch, path):
    """Whether a path can be read in two ways is a question where one of them would be open."""
    monkeypatch.setattr("bearerguard.core.access_table.is_normal", fail)
    with pytest.raises(FaultError):
        api.call("GET", path)
    assert api.ran == []


# Where a request passes whose token was verified before.
KNOWN_ON_THE_WAY_IN = [
    "bearerguard.core.admission.read_token",
    "bearerguard.core.admission.check_need",
    "bearerguard.core.known_token.KnownToken.holds",
    "bearerguard.guard.copy_of",
    "bearerguard.stores.verified.VerifiedTokens.digest_of",
    "bearerguard.stores.verified.VerifiedTokens.find",
    "bearerguard.jwks.cache.KeyCache.fresh",
]


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("where", KNOWN_ON_THE_WAY_IN)
def test_a_fault_on_the_way_in_of_a_known_token_lets_nobody_in(make, issuer, monkeypatch, where):
    """That it was good before opens nothing by itself."""
    api = make(token_cache=100)
    token = issuer.token("read")
    assert api.call("GET", "/read", token=token).status == 200
    api.ran.clear()
    monkeypatch.setattr(where, fail)
    with pytest.raises(FaultError):
        api.call("GET", "/read", token=token)
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize(
    "where",
    [
        "bearerguard.admitting.log_refusal",
        "bearerguard.guard.Guard.answer",
        "bearerguard.guard.answer_to",
        "bearerguard.core.challenge.challenge",
        "bearerguard.core.needs.Scope.scopes",
    ],
)
@pytest.mark.parametrize("token", [None, "garbage"])
def test_a_fault_while_refusing_lets_nobody_in(api, monkeypatch, where, token):
    _frequent_rejection.cache_clear()  # what another test made it write once
    monkeypatch.setattr(where, fail)
    with pytest.raises(FaultError):
        api.call("GET", "/read", token=token)
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize(
    ("rules", "faulty"),
    [("EARLY_RULES", (None, fail)), ("LATE_RULES", (None, fail)), ("HEADER_RULES", fail)],
)
def test_a_fault_in_a_rule_lets_nobody_in(api, issuer, monkeypatch, rules, faulty):
    monkeypatch.setattr(f"bearerguard.core.flow.{rules}", (faulty,))
    with pytest.raises(FaultError):
        api.call("GET", "/read", token=issuer.token("read"))
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
def test_a_fault_of_the_clock_lets_nobody_in(make, issuer):
    guard = issuer.guard()
    api = make(guard=guard)
    guard.clock = fail
    with pytest.raises(FaultError):
        api.call("GET", "/read", token=issuer.token("read"))
    assert api.ran == []


@pytest.mark.requirement("GEN-1", "GEN-7")
def test_a_fault_in_the_fetch_is_a_fault_of_the_issuer(make, issuer):
    """Whatever the HTTP client raises, the answer is 503 and never 200."""
    issuer.fetch = fail
    api = make()
    assert api.call("GET", "/read", token=issuer.token("read")).status == 503
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("is_hidden", [False, True])
def test_the_exception_of_an_applications_own_check_propagates(make, contract, issuer, is_hidden):
    """It is no answer, so that it neither admits nor blames the caller."""
    api = make(contract.Route("/x", needs=(fail,), public=is_hidden))
    with pytest.raises(FaultError):
        api.call("GET", "/x", token=issuer.token())
    assert api.call("GET", "/x").status == 401
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("answer", [None, 1, "yes", [1], object(), NotImplemented])
def test_a_check_that_does_not_say_exactly_true_admits_nobody(make, contract, issuer, answer):
    api = make(contract.Route("/x", needs=(lambda token: answer,)))
    assert api.call("GET", "/x", token=issuer.token()).outcome == (403, "insufficient_scope")
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize(
    ("adapter", "where"),
    [
        ("asgi", "bearerguard.core.marks.Mark.on"),
        ("starlette", "bearerguard.starlette.find_endpoint"),
        ("starlette", "bearerguard.starlette.mark_of"),
        ("starlette", "bearerguard.core.marks.Mark.on"),
        ("starlette", "starlette.routing.Route.matches"),
        ("fastapi", "bearerguard.fastapi_middleware.find_view"),
        ("fastapi", "bearerguard.fastapi_middleware.mark_of"),
        ("fastapi", "bearerguard.core.marks.Mark.on"),
        ("fastapi", "fastapi.routing.APIRoute.matches"),
        ("flask", "bearerguard.flask.view_of"),
        ("flask", "bearerguard.flask.mark_of"),
        ("flask", "bearerguard.core.marks.Mark.on"),
    ],
)
def test_a_fault_while_looking_for_the_view_lets_nobody_in(make, monkeypatch, where):
    api = make()
    api.call("GET", "/healthz")
    api.ran.clear()
    monkeypatch.setattr(where, fail)
    with pytest.raises(FaultError):
        api.call("GET", "/healthz")
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize(
    "where", ["bearerguard.gate.check_need", "bearerguard.admitting.log_refusal"]
)
@pytest.mark.parametrize("adapter", ["starlette", "flask", "fastapi"])
def test_a_fault_in_a_wrapper_lets_nobody_in(make, contract, adapter, issuer, monkeypatch, where):
    """Where the way in saw no need, as if a middleware had hidden the view."""
    api = make(contract.Route("/x", needs=("read",)))
    token = issuer.token("read" if where.endswith("check_need") else "write")
    api.call("GET", "/healthz")
    monkeypatch.setattr(contract.READS_MARKS[adapter], lambda *_: contract.our_asgi.UNMARKED)
    monkeypatch.setattr(where, fail)
    with pytest.raises(FaultError):
        api.call("GET", "/x", token=token)
    assert api.ran == []


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("adapter", ["wsgi", "starlette"])
def test_a_fault_while_naming_the_caller_lets_nobody_in(make, issuer, monkeypatch):
    monkeypatch.setattr("bearerguard.gate.Gate.identity", fail)
    api = make()
    with pytest.raises(FaultError):
        api.call("GET", "/read", token=issuer.token("read"))
    assert api.ran == []

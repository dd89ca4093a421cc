"""What the type checker says about the public names; mypy --strict reads this, nothing runs it.

``assert_type`` fixes what comes out. A ``type: ignore`` with a code says that a mistake must be
found: mypy reports one that is not needed, so that a mistake that passes fails too.
"""

from typing import Any, assert_never, assert_type

import httpx

import bearerguard
from bearerguard import (
    AccessToken,
    ConfigurationError,
    Guard,
    Need,
    RejectedError,
    UnavailableError,
    all_of,
    any_of,
    authenticated,
    claim,
    role,
    scope,
    step_up,
)
from bearerguard.asgi import ASGIApp
from bearerguard.core.access_token import Principal
from bearerguard.core.explain import CheckReport, Explanation
from bearerguard.events import (
    Event,
    FetchEnded,
    FetchStarted,
    KeyRefused,
    KeyStateChanged,
    RequestDecided,
    ShadowRefused,
)
from bearerguard.otel import Telemetry
from bearerguard.prometheus import Metrics
from bearerguard.receiver import EventReceiver
from bearerguard.testing import (
    BAD_TOKENS,
    AssertAllProtected,
    AssertProtected,
    BadTokens,
    Bearer,
    Issuer,
    SigningKey,
    as_token,
    bad_tokens,
    fill_environment,
    trust,
)


def makes_a_guard() -> None:
    guard = Guard(
        issuer="https://issuer.example", audience=["a", "b"], leeway="10s", clock=lambda: 0
    )
    assert_type(guard, Guard)
    assert_type(Guard.from_env(), Guard)
    assert_type(Guard.from_env(environ={"BEARERGUARD_ISSUER": "x"}, audience="a"), Guard)
    assert_type(Guard(resource="https://api.example", metadata={"resource_name": "Orders"}), Guard)
    assert_type(Guard.from_env(scope_implies={"admin": ["read", "write"]}), Guard)
    Guard(metadata="Orders")  # type: ignore[arg-type]
    Guard(scope_implies=["admin"])  # type: ignore[arg-type]
    Guard("https://issuer.example")  # type: ignore[arg-type]
    Guard(fetcher="https://issuer.example")  # type: ignore[arg-type]
    Guard(clock="now")  # type: ignore[arg-type]
    Guard.from_env({"BEARERGUARD_ISSUER": "x"})  # type: ignore[call-arg]


async def resolve_in_a_task(name: str) -> bearerguard.Issuer | None:
    return bearerguard.Issuer(name)


def watch(event: Event) -> None:
    match event:
        case KeyStateChanged():
            assert_type(event.after, str)
        case FetchStarted() | FetchEnded():
            assert_type(event.number, int)
        case KeyRefused():
            assert_type(event.kid, str | None)
        case RequestDecided():
            assert_type(event.duration_s, float)
        case ShadowRefused():
            assert_type(event.client_id, str | None)
        case _:
            assert_never(event)


def makes_a_guard_of_several_issuers() -> None:
    one = bearerguard.Issuer("https://a.example", algorithms=["RS256"])
    assert_type(Guard(issuers=[one, one], audience="a", on_event=watch), Guard)
    assert_type(Guard.from_env(issuers=(one,), on_event=watch), Guard)
    assert_type(Guard(issuer="https://a.example", audience="a", on_event=Metrics()), Guard)
    assert_type(Guard(issuer="https://a.example", audience="a", on_event=Telemetry()), Guard)
    Guard(resolve_issuer=bearerguard.Issuer, issuers_allowed=["https://{tenant}.example.com"])
    Guard(resolve_issuer=resolve_in_a_task, issuers_allowed=["https://a.example"])
    Guard.from_env(resolve_issuer=lambda _: None, issuers_allowed=("https://a.example",))
    Guard(issuers=["https://a.example"])  # type: ignore[list-item]
    Guard(issuers=one)  # type: ignore[arg-type]
    Guard(resolve_issuer="https://a.example")  # type: ignore[arg-type]
    Guard(resolve_issuer=lambda: None)  # type: ignore[arg-type]
    Guard(on_event="log")  # type: ignore[arg-type]
    one.issuer = "https://b.example"  # type: ignore[misc]


async def is_ready(guard: Guard) -> None:
    assert_type(guard.ready(), bool)
    assert_type(await guard.aready(), bool)
    assert_type(guard.has_one_issuer, bool)


async def verifies(guard: Guard) -> None:
    assert_type(guard.verify("a.b.c"), AccessToken)
    assert_type(await guard.averify("a.b.c"), AccessToken)
    guard.verify(b"a.b.c")  # type: ignore[arg-type]
    guard.verify(None)  # type: ignore[arg-type]


async def explains(guard: Guard) -> None:
    assert_type(guard.explain("a.b.c"), Explanation)
    report = await guard.aexplain("a.b.c")
    assert_type(report, Explanation)
    assert_type(report.accepted, bool)
    assert_type(report.checks, list[CheckReport])
    assert_type(report.checks[0].passed, bool | None)
    assert_type(report.checks[0].hint, str | None)
    assert_type(guard.status(), dict[str, dict[str, Any]])


def reads_a_token(token: AccessToken) -> None:
    assert_type(token.issuer, str)
    assert_type(token.subject, str | None)
    assert_type(token.principal, Principal)
    assert_type(token.client_id, str | None)
    assert_type(token.audience, tuple[str, ...])
    assert_type(token.scopes, frozenset[str])
    assert_type(token.roles, frozenset[str])
    assert_type(token.acr, str | None)
    assert_type(token.amr, tuple[str, ...])
    assert_type(token.token_id, str | None)
    assert_type(token.claims, dict[str, Any])
    token.subject = "admin"  # type: ignore[misc]
    token.scopes.add("admin")  # type: ignore[attr-defined]
    print(token.role)  # type: ignore[attr-defined]


def says_what_is_needed(check: Any) -> None:
    assert_type(scope("a"), Need)
    assert_type(role("a") | claim("tenant", equals=1), Need)
    assert_type(scope("a") & "b", Need)
    assert_type(all_of("a", any_of("b", role("c"))), Need)
    assert_type(authenticated, Need)
    all_of(lambda token: token.acr == "mfa")
    scope(5)  # type: ignore[arg-type]
    any_of(5)  # type: ignore[arg-type]
    assert_type(step_up(acr="mfa") | step_up(acr=("phr", "mfa"), max_age=300), Need)
    step_up("mfa")  # type: ignore[call-arg]
    step_up(acr=5)  # type: ignore[arg-type]
    step_up(max_age="5m")  # type: ignore[arg-type]
    claim("tenant", 1)  # type: ignore[call-arg]
    all_of(lambda token: token.nonsense)  # type: ignore[attr-defined]


def handles_errors(guard: Guard) -> str | None:
    try:
        guard.verify("a.b.c")
    except RejectedError as refusal:
        assert_type(refusal.reason, str)
        assert_type(refusal.status, int)
        return refusal.error
    except UnavailableError as unavailable:
        assert_type(unavailable.retry_after, int)
    except ConfigurationError as problem:
        return "; ".join(problem.problems)
    return None


def tests_an_api() -> None:
    issuer = Issuer("https://issuer.example", audience="https://api.example", alg="ES256")
    assert_type(issuer.token("orders:read", sub="user-2"), str)
    assert_type(issuer.rotate(), SigningKey)
    assert_type(issuer.guard(leeway=0), Guard)
    assert_type(bad_tokens(issuer), dict[str, str])
    assert_type(BAD_TOKENS["expired"](issuer), str)
    with trust(issuer) as trusted:
        assert_type(trusted, Issuer)
    trust("https://issuer.example")  # type: ignore[type-var]


async def uses_the_fixtures(
    bearer: Bearer,
    issuer: Issuer,
    bearer_bad_tokens: BadTokens,
    assert_protected: AssertProtected,
    assert_all_protected: AssertAllProtected,
    app: ASGIApp,
) -> None:
    assert_type(bearer("orders:read", "orders:write", sub="ada"), dict[str, str])
    assert_type(bearer.expired("orders:read"), dict[str, str])
    assert_type(bearer.bad("forged"), dict[str, str])
    assert_type(bearer.at(app).token(), str)
    assert_type(bearer_bad_tokens["expired"], dict[str, str])
    bearer(5)  # type: ignore[arg-type]
    issuer.rotate()
    with issuer.down(), issuer.slow(5):
        issuer.up()
    issuer.slow("5s")  # type: ignore[arg-type]
    with httpx.Client() as client:
        assert_protected(client, "GET", "/orders", scopes=["orders:read"], json={})
        assert_all_protected(client, public=["/healthz"])
    async with httpx.AsyncClient() as async_client:
        await assert_protected(async_client, "GET", "/orders")
    with as_token(app, "orders:read", sub="ada"), as_token(app, scope=["a", "b"]):
        pass
    assert_type(fill_environment(), list[str])


def reads_the_version() -> None:
    assert_type(bearerguard.__version__, str)


async def revokes(guard: Guard, token: AccessToken) -> None:
    assert_type(guard.revoke(token_id=token.token_id, expires_at=token.expires_at), None)
    await guard.arevoke(subject="user-1", issued_before=0, issuer=token.issuer)
    guard.forget(subject="user-1")
    guard.revoke("user-1")  # type: ignore[call-arg]
    guard.revoke(subject=5)  # type: ignore[arg-type]
    EventReceiver(guard, audience=["https://api.example/events", "client-1"])
    EventReceiver(guard)  # type: ignore[call-arg]

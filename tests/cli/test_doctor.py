"""Seeded misconfigurations: the doctor names the cause, and its remedy, followed, mends it."""

import io
import json
import os
import re
import shlex
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bearerguard import cli
from bearerguard.cli.diagnosis import diagnose
from bearerguard.cli.observations import (
    Asked,
    Observed,
    certificate_names,
    failure_of,
    proxy_for,
)
from bearerguard.fastapi import BearerGuard
from bearerguard.jwks.fetch import TOO_LONG, Fetched, FetchError
from bearerguard.settings import Settings
from bearerguard.starlette import BearerAuthMiddleware, public
from bearerguard.testing import SigningKey

WELL_KNOWN = "/.well-known/oauth-authorization-server"
JSON = {"Content-Type": "application/json"}
LOGIN_PAGE = (200, {"Content-Type": "text/html; charset=utf-8"}, b"<title>Log in</title>")


def document(content: object) -> tuple[int, dict[str, str], bytes]:
    return 200, JSON, json.dumps(content).encode()


@pytest.fixture
def diagnosis(world, monkeypatch, capsys):
    """Run the command; give the exit code, and the document that it prints."""

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        more = [*arguments, "--token"] if world.token is not None else arguments
        octets = (world.token or "").encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
        code = cli.main(["doctor", "--json", *more])
        printed = capsys.readouterr().out
        assert world.token is None or world.token not in printed
        return code, json.loads(printed)

    return run


@dataclass(frozen=True)
class Seed:
    """One mistake. ``spoil`` makes it; ``cause`` and ``remedy`` are parts of what must be said.

    ``is_mended``: what the remedy says to set, once set, leaves nothing wrong.
    """

    name: str
    spoil: Callable[[Any], object]
    cause: str
    remedy: str
    check: str
    is_mended: bool = False
    arguments: tuple[str, ...] = field(default=())


def slow_once(world) -> None:
    """The first answer takes longer than the second that JWKS_TIMEOUT gives it."""
    first, metadata = [True], world.issuer.metadata()

    def page():
        if first:
            first.clear()
            threading.Event().wait(1.1)
        return document(metadata)

    world.set(JWKS_TIMEOUT="1s")
    world.serve(WELL_KNOWN, page)


def nobody_listens(world) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        world.values["free"] = str(free.getsockname()[1])
    world.set(ISSUER=f"http://127.0.0.1:{world.values['free']}")


def wrong_tenant(world) -> None:
    theirs = f"{world.url}/tenant-b"
    world.name_issuer(theirs)
    world.set(ISSUER=f"{world.url}/tenant-a")
    world.serve(f"{WELL_KNOWN}/tenant-a", document(world.issuer.metadata()))


def every_tenant(world) -> None:
    metadata = world.issuer.metadata() | {"issuer": f"{world.url}/{{tenantid}}/v2.0"}
    world.serve(WELL_KNOWN, document(metadata))


def unusable(**changes: object) -> Callable[[Any], None]:
    def spoil(world) -> None:
        key = {name: v for name, v in (world.issuer.key.jwk | changes).items() if v is not None}
        world.serve("/jwks.json", document({"keys": [key]}))

    return spoil


def serve_keys(page: Any) -> Callable[[Any], None]:
    return lambda world: world.serve("/jwks.json", page)


def with_token(**how: Any) -> Callable[[Any], None]:
    def spoil(world) -> None:
        world.token = world.issuer.token(**how)

    return spoil


def all_of(*spoils: Callable[[Any], object]) -> Callable[[Any], None]:
    def spoil(world) -> None:
        for one in spoils:
            one(world)

    return spoil


def token_with_a_slash(world) -> None:
    world.set(JWKS_URI=f"{world.url}/jwks.json")
    world.token = world.issuer.token(iss=f"{world.url}/")


def opaque_token(world) -> None:
    world.token = "v1.opaque_0123456789"


def keycloak(world) -> None:
    world.name_issuer(f"{world.url}/realms/acme", "keycloak")
    world.set(ISSUER=world.issuer.url)
    world.token = world.issuer.token()


def refused_client(world) -> None:
    world.set(INTROSPECTION_CLIENT_ID="orders", INTROSPECTION_CLIENT_SECRET="s3cret-s3cret")
    world.serve("/introspect", (401, JSON, b'{"error": "invalid_client"}'))


def moved_keys(world) -> None:
    world.serve("/jwks.json", (302, {"Location": "/v2/keys"}, b""))
    world.serve("/v2/keys", document(world.issuer.jwks()))


def moved_metadata(world) -> None:
    there = f"http://localhost:{world.values['port']}"
    world.set(ISSUER=there)
    world.serve(WELL_KNOWN, redirect_or_metadata(world))


def redirect_or_metadata(world) -> Callable[[], Any]:
    """Redirect the first request, which goes to the other name of this host."""
    answers = iter([(301, {"Location": f"{world.url}{WELL_KNOWN}"}, b"")])
    return lambda: next(answers, document(world.issuer.metadata()))


def module_with(**apps: Any) -> Callable[[Any], None]:
    def spoil(world) -> None:
        made = {name: make() for name, make in apps.items()}
        world.patch.setitem(sys.modules, "users_api", type("Module", (), made))

    return spoil


async def view(_request):
    return PlainTextResponse("ran")


@public
async def decided(_request):
    return PlainTextResponse("ran")


def starlette_app(*middleware: Any, endpoint: Any = decided) -> Callable[[], Starlette]:
    added = [Middleware(one) for one in middleware]
    return lambda: Starlette(routes=[Route("/orders", endpoint)], middleware=added)


def fastapi_app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(CORSMiddleware)
    BearerGuard(app)
    return app


SEEDS = (
    # Settings
    Seed(
        "a profile that does not exist",
        lambda w: w.set(PROFILE="keycloack"),
        "BEARERGUARD_PROFILE='keycloack' (environment) is no profile",
        "set BEARERGUARD_PROFILE=keycloak",
        "settings",
        is_mended=True,
    ),
    Seed(
        "no issuer",
        lambda w: w.unset("ISSUER"),
        "BEARERGUARD_ISSUER is not set",
        "write BEARERGUARD_ISSUER=https://login.example.com",
        "settings",
    ),
    Seed(
        "no audience",
        lambda w: w.unset("AUDIENCE"),
        "BEARERGUARD_AUDIENCE is not set",
        "write BEARERGUARD_AUDIENCE=https://api.example.com",
        "settings",
    ),
    Seed(
        "a name with a typing error",
        lambda w: w.set(LEEWEY="30s"),
        "BEARERGUARD_LEEWEY (environment) is not a setting",
        "rename it to BEARERGUARD_LEEWAY",
        "settings",
    ),
    Seed(
        "an ill-formed value",
        lambda w: w.set(LEEWAY="half a minute"),
        "BEARERGUARD_LEEWAY='half a minute' (environment)",
        "BEARERGUARD_LEEWAY must be a duration such as '30s'",
        "settings",
    ),
    Seed(
        "an issuer by http",
        lambda w: w.set(ISSUER="http://login.example.com/"),
        "BEARERGUARD_ISSUER='http://login.example.com/' (environment) does not begin with https",
        "set BEARERGUARD_ISSUER=https://login.example.com/: ",
        "settings",
    ),
    Seed(
        "the address of the metadata as the issuer",
        lambda w: w.set(ISSUER=f"{w.url}/.well-known/openid-configuration"),
        "is the address of metadata",
        "set BEARERGUARD_ISSUER={url}: ",
        "settings",
        is_mended=True,
    ),
    Seed(
        "a file of keys that is not there",
        lambda w: w.set(JWKS_FILE="/nowhere/keys.json"),
        "BEARERGUARD_JWKS_FILE='/nowhere/keys.json' (environment) cannot be read: No such file",
        "set BEARERGUARD_JWKS_FILE to a file that is there and that this user may read",
        "settings",
    ),
    # The issuer's name
    Seed(
        "a slash too many",
        lambda w: w.set(ISSUER=f"{w.url}/"),
        "differ by a trailing slash",
        "set BEARERGUARD_ISSUER={url} without the slash: that is how the issuer names itself",
        "metadata",
        is_mended=True,
    ),
    Seed(
        "a slash too few",
        lambda w: w.name_issuer(f"{w.url}/"),
        "differ by a trailing slash",
        "set BEARERGUARD_ISSUER={url}/ with the slash: that is how the issuer names itself",
        "metadata",
        is_mended=True,
    ),
    Seed(
        "another case of letters",
        lambda w: (w.set(ISSUER=f"http://LOCALHOST:{w.values['port']}"), name_by_host(w)),
        "differ in upper and lower case",
        "set BEARERGUARD_ISSUER=http://localhost:{port}: ",
        "metadata",
        is_mended=True,
    ),
    Seed(
        "another host of the same server",
        lambda w: w.set(ISSUER=f"http://localhost:{w.values['port']}"),
        "is of another issuer or tenant: {url}",
        "set BEARERGUARD_ISSUER={url}, if that is the one you trust",
        "metadata",
        is_mended=True,
    ),
    Seed(
        "the wrong tenant",
        wrong_tenant,
        "is of another issuer or tenant: {url}/tenant-b",
        "set BEARERGUARD_ISSUER={url}/tenant-b, ",
        "metadata",
        is_mended=True,
    ),
    Seed(
        "metadata for every tenant",
        every_tenant,
        "is for every tenant",
        "with the id of your tenant in place of {{...}}",
        "metadata",
    ),
    # The metadata
    Seed(
        "a path that the issuer does not have",
        lambda w: w.set(ISSUER=f"{w.url}/auth"),
        "{url}/auth has no metadata: {url}/auth/.well-known/openid-configuration answered 404",
        "set BEARERGUARD_ISSUER={url}: so the issuer on this host names itself",
        "metadata",
        is_mended=True,
    ),
    Seed(
        "no issuer on this host",
        lambda w: setattr(w.answers, "otherwise", lambda _path: (404, {}, b"")),
        "has no metadata",
        "set BEARERGUARD_ISSUER exactly as iss stands in a token",
        "metadata",
    ),
    Seed(
        "metadata behind a login page",
        lambda w: w.serve(WELL_KNOWN, LOGIN_PAGE),
        f"{{url}}{WELL_KNOWN} is a page for people and no metadata: a login page",
        f"let requests of this machine through to {{url}}{WELL_KNOWN} without a login",
        "metadata",
    ),
    Seed(
        "metadata behind a redirect",
        moved_metadata,
        f"redirects to {{url}}{WELL_KNOWN}",
        "set BEARERGUARD_ISSUER={url}, if iss of its tokens is that",
        "metadata",
        is_mended=True,
    ),
    Seed(
        "metadata behind a redirect to a login",
        lambda w: w.serve(WELL_KNOWN, (303, {"Location": "/login?next=/"}, b"")),
        f"{{url}}{WELL_KNOWN} redirects to {{url}}/login?next=/",
        f"or let requests of this machine through to {{url}}{WELL_KNOWN} without a login",
        "metadata",
    ),
    Seed(
        "an issuer in trouble",
        lambda w: w.serve(WELL_KNOWN, (500, {}, b"")),
        "answered 500",
        "look into the issuer's own log",
        "metadata",
    ),
    Seed(
        "metadata that call themselves text",
        lambda w: w.serve(WELL_KNOWN, (200, {"Content-Type": "text/plain"}, b"{}")),
        "says text/plain, and metadata are JSON",
        "have the issuer send application/json",
        "metadata",
    ),
    # The keys
    Seed(
        "keys behind a redirect",
        moved_keys,
        "{url}/jwks.json redirects to {url}/v2/keys, and redirects are not followed",
        "set BEARERGUARD_JWKS_URI={url}/v2/keys",
        "keys",
        is_mended=True,
    ),
    Seed(
        "keys behind a redirect to http elsewhere",
        serve_keys((302, {"Location": "http://keys.example.com/"}, b"")),
        "redirects to http://keys.example.com/",
        "have the issuer answer there itself, by https",
        "keys",
    ),
    Seed(
        "keys behind a login page",
        serve_keys(LOGIN_PAGE),
        "{url}/jwks.json is a page for people and no key set: a login page",
        "let requests of this machine through to {url}/jwks.json without a login",
        "keys",
    ),
    Seed(
        "keys at another place",
        lambda w: w.set(JWKS_URI=f"{w.url}/keys"),
        "there are no keys at {url}/keys (404)",
        "correct BEARERGUARD_JWKS_URI",
        "keys",
    ),
    Seed(
        "an empty key set",
        serve_keys(document({"keys": []})),
        "no usable key (the set is empty)",
        "have the issuer publish the public key that it signs with",
        "keys",
    ),
    Seed(
        "only a private key",
        unusable(d="AQAB"),
        "no usable key (",
        "have the issuer publish the public key that it signs with",
        "keys",
    ),
    Seed(
        "only a key for encryption",
        unusable(use="enc"),
        "no usable key (",
        "have the issuer publish the public key that it signs with",
        "keys",
    ),
    Seed(
        "only a symmetric key",
        unusable(kty="oct", k="AQAB", n=None, e=None),
        "no usable key (",
        "have the issuer publish the public key that it signs with",
        "keys",
    ),
    Seed(
        "keys that are no JSON",
        serve_keys((200, JSON, b"-----BEGIN PUBLIC KEY-----")),
        "{url}/jwks.json is no JSON object, as key set should be",
        "have the issuer mend its key set",
        "keys",
    ),
    Seed(
        "far too many keys",
        serve_keys((200, JSON, b" " * (512 * 1024 + 1))),
        "{url}/jwks.json answers with more than 512 KiB",
        "or BEARERGUARD_JWKS_FILE to a copy",
        "keys",
    ),
    Seed(
        "keys by http elsewhere",
        lambda w: w.serve(
            WELL_KNOWN, document(w.issuer.metadata() | {"jwks_uri": "http://keys.example.com"})
        ),
        "jwks_uri 'http://keys.example.com' does not begin with https://",
        "set BEARERGUARD_JWKS_URI=https://... to the URL of the keys",
        "keys",
    ),
    Seed(
        "no file with the token for the metadata",
        lambda w: w.set(JWKS_TOKEN_FILE="/nowhere/token"),
        "jwks_token_file cannot be read",
        "let BEARERGUARD_JWKS_TOKEN_FILE name a readable file",
        "metadata",
    ),
    Seed(
        "no file with the token for the keys",
        lambda w: w.set(JWKS_URI=f"{w.url}/jwks.json", JWKS_TOKEN_FILE="/nowhere/token"),
        "jwks_token_file cannot be read",
        "let BEARERGUARD_JWKS_TOKEN_FILE name a readable file",
        "keys",
    ),
    Seed(
        "a secret that is there twice",
        lambda w: w.set(SECRET="s" * 32, SECRET_FILE="/run/secrets/bearerguard"),
        "BEARERGUARD_SECRET and BEARERGUARD_SECRET_FILE (environment) are both set",
        "keep one",
        "settings",
    ),
    Seed(
        "an issuer of blanks",
        lambda w: w.set(ISSUER=" "),
        "BEARERGUARD_ISSUER is not set",
        "write BEARERGUARD_ISSUER=",
        "settings",
    ),
    # The way there
    Seed(
        "too little time",
        slow_once,
        f"{{url}}{WELL_KNOWN} did not answer within JWKS_TIMEOUT=1s",
        "set BEARERGUARD_JWKS_TIMEOUT=10s",
        "metadata",
        is_mended=True,
    ),
    Seed(
        "nobody listens",
        nobody_listens,
        "nothing listens at http://127.0.0.1:{free}: connection refused",
        "start the issuer, or correct host and port in BEARERGUARD_ISSUER",
        "metadata",
    ),
    Seed(
        "a host that has no address",
        lambda w: w.set(ISSUER="https://login.example.invalid"),
        "the name login.example.invalid does not resolve",
        "correct the host in BEARERGUARD_ISSUER",
        "metadata",
    ),
    Seed(
        "a proxy that is not there",
        lambda w: (
            nobody_listens(w),
            w.patch.setenv("HTTPS_PROXY", f"http://me:pw@127.0.0.1:{w.values['free']}"),
            w.set(ISSUER="https://login.example.invalid"),
        ),
        "the proxy of HTTPS_PROXY=http://***@127.0.0.1:{free} gives no way to login.example",
        "set NO_PROXY=login.example.invalid",
        "metadata",
    ),
    Seed(
        "a proxy for which the client lacks a module",
        lambda w: (
            w.patch.setenv("ALL_PROXY", "socks5://127.0.0.1:1"),
            w.patch.setitem(sys.modules, "socksio", None),
            w.set(ISSUER="https://login.example.invalid"),
        ),
        "the proxy of ALL_PROXY=socks5://127.0.0.1:1 gives no way to login.example.invalid",
        "set NO_PROXY=login.example.invalid",
        "metadata",
    ),
    Seed(
        "no certificates to trust",
        lambda w: (
            w.use(w.tls("127.0.0.1", trusted=False)),
            w.patch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ),
        "the HTTP client finds no certificates to trust",
        "let SSL_CERT_FILE name a file that is there",
        "metadata",
    ),
    Seed(
        "an authority that nobody knows",
        lambda w: w.use(w.tls("127.0.0.1", trusted=False)),
        "is by an authority that is not trusted here",
        "set BEARERGUARD_CA_FILE=/path/to/ca.pem",
        "metadata",
    ),
    Seed(
        "another authority in CA_FILE",
        lambda w: (
            w.use(w.tls("127.0.0.1")),
            w.set(CA_FILE=w.other_authority()),
        ),
        "is by an authority that is not trusted here",
        "add the certificate of that authority to BEARERGUARD_CA_FILE=",
        "metadata",
    ),
    Seed(
        "a certificate for another host",
        lambda w: w.use(w.tls("login.example.com")),
        "is for login.example.com, not for 127.0.0.1",
        "name the host in BEARERGUARD_ISSUER as the certificate does: login.example.com",
        "metadata",
    ),
    Seed(
        "an expired certificate",
        lambda w: w.use(w.tls("127.0.0.1", timedelta(days=-1))),
        "the certificate of https://127.0.0.1:{port} has expired",
        "have it renewed there",
        "metadata",
    ),
    Seed(
        "https where http is spoken",
        lambda w: w.set(ISSUER=w.url.replace("http:", "https:")),
        "does not speak TLS",
        "set BEARERGUARD_ISSUER={url}, ",
        "metadata",
        is_mended=True,
    ),
    Seed(
        "a clock that is behind",
        lambda w: setattr(w.answers, "clock_ahead", timedelta(minutes=10)),
        "behind the issuer's",
        "set the clock that is wrong by NTP",
        "clock",
    ),
    Seed(
        "a clock that is ahead",
        lambda w: setattr(w.answers, "clock_ahead", timedelta(minutes=-10)),
        "this machine's clock is 10 min",
        "set the clock that is wrong by NTP",
        "clock",
    ),
    Seed(
        "a client that may not introspect",
        refused_client,
        "{url}/introspect: refused this API's own credentials (401)",
        "register the client orders there, or correct BEARERGUARD_INTROSPECTION_CLIENT_ID",
        "introspection",
    ),
    Seed(
        "no introspection endpoint",
        lambda w: (refused_client(w), w.serve("/introspect", (404, {}, b""))),
        "{url}/introspect: answered 404",
        "correct BEARERGUARD_INTROSPECTION_URI",
        "introspection",
    ),
    # A token
    Seed(
        "another audience in the token",
        with_token(aud="https://orders.example.com"),
        "refused with audience_mismatch: expected https://api.example.com, found https://orders",
        "set BEARERGUARD_AUDIENCE=https://orders.example.com if that names this API",
        "token",
        is_mended=True,
    ),
    Seed(
        "an ID provider's own endpoint in the audience",
        with_token(aud=["https://login.example.com/userinfo"]),
        "refused with audience_mismatch",
        "the token is for another API",
        "token",
    ),
    Seed(
        "a slash more in the token",
        token_with_a_slash,
        "refused with issuer_mismatch: expected {url}, found {url}/",
        "set BEARERGUARD_ISSUER={url}/; they differ only by a trailing slash",
        "token",
        is_mended=True,
    ),
    Seed(
        "an opaque token",
        opaque_token,
        "the token is opaque",
        "set BEARERGUARD_INTROSPECTION_CLIENT_ID",
        "token",
    ),
    Seed(
        "a provider on a host of one's own",
        keycloak,
        "refused with type_mismatch",
        "set BEARERGUARD_PROFILE=keycloak",
        "token",
        is_mended=True,
    ),
    Seed(
        "a token that is not as RFC 9068 says",
        with_token(header={"typ": "JWT"}),
        "refused with type_mismatch",
        "set BEARERGUARD_PROFILE=jwt",
        "token",
        is_mended=True,
    ),
    Seed(
        "an ID token",
        with_token(header={"typ": "JWT"}, nonce="n", at_hash="h"),
        "refused with type_mismatch",
        "an ID token?",
        "token",
    ),
    Seed(
        "an algorithm that is left out",
        all_of(lambda w: w.set(ALGORITHMS="ES256"), with_token()),
        "refused with algorithm_not_allowed: expected ES256, found RS256",
        "set BEARERGUARD_ALGORITHMS=ES256,RS256 if the issuer signs with it",
        "token",
        is_mended=True,
    ),
    Seed(
        "a shared secret",
        with_token(key=SigningKey("HS256", b"s" * 32, {"kid": "shared"})),
        "refused with algorithm_not_allowed",
        "have the issuer sign with RS256; a shared secret would be BEARERGUARD_SECRET_FILE",
        "token",
    ),
    Seed(
        "no signature",
        with_token(header={"alg": "none"}),
        "refused with algorithm_not_allowed",
        "have the issuer sign with RS256; no setting allows this",
        "token",
    ),
    Seed(
        "an old token",
        with_token(exp=1_600_000_000),
        "refused with expired",
        "fetch a new token",
        "token",
    ),
    # The application
    Seed(
        "no guard",
        module_with(app=starlette_app()),
        "no guard stands before users_api:app",
        "write middleware=[Middleware(BearerAuthMiddleware)] of bearerguard.starlette",
        "application",
        arguments=("--app", "users_api:app"),
    ),
    Seed(
        "no guard before Flask",
        module_with(app=lambda: Flask("users_api")),
        "no guard stands before users_api:app",
        "write BearerGuard(app) of bearerguard.flask",
        "application",
        arguments=("--app", "users_api:app"),
    ),
    Seed(
        "CORS inside of the guard",
        module_with(app=starlette_app(BearerAuthMiddleware, CORSMiddleware)),
        "CORSMiddleware stands inside of the guard",
        "put Middleware(CORSMiddleware, ...) before Middleware(BearerAuthMiddleware)",
        "CORS",
        arguments=("--app", "users_api:app"),
    ),
    Seed(
        "CORS inside of the guard of FastAPI",
        module_with(app=fastapi_app),
        "CORSMiddleware stands inside of the guard: no script can read a refusal",
        "call app.add_middleware(CORSMiddleware, ...) after BearerGuard(app)",
        "CORS",
        arguments=("--app", "users_api:app"),
    ),
    Seed(
        "a route that nobody decided about",
        module_with(app=starlette_app(BearerAuthMiddleware, endpoint=view)),
        "GET /orders (view): any valid token is enough",
        '@requires("a:scope") above the view',
        "routes",
        arguments=("--app", "users_api:app"),
    ),
)


def name_by_host(world) -> None:
    world.name_issuer(f"http://localhost:{world.values['port']}")


def problems_in(found: dict[str, Any]) -> list[dict[str, str]]:
    return [row for row in found["checks"] if row["verdict"] == "problem"]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_the_doctor_names_the_cause_and_the_remedy(seed, world, diagnosis):
    seed.spoil(world)

    code, found = diagnosis(*seed.arguments)

    problem, *others = problems_in(found)
    assert (code, others) == (1, [])
    assert problem["check"] == seed.check
    assert seed.cause.format(**world.values) in problem["cause"]
    assert seed.remedy.format(**world.values) in problem["remedy"]


@pytest.mark.parametrize(
    "seed", [seed for seed in SEEDS if seed.is_mended], ids=lambda seed: seed.name
)
def test_what_the_remedy_says_to_set_leaves_nothing_wrong(seed, world, diagnosis):
    seed.spoil(world)
    (problem,) = problems_in(diagnosis(*seed.arguments)[1])

    written = next(w for w in shlex.split(problem["remedy"]) if w.startswith("BEARERGUARD_"))
    name, _, value = written.partition("=")
    world.patch.setenv(name, value.rstrip(":,;"))

    code, found = diagnosis(*seed.arguments)
    assert (code, problems_in(found)) == (0, [])


def test_nothing_is_wrong_where_nothing_is(world, diagnosis):
    world.token = world.issuer.token("orders:read")

    code, found = diagnosis()

    assert code == 0
    assert [(row["check"], row["verdict"]) for row in found["checks"]] == [
        *(("settings", "OK"), ("metadata", "OK"), ("keys", "OK"), ("clock", "OK"), ("token", "OK"))
    ]


def test_each_setting_that_is_given_is_shown_with_its_origin_and_no_secret(
    world, diagnosis, tmp_path
):
    file = tmp_path / "bearerguard.toml"
    file.write_text('leeway = "10s"\nintrospection_client_secret = "hidden-hidden"\n')
    secret = tmp_path / "secret"
    secret.write_text("s3cret-s3cret-s3cret-s3cret-s3cret")
    world.set(CONFIG=str(file), SECRET_FILE=str(secret))

    _, found = diagnosis()

    shown = {row["name"]: (row["value"], row["origin"]) for row in found["settings"]}
    assert shown == {
        "BEARERGUARD_ISSUER": (world.url, "BEARERGUARD_ISSUER (environment)"),
        "BEARERGUARD_AUDIENCE": (world.issuer.audience, "BEARERGUARD_AUDIENCE (environment)"),
        "BEARERGUARD_SECRET": ("***", "BEARERGUARD_SECRET_FILE (environment)"),
        "BEARERGUARD_CONFIG": (str(file), "BEARERGUARD_CONFIG (environment)"),
        "BEARERGUARD_LEEWAY": ("10s", f"leeway ({file})"),
        "BEARERGUARD_INTROSPECTION_CLIENT_SECRET": (
            "***",
            f"introspection_client_secret ({file})",
        ),
    }


def test_a_guard_that_does_not_enforce_is_told(world, diagnosis):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    world.set(MODE="report-without-enforcing", REPORT_UNTIL=tomorrow.strftime("%Y-%m-%dT%H:%MZ"))

    code, found = diagnosis()

    assert code == 0
    assert "MODE lets every request pass until its date" in found["checks"][0]["cause"]


def test_every_problem_of_the_settings_is_told_at_once(world, diagnosis):
    world.set(ISSUER="http://login.example.com", LEEWAY="soon", JWKS_TIMEOUT="1h", CONFIG="/no")
    world.token = world.issuer.token()

    code, found = diagnosis()

    assert (code, len(problems_in(found))) == (1, 4)
    assert all(row["remedy"] for row in problems_in(found))
    rest = [row["check"] for row in found["checks"] if row["verdict"] == "not reached"]
    assert rest == ["metadata", "keys", "clock", "token"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"SECRET": "s" * 32}, "a shared secret: the issuer is not asked"),
        ({"JWKS_FILE": "{file}"}, "from the file {file}: the issuer is not asked"),
        ({"JWKS_URI": "{url}/jwks.json"}, "1 usable at {url}/jwks.json"),
    ],
)
def test_keys_from_elsewhere_are_looked_at_there(settings, told, world, diagnosis, tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(world.issuer.jwks()))
    values = world.values | {"file": str(file)}
    world.set(**{name: value.format(**values) for name, value in settings.items()})

    code, found = diagnosis()

    assert code == 0
    assert told.format(**values) in [row["cause"] for row in found["checks"]]


def test_a_key_that_is_left_out_beside_others_is_told_with_the_reason(world, diagnosis):
    published = world.issuer.jwks()["keys"]
    odd = published[0] | {"kid": "for-encryption", "use": "enc"}
    world.serve("/jwks.json", document({"keys": [*published, odd]}))

    code, found = diagnosis()

    (keys,) = [row["cause"] for row in found["checks"] if row["check"] == "keys"]
    assert code == 0
    assert "1 usable" in keys
    assert "left out: for-encryption (" in keys


@pytest.mark.parametrize("date", ["yesterday", ""])
def test_an_answer_without_a_date_tells_nothing_of_clocks(date, world, diagnosis):
    """RFC 9110 section 6.6.1: a server without a clock sends none."""
    page = (200, JSON | {"Date": date}, json.dumps(world.issuer.metadata()).encode())
    world.serve(WELL_KNOWN, page)
    world.serve("/jwks.json", (200, {"Date": date}, json.dumps(world.issuer.jwks()).encode()))

    _, found = diagnosis()

    assert ("clock", "not reached") in [(row["check"], row["verdict"]) for row in found["checks"]]


def test_several_issuers_are_told_apart(world, diagnosis):
    there = world.url.replace("127.0.0.1", "localhost")
    world.set(ISSUER=f"{world.url},{there}")

    code, found = diagnosis()

    (problem,) = problems_in(found)
    assert (code, problem["check"]) == (1, f"metadata of {there}")
    assert problem["remedy"].startswith(f"in place of {there} write {world.url}, if")


def test_an_opaque_token_goes_nowhere(world, diagnosis):
    world.set(INTROSPECTION_CLIENT_ID="orders", INTROSPECTION_CLIENT_SECRET="s3cret-s3cret")
    world.serve("/introspect", document({"active": False}))
    opaque_token(world)

    code, found = diagnosis()

    assert code == 0
    *_, introspection, token = found["checks"]
    assert (introspection["verdict"], token["verdict"]) == ("OK", "not reached")
    assert world.token not in "".join(world.answers.bodies)


def test_a_token_of_an_issuer_that_is_down_is_not_judged(world, diagnosis):
    world.serve(WELL_KNOWN, (500, {}, b""))
    world.token = world.issuer.token()

    _, found = diagnosis()

    (token,) = [row for row in found["checks"] if row["check"] == "token"]
    assert token["verdict"] == "not reached"
    assert token["cause"].startswith("key: ")


def test_a_profile_that_cannot_start_is_not_proposed(world, diagnosis):
    """That of AD FS needs a setting more, and would only lead to the next error."""
    world.name_issuer(f"{world.url}/adfs")
    world.set(ISSUER=world.issuer.url)
    world.token = world.issuer.token(header={"typ": "JWT"})

    _, found = diagnosis()

    (problem,) = problems_in(found)
    assert "set BEARERGUARD_PROFILE=jwt" in problem["remedy"]


@pytest.mark.parametrize(
    ("failure", "cause", "remedy"),
    [
        ("unreachable", "https://login.example.com:8443 took no connection within 2 s", "firewall"),
        ("no_tls", "does not speak TLS", "correct the port in BEARERGUARD_ISSUER"),
        ("other", "what the client said", "try the URL from this machine"),
    ],
)
def test_a_failure_that_no_server_here_can_have_is_told_too(failure, cause, remedy):
    url = "https://login.example.com:8443/.well-known/openid-configuration"
    settings = Settings(issuer="https://login.example.com:8443", audience=("a",))
    asked = Asked(url, 0.0, failure=failure, detail="what the client said")

    metadata, *_ = diagnose(Observed(settings, (asked,)))

    assert metadata.verdict == "problem"
    assert cause in metadata.cause
    assert remedy in metadata.remedy


def test_a_slow_first_answer_is_to_blame_where_no_time_was_left_for_the_second():
    settings = Settings(issuer="https://login.example.com", audience=("a",))
    url = "https://login.example.com/.well-known/oauth-authorization-server"
    body = json.dumps({"issuer": settings.issuer}).encode()
    asked = Asked(url, 0.0, Fetched(200, {"content-type": "application/json"}, body))
    problem = "https://login.example.com/keys: no time was left for this request"

    _, keys, _ = diagnose(Observed(settings, (asked,), problem=problem))

    assert (keys.cause, keys.remedy) == (problem, "set BEARERGUARD_JWKS_TIMEOUT=10s")


@pytest.mark.parametrize(
    ("words", "behind", "kind"),
    [
        (TOO_LONG, None, "slow"),
        (TOO_LONG, ssl.SSLError("the connection is gone"), "slow"),
        (TOO_LONG, httpx.ConnectTimeout("timed out"), "unreachable"),
        ("odd", None, "other"),
        ("odd", ssl.SSLError("wrong version number"), "no_tls"),
    ],
)
def test_a_connection_that_was_ended_for_its_time_was_slow(words, behind, kind):
    error = FetchError(words)
    error.__context__ = behind

    assert failure_of(error) == kind


def test_a_host_that_is_gone_meanwhile_has_no_names(world):
    nobody_listens(world)
    settings = Settings(issuer=os.environ["BEARERGUARD_ISSUER"], audience=("a",))

    assert certificate_names(settings.issuer, settings) == ()


def test_a_host_without_a_proxy_has_none(world):
    assert proxy_for("https://login.example.com") is None


def test_the_guard_of_an_application_is_the_one_that_is_asked(world, diagnosis):
    module_with(app=starlette_app(CORSMiddleware, BearerAuthMiddleware))(world)
    world.token = world.issuer.token(header={"typ": "JWT"})

    code, found = diagnosis("--app", "users_api:app")

    (problem,) = problems_in(found)
    assert (code, problem["check"]) == (1, "token")
    assert "set PROFILE to the provider or to jwt" in problem["remedy"]
    assert [row["check"] for row in found["checks"][-3:]] == ["application", "CORS", "routes"]


def test_an_application_whose_guard_cannot_start_is_not_judged(world, diagnosis):
    world.unset("AUDIENCE")
    module_with(app=starlette_app(BearerAuthMiddleware))(world)

    code, found = diagnosis("--app", "users_api:app")

    assert (code, found["checks"][-1]["check"]) == (1, "routes")
    assert found["checks"][-1]["verdict"] == "not reached"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--app", "nothing_of_this_name:app"], "there is no module nothing_of_this_name"),
        (["--app", "json:__name__"], "is no ASGI or WSGI application"),
        (["--token"], "no token on standard input"),
    ],
)
def test_wrong_usage_ends_with_2(arguments, told, world, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))

    assert cli.main(["doctor", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_what_the_issuer_says_cannot_control_the_terminal(world, capsys):
    metadata = world.issuer.metadata() | {"issuer": "http://evil\x1b[2J.example"}
    world.serve(WELL_KNOWN, document(metadata))

    assert cli.main(["doctor"]) == 1
    assert "\x1b" not in capsys.readouterr().out


ODD = {
    "a list": (200, JSON, b"[]"),
    "nothing": (200, JSON, b""),
    "null": (200, JSON, b"null"),
    "no name": (200, JSON, b'{"issuer": 5, "keys": 5, "jwks_uri": []}'),
    "a name twice": (200, JSON, b'{"issuer": "a", "issuer": "b", "keys": [], "keys": []}'),
    "no text": (200, JSON, b"\xff\xfe"),
    "a name that is no URL": (200, JSON, b'{"issuer": "\\u0000 $(id)", "keys": [null, 5, {}]}'),
    "very deep": (200, JSON, b"[" * 100_000),
    "a redirect to nowhere": (302, {}, b""),
    "a redirect to no URL": (302, {"Location": "http://["}, b""),
    "a redirect to a script": (302, {"Location": "javascript:alert(1)"}, b""),
    "no content": (204, {}, b""),
    "not modified": (304, {}, b""),
    "broken compression": (200, JSON | {"Content-Encoding": "gzip"}, b"{}"),
    "an odd date": (200, JSON | {"Date": "Thu, 99 Foo 99999 99:99:99 GMT"}, b"{}"),
}


@pytest.mark.parametrize("page", ODD.values(), ids=ODD)
@pytest.mark.parametrize(("place", "check"), [(WELL_KNOWN, "metadata"), ("/jwks.json", "keys")])
def test_whatever_the_issuer_answers_is_a_finding(place, check, page, world, diagnosis):
    world.serve(place, page)

    code, found = diagnosis()

    (problem,) = problems_in(found)
    assert (code, problem["check"]) == (1, check)
    assert problem["cause"]
    assert problem["remedy"]
    assert "$(id)" not in problem["remedy"]


def test_without_problems_the_last_line_says_so(world, capsys):
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("\nNothing is wrong.\n")


def test_without_any_setting_no_table_is_printed(world, capsys):
    world.unset("ISSUER", "AUDIENCE")

    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().out.startswith("settings  problem      BEARERGUARD_ISSUER is not")


def test_the_sample_on_the_page_is_what_is_printed(world, capsys):
    """docs/doctor.md; the port is another each time, and with it the widths of columns."""
    page = Path(__file__).parents[2] / "docs" / "doctor.md"
    printed = re.search(
        r"```console\n\$ bearerguard doctor\n(.*?)```", page.read_text("utf-8"), re.S
    )
    world.set(ISSUER=f"{world.url}/")

    assert cli.main(["doctor"]) == 1

    shown = capsys.readouterr().out.replace(world.url, "https://login.example.com")
    assert printed is not None
    assert narrow(printed[1]) == narrow(shown)


def narrow(text: str) -> list[str]:
    return [re.sub(" {2,}", "  ", line.rstrip()) for line in text.strip().splitlines()]


def test_the_help_names_what_the_page_uses(capsys):
    """docs/doctor.md, the second command."""
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--help"])

    assert {"--app", "--token", "--json"} <= {*capsys.readouterr().out.split()}


def test_a_long_line_is_told_to_its_end(world, capsys):
    world.set(ISSUER=f"{world.url}/{'a' * 600}")

    assert cli.main(["doctor"]) == 1
    assert "aaa has no metadata" in capsys.readouterr().out


def test_the_page_does_not_boast():
    """docs/doctor.md gives the number of mistakes that are seeded here."""
    page = Path(__file__).parents[2] / "docs" / "doctor.md"
    told = re.search(r"seed (\d+) mistakes .* (\d+) of\s+them", page.read_text("utf-8"), re.S)

    assert told is not None
    assert told.groups() == (str(len(SEEDS)), str(sum(seed.is_mended for seed in SEEDS)))

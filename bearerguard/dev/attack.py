"""Fires requests that no API may accept at an API on this machine, and judges its answers.

The bad tokens are made by the local issuer with its real keys, so that nothing but the defect that
names them can be the reason for a refusal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from bearerguard.dev.attack_judgement import Expected, Reply, judge
from bearerguard.dev.loopback import loopback_url

TIMEOUT_S = 10.0
MOST_READ = 1_000_000
OTHER = "{} does not answer as a local issuer does"
NO_CREDENTIALS = Expected((401,), error=None)
MALFORMED = Expected((400,), error="invalid_request")
INVALID = Expected((401,), error="invalid_token")
# The server may have a limit of its own for a field (RFC 6585 section 5).
EXPECTED = {"oversized": Expected((401, 400, 431, 413), error=None, is_strict=False)}


class AttackError(Exception):
    """The issuer or the API cannot be reached; the text says which, and what to do."""


@dataclass(frozen=True)
class Attack:
    """One request: its Authorization fields, and the answer that it must get."""

    name: str
    expected: Expected
    fields: tuple[str, ...] = field(default=(), repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Outcome:
    """What came of a request: the status, and everything that is wrong with the answer."""

    name: str
    expected: str
    status: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Volley:
    """Every answer. ``is_configured``: the API takes good tokens of this issuer."""

    is_configured: bool
    good_status: int
    outcomes: tuple[Outcome, ...]

    @property
    def wrong(self) -> tuple[Outcome, ...]:
        """The answers with something wrong."""
        return tuple(outcome for outcome in self.outcomes if outcome.problems)


class LocalIssuer:
    """The control interface of the local issuer, which is at the root of its host."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self._url = loopback_url(url).join("/")
        self._client = client

    def token(self, **wanted: str | None) -> str:
        """Mint a token: ``audience``, ``scope``, and what is ``broken`` in it."""
        body = {name: value for name, value in wanted.items() if value is not None}
        found = self._ask("POST", "token", json=body)
        if not found.get("access_token"):
            raise AttackError(OTHER.format(self._url))
        return found["access_token"]

    def bad_tokens(self, audience: str | None, scope: str | None) -> dict[str, str]:
        """Make every bad token, by name; with the scope, so that nothing else is wrong with it."""
        params = {} if audience is None else {"audience": audience}
        found = self._ask("GET", "bad-tokens", params=params)
        if scope is None:
            return found
        return {name: self.token(audience=audience, scope=scope, broken=name) for name in found}

    def _ask(self, method: str, name: str, **more: Any) -> dict[str, str]:
        try:
            answer = self._client.request(method, self._url.join(f"control/{name}"), **more)
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            told = f"no local issuer at {self._url} ({error}); start one: bearerguard issuer"
            raise AttackError(told) from None
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise AttackError(OTHER.format(self._url))
        if "error" in found:
            raise AttackError(f"the local issuer says: {found['error']}")
        return found


def attack(
    url: str, *, issuer: str, method: str, audience: str | None = None, scope: str | None = None
) -> Volley:
    """Fire everything at one URL, a good token first.

    Raises:
        NotLoopbackError: the API or the issuer is not on this machine.
        AttackError: one of them cannot be reached.
    """
    target = loopback_url(url)
    # No proxy and no redirect: nothing leaves this machine. A connection for each request, so that
    # none goes by what was said on it before.
    alone = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(
        trust_env=False, follow_redirects=False, timeout=TIMEOUT_S, limits=alone
    ) as client:
        local = LocalIssuer(issuer, client)
        good = local.token(audience=audience, scope=scope)
        bad = local.bad_tokens(audience, scope)
        answer = _send(client, method, target, Attack("good", NO_CREDENTIALS, (f"Bearer {good}",)))
        outcomes = [_good(answer, good)]
        outcomes += [_fire(client, method, target, one) for one in attacks(bad, good)]
    return Volley(answer.status not in (400, 401, 503), answer.status, tuple(outcomes))


def attacks(bad: Mapping[str, str], good: str) -> Iterator[Attack]:
    """List the requests that must be refused."""
    yield Attack("no token", NO_CREDENTIALS)
    yield Attack("another scheme", NO_CREDENTIALS, ("Basic dXNlcjpwYXNz",))
    yield Attack("token in the query", NO_CREDENTIALS, query={"access_token": good})
    yield Attack("Bearer alone", MALFORMED, ("Bearer",))
    yield Attack("illegal characters", MALFORMED, ("Bearer a b",))
    yield Attack("two Authorization fields", MALFORMED, (f"Bearer {good}", f"Bearer {good}"))
    for name, token in bad.items():
        yield Attack(name, EXPECTED.get(name, INVALID), (f"Bearer {token}",))


def _good(answer: Reply, good: str) -> Outcome:
    """A good token is admitted, or short of scope; whatever the view then answers is its own."""
    expected = Expected((403,), error="insufficient_scope")
    problems: tuple[str, ...] = ()
    if answer.status == 403:  # noqa: PLR2004
        problems = judge(answer, expected, (f"Bearer {good}",))
    elif answer.status in (400, 401) or answer.status >= 500:  # noqa: PLR2004
        problems = (f"a good token is answered {answer.status}",)
    return Outcome("a good token", "admitted, or 403", answer.status, problems)


def _fire(client: httpx.Client, method: str, url: httpx.URL, one: Attack) -> Outcome:
    answer = _send(client, method, url, one)
    problems = judge(answer, one.expected, (*one.fields, *one.query.values()))
    return Outcome(one.name, str(one.expected), answer.status, problems)


def _send(client: httpx.Client, method: str, url: httpx.URL, one: Attack) -> Reply:
    fields = [("Authorization", value) for value in one.fields]
    client.cookies.clear()  # a session that a good token began would speak for a bad one
    try:
        with client.stream(method, url.copy_merge_params(one.query), headers=fields) as answer:
            told = tuple((name.lower(), value) for name, value in answer.headers.multi_items())
            return Reply(answer.status_code, told, _body(answer))
    except httpx.HTTPError as error:
        raise AttackError(f"{url} gave no answer to {one.name!r}: {error!r}") from None


def _body(answer: httpx.Response) -> str:
    """Read what a refusal says; a view that was reached may go on answering without end."""
    if answer.status_code < 400:  # noqa: PLR2004
        return ""
    read = bytearray()
    for piece in answer.iter_bytes():
        read += piece
        if len(read) > MOST_READ:
            break
    return read.decode("utf-8", "replace")

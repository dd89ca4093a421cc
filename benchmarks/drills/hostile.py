"""Hostile answers of a key endpoint, and the drill that goes through them."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .arena import HANG, Arena, seconds
from .drills import SETTLED_AGE_S
from .issuer import Reply, drip
from .stage import Rows, Stage

MEGABYTE = 1024 * 1024
# Past the time for which a contender keeps a set.
LATER_S = 60


@dataclass(frozen=True)
class Hostile:
    """An answer of the key endpoint, and whether the token of its drill names a key."""

    name: str
    make: Callable[[Arena], Reply]
    has_kid: bool = True


def useless() -> list[Hostile]:
    """Answers in which there is no key."""
    return [
        Hostile("null", lambda _: Reply(b"null")),
        Hostile("a number", lambda _: Reply(b"42")),
        Hostile("no keys", lambda _: _set()),
        Hostile("HTML with 200", _html),
    ]


def huge() -> list[Hostile]:
    """Answers that cost whoever reads them to the end."""
    return [
        Hostile("good key and 50 MB", lambda a: _padded(a, 50)),
        Hostile("good key in a 200 MB gzip bomb", _bomb),
        Hostile("good key and 100,000 others", lambda a: _set(*_many(a, 100_000), _good(a))),
    ]


def mixed() -> list[Hostile]:
    """Sets with the good key and an odd one."""
    return [
        Hostile("good key after another with its kid", lambda a: _set(_namesake(a), _good(a))),
        Hostile("good key before another with its kid", lambda a: _set(_good(a), _namesake(a))),
        Hostile("good key after an oct key", lambda a: _set(OCT, _good(a))),
        Hostile("good key after one without kid", _beside_no_kid),
        Hostile("good key after null", lambda a: _set(None, _good(a))),
        Hostile("good key after an ML-DSA key", lambda a: _set(ML_DSA, _good(a))),
        Hostile("good key after a broken RSA key", lambda a: _set(BROKEN, _good(a))),
        Hostile("two keys, no kid in set and token", _no_kid, has_kid=False),
    ]


DRIP = Hostile("one byte a second, without end", lambda _: Reply(drip))
OCT = {"kty": "oct", "kid": "key-0", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
ML_DSA = {"kty": "AKP", "kid": "key-0", "alg": "ML-DSA-65", "pub": "AAAA"}
BROKEN = {"kty": "RSA", "kid": "key-0", "n": "!", "e": "AQAB"}


def hostile_sets(stage: Stage) -> Rows:
    """Give each answer to a process that has no keys yet."""
    return {hostile.name: _cold(stage, hostile) for hostile in (*useless(), *huge(), *mixed())}


def kept_keys(stage: Stage) -> Rows:
    """Give each answer to a process that has the good key."""
    return {hostile.name: _warm(stage, hostile) for hostile in (*useless(), *huge()[:2])}


def endless_drip(stage: Stage) -> Rows:
    """Both, with an answer that comes a byte a second."""
    return {"without keys": _cold(stage, DRIP), "with keys": _warm(stage, DRIP)}


def _cold(stage: Stage, hostile: Hostile) -> str:
    with stage.arena() as a:
        a.issuer.jwks = hostile.make(a)
        token = a.issuer.token() if hostile.has_kid else a.issuer.token(kid=None)
        before = a.ask("memory")["present"]
        outcome, took_s = a.verify(token)
        grown = a.ask("memory")["highest"] - before
    after = "" if outcome == HANG else f" after {seconds(took_s)}"
    return f"{outcome}{after}, {max(0, grown) / MEGABYTE:.0f} MB"


def _warm(stage: Stage, hostile: Hostile) -> str:
    """Tell whether a good key is kept: right after a fetch, and past the lifetime of its set."""
    with stage.arena() as a:
        good = a.warm()
        a.advance(SETTLED_AGE_S)
        a.issuer.jwks = hostile.make(a)
        a.verify(a.issuer.token(kid="made-up"))
        first, _ = a.verify(good)
        if first == HANG:
            return first
        a.advance(a.player.about["lifetime_s"] - SETTLED_AGE_S + LATER_S)
        later, _ = a.verify(good)
    return f"{first}, later {later}"


def _good(a: Arena) -> dict[str, Any]:
    return dict(a.keys.first.jwk)


def _other(a: Arena, **changed: Any) -> dict[str, Any]:
    return {**a.keys.second.jwk, **changed}


def _set(*keys: Any) -> Reply:
    return Reply(json.dumps({"keys": keys}).encode())


def _html(_: Arena) -> Reply:
    page = b"<!doctype html><title>Sign in</title><h1>Welcome to the guest network</h1>"
    return Reply(page, headers={"Content-Type": "text/html"})


def _padded(a: Arena, megabytes: int) -> Reply:
    padding = "a" * (megabytes * MEGABYTE)
    return Reply(json.dumps({"keys": [_good(a)], "padding": padding}).encode())


def _bomb(a: Arena) -> Reply:
    body = _padded(a, 200).body
    assert isinstance(body, bytes)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return Reply(gzip.compress(body), headers=headers)


def _many(a: Arena, count: int) -> list[dict[str, Any]]:
    return [_other(a, kid=f"other-{number}") for number in range(count)]


def _namesake(a: Arena) -> dict[str, Any]:
    return _other(a, kid=a.keys.first.kid)


def _beside_no_kid(a: Arena) -> Reply:
    other = _other(a)
    del other["kid"]
    return _set(other, _good(a))


def _no_kid(a: Arena) -> Reply:
    keys = [_other(a), _good(a)]
    for key in keys:
        del key["kid"]
    return _set(*keys)

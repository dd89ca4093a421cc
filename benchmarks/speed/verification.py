"""A good token: what it costs beyond its signature, the first time and again."""

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from bearerguard.core.signature import ml_dsa_is_supported
from bearerguard.guard import Guard
from bearerguard.settings import Settings
from bearerguard.testing import Issuer, SigningKey

from .libraries import LIBRARIES, check_job, prepared
from .rounds import Goal, Spread, fastest, interleave
from .section import Bar, Section
from .tokens import in_batches, issuer_of, token, warm_guard

# ML-DSA where this machine's OpenSSL has it.
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", *["ML-DSA-65"] * ml_dsa_is_supported())
BARE, COLD, KNOWN = "bare verify", "bearerguard, new token", "bearerguard, known token"
COLD_LIMITS = {"RS256": 2.0, "ES256": 1.3, "EdDSA": 1.2}
ROUNDS, BATCHES, BATCH = 12, 8, 40
QUICK = (2, 2, 5)
CACHE, CACHE_QUICK = Settings.token_cache, 50
ABOUT = f"""
Time for one token of about 1.1 kB (RS256; the same claims for each algorithm), as a multiple of
what the bare `verify` of `cryptography` takes for the same signature: the public key and the
signing input at hand, an ES256 signature as DER already. No Python code that uses this package can
be faster. A new token is one that this guard has never seen, while its cache is full ({CACHE:,}
tokens), so that each one takes the place of another; a known token is one that it has verified
before; where the two take the same time, the tokens are too long to be remembered (those of
ML-DSA-65 have 5 kB). The other libraries have no such cache. Each has its key read once and checks
iss, aud and exp, and what of RFC 9068's required claims it has rules for: PyJWT `decode` with a
`PyJWK` (the row "PEM" is `decode` with a key as text, as its first example shows, which it reads
anew each time), joserfc with its `JWTClaimsRegistry`, Authlib's `JWTBearerTokenValidator`, the
deprecated `authlib.jose`, and python-jose with a constructed key. "-" is an algorithm that a
library does not do there.
"""


class Turns:
    """What one round shares: tokens that nobody has seen, and everyone's turn with them."""

    def __init__(self, issuer: Issuer, batches: int, size: int, cached: int = CACHE_QUICK) -> None:
        self.issuer = issuer
        self.size = size
        self.count = batches * size
        self.guard = full_guard(issuer, cached)
        self.bare = bare_verification(issuer.key)
        self.tokens: list[list[tuple[str]]] = []
        self.seen: list[tuple[str]] = []
        self.signatures: list[list[tuple[Any, ...]]] = []
        check_job("bearerguard", issuer, self.guard.verify)

    def prepare(self) -> None:
        """Sign new tokens, and others to be known."""
        fresh = [token(self.issuer) for _ in range(self.count + self.size)]
        *self.tokens, self.seen = in_batches(fresh, self.size)
        arguments = partial(bare_arguments, self.issuer.key.alg)
        self.signatures = [[arguments(raw) for (raw,) in batch] for batch in self.tokens]

    def turns(self) -> dict[str, Callable[[], float]]:
        """Give everyone's turn, by name."""
        turns: dict[str, Callable[[], float]] = {
            BARE: lambda: fastest(self.bare, self.signatures),
            COLD: lambda: fastest(self.guard.verify, self.tokens),
            KNOWN: self.known,
        }
        for name in LIBRARIES:
            verify = prepared(name, self.issuer)
            if verify is not None:
                turns[name] = partial(self.library, verify)
        return turns

    def library(self, verify: Callable[[str], object]) -> float:
        """Give the seconds of a library."""
        return fastest(verify, self.tokens)

    def known(self) -> float:
        """Give the seconds for tokens that were verified just now."""
        for (raw,) in self.seen:
            self.guard.verify(raw)
        return fastest(self.guard.verify, [self.seen] * len(self.tokens))


def full_guard(issuer: Issuer, cached: int) -> Guard:
    """Make a guard that has verified so many tokens, whose signatures are made quickly."""
    quick = SigningKey.generate("EdDSA")
    issuer.keys.insert(0, quick)
    guard = warm_guard(issuer)
    for _ in range(cached):
        guard.verify(token(issuer, key=quick))
    return guard


def bare_verification(key: SigningKey) -> Callable[..., object]:
    """Give the verify of a key's public key object."""
    verify: Callable[..., object] = key.private_key.public_key().verify
    return verify


def bare_arguments(alg: str, raw: str) -> tuple[Any, ...]:
    """Give the arguments of the bare verification of a token's signature."""
    message, _, encoded = raw.rpartition(".")
    signature = base64.urlsafe_b64decode(encoded + "==")
    if alg == "ES256":
        half = len(signature) // 2
        numbers = (int.from_bytes(part) for part in (signature[:half], signature[half:]))
        signature = encode_dss_signature(*numbers)
    return (signature, message.encode(), *HOW.get(alg, ()))


HOW: dict[str, tuple[Any, ...]] = {
    "RS256": (padding.PKCS1v15(), hashes.SHA256()),
    # RFC 7518 section 3.5: the salt is as long as the hash.
    "PS256": (padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
    "ES256": (ec.ECDSA(hashes.SHA256()),),
}


def measure(quick: bool) -> list[Section]:  # noqa: FBT001  the same for all parts
    """Measure everyone with each algorithm that this machine's OpenSSL has."""
    rounds, batches, size = QUICK if quick else (ROUNDS, BATCHES, BATCH)
    header = ("", *ALGORITHMS)
    section = Section(
        "Verification of a good token", ABOUT, header, "multiples of a bare verify (less is better)"
    )
    found: dict[str, dict[str, Spread]] = {}
    for alg in ALGORITHMS:
        turns = Turns(issuer_of(alg), batches, size, CACHE_QUICK if quick else CACHE)
        found[alg] = interleave(turns.turns(), rounds, turns.prepare)
    for name in (BARE, COLD, KNOWN, *LIBRARIES):
        section.rows.append((name, *(_cell(found[alg], name) for alg in ALGORITHMS)))
        section.bars += _bars(found, name)
    section.goals = _goals(found)
    return [section]


def _cell(spreads: Mapping[str, Spread], name: str) -> str:
    if name not in spreads:
        return "-"
    if name == BARE:
        return f"{spreads[BARE].median * 1e6:.1f} us"
    ratio = spreads[name].over(spreads[BARE])
    low, high = ratio.quartiles
    return f"{ratio.median:.2f} ({low:.2f}-{high:.2f})"


def _bars(found: Mapping[str, Mapping[str, Spread]], name: str) -> list[Bar]:
    having = [alg for alg in ALGORITHMS if name in found[alg] and name != BARE]
    return [Bar(alg, name, found[alg][name].over(found[alg][BARE])) for alg in having]


def _goals(found: Mapping[str, Mapping[str, Spread]]) -> list[Goal]:
    goals = [
        Goal(f"{alg}, new token, against bare verify", _ratio(found[alg], COLD, BARE), limit)
        for alg, limit in COLD_LIMITS.items()
    ]
    rs256 = found["RS256"]
    for pyjwt in (name for name in LIBRARIES if name.startswith("PyJWT") and name in rs256):
        for token_is, ours, limit in (("new", COLD, 2.8), ("known", KNOWN, 20)):
            what = f"RS256, {token_is} token: times as fast as {pyjwt}"
            goals.append(Goal(what, _ratio(rs256, pyjwt, ours), limit, at_most=False))
    for alg in ALGORITHMS:
        others = {name: found[alg][name] for name in LIBRARIES if name in found[alg]}
        if others:
            best = min(others, key=lambda name: others[name].median)
            what = f"{alg}, new token, against the fastest library ({best})"
            goals.append(Goal(what, _ratio(found[alg], COLD, best), 1.0))
    return goals


def _ratio(spreads: Mapping[str, Spread], name: str, base: str) -> Spread:
    return spreads[name].over(spreads[base])

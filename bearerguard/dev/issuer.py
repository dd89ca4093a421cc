"""An issuer in memory: it makes keys, real tokens and JWK Sets, without any socket.

It signs for real, so that a test exercises the very code that guards production; there is no
verifier that accepts anything.
"""

import copy
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from bearerguard.core.encoding import base64url_encode
from bearerguard.core.signature import REGISTRY
from bearerguard.core.urls import well_known_urls
from bearerguard.dev.provider_shapes import SHAPES
from bearerguard.dev.shapes import Shape
from bearerguard.dev.signing_key import SigningKey
from bearerguard.guard import Guard
from bearerguard.jwks.fetch import Fetched, FetchError

__all__ = ["Issuer", "SigningKey"]

LIFETIME_S = 300


class Issuer:
    """An authorization server in memory, and the Fetcher that a guard asks for its keys.

    ``url`` is its name in ``iss``, ``audience`` the API that its tokens are for, ``clock`` gives
    seconds since 1970. ``requests`` lists the URLs that were fetched. ``shape`` is how its tokens
    are written: as RFC 9068 says, or as a provider does (``dev/provider_shapes.py``).
    """

    def __init__(
        self,
        url: str = "https://issuer.example",
        *,
        audience: str = "https://api.example",
        alg: str = "RS256",
        key: SigningKey | None = None,
        clock: Callable[[], float] = time.time,
        shape: Shape = SHAPES["rfc9068"],
    ) -> None:
        self.url = url
        self.audience = audience
        self.clock = clock
        self.shape = shape
        self.usual_claims: dict[str, Any] = {}
        self.keys = [key or SigningKey.generate(alg)]
        self.is_down = False
        self.requests: list[str] = []
        self.opaque_tokens: dict[str, dict[str, Any]] = {}

    @property
    def key(self) -> SigningKey:
        """The key that signs at present: the newest one."""
        return self.keys[-1]

    @property
    def introspection_uri(self) -> str:
        """Where the issuer tells what it knows of opaque tokens."""
        return f"{self.url.rstrip('/')}/introspect"

    @property
    def jwks_uri(self) -> str:
        """Where the issuer publishes its keys."""
        return f"{self.url.rstrip('/')}/jwks.json"

    def rotate(self, alg: str | None = None, *, keep: bool = True) -> SigningKey:
        """Sign with a new key from now on; without ``keep`` the old ones are withdrawn."""
        key = SigningKey.generate(alg or self.key.alg)
        self.keys = [*self.keys, key] if keep else [key]
        return key

    def with_claims(self, **claims: Any) -> Self:
        """Give this very issuer, with its keys of now, whose tokens all have these claims."""
        other = copy.copy(self)
        other.usual_claims = self.usual_claims | claims
        return other

    def claims(self, *, without: Iterable[str] = (), **claims: Any) -> dict[str, Any]:
        """Give the claims of a good access token (RFC 9068 section 2.2), changed as asked."""
        now = int(self.clock())
        good = {
            "iss": self.url,
            "aud": self.audience,
            "sub": "user-1",
            "client_id": "client-1",
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        plain = good | self.usual_claims | claims
        shaped = self.shape.written(plain, frozenset(claims), self.url)
        return {name: value for name, value in shaped.items() if name not in set(without)}

    def token(
        self,
        scope: str | None = None,
        *,
        header: Mapping[str, Any] | None = None,
        key: SigningKey | None = None,
        without: Iterable[str] = (),
        **claims: Any,
    ) -> str:
        """Sign an access token. ``scope`` is a string with spaces; ``claims`` replace good ones.

        ``header`` adds or replaces header parameters, where None takes one out; ``without`` names
        claims to leave out.
        """
        if scope is not None:
            claims["scope"] = scope
        payload = json.dumps(self.claims(without=without, **claims)).encode()
        return self.sign(payload, header=header, key=key)

    def sign(
        self,
        payload: bytes,
        *,
        header: Mapping[str, Any] | bytes | None = None,
        key: SigningKey | None = None,
    ) -> str:
        """Sign any octets. ``header`` as bytes is taken as it stands."""
        key = key or self.key
        if not isinstance(header, bytes):
            good = {"typ": self.shape.typ, "alg": key.alg, "kid": key.kid} | dict(header or {})
            header = json.dumps({k: v for k, v in good.items() if v is not None}).encode()
        signing_input = base64url_encode(header) + b"." + base64url_encode(payload)
        alg = json.loads(header)["alg"] if _names_algorithm(header) else key.alg
        signature = base64url_encode(key.sign(signing_input, alg if alg in REGISTRY else None))
        return (signing_input + b"." + signature).decode()

    def jwks(self) -> dict[str, Any]:
        """Give the published JWK Set (RFC 7517 section 5)."""
        return {"keys": [dict(key.jwk) for key in self.keys]}

    def metadata(self) -> dict[str, Any]:
        """Give the metadata (RFC 8414 section 2)."""
        return {
            "issuer": self.url,
            "jwks_uri": self.jwks_uri,
            "token_endpoint": f"{self.url.rstrip('/')}/token",
            "introspection_endpoint": self.introspection_uri,
            "response_types_supported": ["code"],
        }

    def opaque_token(
        self, scope: str | None = None, *, without: Iterable[str] = (), **claims: Any
    ) -> str:
        """Make a token that says nothing by itself; the issuer tells its claims when asked.

        ``scope`` and the claims are as in :meth:`token`. ``revoke(token)`` ends it.
        """
        if scope is not None:
            claims["scope"] = scope
        token = f"opaque_{uuid.uuid4().hex}"
        self.opaque_tokens[token] = self.claims(without=without, **claims)
        return token

    def revoke(self, token: str) -> None:
        """Call an opaque token inactive from now on."""
        del self.opaque_tokens[token]

    def introspect(self, token: str) -> dict[str, Any]:
        """Say what the issuer knows of an opaque token (RFC 7662 section 2.2)."""
        claims = self.opaque_tokens.get(token)
        if claims is None or claims.get("exp", 0) <= self.clock():
            return {"active": False}
        return {"active": True, **claims}

    def fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        max_bytes: int,
        form: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Answer a guard's request, as a Fetcher does."""
        _ = headers, timeout_s, max_bytes
        self.requests.append(url)
        if self.is_down:
            raise FetchError(f"{url}: the issuer is down")
        if form is not None:
            return self._answer_about(form["token"], headers["Accept"])
        if url == self.jwks_uri:
            return _json_answer(self.jwks())
        return _json_answer(self.metadata()) if url in well_known_urls(self.url) else Fetched(404)

    def _answer_about(self, token: str, kind: str) -> Fetched:
        """RFC 7662 section 2.2, or, where that is asked for, RFC 9701 section 5."""
        answer = self.introspect(token)
        if not kind.endswith("jwt"):
            return _json_answer(answer)
        content = {"iss": self.url, "aud": self.audience, "iat": int(self.clock())}
        payload = json.dumps({**content, "token_introspection": answer}).encode()
        signed = self.sign(payload, header={"typ": kind.removeprefix("application/")})
        return Fetched(200, {"content-type": kind}, signed.encode())

    def guard(self, **settings: Any) -> Guard:
        """Make a guard for this issuer's tokens that never opens a socket."""
        settings = {"issuer": self.url, "audience": self.audience, **settings}
        return Guard(fetcher=self, clock=self.clock, **settings)


def _json_answer(document: Mapping[str, Any]) -> Fetched:
    headers = {"content-type": "application/json"}
    return Fetched(200, headers, json.dumps(document).encode())


def _names_algorithm(header: bytes) -> bool:
    try:
        return json.loads(header)["alg"] in REGISTRY
    except (ValueError, TypeError, KeyError):
        return False

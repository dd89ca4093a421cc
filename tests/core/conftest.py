"""A driver that answers a flow by hand, out of keys and policies that stand in a table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from bearerguard import RejectedError, UnavailableError
from bearerguard.core.flow import IssuerQuery, KeyQuery, authenticate
from bearerguard.core.jwk import parse_key
from bearerguard.core.key_set import Key
from bearerguard.core.policy import ASYMMETRIC_ALGORITHMS, Policy
from bearerguard.core.profile import RFC9068
from bearerguard.core.queries import RevocationQuery, StatusQuery
from bearerguard.core.revocation import Mark
from bearerguard.core.trust import Trust
from bearerguard.testing import Issuer, SigningKey

API = "https://api.example"


@dataclass
class Driver:
    """``keys`` by issuer, ``newer`` for a second question, ``policies`` of the issuers looked up,
    ``marks`` by name and ``statuses`` by URI.

    ``queries`` are those that the last flow asked but for these two. An exception in a table is thrown into the flow.
    """

    keys: dict[str, list[Key]] = field(default_factory=dict)
    newer: dict[str, Any] = field(default_factory=dict)
    policies: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    statuses: dict[str, Any] = field(default_factory=dict)
    queries: list[KeyQuery | IssuerQuery] = field(default_factory=list)

    def run(self, flow) -> Any:
        """Drive a flow to its result or its refusal."""
        self.queries.clear()
        step, argument = flow.send, None
        while True:
            try:
                query = step(argument)
            except StopIteration as done:
                return done.value
            if isinstance(query, RevocationQuery | StatusQuery):
                argument = self._standing(query)
            else:
                self.queries.append(query)
                argument = self._answer(query)
            step = flow.throw if isinstance(argument, Exception) else flow.send

    def outcome(self, flow) -> Any:
        """Give a flow's result or, as a value, its refusal."""
        try:
            return self.run(flow)
        except (RejectedError, UnavailableError) as refusal:
            return refusal

    def publish(self, *issuers: Issuer) -> None:
        """Take over the keys that the issuers publish at present."""
        for issuer in issuers:
            self.keys[issuer.url] = [parse_key(dict(key.jwk)) for key in issuer.keys]

    def refusal(self, raw: str, trust: Trust, now: float) -> str:
        """Say why a token is refused; the answer must be 401 invalid_token whatever the reason."""
        with pytest.raises(RejectedError) as refused:
            self.run(authenticate(raw, trust, now))
        assert (refused.value.status, refused.value.error) == (401, "invalid_token")
        return refused.value.reason

    def _standing(self, query: RevocationQuery | StatusQuery) -> Any:
        if isinstance(query, RevocationQuery):
            return tuple(self.marks.get(name) for name in query.names)
        return self.statuses.get(query.uri, RejectedError("status_uri_not_allowed"))

    def _answer(self, query: KeyQuery | IssuerQuery) -> Any:
        if isinstance(query, IssuerQuery):
            return self.policies[query.issuer]
        if query.tried:
            return self.newer.get(query.issuer, RejectedError("key_unknown"))
        if query.issuer not in self.keys:
            return UnavailableError("no keys have been fetched yet")
        found = [key for key in self.keys[query.issuer] if query.kid in (None, key.kid)]
        return found or RejectedError("key_unknown", found=query.kid)


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture(scope="session")
def policy() -> Callable[..., Policy]:
    """Make a policy of an issuer, strict but for what is said."""

    def of(issuer: str | None, **rules: Any) -> Policy:
        strict = {
            "audiences": (API,),
            "algorithms": frozenset(ASYMMETRIC_ALGORITHMS),
            "profile": RFC9068,
            "scope_places": RFC9068.scope_places,
            "role_places": RFC9068.role_places,
        }
        return Policy(issuer=issuer, **(strict | rules))

    return of


@pytest.fixture(scope="session")
def same_kid() -> Callable[[str], SigningKey]:
    """Make keys that all call themselves "key-1"."""
    return lambda alg: SigningKey.generate(alg, kid="key-1")

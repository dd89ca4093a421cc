"""Tokens in the shape that a guard takes: its rules, read backwards.

Where scopes, roles and the client stand, which header type and which claims must be there, all that
is in the policy of the live guard, whatever profile and settings it comes from. So a test's tokens
follow the settings of the API, and no test names a provider.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bearerguard.core.policy import Policy
from bearerguard.core.profile import Place
from bearerguard.dev.issuer import Issuer as InMemory
from bearerguard.dev.signing_key import SigningKey
from bearerguard.testing.simulated import Issuer

Claims = dict[str, Any]


class WrittenFor(InMemory):
    """An issuer in memory whose tokens are written for one policy.

    The keys and the clock are those of ``issuer`` now. ``usual`` are claims of all its tokens,
    ``secret`` what signs them where the guard has an HMAC secret.
    """

    def __init__(
        self,
        issuer: InMemory,
        policy: Policy,
        audience: str | list[str],
        secret: bytes | None,
        usual: Mapping[str, Any],
    ) -> None:
        super().__init__(
            policy.issuer or issuer.url,
            audience=policy.audiences[0],
            key=_key_of(issuer, policy, secret),
            clock=issuer.clock,
        )
        self.policy = policy
        self._usual = {"aud": audience, **usual}

    def claims(self, *, without: Iterable[str] = (), **claims: Any) -> Claims:
        """Give the claims of a good access token for the policy, changed as asked.

        Raises:
            ValueError: scopes were asked for, and the guard reads none.
        """
        asked = self._usual | claims
        written = _written(super().claims(**asked), asked, self.policy)
        return {name: value for name, value in written.items() if name not in set(without)}

    def sign(
        self,
        payload: bytes,
        *,
        header: Mapping[str, Any] | bytes | None = None,
        key: SigningKey | None = None,
    ) -> str:
        """Sign any octets, below a header of the type that the guard takes."""
        parameters = header if isinstance(header, bytes) else self._header(header or {})
        return super().sign(payload, header=parameters, key=key)

    def _header(self, changed: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"typ": _type_of(self.policy), **changed}


def sample_for(policy: Policy) -> tuple[str | None, Claims]:
    """Write what all tokens for a policy have in common, its issuer included and no audience."""
    plain: Claims = {"iss": policy.issuer, "aud": "", "sub": "user", "client_id": "client"}
    plain |= {"iat": 0, "exp": 0, "jti": "", "roles": ["role"]}
    if policy.scope_places:
        plain["scope"] = "scope"
    return _type_of(policy), _written(plain, {}, policy)


def _key_of(issuer: InMemory, policy: Policy, secret: bytes | None) -> SigningKey:
    if secret is not None:
        return SigningKey(min(policy.algorithms), secret, {"kid": "the-secret"})
    return issuer.key_for(policy.algorithms) if isinstance(issuer, Issuer) else issuer.key


def _type_of(policy: Policy) -> str | None:
    types = policy.profile.token_types
    known = (typ for typ in ("at+jwt", "jwt", None) if typ in types)
    return next(known, min((typ for typ in types if typ), default=None))


def _written(plain: Claims, asked: Mapping[str, Any], policy: Policy) -> Claims:
    claims = {k: v for k, v in plain.items() if k not in ("scope", "client_id", "roles")}
    client = plain["client_id"]
    if "client_id" not in asked and policy.clients:
        client = min(policy.clients)
    _put(claims, policy.profile.client_claims[0], client)
    if "client_id" in policy.profile.required_claims:
        claims["client_id"] = client
    if "scope" in plain:
        _put_scopes(claims, plain["scope"], policy)
    if "roles" in plain:
        _put_roles(claims, plain["roles"], policy)
    _put_demanded(claims, asked, policy, client)
    return claims


def _put_demanded(claims: Claims, asked: Mapping[str, Any], policy: Policy, client: str) -> None:
    """Write what the profile checks beside, where nobody asked for something else."""
    profile = policy.profile
    for path, values in profile.match.items():
        if path not in asked:
            _put(claims, path, min(values))
    for path, beginning in profile.prefixes.items():
        if path not in asked:
            _put(claims, path, f"{beginning}{claims.get(path, 'test')}")
    for name in profile.required_claims - claims.keys():
        claims[name] = claims["iat"] if name in ("nbf", "auth_time") else f"test {name}"
    for group in profile.one_of:
        if group.isdisjoint(claims):
            _put_one_of(claims, group, policy, client)


def _put_scopes(claims: Claims, scope: Any, policy: Policy) -> None:
    if not policy.scope_places:
        if not scope:
            return
        raise ValueError(
            f"the guard for {policy.issuer} reads no scopes: its profile has no place for them; "
            "set SCOPE_CLAIMS, or ask for roles=[...]"
        )
    if not isinstance(scope, str):
        claims["scope"] = scope  # whatever somebody wants to try
        return
    names = [name for name in scope.split(" ") if name]
    if policy.profile.scopes_begin_with_audience:
        names = [f"{policy.audiences[0]}.{name}" for name in names]
    place = policy.scope_places[0]
    as_text = "string" in place.forms and not place.path.endswith("/*")
    _put_names(claims, place, names, " ".join(names) if as_text else names, policy)


def _put_roles(claims: Claims, roles: Any, policy: Policy) -> None:
    """Where the guard reads them; by the claim's own name where it reads that, or nothing."""
    if not policy.role_places or any(place.path == "roles" for place in policy.role_places):
        claims["roles"] = roles
    else:
        _put_names(claims, policy.role_places[0], roles, roles, policy)


def _put_names(
    claims: Claims, place: Place, names: Sequence[str], value: Any, policy: Policy
) -> None:
    audience = policy.audiences[0]
    if place.path.startswith("/"):  # RFC 6901 section 3
        audience = audience.replace("~", "~0").replace("/", "~1")
    path = place.path.replace("{audience}", audience)
    if path.endswith("/*"):
        path, value = path.removesuffix("/*"), {name: {} for name in names}
    _put(claims, path, value)


def _put_one_of(claims: Claims, group: frozenset[str], policy: Policy, client: str) -> None:
    """Let one claim of a group be there, one that grants nothing."""
    scopes = [place.path for place in policy.scope_places if place.path in group]
    clients = [path for path in policy.profile.client_claims if path in group]
    name = next(iter((*scopes, *clients)), min(group))
    claims[name] = "" if scopes else client if clients else f"test {name}"


def _put(claims: Claims, path: str, value: Any) -> None:
    """Write a value where :func:`bearerguard.core.pointer.look_up` finds it."""
    if not path.startswith("/"):
        claims[path] = value
        return
    *outer, last = (step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    node = claims
    for step in outer:
        node = node.setdefault(step, {})
    node[last] = value

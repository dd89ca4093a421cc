"""How the claims of a good RFC 9068 token are written by another provider, as a value.

The rows are in :mod:`bearerguard.dev.provider_shapes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Claims = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The habits of a provider's access tokens, as far as they differ from RFC 9068.

    ``path`` ends the issuer's URL. ``typ`` is that of the header, None for none. ``scope`` is the
    claim of the scopes, None where the tokens have none, and ``scope_form`` how it is written, with
    ``scope_prefix`` before each. ``client`` is the claim of the client, ``roles`` the place of the
    roles: names from the outside in. ``without`` are claims that the tokens lack, ``claims`` what
    they have beside. ``settings`` is what an API has to set for them, beyond issuer, audience and
    profile. ``good`` are names of bad tokens that this provider's own tokens look like.

    Texts may have the holes ``{sub}``, ``{client}``, ``{audience}``, ``{jti}`` and ``{url}``.
    """

    path: str = ""
    alg: str = "RS256"
    typ: str | None = "JWT"
    scope: str | None = "scope"
    scope_form: Literal["text", "list"] = "text"
    scope_prefix: str = ""
    client: str | None = "client_id"
    roles: tuple[str, ...] = ("roles",)
    roles_form: Literal["list", "object"] = "list"
    without: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    good: frozenset[str] = frozenset()

    def written(self, plain: Mapping[str, Any], named: frozenset[str], url: str) -> Claims:
        """Write the claims of an RFC 9068 token in this shape.

        ``named`` are claims that somebody asked for by name: they stay, whatever the provider does.
        """
        audience = plain.get("aud")
        holes = {
            "sub": plain.get("sub"),
            "client": plain.get("client_id"),
            "audience": audience[0] if isinstance(audience, list) and audience else audience,
            "jti": plain.get("jti"),
            "url": url,
        }
        moved = {"scope", "client_id", "roles"} | (self.without - named)
        shaped = {name: value for name, value in plain.items() if name not in moved}
        if self.scope and "scope" in plain:
            shaped[self.scope] = self._scope(plain["scope"], holes)
        if self.client and "client_id" in plain:
            shaped[self.client] = plain["client_id"]
        shaped |= filled(self.claims, holes)
        if self.roles and "roles" in plain:
            self._place_roles(plain["roles"], shaped, holes)
        return shaped

    def settings_for(self, url: str, audience: str) -> dict[str, str]:
        """Say what an API has to set beside issuer, audience and profile."""
        filled_in: dict[str, str] = filled(self.settings, {"url": url, "audience": audience})
        return filled_in

    def _scope(self, scope: Any, holes: Mapping[str, Any]) -> Any:
        if not isinstance(scope, str) or (self.scope_form, self.scope_prefix) == ("text", ""):
            return scope
        prefix = filled(self.scope_prefix, holes)
        names = [name if name == "openid" else prefix + name for name in scope.split()]
        return names if self.scope_form == "list" else " ".join(names)

    def _place_roles(self, roles: Any, claims: Claims, holes: Mapping[str, Any]) -> None:
        *outer, last = (filled(name, holes) for name in self.roles)
        for name in outer:
            claims = claims.setdefault(name, {})
        claims[last] = {role: {} for role in roles} if self.roles_form == "object" else roles


def filled(value: Any, holes: Mapping[str, Any]) -> Any:
    """Fill the holes of a text, or of the texts in a list or an object."""
    if isinstance(value, str):
        for name, content in holes.items():
            value = value.replace("{%s}" % name, str(content))  # noqa: UP031  braces are meant
        return value
    if isinstance(value, Mapping):
        return {name: filled(inner, holes) for name, inner in value.items()}
    return [filled(inner, holes) for inner in value] if isinstance(value, list) else value

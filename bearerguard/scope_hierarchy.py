"""Broad scopes that stand for narrow ones: ``Guard(scope_implies={"admin": ["read", "write"]})``.

What a token's scopes imply is added when the token is verified, once, so that every need, check and
framework sees the same scopes, and a token that is seen again costs nothing more. The needs stay as
they are, and a challenge still names the narrow scope: a client should ask for no more than that.
Source: RFC 6749 section 3.3 leaves the meaning of scopes to the server; the MCP authorization
specification (2026-07-28) asks for it.
"""

from collections.abc import Mapping

from bearerguard import parsers
from bearerguard.errors import ConfigurationError

Hierarchy = Mapping[str, frozenset[str]]


def read_hierarchy(value: object) -> Hierarchy:
    """Read which scope implies which others, through as many steps as there are.

    Raises:
        ConfigurationError: naming every problem.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError("scope_implies is no mapping; write {'admin': ['read', 'write']}")
    direct: dict[str, frozenset[str]] = {}
    problems = []
    for broad, narrow in value.items():
        try:
            (name,) = parsers.scopes([broad])
            direct[name] = frozenset(parsers.required_scopes(narrow))
        except ValueError as error:
            problems.append(f"scope_implies[{broad!r}] {error}")
    if problems:
        raise ConfigurationError(*problems)
    return {broad: _all_below(broad, direct) for broad in direct}


def _all_below(broad: str, direct: Hierarchy) -> frozenset[str]:
    found: set[str] = set()
    to_follow = [broad]
    while to_follow:
        new = direct.get(to_follow.pop(), frozenset()) - found
        found |= new
        to_follow += new
    return frozenset(found)

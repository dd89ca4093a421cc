"""Finding a value in claims: by a claim's name, or by a JSON Pointer (RFC 6901)."""

import re
from typing import Any

# Not None, which is what a claim with the value null has.
ABSENT = object()
# RFC 6901 section 4: an index of an array has no leading zero.
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def find(claims: Any, path: str) -> Any:
    """Give the value at a claim's name or a JSON Pointer, or None where there is none.

    Source: RFC 6901 sections 3 and 4. A path that does not begin with "/" is a claim's name as it
    stands, whatever characters it has ("cognito:groups").
    """
    value = look_up(claims, path)
    return None if value is ABSENT else value


def look_up(claims: Any, path: str) -> Any:
    """Tell a value of null from no value."""
    if not path.startswith("/"):
        return claims.get(path, ABSENT)
    for step in path[1:].split("/"):
        claims = _child(claims, step.replace("~1", "/").replace("~0", "~"))
    return claims


def _child(node: Any, name: str) -> Any:
    if isinstance(node, dict):
        return node.get(name, ABSENT)
    if isinstance(node, list) and INDEX.fullmatch(name) and int(name) < len(node):
        return node[int(name)]
    return ABSENT

"""What a need means to somebody who can only ask for scopes: a person, or a generated client.

OpenAPI 3.1 (Security Requirement Object) says "or" by a list and "and" within an item, and knows
nothing but scopes. So a need becomes sets of scopes, each of which can be enough; what is no scope
(roles, claims, checks) leaves no trace in them.
"""

from itertools import product

from bearerguard.core.needs import AllOf, AnyOf, Need

Scopes = tuple[str, ...]
# "and" of many "or" multiplies. Nobody reads more than that; then all scopes together stand for it.
MOST = 32


def alternatives(need: Need) -> tuple[Scopes, ...]:
    """Give the sets of scopes that can satisfy a need, in the order in which it names them."""
    if isinstance(need, AnyOf):
        found = [scopes for part in need.parts for scopes in alternatives(part)]
    elif isinstance(need, AllOf):
        found = [()]
        for part in need.parts:
            pairs = product(found, alternatives(part))
            found = list(dict.fromkeys(tuple(dict.fromkeys(one + two)) for one, two in pairs))
            if len(found) > MOST:
                break
    else:
        found = [need.scopes()]
    distinct = tuple(dict.fromkeys(found))
    return distinct if len(distinct) <= MOST else (need.scopes(),)

"""One issuer among several, as code names it.

Nothing is checked here: a :class:`bearerguard.Guard` that takes an issuer names every problem of
all of them at once.
"""

from dataclasses import dataclass
from typing import Any

from bearerguard.settings import About, names_about
from bearerguard.sources import FROM_FILE, shown_value


@dataclass(frozen=True, init=False, repr=False)
class Issuer:
    """The exact ``iss`` of an issuer's tokens, and the settings that hold for these tokens alone.

    ``settings`` are pairs of name and value in the order of their names, so that issuers that say
    the same are equal.
    """

    issuer: str
    settings: tuple[tuple[str, Any], ...]

    def __init__(self, issuer: str, **settings: Any) -> None:
        frozen = {name: _frozen(value) for name, value in settings.items()}
        object.__setattr__(self, "issuer", issuer)
        object.__setattr__(self, "settings", tuple(sorted(frozen.items())))

    def __repr__(self) -> str:
        shown = [f"{name}={_shown(name, value)}" for name, value in self.settings]
        return f"Issuer({', '.join([shown_value(self.issuer), *shown])})"


def _frozen(value: Any) -> Any:
    """Copy a list or a set, so that nobody changes the issuer afterwards."""
    if isinstance(value, list):
        return tuple(value)
    return frozenset(value) if isinstance(value, set) else value


def _shown(name: str, value: Any) -> str:
    """Show the value of a setting that is known to be no secret; a misspelled one may be."""
    known = names_about(About.ALL, About.ONE, About.MEMBER)
    return shown_value(value) if name in known and name not in FROM_FILE else "***"

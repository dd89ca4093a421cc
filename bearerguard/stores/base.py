"""What workers share: the two protocols that a store of this process and a common one both meet.

Every method has a twin for tasks, whose name begins with "a"; in this process's memory nothing
waits. Names mean something only within their group, which is an issuer.
"""

from collections.abc import Sequence
from typing import Protocol

from bearerguard.core.revocation import Mark


class StoreFullError(Exception):
    """There is no room for another name, and none may give way."""


class Marks(Protocol):
    """Marks on names, which only rise (:mod:`bearerguard.core.revocation`).

    A store may forget a mark when its end has come, one with a guessed end only after it has raised
    the mark ``AGED`` of the group as high. Where it has no room for another one, it may raise the
    mark ``EVERYBODY`` of a group in place of all others of that group. It never forgets one
    otherwise: whoever can cause revocations could flush them out.

    ``in_use`` False: nothing was ever marked, and nobody needs to ask.
    """

    in_use: bool

    def read_marks(self, group: str, names: Sequence[str]) -> tuple[Mark | None, ...]:
        """Give the mark of each name, or None; raises UnavailableError where nobody can tell."""
        ...

    async def aread_marks(self, group: str, names: Sequence[str]) -> tuple[Mark | None, ...]:
        """Do the same from a task."""
        ...

    def raise_mark(self, group: str, name: str, mark: Mark) -> None:
        """Mark a name, in one step with what is there; raises UnavailableError."""
        ...

    async def araise_mark(self, group: str, name: str, mark: Mark) -> None:
        """Do the same from a task."""
        ...


class Once(Protocol):
    """Names that may be used once: of proofs and of events that must not be played again."""

    def use_once(self, group: str, name: str, until: float) -> bool:
        """Note a name until then, in seconds since 1970; tell whether it is used the first time.

        Of several that come at the same time one alone is the first.

        Raises:
            StoreFullError: it was not noted.
            UnavailableError: nobody can tell.
        """
        ...

    async def ause_once(self, group: str, name: str, until: float) -> bool:
        """Do the same from a task."""
        ...

    def give_back(self, group: str, name: str) -> None:
        """Forget a name whose use came to nothing, so that it may be used again."""
        ...

    async def agive_back(self, group: str, name: str) -> None:
        """Do the same from a task."""
        ...


class Store(Marks, Once, Protocol):
    """Both."""

"""What a drill is, and what it gets."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from .arena import Arena, Keys, UnfitError, arena
from .process import DEADLINE_S, Player, StuckError

# A cell for each row of a drill's table; the row "" stands for all of them.
Rows = dict[str, str]


@dataclass(frozen=True)
class Stage:
    """What a drill needs to start a contender as often as it likes.

    A caller waits for ``deadline_s`` at most; a slow key endpoint takes ``slow_s``, and
    what takes milliseconds is measured so many times.
    """

    player: Player
    keys: Keys
    certificate: Path | None = None
    deadline_s: float = DEADLINE_S
    slow_s: float = 2.0
    repeats: int = 3

    def arena(self) -> AbstractContextManager[Arena]:
        """Start a fresh process of the contender beside a fresh issuer."""
        return arena(self.player, self.keys, self.certificate, self.deadline_s)


@dataclass(frozen=True)
class Drill:
    """A drill and the words above its table; ``at_once`` contenders may run side by side."""

    key: str
    title: str
    about: str
    run: Callable[[Stage], Rows]
    at_once: int = 2


def play(drill: Drill, stage: Stage) -> Rows:
    """Run a drill; whatever becomes of the contender's process is a result as well."""
    try:
        return drill.run(stage)
    except (StuckError, UnfitError) as error:
        return {"": str(error)}

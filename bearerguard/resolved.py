"""The issuers that ``resolve_issuer`` found, and how many of them strangers can bring about.

Ten new ones a minute, so as many first fetches; a thousand in all, and a thousand names that nobody
knew. A new one takes the place of the one whose tokens were not good for the longest time; an
issuer that verified a token within the hour is never put out.

When the ten of a minute are used up, a name that is allowed and not known gets 503 and not 401,
although it may be made up: nobody asks about it then, so nobody knows, and a good token must not be
thrown away. The price is that whoever can name ten issuers a minute that f knows keeps newer ones
waiting; those that are there notice nothing.
"""

from collections import deque
from collections.abc import Callable

from cachetools import TTLCache

from bearerguard.errors import UnavailableError
from bearerguard.issuers import KnownIssuer

MOST_ISSUERS = 1000
MOST_UNKNOWN = 1000
UNKNOWN_FOR_S = 60.0
MOST_NEW = 10
NEW_WITHIN_S = 60.0
# Whose token was good so recently is a customer, whoever else comes.
IN_USE_FOR_S = 3600.0


class ResolvedIssuers:
    """What is kept, by name; ``clock`` gives the seconds of a monotonic clock.

    :meth:`get` and :meth:`all` are safe without a lock, everything else needs the caller's.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_name: dict[str, KnownIssuer] = {}
        self._new_at: deque[float] = deque(maxlen=MOST_NEW)
        self.start_over()

    def start_over(self) -> None:
        """Forget what a fork may have caught half written; the rest changes in one step each."""
        self._unknown: TTLCache[str, bool] = TTLCache(MOST_UNKNOWN, UNKNOWN_FOR_S, self._clock)

    def get(self, name: str) -> KnownIssuer | None:
        """Give an issuer that is kept."""
        return self._by_name.get(name)

    def all(self) -> list[KnownIssuer]:
        """Give every issuer that is kept."""
        return list(self._by_name.values())

    def is_unknown(self, name: str) -> bool:
        """Tell whether nobody knew this name a short while ago."""
        return name in self._unknown

    def add_unknown(self, name: str) -> None:
        """Note that nobody knows this name."""
        self._unknown[name] = True

    def check_room(self, now: float) -> str | None:
        """Name the issuer that a new one would replace, if any.

        Raises:
            UnavailableError: there were ten new ones within a minute, or all issuers are in use.
        """
        if len(self._new_at) == MOST_NEW and now < self._new_at[0] + NEW_WITHIN_S:
            wait_s = self._new_at[0] + NEW_WITHIN_S - now
            raise UnavailableError("too many new issuers within a minute", retry_after=wait_s)
        if len(self._by_name) < MOST_ISSUERS:
            return None
        spare = min(self._by_name.values(), key=_last_used)
        if spare.verified_at is not None and now < spare.verified_at + IN_USE_FOR_S:
            raise UnavailableError("too many issuers are in use", retry_after=60)
        return spare.settings.issuer

    def add(self, name: str, known: KnownIssuer, now: float) -> None:
        """Keep a new issuer; raises what :meth:`check_room` raises."""
        spare = self.check_room(now)
        if spare is not None:
            del self._by_name[spare]
        self._new_at.append(now)
        self._by_name[name] = known


def _last_used(known: KnownIssuer) -> float:
    """Those of which no token was ever good come first, the oldest of them before the others."""
    return float("-inf") if known.verified_at is None else known.verified_at

"""When to leave an introspection endpoint alone: a circuit breaker. Pure: time is an argument.

Closed, requests go through. After five failures in a row, or as soon as the endpoint says for how
long it wants to be left alone, it opens: nobody asks until a back-off is over. Then one request
tries; it closes the circuit, or opens it for longer.

What becomes of a request counts in the state in which it was begun: of twenty that were under way
together and fail together, those after the fifth say nothing new, and neither does one that was
begun before the endpoint asked to be left alone and comes to a good end.
"""

from collections.abc import Callable
from dataclasses import dataclass

FAILURES_TO_OPEN = 5
SHORTEST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 60.0
# Who comes while one request tries is told to come back so soon.
WHILE_TRYING_S = 1.0


@dataclass
class Circuit:
    """The state of one endpoint. Times are seconds of one monotonic clock.

    ``jitter`` gives a random number from 0 to 1, so that the workers of a fleet spread out.
    """

    jitter: Callable[[], float]
    failures: int = 0
    open_until: float = 0.0
    is_trying: bool = False
    epoch: int = 0

    def state(self, now: float) -> str:
        """Name the state: closed, open or half-open."""
        if now < self.open_until:
            return "open"
        return "half-open" if self._is_doubted() else "closed"

    def wait_s(self, now: float) -> float:
        """Give for how many seconds nobody may ask; 0: one may ask now."""
        if now < self.open_until:
            return self.open_until - now
        return WHILE_TRYING_S if self.is_trying else 0.0

    def begin(self) -> int:
        """Note that a request begins, which is the one that tries where the circuit was open.

        Gives the epoch, with which its end is to be noted.
        """
        self.is_trying = self._is_doubted()
        return self.epoch

    def succeeded(self, epoch: int) -> None:
        """Close: the endpoint has given an answer that could be used."""
        if epoch != self.epoch:
            return
        self.failures = 0
        self.open_until = 0.0
        self.is_trying = False

    def failed(self, now: float, epoch: int, retry_after_s: float | None = None) -> None:
        """Count a failure, and open where it is one too many or the endpoint asks for that.

        Of its wish (RFC 9110 section 10.2.3) a minute counts.
        """
        if epoch != self.epoch:
            return
        self.is_trying = False
        self.failures += 1
        beyond = self.failures - FAILURES_TO_OPEN
        delay = 0.0
        if beyond >= 0:
            longest = min(LONGEST_BACK_OFF_S, 2.0 ** min(beyond + 1, 6))
            delay = SHORTEST_BACK_OFF_S + self.jitter() * (longest - SHORTEST_BACK_OFF_S)
        if retry_after_s is not None:
            # Whoever wants to be left alone is doubted, however few the failures.
            self.failures = max(self.failures, FAILURES_TO_OPEN)
            delay = max(delay, min(max(retry_after_s, SHORTEST_BACK_OFF_S), LONGEST_BACK_OFF_S))
        if delay:
            self.open_until = now + delay
            self.epoch += 1

    def _is_doubted(self) -> bool:
        return self.failures >= FAILURES_TO_OPEN

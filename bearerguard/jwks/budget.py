"""How often an issuer may be asked, successes and failures alike. Pure: time is an argument.

Every library that we measured counted successes only; with the issuer down, each made-up key id
was then a request of its own. Here one budget counts attempts, and a back-off comes on top of it.
"""

from dataclasses import dataclass

BURST = 2
INTERVAL_S = 10.0
SHORTEST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 60.0
LONGEST_WISH_S = 300.0


@dataclass
class FetchBudget:
    """A bucket of two attempts that gains one every ten seconds, and a back-off after failures.

    ``taken`` is how much of an attempt the last one took: an attempt that the time to live asks for
    may begin when there is less than one. Times are seconds of one monotonic clock.
    """

    attempts_left: float = BURST
    counted_at: float = 0.0
    taken: float = 0.0
    failures: int = 0
    blocked_until: float = 0.0

    def allowed_at(self, now: float) -> float:
        """Give the earliest time, ``now`` or later, at which an attempt may begin."""
        missing = max(0.0, 1.0 - self._left(now))
        return max(now + missing * INTERVAL_S, self.blocked_until)

    def allows(self, now: float) -> bool:
        """Tell whether an attempt may begin now."""
        return self.allowed_at(now) <= now

    def spend(self, now: float) -> None:
        """Count an attempt that begins now."""
        left = self._left(now)
        self.taken = min(1.0, left)
        self.attempts_left = left - self.taken
        self.counted_at = now

    def succeeded(self, cost: int = 1) -> None:
        """End the back-off. An attempt that cost the issuer nothing is given back."""
        if not cost:
            self.give_back()
        self.failures = 0
        self.blocked_until = 0.0

    def give_back(self) -> None:
        """Take back an attempt that was counted and did not reach the issuer, or not from here."""
        self.attempts_left += self.taken
        self.taken = 0.0

    def failed(self, now: float, jitter: float, retry_after_s: float = 0.0) -> None:
        """Back off: 1 s at least, up to twice as long with each failure, 60 s at most.

        ``jitter`` is a random number from 0 to 1, so that the workers of a fleet spread out.
        ``retry_after_s`` is the issuer's own wish (RFC 9110 section 10.2.3); five minutes of it
        count, because nobody would see the end of an outage that a proxy gave a day.
        """
        self.failures += 1
        longest = min(LONGEST_BACK_OFF_S, 2.0 ** min(self.failures, 6))
        delay = SHORTEST_BACK_OFF_S + jitter * (longest - SHORTEST_BACK_OFF_S)
        self.blocked_until = now + max(delay, min(retry_after_s, LONGEST_WISH_S))

    def _left(self, now: float) -> float:
        return min(BURST, self.attempts_left + (now - self.counted_at) / INTERVAL_S)

"""A question to an issuer about one token, for which everybody with that token waits."""

import math
from concurrent.futures import Future
from dataclasses import dataclass, field

from bearerguard.errors import UnavailableError

NO_ANSWER = "the introspection endpoint gave no answer in time"


@dataclass(eq=False)
class Flight:
    """A question under way, or in the queue. ``until`` is when nobody waits any more.

    ``ends_at`` is until when its request may take, once that has begun, and ``epoch`` tells in
    which state the circuit was then.
    """

    digest: bytes
    raw: str = field(repr=False)
    until: float
    ends_at: float = math.inf
    epoch: int = 0
    landed: "Future[bytes]" = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.landed.set_running_or_notify_cancel()  # from here on no waiter can cancel it

    def outcome(self) -> bytes:
        """Give what the issuer said.

        Raises:
            UnavailableError: nothing that could be used, or nothing yet.
        """
        if not self.landed.done():
            raise UnavailableError(NO_ANSWER)
        error = self.landed.exception()
        if isinstance(error, UnavailableError):
            # One of its own for each who waited: raising it writes into it.
            raise UnavailableError(error.detail, retry_after=error.retry_after)
        return self.landed.result()

    def land(self, outcome: bytes | UnavailableError) -> None:
        """Tell everybody who waits."""
        if isinstance(outcome, bytes):
            self.landed.set_result(outcome)
        else:
            self.landed.set_exception(outcome)

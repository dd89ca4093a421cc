"""A question about an issuer that somebody asks and others wait for, too."""

from concurrent.futures import Future
from dataclasses import dataclass, field

from bearerguard.errors import UnavailableError
from bearerguard.issuers import KnownIssuer

NO_ANSWER = "resolve_issuer gave no answer in time"


class HungUpError(Exception):
    """The task that asked is gone before there was an answer, which says nothing of the issuer."""


@dataclass(frozen=True, eq=False)
class Question:
    """Who is this? ``until`` is when nobody waits for the answer any more."""

    name: str
    until: float
    answered: "Future[KnownIssuer | None]" = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.answered.set_running_or_notify_cancel()  # from here on no waiter can cancel it

    @property
    def is_dropped(self) -> bool:
        """Whether who asked has hung up, so that another one has to ask."""
        return self.answered.done() and isinstance(self.answered.exception(), HungUpError)

    def check_patience(self, now: float) -> None:
        """Whoever comes after the others gave up does not wait, nor take any memory of the answer.

        Raises:
            UnavailableError: it is too late to wait.
        """
        if now >= self.until:
            raise UnavailableError(NO_ANSWER)

    def left_s(self, now: float) -> float:
        """Give the seconds for which waiting makes sense."""
        return max(0.0, self.until - now)

    def answer(self, outcome: KnownIssuer | Exception | None) -> None:
        """Tell everybody who waits."""
        if isinstance(outcome, Exception):
            self.answered.set_exception(outcome)
        else:
            self.answered.set_result(outcome)

    def outcome(self) -> KnownIssuer | None:
        """Give the answer.

        Raises:
            UnavailableError: there is none yet, or whoever was asked could not tell.
        """
        if not self.answered.done():
            raise UnavailableError(NO_ANSWER)
        error = self.answered.exception()
        if isinstance(error, UnavailableError):
            # One of its own for each who waited: raising it writes into it.
            raise UnavailableError(error.detail, retry_after=error.retry_after)
        return self.answered.result()


@dataclass(frozen=True)
class Step:
    """What is known of an issuer at once, or the question to wait for; ``is_new``: and to ask."""

    known: KnownIssuer | None = None
    question: Question | None = None
    is_new: bool = False

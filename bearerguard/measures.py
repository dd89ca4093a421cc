"""What both kinds of metrics agree on, and what keeps their number finite, whatever arrives.

A store of metrics pays for each combination of labels. So a label's value is of a fixed table, or
one of the first so many names that came; later names are counted together, as "other". A caller
cannot use the names up: issuers are configured or resolved, clients stand in verified tokens.
"""

import threading

from bearerguard.errors import REASONS, UnavailableError
from bearerguard.forks import start_over_after_fork
from bearerguard.jwks.states import State

OTHER = "other"
OUTCOMES = frozenset({"admitted", "anonymous", "refused", "unavailable", "reported"})
REASON_NAMES = frozenset({*REASONS, UnavailableError.reason})
STATES = frozenset(state.value for state in State)

# A kept token is decided in microseconds, one whose issuer must be asked first in seconds.
DECISION_BUCKETS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0),
)
# A fetch has JWKS_TIMEOUT, five seconds where nothing else is set.
FETCH_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)

# One guard can have a thousand issuers (bearerguard.resolved), and an issuer with open registration
# as many clients as somebody likes. Beyond the fixed tables each metric has so many series:
MOST_SERIES = 1000
# and where each issuer has one for each state of its keys:
MOST_ISSUERS = 100
LONGEST_NAME = 200


class Names:
    """Gives names back as labels, the first ``most`` groups of them, and OTHER for the rest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[tuple[str, ...]] = set()
        self.start_over()
        start_over_after_fork(self)

    def start_over(self) -> None:
        """Take a new lock: after a fork the old one may be held for good."""
        self._lock = threading.Lock()

    def __call__(self, *names: str | None, beside: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Give the labels for these names, counted together with the labels ``beside`` them.

        Where a name is not there its label is empty; what has no name at all is not counted.
        """
        labels = tuple((name or "")[:LONGEST_NAME] for name in names)
        group = (*beside, *labels)
        if group in self._known or not any(labels):
            return labels
        with self._lock:  # only for what is new, and for what is too much
            if len(self._known) < self._most:
                self._known.add(group)
        return labels if group in self._known else (OTHER,) * len(labels)


def outcome_label(outcome: str) -> str:
    """Give an outcome of the table, or OTHER."""
    return outcome if outcome in OUTCOMES else OTHER


def reason_label(reason: str | None) -> str:
    """Give a reason of the table, or OTHER; empty where there is no reason."""
    if not reason:
        return ""
    return reason if reason in REASON_NAMES else OTHER

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

# How many have series of their own; one guard can have a thousand issuers (bearerguard.resolved).
MOST_ISSUERS = 100
# Pairs of an issuer and a client; an issuer with open registration has as many as somebody likes.
MOST_CLIENTS = 100
LONGEST_NAME = 200


class FirstNames:
    """Gives back the first ``most`` names, or groups of names, and OTHER for the rest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[tuple[str, ...]] = set()
        self.start_over()
        start_over_after_fork(self)

    def start_over(self) -> None:
        """Take a new lock: after a fork the old one may be held for good."""
        self._lock = threading.Lock()

    def __call__(self, *names: str | None) -> tuple[str, ...]:
        """Give the labels for these names; where there is none, the label is empty."""
        labels = tuple((name or "")[:LONGEST_NAME] for name in names)
        if labels in self._known or not any(labels):
            return labels
        with self._lock:  # only for what is new, and for what is too much
            if len(self._known) < self._most:
                self._known.add(labels)
        return labels if labels in self._known else (OTHER,) * len(labels)


def outcome_label(outcome: str) -> str:
    """Give an outcome of the table, or OTHER."""
    return outcome if outcome in OUTCOMES else OTHER


def reason_label(reason: str | None) -> str:
    """Give a reason of the table, or OTHER; empty where there is no reason."""
    if not reason:
        return ""
    return reason if reason in REASON_NAMES else OTHER

"""``MODE=report-without-enforcing``: what would be refused passes, and is told, until a date.

It is bounded so that nobody forgets it: the date is at most 30 days off, a warning comes every five
minutes, and on the date the same process enforces. What ended does not begin again: a clock that is
set back gives nobody more time, because the time that passed is measured, too.
"""

import threading
from collections.abc import Callable
from datetime import datetime

from bearerguard.forks import start_over_after_fork
from bearerguard.log import logger

ENFORCE, REPORT = "enforce", "report-without-enforcing"
REMIND_EVERY_S = 300.0


class ReportMode:
    """The mode, from the start of a guard to its end.

    ``clock`` gives the seconds since 1970, ``age_clock`` those since any moment; only the first may
    be set back.
    """

    def __init__(
        self, until: datetime, clock: Callable[[], float], age_clock: Callable[[], float]
    ) -> None:
        self._until, self._clock, self._age_clock = until, clock, age_clock
        self.start_over()
        start_over_after_fork(self)
        left_s = until.timestamp() - clock()
        self._ends_at = age_clock() + left_s
        self._remind_at = age_clock() + REMIND_EVERY_S
        self._is_over = left_s <= 0
        if self._is_over:
            logger.warning(
                "report_until %s has passed: enforcing; take out mode and report_until", until
            )
        else:
            self._warn()

    def start_over(self) -> None:
        """Take a new lock: after a fork the old one may be held for good."""
        self._lock = threading.Lock()

    def left_s(self) -> float:
        """Give the seconds until it enforces by itself; 0 where it does already."""
        if not self.is_on():
            return 0.0
        return min(self._ends_at - self._age_clock(), self._until.timestamp() - self._clock())

    def is_on(self) -> bool:
        """Tell whether a refusal is only reported now. Asked at each request, it also reminds."""
        if self._is_over:
            return False
        age, now = self._age_clock(), self._clock()
        if age >= self._ends_at or now >= self._until.timestamp():
            self._end()
            return False
        if age >= self._remind_at:
            self._remind(age)
        return True

    def _end(self) -> None:
        with self._lock:
            was_over, self._is_over = self._is_over, True
        if not was_over:
            logger.warning("report_until %s has passed: enforcing from now on", self._until)

    def _remind(self, age: float) -> None:
        with self._lock:
            is_due = age >= self._remind_at
            if is_due:
                self._remind_at = age + REMIND_EVERY_S
        if is_due:
            self._warn()

    def _warn(self) -> None:
        logger.warning(
            "mode is %s until %s: NOTHING IS REFUSED, every request passes", REPORT, self._until
        )

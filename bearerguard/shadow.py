"""A stricter policy beside the live one: what it would refuse is counted, and is not refused."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bearerguard.core.access_token import AccessToken
from bearerguard.core.policy import Policy
from bearerguard.core.shadow import reason_to_refuse
from bearerguard.core.trust import Trust
from bearerguard.events import ShadowRefused
from bearerguard.forks import start_over_after_fork
from bearerguard.log import line, logger, short

# Clients come from the issuer: there are as many as it has.
MOST_ROWS = 1000
LOG_EVERY_S = 60.0


@dataclass(frozen=True)
class ShadowRow:
    """How often the shadow would have refused a client for a reason; times are in seconds.

    ``client_id`` None stands for tokens that name no client, and for all clients beyond the first
    1,000 rows. ``first_seen`` and ``last_seen`` are since 1970, in this process.
    """

    reason: str
    issuer: str
    client_id: str | None
    count: int
    first_seen: float
    last_seen: float


class Shadow:
    """The policies in the shadow, by issuer, and the counts of what they would have refused."""

    def __init__(
        self,
        policies: Mapping[str, Policy],
        trust: Trust,
        clock: Callable[[], float],
        age_clock: Callable[[], float],
    ) -> None:
        self._policies, self._trust = policies, trust
        self._clock, self._age_clock = clock, age_clock
        self.start_over()
        start_over_after_fork(self)
        self._rows: dict[tuple[str, str, str | None], ShadowRow] = {}
        self._logged: dict[tuple[str, str, str | None], float] = {}

    def start_over(self) -> None:
        """Take a new lock: after a fork the old one may be held for good."""
        self._lock = threading.Lock()

    def judge(self, raw: str, token: AccessToken) -> ShadowRefused | None:
        """Judge a token that was admitted, count and log; whatever goes wrong changes nothing."""
        try:
            return self._judge(raw, token)
        except Exception:  # noqa: BLE001  the live policy has decided, and nothing here may undo that
            logger.exception("the shadow policy failed")
            return None

    def report(self) -> list[ShadowRow]:
        """Give what was counted, the most frequent first."""
        with self._lock:
            rows = list(self._rows.values())
        return sorted(rows, key=lambda row: -row.count)

    def _judge(self, raw: str, token: AccessToken) -> ShadowRefused | None:
        policy = self._policies.get(token.issuer)  # none for an issuer that was resolved
        if policy is None:
            return None
        now = self._clock()
        reason = reason_to_refuse(raw, token, policy, self._trust, now)
        if reason is None:
            return None
        found = ShadowRefused(reason, token.issuer, short(token.client_id))
        self._count(found, now)
        return found

    def _count(self, found: ShadowRefused, now: float) -> None:
        age = self._age_clock()
        with self._lock:
            key = (found.reason, found.issuer, found.client_id)
            if key not in self._rows and len(self._rows) >= MOST_ROWS:
                key = (found.reason, found.issuer, None)
            row = self._rows.get(key) or ShadowRow(*key, 0, now, now)
            row = self._rows[key] = replace(row, count=row.count + 1, last_seen=now)
            is_due = key not in self._logged or age - self._logged[key] >= LOG_EVERY_S
            if is_due:
                self._logged[key] = age
        if is_due:
            facts: dict[str, object] = {"reason": row.reason, "issuer": row.issuer}
            facts |= {"client_id": row.client_id, "count": row.count, "enforced": False}
            logger.info("shadow would refuse: %s", line(facts), extra={"bearerguard": facts})

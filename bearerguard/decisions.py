"""What follows a decision about a request: a line in the log, an event, and perhaps no refusal.

A guard has this only where somebody watches (``on_event``), where MODE says not to enforce, or
where a policy is in the shadow: without any of them a request reads no clock for it.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass

from bearerguard.core.access_token import AccessToken
from bearerguard.core.request import RequestView
from bearerguard.errors import RejectedError, UnavailableError
from bearerguard.events import Event, OnEvent, RequestDecided
from bearerguard.log import log_refusal, logger
from bearerguard.reporting import ReportMode
from bearerguard.shadow import Shadow

Refusal = RejectedError | UnavailableError


@dataclass(frozen=True)
class Decisions:
    """Told of each decision. ``age_clock`` is what tells how long one took, in seconds.

    ``issuers`` are the names that an event may say: those that settings name, which are few.
    """

    on_event: OnEvent | None
    report_mode: ReportMode | None
    shadow: Shadow | None
    issuers: Container[str]
    age_clock: Callable[[], float]

    def begin(self) -> float:
        """Note when a decision begins."""
        if self.report_mode is not None:
            self.report_mode.is_on()  # which reminds, also where nothing is refused
        return self.age_clock()

    def passed(self, raw: str | None, token: AccessToken | None, began: float) -> None:
        """Tell that a request passes by right."""
        if self.on_event is not None:
            outcome = "anonymous" if token is None else "admitted"
            self._tell(outcome, None, None, token, self.age_clock() - began)
        if self.shadow is not None and raw is not None and token is not None:
            found = self.shadow.judge(raw, token)
            if found is not None and self.on_event is not None:
                tell(self.on_event, found)

    def lets_through(
        self, refusal: Refusal, request: RequestView, token: AccessToken | None, began: float
    ) -> bool:
        """Log and tell a refusal; True where the request passes all the same, as nobody's."""
        is_on = self.report_mode is not None and self.report_mode.is_on()
        request.is_reported = is_on
        log_refusal(refusal, request, enforced=not is_on)
        if self.on_event is not None:
            duration_s = self.age_clock() - began
            outcome = "refused" if isinstance(refusal, RejectedError) else "unavailable"
            outcome = "reported" if is_on else outcome
            self._tell(outcome, refusal.reason, refusal.status, token, duration_s)
        return is_on

    def _tell(
        self,
        outcome: str,
        reason: str | None,
        status: int | None,
        token: AccessToken | None,
        duration_s: float,
    ) -> None:
        issuer = token.issuer if token is not None and token.issuer in self.issuers else None
        if self.on_event is not None:
            tell(self.on_event, RequestDecided(outcome, reason, status, issuer, duration_s))


def tell(on_event: OnEvent, event: Event) -> None:
    """Tell whoever watches, who must not change what happens."""
    try:
        on_event(event)
    except Exception:  # noqa: BLE001  the answer to a request must not depend on it
        logger.exception("on_event failed")

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
        """Tell that a request passes by right, and ask the policy in the shadow."""
        on_event = self.on_event
        if on_event is not None:
            outcome = "anonymous" if token is None else "admitted"
            tell(on_event, self._event(outcome, None, token, began))
        if self.shadow is not None and raw is not None and token is not None:
            found = self.shadow.judge(raw, token)
            if found is not None and on_event is not None:
                tell(on_event, found)

    def lets_through(
        self, refusal: Refusal, request: RequestView, token: AccessToken | None, began: float
    ) -> bool:
        """Log and tell a refusal; True where the request passes all the same, as nobody's."""
        is_on = self.report_mode is not None and self.report_mode.is_on()
        request.is_reported = is_on
        log_refusal(refusal, request, enforced=not is_on)
        if self.on_event is not None:
            outcome = "refused" if isinstance(refusal, RejectedError) else "unavailable"
            outcome = "reported" if is_on else outcome
            tell(self.on_event, self._event(outcome, refusal, token, began))
        return is_on

    def _event(
        self, outcome: str, refusal: Refusal | None, token: AccessToken | None, began: float
    ) -> RequestDecided:
        reason, status = (None, None) if refusal is None else (refusal.reason, refusal.status)
        issuer = token.issuer if token is not None and token.issuer in self.issuers else None
        return RequestDecided(outcome, reason, status, issuer, self.age_clock() - began)


def tell(on_event: OnEvent, event: Event) -> None:
    """Tell whoever watches, who must not change what happens."""
    try:
        on_event(event)
    except Exception:  # noqa: BLE001  the answer to a request must not depend on it
        logger.exception("on_event failed")

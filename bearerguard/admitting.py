"""How a request is decided: what it shows, what its route needs, and what follows the decision."""

from abc import abstractmethod
from collections.abc import Callable

from bearerguard.core.access import Access
from bearerguard.core.access_token import AccessToken
from bearerguard.core.admission import credentials, enforce
from bearerguard.core.request import RequestView
from bearerguard.decisions import Decisions, Refusal
from bearerguard.errors import RejectedError, UnavailableError
from bearerguard.log import log_refusal
from bearerguard.reporting import ENFORCE, REPORT
from bearerguard.shadow import ShadowRow


class Admitting:
    """The part of a guard that adapters ask about requests."""

    clock: Callable[[], float]
    _decisions: Decisions | None

    @abstractmethod
    def verify(self, raw: str) -> AccessToken:
        """Verify one access token."""

    @abstractmethod
    async def averify(self, raw: str) -> AccessToken:
        """Verify one access token without blocking the event loop."""

    def admit(self, request: RequestView, access: Access) -> AccessToken | None:
        """Decide about a request: its token, or None for an anonymous caller who may pass.

        Raises what :meth:`verify` raises; each refusal is logged here, and only here. Under
        MODE=report-without-enforcing it returns None instead, and says ``request.is_reported``.
        """
        decisions, token = self._decisions, None
        began = 0.0 if decisions is None else decisions.begin()
        try:
            raw = credentials(request, access)
            token = None if raw is None else self.verify(raw)
            if token is not None:
                enforce(access, token, self.clock())
        except (RejectedError, UnavailableError) as refusal:
            if self.lets_through(refusal, request, token, began):
                return None
            raise
        if decisions is not None:
            decisions.passed(raw, token, began)
        return token

    async def aadmit(self, request: RequestView, access: Access) -> AccessToken | None:
        """Decide about a request without blocking the event loop; otherwise as :meth:`admit`."""
        decisions, token = self._decisions, None
        began = 0.0 if decisions is None else decisions.begin()
        try:
            raw = credentials(request, access)
            token = None if raw is None else await self.averify(raw)
            if token is not None:
                enforce(access, token, self.clock())
        except (RejectedError, UnavailableError) as refusal:
            if self.lets_through(refusal, request, token, began):
                return None
            raise
        if decisions is not None:
            decisions.passed(raw, token, began)
        return token

    def lets_through(
        self,
        refusal: Refusal,
        request: RequestView,
        token: AccessToken | None,
        began: float | None = None,
    ) -> bool:
        """Log and tell a refusal, and say whether the request passes all the same.

        ``began`` is when the decision did; None for one that took no time, after the first.
        """
        decisions = self._decisions
        if decisions is None:
            log_refusal(refusal, request)
            return False
        began = decisions.age_clock() if began is None else began
        return decisions.lets_through(refusal, request, token, began)

    @property
    def mode(self) -> str:
        """What is in force now: "enforce" or "report-without-enforcing"."""
        report_mode = None if self._decisions is None else self._decisions.report_mode
        return REPORT if report_mode is not None and report_mode.is_on() else ENFORCE

    def reports_for_s(self) -> float:
        """Give the seconds for which refusals are only reported; 0 where they are enforced."""
        report_mode = None if self._decisions is None else self._decisions.report_mode
        return 0.0 if report_mode is None else report_mode.left_s()

    def shadow_report(self) -> list[ShadowRow]:
        """Tell what the policy in the shadow would have refused so far; the most frequent first."""
        shadow = None if self._decisions is None else self._decisions.shadow
        return [] if shadow is None else shadow.report()

"""What may be asked of a guard by those who run it: why, how it is, and whether it is ready."""

from collections.abc import Callable
from typing import Any

from bearerguard import readiness
from bearerguard.core.explain import Explanation, explain
from bearerguard.core.trust import Trust
from bearerguard.directory import Directory
from bearerguard.drivers import adrive, drive


class Watched:
    """The part of a guard that tells of itself."""

    clock: Callable[[], float]
    issuers: Directory
    trust: Trust

    def explain(self, raw: str) -> Explanation:
        """Run every check on a token, with the keys that are there; never raises."""
        return drive(explain(raw, self.trust, self.clock()), self.issuers.present)

    async def aexplain(self, raw: str) -> Explanation:
        """Run every check on a token, fetching the keys where needed; never raises."""
        flow = explain(raw, self.trust, self.clock())
        return await adrive(flow, self.issuers.answer_at_once, self.issuers.aanswer)

    def status(self) -> dict[str, dict[str, Any]]:
        """Describe the keys of each issuer: state, key ids, age, last error, next refresh.

        Where an issuer is asked about opaque tokens, also how that goes, under "introspection".
        """
        return {known.settings.issuer: known.status() for known in self.issuers.all()}

    def ready(self) -> bool:
        """Tell whether there are keys to decide with, of one configured issuer at least.

        This begins each fetch that is due, and waits for half a second at most where there are no
        keys yet. For a readiness probe: asked every few seconds it also keeps the keys fresh, so
        that the first request after a quiet time does not wait. An issuer that is down takes nobody
        out of service as long as its last keys may serve, or as another issuer is there.
        """
        return readiness.is_ready(self.issuers)

    async def aready(self) -> bool:
        """Tell the same without blocking the event loop."""
        return await readiness.ais_ready(self.issuers)

"""What goes to the log about an issuer's keys."""

import logging
from dataclasses import asdict

from bearerguard.events import Event, FetchEnded, KeyRefused, KeyStateChanged, OnEvent
from bearerguard.log import line, logger, short

key_logger = logging.getLogger("bearerguard.keys")

# Seen after every quiet night, and in an outage.
OUT_OF_DATE = {"stale_ok", "expired"}


def log_event(event: Event) -> None:
    """Write what happened to an issuer's keys: failures and refused keys as warnings."""
    facts: dict[str, object] = {"event": type(event).__name__}
    for name, fact in asdict(event).items():
        # A key id is as long as whoever publishes the keys likes.
        facts[name] = short(fact) if isinstance(fact, str) else fact
    level = logging.DEBUG
    if isinstance(event, KeyRefused) or (isinstance(event, FetchEnded) and event.error is not None):
        level = logging.WARNING
    elif isinstance(event, KeyStateChanged) and event.after in OUT_OF_DATE:
        level = logging.INFO
    key_logger.log(level, "keys: %s", line(facts), extra={"bearerguard": facts})


def logged(on_event: OnEvent | None) -> OnEvent:
    """Make what logs every event, and then tells it to whoever watches."""

    def notify(event: Event) -> None:
        log_event(event)
        if on_event is not None:
            try:
                on_event(event)
            except Exception:  # noqa: BLE001  whoever watches must not change what happens
                logger.exception("on_event failed")

    return notify

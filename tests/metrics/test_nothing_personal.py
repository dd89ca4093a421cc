"""Neither the log, nor an event, nor a metric names the person whom a token is about."""

import contextlib
import logging

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from bearerguard import RejectedError, UnavailableError, role, step_up
from bearerguard.core.access import Access
from bearerguard.core.request import RequestView
from bearerguard.prometheus import Metrics
from bearerguard.testing import BAD_TOKENS, Issuer

PERSON = {
    "sub": "anna-4711",
    "email": "anna@example.com",
    "name": "Anna Example",
    "preferred_username": "anna.e",
    "phone_number": "+49 30 anna",
    "sid": "anna-session",
    "jti": "anna-token",
}


class IssuerOfAnna(Issuer):
    """All of whose tokens are about one person."""

    def token(self, *scopes, **more):
        return super().token(*scopes, **(PERSON | more))


@pytest.fixture
def anna(clock, signing_key):
    return IssuerOfAnna(key=signing_key, clock=clock)


@pytest.mark.parametrize("defect", [*BAD_TOKENS, "none", "down", "revoked"])
def test_a_person_is_nowhere_in_what_is_told(anna, caplog, defect):
    """Whatever is wrong with the token; the path is the one thing that callers write themselves."""
    caplog.set_level(logging.DEBUG)
    registry, told = CollectorRegistry(), []
    metrics = Metrics(registry)
    guard = anna.guard(on_event=lambda event: (told.append(event), metrics(event)))
    anna.is_down = defect == "down"
    raw = BAD_TOKENS.get(defect, IssuerOfAnna.token)(anna)
    if defect == "revoked":
        guard.revoke(subject=PERSON["sub"])
    request = RequestView("GET", "/", None, (("authorization", f"Bearer {raw}"),))
    for need in (None, role("admin"), step_up(acr="mfa", max_age=60)):
        with contextlib.suppress(RejectedError, UnavailableError):
            guard.admit(request, Access(need=need))
    shown = "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    shown += repr(told) + generate_latest(registry).decode()
    assert "refused" in shown
    assert "anna" not in shown.lower()

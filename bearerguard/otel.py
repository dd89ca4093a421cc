"""OpenTelemetry: ``Guard.from_env(on_event=Telemetry())``. Needs the extra ``otel``.

The API package alone: where no SDK is set up nothing is measured, and that costs next to nothing.
Names and units follow the semantic conventions (general/naming, general/metrics): ``error.type`` is
what a decision or a fetch failed by and absent where it succeeded, next to ``bearerguard.reason``,
which is our own. On spans there is no ``error.type``: the span of a request belongs to the HTTP
instrumentation, which writes its own there. ``enduser.id`` is never written, nor anything else out
of a token but the issuer of a verified one and, for policies in the shadow, the client.
"""

import threading
import time
from collections.abc import Iterator

try:
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter
    from opentelemetry.trace import get_current_span
except ImportError as missing:
    raise ImportError(
        "bearerguard.otel needs opentelemetry-api: pip install 'bearerguard[otel]'"
    ) from missing

from bearerguard.events import (
    Event,
    FetchEnded,
    FetchStarted,
    KeyRefused,
    KeyStateChanged,
    RequestDecided,
    ShadowRefused,
)
from bearerguard.forks import start_over_after_fork
from bearerguard.jwks.states import State
from bearerguard.measures import (
    DECISION_BUCKETS_S,
    FETCH_BUCKETS_S,
    MOST_ISSUERS,
    MOST_SERIES,
    OTHER,
    STATES,
    Names,
    outcome_label,
    reason_label,
)

OUTCOME = "bearerguard.outcome"
REASON = "bearerguard.reason"
ISSUER = "bearerguard.issuer"
CLIENT = "bearerguard.client.id"
STATE = "bearerguard.jwks.state"
SHARED = "bearerguard.jwks.shared"
SHADOW_REASON = "bearerguard.shadow.reason"
ERROR_TYPE = "error.type"

# The conventions' word for an error that has no class: why a fetch failed is a sentence.
NO_CLASS = "_OTHER"

# Outcomes that end in an answer of ours.
FAILED = {"refused", "unavailable"}

Attributes = dict[str, str | bool]


class Telemetry:
    """A callback for ``on_event=`` that measures, and describes the span of each decided request.

    ``meter_provider``: whose metrics they are; without it the global one, which may also be set
    later. The span is the current one of the context in which the request is decided.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        meter = get_meter("bearerguard", meter_provider=meter_provider)
        self.start_over()
        start_over_after_fork(self)
        self._issuers = Names(MOST_ISSUERS)
        self._of_requests = Names(MOST_SERIES)
        self._of_shadow_refusals = Names(MOST_SERIES)
        self._states: dict[str, str] = {}
        self._fetched_at: dict[str, float] = {}
        self._decisions = meter.create_counter(
            "bearerguard.request.decisions", "{request}", "Requests that were decided."
        )
        self._decision_time = meter.create_histogram(
            "bearerguard.request.decision.duration",
            "s",
            "How long decisions took, waiting for the issuer included.",
            explicit_bucket_boundaries_advisory=DECISION_BUCKETS_S,
        )
        self._shadow_refusals = meter.create_counter(
            "bearerguard.shadow.refusals",
            "{request}",
            "Admitted requests that a policy in the shadow would refuse.",
        )
        self._make_metrics_of_keys(meter)

    def _make_metrics_of_keys(self, meter: Meter) -> None:
        self._fetches = meter.create_counter(
            "bearerguard.jwks.fetches", "{fetch}", "Fetches of keys that ended, or were given up."
        )
        self._fetch_time = meter.create_histogram(
            "bearerguard.jwks.fetch.duration",
            "s",
            "How long fetches of keys took.",
            explicit_bucket_boundaries_advisory=FETCH_BUCKETS_S,
        )
        self._keys_refused = meter.create_counter(
            "bearerguard.jwks.keys.refused", "{key}", "Keys of new sets that cannot be used."
        )
        self._status = meter.create_up_down_counter(
            "bearerguard.jwks.status", "1", "1 for the state that an issuer's keys are in, else 0."
        )
        meter.create_observable_gauge(
            "bearerguard.jwks.age",
            [self._ages],
            "s",
            "How long ago keys were last had from the issuer.",
        )

    def __call__(self, event: Event) -> None:
        """Measure one event."""
        match event:
            case RequestDecided():
                self._decided(event)
            case ShadowRefused():
                self._shadow_refused(event)
            case FetchStarted():
                (issuer,) = self._issuers(event.issuer)
                if issuer not in self._states:  # none of its keys has come yet
                    self._enter(issuer, State.COLD.value)
            case FetchEnded():
                self._fetched(event)
            case KeyStateChanged():
                (issuer,) = self._issuers(event.issuer)
                self._enter(issuer, event.after)
            case KeyRefused():
                (issuer,) = self._issuers(event.issuer)
                self._keys_refused.add(1, {ISSUER: issuer})

    def _decided(self, event: RequestDecided) -> None:
        fixed = (outcome_label(event.outcome), reason_label(event.reason))
        (issuer,) = self._of_requests(event.issuer, beside=fixed)
        named = {OUTCOME: fixed[0], REASON: fixed[1], ISSUER: issuer}
        attributes = {name: value for name, value in named.items() if value}
        failed = {ERROR_TYPE: fixed[1]} if event.outcome in FAILED else {}
        self._decisions.add(1, attributes | failed)
        self._decision_time.record(event.duration_s, {OUTCOME: fixed[0]})
        span = get_current_span()
        if span.is_recording():
            span.set_attributes(attributes)

    def _shadow_refused(self, event: ShadowRefused) -> None:
        reason = reason_label(event.reason)
        names = self._of_shadow_refusals(event.issuer, event.client_id, beside=(reason,))
        named = {REASON: reason, ISSUER: names[0], CLIENT: names[1]}
        self._shadow_refusals.add(1, {name: value for name, value in named.items() if value})
        span = get_current_span()
        if span.is_recording():
            span.set_attribute(SHADOW_REASON, reason)

    def _fetched(self, event: FetchEnded) -> None:
        (issuer,) = self._issuers(event.issuer)
        outcome: Attributes = {ERROR_TYPE: NO_CLASS}
        if event.error is None:
            outcome = {SHARED: event.is_shared}
            if issuer != OTHER:
                self._fetched_at[issuer] = time.monotonic()
        self._fetches.add(1, outcome | {ISSUER: issuer})
        self._fetch_time.record(event.duration_s, outcome)

    def start_over(self) -> None:
        """Take a new lock: after a fork the old one may be held for good."""
        self._lock = threading.Lock()

    def _enter(self, issuer: str, state: str) -> None:
        """Set the state of an issuer's keys; several issuers together have none."""
        if issuer == OTHER or state not in STATES:
            return
        with self._lock:  # or two threads together count a state that nobody leaves
            before = self._states.get(issuer)
            if before is not None:
                self._status.add(-1, {ISSUER: issuer, STATE: before})
            self._states[issuer] = state
            self._status.add(1, {ISSUER: issuer, STATE: state})

    def _ages(self, _options: CallbackOptions) -> Iterator[Observation]:
        now = time.monotonic()
        for issuer, fetched_at in list(self._fetched_at.items()):
            yield Observation(now - fetched_at, {ISSUER: issuer})

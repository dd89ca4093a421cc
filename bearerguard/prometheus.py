"""Metrics for Prometheus: ``Guard.from_env(on_event=Metrics())``. Needs the extra ``prometheus``.

What is counted comes from :mod:`bearerguard.events` alone, so that nothing is measured which a
callback of your own could not see. The age of keys is given as the time of the last good fetch, as
Prometheus advises: unlike an age it needs nobody to be asked, and it works in prometheus-client's
mode for several processes. Given up: a series for each caller, path or token, which grow for ever.
"""

import threading

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ImportError as missing:
    raise ImportError(
        "bearerguard.prometheus needs prometheus-client: pip install 'bearerguard[prometheus]'"
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


class Metrics:
    """A callback for ``on_event=`` that counts; one is enough for all guards of a process.

    ``registry`` is where the metrics are registered; without it prometheus-client's own. Safe under
    threads and tasks: it waits for nobody but for the lock of a number.

    Raises:
        ValueError: the registry holds these metrics already.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        where = REGISTRY if registry is None else registry
        self.start_over()
        start_over_after_fork(self)
        self._issuers = Names(MOST_ISSUERS)
        self._of_requests = Names(MOST_SERIES)
        self._of_shadow_refusals = Names(MOST_SERIES)
        self._has_state: set[str] = set()
        self._requests = Counter(
            "bearerguard_requests",
            "Requests that were decided.",
            ("outcome", "reason", "issuer"),
            registry=where,
        )
        self._decision_time = Histogram(
            "bearerguard_request_decision_seconds",
            "How long decisions took, waiting for the issuer included.",
            ("outcome",),
            buckets=DECISION_BUCKETS_S,
            registry=where,
        )
        self._shadow_refusals = Counter(
            "bearerguard_shadow_refusals",
            "Admitted requests that a policy in the shadow would refuse.",
            ("reason", "issuer", "client"),
            registry=where,
        )
        self._make_metrics_of_keys(where)

    def _make_metrics_of_keys(self, where: CollectorRegistry) -> None:
        self._fetches = Counter(
            "bearerguard_jwks_fetches",
            "Fetches of keys that ended, or were given up.",
            ("issuer", "result"),
            registry=where,
        )
        self._fetch_time = Histogram(
            "bearerguard_jwks_fetch_seconds",
            "How long fetches of keys took.",
            buckets=FETCH_BUCKETS_S,
            registry=where,
        )
        self._state = Gauge(
            "bearerguard_keys_state",
            "1 for the state that an issuer's keys are in, else 0.",
            ("issuer", "state"),
            multiprocess_mode="livesum",  # how many live workers are in it
            registry=where,
        )
        self._last_success = Gauge(
            "bearerguard_jwks_last_success_timestamp_seconds",
            "When keys were last had from the issuer, in seconds since 1970.",
            ("issuer",),
            multiprocess_mode="livemin",  # that of the worker with the oldest keys
            registry=where,
        )
        self._keys_refused = Counter(
            "bearerguard_keys_refused",
            "Keys of new sets that cannot be used.",
            ("issuer",),
            registry=where,
        )

    def __call__(self, event: Event) -> None:
        """Count one event."""
        match event:
            case RequestDecided():
                self._decided(event)
            case ShadowRefused():
                self._shadow_refused(event)
            case FetchStarted():
                (issuer,) = self._issuers(event.issuer)
                if issuer not in self._has_state:  # none of its keys has come yet
                    self._enter(issuer, State.COLD.value)
            case FetchEnded():
                self._fetched(event)
            case KeyStateChanged():
                (issuer,) = self._issuers(event.issuer)
                self._enter(issuer, event.after)
            case KeyRefused():
                self._keys_refused.labels(*self._issuers(event.issuer)).inc()

    def _decided(self, event: RequestDecided) -> None:
        fixed = (outcome_label(event.outcome), reason_label(event.reason))
        self._requests.labels(*fixed, *self._of_requests(event.issuer, beside=fixed)).inc()
        self._decision_time.labels(fixed[0]).observe(event.duration_s)

    def _shadow_refused(self, event: ShadowRefused) -> None:
        reason = (reason_label(event.reason),)
        names = self._of_shadow_refusals(event.issuer, event.client_id, beside=reason)
        self._shadow_refusals.labels(*reason, *names).inc()

    def _fetched(self, event: FetchEnded) -> None:
        result = "failure"
        (issuer,) = self._issuers(event.issuer)
        if event.error is None:
            result = "shared" if event.is_shared else "success"
            if issuer != OTHER:
                self._last_success.labels(issuer).set_to_current_time()
        self._fetches.labels(issuer, result).inc()
        self._fetch_time.observe(event.duration_s)

    def start_over(self) -> None:
        """Take a new lock: after a fork the old one may be held for good."""
        self._lock = threading.Lock()

    def _enter(self, issuer: str, entered: str) -> None:
        """Set the state of an issuer's keys; several issuers together have none."""
        if issuer == OTHER or entered not in STATES:
            return
        with self._lock:  # or two threads together leave a state that is none
            self._has_state.add(issuer)
            for state in STATES:
                self._state.labels(issuer, state).set(state == entered)

"""All metrics of the operator. Names and labels are API; docs/operations.md has the table, and a test compares both."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imagecopy.api.imagecopy import Phase
from imagecopy.copies.completion import Completion
from imagecopy.copies.queue import Slots
from imagecopy.copies.record import Record
from imagecopy.flow.steps import Event
from imagecopy.ims import CallRecord
from imagecopy.watch.liveness import Liveness

_calls = Counter(
    "imagecopy_cloud_calls",
    "Calls to the cloud, by kind and result (ok, or the class of the error).",
    ["call", "result"],
)
_seconds = Histogram(
    "imagecopy_cloud_call_seconds",
    "Duration of calls to the cloud.",
    ["call"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
_events = Counter(
    "imagecopy_events",
    "What happened to ImageCopies, by the reason of the Event: Submitted, Succeeded, CopyFailed, SecondImage ...",
    ["reason"],
)
_kubernetes_calls = Counter(
    "imagecopy_kubernetes_calls",
    "Calls of the Kubernetes API, by verb and HTTP status (error: no answer came).",
    ["verb", "code"],
)
_copy_seconds = Histogram(
    "imagecopy_copy_seconds",
    "From the first POST of a copy to its end, by the reason of its Ready condition then.",
    ["outcome"],
    buckets=(60, 120, 300, 450, 600, 750, 900, 1200, 1800, 3600, 7200),
)
_detection_seconds = Histogram(
    "imagecopy_detection_seconds",
    "From the end of a job, by the cloud's clock, to its outcome being stored on the object.",
    buckets=(1, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300),
)
_loop_delay = Histogram(
    "imagecopy_event_loop_delay_seconds",
    "How late the event loop was at each of its beats, four a second.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_provider_ready = Gauge(
    "imagecopy_provider_ready",
    "1 if the last check of a provider in use found it Available, else 0; namespace is empty for a cluster's.",
    ["kind", "namespace", "name"],
)
_build = Gauge("imagecopy_build_info", "1; the labels tell the versions.", ["version", "python"])


def count_call(record: CallRecord) -> None:
    """Count one call to the cloud."""
    _calls.labels(record.call.value, record.error or "ok").inc()
    _seconds.labels(record.call.value).observe(record.seconds)


def count_event(event: Event) -> None:
    """Count one Event."""
    _events.labels(event.reason).inc()


def count_kubernetes_call(verb: str, code: str) -> None:
    """Count one call of the Kubernetes API."""
    _kubernetes_calls.labels(verb, code).inc()


def count_end(ended: Completion) -> None:
    """Count one copy that has ended."""
    _copy_seconds.labels(ended.reason.value).observe(ended.seconds)
    if ended.detection_seconds is not None:
        _detection_seconds.observe(ended.detection_seconds)


def observe_beat(late_seconds: float) -> None:
    """Record how late the event loop was at one beat."""
    _loop_delay.observe(late_seconds)


def provider_checked(kind: str, namespace: str, name: str, ready: bool | None) -> None:
    """Record what the check of a provider found; None if it is gone or no longer used.

    ``namespace`` is empty for a ClusterImageProvider. Each provider has one series, and these are made by hand.
    """
    if ready is None:
        _provider_ready.remove(kind, namespace, name)
    else:
        _provider_ready.labels(kind, namespace, name).set(ready)


def tell_build(version: str) -> None:
    """Report which version runs."""
    _build.labels(version, platform.python_version()).set(1)


class State(Collector):
    """The metrics that are read when Prometheus scrapes, instead of being counted as things happen."""

    def __init__(self, *, liveness: Liveness, phases: Callable[[], Mapping[Phase, int]], slots: Slots[Record]) -> None:
        """``phases`` returns how many ImageCopies there are of each phase."""
        self._liveness = liveness
        self._phases = phases
        self._slots = slots

    def collect(self) -> Iterable[Metric]:
        """Return the current values."""
        yield GaugeMetricFamily(
            "imagecopy_event_loop_lag_seconds",
            "How late the event loop was, the worst of the last minute.",
            self._liveness.loop.worst_lag_seconds,
        )
        yield GaugeMetricFamily(
            "imagecopy_watch_age_seconds",
            "How long ago the most silent watch gave a sign of life.",
            self._liveness.watches.age_seconds,
        )
        copies = GaugeMetricFamily("imagecopy_copies", "ImageCopies by phase.", labels=["phase"])
        for phase, count in self._phases().items():
            copies.add_metric([phase.value], count)
        yield copies
        used = GaugeMetricFamily("imagecopy_slots_used", "Copies that run in a project.", labels=["project"])
        limit = GaugeMetricFamily("imagecopy_slots_limit", "Copies that may run in a project.", labels=["project"])
        waiting = GaugeMetricFamily("imagecopy_slots_waiting", "Copies that wait for a slot.", labels=["project"])
        for project in sorted(self._slots.projects()):
            used.add_metric([project], self._slots.used(project))
            if (slots := self._slots.limit(project)) is not None:
                limit.add_metric([project], slots)
            waiting.add_metric([project], self._slots.waiting(project))
        yield from (used, limit, waiting)


@contextmanager
def telling(state: State, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Report this state, too, for as long as the context lasts."""
    registry.register(state)
    try:
        yield
    finally:
        registry.unregister(state)

"""What Eunomia tells of itself: few numbers, read when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from eunomia.pipeline.insight import Insight
from eunomia.sinks.push.pusher import Pushed
from eunomia.version import __version__

Samples = Mapping[tuple[str, ...], float]
_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
_ALWAYS_TOLD = ("ring full", "table full")
"""Causes of a loss that are there with 0 from the start: what appears later has never increased."""


@dataclass(frozen=True)
class Own:
    """A metric of Eunomia itself."""

    name: str
    kind: Literal["counter", "gauge"]
    description: str
    labels: tuple[str, ...] = ()


OWN = (
    Own("eunomia_build_info", "gauge", "1, with the version that runs", ("version",)),
    Own("eunomia_up", "gauge", "whether trackers are attached and read: 1 or 0"),
    Own("eunomia_events_total", "counter", "events that passed the filter in the kernel", ("tracker",)),
    Own("eunomia_events_delivered_total", "counter", "events that reached a sink", ("tracker", "sink")),
    Own("eunomia_events_filtered_total", "counter", "events that turned out not to be asked for", ("tracker", "sink")),
    Own("eunomia_events_lost_total", "counter", "events lost, by cause", ("tracker", "sink", "cause")),
    Own("eunomia_missed_total", "counter", "what kept events from being seen or attributed, how often", ("what",)),
    Own("eunomia_queue_events", "gauge", "events that wait for a sink", ("queue",)),
    Own("eunomia_queue_bytes", "gauge", "memory of the events that wait for a sink", ("queue",)),
    Own("eunomia_queue_max_bytes", "gauge", "bound on that memory; what comes then is lost", ("queue",)),
    Own("eunomia_queue_busy_seconds_total", "counter", "how long a sink has been handling events", ("queue",)),
    Own("eunomia_handler_seconds_total", "counter", "how long a step has been handling events", ("handler",)),
    Own("eunomia_ring_bytes", "gauge", "size of the kernel's buffer of a tracker that reports events", ("tracker",)),
    Own("eunomia_ring_used_bytes", "gauge", "how much of it is in use", ("tracker",)),
    Own("eunomia_containers", "gauge", "containers known, by state: running, or over for a short time", ("state",)),
    Own("eunomia_metric_series", "gauge", "series of a metric, as many as its bound at most", ("metric",)),
    Own("eunomia_metric_overflow_total", "counter", "additions that went to a metric's series other", ("metric",)),
    Own("eunomia_push_samples_total", "counter", "samples that a receiver of metrics has taken", ("receiver",)),
    Own("eunomia_push_retries_total", "counter", "requests to it that failed and are sent again", ("receiver",)),
    Own("eunomia_push_dropped_samples_total", "counter", "samples it will never get, by cause", ("receiver", "cause")),
    Own("eunomia_push_waiting_samples", "gauge", "samples that wait for it in memory", ("receiver",)),
)
"""All of them but those that prometheus-client has of every process (process_*)."""


class Itself(Collector):
    """Collects them.

    Args:
        insight: how the run goes; None before it does.
        containers: how many there are, by state.
        sizes: metric -> its series, and additions that found none of their own.
        pushed: receiver -> what has become of the samples that were sent to it.
    """

    def __init__(
        self,
        insight: Callable[[], Insight | None],
        containers: Callable[[], Mapping[str, int]],
        sizes: Callable[[], Mapping[str, tuple[int, int]]],
        pushed: Callable[[], Mapping[str, Pushed]] = dict,
    ) -> None:
        self._insight = insight
        self._containers = containers
        self._sizes = sizes
        self._pushed = pushed

    def collect(self) -> Iterable[Metric]:
        """The metrics as they are now."""
        now = {**self._of_exporter(), **_of_run(self._insight())}
        for own in OWN:
            family = _FAMILIES[own.kind](own.name, own.description, labels=own.labels)
            for labels, value in now.get(own.name, {}).items():
                family.add_metric(labels, value)
            yield family

    def describe(self) -> Iterator[Metric]:
        """Their names, which stay the same."""
        return (_FAMILIES[own.kind](own.name, own.description) for own in OWN)

    def _of_exporter(self) -> dict[str, Samples]:
        sizes, pushed = self._sizes(), self._pushed().items()
        return {
            "eunomia_build_info": {(__version__,): 1},
            "eunomia_containers": {(state,): number for state, number in self._containers().items()},
            "eunomia_metric_series": {(name,): series for name, (series, _) in sizes.items()},
            "eunomia_metric_overflow_total": {(name,): overflow for name, (_, overflow) in sizes.items()},
            "eunomia_push_samples_total": {(name,): counts.taken for name, counts in pushed},
            "eunomia_push_retries_total": {(name,): counts.retried for name, counts in pushed},
            "eunomia_push_dropped_samples_total": {
                (name, cause): samples for name, counts in pushed for cause, samples in counts.dropped.items()
            },
            "eunomia_push_waiting_samples": {(name,): counts.waiting for name, counts in pushed},
        }


def _of_run(run: Insight | None) -> dict[str, Samples]:
    if run is None:
        return {"eunomia_up": {(): 0}}
    lost: Counter[tuple[str, ...]] = Counter()
    for one in run.accounts:
        slow = (f"{one.sink} too slow",) if one.sink else ()
        known = dict.fromkeys((*_ALWAYS_TOLD, *slow), 0) | one.lost
        lost.update({(one.tracker, one.sink, cause): events for cause, events in known.items()})
    queues = run.queues.items()
    return {
        "eunomia_up": {(): float(not run.broken)},
        "eunomia_events_total": {(one.tracker,): one.emitted for one in run.accounts},
        "eunomia_events_delivered_total": {(one.tracker, one.sink): one.delivered for one in run.accounts},
        "eunomia_events_filtered_total": {(one.tracker, one.sink): one.filtered for one in run.accounts},
        "eunomia_events_lost_total": lost,
        "eunomia_missed_total": {(what,): times for what, times in run.missed.items()},
        "eunomia_queue_events": {(name,): queue.waiting_events for name, queue in queues},
        "eunomia_queue_bytes": {(name,): queue.waiting_bytes for name, queue in queues},
        "eunomia_queue_max_bytes": {(name,): queue.max_bytes for name, queue in queues},
        "eunomia_queue_busy_seconds_total": {(name,): queue.busy_s for name, queue in queues},
        "eunomia_handler_seconds_total": {(step,): seconds for step, seconds in run.spent.items()},
        "eunomia_ring_bytes": {(tracker,): size for tracker, (size, _) in run.rings.items()},
        "eunomia_ring_used_bytes": {(tracker,): used for tracker, (_, used) in run.rings.items()},
    }

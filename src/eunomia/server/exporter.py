"""The exporter: a run's metrics, over HTTP for Prometheus, and to those who get them without asking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from email.message import Message
from http import HTTPStatus
from threading import Lock

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from prometheus_client.openmetrics import exposition as openmetrics

from eunomia.agent import SinkFactory
from eunomia.config import PrometheusConfig, PushConfig, TrackerConfig
from eunomia.containers.container import ChangeKind, Container
from eunomia.errors import LostEventsError
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.insight import Insight
from eunomia.schema.alert import ALERT
from eunomia.schema.batch import Batch, Schema
from eunomia.server.containers import Directory
from eunomia.server.http import Answer, PageServer
from eunomia.server.itself import Itself
from eunomia.sinks.metrics import alerts
from eunomia.sinks.metrics.exposition import expose
from eunomia.sinks.metrics.snapshot import Snapshot, pairs, snapshots
from eunomia.sinks.metrics.store import MetricsSink, Store
from eunomia.sinks.push.making import receivers
from eunomia.sinks.push.pusher import Pushed, Pusher
from eunomia.trackers.declaration import Tracker

SINK = "prometheus"
"""What it is called among a run's sinks."""
_LATER_S = 60.0
_OPENMETRICS = "application/openmetrics-text"


class Exporter:
    """Serves /metrics, /healthz and /readyz from the moment it is made, and sends metrics to who wants them sent.

    Use it as a context manager, or close it.

    Args:
        config: where, and what.
        tell: takes lines for a person.

    Raises:
        UsageError: nobody can listen there, or something that is needed to send them is not there.
    """

    def __init__(self, config: PrometheusConfig, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._containers = Directory(config.expire_s + _LATER_S)
        self._store = Store(config.cap, config.expire_s, config.drop_labels, self._containers.known_of)
        self._alerts = self._store.sink(alerts.METRICS, ALERT)
        self._insight: Callable[[], Insight] | None = None
        self._first: dict[str, str] = {}  # tracker -> the label of its instance that is counted
        self._alerting, self._one_by_one = Lock(), Lock()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._pushers = [Pusher(one, self.snapshots, asked, tell) for one, asked in receivers(config)]
        own = Itself(self._look, self._containers.states, self._store.sizes, lambda: self.pushed)
        self._registry.register(own)
        pages = {"/metrics": self._metrics, "/healthz": self._health, "/readyz": self._ready}
        self._server = None if config.listen is None else PageServer(config.listen, pages, tell)
        for pusher in self._pushers:
            pusher.start()

    @property
    def url(self) -> str:
        """Where the metrics are; empty when nobody is served."""
        return "" if self._server is None else f"{self._server.url}/metrics"

    @property
    def pushes(self) -> dict[str, PushConfig]:
        """Where they are sent to, by protocol."""
        return {pusher.name: pusher.config for pusher in self._pushers}

    @property
    def pushed(self) -> dict[str, Pushed]:
        """What has become of the samples that were sent there, by protocol."""
        return {pusher.name: pusher.counts for pusher in self._pushers}

    def __enter__(self) -> Exporter:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Answers nobody and sends nothing any more: before the run ends that it asks. Again it does nothing."""
        for pusher in self._pushers:
            pusher.close()
        if self._server is not None:
            self._server.close()

    # What it is told.

    def beside(self, make_sink: SinkFactory) -> SinkFactory:
        """Makes the same sinks with one for metrics next to each that is counted; see `TrackerConfig.counted`."""

        def make(config: TrackerConfig, tracker: Tracker, schema: Schema) -> Mapping[str, Handler]:
            shown = make_sink(config, tracker, schema)
            named = {"output": shown} if isinstance(shown, Handler) else dict(shown)
            with ExitStack() as undo:
                for sink in named.values():
                    undo.callback(sink.close)
                counting = self._sink(config, tracker, schema)
                undo.pop_all()
            # Where events go nowhere else it is there in any case, for they have to be accounted for.
            return {**named, SINK: counting} if counting.counts or not named else named

        return make

    def _sink(self, config: TrackerConfig, tracker: Tracker, schema: Schema) -> MetricsSink:
        counts = config.counted
        if counts is None:
            first = self._first.setdefault(config.tracker, config.label)
            counts = first == config.label
            if not counts:
                self._tell(f"note: metrics count {first} and not {config.label}: both are {config.tracker}")
        return self._store.sink(tracker.metrics if counts else (), schema)

    def note(self, kind: ChangeKind, container: Container) -> None:
        """Something has happened to a container."""
        self._containers.note(kind, container)

    def alert(self, batch: Batch) -> None:
        """Counts alerts; any thread may tell of them."""
        try:
            with self._alerting:
                self._alerts.handle(batch)
                self._alerts.flush()
        except LostEventsError as error:  # the alerts themselves have gone where they are to go
            self._tell(f"note: {len(batch):,} alerts are not in eunomia_alerts_total: {error}")

    def watch(self, insight: Callable[[], Insight]) -> None:
        """The run has begun; from now on it is ready."""
        self._insight = insight

    # What it tells.

    def snapshots(self) -> list[Snapshot]:
        """All that /metrics tells, as it is now."""
        with self._one_by_one:
            return [*snapshots(self._store), *_own(self._registry)]

    def _look(self) -> Insight | None:
        return None if self._insight is None else self._insight()

    def _metrics(self, headers: Message) -> Answer:
        _, content_type = choose_encoder(headers.get("Accept", ""))
        with self._one_by_one:  # however many ask at once, no more than one processor is busy with it
            if content_type.startswith(_OPENMETRICS):
                text = expose(self._store, openmetrics=True).encode()
                return Answer(text + openmetrics.generate_latest(self._registry), openmetrics.CONTENT_TYPE_LATEST)
            text = expose(self._store, openmetrics=False).encode()
            return Answer(text + generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4)

    def _health(self, _headers: Message) -> Answer:
        """Alive: nothing has ended that should go on."""
        run = self._look()
        return _verdict(run.broken if run is not None else "")

    def _ready(self, _headers: Message) -> Answer:
        """Ready: trackers are attached and read."""
        run = self._look()
        return _verdict("trackers are not attached yet" if run is None else run.broken)


def _own(registry: CollectorRegistry) -> Iterator[Snapshot]:
    """Metrics that prometheus-client has collected: counters and gauges."""
    for family in registry.collect():
        counts = family.type == "counter"
        values = [(pairs(sample.labels), sample.value) for sample in family.samples]
        name = f"{family.name}_total" if counts else family.name
        yield Snapshot(name, "counter" if counts else "gauge", family.documentation, values)


def _verdict(wrong: str) -> Answer:
    if wrong:
        return Answer(f"{wrong}\n".encode(), status=HTTPStatus.SERVICE_UNAVAILABLE)
    return Answer(b"ok\n")

"""All metrics of a run: trackers' batches are added on the sinks' threads, and read on others."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from threading import Lock

import polars as pl

from eunomia.errors import LostEventsError
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.metric import Metric
from eunomia.sinks.metrics.family import OTHER, Family, Reading
from eunomia.sinks.metrics.plan import UNKNOWN, Addition, Plan

HOST = "host"
_ALWAYS = (HOST, OTHER, UNKNOWN)
_GATHER_S = 0.25
_GATHER_ROWS = 50_000


@dataclass(frozen=True)
class Known:
    """What runtimes say of a container, and whether it runs."""

    name: str = ""
    image: str = ""
    pod: str = ""
    namespace: str = ""
    runs: bool = True


KnownOf = Callable[[str], Known | None]
"""From a container's id, twelve digits, to what is known of it; None of one nobody has heard of."""


class Store:
    """Metrics by name. Any thread may use it.

    Args:
        cap: bound on each metric's series, see `Family`.
        expire_s: how long series of a container that is over stay after its last event.
        dropped: labels that are not told apart.
        known_of: what is known of containers.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        cap: int,
        expire_s: float,
        dropped: Collection[str] = (),
        known_of: KnownOf = lambda _container_id: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dropped = frozenset(dropped)
        self.known_of = known_of
        self._cap = cap
        self._expire_s = expire_s
        self._clock = clock
        self._lock = Lock()
        self._families: dict[str, Family] = {}
        self._last_s: dict[str, float] = {}

    def sink(self, metrics: Sequence[Metric], schema: Schema) -> MetricsSink:
        """Where batches of a source go.

        Raises:
            ValueError: two metrics of one name differ in kind, labels or buckets.
        """
        plan = Plan(metrics, schema, self.dropped)
        with self._lock:
            for metric in plan.metrics:
                known = self._families.setdefault(metric.name, Family(metric, self._cap)).metric
                if _shape(known) != _shape(metric):
                    raise ValueError(f"{metric.name} is declared twice, and differently")
        return MetricsSink(plan, self.add, self._clock)

    def add(self, additions: Sequence[tuple[Metric, Sequence[Addition]]]) -> None:
        """Adds what a batch has."""
        now_s = self._clock()
        for metric, added in additions:
            with self._lock:  # for each by itself: who reads never holds up a whole batch, nor the other way round
                family = self._families[metric.name]
                for addition in added:
                    family.add(addition)
                    self._last_s[addition.key[0]] = now_s

    def read(self) -> list[Reading]:
        """All metrics as they are now, without those of containers that have been over for long."""
        self._expire()
        with self._lock:
            names = list(self._families)
        readings = []
        for name in names:
            with self._lock:
                readings.append(self._families[name].read())
        return readings

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Metric -> how many series it has, and how many additions found none of their own."""
        with self._lock:
            return {name: (len(family), family.overflow) for name, family in self._families.items()}

    def _expire(self) -> None:
        end_s = self._clock() - self._expire_s
        with self._lock:
            quiet = [one for one, last_s in self._last_s.items() if last_s <= end_s and one not in _ALWAYS]
        over = {one for one in quiet if not self._runs(one)}
        if not over:
            return
        with self._lock:
            for family in self._families.values():
                family.forget(over.__contains__)
            for one in over:
                self._last_s.pop(one, None)

    def _runs(self, container_id: str) -> bool:
        known = self.known_of(container_id)
        return known is not None and known.runs


def _shape(metric: Metric) -> tuple[object, ...]:
    return metric.kind, tuple(metric.labels), metric.buckets


class MetricsSink(Handler):
    """Adds a source's batches to the store, several at once: a query costs as much for ten rows as for a thousand.

    Args:
        plan: what they add.
        add: takes it.
        clock: monotonic seconds.
    """

    def __init__(
        self, plan: Plan, add: Callable[[Sequence[tuple[Metric, Sequence[Addition]]]], None], clock: Callable[[], float]
    ) -> None:
        self._plan = plan
        self._add = add
        self._clock = clock
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0
        self._since_s = 0.0

    @property
    def counts(self) -> bool:
        """Whether there is anything to count in such batches."""
        return bool(self._plan.metrics)

    def handle(self, batch: Batch) -> Batch:
        """Takes a batch; its numbers are there within half a second."""
        if self.counts:
            if not self._waiting:
                self._since_s = self._clock()
            self._waiting.append(batch.frame.select(self._plan.columns))
            self._rows += len(batch)
            if self._rows >= _GATHER_ROWS:
                self._settle()
        return batch

    def tick(self) -> tuple[()]:
        """Adds what has waited for long enough."""
        if self._waiting and self._clock() - self._since_s >= _GATHER_S:
            self._settle()
        return ()

    def flush(self) -> tuple[()]:
        """Adds what is left."""
        if self._waiting:
            self._settle()
        return ()

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        rows, self._rows = self._rows, 0
        try:
            self._add(self._plan.additions(pl.concat(waiting)))
        except Exception as error:
            raise LostEventsError(f"metrics: {type(error).__name__}: {error}", rows) from error

"""One metric's series, bounded in number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from eunomia.schema.metric import Metric
from eunomia.sinks.metrics.plan import Addition, Example, Key

OTHER = "other"
"""The value of labels that were given up for want of room."""


@dataclass(slots=True)
class Series:
    """One series.

    Attributes:
        value: a counter's or gauge's; of a histogram the sum of what was observed.
        counts: of a histogram: how many were observed by bucket, each by itself; the last is what is above all.
        examples: by bucket; that of a counter is at 0.
    """

    value: float = 0
    counts: list[int] = field(default_factory=list)
    examples: dict[int, Example] = field(default_factory=dict)

    def copy(self) -> Series:
        """The same, which stays as it is."""
        return Series(self.value, list(self.counts), dict(self.examples))


class Family:
    """The series of a metric. Not for several threads.

    There are `cap` series at most that are told apart by all labels. What comes then is added to its container's
    series `other`, of which there are as many at most, and then to that of no container.

    Args:
        metric: its declaration.
        cap: the bound.

    Attributes:
        overflow: how many additions found no series of their own.
    """

    def __init__(self, metric: Metric, cap: int) -> None:
        self.metric = metric
        self.overflow = 0
        self._cap = cap
        self._told: dict[Key, Series] = {}
        self._others: dict[Key, Series] = {}
        self._last = (OTHER,) * (1 + len(metric.labels))

    def __len__(self) -> int:
        return len(self._told) + len(self._others)

    def __iter__(self) -> Iterator[tuple[Key, Series]]:
        yield from self._told.items()
        yield from self._others.items()

    def add(self, addition: Addition) -> None:
        """Adds to a series, or sets it."""
        series = self._told.get(addition.key)
        if series is None:
            series = self._place(addition.key)
        if series is None:
            return
        if self.metric.kind == "gauge":
            series.value = addition.amount
            return
        series.value += addition.amount
        if addition.count:
            series.counts[addition.bucket] += addition.count
        if addition.example is not None:
            series.examples[addition.bucket] = addition.example

    def _place(self, key: Key) -> Series | None:
        """A new series, or one that stands for others. Of a gauge there is none: a level of others means nothing."""
        if len(self._told) < self._cap:
            return self._told.setdefault(key, self._new())
        self.overflow += 1
        if self.metric.kind == "gauge":
            return None
        other = (key[0], *self._last[1:])
        if len(key) == 1 or (other not in self._others and len(self._others) >= self._cap):
            other = self._last
        return self._others.get(other) or self._others.setdefault(other, self._new())

    def _new(self) -> Series:
        return Series(counts=[0] * (len(self.metric.buckets) + 1) if self.metric.buckets else [])

    def forget(self, is_over: Callable[[str], bool]) -> None:
        """Removes the series of containers that are over."""
        for series in (self._told, self._others):
            for key in [key for key in series if is_over(key[0])]:
                del series[key]

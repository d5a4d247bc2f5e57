"""One metric's series, bounded in number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from eunomia.schema.metric import Metric
from eunomia.sinks.metrics.plan import Addition, Example, Key

OTHER = "other"
"""The value of labels that were given up for want of room."""


@dataclass(frozen=True)
class Reading:
    """A metric as it is at a moment.

    Attributes:
        values: of a counter or gauge by series; of a histogram the sum of what was observed.
        counts: of a histogram: how many were observed by bucket, each by itself; the last is what is above all.
        examples: by series and bucket; that of a counter is at 0.
    """

    metric: Metric
    values: Mapping[Key, float]
    counts: Mapping[Key, tuple[int, ...]]
    examples: Mapping[tuple[Key, int], Example]


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
        self._told: dict[Key, float] = {}
        self._others: dict[Key, float] = {}
        self._counts: dict[Key, list[int]] = {}
        self._examples: dict[tuple[Key, int], Example] = {}
        self._last = (OTHER,) * (1 + len(metric.labels))

    def __len__(self) -> int:
        return len(self._told) + len(self._others)

    def read(self) -> Reading:
        """A copy, which stays as it is. Numbers are held as such, since this holds up who adds."""
        values = self._told.copy()
        for key, value in self._others.items():  # a label may well have that value by itself
            values[key] = values.get(key, 0) + value
        counts = {key: tuple(numbers) for key, numbers in self._counts.items()}
        return Reading(self.metric, values, counts, self._examples.copy())

    def add(self, addition: Addition) -> None:
        """Adds to a series, or sets it."""
        key, table = addition.key, self._told
        if key not in table and len(table) >= self._cap:
            self.overflow += 1
            if self.metric.kind == "gauge":
                return  # a level of others means nothing
            key, table = self._other(key), self._others
        table[key] = addition.amount if self.metric.kind == "gauge" else table.get(key, 0) + addition.amount
        if addition.count:
            self._counts.setdefault(key, [0] * (len(self.metric.buckets) + 1))[addition.bucket] += addition.count
        if addition.example is not None:
            self._examples[key, addition.bucket] = addition.example

    def _other(self, key: Key) -> Key:
        own = (key[0], *self._last[1:])
        if len(key) > 1 and (own in self._others or len(self._others) < self._cap):
            return own
        return self._last

    def forget(self, is_over: Callable[[str], bool]) -> None:
        """Removes the series of containers that are over."""
        for table in (self._told, self._others, self._counts):
            for key in [key for key in table if is_over(key[0])]:
                del table[key]
        for key, bucket in [one for one in self._examples if is_over(one[0][0])]:
            del self._examples[key, bucket]

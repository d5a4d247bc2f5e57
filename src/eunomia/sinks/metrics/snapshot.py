"""Metrics at one moment as plain values: for those who send them, in whatever format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import add

from eunomia.schema.metric import Kind
from eunomia.sinks.metrics.exposition import upper_bound
from eunomia.sinks.metrics.shown import Form, shown
from eunomia.sinks.metrics.store import Store

Labels = tuple[tuple[str, str], ...]
"""Names and values; none is empty."""


@dataclass(frozen=True)
class Snapshot:
    """A metric as it is at a moment.

    Attributes:
        name: as Prometheus has it: that of a counter ends in `_total`.
        values: the series, each once; of a histogram the sum of what was observed.
        buckets: of a histogram: upper bounds, without infinity.
        counts: of a histogram: for each series how many were observed by bucket; the last is what is above all.
    """

    name: str
    kind: Kind
    description: str
    values: Sequence[tuple[Labels, float]]
    buckets: tuple[float, ...] = ()
    counts: Sequence[tuple[int, ...]] = ()

    def samples(self) -> Iterator[tuple[str, Labels, float]]:
        """The series as Prometheus would store them: of a histogram one for each bucket, the sum and the number."""
        if self.kind != "histogram":
            for labels, value in self.values:
                yield self.name, labels, value
            return
        bounds = [upper_bound(bound) for bound in (*self.buckets, float("inf"))]
        for (labels, value), counts in zip(self.values, self.counts, strict=True):
            observed = 0
            for bound, count in zip(bounds, counts, strict=True):
                observed += count
                yield f"{self.name}_bucket", (*labels, ("le", bound)), observed
            yield f"{self.name}_sum", labels, value
            yield f"{self.name}_count", labels, observed


def pairs(labels: Mapping[str, str]) -> Labels:
    """Labels, without those that are empty: to Prometheus they are none."""
    return tuple((name, value) for name, value in labels.items() if value)


_PAIRS: Form[Labels] = Form(pairs, add)


def snapshots(store: Store) -> Iterator[Snapshot]:
    """All metrics of a store, as they are shown to who scrapes it."""
    for one in shown(store, _PAIRS):
        metric, reading = one.reading.metric, one.reading
        values = [(labels, reading.values[key]) for labels, key in one.series]
        counts = [reading.counts[key] for _, key in one.series] if metric.kind == "histogram" else ()
        yield Snapshot(metric.name, metric.kind, metric.description, values, metric.buckets, counts)


def pieces(metrics: Sequence[Snapshot], most: int) -> Iterator[list[Snapshot]]:
    """The same series in pieces of at most so many."""
    piece: list[Snapshot] = []
    room = most
    for one in metrics:
        begin = 0
        while begin < len(one.values):
            part = slice(begin, begin + room)
            piece.append(replace(one, values=one.values[part], counts=one.counts[part]))
            begin, room = begin + room, room - len(piece[-1].values)
            if not room:
                yield piece
                piece, room = [], most
    if piece:
        yield piece

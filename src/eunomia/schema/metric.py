"""Metrics: what a tracker's batches add up to, declared as expressions over their columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import polars as pl

Kind = Literal["counter", "gauge", "histogram"]

CONTAINER = "container_id"
BASE_LABELS: Mapping[str, str] = {
    CONTAINER: "the container's id, twelve digits; `host` outside of containers, `other` beyond a metric's bound",
    "container_name": "the container's name as its runtime says it; the same two words outside and beyond",
    "image": "the container's image",
    "pod": "the Kubernetes pod it belongs to",
    "namespace": "that pod's namespace",
}
"""The labels that every container metric has; all but the id are known when somebody asks. None is there when empty."""

_NAME = re.compile(r"eunomia_[a-z][a-z0-9_]*")
_LABEL = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric of containers, made from the batches of one source: those that have all columns it needs.

    The same name may be declared twice, for batches of different columns, with the same kind and labels.

    Attributes:
        name: as Prometheus' guidelines have it: base units, and a counter ends in `_total`.
        kind: counter, gauge or histogram.
        description: one line.
        value: a counter: what each row adds; a gauge: what it is from then on; a histogram: what is observed. Without
            one each row counts as 1. Rows for which it is null are left out.
        where: which rows it is about; all without it.
        labels: further labels -> column or expression. Their values must be few: never a pid, path, address or time.
        buckets: a histogram's upper bounds, ascending, without infinity.
        weight: how many observations a row stands for, in a histogram; one without it.
        mean: what a row's observations are on average, in a histogram whose values are but the bounds of what was
            observed: its sum is made of this. Of the row as it is before `each` takes it apart.
        each: columns that are lists, of the same length in each row: each of their elements is a row by itself.
        exemplar: columns that tell of the last event behind a number, such as its pid; for OpenMetrics only.
    """

    name: str
    kind: Kind
    description: str
    value: pl.Expr | None = None
    where: pl.Expr | None = None
    labels: Mapping[str, str | pl.Expr] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    weight: pl.Expr | None = None
    mean: pl.Expr | None = None
    each: tuple[str, ...] = ()
    exemplar: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name}: a metric's name begins with eunomia_ and has small letters, digits and _")
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: counters, and they alone, end in _total")
        if any(label in BASE_LABELS or label == "le" or not _LABEL.fullmatch(label) for label in self.labels):
            raise ValueError(f"{self.name}: labels {', '.join(self.labels)}: one is taken, or no name")
        if (self.kind == "histogram") != bool(self.buckets) or list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"{self.name}: a histogram, and it alone, has buckets, in ascending order")
        if self.mean is not None and self.kind != "histogram":
            raise ValueError(f"{self.name}: a histogram alone has a mean")
        if self.kind != "counter" and self.value is None:
            raise ValueError(f"{self.name}: a {self.kind} has a value")

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns that a batch has to have for it."""
        return frozenset((CONTAINER, *self.each, *self.exemplar, *(("time",) if self.exemplar else ()), *self._roots()))

    def _roots(self) -> Iterator[str]:
        for one in (self.value, self.where, self.weight, self.mean, *self.labels.values()):
            if isinstance(one, str):
                yield one
            elif one is not None:
                yield from one.meta.root_names()

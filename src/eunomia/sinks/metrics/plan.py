"""From a batch to what it adds: few queries for all metrics of a source, each a group-by over the whole batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from eunomia.schema.batch import Schema
from eunomia.schema.metric import CONTAINER, Metric

_MEAN = "mean of observations"
_ROUNDED = 1 + 2**-48  # Polars divides by multiplying with the reciprocal: 4000 / 1e9 is a little more than 4e-06
UNKNOWN = "unknown"
"""What stands for a label that a row does not tell."""
Key = tuple[str, ...]
"""The container's id and the values of a metric's own labels."""


@dataclass(frozen=True, slots=True)
class Example:
    """The last event behind a number: what tells of it, what was observed, and when (seconds since 1970)."""

    labels: tuple[tuple[str, str], ...]
    value: float
    time_s: float


@dataclass(frozen=True, slots=True)
class Addition:
    """What a batch adds to one series.

    Attributes:
        amount: of a counter, or of a histogram the sum of what was observed; of a gauge its value from now on.
        bucket: of a histogram: which bucket; the number of them for what is above all.
        count: of a histogram: how many were observed.
    """

    key: Key
    amount: float
    bucket: int = 0
    count: int = 0
    example: Example | None = None


class Plan:
    """What batches of one schema add to metrics. Those that lack a column are left out.

    Args:
        metrics: of the source.
        schema: the columns its batches have.
        dropped: labels that are not told apart.

    Attributes:
        metrics: those that there will be.
        columns: the columns that are looked at.
    """

    def __init__(self, metrics: Sequence[Metric], schema: Schema, dropped: Collection[str] = ()) -> None:
        self.metrics = tuple(metric for metric in metrics if all(name in schema for name in metric.columns))
        self.columns = sorted({name for metric in self.metrics for name in metric.columns})
        alike: dict[object, list[Metric]] = {}
        for metric in self.metrics:
            # Without labels, the rows of all of them are grouped alike: one query for all.
            alike.setdefault("plain" if _is_plain(metric) else metric, []).append(metric)
        self._queries = [_Query(members, dropped) for members in alike.values()]

    def additions(self, frame: pl.DataFrame) -> list[tuple[Metric, list[Addition]]]:
        """What these rows add to each metric."""
        made = pl.collect_all([query.over(frame.lazy()) for query in self._queries])
        return [found for query, rows in zip(self._queries, made, strict=True) for found in query.read(rows)]


def _is_plain(metric: Metric) -> bool:
    return metric.kind != "histogram" and not metric.labels and not metric.each and not metric.exemplar


class _Query:
    """Metrics whose rows are grouped alike: any number of plain counters and gauges, or one of another kind.

    Columns of the result: k0, k1 … the key; b the bucket; v0, v1 … the values; n how many; x0, x1 … the example.
    """

    def __init__(self, metrics: Sequence[Metric], dropped: Collection[str]) -> None:
        self._metrics = tuple(metrics)
        self._one = metrics[0]
        if self._one.kind == "gauge":
            dropped = ()  # levels are added up when they are read, each as it is then
        labels = {name: given for name, given in self._one.labels.items() if name not in dropped}
        sources = [CONTAINER, *labels.values()]
        keys = [pl.col(one) if isinstance(one, str) else one for one in sources]
        self._keys = [key.cast(pl.String).fill_null(UNKNOWN).alias(f"k{number}") for number, key in enumerate(keys)]
        self._dropped = tuple(name in dropped for name in self._one.labels)
        self._is_plain = _is_plain(self._one)

    def over(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The query."""
        if self._is_plain:
            values = [_amount(metric).alias(f"v{number}") for number, metric in enumerate(self._metrics)]
            return rows.group_by(self._keys).agg(values)
        return self._alone(self._one, rows)

    def _alone(self, metric: Metric, rows: pl.LazyFrame) -> pl.LazyFrame:
        value = pl.lit(1) if metric.value is None else metric.value
        mean = value if metric.mean is None else pl.col(_MEAN)
        if metric.mean is not None:
            rows = rows.with_columns(metric.mean.alias(_MEAN))
        if metric.each:
            rows = rows.explode(metric.each)
        if metric.where is not None:
            rows = rows.filter(metric.where)
        rows = rows.select(
            *self._keys,
            value.alias("v"),
            mean.alias("m"),
            (pl.lit(1) if metric.weight is None else metric.weight).alias("w"),
            *(pl.col(name).alias(f"x{number}") for number, name in enumerate(_told(metric))),
        ).filter(pl.col("v").is_not_null())
        keys = [pl.col(f"k{number}") for number in range(len(self._keys))]
        example = [pl.col(f"x{number}").last() for number in range(len(_told(metric)))]
        if metric.kind == "histogram":
            bucket = pl.sum_horizontal(pl.col("v") > bound * _ROUNDED for bound in metric.buckets).alias("b")
            added = [(pl.col("m") * pl.col("w")).sum().alias("v0"), pl.col("w").sum().alias("n")]
            last = pl.col("v").last().alias("last")
            return rows.filter(pl.col("w") > 0).group_by(*keys, bucket).agg(*added, last, *example)
        amount = pl.col("v").last() if metric.kind == "gauge" else pl.col("v").sum()
        return rows.group_by(keys, maintain_order=metric.kind == "gauge").agg(amount.alias("v0"), *example)

    def read(self, rows: pl.DataFrame) -> Iterator[tuple[Metric, list[Addition]]]:
        """What the result says, for each metric. A handful of rows: as many as there are series."""
        keys = [self._key(row) for row in rows.select(f"k{number}" for number in range(len(self._keys))).iter_rows()]
        for number, metric in enumerate(self._metrics):
            amounts = rows[f"v{number}"].to_list()
            if self._is_plain:
                told = zip(keys, amounts, strict=True)
                yield metric, [Addition(key, amount) for key, amount in told if amount is not None]
            else:
                yield metric, self._additions(metric, keys, amounts, rows)

    def _key(self, row: tuple[str, ...]) -> Key:
        """A label that is not told apart has no value."""
        values = iter(row)
        return (next(values), *("" if dropped else next(values) for dropped in self._dropped))

    @staticmethod
    def _additions(metric: Metric, keys: list[Key], amounts: list[float], rows: pl.DataFrame) -> list[Addition]:
        nothing = [0] * len(keys)
        is_histogram = metric.kind == "histogram"
        buckets, counts = (rows[name].to_list() if is_histogram else nothing for name in ("b", "n"))
        observed = rows["last"].to_list() if is_histogram else [1.0] * len(keys)
        told = _told(metric)
        rest = [rows[f"x{number}"] for number in range(len(told))]
        examples = (
            [_example(told, event, value) for event, value in zip(zip(*rest, strict=True), observed, strict=True)]
            if rest
            else [None] * len(keys)
        )
        return [Addition(*one) for one in zip(keys, amounts, buckets, counts, examples, strict=True)]


def _told(metric: Metric) -> tuple[str, ...]:
    return ("time", *metric.exemplar) if metric.exemplar else ()


def _example(names: Sequence[str], event: Sequence[Any], value: float) -> Example:
    labels = tuple((name, str(one)) for name, one in zip(names[1:], event[1:], strict=True) if one is not None)
    return Example(labels, value, event[0].timestamp())


def _amount(metric: Metric) -> pl.Expr:
    """Of a group: what it adds, 0 where it is not about any of its rows; null where none of these tells its value."""
    if metric.value is None:
        return pl.len() if metric.where is None else metric.where.sum()
    told = metric.value if metric.where is None else metric.value.filter(metric.where)
    if metric.kind == "gauge":
        return told.drop_nulls().last()
    return pl.when((told.len() == 0) | (told.count() > 0)).then(told.sum())

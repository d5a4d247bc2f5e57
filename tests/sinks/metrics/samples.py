"""Events with a few labels, and metrics of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from eunomia.schema.batch import Batch, Schema
from eunomia.schema.metric import Metric
from eunomia.schema.semantic import Column
from eunomia.sinks.metrics.store import Known, Store

NOON_NS = 1_700_000_000_000_000_000
SCHEMA = Schema(
    (
        Column("time", pl.Datetime("ns", "UTC"), "when", "time"),
        Column("container_id", pl.String, "id"),
        Column("event", pl.Enum(["open", "read", "fail"]), "what"),
        Column("pid", pl.UInt32, "process"),
        Column("bytes", pl.UInt64, "how much"),
        Column("error", pl.String, "why"),
        Column("seconds", pl.Float64, "how long"),
        Column("outcomes", pl.List(pl.String), "NAME:TIMES each"),
        Column("bounds", pl.List(pl.Float64), "upper bounds"),
        Column("counts", pl.List(pl.UInt64), "how many below each"),
    )
)
_EVENT = pl.col("event")
_OUTCOME = pl.col("outcomes").str.split(":")
OPENS = Metric("eunomia_opens_total", "counter", "opens", where=_EVENT == "open")
BYTES = Metric("eunomia_bytes_total", "counter", "bytes", value=pl.col("bytes"))
FAILURES = Metric(
    "eunomia_failures_total",
    "counter",
    "failures",
    where=_EVENT == "fail",
    labels={"event": "event", "error": "error"},
    exemplar=("pid",),
)
SECONDS = Metric(
    "eunomia_seconds",
    "histogram",
    "seconds",
    value=pl.col("seconds"),
    buckets=(0.1, 1.0),
    exemplar=("pid",),
)
LEVEL = Metric("eunomia_level_bytes", "gauge", "level", value=pl.col("bytes"))
OUTCOMES = Metric(
    "eunomia_outcomes_total",
    "counter",
    "outcomes",
    value=_OUTCOME.list.last().cast(pl.UInt64),
    labels={"outcome": _OUTCOME.list.first()},
    each=("outcomes",),
)
COUNTED = Metric(
    "eunomia_counted_seconds",
    "histogram",
    "observed in the kernel",
    value=pl.col("bounds"),
    weight=pl.col("counts"),
    each=("bounds", "counts"),
    buckets=(0.1, 1.0),
)
METRICS = (OPENS, BYTES, FAILURES, SECONDS, LEVEL, OUTCOMES, COUNTED)


class Clock:
    """Seconds as one likes."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def batch(*rows: dict[str, Any], schema: Schema = SCHEMA) -> Batch:
    """Events; what a row leaves out is null, but for the time."""
    columns = {
        column.name: pl.Series(
            [row.get(column.name, NOON_NS if column.name == "time" else None) for row in rows], strict=False
        ).cast(column.dtype)
        for column in schema
    }
    return Batch("test", schema, pl.DataFrame(columns))


def store(metrics: Iterable[Metric] = METRICS, *, cap: int = 1000, **others: Any) -> tuple[Store, Any]:
    """One, and the sink of events."""
    made = Store(cap, 300.0, **others)
    return made, made.sink(tuple(metrics), SCHEMA)


def feed(sink: Any, *batches: Batch) -> None:
    """Adds batches at once."""
    for one in batches:
        sink.handle(one)
    sink.flush()


def values(of: Store, name: str) -> dict[tuple[str, ...], float]:
    """A metric's series."""
    (reading,) = (one for one in of.read() if one.metric.name == name)
    return dict(reading.values)


RUNNING = Known("web", "nginx:1", "shop", "prod")

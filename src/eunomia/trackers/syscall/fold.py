"""What was counted for each outcome, as one row for each call of a process, the most frequent first."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

_KEY = ("pid", "cgroup_id", "comm", "syscall", "abi", "nr")
_OUTCOME = "error"
_LATENCIES = ("total_latency", "max_latency")
_ADDED = ("count", *_LATENCIES)
_ERRORS = Column("errors", pl.UInt64, "how many of these calls failed")
_ERRNOS = Column("errnos", pl.List(pl.String), "how they failed and how often, the most frequent first")


class Fold(Handler):
    """Rows of one call of a process that differ in their outcome, or in whose threads made it, become one.

    Args:
        schema: the columns as they are counted.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = self.columns(schema)
        # What else there is to tell is told of the first of these calls.
        others = [column.name for column in schema if column.name not in (*_KEY, _OUTCOME, *_ADDED)]
        added = [pl.col("count").sum(), pl.col("total_latency").sum(), pl.col("max_latency").max()]
        failed = pl.col(_OUTCOME).is_not_null()
        named = pl.format("{}:{}", pl.col(_OUTCOME).cast(pl.String), "count")
        self._outcomes = [pl.col(others).first(), *added]
        self._calls = [
            pl.col(others).get(pl.col("time").arg_min()),
            *added,
            pl.col("count").filter(failed).sum().alias(_ERRORS.name),
            named.filter(failed).alias(_ERRNOS.name),
        ]

    def columns(self, schema: Schema) -> Schema:
        """The outcome gives way to how many failed, and how."""
        without = Schema(tuple(column for column in schema if column.name != _OUTCOME))
        return without.insert((_ERRORS, _ERRNOS), after="count")

    def handle(self, batch: Batch) -> Batch:
        """Folds the rows of an interval."""
        folded = (
            batch.frame.lazy()
            .sort("time")
            .group_by(*_KEY, _OUTCOME)
            .agg(self._outcomes)
            .sort("count", descending=True, maintain_order=True)
            .group_by(*_KEY, maintain_order=True)
            .agg(self._calls)
            .sort("count", descending=True, maintain_order=True)
            .with_columns(pl.when(pl.col(name) > 0).then(name) for name in _LATENCIES)  # none of them was timed
            .select(column.name for column in self._schema)
        )
        return Batch(batch.source, self._schema, folded.collect())

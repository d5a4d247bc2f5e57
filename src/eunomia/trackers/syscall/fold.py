"""What was counted for each outcome, as one row for each call of a process, the most frequent first."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

_KEY = ("pid", "cgroup_id", "syscall", "abi", "nr")
_FIRST = ("time", "tid", "ppid", "uid", "gid", "mnt_ns", "pid_ns", "user_ns", "comm")
_OUTCOME = "error"
_ERRORS = Column("errors", pl.UInt64, "how many of these calls failed")
_ERRNOS = Column("errnos", pl.List(pl.String), "how they failed and how often, the most frequent first")


class Fold(Handler):
    """Rows of one call of a process that differ in their outcome become one.

    Args:
        schema: the columns as they are counted.
        top: how many rows of a batch are kept; 0 keeps all.
    """

    def __init__(self, schema: Schema, top: int) -> None:
        self._schema = self.columns(schema)
        self._top = top
        failed = pl.col(_OUTCOME).is_not_null()
        self._together = [
            pl.col(_FIRST).sort_by("time").first(),
            pl.col("count").sum(),
            pl.col("total_latency").sum().replace(0, None),  # none was timed
            pl.col("max_latency").max(),
            pl.col("count").filter(failed).sum().alias("errors"),
            pl.format("{}:{}", pl.col(_OUTCOME).cast(pl.String), pl.col("count"))
            .filter(failed)
            .sort_by(pl.col("count").filter(failed), descending=True)
            .alias("errnos"),
        ]

    def columns(self, schema: Schema) -> Schema:
        """The outcome gives way to how many failed, and how."""
        without = Schema(tuple(column for column in schema if column.name != _OUTCOME))
        return without.insert((_ERRORS, _ERRNOS), after="count")

    def handle(self, batch: Batch) -> Batch:
        """Folds the rows of an interval."""
        folded = batch.frame.group_by(_KEY, maintain_order=True).agg(self._together).sort("count", descending=True)
        kept = folded.head(self._top) if self._top else folded
        return Batch(batch.source, self._schema, kept.select(column.name for column in self._schema))

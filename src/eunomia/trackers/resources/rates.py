"""What the figures of a row come to, as people and alerts ask for it."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

CPU = Column("cpu_percent", pl.Float64, "CPU time used since the row before, in per cent of one CPU")
CPU_LIMIT = Column("cpu_limit_percent", pl.Float64, "its CPU limit in per cent of one CPU; none without one")
_DIGITS = 2


def _percent(part: str, whole: str) -> pl.Expr:
    ratio = pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))
    return (ratio * 100).round(_DIGITS)


class Rates(Handler):
    """Adds the CPU use over the interval, and what of it is allowed.

    Args:
        schema: of the batches that come.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = self.columns(schema)

    def columns(self, schema: Schema) -> Schema:
        """Both in front of the CPU time."""
        return schema.insert((CPU, CPU_LIMIT), after="time_change")

    def handle(self, batch: Batch) -> Batch:
        """The same rows with them."""
        made = batch.frame.with_columns(
            _percent("cpu_time_change", "time_change").alias(CPU.name),
            _percent("cpu_quota", "cpu_period").alias(CPU_LIMIT.name),
        )
        return Batch(batch.source, self._schema, made.select(column.name for column in self._schema))

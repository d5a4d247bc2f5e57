"""The histogram of a row as people and machines read it."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.trackers.histogram import bounds_column, bounds_us, in_short

SLOTS = "slots"
BOUNDS = Column("bounds", pl.List(pl.UInt64), "how long requests took at most, in nanoseconds; the last has no bound")
COUNTS = Column("counts", pl.List(pl.UInt64), "how many took so long, and longer than the bound before")
HISTOGRAM = Column("histogram", pl.String, "the same in short: at most so long, and how many")


class Fold(Handler):
    """Gives the histogram's bounds a column of their own, and a readable form of what is in it.

    Args:
        schema: the columns as they are counted.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = self.columns(schema)
        kind = schema[SLOTS].dtype
        us = bounds_us(kind.shape[0] if isinstance(kind, pl.Array) else 0)
        self._bounds = bounds_column(us)
        self._histogram = in_short(SLOTS, us)

    def columns(self, schema: Schema) -> Schema:
        """Bounds, counts and histogram instead of the slots."""
        added = schema.insert((BOUNDS, COUNTS, HISTOGRAM), after=SLOTS)
        return Schema(tuple(column for column in added if column.name != SLOTS))

    def handle(self, batch: Batch) -> Batch:
        """The rows, those with most requests first."""
        made = batch.frame.sort("count", descending=True, maintain_order=True).with_columns(
            self._bounds.alias(BOUNDS.name),
            pl.col(SLOTS).arr.to_list().alias(COUNTS.name),
            self._histogram.alias(HISTOGRAM.name),
        )
        return Batch(batch.source, self._schema, made.select(column.name for column in self._schema))

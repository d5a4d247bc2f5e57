"""How long reads and writes took, with `--latency`: two histograms for each row, as people and machines read them."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.trackers.histogram import bounds_column, bounds_us, in_short

SLOTS = 12
"""As many as the program has; a test compares."""
US = bounds_us(SLOTS, 4)
BOUNDS = Column("bounds", pl.List(pl.UInt64), "how long calls took at most, in nanoseconds; the last has no bound")
_MADE = {
    "read_slots": (
        Column("read_counts", pl.List(pl.UInt64), "how many reads took so long, and longer than the bound before"),
        Column("read_histogram", pl.String, "the same in short: at most so long, and how many"),
    ),
    "write_slots": (
        Column("write_counts", pl.List(pl.UInt64), "how many writes took so long, and longer than the bound before"),
        Column("write_histogram", pl.String, "the same in short: at most so long, and how many"),
    ),
}
COUNTED = tuple(_MADE)
"""The columns of slots, as they are counted."""


class Histograms(Handler):
    """Puts bounds, counts and a readable form in the place of the slots.

    Args:
        schema: the columns before it.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = self.columns(schema)
        self._made = [bounds_column(US).alias(BOUNDS.name)]
        for slots, (counts, histogram) in _MADE.items():
            self._made += [pl.col(slots).arr.to_list().alias(counts.name), in_short(slots, US).alias(histogram.name)]

    def columns(self, schema: Schema) -> Schema:
        """What is made instead of what is counted."""
        added = schema.insert((BOUNDS, *(column for made in _MADE.values() for column in made)), after=COUNTED[-1])
        return Schema(tuple(column for column in added if column.name not in COUNTED))

    def handle(self, batch: Batch) -> Batch:
        """The same rows with them."""
        made = batch.frame.with_columns(self._made)
        return Batch(batch.source, self._schema, made.select(column.name for column in self._schema))

"""The histogram of a row as people and machines read it."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

SLOTS = "slots"
BOUNDS = Column("bounds", pl.List(pl.UInt64), "how long requests took at most, in nanoseconds; the last has no bound")
COUNTS = Column("counts", pl.List(pl.UInt64), "how many took so long, and longer than the bound before")
HISTOGRAM = Column("histogram", pl.List(pl.String), "the same in short: at most so long, and how many")
_LATENCIES = ("total_latency", "max_latency")


def _short(bound_us: int) -> str:
    """A power of two of microseconds, in the unit people would choose."""
    for unit, size in (("s", 1 << 20), ("ms", 1 << 10)):
        if bound_us >= size:
            return f"{bound_us // size}{unit}"
    return f"{bound_us}µs"


class Fold(Handler):
    """Gives the histogram's bounds a column of their own, and a readable form of what is in it.

    Args:
        schema: the columns as they are counted.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = self.columns(schema)
        kind = schema[SLOTS].dtype
        self._slots = kind.shape[0] if isinstance(kind, pl.Array) else 0
        us = [1 << slot for slot in range(self._slots)]
        self._bounds = pl.lit(pl.Series([[one * 1000 for one in us]], dtype=BOUNDS.dtype)).first()
        names = [f"≤{_short(one)}" for one in us]
        names[-1] = f">{_short(us[-2])}"
        told = [pl.format("{}:{}", pl.lit(name), pl.col(SLOTS).arr.get(slot)) for slot, name in enumerate(names)]
        there = [pl.when(pl.col(SLOTS).arr.get(slot) > 0).then(text) for slot, text in enumerate(told)]
        self._histogram = pl.concat_list(there).list.drop_nulls()

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

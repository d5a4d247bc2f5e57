"""Rows of numbers that were met, as the kernel keeps them, become one row for each use; each is told once."""

from __future__ import annotations

import numpy as np
import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.schema.syscalls import ENTRY_CODES, NAMES, positions

MOST_VALUES = 128
"""Of one argument; with more nothing is said of its values."""
MOST_TOLD = 1 << 18
_ABIS = ("native", "compat32", "x32")
_ADDED = (
    Column("abi", pl.Enum(_ABIS), "native, compat32: by the 32-bit entry, or x32"),
    Column("syscall", pl.Enum(NAMES), "the call's name; none where the machine has no call of that number"),
    Column("nr", pl.UInt32, "the call's number at that entry"),
    Column("argument", pl.UInt8, "which of its arguments, from 0; none in the row of the call itself"),
    Column("value", pl.UInt64, "a value of that argument; none where there were too many to tell them"),
)
_COUNTED = ("page", "pages", "code", "argument", "too_many", "seen")
_OF_CALLS = 0xFFFF  # SYSCALL_NONE
_OF_ARGUMENT = ["cgroup_id", "phase", "code", "argument"]
_USE = [*_OF_ARGUMENT, "value"]


class Fold(Handler):
    """Tells each use once for each cgroup and phase.

    Args:
        schema: the columns as they are counted.
        repeat: whether it is told again in each interval that it is met in.
        most_values: told of one argument; where there are more, one row without a value says so, and then no more.
        most_told: that are remembered; with more, those of cgroups at rest are forgotten, and may be told again.
    """

    def __init__(
        self, schema: Schema, *, repeat: bool, most_values: int = MOST_VALUES, most_told: int = MOST_TOLD
    ) -> None:
        self._repeat = repeat
        self._most_values = most_values
        self._most_told = most_told
        self._told = _uses(pl.DataFrame(schema=schema.polars())).select(_USE)
        self._names = pl.Series(NAMES, dtype=pl.Enum(NAMES))
        self._abis = pl.Series(_ABIS, dtype=pl.Enum(_ABIS))
        places = pl.Series(positions(), dtype=pl.UInt32)
        self._positions = places.set(places == len(NAMES), None)

    def columns(self, schema: Schema) -> Schema:
        """The numbers give way to the use."""
        kept = tuple(column for column in schema if column.name not in _COUNTED)
        return Schema((*kept, *_ADDED))

    def handle(self, batch: Batch) -> Batch:
        """The uses of an interval that have not been told."""
        uses = self._new(_uses(batch.frame))
        if not self._repeat:
            self._remember(uses)
        schema = self.columns(batch.schema)
        return Batch(batch.source, schema, self._named(uses).select(column.name for column in schema))

    def _new(self, uses: pl.DataFrame) -> pl.DataFrame:
        """Without what has been told, and without values of arguments that have too many of them."""
        value = pl.col("value")
        known = self._told.group_by(_OF_ARGUMENT).agg(
            value.count().alias("before"), value.is_null().any().alias("over")
        )
        many = value.is_null().any() | (value.count() + pl.col("before").fill_null(0).first() > self._most_values)
        return (
            uses.join(self._told, on=_USE, how="anti", nulls_equal=True)
            .join(known, on=_OF_ARGUMENT, how="left", nulls_equal=True)
            .filter(pl.col("over").not_().fill_null(True))
            .with_columns(value=pl.when(many.over(_OF_ARGUMENT).not_()).then(value))
            .unique(_USE, keep="first", maintain_order=True)
        )

    def _remember(self, uses: pl.DataFrame) -> None:
        self._told = pl.concat([self._told, uses.select(_USE)])
        if self._told.height > self._most_told:
            self._told = self._told.join(uses.select("cgroup_id").unique(), on="cgroup_id", how="semi")

    def _named(self, uses: pl.DataFrame) -> pl.DataFrame:
        code = uses["code"]
        names = self._names.gather(self._positions.gather(code)).alias("syscall")
        abis = self._abis.gather(code // ENTRY_CODES).alias("abi")
        named = uses.with_columns(names, abis, (code % ENTRY_CODES).alias("nr"))
        return named.sort("cgroup_id", "phase", "abi", "syscall", "nr", "argument", "value")


def _uses(frame: pl.DataFrame) -> pl.DataFrame:
    """One row for each number that was met, and for each argument of which there were too many."""
    seen = frame["seen"].to_numpy()
    rows, places = np.nonzero(seen)
    number = pl.col("page") * seen.shape[1] + pl.col("place")
    is_call = pl.col("code") == _OF_CALLS
    met = frame.drop("seen")[rows].with_columns(place=pl.Series(places, dtype=pl.UInt64)).with_columns(value=number)
    over = frame.drop("seen").filter("too_many").with_columns(value=pl.lit(None, pl.UInt64))
    return pl.concat([met, over], how="diagonal").with_columns(
        pl.when(is_call).then("value").otherwise("code").cast(pl.UInt32).alias("code"),
        pl.when(~is_call).then("argument").alias("argument"),
        pl.when(~is_call).then("value").alias("value"),
    )

"""Rows of numbers that were met, as the kernel keeps them, become one row for each use; each is told once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.schema.syscalls import ENTRY_CODES, NAMES, positions
from eunomia.trackers.usage.marks import Marks

MOST_VALUES = 128
"""Of one argument; with more nothing is said of its values."""
MOST_ROWS = 1 << 16
"""Of the kernel's that are remembered, 256 bytes each."""
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
_ARGUMENT = ["cgroup_id", "phase", "code", "argument"]


class Fold(Handler):
    """Tells each use once for each cgroup and phase.

    Args:
        schema: the columns as they are counted.
        repeat: whether it is told again in each interval that it is met in.
        most_values: told of one argument; where there are more, one row without a value says so, and then no more.
        most_rows: of the kernel's that are remembered; with more, cgroups at rest are forgotten, and may be told again.
    """

    def __init__(
        self, schema: Schema, *, repeat: bool, most_values: int = MOST_VALUES, most_rows: int = MOST_ROWS
    ) -> None:
        self._marks = None if repeat else Marks()
        self._most_values = most_values
        self._most_rows = most_rows
        types = {"cgroup_id": pl.UInt64, "phase": schema["phase"].dtype, "code": pl.UInt32, "argument": pl.UInt8}
        self._told = pl.DataFrame(schema={**types, "values": pl.UInt32})  # how many of each argument
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
        met = batch.frame["seen"].to_numpy() != 0
        new = met if self._marks is None else self._marks.unmarked(batch.frame, met)
        uses = self._few_values(_uses(batch.frame.drop("seen"), new))
        self._forget_all_but(batch.frame.select("cgroup_id").unique())
        schema = self.columns(batch.schema)
        return Batch(batch.source, schema, self._named(uses).select(column.name for column in schema))

    def _forget_all_but(self, at_work: pl.DataFrame) -> None:
        if self._marks is not None and len(self._marks) > self._most_rows:
            self._marks.keep(at_work)
            self._told = self._told.join(at_work, on="cgroup_id", how="semi")

    def _few_values(self, uses: pl.DataFrame) -> pl.DataFrame:
        """One row without a value for each argument that has too many of them, unless that has been told."""
        value, before = pl.col("value"), pl.col("values").fill_null(0)
        many = (pl.col("too_many").any() | (value.count() + before.first() > self._most_values)).over(_ARGUMENT)
        few = (
            uses.join(self._told, on=_ARGUMENT, how="left", nulls_equal=True)
            .filter(before <= self._most_values)
            .with_columns(value=pl.when(~many).then(value))
            .unique([*_ARGUMENT, "value"], keep="first", maintain_order=True)
        )
        if self._marks is not None:
            self._remember(few.filter(pl.col("argument").is_not_null()))
        return few

    def _remember(self, uses: pl.DataFrame) -> None:
        value = pl.col("value")
        number = pl.when(value.is_null().any()).then(self._most_values + 1).otherwise(value.count())
        counted = uses.group_by(_ARGUMENT).agg(number.cast(pl.UInt32).alias("values"))
        self._told = pl.concat([self._told, counted]).group_by(_ARGUMENT).agg(pl.col("values").sum())

    def _named(self, uses: pl.DataFrame) -> pl.DataFrame:
        code = uses["code"]
        names = self._names.gather(self._positions.gather(code)).alias("syscall")
        abis = self._abis.gather(code // ENTRY_CODES).alias("abi")
        named = uses.with_columns(names, abis, (code % ENTRY_CODES).alias("nr"))
        return named.sort("cgroup_id", "phase", "abi", "syscall", "nr", "argument", "value")


def _uses(rows: pl.DataFrame, met: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """One row for each number that was met, and for each argument of which the kernel had too many."""
    row, place = np.nonzero(met)
    is_call = pl.col("code") == _OF_CALLS
    number = pl.col("page") * met.shape[1] + pl.Series(place, dtype=pl.UInt64)
    uses = rows[row].with_columns(value=number)
    over = rows.filter("too_many").with_columns(value=pl.lit(None, pl.UInt64))
    return pl.concat([uses, over]).with_columns(
        pl.when(is_call).then("value").otherwise("code").cast(pl.UInt32).alias("code"),
        pl.when(~is_call).then("argument").alias("argument"),
        pl.when(~is_call).then("value").alias("value"),
    )

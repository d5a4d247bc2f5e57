"""Events of several trackers in one table: what all have in common, and the rest as words."""

from __future__ import annotations

import polars as pl
from polars.datatypes import DataTypeClass

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.table import CONTAINER, TableSink, cell, virtual

LABEL = Column("tracker", pl.String, "name of the tracker that saw it")
_ROW = (
    Column("time", pl.Datetime("ns", "UTC"), "when it happened, UTC", "time"),
    LABEL,
    Column("event", pl.String, "what happened, where a tracker sees more than one thing"),
    Column("container_id", pl.String, "the container's id, twelve digits; `host` outside of containers"),
    Column("container_name", pl.String, "the container's name as its runtime says it; none outside of containers"),
    Column("pid", pl.UInt32, "process id as the host sees it"),
    Column("comm", pl.String, "name of the thread's program, at most 15 characters"),
    Column("details", pl.String, "what the tracker's own table shows beside that, as name=value"),
)
SEVERAL = Schema(_ROW)
"""The columns that such a table can show."""
_CELL = "cell of "  # which no column's name begins with
USUAL = ("time", LABEL.name, "event", CONTAINER, "pid", "comm", "details")


class Merge(Handler):
    """Brings one tracker's batches into the common form and hands them to a table that others write to as well.

    Args:
        label: the tracker's name.
        schema: its columns.
        shown: those that its own table shows.
        table: the common one, made for SEVERAL.
    """

    def __init__(self, label: str, schema: Schema, shown: tuple[str, ...], table: TableSink) -> None:
        self._table = table
        names = [name for name in shown if name not in USUAL and (name in schema or name in virtual(schema))]
        words = [_word(name) for name in names]
        self._cells = [cell(schema, name).alias(_CELL + name) for name in names]
        own = {
            LABEL.name: pl.repeat(label, pl.len(), dtype=pl.String),
            "details": pl.concat_str(words, separator=" ", ignore_nulls=True) if words else _nothing(pl.String),
        }
        self._columns = [
            (own[column.name] if column.name in own else _taken(schema, column)).alias(column.name) for column in _ROW
        ]

    def handle(self, batch: Batch) -> Batch:
        """Prints a batch, hands it on as it was."""
        with_cells = batch.frame.with_columns_seq(self._cells)  # on their own, since each is looked at twice
        self._table.handle(Batch(batch.source, SEVERAL, with_cells.select_seq(self._columns)))
        return batch

    def flush(self) -> tuple[()]:
        """Gives an empty run its heading."""
        return self._table.flush()

    def close(self) -> None:
        """Closes the table."""
        self._table.close()


def _word(name: str) -> pl.Expr:
    """`name=value`, null when there is no value."""
    text = pl.col(_CELL + name)
    return pl.when(text != "").then(pl.lit(f"{name}=") + text)


def _taken(schema: Schema, column: Column) -> pl.Expr:
    return pl.col(column.name).cast(column.dtype) if column.name in schema else _nothing(column.dtype)


def _nothing(dtype: pl.DataType | DataTypeClass) -> pl.Expr:
    return pl.repeat(None, pl.len(), dtype=dtype)

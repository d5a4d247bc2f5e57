"""Batches and outputs that the tests of text sinks share."""

from __future__ import annotations

from typing import Any

import polars as pl

from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.outputs import Output

NOON_NS = 1_700_000_000_000_000_007

SCHEMA = Schema(
    (
        Column("time", pl.Datetime("ns", "UTC"), "when", "time"),
        Column("container_id", pl.String, "id"),
        Column("container_name", pl.String, "name"),
        Column("event", pl.Enum(["exec", "exit"]), "what"),
        Column("pid", pl.UInt32, "process"),
        Column("comm", pl.String, "program"),
        Column("exit_code", pl.Int32, "code"),
        Column("duration", pl.UInt64, "how long", "duration"),
        Column("size", pl.UInt64, "how much", "bytes"),
        Column("ok", pl.Boolean, "whether"),
        Column("args", pl.List(pl.String), "arguments"),
        Column("args_truncated", pl.Boolean, "whether args lacks its end"),
    )
)


def batch(*rows: dict[str, Any], schema: Schema = SCHEMA) -> Batch:
    """Events; what a row leaves out is null, but for the time."""
    columns = {}
    for column in schema:
        values = [
            row.get(column.name, NOON_NS + number if column.name == "time" else None) for number, row in enumerate(rows)
        ]
        columns[column.name] = (
            pl.Series(column.name, values, strict=False).cast(column.dtype)
            if values
            else pl.Series(column.name, [], column.dtype)
        )
    return Batch("test", schema, pl.DataFrame(columns))


class Memory(Output):
    """An output that keeps what is written, a piece for each write."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = 0

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def close(self) -> None:
        self.closed += 1

    @property
    def text(self) -> str:
        """All of it."""
        return b"".join(self.pieces).decode()

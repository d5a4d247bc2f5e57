"""Events to write, and what writes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.databases.making import make
from eunomia.sinks.databases.writing import Writer
from tests.sinks.samples import NOON_NS, SCHEMA


def numbered(start: int, end: int) -> Batch:
    """Events of one container, with numbers as process ids, a microsecond apart."""
    frame = pl.DataFrame({"pid": pl.int_range(start, end, eager=True)}).select(
        (pl.col("pid") * 1000 + NOON_NS).cast(pl.Datetime("ns", "UTC")).alias("time"),
        pl.lit("0123456789ab").alias("container_id"),
        pl.lit("web").alias("container_name"),
        pl.lit("exec").cast(SCHEMA["event"].dtype).alias("event"),
        pl.col("pid").cast(pl.UInt32),
        pl.lit("sh").alias("comm"),
        *(pl.lit(None, one.dtype).alias(one.name) for one in SCHEMA.columns[6:]),
    )
    return Batch("process", SCHEMA, frame)


@contextmanager
def writing(kind: str, directory: Path, told: list[str] | None = None, **options: Any) -> Iterator[Writer]:
    """A writer to a database."""
    database, settings = make(kind, {"every_s": 0.1, **options})
    writer = Writer(kind, database, settings, directory, "n1", (told if told is not None else []).append)
    try:
        yield writer
    finally:
        writer.close()


def one_column(name: str, dtype: Any) -> Schema:
    """A time, and one column beside it."""
    from eunomia.schema.semantic import Column

    return Schema((SCHEMA["time"], Column(name, dtype, "what")))

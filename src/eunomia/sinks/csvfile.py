"""CSV with a header line (RFC 4180); lists are written as a shell would read them."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.outputs import Output
from eunomia.sinks.text import shell_words, times


class CsvSink(Handler):
    """Writes batches as CSV; the header is written at once, so that an empty run gives it too.

    Args:
        out: where to; a batch is one write.
        schema: the columns.
    """

    def __init__(self, out: Output, schema: Schema) -> None:
        self._out = out
        lists = [shell_words(column.name) for column in schema if isinstance(column.dtype, pl.List)]
        self._texts = [*times(schema.columns), *lists]
        self._write(pl.DataFrame(schema=schema.polars()), header=True)

    def _write(self, frame: pl.DataFrame, *, header: bool) -> None:
        self._out.write(frame.with_columns(self._texts).write_csv(include_header=header).encode())

    def handle(self, batch: Batch) -> Batch:
        """Writes a batch, hands it on."""
        self._write(batch.frame, header=False)
        return batch

    def close(self) -> None:
        """Closes the output."""
        self._out.close()

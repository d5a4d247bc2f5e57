"""CSV with a header line (RFC 4180); lists are written as a shell would read them."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.outputs import Output
from eunomia.sinks.text import as_words, is_list, times


class CsvSink(Handler):
    """Writes batches as CSV; the header comes with the first events, or at the end of an empty run.

    Args:
        out: where to; a batch is one write.
        schema: the columns.
    """

    def __init__(self, out: Output, schema: Schema) -> None:
        self._out = out
        lists = [as_words(column) for column in schema if is_list(column)]
        self._texts = [*times(schema.columns), *lists]
        self._empty = pl.DataFrame(schema=schema.polars())
        self._headed = False

    def _write(self, frame: pl.DataFrame) -> None:
        text = frame.with_columns(self._texts).write_csv(include_header=not self._headed)
        self._out.write(text.encode())
        self._headed = True

    def handle(self, batch: Batch) -> Batch:
        """Writes a batch, hands it on."""
        self._write(batch.frame)
        return batch

    def flush(self) -> tuple[()]:
        """Leaves a header where nothing came at all."""
        if not self._headed:
            self._write(self._empty)
        return ()

    def close(self) -> None:
        """Closes the output."""
        self._out.close()

"""JSON, one object a line; keys are the column names."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.outputs import Output
from eunomia.sinks.text import times


class JsonLinesSink(Handler):
    """Writes batches as JSON lines.

    Args:
        out: where to; a batch is one write, so that lines are never cut while the run goes on.
        schema: the columns.
    """

    def __init__(self, out: Output, schema: Schema) -> None:
        self._out = out
        shown = {text.meta.output_name(): text for text in times(schema.columns)}
        objects = pl.struct(shown.get(column.name, pl.col(column.name)) for column in schema)
        # For a batch of a hundred this costs half of write_ndjson(), which sets up a streaming engine for each call.
        self._lines = objects.struct.json_encode().str.join("\n")

    def handle(self, batch: Batch) -> Batch:
        """Writes a batch, hands it on."""
        self._out.write(f"{batch.frame.select(self._lines).item()}\n".encode())
        return batch

    def flush(self) -> tuple[()]:
        """Leaves an empty file where nothing came at all."""
        self._out.write(b"")
        return ()

    def close(self) -> None:
        """Closes the output."""
        self._out.close()

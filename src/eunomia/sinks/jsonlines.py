"""JSON, one object a line; keys are the column names."""

from __future__ import annotations

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
        self._times = times(schema.columns)

    def handle(self, batch: Batch) -> Batch:
        """Writes a batch, hands it on."""
        self._out.write(batch.frame.with_columns(self._times).write_ndjson().encode())
        return batch

    def close(self) -> None:
        """Closes the output."""
        self._out.close()

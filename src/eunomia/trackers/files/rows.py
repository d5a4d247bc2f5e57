"""What was counted: one row for each process and path, in order."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.trackers.declaration import Options
from eunomia.trackers.paths import tidy
from eunomia.trackers.texts import DEVICE, device_name, written

COUNTERS = ("opens", "reads", "read_bytes", "writes", "write_bytes", "deletes", "renames", "errors")
_KEYS = ("cgroup_id", "pid", "path", "host_path")
_NAMED = "named"
_ORDERS = {
    "bytes": pl.col("read_bytes") + pl.col("write_bytes"),
    "latency": pl.col("total_latency").fill_null(0),
    "path": pl.col("path").rank("dense", descending=True),
}
_CALLS = pl.sum_horizontal("opens", "reads", "writes", "deletes", "renames", "errors")


class Rows(Handler):
    """Merges and sorts the rows of an interval.

    A deleted or renamed file is counted by its name in the kernel, since at the return of the call there is no file of
    that name any more; what the same process did with it before is a row of its own there.

    Args:
        options: of the tracker.
        schema: the columns as they are counted.
    """

    def __init__(self, options: Options, schema: Schema) -> None:
        sort = options["sort"]
        self._order = _ORDERS.get(sort, pl.col(sort))
        self._schema = self.columns(schema)

    def columns(self, schema: Schema) -> Schema:
        """All but what only merging needs."""
        kept = (column for column in schema if column.name != _NAMED)
        return Schema(tuple(DEVICE if column.name == DEVICE.name else column for column in kept))

    def handle(self, batch: Batch) -> Batch:
        """The rows, the first of them the most."""
        frame = _merge(tidy(batch.frame, _NAMED, "path", "host_path")) if batch.frame[_NAMED].any() else batch.frame
        kept = frame.select(column.name for column in self._schema)
        rows = kept.sort(
            self._order, _CALLS, descending=True, maintain_order=True
        )  # as one query it takes twice as long
        return Batch(batch.source, self._schema, rows.with_columns(written(rows["device"], device_name)))


def _merge(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds up the rows of the same process and path."""
    rest = [name for name in frame.columns if name not in (*_KEYS, *COUNTERS, "total_latency", "max_latency", "inode")]
    return frame.group_by(_KEYS, maintain_order=True).agg(
        pl.col(*rest).first(),
        pl.col(*COUNTERS).sum(),
        # A sum of nothing measured is nothing measured.
        pl.when(pl.col("total_latency").count() > 0).then(pl.col("total_latency").sum()).alias("total_latency"),
        pl.col("max_latency", "inode").max(),
    )

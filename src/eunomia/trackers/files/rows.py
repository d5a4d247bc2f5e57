"""What was counted: one row for each process and path, in order."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.trackers.declaration import Options
from eunomia.trackers.files.histograms import COUNTED, SLOTS
from eunomia.trackers.paths import tidy
from eunomia.trackers.texts import DEVICE, device_name, written

COUNTERS = ("opens", "reads", "read_bytes", "writes", "write_bytes", "deletes", "renames", "errors")
_KEYS = ("cgroup_id", "pid", "path", "host_path")
_NAMED = "named"
_LATENCIES = ("read_latency", "write_latency")
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
        self._unmeasured = () if options["latency"] else (*_LATENCIES, *COUNTED)
        self._order = _ORDERS.get(sort, pl.col(sort))
        self._schema = self.columns(schema)

    def columns(self, schema: Schema) -> Schema:
        """All but what only merging needs, or nobody has measured."""
        kept = (column for column in schema if column.name not in (_NAMED, *self._unmeasured))
        return Schema(tuple(DEVICE if column.name == DEVICE.name else column for column in kept))

    def handle(self, batch: Batch) -> Batch:
        """The rows, the first of them the most."""
        frame = batch.frame.drop(self._unmeasured)
        if frame[_NAMED].any():
            frame = _merge(tidy(frame, _NAMED, "path", "host_path"))
        kept = frame.select(column.name for column in self._schema)
        rows = kept.sort(
            self._order, _CALLS, descending=True, maintain_order=True
        )  # as one query it takes twice as long
        return Batch(batch.source, self._schema, rows.with_columns(written(rows["device"], device_name)))


def _merge(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds up the rows of the same process and path."""
    times = [name for name in ("total_latency", *_LATENCIES) if name in frame.columns]
    slots = {name: [f"{name}{slot}" for slot in range(SLOTS)] for name in COUNTED if name in frame.columns}
    apart = (*_KEYS, *COUNTERS, *times, *slots, "max_latency", "inode")
    merged = frame.group_by(_KEYS, maintain_order=True).agg(
        pl.col(*(name for name in frame.columns if name not in apart)).first(),
        pl.col(*COUNTERS).sum(),
        # A sum of nothing measured is nothing measured.
        *(pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in times),
        pl.col("max_latency", "inode").max(),
        *(pl.col(name).arr.get(slot).sum().alias(one) for name in slots for slot, one in enumerate(slots[name])),
    )
    return merged.with_columns(pl.concat_list(ones).list.to_array(SLOTS).alias(name) for name, ones in slots.items())
